"""VALR's dialect: HMAC-SHA512 over time, verb, path and body in `X-VALR-*` headers; amounts are texts.

Source: VALR's public API documentation (api keys, balances, open orders, order book, limit, market and conditional orders).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from examples.desk import clock
from examples.desk.venues.dialects import texts
from examples.desk.venues.keyring import READ, TRADE, WITHDRAW, fresh, same
from examples.desk.venues.matching import LIMIT, MARKET, STOP_LOSS, TAKE_PROFIT, Wish
from examples.desk.web import Answer, Refused, Request, Routes, answer

if TYPE_CHECKING:
    from examples.desk.venues.exchange import Exchange

WORDS = {READ: "View access", TRADE: "Trade", WITHDRAW: "Withdraw"}
_STATUS = {"open": "Placed", "filled": "Filled", "cancelled": "Cancelled", "rejected": "Failed"}
_CONDITIONAL = {"STOP_LOSS": STOP_LOSS, "TAKE_PROFIT": TAKE_PROFIT}


def signature(secret: str, timestamp: str, verb: str, path: str, body: str = "") -> str:
    """The hexadecimal signature of a call; `path` is with its query."""
    return hmac.new(secret.encode(), f"{timestamp}{verb.upper()}{path}{body}".encode(), hashlib.sha512).hexdigest()


def routes(exchange: Exchange) -> Routes:
    """The addresses of VALR."""
    matching, keyring = exchange.matching, exchange.keyring

    def told(need: str | None, action: Callable[..., Any]) -> Callable[..., Answer]:
        """The action behind its permission; None is a public call."""

        def act(request: Request, **names: str) -> Answer:
            try:
                exchange.refuse_outage()
                if need is not None:
                    _admit(exchange, request, need)
                return answer(texts(action(request, **names)))
            except Refused as refused:
                status = 403 if refused.status == 401 else refused.status
                return answer({"code": -11 if status == 403 else -1, "message": refused.message}, status)

        return act

    def key(request: Request) -> Any:
        words = [word for permission, word in WORDS.items() if permission in keyring.permissions]
        return {
            "label": "desk",
            "permissions": words + [word for word in (keyring.strange,) if word],
            "addedAt": "2026-01-02T08:00:00.000Z",
            "isSubAccount": False,
        }

    def balances(request: Request) -> Any:
        reserved = matching.reserved()
        return [
            {
                "currency": asset,
                "available": amount - reserved.get(asset, Decimal(0)),
                "reserved": reserved.get(asset, Decimal(0)),
                "total": amount,
                "updatedAt": clock.iso(clock.now()),
            }
            for asset, amount in exchange.balances().items()
        ]

    def open_orders(request: Request) -> Any:
        return [_order(order) for order in matching.open_orders()]

    def by_customer_id(request: Request, pair: str, identity: str) -> Any:
        found = matching.find(identity)
        if found is None or found["symbol"] != pair:
            raise Refused(404, "Order not found")
        return {
            "orderId": found["order_id"],
            "orderStatusType": _STATUS[found["status"]],
            "currencyPair": pair,
            "originalPrice": found.get("price", found.get("trigger")),
            "remainingQuantity": Decimal(0) if found["status"] == "filled" else found["quantity"],
            "originalQuantity": found["quantity"],
            "orderSide": found["side"].lower(),
            "orderType": found.get("type", MARKET),
            "failedReason": found.get("reason", ""),
            "customerOrderId": found["client_order_id"],
            "orderUpdatedAt": found.get("ended_at") or found["at"],
            "orderCreatedAt": found["at"],
        }

    def market_order(request: Request) -> Any:
        wish = request.json()
        return _placed(_wish(exchange, wish, quantity="baseAmount"), exchange)

    def limit_order(request: Request) -> Any:
        wish = request.json()
        return _placed(_wish(exchange, wish, kind=LIMIT, trigger="price"), exchange)

    def conditional_order(request: Request) -> Any:
        wish = request.json()
        kind = _CONDITIONAL.get(str(wish.get("type", "")))
        if kind is None:
            raise Refused(400, f"type is one of {', '.join(_CONDITIONAL)}")
        return _placed(_wish(exchange, wish, kind=kind, trigger="stopPrice"), exchange)

    def cancel(request: Request) -> Any:
        wish = request.json()
        identity = str(wish.get("orderId") or wish.get("customerOrderId") or "")
        found = matching.find(identity)
        if found is None or found["symbol"] != wish.get("pair"):
            raise Refused(404, "Order not found")
        matching.cancel(identity)
        return {"orderId": found["order_id"]}

    def cancel_all(request: Request) -> Any:
        return [{"orderId": matching.cancel(order["order_id"])["order_id"]} for order in matching.open_orders()]

    def trades(request: Request) -> Any:
        return [
            {
                "id": fill["order_id"],
                "orderId": fill["order_id"],
                "customerOrderId": fill["client_order_id"],
                "currencyPair": fill["symbol"],
                "side": fill["side"].lower(),
                "price": fill["price"],
                "quantity": fill["quantity"],
                "fee": fill["fee"],
                "feeCurrency": fill["fee_asset"],
                "tradedAt": fill["at"],
            }
            for fill in matching.fills()
        ]

    def book(request: Request, pair: str) -> Any:
        bids, asks = exchange.book(pair)
        sides = {
            name: [
                {"side": side, "quantity": level.quantity, "price": level.price, "currencyPair": pair, "orderCount": 1}
                for level in levels
            ]
            for name, side, levels in (("Asks", "sell", asks), ("Bids", "buy", bids))
        }
        return {**sides, "LastChange": clock.iso(clock.now()), "SequenceNumber": 1}

    def summary(request: Request, pair: str) -> Any:
        price, (bids, asks) = exchange.market.price(pair), exchange.book(pair)
        return {
            "currencyPair": pair,
            "askPrice": asks[0].price if asks else "0",
            "bidPrice": bids[0].price if bids else "0",
            "lastTradedPrice": price,
            "markPrice": price,
            "created": clock.iso(clock.now()),
        }

    return (
        ("GET", "/v1/account/api-keys/current", told("", key)),
        ("GET", "/v1/account/balances", told(READ, balances)),
        ("GET", "/v1/account/tradehistory", told(READ, trades)),
        ("GET", "/v1/orders/open", told(READ, open_orders)),
        ("GET", "/v1/orders/{pair}/customerorderid/{identity}", told(READ, by_customer_id)),
        ("POST", "/v1/orders/market", told(TRADE, market_order)),
        ("POST", "/v1/orders/limit", told(TRADE, limit_order)),
        ("POST", "/v1/orders/conditionals", told(TRADE, conditional_order)),
        ("DELETE", "/v1/orders/order", told(TRADE, cancel)),
        ("DELETE", "/v1/orders", told(TRADE, cancel_all)),
        ("GET", "/v1/public/time", told(None, lambda request: {"time": clock.iso(clock.now())})),
        ("GET", "/v1/public/{pair}/orderbook", told(None, book)),
        ("GET", "/v1/public/{pair}/marketsummary", told(None, summary)),
        ("GET", "/v1/marketdata/{pair}/orderbook", told(READ, book)),
    )


def _admit(exchange: Exchange, request: Request, need: str) -> None:
    headers = request.headers
    stamp, sent = headers.get("x-valr-timestamp", ""), headers.get("x-valr-signature", "")
    right = signature(exchange.keyring.secret, stamp, request.method, request.target, request.body.decode("utf-8", "replace"))
    exchange.keyring.admit(
        headers.get("x-valr-api-key", ""),
        None,
        need,
        signed=lambda: same(right, sent) and fresh(stamp),
    )


def _wish(
    exchange: Exchange, wish: Mapping[str, Any], *, kind: str = MARKET, quantity: str = "quantity", trigger: str = ""
) -> Wish:
    from examples.desk.venues.exchange import number

    return Wish(
        account=exchange.owner,
        client_order_id=str(wish.get("customerOrderId", "")),
        symbol=exchange.market.symbol(str(wish.get("pair", ""))),
        side=str(wish.get("side", "")).upper(),
        quantity=number(wish.get(quantity)),
        kind=kind,
        trigger=number(wish.get(trigger)) if trigger else None,
    )


def _placed(wish: Wish, exchange: Exchange) -> Any:
    return {"id": exchange.matching.place(wish)["order_id"]}


def _order(order: Mapping[str, Any]) -> Mapping[str, Any]:
    told = {
        "orderId": order["order_id"],
        "side": order["side"].lower(),
        "remainingQuantity": order["quantity"],
        "price": order["trigger"],
        "currencyPair": order["symbol"],
        "createdAt": order["at"],
        "originalQuantity": order["quantity"],
        "filledPercentage": "0.00",
        "customerOrderId": order["client_order_id"],
        "updatedAt": order["at"],
        "status": "Placed" if order["type"] == LIMIT else "Active",
        "type": order["type"],
        "timeInForce": "GTC",
    }
    return told if order["type"] == LIMIT else {**told, "stopPrice": order["trigger"]}
