"""What of a project's work is told: that a run, a training set, a training or a publication begins, and how it ended.

Operations are told by ``@told``; each node that a run makes is a job of its own within it, told of as the run tells
its listener. Nothing is told where neither the project file nor ``OPENLINEAGE_URL`` says to whom, and whatever goes
wrong with telling stops nothing and is told once.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from sqlfeat.ops.session import Session
from sqlfeat.spec.openlineage import OpenLineageSpec, is_receiver
from sqlfeat.spec.project import ProjectSpec

if TYPE_CHECKING:
    from sqlfeat.ops.openlineage.teller import Teller

Given = ParamSpec("Given")
Result = TypeVar("Result")
RUN, BUILD, TRAINING_SET, TRAIN, PUBLISH = "run", "build", "training_set", "trainer", "publish"
_NAMED = (TRAINING_SET, TRAIN)
_tellers: dict[int, Teller] = {}
"""Who tells of a session that is at work, by its id."""


@dataclass
class _Ended:
    """What came of an operation."""

    result: object = None


def told(
    kind: str,
) -> Callable[[Callable[Concatenate[Session, Given], Result]], Callable[Concatenate[Session, Given], Result]]:
    """An operation whose beginning and end are told, as the ``kind`` that it is."""

    def wrap(work: Callable[Concatenate[Session, Given], Result]) -> Callable[Concatenate[Session, Given], Result]:
        @functools.wraps(work)
        def telling(session: Session, /, *given: Given.args, **named: Given.kwargs) -> Result:
            with _operation(session, kind, str(given[0]) if kind in _NAMED and given else "") as ended:
                result = work(session, *given, **named)
                ended.result = result
            return result

        return telling

    return wrap


@contextmanager
def _operation(session: Session, kind: str, name: str) -> Iterator[_Ended]:
    ended, teller = _Ended(), _tellers.get(id(session))
    if teller is None:
        said = settings(session.spec, os.environ) if session.notifies else None
        if said is None:
            yield ended
            return
        from sqlfeat.ops.openlineage.teller import Teller  # lineage and HTTP are for those that are told

        teller = _tellers[id(session)] = Teller(session, said)
    operation = teller.guarded(lambda: teller.begin(kind, name))
    try:
        yield ended
    except BaseException as error:
        failure = error
        teller.guarded(lambda: teller.failed(operation, failure))
        raise
    else:
        teller.guarded(lambda: teller.ended(operation, ended.result))
    finally:
        if teller.leave(operation):
            del _tellers[id(session)]


def settings(spec: ProjectSpec, environment: Mapping[str, str]) -> OpenLineageSpec | None:
    """To whom is told, as the project file and OpenLineage's own variables say; these win, since they are a machine's.

    None where nobody is told, or ``OPENLINEAGE_DISABLED`` is true.
    """
    if environment.get("OPENLINEAGE_DISABLED", "").lower() in ("true", "1"):
        return None
    url = environment.get("OPENLINEAGE_URL")
    said = spec.openlineage
    if url is not None and is_receiver(url):
        said = replace(said or OpenLineageSpec(), url=url, file=None)
    if said is None:
        return None
    return replace(
        said,
        endpoint=environment.get("OPENLINEAGE_ENDPOINT") or said.endpoint,
        api_key=environment.get("OPENLINEAGE_API_KEY") or said.api_key,
        namespace=environment.get("OPENLINEAGE_NAMESPACE") or said.namespace or spec.name,
    )
