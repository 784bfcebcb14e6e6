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
