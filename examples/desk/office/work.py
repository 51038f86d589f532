"""The work behind the schedule: the daily report, the rotation of logs, and the backup of the ledger."""

from __future__ import annotations

import contextlib
import gzip
import json
import shutil
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

from examples.desk import clock
from examples.desk.clock import Clock
from examples.desk.ledger import Ledger

LOG_BYTES = 10_000_000
KEPT = 7


def daily_report(ledger: Ledger, path: Path, *, now: Clock) -> str:
    """The performance of all real trades, read from the ledger and written into `path`."""
    trades = ledger.rows("SELECT * FROM trades WHERE environment = 'live' AND state = 'closed' ORDER BY closed_at")
    profits = [Decimal(row["profit"]) for row in trades]
    orders = ledger.rows("SELECT state, count(*) AS n FROM orders WHERE environment = 'live' GROUP BY state")
    figures: dict[str, Any] = {
        "day": now().date().isoformat(),
        "closed_trades": len(trades),
        "won": sum(profit > 0 for profit in profits),
        "profit": str(sum(profits, Decimal(0))),
        "fees": str(sum((Decimal(row["fees"]) for row in trades), Decimal(0))),
        "orders": {row["state"]: row["n"] for row in orders},
    }
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return f"{len(trades)} closed trades, profit {figures['profit']} USDT"


def rotate(folder: Path, *, at_most: int = LOG_BYTES) -> str:
    """Pack each log of more than `at_most` bytes into `.1.gz` and empty it; its writers go on with the same file."""
    packed = []
    for log in sorted(folder.glob("*.log")):
        if log.stat().st_size <= at_most:
            continue
        for number in range(KEPT, 1, -1):
            older = log.with_name(f"{log.name}.{number - 1}.gz")
            if older.exists():
                older.replace(log.with_name(f"{log.name}.{number}.gz"))
        with log.open("rb") as content, gzip.open(log.with_name(f"{log.name}.1.gz"), "wb") as archive:
            shutil.copyfileobj(content, archive)
        with log.open("r+b") as stream:
            stream.truncate(0)
        packed.append(log.name)
    return f"rotated {', '.join(packed)}" if packed else "nothing to rotate"


def backup(ledger: Path, folder: Path, *, now: Clock) -> str:
    """A consistent copy of the ledger under a name with its time, checked by SQLite itself; the oldest beyond KEPT go."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = folder / f"ledger-{now().strftime('%Y%m%dT%H%M%SZ')}.sqlite"
    with (
        contextlib.closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as source,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)
        found = copy.execute("PRAGMA integrity_check").fetchone()[0]
    if found != "ok":
        raise OSError(f"the copy {target} is damaged: {found}")
    for old in sorted(folder.glob("ledger-*.sqlite"))[:-KEPT]:
        old.unlink()
    return f"{target.name}, {target.stat().st_size} bytes, {clock.iso(now())}"
