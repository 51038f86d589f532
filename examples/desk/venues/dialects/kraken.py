"""Kraken's dialect: form bodies, `API-Sign`, errors in a list with status 200, and names of its own for Bitcoin.

Source: Kraken's public REST documentation (GetApiKeyInfo, BalanceEx, OpenOrders, ClosedOrders, Depth, Ticker, Time).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from examples.desk.venues.dialects import texts
from examples.desk.venues.keyring import READ, TRADE, WITHDRAW, same
from examples.desk.venues.matching import LIMIT, MARKET
from examples.desk.web import Answer, Refused, Request, Routes, answer

if TYPE_CHECKING:
    from examples.desk.venues.exchange import Exchange

WORDS = {
    READ: ("query-funds", "query-open-trades", "query-closed-trades"),
    TRADE: ("modify-trades", "close-trades"),
    WITHDRAW: ("withdraw-funds",),
}
_PAIRS = {"XBTUSDT": "BTCUSDT", "ETHUSDT": "ETHUSDT"}
_ASSETS = {"BTC": "XXBT", "ETH": "XETH"}
_STATUS = {"open": "open", "filled": "closed", "cancelled": "canceled", "rejected": "canceled"}
_WINDOW = 10_000
"""By how much a nonce may be below the highest: the key's nonce window, ten seconds for those who count milliseconds."""


def signature(secret: str, path: str, nonce: str, body: bytes) -> str:
    """The Base64 text that a private call carries in `API-Sign`."""
    message = path.encode() + hashlib.sha256(nonce.encode() + body).digest()
    return base64.b64encode(hmac.new(base64.b64decode(secret), message, hashlib.sha512).digest()).decode()


def routes(exchange: Exchange) -> Routes:
    """The addresses of Kraken."""
    matching, keyring = exchange.matching, exchange.keyring
    highest = [0]

    def private(need: str, action: Callable[[Mapping[str, str]], Any]) -> Callable[..., Answer]:
        def act(request: Request) -> Answer:
            form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
            try:
                exchange.refuse_outage()
                _admit(exchange, request, form.get("nonce", ""), need, highest)
                return answer({"error": [], "result": texts(action(form))})
            except Refused as refused:
                return _refused(refused)

        return act

    def public(action: Callable[[Mapping[str, str]], Any]) -> Callable[..., Answer]:
        def act(request: Request) -> Answer:
            try:
                exchange.refuse_outage()
                return answer({"error": [], "result": texts(action(request.query))})
            except Refused as refused:
                return _refused(refused)

        return act

    def key(form: Mapping[str, str]) -> Any:
        words = [word for permission, several in WORDS.items() if permission in keyring.permissions for word in several]
        return {
            "apiKeyName": "desk",
            "nonce": form["nonce"],
            "nonceWindow": _WINDOW,
            "permissions": words + [word for word in (keyring.strange,) if word],
            "validUntil": "0",
            "createdTime": "1767340800",
            "ipAllowlist": [],
        }

    def balances(form: Mapping[str, str]) -> Any:
        reserved = matching.reserved()
        return {
            _ASSETS.get(asset, asset): {"balance": amount, "hold_trade": reserved.get(asset, Decimal(0))}
            for asset, amount in exchange.balances().items()
        }

    def open_orders(form: Mapping[str, str]) -> Any:
        return {"open": {order["order_id"]: _order(order) for order in _only(matching.open_orders(), form)}}

    def closed_orders(form: Mapping[str, str]) -> Any:
        fills = [{**fill, "status": "filled"} for fill in matching.fills()]
        if "cl_ord_id" in form:
            found = matching.find(form["cl_ord_id"])
            fills = [found] if found is not None and found["status"] != "open" else []
        told = {order["order_id"]: _order(order) for order in fills[:50]}
        return {"closed": told, "count": len(told)}

    def depth(query: Mapping[str, str]) -> Any:
        bids, asks = exchange.book(_pair(query))
        at = int(time.time())
        return {
            query["pair"]: {
                side: [[level.price, level.quantity, at] for level in levels] for side, levels in (("bids", bids), ("asks", asks))
            }
        }

    def ticker(query: Mapping[str, str]) -> Any:
        return {query["pair"]: {"c": [exchange.market.price(_pair(query)), Decimal("0.001")]}}

    return (
        ("POST", "/0/private/GetApiKeyInfo", private("", key)),
        ("POST", "/0/private/BalanceEx", private(READ, balances)),
        ("POST", "/0/private/OpenOrders", private(READ, open_orders)),
        ("POST", "/0/private/ClosedOrders", private(READ, closed_orders)),
        ("GET", "/0/public/Depth", public(depth)),
        ("GET", "/0/public/Ticker", public(ticker)),
        ("GET", "/0/public/Time", public(lambda query: {"unixtime": int(time.time())})),
    )


def _admit(exchange: Exchange, request: Request, nonce: str, need: str, highest: list[int]) -> None:
    headers = request.headers

    def signed() -> bool:
        if not same(signature(exchange.keyring.secret, request.path, nonce, request.body), headers.get("api-sign", "")):
            return False
        if not nonce.isdecimal() or int(nonce) < highest[0] - _WINDOW:
            raise Refused(401, "EAPI:Invalid nonce")
        highest[0] = max(highest[0], int(nonce))
        return True

    exchange.keyring.admit(headers.get("api-key", ""), f"kraken {nonce}", need, signed=signed)


def _refused(refused: Refused) -> Answer:
    """Kraken answers 200 whatever is wrong, and says what it is."""
    if refused.status == 503:
        return answer({"error": ["EService:Unavailable"]}, 503)
    words = {401: "EAPI:Invalid key", 403: "EGeneral:Permission denied", 404: "EQuery:Unknown asset pair"}
    nonce = "nonce" in refused.message
    return answer({"error": ["EAPI:Invalid nonce" if nonce else words.get(refused.status, f"EOrder:{refused.message}")]})


def _pair(query: Mapping[str, str]) -> str:
    pair = query.get("pair", "")
    if pair not in _PAIRS:
        raise Refused(404, f"{pair} is not traded here")
    return _PAIRS[pair]


def _only(orders: list[dict[str, Any]], form: Mapping[str, str]) -> list[dict[str, Any]]:
    return [order for order in orders if form.get("cl_ord_id") in (None, order["client_order_id"])]


def _order(order: Mapping[str, Any]) -> Mapping[str, Any]:
    filled = order["status"] == "filled"
    pair = next(name for name, symbol in _PAIRS.items() if symbol == order["symbol"])
    kind = order.get("type", MARKET)
    return {
        "refid": None,
        "cl_ord_id": order["client_order_id"],
        "status": _STATUS[order["status"]],
        "opentm": int(datetime.fromisoformat(order["at"]).timestamp()),
        "descr": {
            "pair": pair,
            "type": order["side"].lower(),
            "ordertype": kind,
            "price": order.get("trigger", Decimal(0)),
        },
        "vol": order["quantity"],
        "vol_exec": order["quantity"] if filled else Decimal(0),
        "fee": order.get("fee", Decimal(0)),
        "price": order.get("price", Decimal(0)) if kind != LIMIT or filled else Decimal(0),
    }
