"""Faults of the gate's own history that need more than a word: attempts that were denied, and runs that said no."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pytest_golive.activation import DENIED
from pytest_golive.journal import Journal

if TYPE_CHECKING:
    from examples.desk.drill.breaks import Bench

MANY = 20


def denied_attempts(bench: Bench) -> contextlib.AbstractContextManager[None]:
    """Many attempts to activate were denied."""
    return _journalled(bench, DENIED, {"check": "preflight", "reason": "drill", "operator": "drill", "environment": "production"})


def runs_that_say_no(bench: Bench) -> contextlib.AbstractContextManager[None]:
    """Many runs of the gate said NO-GO."""
    return _journalled(bench, "run", {"word": "NO-GO", "reasons": [], "operator": "drill", "decides": True, "evidence": ""})


@contextlib.contextmanager
def _journalled(bench: Bench, event: str, detail: dict[str, Any]) -> Iterator[None]:
    """Records at the end of the journal, which ends afterwards where it ended before."""
    path = bench.home / "journal.jsonl"
    size = path.stat().st_size
    journal = Journal(path)
    for _ in range(MANY):
        journal.append(event, detail, datetime.now(UTC))
    try:
        yield
    finally:
        os.truncate(path, size)
