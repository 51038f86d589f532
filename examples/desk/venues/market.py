"""What things cost at a venue: a slow random walk around the listed price, and an order book that stands around it."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import final

from examples.desk.symbols import Symbol
from examples.desk.web import Refused

SLIPPAGE = Decimal("0.0001")
"""By which part a market order is filled worse than the price; the book's levels lie as far from each other."""

LEVELS = 10
CENT = Decimal("0.01")
_WALK = 0.01


@final
@dataclass(frozen=True, slots=True)
class Level:
    """So much is wanted, or offered, at this price."""

    price: Decimal
    quantity: Decimal


@final
class Market:
    """The prices of one venue's symbols; a drill multiplies them by a factor, all or one."""

    def __init__(self, symbols: Mapping[str, Symbol]) -> None:
        self.symbols = symbols
        self.slippage = SLIPPAGE
        self._lock = threading.Lock()
        self._walk = {name: (0.0, time.monotonic()) for name in symbols}
        self._factor = Decimal(1)
        self._factors: dict[str, Decimal] = {}

    def symbol(self, name: str) -> Symbol:
        """The symbol of this name; Refused if it is not traded here."""
        if name not in self.symbols:
            raise Refused(404, f"{name} is not traded here")
        return self.symbols[name]

    def price(self, name: str) -> Decimal:
        """The price of now."""
        symbol = self.symbol(name)
        with self._lock:
            step, last = self._walk[name]
            at = time.monotonic()
            step = max(-_WALK, min(_WALK, step + random.gauss(0, 0.00005) * math.sqrt(at - last)))
            self._walk[name] = (step, at)
            factor = self._factor * self._factors.get(name, Decimal(1))
        return (symbol.listed * (1 + Decimal(repr(step))) * factor).quantize(CENT, rounding=ROUND_DOWN)

    def move(self, factor: Decimal, name: str = "") -> None:
        """Let all prices, or that of one symbol, be so many times what they would be; 1 undoes it. Refused if it is no price."""
        if not (factor.is_finite() and Decimal("0.001") <= factor <= 1000):
            raise Refused(400, "a factor is a number from 0.001 to 1000")
        with self._lock:
            if not name:
                self._factor = factor
            else:
                self._factors[self.symbol(name).name] = factor

    def book(self, name: str) -> tuple[Sequence[Level], Sequence[Level]]:
        """Bids, the highest first, and asks, the lowest first, as the makers of this market hold them."""
        symbol, price = self.symbol(name), self.price(name)
        steps = range(1, LEVELS + 1)
        quantity = symbol.step * 1000
        bids = [Level((price * (1 - SLIPPAGE * step)).quantize(CENT), quantity * step) for step in steps]
        asks = [Level((price * (1 + SLIPPAGE * step)).quantize(CENT), quantity * step) for step in steps]
        return bids, asks
