"""Binance's dialect: the signature stands in the query, the key in a header; the street's testnet speaks it.

Unlike the real spot testnet this one also tells what a key may do, as the wallet API of the real exchange does. Source: Binance's
public documentation (apiRestrictions, account, openOrders, order, depth, ticker, time).
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from examples.desk.venues.dialects import texts
from examples.desk.venues.keyring import READ, TRADE, WITHDRAW, fresh, same
from examples.desk.venues.matching import LIMIT, MARKET
from examples.desk.web import Answer, Refused, Request, Routes, answer

if TYPE_CHECKING:
    from examples.desk.venues.exchange import Exchange

_TYPES = {MARKET: "MARKET", LIMIT: "LIMIT", "stop-loss": "STOP_LOSS", "take-profit": "TAKE_PROFIT"}
_STATUS = {"open": "NEW", "filled": "FILLED", "cancelled": "CANCELED", "rejected": "REJECTED"}


def signature(secret: str, query: str) -> str:
    """The hexadecimal signature of a query without its own part."""
    return hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()


def routes(exchange: Exchange) -> Routes:
    """The addresses of Binance."""
    matching, keyring = exchange.matching, exchange.keyring

    def told(need: str | None, action: Callable[[Mapping[str, str]], Any]) -> Callable[..., Answer]:
        """The action behind its permission; None is a public call."""

        def act(request: Request) -> Answer:
            try:
                exchange.refuse_outage()
                if need is not None:
                    _admit(exchange, request, need)
                return answer(texts(action(request.query)))
            except Refused as refused:
                code = {401: -2015, 403: -2015, 404: -1121, 503: -1000}.get(refused.status, -2010)
                code = -2013 if refused.message == _NO_ORDER else code
                return answer({"code": code, "msg": refused.message}, 401 if code == -2015 else max(400, refused.status))

        return act

    def restrictions(query: Mapping[str, str]) -> Any:
        may = keyring.permissions
        granted = {
            "ipRestrict": False,
            "createTime": 1_767_340_800_000,
            "enableReading": READ in may,
            "enableSpotAndMarginTrading": TRADE in may,
            "enableWithdrawals": WITHDRAW in may,
            "enableInternalTransfer": False,
            "permitsUniversalTransfer": False,
            "enableMargin": False,
            "enableFutures": False,
            "enableVanillaOptions": False,
        }
        return granted | ({f"enable{keyring.strange}": True} if keyring.strange else {})

    def account(query: Mapping[str, str]) -> Any:
        reserved = matching.reserved()
        rows = [
            {"asset": asset, "free": amount - reserved.get(asset, Decimal(0)), "locked": reserved.get(asset, Decimal(0))}
            for asset, amount in exchange.balances().items()
        ]
        return {"canTrade": True, "accountType": "SPOT", "balances": rows}

    def open_orders(query: Mapping[str, str]) -> Any:
        return [_order(order) for order in matching.open_orders() if query.get("symbol") in (None, order["symbol"])]

    def order(query: Mapping[str, str]) -> Any:
        found = matching.find(query.get("origClientOrderId", ""))
        if found is None or found["symbol"] != query.get("symbol"):
            raise Refused(400, _NO_ORDER)
        return _order(found)

    def depth(query: Mapping[str, str]) -> Any:
        bids, asks = exchange.book(query.get("symbol", ""))
        sides = {name: [[level.price, level.quantity] for level in levels] for name, levels in (("bids", bids), ("asks", asks))}
        return {"lastUpdateId": 1, **sides}

    def price(query: Mapping[str, str]) -> Any:
        symbol = query.get("symbol", "")
        return {"symbol": symbol, "price": exchange.market.price(symbol)}

    return (
        ("GET", "/sapi/v1/account/apiRestrictions", told("", restrictions)),
        ("GET", "/api/v3/account", told(READ, account)),
        ("GET", "/api/v3/openOrders", told(READ, open_orders)),
        ("GET", "/api/v3/order", told(READ, order)),
        ("GET", "/api/v3/depth", told(None, depth)),
        ("GET", "/api/v3/ticker/price", told(None, price)),
        ("GET", "/api/v3/time", told(None, lambda query: {"serverTime": time.time_ns() // 1_000_000})),
    )


_NO_ORDER = "Order does not exist."


def _admit(exchange: Exchange, request: Request, need: str) -> None:
    query, _, sent = request.target.partition("?")[2].rpartition("&signature=")
    exchange.keyring.admit(
        request.headers.get("x-mbx-apikey", ""),
        None,
        need,
        signed=lambda: same(signature(exchange.keyring.secret, query), sent) and fresh(request.query.get("timestamp", "")),
    )


def _order(order: Mapping[str, Any]) -> Mapping[str, Any]:
    filled, kind = order["status"] == "filled", order.get("type", MARKET)
    trigger = order.get("trigger", Decimal(0))
    return {
        "symbol": order["symbol"],
        "orderId": order["order_id"],
        "clientOrderId": order["client_order_id"],
        "price": trigger if kind == LIMIT else Decimal(0),
        "stopPrice": Decimal(0) if kind in (LIMIT, MARKET) else trigger,
        "origQty": order["quantity"],
        "executedQty": order["quantity"] if filled else Decimal(0),
        "status": _STATUS[order["status"]],
        "type": _TYPES[kind],
        "side": order["side"],
        "time": int(datetime.fromisoformat(order["at"]).timestamp() * 1000),
    }
