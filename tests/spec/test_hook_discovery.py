"""Hooks are read from the text of their files; nothing of the user's is run for that."""

from textwrap import dedent

import pytest

from sqlfeat.errors import ProjectError, ProjectErrors, UsageError
from sqlfeat.spec.hook import EventHookSpec, discover_hooks


@pytest.fixture
def discover(tmp_path):
    def read(*texts, **named):
        files = []
        for name, text in {**{f"hook{number}": text for number, text in enumerate(texts)}, **named}.items():
            files.append(tmp_path / "hooks" / f"{name}.py")
            files[-1].parent.mkdir(exist_ok=True)
            files[-1].write_text(dedent(text).lstrip("\n"))
        return discover_hooks(files, tmp_path)

    return read


@pytest.fixture
def described(tmp_path):
    """The trainer of a decorator and of what a file beside it says of it."""

    def read(decorator, *texts):
        folder = tmp_path / "hooks"
        folder.mkdir(exist_ok=True)
        files = [folder / "late.py", *(folder / f"{number}.yml" for number in range(len(texts)))]
        files[0].write_text(f"from sqlfeat import trainer\n{decorator}\ndef late(data): ...\n")
        for file, text in zip(files[1:], texts, strict=True):
            file.write_text(dedent(text).lstrip("\n"))
        return discover_hooks(files, tmp_path)

    return read


def refused(discover, text):
    with pytest.raises(ProjectError) as caught:
        discover(text)
    return caught.value


def test_a_trainer_is_found_with_all_that_is_said_of_it(discover, tmp_path):
    hooks = discover("""
        raise RuntimeError("nobody runs this")
        from sqlfeat import TrainingData, trainer

        @trainer(training_set="late_flights", params={"num_leaves": 31, "seed": 7}, time_limit="10 minutes",
                 memory_limit="2GB")
        def late_lgbm(data: TrainingData, params: dict):
            return None
    """)

    spec = hooks.trainer("late_lgbm")

    assert (spec.name, spec.training_set, spec.function) == ("late_lgbm", "late_flights", "late_lgbm")
    assert spec.params == {"num_leaves": 31, "seed": 7}
    assert (spec.time_limit, spec.memory_limit) == (600.0, 2_000_000_000)
    assert (spec.file, spec.line, spec.place.column) == ("hooks/hook0.py", 6, 5)
    assert spec.path == tmp_path / "hooks" / "hook0.py"
    assert spec.training_set_place.text[spec.training_set_place.column - 1 :].startswith('"late_flights"')


@pytest.mark.parametrize(
    "text",
    [
        "import sqlfeat\n@sqlfeat.trainer('s')\ndef f(d): ...",
        "import sqlfeat as sf\n@sf.trainer('s')\ndef f(d): ...",
        "import sqlfeat.hooks\n@sqlfeat.hooks.trainer('s')\ndef f(d): ...",
        "from sqlfeat import trainer as t\n@t(training_set='s')\ndef f(d): ...",
        "from sqlfeat.hooks import *\n@trainer('s')\ndef f(d): ...",
        "try:\n  from sqlfeat import trainer\nfinally: pass\nif True:\n  @trainer('s')\n  def f(d): ...",
        "import functools\nfrom sqlfeat import trainer\n@functools.cache\n@trainer('s')\ndef f(d): ...",
    ],
)
def test_a_trainer_is_found_under_whatever_name_it_was_imported(discover, text):
    assert discover(text).trainer("f").training_set == "s"


@pytest.mark.parametrize(
    "text",
    [
        "from elsewhere import trainer\n@trainer('s')\ndef f(d): ...",
        "import other\n@other.trainer('s')\ndef f(d): ...",
        "from sqlfeat import trainer\ndef outer():\n  @trainer('s')\n  def f(d): ...",
        "",
    ],
)
def test_what_is_not_ours_is_no_hook(discover, text):
    assert discover(text).trainers == {}


