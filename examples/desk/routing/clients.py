"""The two clients: one fills on paper and knows no exchange at all, the other trades at VALR with real money.

Paper fills are no better than real ones: they pay the fee, slip, are sometimes partial and sometimes fail, because a rehearsal
that always succeeds teaches nothing.
"""

from __future__ import annotations

import http.client
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Any, Protocol, final

from examples.desk.errors import BrokerError
from examples.desk.routing.books import Books

CURRENCY = "ZAR"
FEE = Decimal("0.001")
SLIPPAGE = Decimal("0.0005")
PARTIAL = Decimal("0.06")
FAILURE = Decimal("0.03")

FILLED, PARTLY, PENDING, CANCELLED, FAILED, UNKNOWN = "filled", "partial", "pending", "cancelled", "failed", "unknown"

_DUST = Decimal("0.00000001")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """A quantity that was bought or sold at a price; the fee is in rand."""

    quantity: Decimal
    price: Decimal
    fee: Decimal


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of an order at its client."""

    state: str
    venue_order_id: str | None = None
    fills: Sequence[Fill] = ()
    reason: str = ""


class TradingClient(Protocol):
    """What the engine needs of a client."""

    name: str

    def price(self, account: str, pair: str) -> Decimal: ...
    def connected(self) -> bool: ...
    def cash(self, account: str) -> Decimal: ...
    def execute(self, order: Mapping[str, Any]) -> Report: ...
    def found(self, order: Mapping[str, Any]) -> Report: ...
    def cancel(self, order: Mapping[str, Any]) -> bool: ...


def base(pair: str) -> str:
    """What is bought and sold for rand in a pair."""
    return pair.removesuffix(CURRENCY)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How well paper fills: the most that a price slips, and how often an order is filled in part or fails."""

    slippage: Decimal = SLIPPAGE
    partial: Decimal = PARTIAL
    failure: Decimal = FAILURE


Prices = Callable[[str, str], Decimal | None]


@final
class PaperTradingClient:
    """Fills orders against prices that somebody feeds, and moves paper balances in the books."""

    name = "PaperTradingClient"

    def __init__(self, books: Books, prices: Prices, *, terms: Callable[[str], Terms], rng: random.Random) -> None:
        self._books = books
        self._prices = prices
        self._terms = terms
        self._rng = rng

    def price(self, account: str, pair: str) -> Decimal:
        """The last price that was fed; BrokerError if there was none."""
        price = self._prices(account, pair)
        if price is None:
            raise BrokerError(f"no price of {pair} was fed to {account}")
        return price

    def connected(self) -> bool:
        """Paper is always there."""
        return True

    def cash(self, account: str) -> Decimal:
        """The rand of a paper account."""
        return self._books.holding(account, CURRENCY)

    def execute(self, order: Mapping[str, Any]) -> Report:
        """Fill a market order now; let a limit order rest unless the price is there already."""
        terms, price = self._terms(order["account"]), self.price(order["account"], order["pair"])
        number = f"PAPER-{order['id']}-{self._rng.getrandbits(32):08x}"
        if self._drawn(terms.failure):
            return Report(state=FAILED, reason="the simulated venue did not take the order")
        limit = None if order["price"] is None else Decimal(order["price"])
        if limit is not None and not _reached(order["side"], limit, price):
            return Report(state=PENDING, venue_order_id=number)
        return self._filled(order, price, limit, terms, number)

    def found(self, order: Mapping[str, Any]) -> Report:
        """What a resting order came to at the last price."""
        price, limit = self.price(order["account"], order["pair"]), Decimal(order["price"])
        if not _reached(order["side"], limit, price):
            return Report(state=PENDING, venue_order_id=order["venue_order_id"])
        return self._filled(order, price, limit, Terms(slippage=Decimal(0), partial=Decimal(0)), order["venue_order_id"])

    def cancel(self, order: Mapping[str, Any]) -> bool:
        """Nothing rests anywhere but in the books."""
        return True

    def _filled(self, order: Mapping[str, Any], price: Decimal, limit: Decimal | None, terms: Terms, number: str) -> Report:
        buys = order["side"] == "BUY"
        slip = terms.slippage * Decimal(self._rng.randrange(1001)) / 1000
        at = (price * (1 + slip if buys else 1 - slip)).quantize(Decimal("0.01"))
        if limit is not None:
            at = min(at, limit) if buys else max(at, limit)
        quantity = (Decimal(order["size_zar"]) / at if buys else Decimal(order["quantity"])).quantize(_DUST, ROUND_DOWN)
        part = Decimal(self._rng.randrange(50, 91)) / 100 if buys and self._drawn(terms.partial) else Decimal(1)
        taken = (quantity * part).quantize(_DUST, ROUND_DOWN)
        fee = (taken * at * FEE).quantize(_DUST)
        account, asset = order["account"], base(order["pair"])
        short = self.cash(account) < taken * at + fee if buys else self._books.holding(account, asset) < taken
        if short:
            return Report(state=FAILED, reason="the paper balance is too low")
        with self._books.ledger.change():
            self._books.move(account, CURRENCY, -(taken * at + fee) if buys else taken * at - fee)
            self._books.move(account, asset, taken if buys else -taken)
        state = FILLED if part == 1 else PARTLY
        return Report(state=state, venue_order_id=number, fills=(Fill(quantity=taken, price=at, fee=fee),))

    def _drawn(self, chance: Decimal) -> bool:
        return self._rng.randrange(10_000) < chance * 10_000


