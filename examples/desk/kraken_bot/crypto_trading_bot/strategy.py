"""The one strategy of the bot: it buys what fell below its mean far enough, and sells at its mean or at its stop."""

from __future__ import annotations

import statistics
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path


@dataclass(frozen=True)
class Reversion:
    """Its limits: fractions are fractions (0.02 is 2 %), the look-back counts prices, the volume is in the quote currency."""

    look_back: int
    position_fraction: Decimal
    confidence: Decimal
    stop_loss: Decimal
    minimum_volume: Decimal

    @classmethod
    def read(cls, path: Path) -> Reversion:
        """The strategy as its file has it; KeyError or ValueError if a limit is missing or cannot be meant."""
        limits = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)["limits"]
        found = cls(
            look_back=limits["look_back"],
            position_fraction=Decimal(limits["position_fraction"]),
            confidence=Decimal(limits["confidence"]),
            stop_loss=Decimal(limits["stop_loss"]),
            minimum_volume=Decimal(limits["minimum_volume"]),
        )
        if not 0 < found.position_fraction <= 1 or not 0 < found.stop_loss < 1:
            raise ValueError(f"{path}: a fraction lies between 0 and 1")
        return found

    def wants(self, prices: Sequence[Decimal], volume: Decimal) -> bool:
        """Whether to buy now; never on too short a history, nor in a market that is too thin."""
        if len(prices) < self.look_back or volume < self.minimum_volume:
            return False
        mean = statistics.fmean(prices[-self.look_back :])
        return prices[-1] < Decimal(mean) * (1 - self.confidence)

    def leaves(self, prices: Sequence[Decimal], entry: Decimal) -> bool:
        """Whether to sell what was bought at `entry`."""
        mean = Decimal(statistics.fmean(prices[-self.look_back :]))
        return prices[-1] >= mean or prices[-1] <= entry * (1 - self.stop_loss)
