"""The way of a bot's order: four gates, each of which leaves a record, and only then the paper exchange.

Idempotency: a key is one order, however often and however simultaneously it is sent. Fee coverage: an entry must promise more
than its costs. Trade limiter: orders a day for bot and user, and orders in a short window at the exchange. Circuit breaker: see
`breaker`. What a stop, the bot's own state or its position forbids is refused beside them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Protocol, final

from examples.desk.bots.books import booked
from examples.desk.bots.breaker import Breaker
from examples.desk.bots.store import Row, Store, Twin, whole
from examples.desk.bots.terms import Terms
from examples.desk.clock import Clock
from examples.desk.errors import BrokerError, DeskError

GATES = ("idempotency", "fee_coverage", "trade_limiter", "circuit_breaker")
CHECKING, REJECTED, SENT, FILLED, FAILED, UNKNOWN = "checking", "rejected", "sent", "filled", "failed", "unknown"
TAKER_FEE_BPS = Decimal(10)
"""What the paper exchange takes of each fill, in hundredths of a percent; an entry pays it twice, there and back."""

_COUNTED = (SENT, FILLED, FAILED, UNKNOWN)

_log = logging.getLogger("desk.execution")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a bot wants; `edge_bps` is the profit that its strategy expects, before costs."""

    bot: str
    side: str
    quantity: Decimal
    edge_bps: Decimal
    key: str


class Venue(Protocol):
    """The paper exchange."""

    def price(self, symbol: str) -> Decimal: ...
    def place(self, account: str, symbol: str, side: str, quantity: Decimal, client_order_id: str) -> Mapping[str, Any]: ...
    def found(self, client_order_id: str) -> Mapping[str, Any] | None: ...


