"""An exchange, asked by its own documented calls: what a key may do, what is held, what rests, and what the book holds."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, ClassVar, Literal, cast
from urllib.parse import urlsplit

from pydantic import field_validator, model_validator

from pytest_golive.errors import ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.probes.base import ProbeModel, Text, decimal_seconds
from pytest_golive.probes.exchange.answers import Refusal
from pytest_golive.probes.exchange.venue import Credentials, Venue
from pytest_golive.probes.running import variable

VENUES: Mapping[str, str] = MappingProxyType({"binance": "Binance", "coinbase": "Coinbase", "kraken": "Kraken", "valr": "Valr"})
"""The word of a venue, which is also its module in this folder -> its class."""

Ask = Literal["permissions", "balances", "open_orders", "order_book", "order", "ticker", "time"]
_PUBLIC = ("order_book", "ticker", "time")
_OF_SYMBOL = ("order_book", "ticker")
_SYMBOL = re.compile(r"[A-Za-z0-9./_-]{1,40}")
_SPREAD = Decimal("0.000001")


class Exchange(ProbeModel):
    """What does the exchange say of this key, this account, or this market?

    ```yaml
    exchange: {venue: kraken, ask: permissions, key_env: KRAKEN_API_KEY, secret_env: KRAKEN_API_SECRET, pid_file: run/bot.pid}
    expect: {can_read: true, can_trade: true, can_withdraw: false}
    ```

    `venue` is binance, coinbase, kraken or valr; `url` another address than the venue's own. `key_env` and `secret_env` are
    *names* of variables: of the gate, or with `pid_file` of the process that trades. `symbol` is written as the venue writes
    it (XBTUSDT, BTC-USDT, BTCUSDT, BTCZAR).

    Facts: `venue`, `asked`, and what `ask` is for:

    - `permissions`: `can_read`, `can_trade`, `can_withdraw` (money can leave the account), `permissions` (the venue's words),
      `ip_restricted` (not told by Coinbase), `expires` (Kraken, if it does). A permission that is not known here is an
      error. With `try_wrong_secret: true` also `wrong_secret_refused`: whether the venue checks signatures at all.
    - `balances`: `balances` and `available` (asset: number), `count` (assets that are not zero).
    - `open_orders` (all, or of `symbol`): `count`, `orders` [{order_id, client_order_id, symbol, side, type, quantity, price,
      trigger, created_at}]; side is buy or sell, type is limit, stop-loss, take-profit …
    - `order` with `client_order_id`: `found`; if so also what stands above, with `state` (open, filled, cancelled, rejected)
      and `filled`.
    - `order_book` of `symbol`: `bids` and `asks` (20 levels of price and quantity), `bid_count`, `ask_count`; if both are
      there `best_bid`, `best_ask`, `spread` (a fraction of the best bid).
    - `ticker` of `symbol`: `price`. `time`: `time`, `skew_seconds` (the venue's clock minus ours).

    An error in an answer, whatever its status, and a field that is missing are errors.
    """

    word: ClassVar[str] = "exchange"

    venue: Literal["binance", "coinbase", "kraken", "valr"]
    ask: Ask
    url: Text | None = None
    key_env: Text | None = None
    secret_env: Text | None = None
    pid_file: Text | None = None
    symbol: Text | None = None
    client_order_id: Text | None = None
    try_wrong_secret: bool = False

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "https://host")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.path.strip("/"):
            raise ValueError("must be an http:// or https:// address of a host, with nothing behind it")
        return url

    @field_validator("symbol", "client_order_id")
    @classmethod
    def _is_plain(cls, value: str | None) -> str | None:
        if value is not None and not _SYMBOL.fullmatch(value):
            raise ValueError("has only letters, digits, dots, dashes, underlines and slashes")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Exchange:
        if (self.key_env is None) != (self.secret_env is None):
            raise ValueError("key_env and secret_env stand together")
        if self.ask not in _PUBLIC and self.key_env is None:
            raise ValueError(f"ask: {self.ask} needs key_env and secret_env")
        if self.ask in _OF_SYMBOL and self.symbol is None:
            raise ValueError(f"ask: {self.ask} needs symbol")
        if (self.ask == "order") != (self.client_order_id is not None):
            raise ValueError("client_order_id and ask: order stand together")
        if self.try_wrong_secret and self.ask != "permissions":
            raise ValueError("try_wrong_secret stands beside ask: permissions")
        return self

    def secrets(self, context: Context) -> Iterable[str]:
        if self.key_env is None or self.secret_env is None or self.ask in _PUBLIC:
            return ()
        return tuple(variable(name, self.pid_file, context, "nothing can be asked") for name in (self.key_env, self.secret_env))

    def look(self, context: Context) -> Facts:
        key_and_secret = tuple(self.secrets(context))
        credentials = Credentials(key=key_and_secret[0], secret=key_and_secret[1]) if key_and_secret else None
        venue = self._venue(credentials, context)
        facts = cast("dict[str, Any]", getattr(self, f"_{self.ask}")(venue))
        return {"venue": self.venue, "asked": self.ask, **facts}

    def _venue(self, credentials: Credentials | None, context: Context) -> Venue:
        kind = getattr(importlib.import_module(f"{__name__}.{self.venue}"), VENUES[self.venue])
        return cast("Venue", kind(self.url or kind.home, credentials, context))

    def _permissions(self, venue: Venue) -> dict[str, Any]:
        facts = venue.permissions()
        if self.try_wrong_secret and venue.credentials is not None:
            wrong = Credentials(key=venue.credentials.key, secret=venue.wrong_secret(venue.credentials.secret))
            try:
                self._venue(wrong, venue.context).permissions()
                facts["wrong_secret_refused"] = False
            except Refusal:
                facts["wrong_secret_refused"] = True
        return facts

    def _balances(self, venue: Venue) -> dict[str, Any]:
        facts = venue.balances()
        return {**facts, "count": sum(1 for amount in facts["balances"].values() if amount)}

    def _open_orders(self, venue: Venue) -> dict[str, Any]:
        orders = venue.open_orders(self.symbol)
        return {"count": len(orders), "orders": orders}

    def _order(self, venue: Venue) -> dict[str, Any]:
        found = venue.order(self.client_order_id or "", self.symbol)
        if found is None:
            return {"found": False}
        if found["client_order_id"] != self.client_order_id:
            raise ProbeError(f"{venue.name} answers with another order than was asked for", hint="see the client order id")
        return {"found": True, **found}

    def _order_book(self, venue: Venue) -> dict[str, Any]:
        bids, asks = venue.order_book(self.symbol or "")
        facts = {"symbol": self.symbol, "bids": bids, "asks": asks, "bid_count": len(bids), "ask_count": len(asks)}
        if bids and asks:
            best_bid, best_ask = max(row["price"] for row in bids), min(row["price"] for row in asks)
            facts |= {"best_bid": best_bid, "best_ask": best_ask}
            if best_bid > 0:
                facts["spread"] = ((best_ask - best_bid) / best_bid).quantize(_SPREAD)
        return facts

    def _ticker(self, venue: Venue) -> dict[str, Any]:
        return venue.ticker(self.symbol or "")

    def _time(self, venue: Venue) -> dict[str, Any]:
        told = venue.time()
        try:
            skew = datetime.fromisoformat(told) - venue.context.now()
        except (ValueError, TypeError):
            raise ProbeError(f"{venue.name} tells a time that cannot be read", hint="see the exchange's documentation") from None
        return {"time": told, "skew_seconds": decimal_seconds(skew.total_seconds())}
