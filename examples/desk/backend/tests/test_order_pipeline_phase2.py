"""The four gates of the order pipeline, under the limits of the desk's own .env."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from examples.desk.errors import DeskError


def test_an_order_passes_four_gates_in_their_order(bench: Any) -> None:
    """Each gate leaves a record, and the order is filled."""
    order = bench.send(bench.bot(), "BUY")
    assert [(record["gate"], record["passed"]) for record in order["gates"]] == [
        ("idempotency", True), ("fee_coverage", True), ("trade_limiter", True), ("circuit_breaker", True),
    ]  # fmt: skip
    assert order["state"] == "filled"


def test_one_key_is_one_order(bench: Any) -> None:
    """Eight orders with one key, all at once, are one fill."""
    bot = bench.bot()
    with ThreadPoolExecutor(8) as pool:
        orders = list(pool.map(lambda _: bench.send(bot, "BUY", key="the-same-key"), range(8)))
    assert len({order["order_id"] for order in orders}) == 1
    assert sum(not order["replayed"] for order in orders) == 1
    assert len(bench.floor.store.all("fills_ledger")) == 1


def test_a_key_cannot_mean_another_order(bench: Any) -> None:
    """The same key with another quantity is refused."""
    bot = bench.bot()
    bench.send(bot, "BUY", key="the-same-key")
    with pytest.raises(DeskError, match="another order"):
        bench.send(bot, "BUY", "0.0002", key="the-same-key")


def test_the_costs_are_at_least_those_of_the_document(bench: Any) -> None:
    """An entry must promise 10 bps of edge above fees of both sides, 10 bps slippage and 5 bps margin."""
    assert bench.floor.pipeline.required_edge_bps >= 45


def test_an_order_below_its_costs_is_refused(bench: Any) -> None:
    """One basis point too little is too little, and exactly enough is enough."""
    bot, needed = bench.bot(), bench.floor.pipeline.required_edge_bps
    assert bench.send(bot, "BUY", edge=needed - 1)["gate"] == "fee_coverage"
    assert bench.send(bot, "BUY", edge=needed)["state"] == "filled"


def test_an_exit_is_not_held_back_for_its_costs(bench: Any) -> None:
    """A sale ends a risk and needs no edge."""
    bot = bench.bot()
    bench.send(bot, "BUY")
    assert bench.send(bot, "SELL", edge=Decimal(0))["state"] == "filled"


def test_the_bot_has_a_limit_a_day(bench: Any) -> None:
    """The order after the last one of the day is refused, and a refused one does not count."""
    bot = bench.bot(max_trades_daily=2)
    states = [bench.send(bot, "BUY", edge=edge)["state"] for edge in (Decimal(60), Decimal(1), Decimal(60), Decimal(60))]
    assert states == ["filled", "rejected", "filled", "rejected"]


def test_bursts_end_at_the_limit(bench: Any, later: Any) -> None:
    """After ten orders in ten seconds the next waits until the window has passed."""
    bot, terms = bench.bot(), bench.floor.terms
    orders = [bench.send(bot, "BUY") for _ in range(terms.burst_orders + 1)]
    assert [order["state"] for order in orders] == ["filled"] * terms.burst_orders + ["rejected"]
    assert orders[-1]["reason"].startswith("burst")
    later(terms.burst_seconds + 1)
    assert bench.send(bot, "BUY")["state"] == "filled"


def test_the_breaker_pauses_a_losing_bot(bench: Any) -> None:
    """After the fifth loss in a row the bot is paused, and its next order refused by the breaker."""
    bot = bench.bot()
    bench.send(bot, "BUY", "0.0006")
    for _ in range(bench.floor.terms.max_consecutive_losses):
        bench.send(bot, "SELL")
    assert bench.floor.life.named(bot)["status"] == "paused"
    assert bench.send(bot, "BUY")["gate"] == "circuit_breaker"


def test_a_stop_refuses_everything(bench: Any) -> None:
    """While a stop holds, nothing gets to the exchange."""
    bot = bench.bot()
    bench.floor.pipeline._halted = lambda: "emergency stop"
    assert bench.send(bot, "BUY")["gate"] == "system"
    assert bench.floor.store.all("fills_ledger") == []


def test_what_is_not_held_cannot_be_sold(bench: Any) -> None:
    """A sale beyond the bot's own position is refused before the exchange is asked."""
    assert bench.send(bench.bot(), "SELL")["gate"] == "position"
