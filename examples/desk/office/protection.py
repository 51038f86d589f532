"""Protection: each real position has a stop-loss and a take-profit that rest at its exchange, where they work without the desk.

They are alternatives: the one that fills cancels the other. What they should be follows from the positions in the books, so
whatever is missing, or is for another quantity, is placed anew; what filled is entered into the books.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, final

from examples.desk import clock
from examples.desk.broker import Broker
from examples.desk.capital import LIVE, Capital
from examples.desk.clock import Clock
from examples.desk.errors import BrokerError
from examples.desk.ledger import Ledger
from examples.desk.office.decisions import CANCEL, Decisions
from examples.desk.positions import Positions
from examples.desk.symbols import ACCOUNTS

STOP_LOSS, TAKE_PROFIT = "stop-loss", "take-profit"
DISTANCES: Mapping[str, Decimal] = {STOP_LOSS: Decimal("0.95"), TAKE_PROFIT: Decimal("1.10")}
"""Where they stand, as a fraction of what the position did cost."""

EVERY = timedelta(seconds=1)
"""After which time the exchanges are asked even if nothing changed in the books: an exit may have been filled."""

_CENT = Decimal("0.01")
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS protections(client_order_id TEXT PRIMARY KEY, account TEXT NOT NULL, symbol TEXT NOT NULL,"
    " entry_order_id TEXT NOT NULL, kind TEXT NOT NULL, quantity TEXT NOT NULL, price TEXT NOT NULL, state TEXT NOT NULL,"
    " placed_at TEXT NOT NULL, ended_at TEXT)"
)
_OPEN = "SELECT * FROM protections WHERE state = 'open'"
_HELD = "SELECT account, symbol, quantity, cost, entry_order_id FROM positions WHERE environment = ?"

_log = logging.getLogger("desk.system")


@final
class Protection:
    """The resting exit orders of all real accounts; `told` hears when one of them was filled."""

    def __init__(
        self,
        ledger: Ledger,
        capital: Capital,
        positions: Positions,
        *,
        decisions: Decisions,
        told: Callable[[Mapping[str, Any]], None],
        now: Clock,
    ) -> None:
        self._ledger = ledger
        self._decisions = decisions
        self._capital = capital
        self._positions = positions
        self._told = told
        self._now = now
        self._aligned: tuple[object, ...] = ()
        self._aligned_at = now() - EVERY
        ledger.write(_SCHEMA)

    def turn(self) -> None:
        """Bring what rests at the exchanges in line with the books, once they changed, and every few seconds anyway."""
        books = tuple(tuple(row.values()) for row in self._ledger.rows(_HELD, LIVE)) + tuple(
            row["decision"] for row in self._decisions.all()
        )
        if books == self._aligned and self._now() - self._aligned_at < EVERY:
            return
        self._aligned, self._aligned_at = books, self._now()
        for account in ACCOUNTS.values():
            if account.drill:
                continue
            try:
                self._align(account.name, self._capital.venue(account, LIVE))
            except BrokerError as error:
                _log.info("protection of %s: %s", account.name, error.message)

    def standing(self) -> list[dict[str, Any]]:
        """The protections that are open by the books."""
        return self._ledger.rows(_OPEN)

    def _align(self, account: str, broker: Broker) -> None:
        resting = {order["client_order_id"]: order for order in broker.open_orders(account)}
        for row in self._ledger.rows(f"{_OPEN} AND account = ?", account):
            if row["client_order_id"] not in resting:
                self._ended(row, broker)
        rows = self._ledger.rows(f"{_HELD} AND account = ?", LIVE, account)
        held = {row["entry_order_id"]: row for row in rows if self._decisions.of(row["entry_order_id"]) != CANCEL}
        kept: set[tuple[str, str]] = set()
        for row in self._ledger.rows(f"{_OPEN} AND account = ?", account):
            position = held.get(row["entry_order_id"])
            wanted = (row["entry_order_id"], row["kind"])
            if position and Decimal(position["quantity"]) == Decimal(row["quantity"]) and wanted not in kept:
                kept.add(wanted)
            else:
                self._withdraw(row, broker)
        for position in held.values():
            for kind in DISTANCES:
                if (position["entry_order_id"], kind) not in kept:
                    self._place(position, kind, broker)

    def _place(self, position: Mapping[str, Any], kind: str, broker: Broker) -> None:
        quantity = Decimal(position["quantity"])
        price = (Decimal(position["cost"]) / quantity * DISTANCES[kind]).quantize(_CENT)
        number = f"{kind}-{uuid.uuid4().hex[:20]}"
        self._ledger.write(
            "INSERT INTO protections VALUES (?,?,?,?,?,?,?,'open',?,NULL)",
            number, position["account"], position["symbol"], position["entry_order_id"], kind, str(quantity), str(price),
            clock.iso(self._now()),
        )  # fmt: skip
        group = f"exit-{position['entry_order_id']}"[:60]
        try:
            broker.rest(position["account"], position["symbol"], "SELL", quantity, number, kind=kind, price=price, group=group)
        except BrokerError:
            # whether it arrived is seen in the next turn, by whether it rests there
            _log.warning("%s of %s %s could not be placed", kind, position["account"], position["symbol"])
            raise

    def _withdraw(self, row: Mapping[str, Any], broker: Broker) -> None:
        try:
            broker.cancel(row["client_order_id"])
        except BrokerError as error:
            if error.status not in (404, 409):
                raise
        self._ended(row, broker)

    def _ended(self, row: Mapping[str, Any], broker: Broker) -> None:
        """What became of an order that does not rest any more; if it was filled, the books hear of it."""
        found = broker.found(row["client_order_id"])
        state = str(found["status"]) if found else "missing"
        with self._ledger.change():
            self._ledger.write(
                "UPDATE protections SET state = ?, ended_at = ? WHERE client_order_id = ?",
                state, clock.iso(self._now()), row["client_order_id"],
            )  # fmt: skip
            if found and state == "filled":
                self._positions.book(LIVE, found)
        if found and state == "filled":
            self._told(found)
