"""Is a profile promoted only by its figures and two persons? Tried on copies of the ledger and of the settings."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

CALL = "examples.desk.office.promotion"


def ladder(checkout: str, home: str) -> dict[str, Any]:
    """Facts on the promotion with the ledger as it is, approved all the same; and with trades enough, by nobody, one and two."""
    with tempfile.TemporaryDirectory(prefix="golive-promotion-") as folder:
        shutil.copy(Path(home, "golive.yaml"), folder)
        copy = Path(folder, "ledger.sqlite")
        with (
            contextlib.closing(sqlite3.connect(f"file:{home}/ledger.sqlite?mode=ro", uri=True, timeout=5)) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
            closed = target.execute("SELECT count(*) FROM trades WHERE environment = 'live' AND state = 'closed'").fetchone()[0]
        as_is = _run(checkout, folder, "ann", "bea")
        with contextlib.closing(sqlite3.connect(copy)) as target, target:
            _add_trades(target)
        return {
            "closed_trades": closed,
            "as_is": as_is,
            "nobody": _run(checkout, folder),
            "one": _run(checkout, folder, "ann"),
            "same_twice": _run(checkout, folder, "ann", "Ann "),
            "two": _run(checkout, folder, "ann", "bea"),
        }


def _run(checkout: str, folder: str, *names: str) -> dict[str, Any]:
    approvals = [word for name in names for word in ("--approve", name)]
    done = subprocess.run(
        [sys.executable, "-m", CALL, "--home", folder, *approvals],
        cwd=checkout, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    told = json.loads(done.stdout) if done.stdout.startswith("{") else {}
    allowed = [
        line for line in Path(folder, "golive.yaml").read_text(encoding="utf-8").splitlines() if line.startswith("allowed_")
    ]
    unmet = [one["name"] for one in told.get("criteria", []) if not one["met"]]
    return {
        "exit": done.returncode,
        "proposed": told.get("proposed"),
        "criteria": len(told.get("criteria", [])),
        "unmet": unmet,
        "allowed": allowed[0].partition("#")[0].strip() if allowed else "",
    }


def _add_trades(database: sqlite3.Connection) -> None:
    begin = datetime.now(UTC) - timedelta(days=20)
    for number in range(40):
        at = (begin + timedelta(hours=12 * number)).isoformat()
        database.execute(
            "INSERT INTO trades(account, environment, symbol, quantity, entry_order_id, exit_order_id, entry_value, exit_value,"
            " fees, profit, state, opened_at, closed_at)"
            " VALUES ('alpha', 'live', 'BTCUSDT', '0.001', ?, ?, '60', '61', '0.1', '0.9', 'closed', ?, ?)",
            (f"copy-entry-{number}", f"copy-exit-{number}", at, at),
        )
