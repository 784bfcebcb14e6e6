"""A shell in a folder of its own that knows ``sqlfeat``, and a comparison that leaves out what differs every time."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.docs.pages import LEFT_OUT, ROOT, Block, Page, Step
from tests.made.warm import CAN, WARM

_CURL = """#!{python}
import json, os, sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen
given = [one for one in sys.argv[1:] if one != "-s"]
body = given.pop(given.index("--json") + 1) if "--json" in given else None
(url,) = [one for one in given if one != "--json"]
url = "http://" + url.removeprefix("http://").replace("localhost:6566", "127.0.0.1:" + os.environ["SERVED_AT"])
headers = {{"content-type": "application/json"}} if body is not None else {{}}
try:
    answer = urlopen(Request(url, None if body is None else body.encode(), headers))
except HTTPError as error:
    answer = error
print(answer.read().decode())
sys.exit(22 if answer.status == 503 else 0)
"""
"""``curl``, as far as pages use it, on machines that have none."""
NOT_RUN = ("make", "pip", "git", "python")
"""Commands that are about the machine, not about a project."""


class Shell:
    """Types commands, one after the other; ``cd`` lasts.

    ``sqlfeat`` is a fork of a Python that has imported it, or, with an environment of its own, a new process.
    """

    def __init__(self, folder: Path, bin_folder: Path, **environment: str) -> None:
        self.folder = folder
        self._pwd = bin_folder / "pwd"
        bin_folder.mkdir(parents=True, exist_ok=True)
        program = bin_folder / "sqlfeat"
        if CAN and not environment:
            WARM.client(program)
        else:
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sqlfeat.cli.main "$@"\n')
            program.chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SQLFEAT", "COV_"))}
        self._environment = {
            **kept,
            "PATH": f"{bin_folder}{os.pathsep}{kept['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
            "COLUMNS": "120",
            "OMP_WAIT_POLICY": "PASSIVE",
            **environment,
        }

        (bin_folder / "curl").write_text(_CURL.format(python=sys.executable))
        (bin_folder / "curl").chmod(0o755)
        self._server: subprocess.Popen[bytes] | None = None

    def type(self, command: str) -> tuple[int, str]:
        """The exit code and all that is printed, on stdout and stderr; a server that is started goes on."""
        if command.startswith("sqlfeat serve") and command.endswith("&"):
            return 0, self._serve(command.removesuffix("&"))
        if command == "kill %1":
            self.stop()
            return 0, ""
        ended = subprocess.run(
            ["bash", "-c", f"{command}\ncode=$?\npwd > {self._pwd}\nexit $code"],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.folder = Path(self._pwd.read_text().strip())
        return ended.returncode, ended.stdout

    def _serve(self, command: str) -> str:
        """Start a server on a free port, to which our ``curl`` leads; what it says when it is ready."""
        self.stop()
        said = self._pwd.with_name("serve.err")
        with said.open("w") as stream:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "sqlfeat.cli.main", *shlex.split(command)[1:], "--port", "0"],
                cwd=self.folder,
                env=self._environment,
                stdout=subprocess.DEVNULL,
                stderr=stream,
            )
        while not (found := re.search(r"127\.0\.0\.1:(\d+)", said.read_text())):
            assert self._server.poll() is None, said.read_text()
        self._environment["SERVED_AT"] = found[1]
        ready = self.type("while ! curl -s localhost:6566/health/ready >/dev/null; do sleep 0.05; done")
        assert ready == (0, "")
        return said.read_text().replace(found[1], "6566")

    def stop(self) -> None:
        """End the server, if there is one."""
        if self._server is not None:
            self._server.terminate()
            self._server.wait()
            self._server = None

    def follow(self, page: Page) -> None:
        """Do what a page says from its top to its end, and compare what it prints."""
        try:
            for block in page.blocks():
                self.do(page, block)
        finally:
            self.stop()

    def do(self, page: Page, block: Block) -> None:
        """Write a titled block's file, or type a session's commands."""
        if block.title:
            path = self.folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            for step in block.steps:
                if not step.command.startswith(NOT_RUN):
                    self.check(step, f"{page.name}:{step.line}")

    def check(self, step: Step, where: str) -> None:
        """Type a command; what it prints must be what the page says, and it fails only where the page shows why."""
        code, printed = self.type(step.command)
        shown = "\n".join(step.printed)

        assert reads_like(step.printed, printed), f"{where}: $ {step.command}\n{printed}"
        assert code == 0 or re.search(r"\[[a-z-]+\]|failed", shown), f"{where}: $ {step.command}\n{printed}"


def reads_like(expected: Sequence[str], printed: str) -> bool:
    """Whether the text prints these lines, in this order, with nothing left out but where a ``…`` stands."""
    found = [stable(line) for line in printed.splitlines() if line.strip()]
    position, free = 0, False
    for line in (stable(line) for line in expected if line.strip()):
        if line == LEFT_OUT:
            free = True
            continue
        while free and position < len(found) and found[position] != line:
            position += 1
        if position >= len(found) or found[position] != line:
            return False
        position, free = position + 1, False
    return free or position == len(found) or not expected


def stable(line: str) -> str:
    """A line without what differs from run to run and machine to machine: times, ids, measured decimals, folders."""
    line = re.sub(r"\b\d+ min \d+ s\b|\b\d+(\.\d+)? s\b", "TIME", line)
    line = re.sub(r"\b[0-9a-f]{12,64}\b", "ID", line)
    line = re.sub(r"\d+\.\d+( %)?", "NUMBER", line)
    line = re.sub(r"█+", "█", line)
    return " ".join(line.split())
