"""An exchange, simulated behind real HTTP: it knows nothing of the desk, and its word on balances and orders is the truth.

It keeps balances and orders in a database of its own, verifies an HMAC on each private call, refuses replays, and fills
market orders at a price that moves. `POST /control` is the lever for drills and takes a token of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import random
import sqlite3
import threading
import time
import uuid
from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any, final

from examples.desk import clock
from examples.desk.symbols import SYMBOLS, Symbol
from examples.desk.web import Answer, Refused, Request, Routes, Server, answer

FEE = Decimal("0.001")
SLIPPAGE = Decimal("0.0001")
WINDOW = 5.0
"""Seconds by which a signed request may be old."""

_CENT = Decimal("0.01")
_DUST = Decimal("0.00000001")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS balances(account TEXT, asset TEXT, amount TEXT NOT NULL, PRIMARY KEY (account, asset));
CREATE TABLE IF NOT EXISTS orders(
  order_id TEXT PRIMARY KEY, client_order_id TEXT UNIQUE NOT NULL, account TEXT NOT NULL, symbol TEXT NOT NULL,
  side TEXT NOT NULL, quantity TEXT NOT NULL, price TEXT NOT NULL, fee TEXT NOT NULL, at TEXT NOT NULL);
"""


def signature(secret: str, timestamp: str, nonce: str, method: str, target: str, body: bytes) -> str:
    """The hexadecimal HMAC-SHA256 that a private call carries."""
    text = f"{timestamp}\n{nonce}\n{method}\n{target}\n".encode() + body
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


