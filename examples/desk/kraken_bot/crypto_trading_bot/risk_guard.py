"""The drawdown guard: once the equity fell too far below its highest, nothing is bought any more until a person says so.

`python -m crypto_trading_bot.risk_guard --simulate 0.25` shows what it does on a fall of a quarter, as one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

SETTINGS = Path(__file__).resolve().parents[1] / "config" / "risk.toml"


@dataclass
class RiskGuard:
    """`max_drawdown` is a fraction of the highest equity seen; a guard that is not enabled lets everything through."""

    enabled: bool
    max_drawdown: Decimal
    highest: Decimal = field(default=Decimal(0))
    halted: bool = False

    @classmethod
    def read(cls, path: Path) -> RiskGuard:
        """The guard as its file has it."""
        told = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)["drawdown"]
        return cls(enabled=told["enabled"] is True, max_drawdown=Decimal(told["max"]))

    def see(self, equity: Decimal) -> None:
        """Look at the equity; a halt is not taken back by a recovery."""
        self.highest = max(self.highest, equity)
        if self.enabled and self.highest and 1 - equity / self.highest >= self.max_drawdown:
            self.halted = True

    def permits(self) -> bool:
        """Whether something may be bought."""
        return not self.halted


def simulated(guard: RiskGuard, fall: Decimal, steps: int = 50) -> dict[str, object]:
    """What the guard does while the equity falls by `fall` in equal steps, and after it has recovered."""
    orders = after = 0
    halted_at = None
    for step in [*range(steps + 1), *reversed(range(steps))]:
        lost = fall * step / steps
        guard.see(Decimal(10_000) * (1 - lost))
        if guard.halted and halted_at is None:
            halted_at = lost
        if guard.permits():
            orders += 1
            after += halted_at is not None
    return {
        "enabled": guard.enabled,
        "max_drawdown": str(guard.max_drawdown),
        "halted": guard.halted,
        "halted_at": str(halted_at) if halted_at is not None else "",
        "orders": orders,
        "orders_after_halt": after,
    }


def main(arguments: Iterable[str] | None = None) -> int:
    """Print what a fall does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Path, default=SETTINGS)
    parser.add_argument("--simulate", type=Decimal, required=True, metavar="FRACTION")
    told = parser.parse_args(None if arguments is None else list(arguments))
    print(json.dumps(simulated(RiskGuard.read(told.settings), told.simulate)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
