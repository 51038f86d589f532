"""The engine of a venue: balances and orders in a database of its own; orders fill at once, or rest until the price comes.

A limit order reserves what it will cost. A stop-loss or a take-profit reserves nothing: when its price is reached it is filled
at the market, or rejected if the money is gone by then. Orders of one group are alternatives: the first that fills cancels the
others.
"""

from __future__ import annotations

import sqlite3
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, final

from examples.desk import clock
from examples.desk.symbols import Symbol
from examples.desk.venues.market import CENT, Level, Market
from examples.desk.web import Refused

FEE = Decimal("0.001")
MARKET, LIMIT, STOP_LOSS, TAKE_PROFIT = "market", "limit", "stop-loss", "take-profit"
KINDS = (MARKET, LIMIT, STOP_LOSS, TAKE_PROFIT)

_DUST = Decimal("0.00000001")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS balances(account TEXT, asset TEXT, amount TEXT NOT NULL, PRIMARY KEY (account, asset));
CREATE TABLE IF NOT EXISTS orders(
  order_id TEXT PRIMARY KEY, client_order_id TEXT UNIQUE NOT NULL, account TEXT NOT NULL, symbol TEXT NOT NULL,
  side TEXT NOT NULL, quantity TEXT NOT NULL, price TEXT NOT NULL, fee TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS resting(
  order_id TEXT PRIMARY KEY, client_order_id TEXT UNIQUE NOT NULL, account TEXT NOT NULL, symbol TEXT NOT NULL,
  side TEXT NOT NULL, kind TEXT NOT NULL, quantity TEXT NOT NULL, trigger TEXT NOT NULL, alternatives TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'filled', 'cancelled', 'rejected')), reason TEXT NOT NULL,
  at TEXT NOT NULL, ended_at TEXT);
"""
_AMOUNTS = ("quantity", "price", "fee", "trigger")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants to trade; `trigger` is the limit of a limit order, or the price that sets off the other two."""

    account: str
    client_order_id: str
    symbol: Symbol
    side: str
    quantity: Decimal
    kind: str = MARKET
    trigger: Decimal | None = None
    alternatives: str = ""

    def __post_init__(self) -> None:
        if self.side not in ("BUY", "SELL") or not self.quantity > 0 or not self.client_order_id:
            raise Refused(400, "an order has account, symbol, side BUY or SELL, quantity > 0 and client_order_id")
        if self.quantity % self.symbol.step:
            raise Refused(400, f"the quantity of {self.symbol.name} comes in steps of {self.symbol.step}")
        if self.kind not in KINDS or (self.kind == MARKET) != (self.trigger is None) or (self.trigger or 1) <= 0:
            raise Refused(400, f"type is one of {', '.join(KINDS)}; all but market have a price > 0")

    def reached(self, price: Decimal) -> bool:
        """Whether the order is to be filled at this price."""
        if self.trigger is None:
            return True
        falling = (self.kind == TAKE_PROFIT) == (self.side == "BUY") if self.kind != LIMIT else self.side == "BUY"
        return price <= self.trigger if falling else price >= self.trigger


