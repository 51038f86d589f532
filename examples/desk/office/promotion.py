"""Promotion to the next capital profile: proposed by the figures in the ledger, permitted by two persons, never by the desk.

`python -m examples.desk.office.promotion --home DIR` tells whether the criteria of the operator manual hold, exit 0 if they do;
`--approve NAME --approve NAME` writes the next profile into allowed_profiles of golive.yaml, which it refuses unless they hold.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, final

PROFILES = ("micro", "small", "medium", "large")
_ALLOWED = re.compile(r"^allowed_profiles: \[([a-z, ]+)\]", re.MULTILINE)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What must hold before a profile is left for the next; fractions are fractions."""

    trades: int
    days: int
    win_rate: Decimal
    drawdown: Decimal


LADDER: Mapping[str, Criteria] = {
    "micro": Criteria(trades=30, days=14, win_rate=Decimal("0.55"), drawdown=Decimal("0.10")),
    "small": Criteria(trades=60, days=30, win_rate=Decimal("0.55"), drawdown=Decimal("0.10")),
    "medium": Criteria(trades=120, days=60, win_rate=Decimal("0.57"), drawdown=Decimal("0.08")),
}
"""From the operator manual, section Configuration Management."""


def judged(profile: str, trades: Sequence[Mapping[str, Any]], *, capital: Decimal) -> dict[str, Any]:
    """Each criterion of the profile with what is wanted and what the closed trades show; `proposed` only if all hold."""
    wanted = LADDER.get(profile)
    if wanted is None:
        return {"profile": profile, "next": None, "criteria": [], "proposed": False}
    profits = [Decimal(str(trade["profit"])) for trade in trades]
    closed = [datetime.fromisoformat(str(trade["closed_at"])) for trade in trades]
    days = (max(closed) - min(closed)).days if closed else 0
    won = Decimal(sum(profit > 0 for profit in profits)) / len(profits) if profits else Decimal(0)
    drawdown = _drawdown(profits, capital)
    rows = [
        ("trades", f">= {wanted.trades}", str(len(profits)), len(profits) >= wanted.trades),
        ("days", f">= {wanted.days}", str(days), days >= wanted.days),
        ("win_rate", f">= {wanted.win_rate}", f"{won:.4f}", won >= wanted.win_rate),
        ("drawdown", f"< {wanted.drawdown}", f"{drawdown:.4f}", drawdown < wanted.drawdown),
    ]
    criteria = [{"name": name, "wanted": want, "found": found, "met": met} for name, want, found, met in rows]
    return {
        "profile": profile,
        "next": PROFILES[PROFILES.index(profile) + 1],
        "criteria": criteria,
        "proposed": all(row["met"] for row in criteria),
    }


def _drawdown(profits: Sequence[Decimal], capital: Decimal) -> Decimal:
    equity = highest = capital
    worst = Decimal(0)
    for profit in profits:
        equity += profit
        highest = max(highest, equity)
        worst = max(worst, (highest - equity) / highest if highest > 0 else Decimal(1))
    return worst


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 if the promotion is proposed (or was carried out), 1 if not, 2 if the approval is not that of two persons."""
    parser = argparse.ArgumentParser(prog="python -m examples.desk.office.promotion", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--capital", type=Decimal, default=Decimal(1000), help="the capital of the profile, in USDT")
    parser.add_argument("--approve", action="append", default=[], metavar="NAME", help="a person who agrees; two are needed")
    told = parser.parse_args(arguments)
    settings: Path = told.home / "golive.yaml"
    text = settings.read_text(encoding="utf-8")
    match = _ALLOWED.search(text)
    if match is None:
        print("promotion: golive.yaml has no list allowed_profiles", file=sys.stderr)
        return 1
    allowed = [name.strip() for name in match[1].split(",")]
    found = judged(allowed[-1], _trades(told.home / "ledger.sqlite"), capital=told.capital)
    approved = sorted({name.strip().casefold() for name in told.approve if name.strip()})
    carried_out = bool(found["proposed"] and len(approved) >= 2)
    if carried_out:
        new = f"allowed_profiles: [{', '.join([*allowed, found['next']])}]"
        settings.write_text(text[: match.start()] + new + text[match.end() :], encoding="utf-8")
    print(json.dumps({**found, "approved_by": approved, "carried_out": carried_out}))
    if told.approve and not carried_out:
        return 2 if found["proposed"] else 1
    return 0 if found["proposed"] else 1


def _trades(ledger: Path) -> list[dict[str, Any]]:
    with contextlib.closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=5)) as database:
        database.row_factory = sqlite3.Row
        rows = database.execute(
            "SELECT profit, closed_at FROM trades WHERE environment = 'live' AND state = 'closed' ORDER BY closed_at"
        )
        return [dict(row) for row in rows]


if __name__ == "__main__":
    sys.exit(main())
