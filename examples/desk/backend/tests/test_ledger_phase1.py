"""The ledger of fills: profit first in, first out, and a chain that shows every change."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from examples.desk.bots.books import booked, drawdown, losing
from examples.desk.bots.store import broken
from examples.desk.errors import DeskError

AT = datetime(2026, 1, 5, tzinfo=UTC)


def fill(number: int, side: str, quantity: str, price: str, fee: str = "0") -> dict[str, Any]:
    """A fill of one bot."""
    return {
        "number": number, "user": "u", "bot": "b", "symbol": "BTCUSDT", "side": side, "quantity": Decimal(quantity),
        "price": Decimal(price), "fee": Decimal(fee), "order_id": f"TN-{number}", "key": f"k{number}", "at": AT,
    }  # fmt: skip


def test_the_oldest_purchase_is_sold_first() -> None:
    """A sale is matched with the first purchase, not with the cheapest or the last one."""
    book = booked([fill(1, "BUY", "1", "100"), fill(2, "BUY", "1", "200"), fill(3, "SELL", "1", "150")])
    assert book.realized == 50
    assert [(lot.quantity, lot.price) for lots in book.lots.values() for lot in lots] == [(1, 200)]


def test_a_sale_over_two_purchases_takes_of_both() -> None:
    """A sale that is larger than the first purchase takes the rest from the second."""
    book = booked([fill(1, "BUY", "1", "100"), fill(2, "BUY", "2", "200"), fill(3, "SELL", "2", "300")])
    assert book.realized == 2 * 300 - 100 - 200


def test_fees_of_both_sides_are_in_the_profit_of_a_trade() -> None:
    """A trade carries its part of the fee of the purchase, and all of the fee of the sale."""
    book = booked([fill(1, "BUY", "4", "100", "8"), fill(2, "SELL", "1", "110", "1")])
    assert book.trades[0].profit == 10 - 2 - 1
    assert book.fees == 9


def test_equity_is_cash_and_what_is_held() -> None:
    """What was paid and what is held at the marks add up to profit realized and unrealized, less fees."""
    book = booked([fill(1, "BUY", "2", "100", "1"), fill(2, "SELL", "1", "120", "1")])
    marks = {"BTCUSDT": Decimal(130)}
    assert book.cash + book.held("BTCUSDT") * 130 == book.realized + book.unrealized(marks) - book.fees


def test_more_than_was_bought_cannot_be_sold() -> None:
    """A ledger that sells what nobody holds is wrong and says so."""
    with pytest.raises(ValueError, match="does not hold"):
        booked([fill(1, "BUY", "1", "100"), fill(2, "SELL", "2", "100")])


def test_drawdown_is_the_deepest_fall_from_a_peak() -> None:
    """The fall is measured from the highest point before it, as a fraction of that point."""
    assert drawdown(Decimal(100), [Decimal(100), Decimal(-50), Decimal(20), Decimal(-70)]) == Decimal("0.5")


def test_a_win_ends_a_losing_streak() -> None:
    """Only the losses since the last profit are in a row."""
    assert losing([Decimal(-1), Decimal(-1), Decimal(1), Decimal(-1)]) == 1


def test_the_chain_of_fills_is_whole(bench: Any) -> None:
    """Fills are numbered without gap, and each seals the one before it."""
    bot = bench.bot()
    for side in ("BUY", "SELL"):
        assert bench.send(bot, side)["state"] == "filled"
    fills = bench.floor.store.all("fills_ledger")
    assert [one["number"] for one in fills] == [1, 2]
    assert broken(fills) == []


@pytest.mark.parametrize("change", [{"price": Decimal(1)}, {"number": 7}, {"user": "somebody"}])
def test_a_changed_fill_breaks_the_chain(bench: Any, change: dict[str, Any]) -> None:
    """Whatever is changed in a fill behind the desk's back, the integrity check names it."""
    bot = bench.bot()
    for side in ("BUY", "SELL"):
        bench.send(bot, side)
    bench.floor.store.database["fills_ledger"].update_one({"number": 1}, {"$set": change})
    assert broken(bench.floor.store.all("fills_ledger"))


def test_fills_cannot_be_changed_by_the_application(bench: Any) -> None:
    """The store has no way to change or remove a fill."""
    for attempt in (
        lambda: bench.floor.store.change("fills_ledger", {"number": 1}, price=Decimal(1)),
        lambda: bench.floor.store.remove("fills_ledger", number=1),
    ):
        with pytest.raises(DeskError, match="written once"):
            attempt()


def test_books_and_exchange_agree(bench: Any) -> None:
    """After a trade the account at the exchange holds exactly what the books say."""
    bot = bench.bot()
    bench.send(bot, "BUY", "0.0003")
    bench.send(bot, "SELL", "0.0001")
    told = bench.floor.portfolio.reconcile(bench.user)
    assert told["discrepancy"] == 0
    assert {row["asset"] for row in told["assets"]} == {"BTC", "USDT"}
