"""Whether what was served is what the offline side says, of the requests that the project's serving log has.

Some requests are computed again; what differs and cannot be explained (by what arrived later, or was published
otherwise) is skew, and no amount of it is put up with. ``sqlfeat verify --online`` shows each difference.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlfeat.ops.monitoring.results import BREACH, OK, Measure
from sqlfeat.ops.online.verify_log import verify_log
from sqlfeat.ops.session import Session

REQUESTS = 500
"""About so many requests are computed again."""


def skew_of(session: Session, subjects: Collection[str], since: datetime) -> Measure | None:
    """The share of served values that are not what the offline side says; None where nothing was logged.

    ``subjects`` are what was asked: a training set, ``model@v1``, a view.
    """
    log = session.spec.serving_log
    if log is None or not log.path.is_dir():
        return None
    verdicts = [
        one
        for one in verify_log(session, since=since, sample=REQUESTS).verdicts
        if one.subject in subjects and one.cells
    ]
    cells, differing = sum(one.cells for one in verdicts), sum(one.unexplained for one in verdicts)
    if not cells:
        return None
    text = f"{differing:,} of {cells:,} values that were served are not what the tables say (sqlfeat verify --online)."
    return Measure("skew", differing / cells, 0.0, BREACH if differing else OK, text=text if differing else "")
