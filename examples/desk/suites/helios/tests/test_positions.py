"""Positions follow from fills, the oldest lot first, and the profit is exact."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from examples.desk.ledger import Ledger
from examples.desk.routing.books import Books
from examples.desk.routing.positions import PositionBook


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    """Books in a ledger of their own."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    yield Books(ledger, now=lambda: datetime(2026, 5, 4, 12, tzinfo=UTC))
    ledger.close()


def order(number: int, side: str) -> dict[str, Any]:
    """An order as the books have it."""
    return {"id": number, "account": "a", "mode": "PAPER", "pair": "BTCZAR", "side": side, "source": "manual"}


def enter(books: Books, number: int, side: str, quantity: str, price: str, fee: str) -> None:
    """One fill."""
    PositionBook(books).enter(
        order(number, side), quantity=Decimal(quantity), price=Decimal(price), fee=Decimal(fee), venue_order_id=f"V{number}"
    )


def test_the_oldest_lot_goes_first(books: Books) -> None:
    """Of 1 at 100 and 1 at 200, a sale of 1 at 300 earns 200 before fees."""
    enter(books, 1, "BUY", "1", "100", "0.10")
    enter(books, 2, "BUY", "1", "200", "0.20")
    enter(books, 3, "SELL", "1", "300", "0.30")
    (trade,) = books.ledger.rows("SELECT * FROM helios_trades")
    assert Decimal(trade["profit"]) == Decimal("199.60")
    assert (trade["entry_order_id"], trade["exit_order_id"]) == (1, 3)
    held = books.position("a", "BTCZAR")
    assert held is not None
    assert Decimal(held["quantity"]) == 1


def test_parts_of_a_lot_carry_their_part_of_the_fee(books: Books) -> None:
    """Sold in three parts, profit and fees add up to those of the whole."""
    enter(books, 1, "BUY", "3", "100", "0.3")
    for number in (2, 3, 4):
        enter(books, number, "SELL", "1", "110", "0.11")
    assert books.realized("a") == Decimal("30") - Decimal("0.3") - Decimal("0.33")
    assert books.position("a", "BTCZAR") is None


def test_unrealized_profit_counts_the_fee_that_was_paid(books: Books) -> None:
    """At the price of the purchase the position is worth its fee less than it cost."""
    enter(books, 1, "BUY", "2", "100", "0.2")
    held = books.position("a", "BTCZAR")
    assert PositionBook(books).unrealized(held, Decimal(100)) == Decimal("-0.2")


def test_a_position_that_is_sold_whole_is_closed(books: Books) -> None:
    """Nothing is left, the time is there, and another purchase opens another position."""
    enter(books, 1, "BUY", "2", "100", "0.2")
    enter(books, 2, "SELL", "2", "90", "0.18")
    (closed,) = books.positions("a", state="closed")
    assert (Decimal(closed["quantity"]), closed["closed_by"]) == (0, "manual")
    enter(books, 3, "BUY", "1", "95", "0.1")
    assert books.position("a", "BTCZAR") is not None
    assert len(books.positions("a", state="closed")) == 1
