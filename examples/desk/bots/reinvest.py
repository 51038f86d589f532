"""Reinvestment: once a day a part of the profit is given back to the bots that earned most.

The part is a percentage of the profit since the last cycle, and only above a threshold. Each allocation is an event of its own
in the ledger, named after day, user and bot, so that a second cycle on the same day finds it there and gives nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any, final

from examples.desk.bots.portfolio import Portfolio
from examples.desk.bots.store import Row, Store, whole
from examples.desk.bots.terms import Terms
from examples.desk.bots.users import Users
from examples.desk.clock import Clock

_CENT = Decimal("0.01")
_MODE = "reinvestment"

_log = logging.getLogger("desk.system")


@final
class Reinvestment:
    """The cycle and its clock; `turn` is called again and again by a worker."""

    def __init__(self, store: Store, users: Users, portfolio: Portfolio, terms: Terms, *, now: Clock) -> None:
        self._store = store
        self._users = users
        self._portfolio = portfolio
        self._terms = terms
        self._now = now
        self._lock = threading.Lock()
        self.next_run = self._after(now())

    def turn(self) -> None:
        """Run the cycle if its time has come."""
        now = self._now()
        if now >= self.next_run:
            self.next_run = self._after(now)
            self.cycle(by="schedule")

    def cycle(self, *, by: str, user: str | None = None) -> dict[str, Any]:
        """One cycle for a user or for all, and what it gave to whom."""
        with self._lock:
            now = whole(self._now())
            names = [row["name"] for row in self._users.every()] if user is None else [self._users.named(user)["name"]]
            results = [self._of(name, now, by) for name in names]
            told = {"by": by, "at": now, "users": results}
            self._store.keep_mode(_MODE, last=told)
        _log.info("reinvestment by %s: %d allocations", by, sum(len(result["allocations"]) for result in results))
        return told

    def last(self) -> Row | None:
        """The last cycle that ran, since the desk has had a database."""
        row = self._store.one("system_modes", name=_MODE)
        return row["last"] if row else None

    def _of(self, user: str, now: datetime, by: str) -> dict[str, Any]:
        day = now.date().isoformat()
        if self.done_today(user, day):
            return {"user": user, "profit": None, "outcome": "done-today", "allocations": []}
        since = max((event["at"] for event in self._events(user)), default=datetime.fromtimestamp(0, tz=UTC))
        earned = self._portfolio.earned(user, since)
        profit = sum(earned.values(), Decimal(0))
        if profit < self._terms.reinvest_threshold or profit <= 0:
            return {"user": user, "profit": profit, "outcome": "below-threshold", "allocations": []}
        amount = self.part(profit)
        alive = {bot["name"] for bot in self._store.all("bots", user=user) if bot["status"] != "stopped"}
        best = self.best(earned, alive)
        allocations = [
            {"bot": bot, "profit": gain, "amount": part} for (gain, bot), part in zip(best, _shares(amount, best), strict=True)
        ]
        for allocation in allocations:
            self._allocate(user, day, now, by, allocation)
        return {
            "user": user,
            "profit": profit,
            "outcome": "allocated" if allocations else "nobody-left",
            "allocations": allocations,
        }

    def done_today(self, user: str, day: str) -> bool:
        """Whether the user was given something on this day."""
        return any(event["day"] == day for event in self._events(user))

    def part(self, profit: Decimal) -> Decimal:
        """What of a profit is put back, in whole cents."""
        return (profit * self._terms.reinvest_percentage / 100).quantize(_CENT, rounding=ROUND_DOWN)

    def best(self, earned: Mapping[str, Decimal], alive: set[str]) -> list[tuple[Decimal, str]]:
        """The bots that earned most and still may trade, with what they earned."""
        found = ((gain, bot) for bot, gain in earned.items() if gain > 0 and bot in alive)
        return sorted(found, key=lambda each: (-each[0], each[1]))[: self._terms.reinvest_top]

    def _allocate(self, user: str, day: str, now: datetime, by: str, allocation: dict[str, Any]) -> None:
        name = allocation["bot"]
        event = {"kind": "allocation", "user": user, "day": day, "by": by, "at": now, **allocation}
        self._store.add("ledger_events", {"event_id": f"allocation:{day}:{user}:{name}", **event})
        bot = self._store.one("bots", name=name)
        if bot is not None:
            self._store.change("bots", {"name": name}, capital=bot["capital"] + allocation["amount"], updated_at=now)

    def _events(self, user: str) -> list[Row]:
        return self._store.all("ledger_events", kind="allocation", user=user)

    def _after(self, now: datetime) -> datetime:
        at = self._terms.reinvest_at
        today = now.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
        return today if today > now else today + timedelta(days=1)


def _shares(amount: Decimal, best: list[tuple[Decimal, str]]) -> list[Decimal]:
    """The amount in proportion to the gains, in whole cents; what rounding leaves goes to the first."""
    total = sum((gain for gain, _ in best), Decimal(0))
    parts = [(amount * gain / total).quantize(_CENT, rounding=ROUND_DOWN) for gain, _ in best]
    return [part + (amount - sum(parts) if not index else 0) for index, part in enumerate(parts)]
