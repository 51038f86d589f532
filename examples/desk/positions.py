"""Positions and trades: what a fill does to the books, in one change of the ledger.

A trade is a position from the first purchase until nothing is left of it, so no order begins or ends two of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, final

from examples.desk.capital import Capital
from examples.desk.ledger import Ledger

_CENT = Decimal("0.01")
_OPEN = "SELECT * FROM positions WHERE account = ? AND environment = ? AND symbol = ?"
_CLOSE = "DELETE FROM positions WHERE account = ? AND environment = ? AND symbol = ?"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What is held, what the rest of it did cost, and everything that was paid and got since it was opened."""

    quantity: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    bought: Decimal = Decimal(0)
    entry_value: Decimal = Decimal(0)
    exit_value: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    entry_order_id: str
    opened_at: str

    def after_purchase(self, quantity: Decimal, value: Decimal, fee: Decimal) -> Position:
        """The position with more of it."""
        return replace(
            self,
            quantity=self.quantity + quantity,
            cost=self.cost + value,
            bought=self.bought + quantity,
            entry_value=self.entry_value + value,
            fees=self.fees + fee,
        )

    def after_sale(self, quantity: Decimal, value: Decimal, fee: Decimal) -> Position:
        """The position with less of it, its cost in proportion."""
        left = self.quantity - quantity
        return replace(
            self,
            quantity=left,
            cost=(self.cost * left / self.quantity).quantize(_CENT),
            exit_value=self.exit_value + value,
            fees=self.fees + fee,
        )

    @property
    def profit(self) -> Decimal:
        """What came out of it, once it is closed."""
        return self.exit_value - self.entry_value - self.fees


@final
class Positions:
    """The open positions in the ledger, each with a reservation of its cost, and the trades they became."""

    def __init__(self, ledger: Ledger, capital: Capital) -> None:
        self._ledger = ledger
        self._capital = capital

    def held(self, account: str, environment: str, symbol: str) -> Decimal:
        """How much of a symbol's base the account holds by the books."""
        position = self._open(account, environment, symbol)
        return position.quantity if position else Decimal(0)

    def adopt(self, account: str, environment: str, symbol: str, quantity: Decimal, price: Decimal, at: str) -> None:
        """Take a holding that was found at the exchange into the books at the price of today, unless there is one already."""
        if self._open(account, environment, symbol) is None:
            fresh = Position(entry_order_id=f"adopted-{account}-{symbol}-{at}", opened_at=at)
            self._put(
                account, environment, symbol, fresh.after_purchase(quantity, (quantity * price).quantize(_CENT), Decimal(0))
            )

    def book(self, environment: str, fill: Mapping[str, Any]) -> None:
        """Enter a fill as the exchange told it."""
        account, symbol, quantity, fee = fill["account"], fill["symbol"], fill["quantity"], fill["fee"]
        value = fill["price"] * quantity
        with self._ledger.change():
            position = self._open(account, environment, symbol)
            if position is None:
                position = Position(entry_order_id=fill["order_id"], opened_at=fill["at"])
            after = position.after_purchase if fill["side"] == "BUY" else position.after_sale
            position = after(quantity, value, fee)
            self._put(account, environment, symbol, position)
            if position.quantity == 0:
                self._record_trade(account, environment, symbol, position, fill)

    def _open(self, account: str, environment: str, symbol: str) -> Position | None:
        row = self._ledger.row(_OPEN, account, environment, symbol)
        if row is None:
            return None
        amounts = {name: Decimal(row[name]) for name in ("quantity", "cost", "bought", "entry_value", "exit_value", "fees")}
        return Position(entry_order_id=row["entry_order_id"], opened_at=row["opened_at"], **amounts)

    def _put(self, account: str, environment: str, symbol: str, position: Position) -> None:
        with self._ledger.change():
            self._ledger.write(_CLOSE, account, environment, symbol)
            if position.quantity > 0:
                self._ledger.write(
                    "INSERT INTO positions(account, environment, symbol, quantity, cost, bought, entry_value, exit_value, fees,"
                    " entry_order_id, opened_at) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                    account, environment, symbol, str(position.quantity), str(position.cost), str(position.bought),
                    str(position.entry_value), str(position.exit_value), str(position.fees), position.entry_order_id,
                    position.opened_at,
                )  # fmt: skip
            self._capital.cover(account, environment, symbol, position.cost if position.quantity > 0 else Decimal(0))

    def _record_trade(self, account: str, environment: str, symbol: str, position: Position, fill: Mapping[str, Any]) -> None:
        self._ledger.write(
            "INSERT INTO trades(account, environment, symbol, quantity, entry_order_id, exit_order_id, entry_value, exit_value,"
            " fees, profit, state, opened_at, closed_at) VALUES (?,?,?,?,?,?,?,?,?,?,'closed',?,?)",
            account, environment, symbol, str(position.bought), position.entry_order_id, fill["order_id"],
            str(position.entry_value), str(position.exit_value), str(position.fees), str(position.profit), position.opened_at,
            fill["at"],
        )  # fmt: skip
