"""The command line of the server, as far as it goes without one."""

from __future__ import annotations

import socket

import pytest


def test_beyond_this_machine_a_token_is_needed(typing, project, monkeypatch):
    monkeypatch.delenv("SQLFEAT_TOKEN", raising=False)
    shown = typing("serve", "--host", "0.0.0.0")

    assert shown.code == 2
    assert "[needs-token]" in shown.err
    assert "SQLFEAT_TOKEN" in shown.err


def test_a_port_that_is_taken_is_told_of(typing, project):
    with socket.create_server(("127.0.0.1", 0)) as other:
        shown = typing("serve", "--port", str(other.getsockname()[1]))

    assert shown.code == 2
    assert "[cannot-listen]" in shown.err
    assert "--port 0" in shown.err


@pytest.mark.parametrize("options", [("--port", "99999"), ("--refresh", "soon"), ("--queue", "0")])
def test_what_cannot_be_meant_is_refused(typing, project, options):
    assert typing("serve", *options).code == 2