def test_a_name_of_its_own_is_the_hooks_name(discover):
    assert list(discover("from sqlfeat import trainer\n@trainer('s', name='late')\ndef f(d): ...").trainers) == ["late"]


def test_params_that_are_no_literal_are_not_known_before_training(discover):
    text = "from sqlfeat import trainer\nBASE = {}\n@trainer('s', params=BASE | {'a': 1})\ndef f(d): ..."

    assert discover(text).trainer("f").params is None


def test_event_hooks_are_found(discover):
    hooks = discover("from sqlfeat import on\n@on('run_end')\ndef tell(facts): ...")

    assert [(hook.event, hook.function, hook.place.line) for hook in hooks.events] == [("run_end", "tell", 3)]
    assert isinstance(hooks.events[0], EventHookSpec)


def test_a_syntax_error_is_shown_at_its_place(discover):
    error = refused(discover, "from sqlfeat import trainer\n\ndef f(:\n    pass\n")

    assert str(error) == (
        "hooks/hook0.py:3:7: [hook-syntax] This is not Python: invalid syntax.\n  3 | def f(:\n    |       ^"
    )


@pytest.mark.parametrize("raw", [b"x = '\x00'\n", b"\xff\xfe", b"# coding: nonsense\n", b"(" * 5000])
def test_bytes_that_are_no_python_are_an_error_of_the_project(tmp_path, raw):
    (tmp_path / "bad.py").write_bytes(raw)

    with pytest.raises(ProjectError) as caught:
        discover_hooks([tmp_path / "bad.py"], tmp_path)

    assert caught.value.code == "hook-syntax"
    assert caught.value.where.file == "bad.py"


@pytest.mark.parametrize(
    ("decorator", "code", "what", "column"),
    [
        ("@trainer", "hook-without-training-set", "The hook 'f' does not say which training set it wants.", 2),
        ("@trainer(params={})", "hook-without-training-set", "The hook 'f' does not say", 2),
        ("@trainer(training_set=NAME)", "bad-hook", "training_set must be written as a plain value here.", 23),
        ("@trainer(training_set='a b')", "bad-name", "'a b' cannot be the name of a training set.", 23),
        ("@trainer('s', name='é')", "bad-name", "'é' cannot be the name of a hook.", 20),
        ("@trainer('s', parms={})", "bad-hook", "parms is no argument of this decorator.", 21),
        ("@trainer('s', **more)", "bad-hook", "** is no argument of this decorator.", 17),
        ("@trainer('s', params=[1])", "bad-hook", "params must be a dict with text keys.", 22),
        ("@trainer('s', time_limit='soon')", "bad-hook", "time_limit: 'soon' is no span of time", 26),
        ("@trainer('s', time_limit=0)", "bad-hook", "time_limit: 0 is no number of seconds", 26),
        ("@trainer('s', memory_limit='much')", "bad-hook", "memory_limit: 'much' is no number of bytes", 28),
        ("@on('run_ended')", "unknown-event", "'run_ended' is no event.", 5),
        ("@on()", "unknown-event", "@on needs the name of an event.", 2),
    ],
)
def test_what_a_decorator_cannot_mean_is_refused_at_its_place(discover, decorator, code, what, column):
    error = refused(discover, f"from sqlfeat import on, trainer\n{decorator}\ndef f(data): ...\n")

    assert error.code == code
    assert error.what.startswith(what)
    assert (error.where.line, error.where.column) == (2, column)


def test_a_misspelt_argument_gets_the_nearest_as_hint(discover):
    assert refused(discover, "from sqlfeat import trainer\n@trainer('s', parms={})\ndef f(d): ...").hint == (
        "did you mean 'params'?"
    )


def test_columns_count_characters_where_a_line_is_not_ascii(discover):
    error = refused(discover, "from sqlfeat import trainer\n@trainer('s', params={'ä': 'ö'}, name='é')\ndef f(d): ...")

    assert error.where.text[error.where.column - 1 :][: error.where.length] == "'é'"


