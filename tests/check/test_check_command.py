"""``sqlfeat check`` as a user meets it: verdicts, exit codes, places, reasons, SARIF; and what training makes of it."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from sqlfeat.cli.main import main
from sqlfeat.errors import RunError
from sqlfeat.ops import check as ops_check
from sqlfeat.ops import check_memory
from sqlfeat.ops.sarif import sarif
from tests.made.projects import Opened, shop

SAFE = """
    {{ config(materialized='feature_view', entity='customer', event_time='ordered_at') }}
    select customer, ordered_at, amount from {{ source('raw', 'orders') }}
"""
LEAKY = """
    {{ config(materialized='feature_view', entity='customer', event_time='ordered_at') }}
    select
        customer,
        ordered_at,
        amount,
        sum(amount) over (partition by customer) as total
    from {{ source('raw', 'orders') }}
"""
ALLOWED = LEAKY.replace("entity=", "allow_leakage='a study of what it is worth', entity=")
BELOW = """
    {{ config(event_time='ordered_at') }}
    select customer, ordered_at, total * 2 as twice from {{ ref('leaky') }}
"""
ASKED = """
    {{ config(materialized='table', role='label', event_time='ordered_at', horizon='1 day') }}
    select customer, ordered_at, amount > 10 as is_large from {{ source('raw', 'orders') }}
"""
WANTED = """
    {{ config(materialized='training_set', keys=['customer', 'ordered_at'], label='is_large') }}
    select a.customer, a.ordered_at, {{ feature('leaky.amount') }}, {{ feature('leaky.total') }}, a.is_large
    from {{ ref('asked') }} as a
