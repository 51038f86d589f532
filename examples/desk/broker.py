"""The desk's side of an exchange: signed calls, and what became of an order when the line broke."""

from __future__ import annotations

import http.client
import secrets
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, final

from examples.desk import jsontext
from examples.desk.errors import BrokerError
from examples.desk.venues import signature
from examples.desk.web import call, unsent


@final
class Broker:
    """An exchange under one API key; every failure is a BrokerError."""

    def __init__(self, name: str, url: str, *, key: str, secret: str, timeout: float = 3.0) -> None:
        self.name = name
        self.url = url
        self._key = key
        self._secret = secret
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"Broker({self.name}, {self.url})"

    def time(self) -> str:
        """The exchange's clock; a public call."""
        return str(self._call("GET", "/time")["time"])

    def price(self, symbol: str) -> Decimal:
        """The price of a symbol now; a public call."""
        return Decimal(self._call("GET", f"/ticker/{symbol}")["price"])

    def balances(self, account: str) -> Mapping[str, Decimal]:
        """What the exchange holds for an account; a private call that changes nothing."""
        found: Mapping[str, Any] = self._call("GET", f"/account/{account}", private=True)["balances"]
        return {asset: Decimal(amount) for asset, amount in found.items()}

    def place(self, account: str, symbol: str, side: str, quantity: Decimal, client_order_id: str) -> Mapping[str, Any]:
        """The filled order as the exchange tells it; BrokerError.unknown if nobody can say whether it was filled."""
        body = jsontext.dumps(
            {"account": account, "symbol": symbol, "side": side, "quantity": quantity, "client_order_id": client_order_id}
        )
        try:
            return self._call("POST", "/orders", body=body.encode(), private=True)
        except BrokerError as error:
            if not error.unknown:
                raise
        found = self.found(client_order_id)
        if found is None:
            raise BrokerError(f"{self.name}: the order did not arrive")
        return found

    def found(self, client_order_id: str) -> Mapping[str, Any] | None:
        """The order with this id if the exchange has it; BrokerError.unknown if it cannot be asked."""
        try:
            return self._call("GET", f"/orders/{client_order_id}", private=True)
        except BrokerError as error:
            if error.status == 404:
                return None
            raise BrokerError(f"{self.name}: what became of the order is unknown: {error.message}", unknown=True) from error

    def rest(
        self,
        account: str,
        symbol: str,
        side: str,
        quantity: Decimal,
        client_order_id: str,
        *,
        kind: str,
        price: Decimal,
        group: str = "",
    ) -> Mapping[str, Any]:
        """The order as the exchange took it: `kind` is limit, stop-loss or take-profit, `price` what it waits for.

        A limit order that the price meets already is filled at once. Orders of one `group` are alternatives: the first that
        fills cancels the others. BrokerError.unknown if nobody can say whether it arrived.
        """
        wish = {"account": account, "symbol": symbol, "side": side, "quantity": quantity, "client_order_id": client_order_id}
        body = jsontext.dumps({**wish, "type": kind, "price": price, "group": group})
        return self._call("POST", "/orders", body=body.encode(), private=True)

    def cancel(self, client_order_id: str) -> Mapping[str, Any]:
        """The order after it was taken back; BrokerError 404 if there is none, 409 if it was filled."""
        return self._call("DELETE", f"/orders/{client_order_id}", private=True)

    def open_orders(self, account: str) -> Sequence[Mapping[str, Any]]:
        """What rests at the exchange for an account, the oldest first."""
        found: Sequence[Mapping[str, Any]] = self._call("GET", f"/account/{account}/orders", private=True)["orders"]
        return found

    def fills(self, account: str) -> Sequence[Mapping[str, Any]]:
        """Everything that the account traded there, with its fees, the latest first."""
        found: Sequence[Mapping[str, Any]] = self._call("GET", f"/account/{account}/trades", private=True)["trades"]
        return found

    def book(self, symbol: str) -> Mapping[str, Any]:
        """Bids and asks, the best first; a public call."""
        return self._call("GET", f"/book/{symbol}")

    def fund(self, account: str, asset: str, amount: Decimal) -> Mapping[str, Decimal]:
        """What an account holds after a testnet gave it play money."""
        body = jsontext.dumps({"account": account, "asset": asset, "amount": amount})
        found: Mapping[str, Any] = self._call("POST", "/faucet", body=body.encode(), private=True)["balances"]
        return {name: Decimal(held) for name, held in found.items()}

    def permissions(self) -> Sequence[str]:
        """What the key may do, in the exchange's words: read, trade, withdraw, or one that nobody has heard of."""
        found: Sequence[str] = self._call("GET", "/permissions", private=True)["permissions"]
        return found

    def _call(self, method: str, target: str, *, body: bytes = b"", private: bool = False) -> Mapping[str, Any]:
        headers = {}
        if private:
            if not self._key or not self._secret:
                raise BrokerError(f"{self.name}: no API key and secret in the environment", status=401)
            stamp, nonce = str(time.time_ns() // 1_000_000), secrets.token_hex(8)
            headers = {
                "X-Key": self._key,
                "X-Timestamp": stamp,
                "X-Nonce": nonce,
                "X-Signature": signature(self._secret, stamp, nonce, method, target, body),
            }
        try:
            status, value = call(self.url, method, target, body=body, headers=headers, timeout=self._timeout)
        except (OSError, http.client.HTTPException, ValueError) as error:
            told = f"{self.name}: {type(error).__name__}: {error}"
            raise BrokerError(told, unknown=method == "POST" and not unsent(error)) from error
        if status != 200 or not isinstance(value, dict):
            reason = value.get("error", "") if isinstance(value, dict) else ""
            raise BrokerError(f"{self.name}: {reason or f'HTTP {status}'}", status=status, unknown=status == 500)
        return value
