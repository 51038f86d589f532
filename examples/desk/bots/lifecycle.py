"""The life of a bot: created, running, paused, stopped for good; every step is in the database with who took it and why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, final

from examples.desk.bots.breaker import Breaker
from examples.desk.bots.store import Row, Store, whole
from examples.desk.bots.users import Users
from examples.desk.clock import Clock
from examples.desk.errors import DeskError
from examples.desk.symbols import SYMBOLS

CREATED, RUNNING, PAUSED, STOPPED = "created", "running", "paused", "stopped"
STEPS: Mapping[tuple[str, str], str] = {
    ("start", CREATED): RUNNING,
    ("pause", RUNNING): PAUSED,
    ("resume", PAUSED): RUNNING,
    ("stop", CREATED): STOPPED,
    ("stop", RUNNING): STOPPED,
    ("stop", PAUSED): STOPPED,
}
"""What each word makes of a bot in each state; nothing leads out of stopped."""

STRATEGIES = ("manual", "accumulate")
PROMOTION_TRADES = 20
"""Closed paper trades that a bot must have behind it before it may be considered for real money."""

_NAME = re.compile(r"[a-z][a-z0-9-]{1,39}")


class Forbidden(DeskError):
    """A step that the bot's state does not allow."""


@final
class LifeCycle:
    """Creates bots and moves them from state to state."""

    def __init__(self, store: Store, users: Users, breaker: Breaker, *, now: Clock) -> None:
        self._store = store
        self._users = users
        self._breaker = breaker
        self._now = now
        self.steps = STEPS

    def create(
        self,
        user: str,
        name: str,
        *,
        symbol: str,
        capital: Decimal,
        strategy: Mapping[str, Any] | None = None,
        max_trades_daily: int | None = None,
    ) -> Row:
        """A new bot on a part of the user's paper money; DeskError for what cannot be, Twin if the name is taken."""
        if not _NAME.fullmatch(name):
            raise DeskError("a bot name is 2 to 40 small letters, digits and dashes", hint="for instance btc-steady")
        if symbol not in SYMBOLS:
            raise DeskError(f"{symbol} is not traded", hint=f"one of {', '.join(SYMBOLS)}")
        plan = dict(strategy or {"kind": "manual"})
        if plan.get("kind") not in STRATEGIES:
            raise DeskError(f"there is no strategy {plan.get('kind')}", hint=f"one of {', '.join(STRATEGIES)}")
        free = self._users.funded(user) - sum(
            (bot["capital"] for bot in self._store.all("bots", user=user) if bot["status"] != STOPPED), Decimal(0)
        )
        if not 0 < capital <= free:
            raise DeskError(f"{user} has {free} to give to bots", hint="fund the user, or stop another bot")
        now = whole(self._now())
        self._store.add(
            "bots",
            {
                "name": name,
                "user": user,
                "symbol": symbol,
                "strategy": plan,
                "capital": capital,
                "mode": "paper",
                "status": CREATED,
                "reason": "",
                "max_trades_daily": max_trades_daily,
                "cycles": 0,
                "history": [{"from": "", "to": CREATED, "by": user, "reason": "", "at": now}],
                "created_at": now,
                "updated_at": now,
            },
        )
        return self.named(name)

    def named(self, name: str) -> Row:
        """The bot; DeskError if there is none."""
        row = self._store.one("bots", name=name)
        if row is None:
            raise DeskError(f"there is no bot {name}", hint="see /api/bots")
        return row

    def every(self, user: str | None = None) -> list[Row]:
        """All bots, or those of a user."""
        return self._store.all("bots", **({} if user is None else {"user": user}))

    def turn(self, name: str, word: str, *, by: str, reason: str = "") -> Row:
        """The bot after start, pause, resume or stop; Forbidden if its state does not allow that."""
        with self._store.turn_of(self.named(name)["user"]):
            return self._turned(name, word, by, reason)

    def _turned(self, name: str, word: str, by: str, reason: str) -> Row:
        bot = self.named(name)
        to = self.steps.get((word, bot["status"]))
        if to is None:
            raise Forbidden(f"{name} is {bot['status']}; {word} is not possible", hint="see its history at /api/bots/" + name)
        if to == RUNNING and (trip := self._breaker.open_trip(name)) is not None:
            raise Forbidden(f"the circuit breaker of {name} is open: {trip['rule']}", hint="reset it first, with a reason")
        now = whole(self._now())
        step = {"from": bot["status"], "to": to, "by": by, "reason": reason, "at": now}
        if not self._store.change("bots", {"name": name, "status": bot["status"]}, status=to, reason=reason, updated_at=now):
            raise Forbidden(f"{name} was moved by somebody else meanwhile", hint="look at it again")
        self._store.push("bots", {"name": name}, "history", step)
        return self.named(name)

    def promote(self, name: str, *, by: str) -> Row:
        """Mark a bot as ready for real money, which it gets from nobody here; Forbidden until its paper trades speak for it."""
        bot = self.named(name)
        trades = self._store.all("trades", bot=name)
        profit = sum((trade["profit"] for trade in trades), Decimal(0))
        if bot["status"] == STOPPED or self._breaker.open_trip(name) or len(trades) < PROMOTION_TRADES or profit <= 0:
            raise Forbidden(
                f"{name} has {len(trades)} closed paper trades with a profit of {profit}",
                hint=f"it needs {PROMOTION_TRADES} of them, a profit, and a closed breaker",
            )
        self._store.change("bots", {"name": name}, mode="live-candidate", promoted_by=by, updated_at=whole(self._now()))
        return self.named(name)

    def remove(self, name: str) -> None:
        """Take a bot off that never started or is stopped; its fills stay."""
        if self.named(name)["status"] not in (CREATED, STOPPED):
            raise Forbidden(f"{name} is not stopped", hint="stop it first")
        self._store.remove("bots", name=name)
