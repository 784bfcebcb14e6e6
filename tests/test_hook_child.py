"""What runs in a hook's child process, as far as it is not trained: promotion hooks are asked, and answer."""

from textwrap import dedent

import pytest

from sqlfeat.base.process import run_in_child

pytestmark = pytest.mark.usefixtures("started_anew")

HOOKS = """
    from sqlfeat import promotion

    @promotion
    def no_worse(candidate, champion):
        return candidate["auc"] >= champion["auc"] or "it is worse than the champion"

    @promotion
    def by_all(facts):
        return sorted(facts) == ["candidate", "champion"]

    @promotion("late_lgbm")
    def unsure():
        return None

    @promotion
    def broken(candidate):
        return candidate["f1"]
"""


@pytest.fixture
def ask(tmp_path):
    file = tmp_path / "promotions.py"
    file.write_text(dedent(HOOKS))

    def call(function, candidate=0.8, champion=0.7):
        facts = {"candidate": {"auc": candidate}, "champion": {"auc": champion}}
        argument = {"root": str(tmp_path), "file": str(file), "function": function, "facts": facts}
        result = run_in_child("sqlfeat.hook_child:promotion", argument, folder=tmp_path, timeout=60)
        assert result.ok
        return result.value

    return call


def test_a_promotion_hook_lets_a_version_pass_or_says_why_not(ask):
    assert ask("no_worse") == {"allowed": True, "reason": ""}
    assert ask("no_worse", 0.6) == {"allowed": False, "reason": "it is worse than the champion"}


def test_a_hook_that_names_no_fact_gets_them_all(ask):
    assert ask("by_all") == {"allowed": True, "reason": ""}


@pytest.mark.parametrize(
    ("function", "code", "what", "line"),
    [
        ("unsure", "hook-bad-result", "The promotion hook unsure returned None.", None),
        ("broken", "hook-failed", "The hook raised KeyError: 'f1'", 18),
        ("gone", "hook-no-result", "defined no promotion hook 'gone'.", None),
    ],
)
def test_what_is_no_answer_is_an_error(ask, function, code, what, line):
    error = ask(function)["error"]

    assert error["code"] == code
    assert what in error["what"]
    assert (error["place"][1] if error["place"] else None) == line
