"""The way of an order: through the gates, the last of which is the guard, and only then to the exchange.

Whatever stops an order is written into the ledger and the execution log, and the next order is taken up. Nothing here raises for
an order that may not go.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Protocol, final

from examples.desk import clock
from examples.desk.capital import LIVE, Capital
from examples.desk.clock import Clock
from examples.desk.errors import BrokerError
from examples.desk.gates import SKIPPED, Gates, Intent, Stopped
from examples.desk.isolation import Isolation
from examples.desk.ledger import Ledger
from examples.desk.positions import Positions
from examples.desk.settings import Settings
from examples.desk.symbols import ACCOUNTS, SYMBOLS, Account

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
class OrderPath:
    """Takes intents one by one; the trading thread of an account is the only one that brings those of the account."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        *,
        gates: Gates,
        guard: Guard,
        capital: Capital,
        positions: Positions,
        isolation: Isolation,
        now: Clock,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._gates = gates
        self._guard = guard
        self._capital = capital
        self._positions = positions
        self._isolation = isolation
        self._now = now

    @property
    def gates(self) -> tuple[str, ...]:
        """Everything that stands in the way of a real order, in its order."""
        return (*self._gates.names, "guard")

    def take(self, intent: Intent, *, probe: bool = False) -> Mapping[str, Any]:
        """The order that became of the intent, or of an earlier one with the same key."""
        key = intent.key or uuid.uuid4().hex
        at = clock.iso(self._now())
        with self._ledger.change():
            known = self._ledger.row("SELECT * FROM orders WHERE idempotency_key = ?", key)
            if known is not None:
                return {**_told(known), "replayed": True}
            number = self._ledger.write(
                "INSERT INTO orders(idempotency_key, account, environment, symbol, side, quantity, state, created_at, updated_at)"
                " VALUES (?,?,?,?,?,?,'accepted',?,?)",
                key, intent.account, intent.environment, intent.symbol, intent.side, str(intent.quantity), at, at,
            )  # fmt: skip
        try:
            self._gates.let_through(intent, key, probe=probe)
            if intent.environment == LIVE and (switch := self._simulates(intent)):
                self._simulate(number, key, intent, switch)
            else:
                activation = self._permission(intent) if intent.environment == LIVE else ""
                self._send(number, key, intent, activation)
        except Stopped as stopped:
            self._capital.release(key)
            self._record_skip(number, intent, stopped)
        row = self._ledger.row("SELECT * FROM orders WHERE id = ?", number)
        assert row is not None
        return {**_told(row), "replayed": False}

    def _permission(self, intent: Intent) -> str:
        """The activation under which the guard lets this real order go; Stopped if it does not."""
        permission = self._guard.allows(intent)
        if not permission.allowed:
            _log.warning("⚠️  GO-LIVE flag not active, skipping real trading order for %s", intent.symbol)
            raise Stopped(SKIPPED, "guard", permission.reason, line=permission.skip_line(intent))
        return permission.activation

    def _simulates(self, intent: Intent) -> str:
        """The switch because of which a real order is only simulated; empty if none is in the way."""
        if self._settings.dry_run:
            return "DRY_RUN_MODE is not false"
        return "IS_LIVE is not true" if ACCOUNTS[intent.account].broker == "kraken" and not self._settings.kraken_live else ""

    def _simulate(self, number: int, key: str, intent: Intent, switch: str) -> None:
        self._capital.release(key)
        self._settle(number, state=SIMULATED, environment=SIMULATED, reason=switch)
        _log.info("[ORDER_SIMULATED] %s - nothing was sent", intent)

    def _send(self, number: int, key: str, intent: Intent, activation: str) -> None:
        self._settle(number, state="sent", activation=activation)
        venue = self._capital.venue(ACCOUNTS[intent.account], intent.environment)
        try:
            fill = venue.place(intent.account, intent.symbol, intent.side, intent.quantity, key)
        except BrokerError as error:
            self._failed(number, key, intent.account, error)
            _log.error("[ORDER_FAILED] %s - %s", intent, error.message)
            return
        self._filled(number, key, intent.environment, fill)
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
                gate="",
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

    def _record_skip(self, number: int, intent: Intent, stopped: Stopped) -> None:
        with self._ledger.change():
            self._settle(number, state=stopped.state, gate=stopped.gate, reason=stopped.reason)
            self._ledger.write(
                "INSERT INTO skips(order_id, account, symbol, side, quantity, gate, reason, at) VALUES (?,?,?,?,?,?,?,?)",
                number, intent.account, intent.symbol, intent.side, str(intent.quantity), stopped.gate, stopped.reason,
                clock.iso(self._now()),
            )  # fmt: skip
        _log.warning("%s", stopped.line or f"[ORDER_SKIPPED] {intent} - {stopped.gate}: {stopped.reason}")


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    """An order of the ledger with its amounts as numbers."""
    amounts = {name: Decimal(row[name]) for name in ("quantity", "price", "fee") if row[name] is not None}
    return {**row, **amounts}
