"""Prices that are fed, and what a small strategy reads out of them.

A BUY is signalled when the price has fallen far enough below its mean of late; the stop and the target come with the signal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, final

from examples.desk.routing.books import Books

WINDOW = 12
"""Prices that the mean is taken over."""

DIP = Decimal("0.012")
STOP = Decimal("0.015")
TARGET = Decimal("0.015")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A wish to buy at this price, with the price to give up at and the price to be content with."""

    price: Decimal
    stop: Decimal
    target: Decimal
    reason: str


def signal(prices: Sequence[Decimal]) -> Signal | None:
    """A BUY if the last price lies a dip below the mean of those before it; nothing with too few prices."""
    if len(prices) < WINDOW:
        return None
    *before, last = prices[-WINDOW:]
    mean = sum(before, Decimal(0)) / len(before)
    if last > mean * (1 - DIP):
        return None
    cent = Decimal("0.01")
    return Signal(
        price=last,
        stop=(last * (1 - STOP)).quantize(cent),
        target=(last * (1 + TARGET)).quantize(cent),
        reason=f"{last} is {(1 - last / mean) * 100:.2f} % below the mean of {len(before)} prices",
    )


class Market(Protocol):
    """Where prices are kept."""

    def feed(self, account: str, pair: str, price: Decimal) -> None: ...
    def last(self, account: str, pair: str) -> Decimal | None: ...
    def recent(self, account: str, pair: str) -> Sequence[Decimal]: ...


@final
class BookMarket:
    """Prices in the ledger, where a second process sees them."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def feed(self, account: str, pair: str, price: Decimal) -> None:
        """A new price."""
        self._books.insert("helios_prices", account=account, pair=pair, price=price, at=self._books.at())

    def last(self, account: str, pair: str) -> Decimal | None:
        """The newest price."""
        found = self.recent(account, pair)
        return found[-1] if found else None

    def recent(self, account: str, pair: str) -> Sequence[Decimal]:
        """The newest prices, the newest last."""
        rows = self._books.ledger.rows(
            "SELECT price FROM helios_prices WHERE account = ? AND pair = ? ORDER BY id DESC LIMIT ?", account, pair, WINDOW
        )
        return [Decimal(row["price"]) for row in reversed(rows)]


@final
class MemoryMarket:
    """Prices of a run that is over before anybody could ask for them."""

    def __init__(self) -> None:
        self._prices: dict[tuple[str, str], deque[Decimal]] = {}

    def feed(self, account: str, pair: str, price: Decimal) -> None:
        """A new price."""
        self._prices.setdefault((account, pair), deque(maxlen=WINDOW)).append(price)

    def last(self, account: str, pair: str) -> Decimal | None:
        """The newest price."""
        prices = self._prices.get((account, pair))
        return prices[-1] if prices else None

    def recent(self, account: str, pair: str) -> Sequence[Decimal]:
        """The newest prices, the newest last."""
        return list(self._prices.get((account, pair), ()))
