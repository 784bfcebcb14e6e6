"""schemathesis over the OpenAPI document of a server that listens: ``make fuzz-serve`` runs it for longer.

No request that the document allows, and none that it forbids, is answered by 500, by a status or a body that the
document does not speak of, or not at all.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.clients.environment import PYTHON
from tests.made.serving import served_shop, serving

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def fuzz(port: int, *, examples: int, seed: int, phases: str = "examples,coverage,fuzzing") -> tuple[bool, str]:
    """Ask a server whatever its document leads to; whether nothing was wrong, and the report."""
    program = PYTHON.parent / "schemathesis"
    if not program.exists():
        raise AssertionError("the environment of the clients is not there: make clients")
    address = f"http://127.0.0.1:{port}/openapi.json"
    command = [str(program), "run", address, "--checks", CHECKS, "--max-examples", str(examples), "--seed", str(seed)]
    command += ["--phases", phases, "--warnings", "off", "--request-timeout", "10", "--continue-on-failure"]
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("PYTEST", "PYTHON", "COV_"))}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*command, "--no-color"], capture_output=True, text=True, cwd=folder, env=environment, check=False
        )
    return done.returncode == 0, done.stdout + done.stderr


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz-serve")
    parser.add_argument("--examples", type=int, default=200, help="requests for each operation; 200")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        opened = served_shop(Path(folder) / "shop")
        with serving(opened.root, "--model", "buyer", "--log", str(Path(folder) / "log")) as (process, port):
            fine, report = fuzz(
                port, examples=asked.examples, seed=asked.seed, phases="examples,coverage,fuzzing,stateful"
            )
            lives = process.poll() is None
    print(report, "the server went on" if lives else "the server has ended", sep="\n")
    return 0 if fine and lives else 1


if __name__ == "__main__":
    sys.exit(main())
