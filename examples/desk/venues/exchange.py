"""An exchange, simulated behind real HTTP: it knows nothing of the desk, and its word on balances and orders is the truth.

It has a generic API, which the desk's brokers use, and speaks its venue's own dialect beside it on the same port, so that
whatever knows the real venue can be pointed at it. `POST /control` is the lever for drills and takes a token of its own.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, final

from examples.desk import clock
from examples.desk.symbols import CASH, TESTNET, Symbol
from examples.desk.venues.keyring import PERMISSIONS, READ, TRADE, Keyring
from examples.desk.venues.market import Level, Market
from examples.desk.venues.matching import MARKET, Matching, Wish
from examples.desk.web import Answer, Refused, Request, Routes, Server, answer

FAUCET = Decimal(1_000_000)
"""The most that a testnet gives away at once."""

TURN = 0.1
"""Seconds between two looks at what rests."""


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
        symbols: Mapping[str, Symbol],
        opening: Mapping[str, Mapping[str, str]],
    ) -> None:
        from examples.desk.venues.dialects import dialect

        self.name = name
        self.opening = opening
        self.market = Market(symbols)
        self.matching = Matching(store, self.market, prefix=prefix, opening=opening)
        self.keyring = Keyring(key, secret)
        self._control = control
        self._outage = False
        self._book_empty = False
        self._balances_missing = False
        self._over = threading.Event()
        self._turner = threading.Thread(target=self._turn, name=f"{name}:turn", daemon=True)
        self.server = Server((*self._routes(), *dialect(self)))

    def start(self) -> None:
        """Begin to answer, and to fill what rests."""
        self.server.start()
        self._turner.start()

    def close(self) -> None:
        """Close the store once nothing is being written into it."""
        self._over.set()
        if self._turner.is_alive():
            self._turner.join()
        self.matching.close()

    def refuse_outage(self) -> None:
        """Refused 503 while the venue is down."""
        if self._outage:
            raise Refused(503, f"{self.name} is down")

    def balances(self, account: str | None = None) -> dict[str, Decimal]:
        """What is told of an account, or of all together: empty while a drill hides it."""
        return {} if self._balances_missing else self.matching.balances(account)

    def book(self, symbol: str) -> tuple[list[Level], list[Level]]:
        """Bids and asks as they are told: none while a drill empties the book."""
        bids, asks = self.matching.book(symbol)
        return ([], []) if self._book_empty else (list(bids), list(asks))

    @property
    def owner(self) -> str:
        """The account that a call without an account is for."""
        return next(iter(self.opening))

    def _turn(self) -> None:
        while not self._over.wait(TURN):
            if not self._outage:
                self.matching.turn()

    def _routes(self) -> Routes:
        return (
            ("GET", "/time", self._time),
            ("GET", "/ticker/{symbol}", self._ticker),
            ("GET", "/book/{symbol}", self._book),
            ("GET", "/permissions", self._permissions),
            ("GET", "/account/{account}", self._account),
            ("GET", "/account/{account}/orders", self._open_orders),
            ("GET", "/account/{account}/trades", self._trades),
            ("GET", "/orders/{client_order_id}", self._order),
            ("POST", "/orders", self._place),
            ("DELETE", "/orders/{client_order_id}", self._cancel),
            ("POST", "/faucet", self._faucet),
            ("POST", "/control", self._steer),
        )

    def _time(self, request: Request) -> Answer:
        self.refuse_outage()
        return answer({"exchange": self.name, "time": clock.now()})

    def _ticker(self, request: Request, symbol: str) -> Answer:
        self.refuse_outage()
        return answer({"symbol": self.market.symbol(symbol).name, "price": self.market.price(symbol), "time": clock.now()})

    def _book(self, request: Request, symbol: str) -> Answer:
        self.refuse_outage()
        bids, asks = self.book(symbol)
        sides = {
            side: [{"price": level.price, "quantity": level.quantity} for level in levels]
            for side, levels in (("bids", bids), ("asks", asks))
        }
        return answer({"symbol": symbol, **sides, "time": clock.now()})

    def _permissions(self, request: Request) -> Answer:
        self._admit(request, "")
        told = [word for word in PERMISSIONS if word in self.keyring.permissions]
        return answer({"permissions": told + [word for word in (self.keyring.strange,) if word], "time": clock.now()})

    def _account(self, request: Request, account: str) -> Answer:
        self._admit(request, READ)
        if account not in self.matching.accounts():
            raise Refused(404, f"no account {account} here")
        told = [word for word in PERMISSIONS if word in self.keyring.permissions]
        balances, reserved = self.balances(account), self.matching.reserved(account)
        return answer({"account": account, "balances": balances, "reserved": reserved, "permissions": told, "time": clock.now()})

    def _open_orders(self, request: Request, account: str) -> Answer:
        self._admit(request, READ)
        return answer({"account": account, "orders": self.matching.open_orders(account), "time": clock.now()})

    def _trades(self, request: Request, account: str) -> Answer:
        self._admit(request, READ)
        return answer({"account": account, "trades": self.matching.fills(account), "time": clock.now()})

    def _order(self, request: Request, client_order_id: str) -> Answer:
        self._admit(request, READ)
        found = self.matching.find(client_order_id)
        if found is None:
            raise Refused(404, f"no order {client_order_id} here")
        return answer(found)

    def _place(self, request: Request) -> Answer:
        self._admit(request, TRADE)
        wish = request.json()
        return answer(
            self.matching.place(
                Wish(
                    account=str(wish.get("account", "")),
                    client_order_id=str(wish.get("client_order_id", "")),
                    symbol=self.market.symbol(str(wish.get("symbol", ""))),
                    side=str(wish.get("side", "")),
                    quantity=number(wish.get("quantity")),
                    kind=str(wish.get("type", MARKET)),
                    trigger=number(wish["price"]) if "price" in wish else None,
                    alternatives=str(wish.get("group", "")),
                )
            )
        )

    def _cancel(self, request: Request, client_order_id: str) -> Answer:
        self._admit(request, TRADE)
        return answer(self.matching.cancel(client_order_id))

    def _faucet(self, request: Request) -> Answer:
        """Play money for an account; only a testnet gives any away."""
        self._admit(request, TRADE)
        if self.name != TESTNET:
            raise Refused(403, f"{self.name} gives nothing away")
        wish = request.json()
        account, asset, amount = str(wish.get("account", "")), str(wish.get("asset", "")), number(wish.get("amount"))
        if not account or asset != CASH or not 0 < amount <= FAUCET:
            raise Refused(400, f"the faucet gives an account more than 0 and at most {FAUCET} {CASH}")
        self.matching.deposit(account, asset, amount)
        return answer({"account": account, "balances": self.balances(account), "time": clock.now()})

    def _admit(self, request: Request, need: str) -> None:
        self.refuse_outage()
        self.keyring.admit_generic(request, need)

    def _steer(self, request: Request) -> Answer:
        if not hmac.compare_digest(request.headers.get("x-control", "").encode(), self._control.encode()):
            raise Refused(401, "unauthorized")
        wish = request.json()
        if "authenticate" in wish:
            self.keyring.open = wish["authenticate"] is True
        if "permissions" in wish:
            self.keyring.permissions = frozenset(PERMISSIONS) & frozenset(map(str, wish["permissions"]))
        if "strange_permission" in wish:
            self.keyring.strange = str(wish["strange_permission"])
        if "outage" in wish:
            self._outage = wish["outage"] is True
        if "book_empty" in wish:
            self._book_empty = wish["book_empty"] is True
        if "balances_missing" in wish:
            self._balances_missing = wish["balances_missing"] is True
        if "at" in wish:
            # before the price, which may fill what rests: that has happened at this time
            self.matching.now = _standing_at(str(wish["at"]))
        if "price_factor" in wish:
            self.market.move(number(wish["price_factor"]), str(wish.get("symbol", "")))
            self.matching.turn()
        if "slippage" in wish:
            self.market.slippage = number(wish["slippage"])
        if "refuse" in wish:
            self.matching.refuse(str(wish["refuse"]), int(wish["failures"]))
        return answer({"ok": True})


def _standing_at(text: str) -> clock.Clock:
    """A clock that stands still at this time, or the real one for an empty text; Refused if it is no time."""
    if not text:
        return clock.now
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(400, "at is an ISO time") from None
    return lambda: moment


def number(value: Any) -> Decimal:
    """An amount that was sent as a number or as text; Refused if it is neither."""
    try:
        if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
            raise InvalidOperation
        found = Decimal(value)
        if not found.is_finite():
            raise InvalidOperation
    except InvalidOperation:
        raise Refused(400, "an amount is a number") from None
    return found