def test_two_hooks_of_one_name_are_refused_with_both_places(discover):
    text = "from sqlfeat import trainer\n@trainer('s')\ndef f(d): ..."

    with pytest.raises(ProjectError, match="two hooks named 'f'") as caught:
        discover(a=text, b=text)

    assert (caught.value.code, caught.value.where.file) == ("duplicate-hook", "hooks/b.py")
    assert caught.value.hint.startswith("the other is at hooks/a.py:3:5;")


def test_all_errors_are_told_together(discover):
    with pytest.raises(ProjectErrors) as caught:
        discover("def (", "from sqlfeat import trainer\n@trainer\ndef f(d): ...\n@trainer()\ndef g(d): ...")

    assert [error.code for error in caught.value.errors] == ["hook-syntax", *["hook-without-training-set"] * 2]


def test_an_unknown_hook_gets_the_nearest_as_hint(discover):
    hooks = discover("from sqlfeat import trainer\n@trainer('s')\ndef late_lgbm(d): ...")

    with pytest.raises(UsageError) as caught:
        hooks.trainer("late_lgb")
    assert (caught.value.code, caught.value.hint) == ("unknown-hook", "did you mean 'late_lgbm'?")

    with pytest.raises(UsageError) as caught:
        discover("x = 1").trainer("late_lgb")
    assert caught.value.hint.startswith("write one in hooks/")


@pytest.mark.parametrize(
    ("text", "size"), [("512MB", 512_000_000), ("1.5 GiB", 1610612736), ("100b", 100), (4096, 4096)]
)
def test_memory_is_bytes_or_a_text_with_a_unit(discover, text, size):
    found = discover(f"from sqlfeat import trainer\n@trainer('s', memory_limit={text!r})\ndef f(d): ...")

    assert found.trainer("f").memory_limit == size


def test_everything_that_may_be_said_of_a_trainer(described):
    spec = described(
        "@trainer('s', sweep={'a': [1, 2]}, metric='test.auc', slices=['origin'], group='query', permutation=500)"
    ).trainer("late")

    assert spec.sweep == {"a": (1, 2)}
    assert (spec.metric, spec.slices, spec.group, spec.permutation) == ("test.auc", ("origin",), "query", 500)
    assert spec.place_of("slices").text[spec.place_of("slices").column - 1 :].startswith("['origin']")
    assert spec.place_of("time_limit") == spec.place


def test_what_is_not_said_has_its_default(described):
    spec = described("@trainer('s', slices=None, permutation=True)").trainer("late")

    assert (spec.sweep, spec.metric, spec.slices, spec.group, spec.permutation) == ({}, None, None, None, 3_000)
    assert described("@trainer('s', slices=False, permutation=False)").trainer("late").slices == ()


def test_a_file_beside_a_hook_wins_over_its_decorator(described):
    spec = described(
        "@trainer('s', params={'a': 1, 'b': 1}, time_limit=60, metric='auc', sweep={'a': [1], 'b': [2]})",
        """
        version: 2
        trainers:
          - name: late
            description: what it is for
            params: {b: 2, rate: 1e-3, tags: [x, 1e2]}
            time_limit: 10 minutes
            memory_limit: 2GB
            sweep: {b: [5, 1e-1], c: [true]}
            slices: [origin]
        """,
    ).trainer("late")

    assert spec.params == {"a": 1, "b": 1}
    assert spec.given == {"b": 2, "rate": 0.001, "tags": ["x", 100.0]}
    assert (spec.time_limit, spec.memory_limit, spec.metric) == (600.0, 2_000_000_000, "auc")
    assert spec.sweep == {"a": (1,), "b": (5, 0.1), "c": (True,)}
    assert (spec.place_of("slices").file, spec.place_of("slices").line) == ("hooks/0.yml", 9)
    assert spec.place.file == "hooks/late.py"


