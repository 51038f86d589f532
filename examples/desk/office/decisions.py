"""Decisions on open positions during a rollback: close it, wait for its exits, or cancel what rests; by whom, and when."""

from __future__ import annotations

from typing import Any, final

from examples.desk import clock
from examples.desk.clock import Clock
from examples.desk.ledger import Ledger

CLOSE, WAIT, CANCEL = "close", "wait", "cancel"
CHOICES = (CLOSE, WAIT, CANCEL)

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS decisions(entry_order_id TEXT PRIMARY KEY, account TEXT NOT NULL, symbol TEXT NOT NULL,"
    " quantity TEXT NOT NULL, decision TEXT NOT NULL, decided_by TEXT NOT NULL, decided_at TEXT NOT NULL)"
)
_HELD = "SELECT * FROM positions WHERE account = ? AND environment = 'live' AND symbol = ?"


@final
class Decisions:
    """What was decided for each real position; the last word counts, and ends with the position."""

    def __init__(self, ledger: Ledger, *, now: Clock) -> None:
        self._ledger = ledger
        self._now = now
        ledger.write(_SCHEMA)

    def decide(self, account: str, symbol: str, decision: str, by: str) -> dict[str, Any]:
        """Write the decision down; LookupError if there is no such position, ValueError for no such choice or nobody."""
        if decision not in CHOICES or not by.strip():
            raise ValueError(f"a decision is one of {', '.join(CHOICES)}, by somebody")
        held = self._ledger.row(_HELD, account, symbol)
        if held is None:
            raise LookupError(f"{account} holds no {symbol}")
        self._ledger.write(
            "INSERT OR REPLACE INTO decisions VALUES (?,?,?,?,?,?,?)",
            held["entry_order_id"], account, symbol, held["quantity"], decision, by.strip(), clock.iso(self._now()),
        )  # fmt: skip
        return self._ledger.row("SELECT * FROM decisions WHERE entry_order_id = ?", held["entry_order_id"]) or {}

    def of(self, entry_order_id: str) -> str:
        """What was decided for a position; empty if nothing was."""
        row = self._ledger.row("SELECT decision FROM decisions WHERE entry_order_id = ?", entry_order_id)
        return str(row["decision"]) if row else ""

    def all(self) -> list[dict[str, Any]]:
        """Every decision, the newest first."""
        return self._ledger.rows("SELECT * FROM decisions ORDER BY decided_at DESC")
