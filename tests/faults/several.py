"""Several of these programs in one process, which imports what they need once: what each says, or how it failed.

``python -m tests.faults.several 'runs --kills 2' 'steps --python --each 8'``: a line ``== PROGRAM`` before what each of
them says. All are run; the exit code is 1 where one has failed.
"""

from __future__ import annotations

import importlib
import sys
import traceback


def main(programs: list[str]) -> int:
    """Run them one after the other."""
    failed = 0
    for program in programs:
        name, *words = program.split()
        print(f"== {name}", flush=True)
        try:
            failed |= importlib.import_module(f"tests.faults.{name}").main(words)
        except Exception:  # noqa: BLE001 (the edge of a program)
            failed = 1
            print(f"failed: {program}\n{traceback.format_exc()}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