@final
class Pipeline:
    """Takes orders one at a time for each user; `halted` tells why nothing may be traded at all, or an empty text."""

    def __init__(
        self, store: Store, venue: Venue, breaker: Breaker, terms: Terms, *, now: Clock, halted: Callable[[], str] = lambda: ""
    ) -> None:
        self._store = store
        self._venue = venue
        self._breaker = breaker
        self._terms = terms
        self._now = now
        self._halted = halted

    @property
    def required_edge_bps(self) -> Decimal:
        """What an entry must promise: the fees of both sides, the slippage, the margin and the least edge."""
        terms = self._terms
        return 2 * TAKER_FEE_BPS + terms.slippage_buffer_bps + terms.safety_margin_bps + terms.min_edge_bps

    def take(self, order: Order) -> Row:
        """The order that became of it, or of an earlier one with its key; DeskError for an unknown bot."""
        bot = self._bot(order.bot)
        with self._store.turn_of(bot["user"]):
            at = whole(self._now())
            row = {
                "idempotency_key": order.key,
                "bot": order.bot,
                "user": bot["user"],
                "symbol": bot["symbol"],
                "side": order.side,
                "quantity": order.quantity,
                "edge_bps": order.edge_bps,
                "state": CHECKING,
                "gate": "",
                "reason": "",
                "gates": [_record("idempotency", "", at)],
                "day": at.date().isoformat(),
                "created_at": at,
                "updated_at": at,
            }
            try:
                self._store.add("pending_orders", row)
            except Twin:
                return self._again(order)
            refused = self._refusal(order)
            if refused:
                gate, reason = refused
                self._settle(order.key, state=REJECTED, gate=gate, reason=reason)
                _log.warning("[BOT_ORDER_REJECTED] %s %s %s - %s: %s", order.bot, order.side, order.quantity, gate, reason)
            else:
                self._send(order.key)
            return {**self._row(order.key), "replayed": False}

    def recover(self) -> None:
        """Settle what an earlier run left open: ask the exchange what became of what was sent, refuse what was not."""
        for row in self._store.all("pending_orders", state=CHECKING):
            self._settle(row["idempotency_key"], state=REJECTED, gate="system", reason="the desk ended before it was sent")
        for state in (SENT, UNKNOWN):
            for row in self._store.all("pending_orders", state=state):
                try:
                    fill = self._venue.found(row["idempotency_key"])
                except BrokerError:
                    continue
                if fill is None:
                    self._settle(row["idempotency_key"], state=FAILED, gate="exchange", reason="the order did not arrive")
                else:
                    self._filled(row, fill)

    def usage(self, *, user: str, bot: str = "") -> dict[str, int]:
        """Orders of today, and of the last few seconds, that count against the limits."""
        now = whole(self._now())
        orders = [
            row for row in self._store.all("pending_orders", user=user, day=now.date().isoformat()) if row["state"] in _COUNTED
        ]
        window = now - timedelta(seconds=self._terms.burst_seconds)
        return {
            "user_today": len(orders),
            "bot_today": sum(row["bot"] == bot for row in orders),
            "burst": sum(row["created_at"] > window for row in orders),
        }

    def _refusal(self, order: Order) -> tuple[str, str] | None:
        """The gate that says no and its reason; every gate up to it has its record then."""
        reason = self._halted()
        if reason:
            return "system", reason
        bot = self._bot(order.bot)
        for gate, ask in (
            ("fee_coverage", self.fee_coverage),
            ("trade_limiter", self.trade_limiter),
            ("circuit_breaker", lambda order, bot: self._breaker.refusal(bot)),
        ):
            reason = ask(order, bot)
            self.note(order.key, gate, reason)
            if reason:
                return gate, reason
        if bot["status"] not in self._store.trading:
            return "bot", f"{bot['name']} is {bot['status']}"
        reason = self._position(order, bot)
        return ("position", reason) if reason else None

    def note(self, key: str, gate: str, reason: str) -> None:
        """Keep what a gate said of an order."""
        self._store.push("pending_orders", {"idempotency_key": key}, "gates", _record(gate, reason, whole(self._now())))

    def fee_coverage(self, order: Order, bot: Mapping[str, Any]) -> str:
        """Why the order does not pay for itself, or an empty text."""
        # an exit is never held back for its costs: it ends a risk
        if order.side == "SELL" or order.edge_bps >= self.required_edge_bps:
            return ""
        return f"an edge of {order.edge_bps} bps does not cover the {self.required_edge_bps} bps that are needed"

    def trade_limiter(self, order: Order, bot: Mapping[str, Any]) -> str:
        """Which limit is reached, or an empty text."""
        terms = self._terms
        user = self._store.one("users", name=bot["user"]) or {}
        used = self.usage(user=bot["user"], bot=bot["name"])
        for what, limit, own in (
            ("bot_today", terms.max_trades_per_bot, bot.get("max_trades_daily")),
            ("user_today", terms.max_trades_per_user, user.get("max_trades_daily")),
            ("burst", terms.burst_orders, None),
        ):
            # a limit of one's own only ever narrows the desk's
            limit = min(limit, own) if own is not None else limit
            if used[what] >= limit:
                return f"{what} {used[what]} reached the limit {limit}"
        return ""

    def _position(self, order: Order, bot: Mapping[str, Any]) -> str:
        book = booked(self._store.all("fills_ledger", bot=bot["name"]))
        if order.side == "SELL":
            held = book.held(bot["symbol"])
            return "" if held >= order.quantity else f"{bot['name']} holds {held} {bot['symbol']}"
        try:
            cost = order.quantity * self._venue.price(bot["symbol"])
        except BrokerError as error:
            return f"there is no price: {error.message}"
        left = bot["capital"] + book.cash
        return "" if cost <= left else f"the order costs {cost}, and {bot['name']} has {left}"

    def _send(self, key: str) -> None:
        self._settle(key, state=SENT)
        row = self._row(key)
        user = self._store.one("users", name=row["user"]) or {}
        try:
            fill = self._venue.place(user["account"], row["symbol"], row["side"], row["quantity"], key)
        except BrokerError as error:
            self._settle(key, state=UNKNOWN if error.unknown else FAILED, gate="exchange", reason=error.message)
            _log.error("[BOT_ORDER_FAILED] %s %s - %s", row["bot"], row["side"], error.message)
            self._breaker.judge(self._bot(row["bot"]))
            return
        self._filled(row, fill)

    def _filled(self, row: Mapping[str, Any], fill: Mapping[str, Any]) -> None:
        """Enter a fill, the trade that it may close, and what the breaker makes of it."""
        if not self._store.one("fills_ledger", order_id=fill["order_id"]):
            self._store.append_fill(
                {
                    "user": row["user"],
                    "bot": row["bot"],
                    "symbol": row["symbol"],
                    "side": row["side"],
                    "quantity": Decimal(fill["quantity"]),
                    "price": Decimal(fill["price"]),
                    "fee": Decimal(fill["fee"]),
                    "order_id": fill["order_id"],
                    "key": row["idempotency_key"],
                    "at": self._now(),
                }
            )
            if row["side"] == "SELL":
                self._close_trade(row, fill["order_id"])
        self._settle(
            row["idempotency_key"],
            state=FILLED,
            gate="",
            reason="",
            order_id=fill["order_id"],
            price=Decimal(fill["price"]),
            fee=Decimal(fill["fee"]),
        )
        _log.info("[BOT_ORDER_FILLED] %s %s %s at %s", row["bot"], row["side"], row["quantity"], fill["price"])
        bot = self._store.one("bots", name=row["bot"])
        if bot is not None:
            self._breaker.judge(bot)

    def _close_trade(self, row: Mapping[str, Any], order_id: str) -> None:
        trade = next(one for one in booked(self._store.all("fills_ledger", bot=row["bot"])).trades if one.order_id == order_id)
        told = {name: getattr(trade, name) for name in ("quantity", "entry_value", "exit_value", "fees", "profit", "closed_at")}
        self._store.add("trades", {"user": row["user"], "bot": row["bot"], "symbol": row["symbol"], "order_id": order_id, **told})

    def _again(self, order: Order) -> Row:
        row = self._row(order.key)
        if (row["bot"], row["side"], row["quantity"]) != (order.bot, order.side, order.quantity):
            raise Twin(f"the key {order.key} was used for another order", hint="give each order a key of its own")
        return {**row, "replayed": True}

    def _settle(self, key: str, **values: Any) -> None:
        self._store.change("pending_orders", {"idempotency_key": key}, **values, updated_at=whole(self._now()))

    def _row(self, key: str) -> Row:
        row = self._store.one("pending_orders", idempotency_key=key)
        assert row is not None
        return row

    def _bot(self, name: str) -> Row:
        row = self._store.one("bots", name=name)
        if row is None:
            raise DeskError(f"there is no bot {name}", hint="see /api/bots")
        return row


def _record(gate: str, reason: str, at: Any) -> dict[str, Any]:
    return {"gate": gate, "passed": not reason, "reason": reason, "at": at}
