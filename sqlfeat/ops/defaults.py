"""What a verb takes where nobody says otherwise; apart from the verbs, so that naming it waits for none of them."""

from __future__ import annotations

from datetime import timedelta

CUTOFFS = 3
"""At how many instants ``verify`` hides what was not known yet."""
KEPT_FOR = timedelta(days=30)
"""How long an archived version stays before ``registry gc`` drops it."""
