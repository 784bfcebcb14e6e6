"""What is done is told as OpenLineage events: to a real receiver, by the published schemas, and never at any cost."""

from __future__ import annotations

import json
import socket

import pytest

from sqlfeat.errors import ProjectError, RunError
from sqlfeat.ops.openlineage.telling import settings
from sqlfeat.spec.load import load_project
from tests.made.projects import NOW, PROJECT_FILE, Opened, shop
from tests.made.watched import FILES, quiet, table
from tests.ops.monitoring.test_monitor import HOOK
from tests.ops.openlineage.receiver import receiver
from tests.ops.openlineage.validation import problems_of

VARIABLES = ("URL", "ENDPOINT", "API_KEY", "NAMESPACE", "DISABLED", "PARENT_ID")
PARENT = "0197a1b2-0000-7000-8000-000000000001"
MODELS = {
    "models/staged.sql": "select customer, amount * 2 as doubled, ordered_at from {{ source('raw', 'orders') }}",
    "models/totals.sql": """
        {{ config(materialized='table') }}
        select customer, sum(doubled) as total from {{ ref('staged') }} group by customer
    """,
}


@pytest.fixture(autouse=True)
def _no_receiver_of_this_machine(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(f"OPENLINEAGE_{name}", raising=False)


def said(text: str) -> dict[str, str]:
    return {"sqlfeat_project.yml": PROJECT_FILE + f"    openlineage: {text}\n"}


@pytest.fixture(scope="module")
def worked(tmp_path_factory):
    """The events of a project that was run, trained on and published."""
    root = tmp_path_factory.mktemp("told")
    online = FILES["models/sold.sql"].replace("event_time='sold_at'", "event_time='sold_at', online=true")
    rows = table(quiet(42, a_day=20))
    with receiver() as there:
        files = {**FILES, "models/sold.sql": online, "hooks/returner.py": HOOK, "data/orders.parquet": rows}
        opened = Opened(shop(root, {**files, **said(f"{{url: '{there.url}', api_key: key-1, namespace: prod}}")}))
        opened.run()
        with opened.project() as project:
            project.train("returner")
        with opened.project() as project:
            project.publish()
    return root, there


def output_of(event):
    [one] = event["outputs"]
    return one


def fields_of(output):
    """Of which columns each column is said to be made."""
    told = output["facets"]["columnLineage"]["fields"]
    return {
        name: sorted((one["name"], one["field"], one["transformations"][0]["type"]) for one in own["inputFields"])
        for name, own in told.items()
    }


def test_every_event_is_as_the_schemas_have_it(worked):
    _, there = worked

    assert len(there.events) > 10
    assert [problem for event in there.events for problem in problems_of(event)] == []


def test_the_schemas_find_what_is_wrong(worked):
    _, there = worked
    event = json.loads(json.dumps(there.events[-1]))
    event["eventType"], event["eventTime"], event["run"]["runId"] = "DONE", "2024-05-01", "1"
    del event["job"]["namespace"]
    event["outputs"][0]["facets"]["schema"]["fields"] = {}
    event["outputs"] = [*event["outputs"], {"name": "x"}]

    assert {one.partition(":")[0] for one in problems_of(event)} == {
        "event.eventType is none of ['START', 'RUNNING', 'COMPLETE', 'ABORT', 'FAIL', 'OTHER']",
        "event.eventTime is no date-time",
        "event.run.runId is no uuid",
        "event.job lacks namespace",
        "event.outputs[1] lacks namespace",
        "outputs[0].facets.schema.fields is no array",
    }


def test_every_run_begins_and_ends_once(worked):
    _, there = worked
    runs = {}
    for event in there.events:
        runs.setdefault(event["run"]["runId"], []).append((event["eventType"], event["job"]["name"]))

    assert {tuple(kind for kind, _ in told) for told in runs.values()} == {("START", "COMPLETE")}
    assert sorted({job for told in runs.values() for _, job in told}) == [
        "shop.model.asked",
        "shop.model.sold",
        "shop.publish",
        "shop.run",
        "shop.trainer.returner",
        "shop.training_set.returns",
    ]


def test_requests_are_as_receivers_expect_them(worked):
    _, there = worked

    assert {path for path, _ in there.asked} == {"/api/v1/lineage"}
    assert {headers["Authorization"] for _, headers in there.asked} == {"Bearer key-1"}
    assert {event["job"]["namespace"] for event in there.events} == {"prod"}


def test_a_model_tells_where_its_columns_come_from(worked):
    root, there = worked
    begun, done = there.of("shop.model.sold")

    made = output_of(done)
    source = str(root / "data/orders.parquet")
    assert (made["namespace"], made["name"]) == (f"duckdb://{root / 'target/shop.duckdb'}", "main.sold")
    assert [(one["namespace"], one["name"]) for one in begun["inputs"]] == [("file", source)]
    assert fields_of(made)["gross"] == [(source, "amount", "DIRECT")]
    assert made["outputFacets"]["outputStatistics"]["rowCount"] == 840
    assert [one["name"] for one in made["facets"]["schema"]["fields"]] == ["order_id", "sold_at", "gross", "channel"]
    assert "amount * 1.2 as gross" in begun["job"]["facets"]["sql"]["query"]


def test_a_training_is_told_with_its_set_within_it(worked):
    root, there = worked
    [trained] = [one for one in there.of("shop.trainer.returner") if one["eventType"] == "COMPLETE"]
    [built] = [one for one in there.of("shop.training_set.returns") if one["eventType"] == "COMPLETE"]

    above = built["run"]["facets"]["parent"]
    assert (above["run"]["runId"], above["job"]["name"]) == (trained["run"]["runId"], "shop.trainer.returner")
    assert [one["name"] for one in trained["inputs"]] == [output_of(built)["name"]]
    assert output_of(trained)["name"] == str(root / "registry/returner/v1")
    assert fields_of(output_of(trained))["prediction"] == [
        (output_of(built)["name"], name, "DIRECT") for name in ("channel", "doubled", "items")
    ]
    assert fields_of(output_of(built))["doubled"] == [("main.asked", "amount", "DIRECT")]
    statistics = output_of(built)["outputFacets"]["outputStatistics"]
    assert (statistics["rowCount"], statistics["fileCount"] >= 2, statistics["size"] > 1000) == (840, True, True)


def test_a_publication_tells_of_its_views(worked):
    root, there = worked
    [done] = [one for one in there.of("shop.publish") if one["eventType"] == "COMPLETE"]

    made = output_of(done)
    assert (made["namespace"], made["name"]) == (f"lmdb://{root / 'target/online'}", "sold")
    assert fields_of(made)["gross"] == [("main.sold", "gross", "DIRECT")]


def test_nodes_are_parts_of_their_run_and_it_of_whoever_called(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENLINEAGE_PARENT_ID", f"airflow/daily.features/{PARENT}")
    with receiver() as there:
        Opened(shop(tmp_path, {**MODELS, **said(there.url)})).run()

    [run, _], [totals, _] = there.of("shop.run"), there.of("shop.model.totals")
    assert run["run"]["facets"]["parent"]["run"]["runId"] == PARENT
    assert totals["run"]["facets"]["parent"]["run"]["runId"] == run["run"]["runId"]
    assert totals["run"]["facets"]["parent"]["root"]["job"] == {"namespace": "airflow", "name": "daily.features"}
    assert [problem for event in there.events for problem in problems_of(event)] == []


def test_what_fails_is_told_with_its_reason_and_without_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_SECRET", "s3cr3t-value")
    failing = "select error('no ' || '{{ env_var(\"SHOP_SECRET\") }}') as wrong from {{ source('raw', 'orders') }}"
    with receiver() as there:
        opened = Opened(shop(tmp_path, {"models/wrong.sql": "{{ config(materialized='table') }} " + failing,
                                        **said(there.url)}))  # fmt: skip
        result = opened.run()

    assert result.failed
    for job in ("shop.run", "shop.model.wrong"):
        begun, ended = there.of(job)
        assert (begun["eventType"], ended["eventType"]) == ("START", "FAIL")
        assert ended["run"]["facets"]["errorMessage"]["message"].startswith("no ${env:SHOP_SECRET}")
    assert "s3cr3t-value" not in json.dumps(there.events)
    assert [problem for event in there.events for problem in problems_of(event)] == []


def test_an_error_that_is_raised_fails_the_job(tmp_path):
    with receiver() as there:
        opened = Opened(shop(tmp_path, {**FILES, "data/orders.parquet": table(quiet(3, a_day=5)), **said(there.url)}))
        with opened.project() as project, pytest.raises(RunError):
            project.build_training_set("returns", run_upstream=False)

    begun, ended = there.of("shop.training_set.returns")
    assert (begun["eventType"], ended["eventType"]) == ("START", "FAIL")


def test_events_can_go_into_a_file(tmp_path):
    opened = Opened(shop(tmp_path, {**MODELS, **said("{file: target/lineage.jsonl}")}))
    opened.run()

    told = [json.loads(line) for line in (tmp_path / "target/lineage.jsonl").read_text().splitlines()]
    assert [(one["eventType"], one["job"]["name"]) for one in told] == [
        ("START", "shop.run"),
        ("START", "shop.model.staged"),
        ("COMPLETE", "shop.model.staged"),
        ("START", "shop.model.totals"),
        ("COMPLETE", "shop.model.totals"),
        ("COMPLETE", "shop.run"),
    ]
    assert {one["eventTime"] for one in told} == {f"{NOW:%Y-%m-%dT%H:%M:%S}.000Z"}


def warnings_of(opened: Opened) -> list[str]:
    return [one.text for one in opened.events if one.kind == "log" and "OpenLineage" in one.text]


def test_a_receiver_that_is_not_there_is_told_of_once(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    opened = Opened(shop(tmp_path, {**MODELS, **said(url)}))

    result = opened.run()

    assert [one.status for one in result.results] == ["built", "built"]
    assert warnings_of(opened) == [
        f"warning: not all OpenLineage events were sent: {url} cannot be reached: Connection refused."
    ]


def test_a_receiver_that_refuses_is_told_of_once(tmp_path):
    with receiver(status=403) as there:
        opened = Opened(shop(tmp_path, {**MODELS, **said(there.url)}))
        result = opened.run()

    assert (result.failed, len(there.events)) == (False, 1)
    assert warnings_of(opened) == [
        f"warning: not all OpenLineage events were sent: {there.url} answered 403 Forbidden."
    ]


def test_a_receiver_that_hangs_is_not_waited_for(tmp_path):
    with receiver(hangs=True) as there:
        opened = Opened(shop(tmp_path, {**MODELS, **said(f"{{url: '{there.url}', timeout: 50ms}}")}))
        result = opened.run()

    assert not result.failed
    assert len(warnings_of(opened)) == 1


def test_the_environment_says_where_this_machine_sends_to(tmp_path):
    spec = load_project(shop(tmp_path, said("{url: 'http://one:5000', namespace: prod}")))

    other = {"OPENLINEAGE_URL": "https://two", "OPENLINEAGE_API_KEY": "k", "OPENLINEAGE_ENDPOINT": "lineage"}
    assert settings(spec, {}).url == "http://one:5000"
    assert settings(spec, {"OPENLINEAGE_DISABLED": "true"}) is None
    found = settings(spec, other)
    assert (found.url, found.api_key, found.endpoint, found.namespace) == ("https://two", "k", "lineage", "prod")
    assert "api_key" not in repr(found)


def test_nobody_is_told_where_nobody_asked(tmp_path):
    spec = load_project(shop(tmp_path))

    assert settings(spec, {}) is None
    assert settings(spec, {"OPENLINEAGE_URL": "https://two"}).namespace == "shop"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("localhost:5000", "'openlineage' must be the address of a receiver of OpenLineage events."),
        ("{url: 'ftp://there'}", "'url' must be the address of a receiver of OpenLineage events."),
        ("{namespace: prod}", "'openlineage' goes to a receiver or into a file: it needs either 'url' or 'file'."),
        ("{url: 'http://a', file: b}", "'openlineage' goes to a receiver or into a file: it needs either 'url' or "
                                       "'file'."),
        ("{urll: 'http://a', file: b}", "Openlineage has no key 'urll'."),
        ("7", "Expected openlineage as a mapping, not 7."),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_key_is_told_with_its_place(tmp_path, text, what):
    with pytest.raises(ProjectError) as caught:
        load_project(shop(tmp_path, said(text)))

    assert (caught.value.what, caught.value.where.line > 5) == (what, True)
