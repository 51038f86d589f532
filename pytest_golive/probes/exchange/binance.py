"""Binance: HMAC-SHA256 over the query, in the query; the key is a header. Source: Binance's spot and wallet documentation.

`apiRestrictions` is part of the wallet API, which the public spot testnet does not have; there this question is an error.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, ClassVar, final
from urllib.parse import urlencode

from pytest_golive.errors import ProbeError
from pytest_golive.probes.exchange.answers import Answer, level, moment, unknown_permissions
from pytest_golive.probes.exchange.venue import DEPTH, Call, Credentials, Venue

_WITHDRAWING = ("enableWithdrawals", "enableInternalTransfer", "permitsUniversalTransfer")
_KNOWN = (
    *_WITHDRAWING,
    "enableReading",
    "enableSpotAndMarginTrading",
    "enableMargin",
    "enableFutures",
    "enableVanillaOptions",
    "enablePortfolioMarginTrading",
    "enableFixApiTrade",
    "enableFixReadOnly",
)
_NO_PERMISSION = ("ipRestrict", "createTime", "tradingAuthorityExpirationTime")
_STATES = {
    "NEW": "open",
    "PENDING_NEW": "open",
    "PARTIALLY_FILLED": "open",
    "FILLED": "filled",
    "CANCELED": "cancelled",
    "EXPIRED": "cancelled",
    "EXPIRED_IN_MATCH": "cancelled",
    "REJECTED": "rejected",
}
_BAD_KEY = (-1022, -2014, -2015, -1021)
_NO_ORDER = -2013


@final
class Binance(Venue):
    """Binance's spot REST API, version 3, and its wallet API."""

    name: ClassVar[str] = "Binance"
    home: ClassVar[str] = "https://api.binance.com"

    def permissions(self) -> dict[str, Any]:
        told = self.private("/sapi/v1/account/apiRestrictions")
        unknown = [name for name, part in told.fields.items() if name not in _KNOWN + _NO_PERMISSION and part.value is not False]
        if unknown:
            raise unknown_permissions(self.name, unknown)
        granted = [name for name in _KNOWN if name in told and told[name].truth]
        withdraw = [told[name].truth for name in _WITHDRAWING]
        return {
            "can_read": told["enableReading"].truth,
            "can_trade": told["enableSpotAndMarginTrading"].truth,
            "can_withdraw": any(withdraw),
            "permissions": granted,
            "ip_restricted": told["ipRestrict"].truth,
        }

    def balances(self) -> dict[str, Any]:
        rows = self.private("/api/v3/account")["balances"].parts
        return {
            "balances": {row["asset"].text: row["free"].number + row["locked"].number for row in rows},
            "available": {row["asset"].text: row["free"].number for row in rows},
        }

    def open_orders(self, symbol: str | None) -> list[dict[str, Any]]:
        query = {} if symbol is None else {"symbol": symbol}
        return [_order(row) for row in self.private("/api/v3/openOrders", query).parts]

    def order(self, identity: str, symbol: str | None) -> dict[str, Any] | None:
        if symbol is None:
            raise ProbeError("Binance finds an order only in its pair", hint="write symbol")
        try:
            return _order(self.private("/api/v3/order", {"symbol": symbol, "origClientOrderId": identity}))
        except _NoOrder:
            return None

    def order_book(self, symbol: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        told = self.public("/api/v3/depth", symbol=symbol, limit=str(DEPTH))
        bids, asks = ([level(row[0].number, row[1].number) for row in told[side].parts[:DEPTH]] for side in ("bids", "asks"))
        return bids, asks

    def ticker(self, symbol: str) -> dict[str, Any]:
        told = self.public("/api/v3/ticker/price", symbol=symbol)
        return {"symbol": told["symbol"].text, "price": told["price"].number}

    def time(self) -> str:
        return moment(self.public("/api/v3/time")["serverTime"].number, per_second=1000)

    def signed(self, call: Call, credentials: Credentials) -> tuple[str, dict[str, str], bytes]:
        query = urlencode({**call.query, "recvWindow": "5000", "timestamp": str(int(self.context.now().timestamp() * 1000))})
        mark = hmac.new(credentials.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        return f"{call.path}?{query}&signature={mark}", {"X-MBX-APIKEY": credentials.key}, b""

    def wrong_secret(self, secret: str) -> str:
        return hashlib.sha256(secret.encode()).hexdigest()

    def refused(self, status: int, body: Any) -> str:
        code = body.get("code") if isinstance(body, dict) else None
        told = str(body.get("msg") or body.get("error") or "") if isinstance(body, dict) else ""
        if code in _BAD_KEY or status in (401, 403):
            raise self.refusal(told or f"status {status}")
        if code == _NO_ORDER:
            raise _NoOrder(f"Binance: {told}", hint="see the client order id")
        is_error = isinstance(body, dict) and (code not in (None, 0, 200) or body.get("error"))
        return (told or "an error without a word") if is_error else ""


@final
class _NoOrder(ProbeError):
    """Binance says that there is no such order."""


def _order(row: Answer) -> dict[str, Any]:
    state, kind = row["status"].text, row["type"].text.lower().replace("_", "-")
    order = {
        "order_id": str(row["orderId"].value),
        "client_order_id": row["clientOrderId"].text,
        "symbol": row["symbol"].text,
        "side": row["side"].text.lower(),
        "type": kind,
        "quantity": row["origQty"].number,
        "filled": row["executedQty"].number,
        "state": _STATES.get(state, state),
        "created_at": moment(row["time"].number, per_second=1000),
    }
    price, trigger = row["price"].number, row["stopPrice"].number if "stopPrice" in row else 0
    return order | ({"price": price} if price else {}) | ({"trigger": trigger} if trigger else {})
