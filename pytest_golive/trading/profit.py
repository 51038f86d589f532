"""Realized profit by first in, first out: what was bought first is sold first, per account and symbol.

For one selling fill that takes the parts `q_i` of lots bought at `p_i` (`Σ q_i = q`)::

    profit = q · price − Σ q_i · p_i − fee of the sale − Σ fee of lot i · q_i / quantity of lot i

A *closed trade* is one selling fill, however many lots it takes. Shares of a lot's fee are rounded to 18 digits after the point
and the last part takes what is left, so that the parts always add up to the whole. Source of the order: IAS 2 "Inventories",
paragraph 27, first in, first out.

A sale of more than is held is *unmatched*: it is either a short sale, which this arithmetic refuses to know, or the ledger
begins in the middle. Its unmatched part has no profit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from typing import final

from pytest_golive.trading import EXACT, Unknowable
from pytest_golive.trading.fills import Fill

_SHARE = Decimal("1e-18")

Place = tuple[str, str]
"""Account and symbol: lots of one are never sold by another."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """One selling fill and what it closed; `fees` is None if the ledger tells none."""

    at: datetime
    opened_at: datetime
    account: str
    symbol: str
    quantity: Decimal
    proceeds: Decimal
    cost: Decimal
    fees: Decimal | None

    @property
    def gross(self) -> Decimal:
        """Profit before fees."""
        return EXACT.subtract(self.proceeds, self.cost)

    @property
    def profit(self) -> Decimal:
        """Profit after all fees; Unknowable without them."""
        if self.fees is None:
            raise Unknowable("the ledger has no column of fees, so no profit is net of them")
        return EXACT.subtract(self.gross, self.fees)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What is still held, at the price it was bought for, fees not counted."""

    account: str
    symbol: str
    quantity: Decimal
    cost: Decimal
    opened_at: datetime


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """The part of a sale for which nothing was held."""

    fill: Fill
    quantity: Decimal


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Closed trades in the order of their closing, what is open, and what could not be matched."""

    closed: tuple[Closed, ...]
    open: tuple[Position, ...]
    unmatched: tuple[Unmatched, ...]


@dataclass(slots=True)
class _Lot:
    at: datetime
    price: Decimal
    quantity: Decimal
    fee: Decimal | None


def fifo(fills: Iterable[Fill]) -> Books:
    """The books after these fills, taken in the order of their times; fills of the same moment keep their order."""
    lots: dict[Place, deque[_Lot]] = {}
    closed: list[Closed] = []
    unmatched: list[Unmatched] = []
    with localcontext(EXACT):
        for fill in sorted(fills, key=lambda each: each.at):
            held = lots.setdefault((fill.account, fill.symbol), deque())
            if fill.side == "BUY":
                held.append(_Lot(fill.at, fill.price, fill.quantity, fill.fee))
                continue
            trade, left = _sell(fill, held)
            if trade is not None:
                closed.append(trade)
            if left:
                unmatched.append(Unmatched(fill=fill, quantity=left))
        return Books(closed=tuple(closed), open=_positions(lots), unmatched=tuple(unmatched))


def realized(closed: Iterable[Closed]) -> Decimal:
    """The profit of all trades after fees; Unknowable if the ledger tells no fees."""
    with localcontext(EXACT):
        return sum((trade.profit for trade in closed), Decimal(0))


def fees(fills: Iterable[Fill]) -> Decimal:
    """All fees of all fills, also of what is still open; Unknowable if the ledger tells none."""
    with localcontext(EXACT):
        total = Decimal(0)
        for fill in fills:
            if fill.fee is None:
                raise Unknowable("the ledger has no column of fees")
            total += fill.fee
        return total


def _sell(fill: Fill, held: deque[_Lot]) -> tuple[Closed | None, Decimal]:
    """The trade that the sale closes, if any, and the quantity that nothing was held for."""
    left, cost, shares, opened = fill.quantity, Decimal(0), Decimal(0), fill.at
    while left and held:
        lot = held[0]
        part = min(left, lot.quantity)
        opened = min(opened, lot.at)
        cost += part * lot.price
        if lot.fee is not None:
            share = lot.fee if part == lot.quantity else (lot.fee * part / lot.quantity).quantize(_SHARE)
            lot.fee -= share
            shares += share
        lot.quantity -= part
        left -= part
        if not lot.quantity:
            held.popleft()
    sold = fill.quantity - left
    if not sold:
        return None, left
    own = None if fill.fee is None else fill.fee if not left else (fill.fee * sold / fill.quantity).quantize(_SHARE)
    trade = Closed(
        at=fill.at, opened_at=opened, account=fill.account, symbol=fill.symbol,
        quantity=sold, proceeds=sold * fill.price, cost=cost, fees=None if own is None else own + shares,
    )  # fmt: skip
    return trade, left


def _positions(lots: Mapping[Place, Sequence[_Lot]]) -> tuple[Position, ...]:
    return tuple(
        Position(
            account=account,
            symbol=symbol,
            quantity=sum((lot.quantity for lot in held), Decimal(0)),
            cost=sum((lot.quantity * lot.price for lot in held), Decimal(0)),
            opened_at=held[0].at,
        )
        for (account, symbol), held in sorted(lots.items())
        if held
    )
