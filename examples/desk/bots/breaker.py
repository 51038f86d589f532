"""The circuit breaker of bots: what a bot has lost or broken is measured against the limits, and a bot beyond one is paused.

A trip stays open until a person resets it, and every trip stays in the history. What happened before a reset does not count
again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, final

from examples.desk.bots.books import booked, drawdown, losing
from examples.desk.bots.store import Row, Store, whole
from examples.desk.bots.terms import Terms
from examples.desk.clock import Clock
from examples.desk.errors import DeskError

OPEN, RESET = "open", "reset"

_log = logging.getLogger("desk.system")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """Where a bot stands; fractions are fractions of its capital."""

    drawdown: Decimal
    daily_loss: Decimal
    consecutive_losses: int
    errors_last_hour: int

    def beyond(self, terms: Terms) -> tuple[str, Decimal | int, Decimal | int] | None:
        """The first limit that is reached, the value and the limit."""
        rules: Iterable[tuple[str, Decimal | int, Decimal | int]] = (
            ("consecutive_losses", self.consecutive_losses, terms.max_consecutive_losses),
            ("errors_per_hour", self.errors_last_hour, terms.max_errors_per_hour),
            ("daily_loss", self.daily_loss, terms.max_daily_loss),
            ("drawdown", self.drawdown, terms.max_drawdown),
        )
        return next((rule for rule in rules if rule[1] >= rule[2]), None)


@final
class Breaker:
    """Trips and resets, kept in the collection circuit_breaker_state."""

    def __init__(self, store: Store, terms: Terms, *, now: Clock) -> None:
        self._store = store
        self._terms = terms
        self._now = now

    def measures(self, bot: Mapping[str, Any]) -> Measures:
        """Where the bot stands now, since its last reset."""
        now, since = self._now(), self._since(bot["name"])
        trades = [trade for trade in booked(self._store.all("fills_ledger", bot=bot["name"])).trades if trade.closed_at > since]
        profits = [trade.profit for trade in trades]
        today = [trade.profit for trade in trades if trade.closed_at.date() == now.date()]
        broken = [
            row
            for state in ("failed", "unknown")
            for row in self._store.all("pending_orders", bot=bot["name"], state=state)
            if row["updated_at"] > max(since, now - timedelta(hours=1))
        ]
        capital = bot["capital"]
        return Measures(
            drawdown=drawdown(capital, profits),
            daily_loss=max(Decimal(0), -sum(today, Decimal(0))) / capital if capital > 0 else Decimal(1),
            consecutive_losses=losing(profits),
            errors_last_hour=len(broken),
        )

    def refusal(self, bot: Mapping[str, Any]) -> str:
        """Why the bot may not trade, or an empty text; a limit that is reached trips here too."""
        trip = self.judge(bot)
        return f"{trip['rule']} {trip['value']} reached the limit {trip['limit']}" if trip else ""

    def judge(self, bot: Mapping[str, Any]) -> Row | None:
        """The open trip of the bot, tripped now if a limit is reached: the bot is paused and the trip recorded."""
        open_trip = self.open_trip(bot["name"])
        if open_trip is not None:
            return open_trip
        beyond = self.measures(bot).beyond(self._terms)
        if beyond is None:
            return None
        rule, value, limit = beyond
        now = whole(self._now())
        trip = {"bot": bot["name"], "user": bot["user"], "rule": rule, "value": value, "limit": limit, "state": OPEN, "at": now}
        self._store.add("circuit_breaker_state", trip)
        reason = f"circuit breaker: {rule} {value} reached the limit {limit}"
        current = self._store.one("bots", name=bot["name"])
        if current is not None and current["status"] == "running":
            step = {"from": current["status"], "to": "paused", "by": "circuit breaker", "reason": reason, "at": now}
            self._store.change("bots", {"name": bot["name"]}, status="paused", reason=reason, updated_at=now)
            self._store.push("bots", {"name": bot["name"]}, "history", step)
        self._store.add("alerts", {"kind": "circuit-breaker", "bot": bot["name"], "user": bot["user"], "text": reason, "at": now})
        _log.warning("%s is paused: %s", bot["name"], reason)
        return self.open_trip(bot["name"])

    def open_trip(self, bot: str) -> Row | None:
        """The trip that nobody has reset yet."""
        return self._store.one("circuit_breaker_state", bot=bot, state=OPEN)

    def trips(self, **wanted: Any) -> list[Row]:
        """The history, the oldest first."""
        return self._store.all("circuit_breaker_state", **wanted)

    def reset(self, bot: str, *, by: str, reason: str) -> None:
        """Close the open trip; the bot stays paused until somebody resumes it. DeskError if there is none."""
        if not self._store.change(
            "circuit_breaker_state",
            {"bot": bot, "state": OPEN},
            state=RESET,
            reset_by=by,
            reset_reason=reason,
            reset_at=whole(self._now()),
        ):
            raise DeskError(f"the circuit breaker of {bot} is not open", hint="see /api/circuit-breaker/status")

    def _since(self, bot: str) -> datetime:
        resets = [row["reset_at"] for row in self._store.all("circuit_breaker_state", bot=bot, state=RESET)]
        return max(resets, default=datetime.fromtimestamp(0, tz=self._now().tzinfo))
