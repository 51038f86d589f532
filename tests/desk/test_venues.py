"""The exchanges of the street: resting orders, permissions, books, and each venue's own way of speaking."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from examples.desk.errors import BrokerError

SIZE = Decimal("0.0001")
Placing = Callable[..., Any]


@pytest.fixture
def valr(shared: Any) -> Any:
    """VALR itself, asked past the desk."""
    return shared.at("valr")


@contextlib.contextmanager
def moved(shared: Any, factor: str, symbol: str = "BTCZAR") -> Iterator[None]:
    """The price of a symbol at VALR is another for a while."""
    assert shared.post("/venues/valr/price", symbol=symbol, factor=factor)[0] == 200
    try:
        yield
    finally:
        assert shared.post("/venues/valr/price", symbol=symbol, factor="1")[0] == 200


def _key() -> str:
    return f"test-{secrets.token_hex(6)}"


def _bought(valr: Any) -> None:
    assert valr.place("helios", "BTCZAR", "BUY", SIZE, _key())["status"] == "filled"


@pytest.mark.parametrize(("kind", "at", "factor"), [("stop-loss", "0.9", "0.85"), ("take-profit", "1.1", "1.2")])
def test_an_order_that_rests_is_filled_when_its_price_comes(shared: Any, valr: Any, kind: str, at: str, factor: str) -> None:
    """A stop-loss is filled below its price and a take-profit above, at the market, and balances move by price and fee."""
    _bought(valr)
    key, price = _key(), (valr.price("BTCZAR") * Decimal(at)).quantize(Decimal(1))
    placed = valr.rest("helios", "BTCZAR", "SELL", SIZE, key, kind=kind, price=price)
    before = valr.balances("helios")
    assert (placed["status"], valr.found(key)["status"]) == ("open", "open")
    with moved(shared, factor):
        filled = valr.found(key)
    after = valr.balances("helios")
    assert filled["status"] == "filled"
    assert (filled["price"] < price) is (kind == "stop-loss")
    assert before["BTC"] - after["BTC"] == SIZE
    assert after["ZAR"] - before["ZAR"] == filled["price"] * SIZE - filled["fee"]
    assert filled["fee"] > 0
    assert valr.fills("helios")[0]["client_order_id"] == key


def test_the_first_of_alternatives_cancels_the_others(shared: Any, valr: Any) -> None:
    """When the stop-loss of a group is filled, its take-profit is cancelled and can no longer sell what is gone."""
    _bought(valr)
    stop, profit, price = _key(), _key(), valr.price("BTCZAR")
    group = _key()
    valr.rest("helios", "BTCZAR", "SELL", SIZE, stop, kind="stop-loss", price=price * Decimal("0.9"), group=group)
    valr.rest("helios", "BTCZAR", "SELL", SIZE, profit, kind="take-profit", price=price * Decimal("1.1"), group=group)
    with moved(shared, "0.8"):
        assert valr.found(stop)["status"] == "filled"
    assert valr.found(profit)["status"] == "cancelled"
    assert valr.found(profit)["reason"] == f"{stop} was filled"


def test_a_limit_order_reserves_its_cost_until_it_is_cancelled(valr: Any) -> None:
    """What a resting limit order will cost cannot be spent twice, and is free again after cancelling."""
    key, price = _key(), Decimal(500_000)
    quantity = (valr.balances("helios")["ZAR"] / price * Decimal("0.9")).quantize(Decimal("0.000001"))
    valr.rest("helios", "BTCZAR", "BUY", quantity, key, kind="limit", price=price)
    with pytest.raises(BrokerError, match="insufficient ZAR"):
        valr.rest("helios", "BTCZAR", "BUY", quantity, _key(), kind="limit", price=price)
    with pytest.raises(BrokerError, match="insufficient ZAR"):
        valr.place("helios", "BTCZAR", "BUY", Decimal("0.0002"), _key())
    assert key in [order["client_order_id"] for order in valr.open_orders("helios")]
    assert valr.cancel(key)["status"] == "cancelled"
    assert key not in [order["client_order_id"] for order in valr.open_orders("helios")]
    again = _key()
    valr.rest("helios", "BTCZAR", "BUY", quantity, again, kind="limit", price=price)
    assert valr.cancel(again)["status"] == "cancelled"


def test_a_limit_order_that_the_price_meets_already_is_filled_at_once(valr: Any) -> None:
    """A limit above the market buys now, and never above the limit."""
    limit = (valr.price("ETHZAR") * Decimal("1.01")).quantize(Decimal(1))
    filled = valr.rest("helios", "ETHZAR", "BUY", Decimal("0.001"), _key(), kind="limit", price=limit)
    assert filled["status"] == "filled"
    assert filled["price"] <= limit
    valr.place("helios", "ETHZAR", "SELL", Decimal("0.001"), _key())


def test_a_stop_without_anything_to_sell_is_rejected_and_moves_nothing(shared: Any, valr: Any) -> None:
    """When the price of a stop comes and the holding is gone, the order is rejected, and no balance changes."""
    held = valr.balances("helios").get("ETH", Decimal(0))
    key = _key()
    valr.rest("helios", "ETHZAR", "SELL", held + 1, key, kind="stop-loss", price=Decimal(50_000))
    before = valr.balances("helios")
    with moved(shared, "0.8", "ETHZAR"):
        found = valr.found(key)
    assert (found["status"], found["reason"]) == ("rejected", "insufficient ETH")
    assert valr.balances("helios") == before


def test_a_filled_or_unknown_order_cannot_be_cancelled(valr: Any) -> None:
    """Cancelling what was filled is a conflict, and what never was is not found; twice cancelled is once."""
    key = _key()
    valr.place("helios", "BTCZAR", "BUY", SIZE, key)
    with pytest.raises(BrokerError, match="filled already"):
        valr.cancel(key)
    with pytest.raises(BrokerError, match="no order"):
        valr.cancel(_key())
    resting = _key()
    valr.rest("helios", "BTCZAR", "BUY", SIZE, resting, kind="limit", price=Decimal(400_000))
    assert [valr.cancel(resting)["status"] for _ in range(2)] == ["cancelled", "cancelled"]
    valr.place("helios", "BTCZAR", "SELL", SIZE, _key())


def test_what_rests_outlives_a_restart(start: Any) -> None:
    """An order that rests is still there, and still cancellable, when the exchange has been down."""
    desk, key = start(), _key()
    desk.at("valr").rest("helios", "BTCZAR", "BUY", SIZE, key, kind="limit", price=Decimal(400_000))
    desk.desk.stop()
    again = start()
    assert [order["client_order_id"] for order in again.get("/venues/valr/orders")["orders"]] == [key]
    assert again.at("valr").cancel(key)["status"] == "cancelled"


@pytest.mark.parametrize("venue", ["coinbase", "kraken", "testnet", "valr"])
def test_a_key_that_may_not_trade_places_nothing(shared: Any, venue: str) -> None:
    """Without the permission to trade the exchange itself refuses the order, and may still be read."""
    exchange = shared.at(venue)
    shared.fault(f"key-cannot-trade:{venue}", on=True)
    try:
        with pytest.raises(BrokerError, match="may not trade"):
            exchange.place("helios", "BTCZAR" if venue == "valr" else "BTCUSDT", "BUY", SIZE, _key())
        assert exchange.permissions() == ["read"]
    finally:
        shared.fault(f"key-cannot-trade:{venue}", on=False)


def test_a_price_moves_only_where_it_may(start: Any) -> None:
    """Without faults allowed, prices where real orders of the pipeline stand cannot be moved; nor by nonsense anywhere."""
    desk = start(faults=False)
    assert desk.post("/venues/kraken/price", symbol="BTCUSDT", factor="0.5")[0] == 403
    assert desk.post("/venues/nowhere/price", symbol="BTCUSDT", factor="0.5")[0] == 404
    for factor in ("0", "-1", "NaN", "x"):
        assert desk.post("/venues/valr/price", symbol="BTCZAR", factor=factor)[0] == 400
    assert desk.post("/venues/valr/price", symbol="BTCUSDT", factor="0.5")[0] == 400
    assert {venue["venue"] for venue in desk.get("/venues")["venues"]} == {"coinbase", "kraken", "testnet", "valr"}


def test_a_limit_order_stands_in_the_book(valr: Any) -> None:
    """Bids fall, asks rise, they do not cross, and an order that rests is a level of its own."""
    key, price = _key(), Decimal(400_000)
    valr.rest("helios", "BTCZAR", "BUY", SIZE, key, kind="limit", price=price)
    book = valr.book("BTCZAR")
    valr.cancel(key)
    bids, asks = ([level["price"] for level in book[side]] for side in ("bids", "asks"))
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert bids[0] < asks[0]
    assert price in bids
