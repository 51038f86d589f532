"""What a user's bots are worth, and whether the books agree with the exchange and with themselves.

Marks are fetched for the answer that uses them. The reconciliation holds what the books say the user must have against what the
exchange says is there, asset by asset and in money.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol, final

from examples.desk import clock
from examples.desk.bots.books import Book, booked
from examples.desk.bots.store import Store, broken
from examples.desk.bots.users import Users
from examples.desk.clock import Clock
from examples.desk.errors import BrokerError, DeskError
from examples.desk.symbols import CASH, SYMBOLS

PERIODS: Mapping[str, timedelta] = {"daily": timedelta(days=1), "weekly": timedelta(days=7), "monthly": timedelta(days=30)}


class Market(Protocol):
    """Where prices and balances come from."""

    def price(self, symbol: str) -> Decimal: ...
    def balances(self, account: str) -> Mapping[str, Decimal]: ...


@final
class Portfolio:
    """Sums over the ledger of fills."""

    def __init__(self, store: Store, users: Users, market: Market, *, now: Clock) -> None:
        self._store = store
        self._users = users
        self._market = market
        self.now = now

    def summary(self, user: str) -> dict[str, Any]:
        """Equity of a user: funding, realized and unrealized profit, less fees; DeskError if there is no price."""
        book = self._book(user)
        marks = self.marks(book.symbols())
        funding, unrealized = self._users.funded(user), book.unrealized({name: mark["price"] for name, mark in marks.items()})
        return {
            "user": user,
            "currency": CASH,
            "funding": funding,
            "realized": book.realized,
            "unrealized": unrealized,
            "fees": book.fees,
            "equity": funding + book.realized + unrealized - book.fees,
            "marks": marks,
            "positions": [
                {"bot": bot, "symbol": name, "quantity": lot.quantity, "entry": lot.price}
                for (bot, name), lots in book.lots.items()
                for lot in lots
            ],
            "bots": {
                bot["name"]: {"status": bot["status"], "realized": self._book(user, bot["name"]).realized}
                for bot in self._store.all("bots", user=user)
            },
            "fills": len(self._store.all("fills_ledger", user=user)),
            "checked_at": clock.now(),
        }

    def profits(self, user: str, period: str) -> dict[str, Any]:
        """The closed trades of a user since the beginning of the period; DeskError for a period nobody knows."""
        if period not in PERIODS:
            raise DeskError(f"period is one of {', '.join(PERIODS)}", hint="for instance ?period=daily")
        now = self.now()
        since = now - PERIODS[period]
        trades = [trade for trade in self._store.all("trades", user=user) if trade["closed_at"] > since]
        return {
            "user": user,
            "period": period,
            "since": since,
            "trades": len(trades),
            "wins": sum(trade["profit"] > 0 for trade in trades),
            "profit": sum((trade["profit"] for trade in trades), Decimal(0)),
            "fees": sum((trade["fees"] for trade in trades), Decimal(0)),
            "checked_at": now,
        }

    def reconcile(self, user: str) -> dict[str, Any]:
        """The user's account by the books and at the exchange; `discrepancy` is a fraction of what the exchange says."""
        book, account = self._book(user), self._users.named(user)["account"]
        expected = {CASH: self._users.funded(user) + book.cash}
        expected |= {SYMBOLS[name].base: book.held(name) for name in book.symbols()}
        try:
            told = dict(self._market.balances(account))
        except BrokerError as error:
            raise DeskError(f"the exchange does not tell what {account} holds: {error.message}", hint="try again") from error
        assets = sorted({*expected, *(asset for asset, amount in told.items() if amount)})
        marks = self.marks([symbol.name for symbol in SYMBOLS.values() if symbol.base in assets])
        worth = {SYMBOLS[name].base: mark["price"] for name, mark in marks.items()} | {CASH: Decimal(1)}
        rows: list[dict[str, Any]] = [
            {"asset": asset, "books": expected.get(asset, Decimal(0)), "exchange": told.get(asset, Decimal(0))}
            for asset in assets
        ]
        books, exchange = (sum((row[side] * worth[row["asset"]] for row in rows), Decimal(0)) for side in ("books", "exchange"))
        if exchange <= 0:
            raise DeskError(f"the exchange says that {user} holds nothing", hint="fund the user before reconciling")
        return {
            "user": user,
            "account": account,
            "assets": rows,
            "books": books,
            "exchange": exchange,
            "discrepancy": abs(books - exchange) / exchange,
            "checked_at": clock.now(),
        }

    def integrity(self) -> dict[str, Any]:
        """The chain of all fills, and whether each trade and each filled order has its fill."""
        fills = self._store.all("fills_ledger")
        found = broken(fills)
        by_order = {fill["order_id"]: fill for fill in fills}
        for order in self._store.all("pending_orders", state="filled"):
            if order["order_id"] not in by_order:
                found.append(f"order {order['idempotency_key']} is filled and has no fill")
        for trade in self._store.all("trades"):
            if trade["order_id"] not in by_order:
                found.append(f"the trade of order {trade['order_id']} has no fill")
        counts: dict[str, int] = {}
        for fill in fills:
            counts[fill["user"]] = counts.get(fill["user"], 0) + 1
        users = [{"user": user["name"], "fills": counts.get(user["name"], 0)} for user in self._users.every()]
        return {
            "checked": len(fills),
            "last": max((fill["number"] for fill in fills), default=0),
            "faults": found,
            "users": users,
            "checked_at": clock.now(),
        }

    def earned(self, user: str, since: datetime) -> dict[str, Decimal]:
        """Profit by bot of the trades closed after `since`."""
        totals: dict[str, Decimal] = {}
        for trade in self._store.all("trades", user=user):
            if trade["closed_at"] > since:
                totals[trade["bot"]] = totals.get(trade["bot"], Decimal(0)) + trade["profit"]
        return totals

    def _book(self, user: str, bot: str = "") -> Book:
        return booked(self._store.all("fills_ledger", user=user, **({"bot": bot} if bot else {})))

    def marks(self, symbols: list[str]) -> dict[str, dict[str, Any]]:
        """Prices of this moment; DeskError if the exchange does not tell them."""
        try:
            return {name: {"price": self._market.price(name), "at": self.now()} for name in symbols}
        except BrokerError as error:
            raise DeskError(f"there is no mark price: {error.message}", hint="see the exchange") from error
