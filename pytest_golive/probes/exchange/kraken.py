"""Kraken: `API-Sign` is HMAC-SHA512, under the decoded secret, over path and SHA-256 of nonce and form.

A list of errors stands in every answer, also in one with status 200. Kraken has names of its own for old assets (XXBT, ZUSD);
they are told as everybody else writes them. Source: Kraken's REST documentation.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from typing import Any, ClassVar, final
from urllib.parse import urlencode

from pytest_golive.errors import ProbeError
from pytest_golive.probes.exchange.answers import Answer, level, moment, restricts, unknown_permissions
from pytest_golive.probes.exchange.venue import DEPTH, Call, Counter, Credentials, Venue

_WITHDRAWING = frozenset({"withdraw-funds", "add-withdraw-address", "update-withdraw-address"})
_KNOWN = _WITHDRAWING | {
    "query-funds",
    "add-funds",
    "earn-funds",
    "query-open-trades",
    "query-closed-trades",
    "modify-trades",
    "close-trades",
    "query-ledger",
    "export-data",
    "create-ws-token",
}
_ASSETS = {"XBT": "BTC", "XDG": "DOGE"}
_STATES = {"pending": "open", "open": "open", "closed": "filled", "canceled": "cancelled", "expired": "cancelled"}
_nonces = Counter()
"""Milliseconds, as most clients count: Kraken refuses any nonce below the last, so larger ones would shut out the bot itself."""


@final
class Kraken(Venue):
    """Kraken's spot REST API, version 0."""

    name: ClassVar[str] = "Kraken"
    home: ClassVar[str] = "https://api.kraken.com"

    def permissions(self) -> dict[str, Any]:
        told = self._result("GetApiKeyInfo")
        words = [part.text for part in told["permissions"].parts]
        unknown = [word for word in words if word not in _KNOWN]
        if unknown:
            raise unknown_permissions(self.name, unknown)
        until = told["validUntil"].number
        return {
            "can_read": "query-funds" in words,
            "can_trade": "modify-trades" in words,
            "can_withdraw": not _WITHDRAWING.isdisjoint(words),
            "permissions": words,
            "ip_restricted": restricts(told["ipAllowlist"].parts),
        } | ({"expires": moment(until)} if until else {})

    def balances(self) -> dict[str, Any]:
        rows = self._result("BalanceEx").fields
        return {
            "balances": _by_asset({name: row["balance"].number for name, row in rows.items()}),
            "available": _by_asset({name: row["balance"].number - row["hold_trade"].number for name, row in rows.items()}),
        }

    def open_orders(self, symbol: str | None) -> list[dict[str, Any]]:
        rows = self._result("OpenOrders")["open"].fields
        orders = [_order(identity, row) for identity, row in rows.items()]
        return [order for order in orders if symbol in (None, order["symbol"])]

    def order(self, identity: str, symbol: str | None) -> dict[str, Any] | None:
        for action, where in (("OpenOrders", "open"), ("ClosedOrders", "closed")):
            rows = self._result(action, cl_ord_id=identity)[where].fields
            for name, row in rows.items():
                if "cl_ord_id" in row and row["cl_ord_id"].text == identity:
                    return _order(name, row)
        return None

    def order_book(self, symbol: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        pairs = self.public("/0/public/Depth", pair=symbol, count=str(DEPTH))["result"].fields
        told = _only(pairs, symbol)
        bids, asks = ([level(row[0].number, row[1].number) for row in told[side].parts[:DEPTH]] for side in ("bids", "asks"))
        return bids, asks

    def ticker(self, symbol: str) -> dict[str, Any]:
        told = _only(self.public("/0/public/Ticker", pair=symbol)["result"].fields, symbol)
        return {"symbol": symbol, "price": told["c"][0].number}

    def time(self) -> str:
        return moment(self.public("/0/public/Time")["result"]["unixtime"].number)

    def _result(self, action: str, **form: str) -> Answer:
        return self.private(f"/0/private/{action}", method="POST", form=form)["result"]

    def signed(self, call: Call, credentials: Credentials) -> tuple[str, dict[str, str], bytes]:
        nonce = str(_nonces.next(int(self.context.now().timestamp() * 1000)))
        body = urlencode({"nonce": nonce, **call.form})
        try:
            secret = base64.b64decode(credentials.secret, validate=True)
        except (binascii.Error, ValueError):
            raise ProbeError("the secret is not Base64, as Kraken's are", hint="see whether it was copied whole") from None
        message = call.path.encode() + hashlib.sha256((nonce + body).encode()).digest()
        mark = base64.b64encode(hmac.new(secret, message, hashlib.sha512).digest()).decode()
        headers = {"API-Key": credentials.key, "API-Sign": mark, "Content-Type": "application/x-www-form-urlencoded"}
        return call.path, headers, body.encode()

    def wrong_secret(self, secret: str) -> str:
        return base64.b64encode(hashlib.sha512(secret.encode()).digest()).decode()

    def refused(self, status: int, body: Any) -> str:
        errors = body.get("error") if isinstance(body, dict) else None
        if not isinstance(errors, list):
            return "it does not tell whether there were errors"
        told = ", ".join(str(error) for error in errors)
        if "EAPI:Invalid nonce" in told:
            raise ProbeError(
                "Kraken does not take this nonce: another process uses the key, and counts further",
                hint="give the gate a key of its own, which may only query, or set a nonce window for this one",
            )
        if re.search(r"EAPI:Invalid (?:key|signature)", told):
            raise self.refusal(told)
        return told or (f"status {status}" if status >= 400 else "")


def _order(identity: str, row: Answer) -> dict[str, Any]:
    about, state = row["descr"], row["status"].text
    order = {
        "order_id": identity,
        "client_order_id": row["cl_ord_id"].text if "cl_ord_id" in row else "",
        "symbol": about["pair"].text,
        "side": about["type"].text,
        "type": about["ordertype"].text,
        "quantity": row["vol"].number,
        "filled": row["vol_exec"].number,
        "fee": row["fee"].number,
        "state": _STATES.get(state, state),
        "created_at": moment(row["opentm"].number),
    }
    name = "price" if order["type"] == "limit" else "trigger"
    return order if order["type"] == "market" else {**order, name: about["price"].number}


def _only(pairs: dict[str, Answer], symbol: str) -> Answer:
    if len(pairs) != 1:
        raise ProbeError(f"Kraken tells of {len(pairs)} pairs where {symbol} was asked", hint="correct the symbol")
    return next(iter(pairs.values()))


def _by_asset(amounts: dict[str, Any]) -> dict[str, Any]:
    named = {_common(name): amount for name, amount in amounts.items()}
    if len(named) != len(amounts):
        raise ProbeError("two of Kraken's assets have the same common name", hint="this is a fault of the gate: please report it")
    return named


def _common(name: str) -> str:
    """The name that everybody else has for an asset of Kraken's; staked ones, with a dot, stay as they are."""
    if len(name) == 4 and name[0] in "XZ":
        name = name[1:]
    return _ASSETS.get(name, name)
