"""The rules of the proof: their ids, what each means in a sentence, what a finding says, and how to mend it.

An id is for ever: it stands in documents, in SARIF files and in people's heads. Each has a page under ``docs/rules``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """``says`` is a finding's sentence and ``example`` its counterexample; both may name ``{subject}`` (a word of the
    SQL), ``{source}``, ``{event_time}`` and ``{known}`` (its columns), ``{distance}`` (how much too late) and
    ``{time}`` (the row's own time).
    """

    id: str
    meaning: str
    says: str
    example: str
    mend: str

    @property
    def page(self) -> str:
        return f"docs/rules/{self.id}.md"


_ALL = (
    Rule(
        "following-frame",
        "A window's frame reaches past the current row.",
        "The frame of {subject} reaches {distance} past its row.",
        "a row at {time} contains rows of {source} of up to {distance} later",
        "end the frame at the current row: ROWS or RANGE BETWEEN … PRECEDING AND CURRENT ROW, ordered by time",
    ),
    Rule(
        "lead",
        "A window function reads the row after the current one.",
        "{subject} reads the next row in time.",
        "a row at {time} contains the row of {source} that comes after it, whenever that is",
        "read the row before with lag(), or compute this in a model with role='label'",
    ),
    Rule(
        "whole-partition",
        "A window function reads all rows of its partition, later ones too.",
        "{subject} reads its whole partition, and later rows are in it.",
        "a row at {time} contains rows of {source} of any later time",
        "add ORDER BY the event time, with a frame that ends at the current row",
    ),
    Rule(
        "rank-partition",
        "A rank among all rows of a partition, ordered by something that is no time.",
        "{subject} ranks a row among all rows of its partition, and later rows are among them.",
        "the rank of a row at {time} changes when a later row of {source} comes in",
        "rank by the event time, or count the earlier rows with a join that is bounded in time",
    ),
    Rule(
        "latest-row",
        "Only the newest row of each key is kept or read, so an older row vanishes or changes when a newer one comes.",
        "{subject_or_this} takes the newest row of each key, and which one that is changes with time.",
        "a row at {time} is replaced by one of {source} that comes later",
        "leave all rows in: feature() and ASOF JOIN find the latest row as of each time",
    ),
    Rule(
        "whole-group",
        "An aggregate over a group whose keys say nothing of time.",
        "{subject} is computed over all rows of its group, and no key of the group bounds when they come.",
        "a row at {time} contains rows of {source} of any later time",
        "group by a bucket of time too, stamped at its end; or use window() in a feature view",
    ),
    Rule(
        "whole-relation",
        "An aggregate, or a LIMIT or sample, over all rows there are.",
        "{subject_or_this} hangs on all rows of {source}, whenever they come.",
        "a row at {time} contains rows of {source} of any later time",
        "bound the rows by time, or compute it over what is known at each row's time",
    ),
    Rule(
        "unbounded-join",
        "A timed relation is joined or looked up without a bound on its time.",
        "Rows of {source} are joined whenever they are known: nothing bounds {known} by this row's time.",
        "a row at {time} is joined with a row of {source} of any later time",
        "bound it: `and {known} <= …` with this row's time, or an ASOF JOIN, or feature()",
    ),
    Rule(
        "wrong-bound",
        "A join bounds the time of what is joined on the wrong side.",
        "Rows of {source} are joined from this row's time on, not up to it.",
        "a row at {time} is joined with rows of {source} of any later time",
        "turn the comparison round: {known} <= this row's time",
    ),
    Rule(
        "slack-bound",
        "A time is bounded, but past the row's own time.",
        "Rows of {source} count that become known up to {distance} after this row's time.",
        "a row at {time} contains rows of {source} of up to {distance} later",
        "bound it by the row's time itself, or stamp the row later",
    ),
    Rule(
        "event-time-for-available",
        "Rows are bounded by when they happened, and they are known later.",
        "Rows of {source} are bounded by {event_time}, and they are known at {known}, which may be later.",
        "a row at {time} contains a row of {source} that happened before and was known only later",
        "bound {known} too, or instead",
    ),
    Rule(
        "delay-ignored",
        "Rows are bounded by when they happened, without the delay after which they are known.",
        "Rows of {source} are known {distance} after {event_time}, and nothing here waits for that.",
        "a row at {time} contains rows of {source} that are known up to {distance} later",
        "add the delay to the bound, or declare available_after in this model",
    ),
    Rule(
        "bucket-start",
        "A bucket of time is stamped before its end.",
        "What happens within a bucket counts from its start, and it is known up to {distance} later.",
        "a row at {time} contains amounts of up to {distance} later",
        "stamp the bucket at its end: add its length to the event time, or declare available_after",
    ),
    Rule(
        "dropped-available-at",
        "When the rows of a parent are known is neither passed on nor declared anew.",
        "Rows of {source} are known at {known}, and nothing says that this is not after the event time of this model.",
        "a row at {time} may hold what was known only later",
        "pass {known} on and name it as available_at (or as event_time), or declare available_after",
    ),
    Rule(
        "in-place-update",
        "A column is written after its row has become known.",
        "The column is written later than its row.",
        "a row at {time} contains what was written into it later",
        "keep a row for each version, with the time of each as available_at",
    ),
    Rule(
        "clock",
        "A value or a row hangs on the time at which the query runs.",
        "{subject} is the time at which this runs, not the row's.",
        "the same row at {time} is another one tomorrow",
        "use a column: the row's event time, or the as-of time of the label rows",
    ),
    Rule(
        "random",
        "A value or a row hangs on chance.",
        "{subject} gives something else at each run.",
        "the same row at {time} is another one when it is built again",
        "derive it from the row: hash(key) % 100",
    ),
    Rule(
        "label",
        "A label, or what derives from it, is an input.",
        "{subject_or_this} comes from the label.",
        "a row asked at {time} contains its own answer",
        "leave it out of the inputs: name it in passthrough, or as the label",
    ),
    Rule(
        "label-horizon",
        "Something derives from a label before the label's horizon is over, or is a label beyond its own horizon.",
        "{label_says}",
        "a row at {time} contains answers that are known only later",
        "wait for the horizon: t + horizon <= this row's time; or give the label model a horizon that holds",
    ),
    Rule(
        "future-existence",
        "Whether a row is there hangs on rows that may come later.",
        "Whether this row is there hangs on rows of {source} of any time.",
        "a row at {time} appears or vanishes when a later row of {source} comes in",
        "bound the rows that it asks for: {known} <= this row's time",
    ),
    Rule(
        "fit-outside-train",
        "Statistics over all rows are put back beside them: the test rows are in the fit.",
        "{subject} is computed over all rows of {source} and joined back to them, those of the test split too.",
        "a training row at {time} is scaled or encoded with rows of the test split",
        "fit on what is known at each row's time, with a window() in a feature view",
    ),
    Rule(
        "date-event-time",
        "A DATE is the event time, and nothing says when what happened on a day is known.",
        "The event time {event_time} of {source} is a DATE: what happened on a day is not known at its start.",
        "a row of a day may hold what happened at its evening",
        "declare available_at, or available_after: '1 day'",
    ),
    Rule(
        "untimed",
        "A relation without event time, which is not immutable either: nothing says when its rows are known.",
        "{source} has no event_time and is not immutable: nothing says when its rows are known.",
        "a row of it may have been written at any time",
        "declare its event_time, or immutable: true if it never changes",
    ),
    Rule(
        "nullable-time",
        "A time may be null where rows without one count too.",
        "Rows without {known} come into it, and those are known at no time.",
        "a row at {time} contains a row of {source} that has no time",
        "leave them out: WHERE the time IS NOT NULL, or NULLS LAST",
    ),
    Rule(
        "unknown-condition",
        "A condition on times is not understood, so what it bounds is not known.",
        "This condition on times is not understood, and without it rows of {source} are not bounded.",
        "nothing is known: rows of any time may pass",
        "write it as a comparison of two times: a <= b - interval '1 hour'",
    ),
    Rule(
        "unread",
        "The analysis does not read this SQL.",
        "{subject} is not understood here.",
        "nothing is known of it",
        "write it another way, or say allow_leakage with the reason why it is safe",
    ),
)  # fmt: skip

RULES = {rule.id: rule for rule in _ALL}
"""Every rule by its id."""