@final
class Matching:
    """Balances, fills and resting orders of one venue; every method may be called from any thread."""

    def __init__(self, store: Path, market: Market, *, prefix: str, opening: Mapping[str, Mapping[str, str]]) -> None:
        self.market = market
        self._prefix = prefix
        self._lock = threading.RLock()
        self._refusals: dict[str, int] = {}
        self.now = clock.now
        self._db = sqlite3.connect(store, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _SCHEMA)
        for account, holdings in opening.items():
            for asset, amount in holdings.items():
                self._db.execute("INSERT OR IGNORE INTO balances VALUES (?, ?, ?)", (account, asset, amount))

    def close(self) -> None:
        """Close the store once nothing is being written into it."""
        with self._lock:
            self._db.close()

    def refuse(self, account: str, times: int) -> None:
        """Refuse the account's next orders, as a drill wants it."""
        self._refusals[account] = times

    def accounts(self) -> Sequence[str]:
        """Everybody who has something here."""
        return [row["account"] for row in self._rows("SELECT DISTINCT account FROM balances ORDER BY account")]

    def balances(self, account: str | None = None) -> dict[str, Decimal]:
        """What an account holds, or all together; what is reserved for limit orders is a part of it."""
        return _summed(self._rows("SELECT asset, amount FROM balances WHERE ? IS NULL OR account = ?", account, account))

    def reserved(self, account: str | None = None) -> dict[str, Decimal]:
        """What open limit orders keep of the balances."""
        total: dict[str, Decimal] = {}
        for row in self._rows("SELECT * FROM resting WHERE state = 'open' AND kind = ?", LIMIT):
            if account in (None, row["account"]):
                asset, amount = _cost(self._wish(row))
                total[asset] = total.get(asset, Decimal(0)) + amount
        return total

    def find(self, identity: str) -> dict[str, Any] | None:
        """The order with this client order id, or the venue's own id: filled, open, cancelled or rejected."""
        same = "client_order_id = ? OR order_id = ?"
        fills = self._rows(f"SELECT *, 'filled' AS status FROM orders WHERE {same}", identity, identity)
        resting = self._rows(
            "SELECT order_id, client_order_id, state AS status, account, symbol, side, kind, quantity, trigger, reason, at,"
            f" ended_at FROM resting WHERE {same}", identity, identity,
        )  # fmt: skip
        if not fills:
            return _told(resting[0]) if resting else None
        extra = {name: resting[0][name] for name in ("kind", "trigger")} if resting else {}
        return _told({**fills[0], **extra})

    def open_orders(self, account: str | None = None) -> list[dict[str, Any]]:
        """What rests, the oldest first."""
        rows = self._rows(
            "SELECT order_id, client_order_id, state AS status, account, symbol, side, kind, quantity, trigger, alternatives, at"
            " FROM resting WHERE state = 'open' AND (? IS NULL OR account = ?) ORDER BY at, order_id",
            account, account,
        )  # fmt: skip
        return [_told(row) for row in rows]

    def fills(self, account: str | None = None) -> list[dict[str, Any]]:
        """Everything that was traded, with its fee, the latest first."""
        rows = self._rows("SELECT * FROM orders WHERE ? IS NULL OR account = ? ORDER BY at DESC, rowid DESC", account, account)
        return [{**_told(row), "fee_asset": self.market.symbols[row["symbol"]].quote} for row in rows]

    def book(self, symbol: str) -> tuple[Sequence[Level], Sequence[Level]]:
        """The market's book with the limit orders that rest here in it."""
        bids, asks = map(list, self.market.book(symbol))
        for row in self._rows("SELECT * FROM resting WHERE state = 'open' AND kind = ? AND symbol = ?", LIMIT, symbol):
            level = Level(Decimal(row["trigger"]), Decimal(row["quantity"]))
            (bids if row["side"] == "BUY" else asks).append(level)
        return sorted(bids, key=lambda level: -level.price), sorted(asks, key=lambda level: level.price)

    def deposit(self, account: str, asset: str, amount: Decimal) -> None:
        """Money comes in from outside."""
        with self._change():
            amount += self.balances(account).get(asset, Decimal(0))
            self._db.execute("INSERT OR REPLACE INTO balances VALUES (?, ?, ?)", (account, asset, format(amount, "f")))

    def place(self, wish: Wish) -> dict[str, Any]:
        """Fill the order, or let it rest until its price comes; the same client id is the same order. Refused if it cannot."""
        with self._change():
            found = self.find(wish.client_order_id)
            if found is not None:
                return found
            if self._refusals.get(wish.account, 0) > 0:
                self._refusals[wish.account] -= 1
                raise Refused(422, f"orders of {wish.account} are refused")
            order_id = f"{self._prefix}-{uuid.uuid4().hex[:16]}"
            price = self.market.price(wish.symbol.name)
            if wish.kind == MARKET or (wish.kind == LIMIT and wish.reached(price)):
                self._fill(order_id, wish, price)
            else:
                self._rest(order_id, wish)
            placed = self.find(wish.client_order_id)
        assert placed is not None
        return placed

    def cancel(self, identity: str) -> dict[str, Any]:
        """Take a resting order back; one that is cancelled already stays so. Refused if there is none, or it was filled."""
        with self._change():
            found = self.find(identity)
            if found is None:
                raise Refused(404, f"no order {identity} here")
            if found["status"] == "open":
                self._end(found["order_id"], "cancelled", "by its owner")
            elif found["status"] != "cancelled":
                raise Refused(409, f"the order is {found['status']} already")
            ended = self.find(identity)
        assert ended is not None
        return ended

    def turn(self) -> None:
        """Fill what rests and whose price has come."""
        for row in self._rows("SELECT * FROM resting WHERE state = 'open' ORDER BY at, order_id"):
            wish = self._wish(row)
            price = self.market.price(row["symbol"])
            if not wish.reached(price):
                continue
            with self._change():
                # another order of the group, or its owner, may have ended it since it was read
                if not self._rows("SELECT 1 FROM resting WHERE order_id = ? AND state = 'open'", row["order_id"]):
                    continue
                self._end(row["order_id"], "filled", f"the price came to {price}")
                try:
                    self._fill(row["order_id"], wish, price)
                except Refused as refused:
                    self._end(row["order_id"], "rejected", refused.message)
                    continue
                if wish.alternatives:
                    self._db.execute(
                        "UPDATE resting SET state = 'cancelled', reason = ?, ended_at = ? WHERE state = 'open' AND account = ?"
                        " AND alternatives = ?",
                        (f"{wish.client_order_id} was filled", clock.iso(self.now()), wish.account, wish.alternatives),
                    )

    def _rest(self, order_id: str, wish: Wish) -> None:
        if wish.kind == LIMIT:
            asset, amount = _cost(wish)
            if self.balances(wish.account).get(asset, Decimal(0)) - self.reserved(wish.account).get(asset, Decimal(0)) < amount:
                raise Refused(422, f"insufficient {asset}")
        self._db.execute(
            "INSERT INTO resting VALUES (?,?,?,?,?,?,?,?,?,'open','',?,NULL)",
            (order_id, wish.client_order_id, wish.account, wish.symbol.name, wish.side, wish.kind, str(wish.quantity),
             str(wish.trigger), wish.alternatives, clock.iso(self.now())),
        )  # fmt: skip

    def _fill(self, order_id: str, wish: Wish, price: Decimal) -> None:
        sign = 1 if wish.side == "BUY" else -1
        paid = (price * (1 + sign * self.market.slippage)).quantize(CENT)
        if wish.kind == LIMIT and wish.trigger is not None:
            paid = min(paid, wish.trigger) if sign > 0 else max(paid, wish.trigger)
        value = paid * wish.quantity
        fee = (value * FEE).quantize(_DUST)
        reserved = self.reserved(wish.account)
        held = self.balances(wish.account)
        changes = {wish.symbol.quote: -sign * value - fee, wish.symbol.base: sign * wish.quantity}
        after = {asset: held.get(asset, Decimal(0)) + change for asset, change in changes.items()}
        for asset, change in changes.items():
            if change < 0 and after[asset] < reserved.get(asset, Decimal(0)):
                raise Refused(422, f"insufficient {asset}")
        for asset, amount in after.items():
            self._db.execute("INSERT OR REPLACE INTO balances VALUES (?, ?, ?)", (wish.account, asset, format(amount, "f")))
        self._db.execute(
            "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (order_id, wish.client_order_id, wish.account, wish.symbol.name, wish.side, str(wish.quantity), str(paid), str(fee),
             clock.iso(self.now())),
        )  # fmt: skip

    def _end(self, order_id: str, state: str, reason: str) -> None:
        at = clock.iso(self.now())
        self._db.execute(
            "UPDATE resting SET state = ?, reason = ?, ended_at = ? WHERE order_id = ?", (state, reason, at, order_id)
        )

    def _wish(self, row: Mapping[str, Any]) -> Wish:
        return Wish(
            account=row["account"],
            client_order_id=row["client_order_id"],
            symbol=self.market.symbols[row["symbol"]],
            side=row["side"],
            quantity=Decimal(row["quantity"]),
            kind=row["kind"],
            trigger=Decimal(row["trigger"]),
            alternatives=row["alternatives"],
        )

    @contextmanager
    def _change(self) -> Iterator[None]:
        """Changes that are all made or not at all; Refused takes them back, but for a change of state that was meant."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(row) for row in self._db.execute(query, values).fetchall()]


def _cost(wish: Wish) -> tuple[str, Decimal]:
    """Asset and amount that a limit order keeps for itself."""
    if wish.side == "SELL":
        return wish.symbol.base, wish.quantity
    return wish.symbol.quote, ((wish.trigger or Decimal(0)) * wish.quantity * (1 + FEE)).quantize(_DUST)


def _summed(rows: Sequence[Mapping[str, Any]]) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for row in rows:
        total[row["asset"]] = total.get(row["asset"], Decimal(0)) + Decimal(row["amount"])
    return total


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    """An order with its amounts as numbers and its kind under the name that the API has for it."""
    told = {name: Decimal(value) if name in _AMOUNTS else value for name, value in row.items()}
    if "kind" in told:
        told["type"] = told.pop("kind")
    return told