@final
class Exchange:
    """One venue: `prefix` begins its order ids, `opening` is what each account holds when the store is new."""

    def __init__(
        self,
        store: Path,
        *,
        name: str,
        prefix: str,
        key: str,
        secret: str,
        control: str,
        opening: Mapping[str, Mapping[str, str]],
    ) -> None:
        self.name = name
        self._prefix = prefix
        self._key = key
        self._secret = secret
        self._control = control
        self._lock = threading.RLock()
        self._nonces: dict[str, float] = {}
        self._refusals: dict[str, int] = {}
        self._authenticates = True
        self._outage = False
        self._factor = Decimal(1)
        self._walk = {symbol: (0.0, time.monotonic()) for symbol in SYMBOLS}
        self._db = sqlite3.connect(store, check_same_thread=False, isolation_level=None)
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _SCHEMA)
        for account, holdings in opening.items():
            for asset, amount in holdings.items():
                self._db.execute("INSERT OR IGNORE INTO balances VALUES (?, ?, ?)", (account, asset, amount))
        self.server = Server(self._routes())

    def close(self) -> None:
        """Close the store once nothing is being written into it."""
        with self._lock:
            self._db.close()

    def _routes(self) -> Routes:
        return (
            ("GET", "/time", self._time),
            ("GET", "/ticker/{symbol}", self._ticker),
            ("GET", "/account/{account}", self._account),
            ("GET", "/orders/{client_order_id}", self._order),
            ("POST", "/orders", self._place),
            ("POST", "/control", self._steer),
        )

    def _time(self, request: Request) -> Answer:
        self._refuse_outage()
        return answer({"exchange": self.name, "time": clock.now()})

    def _ticker(self, request: Request, symbol: str) -> Answer:
        self._refuse_outage()
        return answer({"symbol": _symbol(symbol).name, "price": self._price(symbol), "time": clock.now()})

    def _account(self, request: Request, account: str) -> Answer:
        self._authenticate(request)
        with self._lock:
            rows = self._db.execute("SELECT asset, amount FROM balances WHERE account = ?", (account,)).fetchall()
        if not rows:
            raise Refused(404, f"no account {account} here")
        balances = {asset: Decimal(amount) for asset, amount in rows}
        return answer({"account": account, "balances": balances, "permissions": ["read", "trade"], "time": clock.now()})

    def _order(self, request: Request, client_order_id: str) -> Answer:
        self._authenticate(request)
        with self._lock:
            found = self._found(client_order_id)
        if found is None:
            raise Refused(404, f"no order {client_order_id} here")
        return answer(found)

    def _place(self, request: Request) -> Answer:
        self._authenticate(request)
        wish = request.json()
        account, client_order_id = str(wish.get("account", "")), str(wish.get("client_order_id", ""))
        symbol, side = _symbol(str(wish.get("symbol", ""))), wish.get("side")
        quantity = wish.get("quantity")
        if isinstance(quantity, int) and not isinstance(quantity, bool):
            quantity = Decimal(quantity)
        if side not in ("BUY", "SELL") or not isinstance(quantity, Decimal) or quantity <= 0 or not client_order_id:
            raise Refused(400, "an order has account, symbol, side BUY or SELL, quantity > 0 and client_order_id")
        if quantity % symbol.step:
            raise Refused(400, f"the quantity of {symbol.name} comes in steps of {symbol.step}")
        with self._lock:
            found = self._found(client_order_id)
            if found is not None:
                return answer(found)
            if self._refusals.get(account, 0) > 0:
                self._refusals[account] -= 1
                raise Refused(422, f"orders of {account} are refused")
            return answer(self._fill(account, client_order_id, symbol, side, quantity))

    def _fill(self, account: str, client_order_id: str, symbol: Symbol, side: str, quantity: Decimal) -> Mapping[str, Any]:
        sign = 1 if side == "BUY" else -1
        price = (self._price(symbol.name) * (1 + sign * SLIPPAGE)).quantize(_CENT)
        value = price * quantity
        fee = (value * FEE).quantize(_DUST)
        changes = {symbol.quote: -sign * value - fee, symbol.base: sign * quantity}
        order_id = f"{self._prefix}-{uuid.uuid4().hex[:16]}"
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for asset, change in changes.items():
                row = self._db.execute("SELECT amount FROM balances WHERE account = ? AND asset = ?", (account, asset)).fetchone()
                amount = (Decimal(row[0]) if row else Decimal(0)) + change
                if amount < 0:
                    raise Refused(422, f"insufficient {asset}")
                self._db.execute("INSERT OR REPLACE INTO balances VALUES (?, ?, ?)", (account, asset, format(amount, "f")))
            self._db.execute(
                "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    order_id,
                    client_order_id,
                    account,
                    symbol.name,
                    side,
                    str(quantity),
                    str(price),
                    str(fee),
                    clock.iso(clock.now()),
                ),
            )
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
        found = self._found(client_order_id)
        assert found is not None
        return found

    def _found(self, client_order_id: str) -> Mapping[str, Any] | None:
        row = self._db.execute(
            "SELECT order_id, account, symbol, side, quantity, price, fee, at FROM orders WHERE client_order_id = ?",
            (client_order_id,),
        ).fetchone()
        if row is None:
            return None
        order_id, account, symbol, side, quantity, price, fee, at = row
        return {
            "order_id": order_id,
            "client_order_id": client_order_id,
            "status": "filled",
            "account": account,
            "symbol": symbol,
            "side": side,
            "quantity": Decimal(quantity),
            "price": Decimal(price),
            "fee": Decimal(fee),
            "at": at,
        }

    def _price(self, symbol: str) -> Decimal:
        """The price of now: a slow random walk around the listed one, times what a drill made of it."""
        with self._lock:
            step, last = self._walk[_symbol(symbol).name]
            at = time.monotonic()
            step = max(-0.01, min(0.01, step + random.gauss(0, 0.00005) * math.sqrt(at - last)))
            self._walk[symbol] = (step, at)
            price = SYMBOLS[symbol].listed * (1 + Decimal(repr(step))) * self._factor
        return price.quantize(_CENT, rounding=ROUND_DOWN)

    def _authenticate(self, request: Request) -> None:
        self._refuse_outage()
        headers = request.headers
        stamp, nonce = headers.get("x-timestamp", ""), headers.get("x-nonce", "")
        right = signature(self._secret, stamp, nonce, request.method, request.target, request.body)
        known = bool(self._key and self._secret) and hmac.compare_digest(headers.get("x-key", "").encode(), self._key.encode())
        if not hmac.compare_digest(right.encode(), headers.get("x-signature", "").encode()) or not known:
            raise Refused(401, "unauthorized: unknown key or wrong signature")
        if not stamp.isdecimal() or not abs(time.time() - int(stamp) / 1000) < WINDOW:
            raise Refused(401, "unauthorized: the time stamp is out of the window")
        with self._lock:
            self._nonces = {used: at for used, at in self._nonces.items() if at > time.monotonic() - 2 * WINDOW}
            if not nonce or nonce in self._nonces:
                raise Refused(401, "unauthorized: the nonce was used before")
            self._nonces[nonce] = time.monotonic()
            if not self._authenticates:
                raise Refused(401, "unauthorized: authentication is closed")

    def _refuse_outage(self) -> None:
        if self._outage:
            raise Refused(503, f"{self.name} is down")

    def _steer(self, request: Request) -> Answer:
        if not hmac.compare_digest(request.headers.get("x-control", "").encode(), self._control.encode()):
            raise Refused(401, "unauthorized")
        wish = request.json()
        with self._lock:
            if "authenticate" in wish:
                self._authenticates = wish["authenticate"] is True
            if "outage" in wish:
                self._outage = wish["outage"] is True
            if "price_factor" in wish:
                self._factor = Decimal(str(wish["price_factor"]))
            if "refuse" in wish:
                self._refusals[str(wish["refuse"])] = int(wish["failures"])
        return answer({"ok": True})


def _symbol(name: str) -> Symbol:
    if name not in SYMBOLS:
        raise Refused(404, f"{name} is not traded here")
    return SYMBOLS[name]
