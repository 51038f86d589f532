"""Which series does the metrics endpoint tell, and can all of it be read?"""

from __future__ import annotations

import re
import urllib.request
from decimal import Decimal
from typing import Any

_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{[^{}]*\})? ([-+]?(?:[0-9.]+(?:[eE][-+]?[0-9]+)?|Inf)|NaN)(?: [0-9]+)?\Z")


def series(url: str) -> dict[str, Any]:
    """Facts on the Prometheus text: the names of all series, how many samples, and which lines could not be read."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=5) as response:
        status, text = response.status, response.read().decode("utf-8")
    samples = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    matches = [_SAMPLE.match(line) for line in samples]
    return {
        "status": status,
        "samples": sum(match is not None for match in matches),
        "names": sorted({match[1] for match in matches if match is not None}),
        "times": {match[1]: Decimal(match[2]) for match in matches if match is not None and match[1].endswith("_time_seconds")},
        "unreadable": [line[:80] for line, match in zip(samples, matches, strict=True) if match is None],
    }
