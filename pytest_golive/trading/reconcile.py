"""Two books held against each other: what the ledger says is there, and what the exchange says.

For each asset that either of them names::

    difference = exchange − ledger        relative = |difference| / max(|exchange|, |ledger|), 0 if both are 0

So an asset that only one of them knows is off by 1, which is everything; the bound is never crossed by an absence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import final

from pytest_golive.trading import EXACT, Unknowable


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One asset in both books."""

    asset: str
    ledger: Decimal
    exchange: Decimal

    @property
    def difference(self) -> Decimal:
        """What the exchange has more."""
        return EXACT.subtract(self.exchange, self.ledger)

    @property
    def relative(self) -> Decimal:
        """The difference as a fraction of the larger one."""
        larger = max(abs(self.exchange), abs(self.ledger))
        return EXACT.divide(abs(self.difference), larger) if larger else Decimal(0)


def reconcile(ledger: Mapping[str, Decimal], exchange: Mapping[str, Decimal]) -> list[Difference]:
    """Every asset of either book, the largest relative difference first; Unknowable if one of the books is empty."""
    for name, book in (("ledger", ledger), ("exchange", exchange)):
        if not book:
            raise Unknowable(f"the {name} names no asset, so there is nothing to compare")
    zero = Decimal(0)
    told = [
        Difference(asset=asset, ledger=ledger.get(asset, zero), exchange=exchange.get(asset, zero))
        for asset in sorted({*ledger, *exchange})
    ]
    return sorted(told, key=lambda each: -each.relative)