@pytest.mark.parametrize(
    ("text", "code", "what", "line", "column"),
    [
        ("trainers:\n  - name: lat\n", "unknown-hook", "There is no hook 'lat' under @trainer in this project.", 2, 11),
        ("trainers:\n  - params: {}\n", "missing-key", "A trainer needs 'name'.", 2, 5),
        ("trainers:\n  - {name: late, pramas: {}}\n", "unknown-key", "A trainer has no key 'pramas'.", 2, 18),
        ("trainers:\n  - {name: late, params: 3}\n", "bad-value", "'params' of a trainer must be a mapping", 2, 26),
        ("trainers:\n  - {name: late, sweep: {a: 1}}\n", "bad-value", "sweep: a needs a list of values", 2, 25),
        ("trainers:\n  - {name: late, time_limit: soon}\n", "bad-value", "time_limit: 'soon' is no span", 2, 30),
        ("trainers:\n  - {name: late, permutation: -1}\n", "bad-value", "permutation: -1 is no number of rows", 2, 31),
        ("trainers:\n  - {name: late}\n  - {name: late}\n", "duplicate-hook", "The hook 'late' is described", 3, 12),
        ("models: []\n", "unknown-key", "A hooks file has no key 'models'.", 1, 1),
        ("a: [", "yaml-syntax", "This is not valid YAML", 1, 1),
    ],
)
def test_what_a_file_cannot_mean_is_refused_at_its_place(described, text, code, what, line, column):
    with pytest.raises(ProjectError) as caught:
        described("@trainer('s')", text)

    assert caught.value.code == code
    assert caught.value.what.startswith(what)
    assert (caught.value.where.file, caught.value.where.line) == ("hooks/0.yml", line)
    assert caught.value.where.column == column


def test_a_file_that_is_no_text_is_refused(described, tmp_path):
    described("@trainer('s')", "")
    (tmp_path / "hooks" / "0.yml").write_bytes(b"\xff")

    with pytest.raises(ProjectError, match="it is not UTF-8"):
        discover_hooks([tmp_path / "hooks" / "0.yml"], tmp_path)


@pytest.mark.parametrize(
    ("decorator", "what", "column"),
    [
        ("@trainer('s', sweep={'a': 1})", "sweep: a needs a list of values, as in {'a': [1, 2]}.", 21),
        ("@trainer('s', sweep=[1])", "sweep: write each parameter with a list of its values", 21),
        ("@trainer('s', metric='')", "metric: '' is no text.", 22),
        ("@trainer('s', slices=3)", "slices: 3 is no list of columns, nor False.", 22),
        ("@trainer('s', permutation='all')", "permutation: 'all' is no number of rows, nor False.", 27),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_at_their_place(discover, decorator, what, column):
    error = refused(discover, f"from sqlfeat import trainer\n{decorator}\ndef f(data): ...\n")

    assert (error.code, error.where.column) == ("bad-hook", column)
    assert error.what.startswith(what)


def test_promotion_hooks_are_found_for_all_models_and_for_one(discover, tmp_path):
    hooks = discover("""
        from sqlfeat import promotion

        @promotion
        def for_all(candidate, champion): ...

        @promotion("late_lgbm")
        def for_one(facts): ...

        @promotion(model="early")
        def for_another(facts): ...
    """)

    assert [(one.function, one.model, one.place.line) for one in hooks.promotions] == [
        ("for_all", None, 4), ("for_one", "late_lgbm", 7), ("for_another", "early", 10),
    ]  # fmt: skip
    assert hooks.promotions[0].path == tmp_path / "hooks" / "hook0.py"


def test_a_promotion_hook_of_a_name_that_no_model_can_have_is_refused(discover):
    error = refused(discover, "from sqlfeat import promotion\n@promotion('a b')\ndef f(facts): ...")

    assert (error.code, error.where.column) == ("bad-name", 12)
