"""Positions and trades: what a fill does to the books, in one change of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, final

from examples.desk.capital import Capital
from examples.desk.ledger import Ledger

_DUST = Decimal("0.00000001")
_OPEN = "SELECT * FROM positions WHERE account = ? AND environment = ? AND symbol = ?"


@final
class Positions:
    """The open positions; a purchase opens or adds, a sale reduces or closes and leaves a trade."""

    def __init__(self, ledger: Ledger, capital: Capital) -> None:
        self._ledger = ledger
        self._capital = capital

    def held(self, account: str, environment: str, symbol: str) -> Decimal:
        """How much of a symbol's base the account holds by the books."""
        row = self._ledger.row(_OPEN, account, environment, symbol)
        return Decimal(row["quantity"]) if row else Decimal(0)

    def adopt(self, account: str, environment: str, symbol: str, quantity: Decimal, price: Decimal, at: str) -> None:
        """Take a holding that was found at the exchange into the books, at the price of today."""
        if self._ledger.row(_OPEN, account, environment, symbol) is None:
            self._put(account, environment, symbol, quantity, quantity * price, Decimal(0), "adopted", at)

    def book(self, environment: str, fill: Mapping[str, Any]) -> None:
        """Enter a fill as the exchange told it."""
        account, symbol = fill["account"], fill["symbol"]
        quantity, value, fee = Decimal(fill["quantity"]), fill["price"] * fill["quantity"], Decimal(fill["fee"])
        with self._ledger.change():
            row = self._ledger.row(_OPEN, account, environment, symbol)
            had = Decimal(row["quantity"]) if row else Decimal(0)
            cost = Decimal(row["cost"]) if row else Decimal(0)
            fees = Decimal(row["fees"]) if row else Decimal(0)
            entry, opened = (row["entry_order_id"], row["opened_at"]) if row else (fill["order_id"], fill["at"])
            if fill["side"] == "BUY":
                self._put(account, environment, symbol, had + quantity, cost + value, fees + fee, entry, opened)
                return
            part = quantity / had
            self._ledger.write(
                "INSERT INTO trades(account, environment, symbol, quantity, entry_order_id, exit_order_id, entry_value,"
                " exit_value, fees, profit, state, opened_at, closed_at) VALUES (?,?,?,?,?,?,?,?,?,?,'closed',?,?)",
                account, environment, symbol, str(quantity), entry, fill["order_id"], _money(cost * part), _money(value),
                _money(fees * part + fee), _money(value - cost * part - fees * part - fee), opened, fill["at"],
            )  # fmt: skip
            self._put(account, environment, symbol, had - quantity, cost * (1 - part), fees * (1 - part), entry, opened)

    def _put(
        self, account: str, environment: str, symbol: str, quantity: Decimal, cost: Decimal, fees: Decimal, entry: str, at: str
    ) -> None:
        key = (account, environment, symbol)
        cost = cost.quantize(_DUST)
        with self._ledger.change():
            self._ledger.write("DELETE FROM positions WHERE account = ? AND environment = ? AND symbol = ?", *key)
            if quantity > 0:
                self._ledger.write(
                    "INSERT INTO positions(account, environment, symbol, quantity, cost, fees, entry_order_id, opened_at)"
                    " VALUES (?,?,?,?,?,?,?,?)",
                    *key, str(quantity), str(cost), str(fees), entry, at,
                )  # fmt: skip
            self._capital.cover(account, environment, symbol, cost if quantity > 0 else Decimal(0))


def _money(amount: Decimal) -> str:
    return str(amount.quantize(_DUST))
