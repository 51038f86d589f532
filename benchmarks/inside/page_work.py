"""Renders and verifies the page that is named as the argument, each first as a run does it, cold, then again; prints JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pytest_golive import report
from pytest_golive.signing.keys import session_key
from pytest_golive.signing.trusted import session_key_path


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


page = Path(sys.argv[1]).read_bytes()
keys = [session_key(session_key_path(os.environ)).public]
envelope = report.extract(page).envelope
cold = seconds(lambda: report.render(envelope))
verified = seconds(lambda: report.verify(page, keys))
warm = seconds(lambda: report.render(envelope))
if report.render(envelope) != page:
    raise SystemExit("the page is not what its evidence renders to")
items = report.verify(page, keys).payload["predicate"]["golive"]["items"]
print(
    json.dumps(
        {
            "items": len(items),
            "bytes": len(page),
            "beside": len(page) - len(envelope),
            "cold": cold,
            "warm": warm,
            "verify": verified,
        }
    )
)
