"""The gates that an order passes before the guard is asked; each gives a reason to stop it, or an empty text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import final

from examples.desk.capital import LIVE, Capital, CapitalRefused
from examples.desk.errors import BrokerError
from examples.desk.isolation import Isolation
from examples.desk.positions import Positions
from examples.desk.risk import EmergencyStop, Risk
from examples.desk.settings import Settings
from examples.desk.symbols import ACCOUNTS, TESTNET

SKIPPED, REJECTED = "skipped", "rejected"
"""Stopped for now, whatever the order is; or stopped for what it is."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What somebody wants to trade; the same `key` is the same wish, however often it is sent."""

    account: str
    symbol: str
    side: str
    quantity: Decimal
    testnet: bool = False
    key: str = ""

    @property
    def environment(self) -> str:
        """Where it is to be traded; a drill account never trades with real money."""
        return TESTNET if self.testnet or ACCOUNTS[self.account].drill else LIVE

    def __str__(self) -> str:
        return f"{self.side} {self.symbol} qty={self.quantity}"


class Stopped(Exception):
    """A gate said no; `line` is what the log says, if the gate has its own words for it."""

    def __init__(self, state: str, gate: str, reason: str, *, line: str = "") -> None:
        super().__init__(reason)
        self.state = state
        self.gate = gate
        self.reason = reason
        self.line = line


Gate = Callable[[Intent, str], str]
"""From an intent and its key to the reason against it."""


@final
class Gates:
    """The gates in their order. A probe order, by which an account recovers, passes all but the breaker it is to close."""

    def __init__(
        self,
        settings: Settings,
        *,
        capital: Capital,
        positions: Positions,
        isolation: Isolation,
        risk: Risk,
        stop: EmergencyStop,
    ) -> None:
        self._settings = settings
        self._capital = capital
        self._positions = positions
        self._isolation = isolation
        self._risk = risk
        self._stop = stop
        self._gates: Mapping[str, tuple[str, Gate]] = {
            "stop-file": (SKIPPED, self._stop_file),
            "emergency-stop": (SKIPPED, lambda intent, key: self._stop.refusal()),
            "breaker": (REJECTED, lambda intent, key: self._isolation.refusal(intent.account)),
            "risk": (REJECTED, self._new_risk),
            "position": (REJECTED, self._position),
            "capital": (REJECTED, self._reservation),
            "mode": (SKIPPED, self._mode),
        }

        self.left_out: set[str] = set()
        """Gates that nobody asks: a fault of drills."""

    @property
    def names(self) -> tuple[str, ...]:
        """The gates that stand in the way of an order, the first one first."""
        return tuple(self._gates)

    def let_through(self, intent: Intent, key: str, *, probe: bool = False) -> None:
        """Ask one gate after the other; Stopped by the first that says no. After capital, the order has its reservation."""
        for name, (state, gate) in self._gates.items():
            if name in self.left_out or (probe and name == "breaker"):
                continue
            reason = gate(intent, key)
            if reason:
                raise Stopped(state, name, reason)

    def _stop_file(self, intent: Intent, key: str) -> str:
        path = self._settings.home.stop_file
        try:
            path.lstat()
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"the stop file cannot be looked for: {error}"
        return f"stop file present: {path}"

    def _new_risk(self, intent: Intent, key: str) -> str:
        return self._risk.refusal() if intent.side == "BUY" and intent.environment == LIVE else ""

    def _position(self, intent: Intent, key: str) -> str:
        if intent.side == "BUY" or self._positions.held(intent.account, intent.environment, intent.symbol) >= intent.quantity:
            return ""
        return f"{intent.account} does not hold {intent.quantity} {intent.symbol}"

    def _reservation(self, intent: Intent, key: str) -> str:
        if intent.side != "BUY":
            return ""
        try:
            self._capital.reserve(intent.account, intent.environment, intent.symbol, intent.quantity, key)
        except CapitalRefused as refused:
            return str(refused)
        except BrokerError as error:
            # the exchange failed this account just as if it had failed the order itself
            self._isolation.failed(intent.account, error.message)
            return f"the capital cannot be told: {error.message}"
        return ""

    def _mode(self, intent: Intent, key: str) -> str:
        return "APP_STORE_MODE is on" if intent.environment == LIVE and self._settings.app_store_mode else ""