"""


@pytest.fixture
def typed(tmp_path, monkeypatch, capfd):
    """Write a project, type ``sqlfeat check`` in it: exit code, stdout."""

    def typed(files, *words):
        shop(tmp_path, files)
        monkeypatch.chdir(tmp_path)
        code = main(["check", *words])
        return code, capfd.readouterr().out

    return typed


def test_a_safe_project_is_told_so(typed):
    code, printed = typed({"models/orders.sql": SAFE})

    assert (code, printed.strip().splitlines()) == (
        0,
        ["model    verdict", "  orders   safe", "", "1 model: 1 safe"],
    )


def test_a_finding_reads_like_an_error(typed):
    code, printed = typed({"models/leaky.sql": LEAKY, "models/below.sql": BELOW})

    assert code == 1
    assert printed.count("[whole-partition]") == 1  # once, with all columns that bear it
    assert "models/leaky.sql:6:5: [whole-partition] unsafe: Sum reads its whole partition" in printed
    assert "  6 |     sum(amount) over (partition by customer) as total\n" in printed
    assert "leaky: total; below: twice" in printed
    assert "for example: a row at 12:00 contains rows of raw.orders of any later time" in printed
    assert "See docs/rules/whole-partition.md" in printed
    assert printed.strip().endswith("2 models: 2 unsafe")


def test_only_what_is_selected_counts(typed):
    files = {"models/leaky.sql": LEAKY, "models/orders.sql": SAFE}

    assert typed(files, "-s", "orders")[0] == 0
    assert typed(files, "--exclude", "leaky")[0] == 0


def test_the_document_has_the_verdict_of_each_column_and_its_place(typed):
    code, printed = typed({"models/leaky.sql": LEAKY}, "--json")
    (model,) = json.loads(printed)["models"]
    total = next(column for column in model["columns"] if column["name"] == "total")

    assert (code, model["name"], model["verdict"]) == (1, "leaky", "unsafe")
    assert {name: total[name] for name in ("verdict", "rule", "file", "line", "column", "late_by")} == {
        "verdict": "unsafe", "rule": "whole-partition", "file": "models/leaky.sql", "line": 6, "column": 5,
        "late_by": None,
    }  # fmt: skip
    assert [column["verdict"] for column in model["columns"]] == ["safe", "safe", "safe", "unsafe"]
    assert model["columns"][0]["rule"] is None


def test_lookback_and_order_are_told(typed):
    view = """
        {{ config(materialized='feature_view', entity='customer', event_time='ordered_at') }}
        select
            customer, ordered_at,
            {{ window('sum(amount)', '7 days') }} as a, {{ window('count(*)', '1 month') }} as b
        from {{ source('raw', 'orders') }}
    """
    firsts = """
        {{ config(event_time='ordered_at') }}
        select ordered_at, first(product) as p from {{ source('raw', 'orders') }} group by all
    """
    _, printed = typed({"models/recent.sql": view, "models/firsts.sql": firsts}, "--json")
    models = {model["name"]: model for model in json.loads(printed)["models"]}

    assert models["recent"]["lookback"] == {"months": 1, "microseconds": 7 * 86_400_000_000}
    assert [note["line"] for note in models["firsts"]["determinism"]] == [2]


def test_a_model_that_does_not_compile_is_told_with_its_error(typed):
    files = {"models/wrong.sql": "select nothing from {{ source('raw', 'orders') }}", "models/orders.sql": SAFE}
    code, printed = typed(files)

    assert code == 1
    assert "models/wrong.sql:1:8: [missing-column]" in printed
    assert "2 models: 1 safe, 1 with errors" in printed
    assert typed(files, "-s", "orders")[0] == 0


def test_a_reason_lets_a_leak_through_and_stays_visible(typed):
    files = {"models/leaky.sql": ALLOWED, "models/below.sql": BELOW}
    code, printed = typed(files)
    document = json.loads(typed(files, "--json")[1])

    assert code == 0
    assert "unsafe, allowed" in printed
    assert "allowed: a study of what it is worth" in printed
    assert {(model["name"], model["verdict"]) for model in document["models"]} == {
        ("leaky", "unsafe"),
        ("below", "unsafe"),
    }
    assert document["models"][1]["columns"][2]["allowed"] == "a study of what it is worth"


def test_what_is_unproven_fails_only_with_strict(typed):
    untimed = "{{ config(event_time='ordered_at') }} select customer, ordered_at from {{ ref('seeded') }}"
    files = {"models/m.sql": untimed, "seeds/seeded.csv": "customer,ordered_at\na,2024-01-01 00:00:00\n"}

    assert typed(files)[0] == 0
    assert typed(files, "--strict")[0] == 1


def test_a_seed_is_timed_as_its_config_says(typed):
    timed = "{{ config(event_time='ordered_at') }} select customer, ordered_at from {{ ref('seeded') }}"
    files = {"models/m.sql": timed, "seeds/seeded.csv": "customer,ordered_at\na,2024-01-01 00:00:00\n"}
    said = {"seeds/s.yml": "seeds: [{name: seeded, config: {event_time: ordered_at}}]"}

    assert typed({**files, **said}, "--strict")[0] == 0


def test_sarif_has_a_result_for_each_finding(typed, tmp_path):
    code, _ = typed({"models/leaky.sql": LEAKY, "models/below.sql": BELOW}, "--sarif", "out/check.sarif")
    log = json.loads((tmp_path / "out" / "check.sarif").read_text())
    (run,) = log["runs"]
    (result,) = run["results"]
    rules = run["tool"]["driver"]["rules"]

    assert (code, log["version"]) == (1, "2.1.0")
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == "whole-partition"
    assert result["level"] == "error"
    assert result["properties"]["columns"] == ["leaky.total", "below.twice"]
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "models/leaky.sql", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 6, "startColumn": 5, "endColumn": 44},
    }


def test_sarif_suppresses_what_is_allowed(tmp_path):
    with Opened(shop(tmp_path, {"models/leaky.sql": ALLOWED})).project() as project:
        (result,) = sarif(project.check())["runs"][0]["results"]

    assert result["suppressions"] == [{"kind": "inSource", "justification": "a study of what it is worth"}]


# -- training sets -----------------------------------------------------------------------------------------------------


@pytest.fixture
def opened(tmp_path):
    files = {"models/leaky.sql": LEAKY, "models/asked.sql": ASKED, "models/wanted.sql": WANTED}
    return lambda **changed: Opened(shop(tmp_path, {**files, **{f"models/{n}.sql": t for n, t in changed.items()}}))


def test_a_training_set_refuses_an_unsafe_feature(opened):
    with opened().project() as project, pytest.raises(RunError) as caught:
        project.build_training_set("wanted")

    assert (caught.value.code, caught.value.exit_code) == ("unsafe-feature", 1)
    assert str(caught.value.where) == "models/leaky.sql:6:5"
    assert "'total' is unsafe: Sum reads its whole partition" in caught.value.what


def test_what_is_not_asked_for_is_not_refused(opened):
    with opened().project() as project:
        built = project.build_training_set("wanted", features=["leaky.amount"])

    assert built.manifest["time_safety"]["verdicts"]["amount"] == "safe"
    assert "total" not in built.manifest["time_safety"]["verdicts"]


def test_a_reason_is_kept_in_the_manifest_with_the_verdicts(opened):
    with opened(leaky=ALLOWED).project() as project:
        built = project.build_training_set("wanted")

    assert built.manifest["time_safety"] == {
        "verdicts": {"customer": "safe", "ordered_at": "safe", "amount": "safe", "total": "unsafe", "is_large": "safe"},
        "rules": {"total": ["whole-partition"]},
        "allowed": {"leaky": "a study of what it is worth"},
    }
    assert built.manifest["warnings"] == ["leaky may leak: a study of what it is worth"]


def test_an_input_that_reads_the_label_is_refused(opened):
    wanted = WANTED.replace("{{ feature('leaky.total') }}", "a.is_large::int as guess")
    with opened(wanted=wanted).project() as project, pytest.raises(RunError) as caught:
        project.build_training_set("wanted")

    assert "The input reads is_large, which the label is made of." in caught.value.what


def test_the_time_of_the_question_is_no_clock_and_now_is_one(opened):
    fine = WANTED.replace("{{ feature('leaky.total') }}", "hour(a.ordered_at) as hour")
    now = WANTED.replace("{{ feature('leaky.total') }}", "date_diff('day', a.ordered_at, now()) as age")
    with opened(wanted=fine).project() as project:
        assert project.check(["wanted"]).models[0].verdict == "safe"
    with opened(wanted=now).project() as project:
        (model,) = project.check(["wanted"]).models

    assert {c.name: c.problems[0].finding.rule for c in model.columns if c.problems} == {"age": "clock"}


# -- what is kept ------------------------------------------------------------------------------------------------------


def test_what_has_not_changed_is_not_proved_again(tmp_path, monkeypatch):
    opened = Opened(shop(tmp_path, {"models/leaky.sql": LEAKY, "models/below.sql": BELOW}))
    with opened.project() as project:
        first = project.check()
    monkeypatch.setattr("sqlfeat.ops.check._checked", None)
    with opened.project() as project:
        again, one = project.check(), project.check(["below"])

    assert again == first
    assert [model.name for model in one.models] == ["below"]
    assert one.failed


@pytest.mark.parametrize(
    "changed",
    [
        {"models/leaky.sql": SAFE},
        {"models/leaky.sql": ALLOWED},
        {"models/leaky.yml": "models: [{name: leaky, config: {allow_leakage: a study}}]"},
    ],
)
def test_what_has_changed_is_judged_anew(tmp_path, changed):
    opened = Opened(shop(tmp_path, {"models/leaky.sql": LEAKY}))
    with opened.project() as project:
        assert project.check().failed
    opened.change(changed)
    with opened.project() as project:
        assert not project.check().failed


def test_a_source_with_other_columns_is_read_again(tmp_path):
    opened = Opened(shop(tmp_path, {"models/orders.sql": SAFE}))
    with opened.project() as project:
        assert not project.check().failed
    opened.change({"data/orders.csv": "customer\na\n", "data/orders.parquet": pa.table({"customer": ["a"]})})
    with opened.project() as project:
        (model,) = project.check().models

    assert model.error is not None


@pytest.fixture
def judged(monkeypatch):
    """The names of the models that are judged anew, check by check."""
    names = []
    plain = ops_check._checked

    def counted(verdicts, manifest, id_):
        names.append(id_.removeprefix("model."))
        return plain(verdicts, manifest, id_)

    monkeypatch.setattr(ops_check, "_checked", counted)
    return names


def test_only_what_has_changed_and_what_is_below_it_is_judged_anew(tmp_path, judged):
    beside = SAFE.replace("amount from", "amount as paid from")
    files = {"models/leaky.sql": LEAKY, "models/below.sql": BELOW, "models/beside.sql": beside}
    opened = Opened(shop(tmp_path, files))
    with opened.project() as project:
        project.check()
    judged.clear()
    opened.change({"models/leaky.sql": LEAKY.replace("sum(amount)", "max(amount)")})
    with opened.project() as project:
        again = project.check()

    assert sorted(judged) == ["below", "leaky"]
    assert {m.name: m.verdict for m in again.models} == {"leaky": "unsafe", "below": "unsafe", "beside": "safe"}


def test_a_verdict_hangs_on_everything_above(tmp_path, judged):
    """On the source's declaration, two models further up."""
    sources = """
        sources:
          - name: raw
            config: {{location: "data/{{name}}.parquet"}}
            tables: [{{name: orders, config: {{event_time: ordered_at{more}}}}}]
    """
    view = BELOW.replace("total", "amount").replace("leaky", "staged")
    files = {"models/sources.yml": sources.format(more=""), "models/staged.sql": SAFE, "models/below.sql": view}
    opened = Opened(shop(tmp_path, files))
    with opened.project() as project:
        project.check()
    judged.clear()
    opened.change({"models/sources.yml": sources.format(more=", available_after: 1 hour")})
    with opened.project() as project:
        project.check()

    assert sorted(judged) == ["below", "staged"]


