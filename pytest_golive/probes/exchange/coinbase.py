"""Coinbase Advanced Trade: each call carries a token of two minutes, signed with the key's own private key (ES256, or Ed25519).

The secret is a PEM text, whose line ends may be written as `\\n`, or the Base64 text of an Ed25519 key. Source: Coinbase's
documentation of API key authentication and of the Advanced Trade REST API.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from typing import Any, ClassVar, final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from pytest_golive.errors import ProbeError
from pytest_golive.probes.exchange.answers import Answer, level, unknown_permissions
from pytest_golive.probes.exchange.venue import DEPTH, Call, Credentials, Venue

_API = "/api/v3/brokerage"
_KNOWN = ("can_view", "can_trade", "can_transfer")
_STATES = {
    "PENDING": "open",
    "OPEN": "open",
    "QUEUED": "open",
    "FILLED": "filled",
    "CANCELLED": "cancelled",
    "CANCEL_QUEUED": "open",
    "EXPIRED": "cancelled",
    "FAILED": "rejected",
}
_PAGES = 20
_LIFE = 120


@final
class Coinbase(Venue):
    """Coinbase's Advanced Trade REST API, version 3."""

    name: ClassVar[str] = "Coinbase"
    home: ClassVar[str] = "https://api.coinbase.com"

    def permissions(self) -> dict[str, Any]:
        told = self.private(f"{_API}/key_permissions")
        unknown = [
            name
            for name, part in told.fields.items()
            if name.startswith("can_") and name not in _KNOWN and part.value is not False
        ]
        if unknown:
            raise unknown_permissions(self.name, unknown)
        view, trade, transfer = (told[name].truth for name in _KNOWN)
        return {
            "can_read": view,
            "can_trade": trade,
            "can_withdraw": transfer,
            "permissions": [name for name in _KNOWN if told[name].truth],
        }

    def balances(self) -> dict[str, Any]:
        rows = self._paged("accounts", "accounts", limit="250")
        held: dict[str, Any] = {}
        free: dict[str, Any] = {}
        for row in rows:
            asset, available = row["currency"].text, row["available_balance"]["value"].number
            free[asset] = free.get(asset, 0) + available
            held[asset] = held.get(asset, 0) + available + row["hold"]["value"].number
        return {"balances": held, "available": free}

    def open_orders(self, symbol: str | None) -> list[dict[str, Any]]:
        rows = self._paged("orders/historical/batch", "orders", order_status="OPEN", limit="250")
        orders = [_order(row) for row in rows]
        return [order for order in orders if symbol in (None, order["symbol"])]

    def order(self, identity: str, symbol: str | None) -> dict[str, Any] | None:
        query = {} if symbol is None else {"product_ids": symbol}
        rows = self._paged("orders/historical/batch", "orders", limit="250", **query)
        return next((_order(row) for row in rows if row["client_order_id"].text == identity), None)

    def order_book(self, symbol: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        told = self.public(f"{_API}/market/product_book", product_id=symbol, limit=str(DEPTH))["pricebook"]
        bids, asks = (
            [level(row["price"].number, row["size"].number) for row in told[side].parts[:DEPTH]] for side in ("bids", "asks")
        )
        return bids, asks

    def ticker(self, symbol: str) -> dict[str, Any]:
        told = self.public(f"{_API}/market/products/{symbol}")
        return {"symbol": told["product_id"].text, "price": told["price"].number}

    def time(self) -> str:
        return self.public(f"{_API}/time")["iso"].text

    def _paged(self, path: str, name: str, **query: str) -> list[Answer]:
        """The elements of all pages; an error if there is no end of them."""
        rows: list[Answer] = []
        cursor: dict[str, str] = {}
        for _ in range(_PAGES):
            told = self.private(f"{_API}/{path}", {**query, **cursor})
            rows += told[name].parts
            if not told["has_next"].truth:
                return rows
            cursor = {"cursor": told["cursor"].text}
        raise ProbeError(f"{self.name} has more than {_PAGES} pages of {name}", hint="ask for one symbol")

    def signed(self, call: Call, credentials: Credentials) -> tuple[str, dict[str, str], bytes]:
        now = int(self.context.now().timestamp())
        claims = {
            "sub": credentials.key,
            "iss": "cdp",
            "nbf": now,
            "exp": now + _LIFE,
            "uri": f"{call.method} {self.host}{call.path}",
        }
        return call.target, {"Authorization": f"Bearer {_token(credentials, claims)}"}, b""

    def wrong_secret(self, secret: str) -> str:
        private: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
        if isinstance(_private_key(secret), ed25519.Ed25519PrivateKey):
            private = ed25519.Ed25519PrivateKey.generate()
        else:
            private = ec.generate_private_key(ec.SECP256R1())
        return private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    def refused(self, status: int, body: Any) -> str:
        told = str(body.get("message") or body.get("error") or "") if isinstance(body, dict) else ""
        if status in (401, 403):
            raise self.refusal(told or f"status {status}")
        return (told or "an error without a word") if isinstance(body, dict) and (body.get("error") or body.get("errors")) else ""


def _private_key(secret: str) -> ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey:
    try:
        if "-----BEGIN" in secret:
            key = serialization.load_pem_private_key(secret.replace("\\n", "\n").encode(), None)
        else:
            key = ed25519.Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret, validate=True)[:32])
    except (ValueError, TypeError, binascii.Error):
        key = None
    if isinstance(key, ed25519.Ed25519PrivateKey) or (
        isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp256r1"
    ):
        return key
    raise ProbeError(
        "the secret is no private key as Coinbase's are",
        hint="it is a PEM text (EC, P-256), or the Base64 text of an Ed25519 key",
    )


def _token(credentials: Credentials, claims: dict[str, Any]) -> str:
    key = _private_key(credentials.secret)
    algorithm = "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "EdDSA"
    head = {"alg": algorithm, "typ": "JWT", "kid": credentials.key, "nonce": secrets.token_hex(16)}
    text = ".".join(_encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        mark = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    else:
        mark = key.sign(text.encode())
    return f"{text}.{_encoded(mark)}"


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _order(row: Answer) -> dict[str, Any]:
    state = row["status"].text
    (kind, about), *_ = row["order_configuration"].fields.items() or [("", row)]
    side, filled = row["side"].text.lower(), row["filled_size"].number
    order = {
        "order_id": row["order_id"].text,
        "client_order_id": row["client_order_id"].text,
        "symbol": row["product_id"].text,
        "side": side,
        "type": _kind(kind, about, side),
        "filled": filled,
        "fee": row["total_fees"].number,
        "state": _STATES.get(state, state),
        "created_at": row["created_time"].text,
    }
    for name, field in (("quantity", "base_size"), ("price", "limit_price"), ("trigger", "stop_price")):
        if field in about:
            order[name] = about[field].number
    return order


def _kind(name: str, about: Answer, side: str) -> str:
    """limit, market, or what a stop is for: it limits a loss if it sells on the way down, or buys on the way up."""
    if "stop_direction" in about:
        down = about["stop_direction"].text.endswith("DOWN")
        return "stop-loss" if down == (side == "sell") else "take-profit"
    return name.partition("_")[0]
