"""Which nodes selectors mean, ``state:modified`` included: what is defined otherwise than it was built."""

from __future__ import annotations

from collections.abc import Sequence

from sqlfeat.ops.session import Session


def selected(session: Session, select: Sequence[str] = (), exclude: Sequence[str] = ()) -> tuple[str, ...]:
    """The ids that selectors mean, in DAG order; the target is opened only where they ask for a state.

    Raises:
        UsageError: a selector matches nothing or cannot be read.
    """
    asks_state = any("state:" in selector for selector in (*select, *exclude))
    modified = _modified(session) if asks_state else frozenset()
    return session.outline.graph.select(select, exclude, modified=modified)


def _modified(session: Session) -> frozenset[str]:
    """The models and seeds that are new or differ from what was built, and the tests of these."""
    manifest, records = session.manifest, session.engine.records()
    changed = {
        node
        for node in manifest.graph.nodes
        if node.startswith(("model.", "seed."))
        and (node not in records or records[node].fingerprint != manifest.fingerprints.get(node))
    }
    tests = {test.id for test in manifest.tests.values() if changed & set(test.parents)}
    return frozenset(changed | tests)
