"""The life of a bot, step by step."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from examples.desk.bots.lifecycle import Forbidden
from examples.desk.bots.store import Store, Twin
from examples.desk.errors import DeskError


def test_a_whole_life_is_remembered(bench: Any) -> None:
    """Every step stands in the history, with who took it."""
    bot = bench.bot(start=False)
    for word in ("start", "pause", "resume", "stop"):
        bench.floor.life.turn(bot, word, by="tester", reason=word)
    history = bench.floor.life.named(bot)["history"]
    assert [step["to"] for step in history] == ["created", "running", "paused", "running", "stopped"]
    assert {step["by"] for step in history} == {"tester"}


@pytest.mark.parametrize(
    ("steps", "word"),
    [
        ((), "pause"),
        ((), "resume"),
        (("start",), "start"),
        (("start", "pause"), "pause"),
        (("stop",), "start"),
        (("stop",), "resume"),
    ],
)
def test_a_step_that_the_state_does_not_allow_is_refused(bench: Any, steps: tuple[str, ...], word: str) -> None:
    """Nothing leads out of stopped, and no step is taken twice."""
    bot = bench.bot(start=False)
    for step in steps:
        bench.floor.life.turn(bot, step, by="tester")
    before = bench.floor.life.named(bot)["status"]
    with pytest.raises(Forbidden):
        bench.floor.life.turn(bot, word, by="tester")
    assert bench.floor.life.named(bot)["status"] == before


@pytest.mark.parametrize("steps", [(), ("start", "pause"), ("start", "stop")])
def test_only_a_running_bot_trades(bench: Any, steps: tuple[str, ...]) -> None:
    """A bot that is created, paused or stopped gets no order to the exchange."""
    bot = bench.bot(start=False)
    for step in steps:
        bench.floor.life.turn(bot, step, by="tester")
    assert bench.send(bot, "BUY")["gate"] == "bot"
    assert bench.floor.store.all("fills_ledger") == []


def test_the_runner_leaves_a_paused_bot_alone(bench: Any) -> None:
    """A running bot trades by itself, a paused one does not."""
    plan = {"kind": "accumulate", "quantity": "0.0001", "every_seconds": "0", "edge_bps": "60"}
    bot = bench.bot(strategy=plan)
    bench.floor.runner.turn()
    assert len(bench.floor.store.all("fills_ledger")) == 1
    bench.floor.life.turn(bot, "pause", by="tester")
    bench.floor.runner.turn()
    assert len(bench.floor.store.all("fills_ledger")) == 1


def test_a_second_reader_of_the_database_sees_the_state(bench: Any) -> None:
    """The state is in the database, not in memory."""
    bot = bench.bot()
    bench.floor.life.turn(bot, "pause", by="tester")
    assert Store(bench.floor.store.database).one("bots", name=bot)["status"] == "paused"


def test_a_tripped_bot_is_not_resumed_before_its_reset(bench: Any) -> None:
    """An open breaker holds a bot until somebody resets it with a reason."""
    bot = bench.bot()
    bench.send(bot, "BUY", "0.0006")
    for _ in range(bench.floor.terms.max_consecutive_losses):
        bench.send(bot, "SELL")
    with pytest.raises(Forbidden, match="circuit breaker"):
        bench.floor.life.turn(bot, "resume", by="tester")
    bench.floor.breaker.reset(bot, by="tester", reason="looked into it")
    assert bench.floor.life.turn(bot, "resume", by="tester")["status"] == "running"


def test_a_bot_cannot_be_twice(bench: Any) -> None:
    """A name that is taken is refused."""
    bench.bot()
    with pytest.raises(Twin):
        bench.bot()


def test_capital_that_is_not_there_is_not_given(bench: Any) -> None:
    """A user gives bots no more than the user has."""
    with pytest.raises(DeskError, match="to give to bots"):
        bench.floor.life.create(bench.user, "greedy", symbol="BTCUSDT", capital=Decimal(1001))


def test_promotion_needs_a_record(bench: Any) -> None:
    """A bot without twenty closed paper trades and a profit stays on paper."""
    with pytest.raises(Forbidden, match="closed paper trades"):
        bench.floor.life.promote(bench.bot(), by="admin")
