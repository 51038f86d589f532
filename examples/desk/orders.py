"""The way of an order: through one gate after the other, the last of which is the guard, and only then to the exchange.

Order of the gates: stop file, emergency stop, breaker of the account, risk, capital, mode, guard. Whatever stops an order is written into
the ledger and the execution log, and the next order is taken up. Nothing here raises for an order that may not go.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol, final

from examples.desk import clock
from examples.desk.capital import LIVE, Capital, CapitalRefused
from examples.desk.clock import Clock
from examples.desk.errors import BrokerError
from examples.desk.isolation import Isolation
from examples.desk.ledger import Ledger
from examples.desk.positions import Positions
from examples.desk.risk import EmergencyStop, Risk
from examples.desk.settings import Settings
from examples.desk.symbols import ACCOUNTS, SYMBOLS, TESTNET, Account

SIMULATED = "simulated"

_log = logging.getLogger("desk.execution")


class Permission(Protocol):
    """What the guard answers."""

    @property
    def allowed(self) -> bool: ...
    @property
    def reason(self) -> str: ...
    @property
    def activation(self) -> str: ...
    def skip_line(self, order: object | None) -> str: ...


class Guard(Protocol):
    """What the desk needs of `pytest_golive.guard.Guard`."""

    def allows(self, order: object | None = None) -> Permission: ...


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


class _Stopped(Exception):
    """A gate said no."""

    def __init__(self, state: str, gate: str, reason: str, *, line: str = "") -> None:
        super().__init__(reason)
        self.state = state
        self.gate = gate
        self.reason = reason
        self.line = line


@final
class OrderPath:
    """Takes intents one by one; the trading thread of an account is the only one that brings those of the account."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        *,
        capital: Capital,
        positions: Positions,
        isolation: Isolation,
        risk: Risk,
        stop: EmergencyStop,
        guard: Guard,
        now: Clock,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._capital = capital
        self._positions = positions
        self._isolation = isolation
        self._risk = risk
        self._stop = stop
        self._guard = guard
        self._now = now

    def take(self, intent: Intent, *, probe: bool = False) -> Mapping[str, Any]:
        """The order that became of the intent, or of an earlier one with the same key; a probe asks no breaker."""
        key = intent.key or uuid.uuid4().hex
        known = self._ledger.row("SELECT * FROM orders WHERE idempotency_key = ?", key)
        if known is not None:
            return {**_told(known), "replayed": True}
        at = clock.iso(self._now())
        environment = intent.environment
        number = self._ledger.write(
            "INSERT INTO orders(idempotency_key, account, environment, symbol, side, quantity, state, created_at, updated_at)"
            " VALUES (?,?,?,?,?,?,'accepted',?,?)",
            key, intent.account, environment, intent.symbol, intent.side, str(intent.quantity), at, at,
        )  # fmt: skip
        try:
            self._pass_gates(number, key, intent, environment, probe)
        except _Stopped as stopped:
            self._capital.release(key)
            self._record_skip(number, intent, stopped)
        row = self._ledger.row("SELECT * FROM orders WHERE id = ?", number)
        assert row is not None
        return {**_told(row), "replayed": False}

    def _pass_gates(self, number: int, key: str, intent: Intent, environment: str, probe: bool) -> None:
        self._refuse_stops()
        if not probe:
            _stop_if("rejected", "breaker", self._isolation.refusal(intent.account))
        if intent.side == "BUY":
            if environment == LIVE:
                _stop_if("rejected", "risk", self._risk.refusal())
            self._reserve(key, intent, environment)
        elif self._positions.held(intent.account, environment, intent.symbol) < intent.quantity:
            raise _Stopped("rejected", "position", f"{intent.account} does not hold {intent.quantity} {intent.symbol}")
        activation = ""
        if environment == LIVE:
            if self._settings.dry_run:
                self._capital.release(key)
                self._settle(number, state=SIMULATED, environment=SIMULATED, reason="DRY_RUN_MODE is not false")
                _log.info("[ORDER_SIMULATED] %s - nothing was sent", intent)
                return
            _stop_if("skipped", "mode", "APP_STORE_MODE is on" if self._settings.app_store_mode else "")
            permission = self._guard.allows(intent)
            if not permission.allowed:
                _log.warning("⚠️  GO-LIVE flag not active, skipping real trading order for %s", intent.symbol)
                raise _Stopped("skipped", "guard", permission.reason, line=permission.skip_line(intent))
            activation = permission.activation
        self._send(number, key, intent, environment, activation)

    def _refuse_stops(self) -> None:
        stop_file = self._settings.home.stop_file
        try:
            stop_file.lstat()
        except FileNotFoundError:
            pass
        except OSError as error:
            raise _Stopped("skipped", "stop-file", f"the stop file cannot be looked for: {error}") from error
        else:
            raise _Stopped("skipped", "stop-file", f"stop file present: {stop_file}")
        _stop_if("skipped", "emergency-stop", self._stop.refusal())

    def _reserve(self, key: str, intent: Intent, environment: str) -> None:
        try:
            self._capital.reserve(intent.account, environment, intent.symbol, intent.quantity, key)
        except (CapitalRefused, BrokerError) as error:
            raise _Stopped("rejected", "capital", str(error)) from error

    def _send(self, number: int, key: str, intent: Intent, environment: str, activation: str) -> None:
        self._settle(number, state="sent", activation=activation)
        venue = self._capital.venue(ACCOUNTS[intent.account], environment)
        try:
            fill = venue.place(intent.account, intent.symbol, intent.side, intent.quantity, key)
        except BrokerError as error:
            self._failed(number, key, intent.account, error)
            _log.error("[ORDER_FAILED] %s - %s", intent, error.message)
            return
        self._filled(number, key, environment, fill)
        _log.info("[ORDER_FILLED] %s - %s at %s on %s", intent, fill["order_id"], fill["price"], venue.name)

    def _filled(self, number: int, key: str, environment: str, fill: Mapping[str, Any]) -> None:
        with self._ledger.change():
            self._positions.book(environment, fill)
            self._capital.release(key)
            self._settle(
                number,
                state="filled",
                exchange_order_id=fill["order_id"],
                price=str(fill["price"]),
                fee=str(fill["fee"]),
                reason="",
            )
        self._isolation.succeeded(fill["account"])

    def _failed(self, number: int, key: str, account: str, error: BrokerError) -> None:
        self._settle(number, state="unknown" if error.unknown else "failed", gate="exchange", reason=error.message)
        if not error.unknown:
            # what may have been filled stays promised until it is known
            self._capital.release(key)
        self._isolation.failed(account, error.message)

    def reconcile(self, states: tuple[str, ...] = ("unknown",)) -> None:
        """Ask the exchanges what became of orders whose end nobody saw, and enter it."""
        marks = ",".join("?" * len(states))
        for row in self._ledger.rows(f"SELECT * FROM orders WHERE state IN ({marks})", *states):
            venue = self._capital.venue(ACCOUNTS[row["account"]], row["environment"])
            try:
                fill = venue.found(row["idempotency_key"])
            except BrokerError:
                continue
            if fill is not None:
                self._filled(row["id"], row["idempotency_key"], row["environment"], fill)
            else:
                self._capital.release(row["idempotency_key"])
                self._settle(row["id"], state="failed", gate="exchange", reason="the order did not arrive")

    def round_trip(self, account: Account, symbol: str, *, probe: bool = False) -> str:
        """Buy and sell the least quantity on the testnet; why it failed, or an empty text."""
        for side in ("BUY", "SELL"):
            intent = Intent(account=account.name, symbol=symbol, side=side, quantity=SYMBOLS[symbol].step, testnet=True)
            order = self.take(intent, probe=probe)
            if order["state"] != "filled":
                return str(order["reason"])
        return ""

    def _settle(self, number: int, **values: str) -> None:
        columns = ", ".join(f"{name} = ?" for name in values)
        self._ledger.write(
            f"UPDATE orders SET {columns}, updated_at = ? WHERE id = ?", *values.values(), clock.iso(self._now()), number
        )

    def _record_skip(self, number: int, intent: Intent, stopped: _Stopped) -> None:
        with self._ledger.change():
            self._settle(number, state=stopped.state, gate=stopped.gate, reason=stopped.reason)
            self._ledger.write(
                "INSERT INTO skips(order_id, account, symbol, side, quantity, gate, reason, at) VALUES (?,?,?,?,?,?,?,?)",
                number, intent.account, intent.symbol, intent.side, str(intent.quantity), stopped.gate, stopped.reason,
                clock.iso(self._now()),
            )  # fmt: skip
        _log.warning("%s", stopped.line or f"[ORDER_SKIPPED] {intent} - {stopped.gate}: {stopped.reason}")


def _stop_if(state: str, gate: str, reason: str) -> None:
    if reason:
        raise _Stopped(state, gate, reason)


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    """An order of the ledger with its amounts as numbers."""
    amounts = {name: Decimal(row[name]) for name in ("quantity", "price", "fee") if row[name] is not None}
    return {**row, **amounts}


