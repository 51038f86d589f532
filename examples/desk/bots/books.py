"""What fills add up to: lots matched first in, first out, profit, equity and drawdown. Pure, and exact decimals throughout.

Realized profit is that of the prices alone; fees are told beside it, and the profit of a trade is net of its share of both fees.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, final

ZERO = Decimal(0)

_DUST = Decimal("0.00000001")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A quantity that was bought and sold again; `profit` is net of the fees of both sides."""

    bot: str
    symbol: str
    quantity: Decimal
    entry_value: Decimal
    exit_value: Decimal
    fees: Decimal
    closed_at: datetime
    order_id: str

    @property
    def profit(self) -> Decimal:
        return self.exit_value - self.entry_value - self.fees


@final
@dataclass(slots=True)
class Lot:
    """What is left of a purchase."""

    quantity: Decimal
    price: Decimal
    fee: Decimal


@final
@dataclass(slots=True)
class Book:
    """Fills of one bot, or of several that are reckoned apart and told together."""

    fees: Decimal = ZERO
    realized: Decimal = ZERO
    cash: Decimal = ZERO
    trades: list[Trade] = field(default_factory=list)
    lots: dict[tuple[str, str], deque[Lot]] = field(default_factory=dict)

    def held(self, symbol: str) -> Decimal:
        """The quantity that is open."""
        return sum((lot.quantity for (_, name), lots in self.lots.items() if name == symbol for lot in lots), ZERO)

    def unrealized(self, marks: Mapping[str, Decimal]) -> Decimal:
        """What the open lots have gained at these prices."""
        return sum(((marks[name] - lot.price) * lot.quantity for (_, name), lots in self.lots.items() for lot in lots), ZERO)

    def symbols(self) -> list[str]:
        """What is held."""
        return sorted({name for (_, name), lots in self.lots.items() if lots})


def booked(fills: Iterable[Mapping[str, Any]]) -> Book:
    """The book of these fills, in the order of their numbers; ValueError if more was sold than bought."""
    book = Book()
    for fill in sorted(fills, key=lambda fill: fill["number"]):
        value = fill["price"] * fill["quantity"]
        book.fees += fill["fee"]
        lots = book.lots.setdefault((fill["bot"], fill["symbol"]), deque())
        if fill["side"] == "BUY":
            book.cash -= value + fill["fee"]
            lots.append(Lot(fill["quantity"], fill["price"], fill["fee"]))
        else:
            book.cash += value - fill["fee"]
            trade = _matched(fill, lots)
            book.trades.append(trade)
            book.realized += trade.exit_value - trade.entry_value
    return book


def _matched(fill: Mapping[str, Any], lots: deque[Lot]) -> Trade:
    left, entry, fees = fill["quantity"], ZERO, fill["fee"]
    while left > 0:
        if not lots:
            raise ValueError(f"fill {fill['number']} sells {left} {fill['symbol']} that {fill['bot']} does not hold")
        lot = lots[0]
        taken = min(left, lot.quantity)
        # what rounding leaves stays with the lot, so that the shares add up to the fee that was paid
        share = (lot.fee * taken / lot.quantity).quantize(_DUST)
        entry += taken * lot.price
        fees += share
        left -= taken
        lot.fee -= share
        lot.quantity -= taken
        if not lot.quantity:
            lots.popleft()
    return Trade(
        bot=fill["bot"],
        symbol=fill["symbol"],
        quantity=fill["quantity"],
        entry_value=entry,
        exit_value=fill["price"] * fill["quantity"],
        fees=fees,
        closed_at=fill["at"],
        order_id=fill["order_id"],
    )


def drawdown(capital: Decimal, profits: Sequence[Decimal]) -> Decimal:
    """The deepest fall from a peak of capital and profits so far, as a fraction of that peak; 1 if nothing was there."""
    equity = peak = capital
    deepest = ZERO
    for profit in profits:
        equity += profit
        peak = max(peak, equity)
        deepest = max(deepest, (peak - equity) / peak if peak > 0 else Decimal(1))
    return deepest


def losing(profits: Sequence[Decimal]) -> int:
    """How many of the latest profits in a row were losses."""
    run = 0
    for profit in reversed(profits):
        if profit >= 0:
            break
        run += 1
    return run
