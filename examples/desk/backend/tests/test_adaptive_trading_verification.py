"""All together: orders, books, breakers and reinvestment on a market that moves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from examples.desk.bots import terms
from examples.desk.errors import DeskError


def test_a_rising_market_is_a_profit(bench: Any) -> None:
    """What was bought before a rise is worth more after it, unrealized and then realized."""
    bot = bench.bot()
    bench.send(bot, "BUY", "0.001")
    bench.market("1.05")
    assert bench.floor.portfolio.summary(bench.user)["unrealized"] > 2
    bench.send(bot, "SELL", "0.001")
    told = bench.floor.portfolio.summary(bench.user)
    assert told["realized"] > 2
    assert told["unrealized"] == 0


def test_equity_adds_up(bench: Any) -> None:
    """Equity is funding, realized and unrealized profit, less fees, and the exchange agrees."""
    bot = bench.bot()
    bench.send(bot, "BUY", "0.001")
    bench.market("0.98")
    bench.send(bot, "SELL", "0.0005")
    told = bench.floor.portfolio.summary(bench.user)
    assert told["equity"] == told["funding"] + told["realized"] + told["unrealized"] - told["fees"]
    assert bench.floor.portfolio.reconcile(bench.user)["discrepancy"] == 0


def test_a_crash_trips_the_daily_loss(bench: Any) -> None:
    """A loss of more than a tenth of its capital in one trade pauses a bot."""
    bot = bench.bot()
    bench.send(bot, "BUY", "0.0015")
    bench.market("0.80")
    bench.send(bot, "SELL", "0.0015")
    trip = bench.floor.breaker.open_trip(bot)
    assert trip["rule"] == "daily_loss"
    assert bench.floor.life.named(bot)["status"] == "paused"


def test_reinvestment_gives_the_agreed_part_to_the_best(bench: Any) -> None:
    """80 percent of the profit goes to the bots that earned most, in whole cents, once a day."""
    bench.floor.users.fund(bench.user, Decimal(100_000))
    for name, size in (("first", "0.5"), ("second", "0.3"), ("third", "0.2"), ("fourth", "0.1")):
        bench.floor.life.create(
            bench.user, name, symbol="BTCUSDT", capital=Decimal(40_000) if name == "first" else Decimal(20_000)
        )
        bench.floor.life.turn(name, "start", by=bench.user)
        bench.send(name, "BUY", size)
    bench.market("1.03")
    for name, size in (("first", "0.5"), ("second", "0.3"), ("third", "0.2"), ("fourth", "0.1")):
        bench.send(name, "SELL", size)
    told = bench.floor.reinvestment.cycle(by="suite", user=bench.user)["users"][0]
    given = sum(one["amount"] for one in told["allocations"])
    assert [one["bot"] for one in told["allocations"]] == ["first", "second", "third"]
    assert abs(given - told["profit"] * bench.floor.terms.reinvest_percentage / 100) < Decimal("0.01")
    assert bench.floor.reinvestment.cycle(by="suite", user=bench.user)["users"][0]["allocations"] == []


def test_a_small_profit_is_left_alone(bench: Any) -> None:
    """Below the threshold nothing is given."""
    bot = bench.bot()
    bench.send(bot, "BUY", "0.001")
    bench.market("1.05")
    bench.send(bot, "SELL", "0.001")
    told = bench.floor.reinvestment.cycle(by="suite", user=bench.user)["users"][0]
    assert (told["outcome"], told["allocations"]) == ("below-threshold", [])


@pytest.mark.parametrize(
    "wrong",
    [
        {"MAX_DRAWDOWN_PERCENT": "20"},
        {"MAX_DAILY_LOSS_PERCENT": "0.5"},
        {"BURST_LIMIT_WINDOW_SECONDS": "0"},
        {"MIN_EDGE_BPS": "NaN"},
    ],
)
def test_terms_that_cannot_be_meant_are_refused(wrong: dict[str, str]) -> None:
    """A percent where a fraction belongs, a window of nothing, and a number that is none end the start."""
    with pytest.raises(DeskError):
        terms.load(wrong)


def test_an_order_of_an_earlier_run_is_settled(bench: Any) -> None:
    """An order that was sent when the desk ended is entered once at the next start, as the exchange remembers it."""
    bot = bench.bot()
    order = bench.send(bot, "BUY")
    store = bench.floor.store
    store.database["fills_ledger"].delete_many({})
    store.change("pending_orders", {"idempotency_key": order["idempotency_key"]}, state="sent")
    for _ in range(2):
        bench.floor.pipeline.recover()
    assert [fill["order_id"] for fill in store.all("fills_ledger")] == [order["order_id"]]
