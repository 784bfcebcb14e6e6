"""A version is served by what it was trained on, also when the project says something else by now, or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sqlfeat.errors import SqlfeatError
from sqlfeat.ops.online.request import RequestPlan
from tests.made.projects import Opened, day
from tests.made.scoring import register_buyer
from tests.made.serving import ANN, AT, client, publish, served_shop

INSTANT = day(4, 1)


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """A shop whose model has an alias."""
    made = served_shop(tmp_path / "shop")
    with made.project() as project:
        project.set_alias("buyer", "today", "1")
    return made


def asked(opened: Opened, reference: str = "buyer@today") -> Any:
    with opened.project() as project, project.serve_session() as serving:
        return serving.predict(reference, [ANN], at=INSTANT)


TRAINED = """
    import lightgbm

    from sqlfeat.hooks import trainer

    PARAMS = {"objective": "binary", "verbosity": -1, "min_data_in_leaf": 2, "deterministic": True, "num_threads": 1}

    @trainer(training_set="buys", params=PARAMS)
    def learned(data, params):
        return lightgbm.train(params, data.train.lightgbm(), 3)
"""


def redefine(opened: Opened) -> None:
    """Another definition of a feature, and another SELECT that needs one request column more."""
    spent, buys = ((opened.root / "models" / f"{name}.sql").read_text() for name in ("spent", "buys"))
    opened.change(
        {
            "models/spent.sql": spent.replace("ordered_at, amount,", "ordered_at, amount - 1000 as amount,"),
            "models/buys.sql": buys.replace("a.channel,", "a.channel, a.shop || '!' as place,"),
        }
    )
    publish(opened)


def test_a_version_with_an_alias_answers_as_before_when_its_definitions_change(opened: Opened) -> None:
    before = asked(opened)
    redefine(opened)
    after = asked(opened)

    assert (after.predictions, after.version) == (before.predictions, before.version)
    assert (before.snapshot, after.snapshot) == (1, 2)
    with opened.project() as project, project.serve_session() as serving:
        row = {**ANN, "shop": "s1"}
        assert serving.features("buys", [row], at=INSTANT).rows[0] | {"spent_3d": None} == {
            "channel": "web", "place": "s1!", "amount": -970, "spent_3d": None,
        }  # fmt: skip


def test_two_versions_of_two_definitions_are_served_side_by_side(opened: Opened) -> None:
    first = asked(opened)
    redefine(opened)
    register_buyer(opened, seed=3)
    with opened.project() as project, client(project) as shop:
        old = shop.post("/predict/buyer@today", {**ANN, "at": AT})
        new = shop.post("/predict/buyer@2", {**ANN, "shop": "s1", "at": AT})
        lacking = shop.post("/predict/buyer@2", {**ANN, "at": AT})
        paths = shop.get("/openapi.json").body["paths"]

    assert (old.status, old.body["version"], old.body["prediction"]) == (200, 1, first.predictions[0])
    assert (new.status, new.body["version"]) == (200, 2)
    assert new.body["prediction"] != old.body["prediction"]
    assert (lacking.status, lacking.body["error"]["code"]) == (422, "missing-request-column")
    bodies = [paths[f"/predict/{name}"]["post"]["requestBody"] for name in ("buyer", "buyer@today")]
    required = [one["content"]["application/json"]["schema"]["anyOf"][0]["required"] for one in bodies]
    assert [sorted(names) for names in required] == [["channel", "customer", "shop"], ["channel", "customer"]]


def test_a_version_is_served_when_its_training_set_is_gone(opened: Opened) -> None:
    before = asked(opened)
    (opened.root / "models" / "buys.sql").unlink()
    publish(opened)

    assert asked(opened).predictions == before.predictions


def test_a_version_without_an_alias_goes_with_its_definition(opened: Opened) -> None:
    register_buyer(opened, seed=5)
    redefine(opened)
    with opened.project() as project:
        project.delete_alias("buyer", "today")
    publish(opened)
    with pytest.raises(SqlfeatError) as caught:
        asked(opened, "buyer@2")

    assert caught.value.code == "not-published"


def test_of_a_version_that_carries_no_plan_the_projects_is_taken(tmp_path: Path) -> None:
    opened = served_shop(tmp_path / "shop")
    expected = asked(opened, "buyer@1").predictions
    register_buyer(opened, plan={})

    assert asked(opened, "buyer@2").predictions == expected


def test_features_and_what_was_trained_are_served_where_none_of_the_sources_is(opened: Opened) -> None:
    opened.change({"hooks/learned.py": TRAINED})
    with opened.project() as project:
        version = project.train("learned")
    with opened.project() as project, project.serve_session() as serving:
        predictions = serving.predict("learned", [ANN], at=INSTANT).predictions
        features = serving.features("buys", [ANN], at=INSTANT).rows
    (opened.root / "data").rename(opened.root / "away")

    assert RequestPlan.from_dict(version.plan).as_dict() == version.plan
    with opened.project() as project, client(project, model="learned") as shop:
        given = shop.post("/features/buys", {**ANN, "at": AT})
        predicted = shop.post("/predict/learned", {**ANN, "at": AT})
        looked_up = shop.post("/get-online-features", {"features": ["spent:amount"], "entities": {"customer": ["ann"]}})
        typed = shop.get("/openapi.json").body["paths"]["/features/buys"]["post"]
    assert (given.status, given.body["features"]) == (200, features[0])
    assert (predicted.status, predicted.body["prediction"]) == (200, predictions[0])
    assert (looked_up.status, looked_up.body["metadata"]["feature_names"]) == (200, ["customer", "amount"])
    assert "channel" in typed["requestBody"]["content"]["application/json"]["schema"]["anyOf"][0]["required"]


def test_a_training_set_that_does_not_compile_is_answered_by_the_plan_it_was_published_with(opened: Opened) -> None:
    with opened.project() as project, project.serve_session() as serving:
        features = serving.features("buys", [ANN], at=INSTANT).rows
    buys = (opened.root / "models" / "buys.sql").read_text()
    opened.change({"models/buys.sql": buys.replace("a.channel,", "a.chanel,")})
    with opened.project() as project, project.serve_session() as serving:
        assert serving.features("buys", [ANN], at=INSTANT).rows == features
