"""Risk: a state computed from what the exchanges tell, and the emergency stop that a person or a limit can pull."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any, final

from examples.desk import clock
from examples.desk.capital import LIVE, Capital
from examples.desk.clock import Clock
from examples.desk.errors import BrokerError
from examples.desk.ledger import Ledger
from examples.desk.symbols import ACCOUNTS

OK, WARNING, CRITICAL, UNKNOWN = "OK", "WARNING", "CRITICAL", "UNKNOWN"

_FRACTION = Decimal("0.0001")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Fractions: how far equity may fall from its highest, and how much of it may stand in positions."""

    max_drawdown: Decimal
    warn_drawdown: Decimal
    max_exposure: Decimal


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The risk state of one moment and the figures behind it; None where an exchange could not be asked."""

    state: str
    reason: str
    equity: Decimal | None
    drawdown: Decimal | None
    exposure: Decimal | None
    checked_at: datetime


def judge(equity: Decimal, highest: Decimal, positions: Decimal, limits: Limits) -> tuple[str, str, Decimal, Decimal]:
    """State, reason, drawdown and exposure of the figures; exposure is CRITICAL above its limit, drawdown from it on."""
    if equity <= 0 or highest <= 0:
        return CRITICAL, "there is no equity", Decimal(1), Decimal(0)
    drawdown = max(Decimal(0), 1 - equity / highest).quantize(_FRACTION, rounding=ROUND_DOWN)
    exposure = (positions / equity).quantize(_FRACTION)
    if drawdown >= limits.max_drawdown:
        return CRITICAL, f"drawdown {drawdown} has reached {limits.max_drawdown}", drawdown, exposure
    if exposure > limits.max_exposure:
        return CRITICAL, f"exposure {exposure} is above {limits.max_exposure}", drawdown, exposure
    if drawdown >= limits.warn_drawdown:
        return WARNING, f"drawdown {drawdown} has reached {limits.warn_drawdown}", drawdown, exposure
    return OK, "", drawdown, exposure


@final
class Risk:
    """The state over all live accounts, held against the highest equity the ledger remembers."""

    def __init__(self, ledger: Ledger, capital: Capital, *, limits: Limits, now: Clock) -> None:
        self.limits = limits
        self._ledger = ledger
        self._capital = capital
        self._now = now
        self._lock = threading.Lock()
        self._last: Assessment | None = None

    def assess(self, *, at_most_old: float = 0.0) -> Assessment:
        """The state now, or one that is at most so many seconds old."""
        with self._lock:
            if self._last and 0 <= (self._now() - self._last.checked_at).total_seconds() < at_most_old:
                return self._last
            self._last = self._assessed()
            return self._last

    def _assessed(self) -> Assessment:
        try:
            standings = [self._capital.standing(account.name, LIVE) for account in ACCOUNTS.values() if not account.drill]
        except BrokerError as error:
            return Assessment(
                state=UNKNOWN, reason=error.message, equity=None, drawdown=None, exposure=None, checked_at=self._now()
            )
        equity = sum((standing.total for standing in standings), Decimal(0))
        positions = sum((standing.positions for standing in standings), Decimal(0))
        state, reason, drawdown, exposure = judge(equity, self._raised(equity), positions, self.limits)
        return Assessment(state=state, reason=reason, equity=equity, drawdown=drawdown, exposure=exposure, checked_at=self._now())

    def _raised(self, equity: Decimal) -> Decimal:
        """The highest equity ever seen, this one included."""
        row = self._ledger.row("SELECT equity FROM high_water WHERE account = '*'")
        if row is not None and Decimal(row["equity"]) >= equity:
            return Decimal(row["equity"])
        self._ledger.write("INSERT OR REPLACE INTO high_water VALUES ('*', ?, ?)", str(equity), clock.iso(self._now()))
        return equity

    def refusal(self) -> str:
        """Why no new risk may be taken; empty if it may."""
        found = self.assess()
        return f"risk state {found.state}: {found.reason}" if found.state in (CRITICAL, UNKNOWN) else ""


@final
class EmergencyStop:
    """The emergency stop system: kept in the ledger, so that it outlives a restart until somebody resets it."""

    def __init__(self, ledger: Ledger, *, now: Clock) -> None:
        self._ledger = ledger
        self._now = now
        ledger.write("INSERT OR IGNORE INTO emergency_stop VALUES (1, 'inactive', '', ?)", clock.iso(now()))

    def state(self) -> Mapping[str, Any]:
        """State, reason and since when, with the time of this look."""
        row = self._ledger.row("SELECT state, reason, since FROM emergency_stop")
        assert row is not None
        return {**row, "checked_at": self._now()}

    def refusal(self) -> str:
        """Why no order may go; empty if it may."""
        row = self.state()
        return f"emergency stop active: {row['reason']}" if row["state"] != "inactive" else ""

    def trip(self, reason: str) -> None:
        """Stop all orders. One that is active already keeps its first reason and time."""
        self._ledger.write(
            "UPDATE emergency_stop SET state = 'active', reason = ?, since = ? WHERE state = 'inactive'",
            reason, clock.iso(self._now()),
        )  # fmt: skip

    def reset(self, reason: str) -> None:
        """Let orders go again."""
        self._ledger.write(
            "UPDATE emergency_stop SET state = 'inactive', reason = ?, since = ? WHERE state = 'active'",
            reason, clock.iso(self._now()),
        )  # fmt: skip
