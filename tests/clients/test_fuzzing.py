"""What schemathesis makes of our OpenAPI document: a little of it each time, more by ``make fuzz-serve``."""

from __future__ import annotations

import re
from pathlib import Path

from tests.clients.fuzzing import fuzz
from tests.made.serving import READY, Line, served_shop, serving


def test_no_request_that_the_document_leads_to_breaks_the_server(tmp_path: Path) -> None:
    opened = served_shop(tmp_path / "shop")
    with serving(opened.root, "--model", "buyer") as (process, port):
        fine, report = fuzz(port, examples=2, seed=1)
        with Line(port) as line:
            line.send(READY)
            ready = line.answer()

        assert fine, report
        assert re.search(r"Selected: (\d+)/\1\n\s+Tested: \1\n", report), report
        assert ready is not None
        assert ready.status == 200
        assert process.poll() is None
