"""VALR: HMAC-SHA512 over time stamp, verb, path and body, in `X-VALR-*` headers. Source: VALR's API documentation."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, ClassVar, final

from pytest_golive.errors import ProbeError
from pytest_golive.probes.exchange.answers import Answer, level, restricts, unknown_permissions
from pytest_golive.probes.exchange.venue import DEPTH, Call, Credentials, Venue

_READ, _TRADE, _WITHDRAW = "view access", "trade", "withdraw"
_STATES = {
    "placed": "open",
    "active": "open",
    "partially filled": "open",
    "filled": "filled",
    "cancelled": "cancelled",
    "expired": "cancelled",
    "failed": "rejected",
}


@final
class Valr(Venue):
    """VALR's REST API, version 1."""

    name: ClassVar[str] = "VALR"
    home: ClassVar[str] = "https://api.valr.com"

    def permissions(self) -> dict[str, Any]:
        told = self.private("/v1/account/api-keys/current")
        words = [part.text for part in told["permissions"].parts]
        unknown = [word for word in words if word.lower() not in (_READ, _TRADE, _WITHDRAW)]
        if unknown:
            raise unknown_permissions(self.name, unknown)
        granted = {word.lower() for word in words}
        return {
            "can_read": _READ in granted,
            "can_trade": _TRADE in granted,
            "can_withdraw": _WITHDRAW in granted,
            "permissions": words,
            "ip_restricted": "allowedIpAddressCidr" in told and restricts([told["allowedIpAddressCidr"]]),
        }

    def balances(self) -> dict[str, Any]:
        rows = self.private("/v1/account/balances").parts
        return {
            "balances": {row["currency"].text: row["total"].number for row in rows},
            "available": {row["currency"].text: row["available"].number for row in rows},
        }

    def open_orders(self, symbol: str | None) -> list[dict[str, Any]]:
        rows = self.private("/v1/orders/open").parts
        return [_resting(row) for row in rows if symbol in (None, row["currencyPair"].text)]

    def order(self, identity: str, symbol: str | None) -> dict[str, Any] | None:
        if symbol is None:
            raise ProbeError("VALR finds an order only in its pair", hint="write symbol")
        try:
            told = self.private(f"/v1/orders/{symbol}/customerorderid/{identity}")
        except _NotFound:
            return None
        quantity, rest = told["originalQuantity"].number, told["remainingQuantity"].number
        state = told["orderStatusType"].text
        return {
            "order_id": told["orderId"].text,
            "client_order_id": told["customerOrderId"].text,
            "symbol": told["currencyPair"].text,
            "side": told["orderSide"].text.lower(),
            "type": told["orderType"].text.lower(),
            "quantity": quantity,
            "filled": quantity - rest,
            "state": _STATES.get(state.lower(), state),
        }

    def order_book(self, symbol: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        told = self.public(f"/v1/public/{symbol}/orderbook")
        bids, asks = (
            [level(row["price"].number, row["quantity"].number) for row in told[side].parts[:DEPTH]] for side in ("Bids", "Asks")
        )
        return bids, asks

    def ticker(self, symbol: str) -> dict[str, Any]:
        told = self.public(f"/v1/public/{symbol}/marketsummary")
        return {"symbol": told["currencyPair"].text, "price": told["lastTradedPrice"].number, "at": told["created"].text}

    def time(self) -> str:
        return self.public("/v1/public/time")["time"].text

    def signed(self, call: Call, credentials: Credentials) -> tuple[str, dict[str, str], bytes]:
        stamp = str(int(self.context.now().timestamp() * 1000))
        text = f"{stamp}{call.method}{call.target}"
        mark = hmac.new(credentials.secret.encode(), text.encode(), hashlib.sha512).hexdigest()
        headers = {"X-VALR-API-KEY": credentials.key, "X-VALR-TIMESTAMP": stamp, "X-VALR-SIGNATURE": mark}
        return call.target, headers, b""

    def wrong_secret(self, secret: str) -> str:
        return hashlib.sha256(secret.encode()).hexdigest()

    def refused(self, status: int, body: Any) -> str:
        told = str(body.get("message") or body.get("error") or "") if isinstance(body, dict) else ""
        if status in (401, 403):
            raise self.refusal(told or f"status {status}")
        if status == 404 and isinstance(body, dict) and "code" in body:
            raise _NotFound(f"{self.name} knows nothing there: {told or 'status 404'}", hint="correct the symbol or the address")
        is_error = isinstance(body, dict) and (body.get("code") not in (None, 0) or body.get("error"))
        return (told or "an error without a word") if is_error else ""


@final
class _NotFound(ProbeError):
    """404: an order that is not there, or an address that is not."""


def _resting(row: Answer) -> dict[str, Any]:
    order = {
        "order_id": row["orderId"].text,
        "client_order_id": row["customerOrderId"].text if "customerOrderId" in row else "",
        "symbol": row["currencyPair"].text,
        "side": row["side"].text.lower(),
        "type": row["type"].text.lower(),
        "quantity": row["remainingQuantity"].number,
        "created_at": row["createdAt"].text,
    }
    if "price" in row:
        order["price"] = row["price"].number
    return order | ({"trigger": row["stopPrice"].number} if "stopPrice" in row else {})
