"""The bot's books: its closed trades in the ledger of the desk, and what they come to.

Trades of before this bot are kept in a partition of their own (`legacy`) and count nowhere.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from urllib.parse import quote

SCHEMA = """
CREATE TABLE IF NOT EXISTS bot_trades(
  trade_id TEXT PRIMARY KEY, partition TEXT NOT NULL CHECK (partition IN ('current', 'legacy')), symbol TEXT NOT NULL,
  quantity TEXT NOT NULL, entry_price TEXT NOT NULL, exit_price TEXT NOT NULL, fees TEXT NOT NULL, profit TEXT NOT NULL,
  capital_buffer TEXT, opened_at TEXT NOT NULL, closed_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS bot_fills(
  id INTEGER PRIMARY KEY, order_id TEXT UNIQUE NOT NULL, at TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL,
  quantity TEXT NOT NULL, price TEXT NOT NULL, intended TEXT NOT NULL, fee TEXT NOT NULL, mode TEXT NOT NULL);
"""

OPENING = Decimal(10_000)
"""The equity of the paper account when it was opened, in the quote currency."""


@dataclass(frozen=True)
class Closed:
    """A closed trade as it stands in the books; `faults` says what in it cannot be believed."""

    trade_id: str
    partition: str
    profit: Decimal
    closed_at: str
    faults: tuple[str, ...]


def closed_trades(ledger: Path) -> Sequence[Closed]:
    """All closed trades, the oldest first."""
    address = f"file:{quote(str(ledger))}?mode=ro"
    connection = sqlite3.connect(address, uri=True, timeout=10)
    try:
        connection.row_factory = sqlite3.Row
        return [_closed(row) for row in connection.execute("SELECT * FROM bot_trades ORDER BY closed_at, trade_id")]
    finally:
        connection.close()


def _closed(row: sqlite3.Row) -> Closed:
    faults = []
    numbers: dict[str, Decimal] = {}
    for name in ("quantity", "entry_price", "exit_price", "fees", "profit", "capital_buffer"):
        try:
            numbers[name] = Decimal(row[name])
            if not numbers[name].is_finite():
                faults.append(f"{name} is {row[name]}")
        except (InvalidOperation, TypeError):
            faults.append(f"{name} is {row[name]!r}")
    if not faults:
        faults += [f"{name} is not positive" for name in ("quantity", "entry_price", "exit_price") if numbers[name] <= 0]
        faults += [f"{name} is negative" for name in ("fees", "capital_buffer") if numbers[name] < 0]
        profit = (numbers["exit_price"] - numbers["entry_price"]) * numbers["quantity"] - numbers["fees"]
        if abs(profit - numbers["profit"]) > Decimal("0.01"):
            faults.append(f"profit is {row['profit']}, but comes to {profit:.2f}")
    if row["closed_at"] < row["opened_at"]:
        faults.append("closed before it was opened")
    return Closed(row["trade_id"], row["partition"], numbers.get("profit", Decimal(0)), row["closed_at"], tuple(faults))


def current(trades: Sequence[Closed]) -> Sequence[Closed]:
    """The trades that count."""
    return [trade for trade in trades if trade.partition == "current"]


def roi(trades: Sequence[Closed], opening: Decimal = OPENING) -> Decimal:
    """The profit of the trades that count, in percent of the opening equity."""
    return sum((trade.profit for trade in current(trades)), Decimal(0)) / opening * 100


def max_drawdown(trades: Sequence[Closed], opening: Decimal = OPENING) -> Decimal:
    """The deepest fall of the equity below its highest before, as a fraction of that."""
    equity = highest = opening
    deepest = Decimal(0)
    for trade in current(trades):
        equity += trade.profit
        highest = max(highest, equity)
        deepest = max(deepest, 1 - equity / highest)
    return deepest


def win_rate(trades: Sequence[Closed]) -> Decimal:
    """The share of the trades that made a profit; ZeroDivisionError if there is none."""
    counted = current(trades)
    return Decimal(sum(trade.profit > 0 for trade in counted)) / len(counted)
