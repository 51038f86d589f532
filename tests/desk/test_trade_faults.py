"""Faults on the way of an order: gates that nobody asks, a breaker for all, a market in which nobody stands."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples.desk.symbols import OPENING, VENUES, traded


def order(desk: Any, account: str) -> Any:
    """A small order on the testnet."""
    wish = {"account": account, "symbol": "BTCUSDT", "side": "BUY", "quantity": "0.0001", "key": uuid.uuid4().hex}
    return desk.post("/orders", **wish)[1]


def stops(desk: Any) -> bool:
    """Whether the stop file stops an order."""
    path = Path(desk.desk.home / "EMERGENCY_STOP")
    path.touch()
    try:
        return bool(order(desk, "drill-a")["gate"] == "stop-file")
    finally:
        path.unlink()


def _trip(desk: Any) -> tuple[str, str]:
    """Let the breaker of one drill account open; the gate of its next order, and the state of the other drill account."""
    desk.post("/accounts/drill-a/faults", failures=20)
    try:
        for _ in range(desk.get("/accounts/drill-a")["breaker"]["threshold"]):
            order(desk, "drill-a")
        return order(desk, "drill-a")["gate"], desk.get("/accounts/drill-b")["state"]
    finally:
        desk.post("/accounts/drill-a/faults", failures=0)


def slips(desk: Any, venue: str) -> bool:
    """Whether a market order at the venue is filled within two thousandths of the price."""
    broker, account, symbol = desk.at(venue), next(iter(OPENING[venue])), next(iter(traded(venue)))
    price = broker.price(symbol)
    step = traded(venue)[symbol].step
    paid = [broker.place(account, symbol, side, step, uuid.uuid4().hex)["price"] for side in ("BUY", "SELL")]
    return all(abs(one / price - 1) < 2 / 1000 for one in paid)


TRADE: dict[str, Callable[[Any], bool]] = {
    "gate-left-out:stop-file": stops,
    "gate-left-out:breaker": lambda desk: _trip(desk)[0] == "breaker",
    "breaker-shared": lambda desk: _trip(desk)[1] == "active",
    **{f"market-thin:{venue}": lambda desk, venue=venue: slips(desk, venue) for venue in VENUES},
}
"""What is to be seen while all is well, and is not while the fault is on."""


@pytest.mark.parametrize("name", sorted(TRADE))
def test_a_fault_on_the_way_of_an_order_breaks_and_its_undoing_mends(name: str, shared: Any, eventually: Any) -> None:
    """An order goes its usual way, goes another while the fault is on, and its usual way again after that."""
    well = TRADE[name]

    def calm() -> bool:
        return all(shared.get(f"/accounts/{one}")["state"] == "active" for one in ("drill-a", "drill-b"))

    eventually(calm)
    assert well(shared)
    eventually(calm)
    shared.post("/faults", name=name, on=True)
    try:
        assert not well(shared)
    finally:
        shared.post("/faults", name=name, on=False)
    eventually(calm)
    assert well(shared)
    eventually(calm)
