"""Coinbase's dialect: each private call carries a token that the key's own private key signed (ES256).

Source: Coinbase's public documentation of API key authentication and of the Advanced Trade API (key_permissions, accounts,
orders, product book, time).
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from examples.desk import clock
from examples.desk.venues.dialects import texts
from examples.desk.venues.keyring import READ, TRADE, WITHDRAW
from examples.desk.venues.matching import LIMIT, MARKET
from examples.desk.web import Answer, Refused, Request, Routes, answer

if TYPE_CHECKING:
    from examples.desk.venues.exchange import Exchange

_API = "/api/v3/brokerage"
_PRODUCTS = {"BTC-USDT": "BTCUSDT", "ETH-USDT": "ETHUSDT"}
_STATUS = {"open": "OPEN", "filled": "FILLED", "cancelled": "CANCELLED", "rejected": "FAILED"}
_PAGE = 250


def made_up_secret() -> str:
    """A private key as Coinbase hands them out, on one line."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return pem.decode().strip().replace("\n", "\\n")


def routes(exchange: Exchange) -> Routes:
    """The addresses of Coinbase."""
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
                word = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}.get(refused.status, "INTERNAL")
                return answer({"error": word, "message": refused.message}, refused.status)

        return act

    def key(request: Request) -> Any:
        may = keyring.permissions
        return {
            "can_view": READ in may,
            "can_trade": TRADE in may,
            "can_transfer": WITHDRAW in may,
            "portfolio_uuid": "desk",
            "portfolio_type": "DEFAULT",
        } | ({f"can_{keyring.strange.lower()}": True} if keyring.strange else {})

    def accounts(request: Request) -> Any:
        reserved = matching.reserved()
        rows = [
            {
                "uuid": asset.lower(),
                "currency": asset,
                "available_balance": {"value": amount - reserved.get(asset, Decimal(0)), "currency": asset},
                "hold": {"value": reserved.get(asset, Decimal(0)), "currency": asset},
            }
            for asset, amount in exchange.balances().items()
        ]
        return {"accounts": rows, "has_next": False, "cursor": "", "size": len(rows)}

    def orders(request: Request) -> Any:
        query, resting = request.query, matching.open_orders()
        rows = resting if query.get("order_status") == "OPEN" else resting + [_filled(fill) for fill in matching.fills()]
        wanted = [_order(order) for order in rows if query.get("product_ids") in (None, _product(order))]
        begin = int(query.get("cursor", "0"))
        rest = len(wanted) > begin + _PAGE
        return {"orders": wanted[begin : begin + _PAGE], "has_next": rest, "cursor": str(begin + _PAGE) if rest else ""}

    def book(request: Request) -> Any:
        product = request.query.get("product_id", "")
        bids, asks = exchange.book(_symbol(product))
        sides = {
            name: [{"price": level.price, "size": level.quantity} for level in levels]
            for name, levels in (("bids", bids), ("asks", asks))
        }
        return {"pricebook": {"product_id": product, **sides, "time": clock.iso(clock.now())}}

    def product(request: Request, product: str) -> Any:
        return {"product_id": product, "price": exchange.market.price(_symbol(product)), "status": "online"}

    def now(request: Request) -> Any:
        return {"iso": clock.iso(clock.now()), "epochSeconds": str(int(time.time()))}

    return (
        ("GET", f"{_API}/key_permissions", told("", key)),
        ("GET", f"{_API}/accounts", told(READ, accounts)),
        ("GET", f"{_API}/orders/historical/batch", told(READ, orders)),
        ("GET", f"{_API}/market/product_book", told(None, book)),
        ("GET", f"{_API}/market/products/{{product}}", told(None, product)),
        ("GET", f"{_API}/time", told(None, now)),
    )


def _admit(exchange: Exchange, request: Request, need: str) -> None:
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    try:
        head, claims, mark = token.split(".")
        about, said = (json.loads(_decoded(part)) for part in (head, claims))
        key, once = str(about["kid"]), str(about["nonce"])
    except (ValueError, TypeError, KeyError):
        raise Refused(401, "unauthorized: no token") from None

    def signed() -> bool:
        uri = f"{request.method} {request.headers.get('host', '')}{request.path}"
        if (about.get("alg"), said.get("iss"), said.get("sub"), said.get("uri")) != ("ES256", "cdp", key, uri):
            return False
        now = time.time()
        fresh = said.get("nbf", now + 60) <= now + 5 and now < said.get("exp", 0) <= now + 180
        return fresh and _verified(exchange.keyring.secret, f"{head}.{claims}".encode(), _decoded(mark))

    exchange.keyring.admit(key, f"coinbase {once}", need, signed=signed)


def _verified(secret: str, text: bytes, mark: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    try:
        key = serialization.load_pem_private_key(secret.replace("\\n", "\n").encode(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        der = encode_dss_signature(int.from_bytes(mark[:32], "big"), int.from_bytes(mark[32:], "big"))
        key.public_key().verify(der, text, ec.ECDSA(hashes.SHA256()))
    except (ValueError, AssertionError, InvalidSignature):
        return False
    return True


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _symbol(product: str) -> str:
    if product not in _PRODUCTS:
        raise Refused(404, f"{product} is not traded here")
    return _PRODUCTS[product]


def _product(order: Mapping[str, Any]) -> str:
    return next(name for name, symbol in _PRODUCTS.items() if symbol == order["symbol"])


def _filled(fill: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**fill, "status": "filled"}


def _order(order: Mapping[str, Any]) -> Mapping[str, Any]:
    kind, filled = order.get("type", MARKET), order["status"] == "filled"
    size, trigger = {"base_size": order["quantity"]}, order.get("trigger")
    if kind == LIMIT:
        configuration: Mapping[str, Any] = {"limit_limit_gtc": {**size, "limit_price": trigger, "post_only": False}}
    elif kind == MARKET:
        configuration = {"market_market_ioc": size}
    else:
        down = (kind == "stop-loss") == (order["side"] == "SELL")
        direction = "STOP_DIRECTION_STOP_DOWN" if down else "STOP_DIRECTION_STOP_UP"
        stop = {**size, "limit_price": trigger, "stop_price": trigger, "stop_direction": direction}
        configuration = {"stop_limit_stop_limit_gtc": stop}
    return {
        "order_id": order["order_id"],
        "client_order_id": order["client_order_id"],
        "product_id": _product(order),
        "side": order["side"],
        "status": _STATUS[order["status"]],
        "order_configuration": configuration,
        "filled_size": order["quantity"] if filled else Decimal(0),
        "average_filled_price": order.get("price", Decimal(0)),
        "total_fees": order.get("fee", Decimal(0)),
        "created_time": order["at"],
    }
