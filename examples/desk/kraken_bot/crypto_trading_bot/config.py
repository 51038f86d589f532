"""Whether the bot trades for real: only if IS_LIVE says exactly `true`; in every other case it trades on paper."""

from __future__ import annotations

import os
from collections.abc import Mapping


def is_live(environ: Mapping[str, str]) -> bool:
    """What IS_LIVE means in this environment."""
    return environ.get("IS_LIVE") == "true"


IS_LIVE: bool = is_live(os.environ)
