"""Positions follow from fills: a buy adds a lot, a sell takes the oldest lots first, and each match is a closed trade.

Profit is what came in minus what went out minus both fees, to the last digit; the fee of a lot that is sold in parts goes with
the parts.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, final

from examples.desk.routing.books import Books

_DUST = Decimal("0.000000005")


@final
class PositionBook:
    """Enters fills; everything that belongs to one fill is entered at once."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def enter(
        self, order: Any, *, quantity: Decimal, price: Decimal, fee: Decimal, venue_order_id: str, stop: Decimal | None = None,
        target: Decimal | None = None, closed_by: str = "",
    ) -> int:  # fmt: skip
        """One fill of an order; gives the id of the position that it opened, grew or closed."""
        books = self._books
        with books.ledger.change():
            at = books.at()
            fill = books.insert(
                "helios_fills", order_id=order["id"], account=order["account"], mode=order["mode"], pair=order["pair"],
                side=order["side"], quantity=quantity, price=price, fee=fee, venue_order_id=venue_order_id, at=at,
            )  # fmt: skip
            if order["side"] == "BUY":
                return self._grow(order, fill, quantity, price, fee, stop, target)
            return self._shrink(order, quantity, price, fee, closed_by or order["source"])

    def unrealized(self, position: Any, price: Decimal) -> Decimal:
        """What a sale at this price would bring beyond what the position cost, without the fee of the sale."""
        lots = self._books.ledger.rows("SELECT quantity, price, fee FROM helios_lots WHERE position_id = ?", position["id"])
        cost = sum((Decimal(lot["quantity"]) * Decimal(lot["price"]) + Decimal(lot["fee"]) for lot in lots), Decimal(0))
        return Decimal(position["quantity"]) * price - cost

    def _grow(
        self, order: Any, fill: int, quantity: Decimal, price: Decimal, fee: Decimal, stop: Decimal | None, target: Decimal | None
    ) -> int:
        books, at = self._books, self._books.at()
        held = books.position(order["account"], order["pair"])
        if held is None:
            number = books.insert(
                "helios_positions", account=order["account"], mode=order["mode"], pair=order["pair"], quantity=quantity,
                entry_price=price, stop=stop, target=target, state="open", opened_at=at,
            )  # fmt: skip
        else:
            number, before = held["id"], Decimal(held["quantity"])
            average = (before * Decimal(held["entry_price"]) + quantity * price) / (before + quantity)
            books.update("helios_positions", number, quantity=before + quantity, entry_price=average)
            if stop is not None:
                books.update("helios_positions", number, stop=stop)
            if target is not None:
                books.update("helios_positions", number, target=target)
        books.insert("helios_lots", position_id=number, fill_id=fill, quantity=quantity, price=price, fee=fee, at=at)
        return number

    def _shrink(self, order: Any, quantity: Decimal, price: Decimal, fee: Decimal, closed_by: str) -> int:
        books, at = self._books, self._books.at()
        held = books.position(order["account"], order["pair"])
        if held is None:
            return 0
        left, profit = quantity, Decimal(0)
        lots = books.ledger.rows("SELECT * FROM helios_lots WHERE position_id = ? ORDER BY id", held["id"])
        for lot in lots:
            if left <= 0:
                break
            profit += self._match(held, lot, order, min(left, Decimal(lot["quantity"])), price, fee / quantity, closed_by)
            left -= min(left, Decimal(lot["quantity"]))
        rest = Decimal(held["quantity"]) - (quantity - left)
        books.update("helios_positions", held["id"], quantity=max(rest, Decimal(0)), realized=Decimal(held["realized"]) + profit)
        if rest <= _DUST:
            books.update("helios_positions", held["id"], state="closed", closed_at=at, closed_by=closed_by, quantity=Decimal(0))
        return int(held["id"])

    def _match(
        self, held: Any, lot: Any, order: Any, part: Decimal, price: Decimal, fee_each: Decimal, closed_by: str
    ) -> Decimal:
        books, size = self._books, Decimal(lot["quantity"])
        entry_fee = Decimal(lot["fee"]) * part / size
        entry, exit_ = part * Decimal(lot["price"]), part * price
        fees = entry_fee + fee_each * part
        opening = books.ledger.row("SELECT order_id FROM helios_fills WHERE id = ?", lot["fill_id"])
        books.insert(
            "helios_trades", account=order["account"], mode=order["mode"], pair=order["pair"], position_id=held["id"],
            entry_order_id=opening["order_id"] if opening else 0, exit_order_id=order["id"], quantity=part, entry_value=entry,
            exit_value=exit_, fees=fees, profit=exit_ - entry - fees, closed_by=closed_by, opened_at=lot["at"],
            closed_at=books.at(),
        )  # fmt: skip
        if part == size:
            books.ledger.write("DELETE FROM helios_lots WHERE id = ?", lot["id"])
        else:
            books.update("helios_lots", lot["id"], quantity=size - part, fee=Decimal(lot["fee"]) - entry_fee)
        return exit_ - entry - fees
