"""First in, first out: parts that add up to the whole, whatever the order and the company."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_golive.trading import Unknowable
from pytest_golive.trading.fills import Fill
from pytest_golive.trading.profit import fees, fifo, realized

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


def fill(minute: int, side: str, quantity: str, price: str, fee: str | None = "0", **more: Any) -> Fill:
    """A fill some minutes after the beginning."""
    values: dict[str, Any] = {"row": minute, "at": BEGIN + timedelta(minutes=minute), "symbol": "BTC", "side": side, **more}
    return Fill(quantity=Decimal(quantity), price=Decimal(price), fee=None if fee is None else Decimal(fee), **values)


@st.composite
def histories(draw: st.DrawFn, symbol: str = "BTC", account: str = "a") -> list[Fill]:
    """Purchases and sales in which never more is sold than is held."""
    held, told = 0, []
    for minute in range(draw(st.integers(1, 12))):
        side = "SELL" if held and draw(st.booleans()) else "BUY"
        units = draw(st.integers(1, held if side == "SELL" else 10**6))
        held += units if side == "BUY" else -units
        price, fee = draw(st.integers(1, 10**7)), draw(st.integers(-100, 10**5))
        amounts = (str(Decimal(units).scaleb(-6)), str(Decimal(price).scaleb(-2)), str(Decimal(fee).scaleb(-4)))
        told.append(fill(minute, side, *amounts, symbol=symbol, account=account))
    return told


def test_the_first_bought_is_sold_first() -> None:
    """A sale that takes one lot and a half costs what those cost, with its share of their fees."""
    books = fifo(
        [fill(0, "BUY", "1", "100", "1"), fill(1, "BUY", "2", "110", "2"), fill(2, "SELL", "2", "120", "3")],
    )
    (trade,) = books.closed
    assert (trade.cost, trade.proceeds, trade.fees) == (Decimal(210), Decimal(240), Decimal(5))
    assert (trade.gross, trade.profit) == (Decimal(30), Decimal(25))
    assert trade.opened_at == BEGIN
    (position,) = books.open
    assert (position.quantity, position.cost) == (Decimal(1), Decimal(110))


def test_a_sale_of_what_is_not_held_is_unmatched() -> None:
    """A short sale, or one from before the ledger began, has no profit beyond what was held, in no account but its own."""
    books = fifo([fill(0, "BUY", "1", "100", "0", account="a"), fill(1, "SELL", "3", "100", "3", account="a")])
    assert [each.quantity for each in books.unmatched] == [Decimal(2)]
    assert (books.closed[0].quantity, books.closed[0].fees) == (Decimal(1), Decimal(1))
    books = fifo([fill(0, "BUY", "1", "100", account="a"), fill(1, "SELL", "1", "100", account="b")])
    assert (books.closed, len(books.unmatched)) == ((), 1)


def test_without_fees_there_is_no_net_profit() -> None:
    """A ledger without a column of fees has a gross profit only."""
    fills = [fill(0, "BUY", "1", "100", None), fill(1, "SELL", "1", "101", None)]
    books = fifo(fills)
    assert books.closed[0].gross == 1
    for ask in (lambda: realized(books.closed), lambda: fees(fills)):
        with pytest.raises(Unknowable, match="no column of fees"):
            ask()


@given(histories())
def test_the_parts_are_the_whole(fills: list[Fill]) -> None:
    """What went in is what came out and what is left: quantities, costs and fees, to the last digit."""
    books = fifo(fills)
    bought = [each for each in fills if each.side == "BUY"]
    sold = [each for each in fills if each.side == "SELL"]
    assert not books.unmatched
    assert sum(b.quantity for b in bought) == sum(t.quantity for t in books.closed) + sum(p.quantity for p in books.open)
    assert sum(b.quantity * b.price for b in bought) == sum(t.cost for t in books.closed) + sum(p.cost for p in books.open)
    assert sum(s.quantity * s.price for s in sold) == sum(t.proceeds for t in books.closed)
    if not books.open:
        assert sum((t.fees or 0) for t in books.closed) == fees(fills)
        cash = sum(s.quantity * s.price for s in sold) - sum(b.quantity * b.price for b in bought)
        assert realized(books.closed) == cash - fees(fills)


@given(histories())
def test_an_independent_way_gives_the_same(fills: list[Fill]) -> None:
    """Profit by the millionth, each piece sold against the oldest piece, in fractions, is the profit by lots."""
    pieces: list[tuple[int, Fraction, Fraction]] = []
    total = Fraction(0)
    for each in fills:
        units = int(each.quantity * 10**6)
        assert each.fee is not None
        fee = Fraction(each.fee) / units
        if each.side == "BUY":
            pieces.append((units, Fraction(each.price), fee))
            continue
        total += Fraction(each.quantity) * Fraction(each.price) - Fraction(each.fee)
        while units:
            count, price, share = pieces.pop(0)
            take = min(count, units)
            total -= take * (price / 10**6 + share)
            units -= take
            if count > take:
                pieces.insert(0, (count - take, price, share))
    assert abs(Fraction(realized(fifo(fills).closed)) - total) < Fraction(1, 10**15)


@given(histories("BTC"), histories("ETH"), histories("BTC", account="b"))
def test_symbols_and_accounts_do_not_meet(one: list[Fill], two: list[Fill], three: list[Fill]) -> None:
    """Profit over all is the sum of each alone, in whatever order the rows stand."""
    alone = sum((realized(fifo(each).closed) for each in (one, two, three)), Decimal(0))
    assert realized(fifo([*one, *two, *three]).closed) == alone
    assert realized(fifo([*three, *two, *one]).closed) == alone


@given(histories(), st.integers(1, 1000))
def test_profit_grows_with_price(fills: list[Fill], factor: int) -> None:
    """Prices and fees in another unit give the profit in that unit."""
    scaled = [
        fill(each.row, each.side, str(each.quantity), str(each.price * factor), str((each.fee or 0) * factor)) for each in fills
    ]
    assert abs(realized(fifo(scaled).closed) - factor * realized(fifo(fills).closed)) < Decimal("1e-12")


@pytest.mark.parametrize(("quantity", "price"), [("0", "1"), ("-1", "1"), ("1", "0"), ("1", "-1")])
def test_a_fill_of_nothing_cannot_be_built(quantity: str, price: str) -> None:
    """Quantities and prices are above zero, and times have a zone."""
    with pytest.raises(ValueError, match="above zero"):
        fill(0, "BUY", quantity, price)
    with pytest.raises(ValueError, match="zone"):
        Fill(row=1, at=datetime(2026, 1, 1), symbol="X", side="BUY", quantity=Decimal(1), price=Decimal(1))  # noqa: DTZ001
