"""Reviews of new positions: within minutes of its opening each real position is held against its limits, and the verdict kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, final

from examples.desk import clock
from examples.desk.capital import LIVE
from examples.desk.clock import Clock
from examples.desk.ledger import Ledger

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS reviews(entry_order_id TEXT PRIMARY KEY, account TEXT NOT NULL, symbol TEXT NOT NULL,"
    " opened_at TEXT NOT NULL, reviewed_at TEXT NOT NULL, verdict TEXT NOT NULL, finding TEXT NOT NULL, reviewer TEXT NOT NULL)"
)
_NEW = (
    "SELECT account, symbol, quantity, cost, entry_order_id, opened_at FROM positions WHERE environment = ?"
    " AND entry_order_id NOT IN (SELECT entry_order_id FROM reviews)"
)
_PROTECTED = "SELECT count(DISTINCT kind) AS n FROM protections WHERE entry_order_id = ? AND state = 'open'"
LIMIT = Decimal("0.60")
"""The largest fraction of an account's equity that one position may be."""


@final
class Reviews:
    """Looks at each new position; `equity` gives what an account is worth, `told` hears of a bad verdict."""

    def __init__(self, ledger: Ledger, *, equity: Callable[[str], Decimal], told: Callable[[str], None], now: Clock) -> None:
        self._ledger = ledger
        self._equity = equity
        self._told = told
        self._now = now
        ledger.write(_SCHEMA)

    def turn(self) -> None:
        """Review what is new; a position whose exits do not rest yet is left for the next turn, for a minute."""
        now = self._now()
        for row in self._ledger.rows(_NEW, LIVE):
            exits = self._ledger.row(_PROTECTED, row["entry_order_id"])
            protected = bool(exits and exits["n"] == 2)
            if not protected and clock.age(datetime.fromisoformat(row["opened_at"]), now) < 60:
                continue
            worth = self._equity(row["account"])
            share = Decimal(row["cost"]) / worth if worth > 0 else Decimal(1)
            faults = ([] if protected else ["no stop-loss and take-profit"]) + (["too large"] if share > LIMIT else [])
            self._ledger.write(
                "INSERT OR IGNORE INTO reviews VALUES (?,?,?,?,?,?,?,?)",
                row["entry_order_id"], row["account"], row["symbol"], row["opened_at"], clock.iso(now),
                "bad" if faults else "good", ", ".join(faults) or f"{share:.4f} of the account, both exits rest", "desk",
            )  # fmt: skip
            if faults:
                self._told(f"position {row['symbol']} of {row['account']}: {', '.join(faults)}")

    def all(self, limit: int = 100) -> list[dict[str, Any]]:
        """The newest reviews first."""
        return self._ledger.rows("SELECT * FROM reviews ORDER BY reviewed_at DESC LIMIT ?", limit)
