"""VALR as the live client sees it: one account, orders under our own keys, and VALR's word on what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Any, final

from examples.desk.broker import Broker
from examples.desk.errors import BrokerError
from examples.desk.routing.clients import CANCELLED, FAILED, FILLED, PENDING
from examples.desk.symbols import RAND_SYMBOLS

_STATES = {"filled": FILLED, "open": PENDING, "cancelled": CANCELLED, "rejected": FAILED}


@final
class Valr:
    """The desk's account at VALR."""

    def __init__(self, broker: Broker, account: str) -> None:
        self._broker = broker
        self._account = account

    def price(self, pair: str) -> Decimal:
        """The price now."""
        return self._broker.price(pair)

    def balances(self) -> Mapping[str, Decimal]:
        """What VALR holds for the account."""
        return self._broker.balances(self._account)

    def place(self, order: Mapping[str, Any]) -> Mapping[str, Any]:
        """The order as VALR took it; a BUY is for so many rand, in whole steps of the pair."""
        pair, kind = order["pair"], order["kind"]
        if kind == "market":
            return _told(self._broker.place(self._account, pair, order["side"], self._quantity(order), order["key"]))
        price = Decimal(order["price"])
        told = self._broker.rest(self._account, pair, order["side"], self._quantity(order), order["key"], kind=kind, price=price)
        return _told(told)

    def found(self, pair: str, key: str) -> Mapping[str, Any] | None:
        """The order of a key, if VALR has it."""
        found = self._broker.found(key)
        return None if found is None else _told(found)

    def open_orders(self) -> Sequence[Mapping[str, Any]]:
        """What rests at VALR."""
        return self._broker.open_orders(self._account)

    def fills(self) -> Sequence[Mapping[str, Any]]:
        """Everything that was traded there, with its fees, the latest first."""
        return self._broker.fills(self._account)

    def cancel(self, pair: str, key: str) -> bool:
        """Whether VALR took the order back; False if it was filled before."""
        try:
            return bool(self._broker.cancel(key)["status"] == "cancelled")
        except BrokerError as error:
            if error.status in (404, 409):
                return False
            raise

    def _quantity(self, order: Mapping[str, Any]) -> Decimal:
        step = RAND_SYMBOLS[order["pair"]].step
        wanted = Decimal(order["quantity"])
        if order["side"] == "BUY":
            wanted = Decimal(order["size_zar"]) / Decimal(order["price"] or self.price(order["pair"]))
        return wanted.quantize(step, ROUND_DOWN)


def _told(found: Mapping[str, Any]) -> Mapping[str, Any]:
    state = _STATES[found.get("status", "filled")]
    if state == FILLED and "price" not in found:
        # the order has left the book and its fill is not told yet; it is asked for again
        state = PENDING
    fill = {name: found[name] for name in ("quantity", "price", "fee")} if state == FILLED else None
    return {"state": state, "order_id": found["order_id"], "fills": [fill] if fill else [], "reason": found.get("reason", "")}
