"""The bot's paper run: its strategy on a market that swings about its mean, trade by trade, with fees and slippage.

The market is drawn from a seed, so that every new home has the same run, ending when the home was made; nothing in it was sent
anywhere.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from .books import OPENING
from .risk_guard import RiskGuard
from .strategy import Reversion

SYMBOL = "BTCUSDT"
FEE, SLIPPAGE = Decimal("0.0026"), Decimal("0.0005")
"""Kraken's taker fee, and what a market order gives away, as fractions of the value."""

DAYS, PER_DAY, SEED = 60, 24, 20261121
_CENT, _STEP = Decimal("0.01"), Decimal("0.0001")


@dataclass(frozen=True)
class Fill:
    """One filled order of the paper run."""

    order_id: str
    at: str
    side: str
    quantity: Decimal
    price: Decimal
    intended: Decimal
    fee: Decimal


def run(ledger: sqlite3.Connection, strategy: Reversion, guard: RiskGuard, end: datetime) -> int:
    """Trade through the weeks before `end` and enter every fill and every closed trade; how many trades were closed."""
    equity, prices = OPENING, list[Decimal]()
    entry: Fill | None = None
    closed = 0
    for at, price, volume in _market(end):
        prices.append(price)
        guard.see(equity)
        if entry is None and guard.permits() and strategy.wants(prices, volume):
            quantity = (equity * strategy.position_fraction / price).quantize(_STEP)
            entry = _fill(ledger, f"PAPER-{closed:04d}-B", at, "BUY", quantity, price)
        elif entry is not None and strategy.leaves(prices, entry.price):
            leave = _fill(ledger, f"PAPER-{closed:04d}-S", at, "SELL", entry.quantity, price)
            profit = (leave.price - entry.price) * entry.quantity - entry.fee - leave.fee
            buffer = 1 - entry.price * entry.quantity / equity
            equity += profit
            _enter(ledger, f"PAPER-{closed:04d}", entry, leave, profit, buffer)
            entry, closed = None, closed + 1
    return closed


def _market(end: datetime) -> Iterator[tuple[datetime, Decimal, Decimal]]:
    dice = random.Random(SEED)
    mean, price = 60_000.0, 60_000.0
    for hour in range(DAYS * PER_DAY):
        price += 0.08 * (mean - price) + dice.gauss(0, 450)
        at = end - timedelta(hours=DAYS * PER_DAY - hour)
        yield at, Decimal(f"{price:.2f}"), Decimal(dice.randrange(200_000, 4_000_000))


def _fill(ledger: sqlite3.Connection, order_id: str, at: datetime, side: str, quantity: Decimal, intended: Decimal) -> Fill:
    price = (intended * (1 + SLIPPAGE if side == "BUY" else 1 - SLIPPAGE)).quantize(_CENT)
    fill = Fill(order_id, at.isoformat(), side, quantity, price, intended, (price * quantity * FEE).quantize(_CENT))
    ledger.execute(
        "INSERT INTO bot_fills(order_id, at, symbol, side, quantity, price, intended, fee, mode)"
        " VALUES (?,?,?,?,?,?,?,?,'paper')",
        (order_id, fill.at, SYMBOL, side, str(quantity), str(price), str(intended), str(fill.fee)),
    )
    return fill


def _enter(ledger: sqlite3.Connection, trade_id: str, entry: Fill, leave: Fill, profit: Decimal, buffer: Decimal) -> None:
    row: tuple[Any, ...] = (
        trade_id, "current", SYMBOL, str(entry.quantity), str(entry.price), str(leave.price), str(entry.fee + leave.fee),
        str(profit.quantize(_CENT)), f"{buffer:.4f}", entry.at, leave.at,
    )  # fmt: skip
    ledger.execute(f"INSERT INTO bot_trades VALUES ({','.join('?' * len(row))})", row)
