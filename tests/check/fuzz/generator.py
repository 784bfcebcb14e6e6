"""Random programs from a seed: chains of safe skeletons, whole or spoilt, and SQL that follows no plan.

A third of the programs is sound: safe by construction, as far as whoever wrote the skeletons can see. Half are the
same with one to four random changes, which often leak and sometimes do not. The rest mixes in models that are put
together without regard to time. What is true of a program is for the data to say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from random import Random

from tests.check.fuzz.mutations import mutated
from tests.check.fuzz.relations import (
    SPANS,
    Made,
    Relation,
    aggregate,
    column,
    compared,
    items,
    later,
    of_source,
    output_types,
    scalar,
    some_value,
    table,
)
from tests.check.fuzz.skeletons_joins import JOINS
from tests.check.fuzz.skeletons_lookups import LOOKUPS
from tests.check.fuzz.skeletons_rows import ROWS, some_conditions
from tests.check.fuzz.skeletons_written import WRITTEN
from tests.check.fuzz.sources import SOURCES
from tests.check.fuzz.tree import Cte, Feature, Item, Model, Op, Program, Query, Select, Table, Window, put, walk
from tests.check.fuzz.wild import wild

_USUAL = ("events", "events", "ticks", "ticks", "late", "late", "delayed", "dims", "terms", "closed", "slips")


@dataclass(frozen=True)
class Generated:
    """A program, the seed that it comes from, and how it was made: ``sound``, ``spoilt`` or ``wild``."""

    seed: int
    kind: str
    program: Program


def generate(seed: int) -> Generated:
    """The program of a seed."""
    random = Random(seed)
    kind = random.choice(["sound", "sound", "sound", "spoilt", "spoilt", "spoilt", "spoilt", "spoilt", "wild", "wild"])
    makers: list[Callable[[Random, str], Program]] = [_chain] * 8 + [_training]
    program = random.choice(makers)(random, kind)
    if kind != "sound":
        for _ in range(random.choice([1, 2, 2, 3, 3, 4]) if kind == "spoilt" else random.choice([0, 1])):
            program = mutated(random, program)
    return Generated(seed, kind, program)


def _chain(random: Random, kind: str) -> Program:
    """One to four models, the last of which reads the one before it."""
    models: list[Model] = []
    known: list[Relation] = []
    for position in range(random.choice([1, 1, 2, 2, 2, 3, 4])):
        name = f"m{position + 1}"
        made = _made(random, kind, known)
        models.append(_configured(random, name, made))
        known.append(made.relation(name))
    return Program(tuple(models))


def _made(random: Random, kind: str, known: Sequence[Relation]) -> Made:
    while True:
        first = known[-1] if known and random.random() < 0.9 else _source(random, kind)
        second = _source(random, kind) if not known or random.random() < 0.6 else random.choice(known)
        second = first if random.random() < 0.12 else second
        if random.random() < 0.3:
            first, second = second, first
        if kind == "wild" and random.random() < 0.5:
            return wild(random, first, second)
        if "o" in first.written and random.random() < 0.7:
            made = random.choice(WRITTEN)(random, first, second)
        elif random.random() < 0.45:
            made = random.choice(ROWS)(random, first)
        else:
            made = random.choice((*JOINS, *LOOKUPS))(random, first, second)
        if made is not None:
            query = _distinct_names(made.query)
            if isinstance(query, Select) and random.random() < 0.12:
                query = _through_cte(random, query, random.choice([first, second]))
            return replace(made, query=query)


def _through_cte(random: Random, query: Select, relation: Relation) -> Select:
    """The query with a CTE for a relation, wherever it reads that."""
    if not any(isinstance(node, Table) and node.name == relation.name for _, node in walk(query)):
        return query
    for path, node in list(walk(query)):
        if isinstance(node, Table) and node.name == relation.name:
            query = put(query, path, replace(node, name="seen_"))
    where = some_conditions(random, "c_", relation)
    inner = Select(items("c_", relation, list(relation.columns)), Table(relation.name, "c_"), where)
    return replace(query, ctes=(Cte("seen_", inner), *query.ctes))


def _distinct_names(query: Query) -> Query:
    """The query with a new name for each column whose name is taken."""
    if not isinstance(query, Select):
        return query
    taken: list[str] = []
    for item in query.items:
        fresh = (f"f{number}" for number in count(1))
        taken.append(item.name if item.name not in taken else next(name for name in fresh if name not in taken))
    items_ = tuple(replace(item, name=name) for item, name in zip(query.items, taken, strict=True))
    return replace(query, items=items_)


def _source(random: Random, kind: str) -> Relation:
    names = _USUAL if kind == "sound" or random.random() < 0.75 else tuple(SOURCES)
    return of_source(random.choice(names))


def _configured(random: Random, name: str, made: Made) -> Model:
    """The model with its time declared; sometimes left to be inherited where that comes to the same."""
    return Model(
        name, made.query, made.time, made.known, made.delay,
        materialized=random.choice(["view", "view", "table", "ephemeral"]),
    )  # fmt: skip


# -- training sets -----------------------------------------------------------------------------------------------------


def _training(random: Random, kind: str) -> Program:
    """A label model, one or two feature views, and a training set over them."""
    models: list[Model] = []
    known: list[Relation] = []
    if random.random() < 0.5:
        made = _made(random, kind, known)
        models.append(_configured(random, "m1", made))
        known.append(made.relation("m1"))
    views = [view for view in (_view(random, kind, f"v{n}", known) for n in (1, 2)) if view is not None]
    asked = of_source(random.choice(["events", "ticks"]))
    labels = _labels(random, asked)
    features = [_feature(random, view, f"f{n}") for n, view in enumerate(views) for _ in range(random.choice([1, 2]))]
    features = [replace(feature, name=f"f{n}") for n, feature in enumerate(features)]
    relation = Relation("labels", output_types(labels.query)) if labels.query else asked
    plain = [*items("l_", relation, ["id", "k", "t", "x", "label"])]
    if kind != "sound" and random.random() < 0.3:
        plain.append(Item(Op("({0} + 1)", (column("l_", relation, "label"),)), "hint"))
    training = Model(
        "training", None, "t", labels="labels", plain=tuple(plain), features=tuple(features),
        materialized="training_set",
    )  # fmt: skip
    return Program((*models, *views, labels, training))


def _labels(random: Random, asked: Relation) -> Model:
    """Whether something happened to the key in the time to come."""
    span = random.choice(["1 hour", "1 day", "7 days"])
    happened = of_source(random.choice(["events", "ticks"]))
    time, at = column("s", happened, happened.time or ""), column("r", asked, "t")
    where = (
        compared(column("s", happened, "k"), "=", column("r", asked, "k")),
        compared(time, ">", at),
        compared(time, "<=", later(at, span)),
    )
    value = aggregate(random.choice(["count(*)", "sum({0})", "max({0})"]), some_value(random, "s", happened))
    label = scalar(Select((Item(value, "v"),), table(happened, "s"), where))
    query = Select((*items("r", asked, ["id", "k", "t", "x"]), Item(label, "label")), table(asked, "r"))
    return Model("labels", query, "t", label=True, horizon=span)


def _view(random: Random, kind: str, name: str, known: Sequence[Relation]) -> Model | None:
    """A feature view of the entity k, half of them with windows."""
    for _ in range(20):
        made = _made(random, kind, known)
        types = output_types(made.query)
        if made.time is None or types.get("k") != "int" or not isinstance(made.query, Select):
            continue
        view = Model(name, made.query, made.time, made.known, made.delay, materialized="feature_view")
        names = [each for each, kind_ in types.items() if kind_ == "int" and each != "k"]
        if not names or random.random() < 0.5:
            return view
        source = made.relation(name)
        inner = Select(items("r", source, list(types)), table(source, "r"))
        windows = tuple(_window(random, names, f"w{n}") for n in range(random.choice([1, 2])))
        return replace(view, query=_plain(made, inner), windows=windows)
    return None


def _plain(made: Made, inner: Select) -> Select:
    """A SELECT that may hold window(): no GROUP BY, DISTINCT, QUALIFY, LIMIT or set operation in it."""
    return replace(inner, source=Table("base", "r"), ctes=(Cte("base", made.query),))


def _window(random: Random, names: Sequence[str], name: str) -> Window:
    aggregate_ = random.choice(["sum({0})", "count(*)", "max({0})", "min({0})", "count(distinct {0})"])
    offset = random.choice([None, None, None, "1 hour", "1 day"])
    return Window(aggregate_.format(random.choice(list(names))), random.choice([*SPANS[:6], "unbounded"]), name, offset)


def _feature(random: Random, view: Model, name: str) -> Feature:
    columns = [window.name for window in view.windows]
    if not columns or random.random() < 0.4:
        assert view.query is not None
        types = output_types(view.query)
        fixed = ("k", view.event_time, view.available_at)
        columns = [each for each in types if each not in fixed] or columns or ["k"]
    column_ = random.choice(columns)
    plain = column_ not in [window.name for window in view.windows]
    ttl = random.choice([None, None, "1 day", "1 hour"]) if plain else None
    return Feature(view.name, column_, name, ttl, plain and random.random() < 0.2)