def test_what_a_training_set_says_of_its_label_reaches_who_reads_the_label_model(tmp_path, judged):
    """It is no parent of theirs, and says which column is the label."""
    reads = """
        {{ config(event_time='ordered_at') }}
        select customer, ordered_at, is_large from {{ ref('asked') }}
    """
    wanted = WANTED.replace(", {{ feature('leaky.total') }}", "")
    opened = Opened(shop(tmp_path, {"models/leaky.sql": SAFE, "models/asked.sql": ASKED, "models/reads.sql": reads}))
    with opened.project() as project:
        project.check()
    judged.clear()
    opened.change({"models/wanted.sql": wanted})
    with opened.project() as project:
        project.check()

    assert {"reads", "wanted", "asked"} <= set(judged)
    assert "leaky" not in judged


def test_another_checker_has_said_nothing(tmp_path, judged, monkeypatch):
    opened = Opened(shop(tmp_path, {"models/leaky.sql": LEAKY}))
    with opened.project() as project:
        project.check()
    judged.clear()
    monkeypatch.setattr(check_memory, "checker", lambda: "another")
    with opened.project() as project:
        project.check()

    assert judged == ["leaky"]


def test_a_macro_is_part_of_whoever_may_call_it(tmp_path, judged):
    macro = "{{% macro paid() %}}{}{{% endmacro %}}"
    files = {"models/leaky.sql": SAFE.replace("amount from", "{{ paid() }} as paid from")}
    opened = Opened(shop(tmp_path, {**files, "macros/paid.sql": macro.format("amount")}))
    with opened.project() as project:
        assert project.check().model("leaky").verdict == "safe"
    opened.change({"macros/paid.sql": macro.format("sum(amount) over (partition by customer)")})
    with opened.project() as project:
        assert project.check().model("leaky").verdict == "unsafe"


def test_how_far_back_a_model_reads_is_told_with_its_sql_too(tmp_path, capsys):
    sql = SAFE.replace("amount from", "sum(amount) over (order by ordered_at range interval 3 hours preceding) n from")
    opened = Opened(shop(tmp_path, {"models/leaky.sql": sql}))

    main(["compile", "--json", "--project-dir", str(opened.root)])

    (model,) = json.loads(capsys.readouterr().out)["compiled"]
    assert (model["lookback"], model["lookback_reason"]) == ({"months": 0, "microseconds": 3 * 3600 * 1_000_000}, None)


def test_a_damaged_memory_is_no_memory(tmp_path):
    opened = Opened(shop(tmp_path, {"models/leaky.sql": LEAKY}))
    with opened.project() as project:
        first = project.check()
    (tmp_path / "target" / "check.json").write_text('{"mark": "x", "models": 7}')
    with opened.project() as project:
        assert project.check() == first