def _reached(side: str, limit: Decimal, price: Decimal) -> bool:
    return price <= limit if side == "BUY" else price >= limit


class Venue(Protocol):
    """What the live client needs of VALR: signed calls; every failure is a BrokerError."""

    def price(self, pair: str) -> Decimal: ...
    def balances(self) -> Mapping[str, Decimal]: ...
    def place(self, order: Mapping[str, Any]) -> Mapping[str, Any]: ...
    def found(self, pair: str, key: str) -> Mapping[str, Any] | None: ...
    def open_orders(self) -> Sequence[Mapping[str, Any]]: ...
    def cancel(self, pair: str, key: str) -> bool: ...


@final
class VALRTradingClient:
    """Sends orders to VALR; an order whose end nobody saw is unknown until VALR was asked, never failed by assumption."""

    name = "VALRTradingClient"

    def __init__(self, venue: Venue | None) -> None:
        self._venue = venue

    @property
    def venue(self) -> Venue:
        """The exchange; BrokerError if none is configured."""
        if self._venue is None:
            raise BrokerError("no VALR address is configured")
        return self._venue

    def price(self, account: str, pair: str) -> Decimal:
        """VALR's price now."""
        return self.venue.price(pair)

    def connected(self) -> bool:
        """Whether VALR answers a signed call now; asked each time."""
        try:
            self.venue.balances()
        except (BrokerError, OSError, http.client.HTTPException):
            return False
        return True

    def cash(self, account: str) -> Decimal:
        """The rand of the account at VALR, reserved ones included."""
        return self.venue.balances().get(CURRENCY, Decimal(0))

    def execute(self, order: Mapping[str, Any]) -> Report:
        """Send the order once, under its key."""
        try:
            return _report(self.venue.place(order))
        except BrokerError as error:
            return Report(state=UNKNOWN if error.unknown else FAILED, reason=error.message)

    def found(self, order: Mapping[str, Any]) -> Report:
        """What VALR says of an order now."""
        try:
            told = self.venue.found(order["pair"], order["key"])
        except BrokerError as error:
            return Report(state=UNKNOWN, reason=error.message)
        return Report(state=FAILED, reason="the order did not arrive") if told is None else _report(told)

    def cancel(self, order: Mapping[str, Any]) -> bool:
        """Whether VALR no longer has the order resting; asked of its open orders, not of the answer to the call."""
        self.venue.cancel(order["pair"], order["key"])
        return all(one["client_order_id"] != order["key"] for one in self.venue.open_orders())


def _report(told: Mapping[str, Any]) -> Report:
    fills = tuple(
        Fill(quantity=Decimal(one["quantity"]), price=Decimal(one["price"]), fee=Decimal(one["fee"])) for one in told["fills"]
    )
    return Report(state=told["state"], venue_order_id=told["order_id"], fills=fills, reason=str(told.get("reason", "")))
