"""What makes a model beside its own text: nothing of it can be proved from the text."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlfeat.api import Project
from tests.made.projects import shop

PLAIN = "select order_id, ordered_at, amount from {{ source('raw', 'orders') }}"
HOOKED = "{{{{ config(materialized='table', event_time='ordered_at', {hook}) }}}}\n" + PLAIN.replace("{", "{{").replace(
    "}", "}}"
)


def verdict(root: Path, text: str) -> tuple[str, str]:
    """The verdict of a model of this text, and what is said of its first column."""
    with Project.load(shop(root, {"models/facts.sql": text})) as project:
        model = project.check().as_dict()["models"][0]
    return model["verdict"], model["columns"][0]["message"] or ""


def test_the_same_text_alone_is_safe(tmp_path):
    assert verdict(tmp_path, "{{ config(materialized='table', event_time='ordered_at') }}\n" + PLAIN) == ("safe", "")


@pytest.mark.parametrize(
    "hook",
    [
        "post_hook='update {{ this }} set amount = (select max(amount) from {{ this }})'",
        "pre_hook='create or replace macro hour(x) as 1'",
    ],
)
def test_what_a_hook_does_to_a_model_cannot_be_told(tmp_path, hook):
    told, message = verdict(tmp_path, HOOKED.format(hook=hook))

    assert told == "unproven"
    assert hook.partition("=")[0] in message


def test_a_text_that_is_made_of_answers_hangs_on_all_rows_that_answered(tmp_path):
    told, message = verdict(
        tmp_path,
        """
        {{ config(materialized='table', event_time='ordered_at') }}
        {% set most = run_query('select 30').columns[0].values()[0] if execute else 0 %}
        select order_id, ordered_at, amount < {{ most }} as is_small from {{ source('raw', 'orders') }}
        """,
    )

    assert told == "unproven"
    assert "run_query" in message
