"""The trading engine: from a price to a signal, from a signal to a trade, through the gates to the client, and into the books.

It remembers nothing of its own: what it knows stands in the ledger, so one that is started anew goes on where the last one ended.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, final

from examples.desk.routing.books import Books
from examples.desk.routing.clients import CANCELLED, FAILED, FILLED, PARTLY, PENDING, UNKNOWN, Report, TradingClient
from examples.desk.routing.execution import MonitoredExecution
from examples.desk.routing.exposure import daily_loss, risk_pct
from examples.desk.routing.market import Market, signal
from examples.desk.routing.positions import PositionBook
from examples.desk.routing.safety import LiveSafetyGates, SafetyError, Standing, Trade
from examples.desk.routing.stop import Halt

EXITS = ("stop-loss", "take-profit")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How the trades of one account go: on which path, and who must agree to a live one.

    `client` knows the account's money; `trader` picks the client for a new trade at the moment of the trade. `activation` names
    the go-live activation that permits it; `follows` is whether the account trades on signals.
    """

    path: str
    client: TradingClient
    trader: Callable[[], TradingClient]
    confirm_live: Callable[[Trade], str]
    connected: Callable[[], bool]
    resting_exits: bool = False
    activation: Callable[[], str] = str
    follows: bool = True


Ways = Callable[[Mapping[str, Any]], Way]


@final
class Engine:
    """Trades for any account of the books."""

    def __init__(
        self,
        books: Books,
        *,
        ways: Ways,
        market: Market,
        gates: LiveSafetyGates,
        execution: MonitoredExecution,
        halt: Halt,
    ) -> None:
        self.books = books
        self.halt = halt
        self.gates = gates
        self.execution = execution
        self._ways = ways
        self._market = market
        self._positions = PositionBook(books)
        self._lock = threading.RLock()

    def trade(self, trade: Trade) -> dict[str, Any]:
        """What became of a wish: the order, or the check that refused it. The same key is the same wish."""
        with self._lock:
            known = self.books.order(trade.key)
            if known is not None:
                return {**known, "replayed": True}
            account = self._account(trade.account)
            way = self._ways(account)
            try:
                self._refuse_halted(trade)
                self.gates.validate_trade_before_execution(trade, self._standing(trade, way))
                # the gates ask the venue, which may take its time; somebody may have pressed the button since
                self._refuse_halted(trade)
            except SafetyError as refused:
                return self._rejected(trade, way, refused)
            client = way.trader()
            order = self._opened(trade, way, client)
            report = self.execution.execute_trade_with_monitoring(trade, order, client, path=way.path)
            self._settle(order, report)
            if way.resting_exits and trade.side == "BUY" and report.state in (FILLED, PARTLY):
                self._rest_exits(trade, way)
            return {**(self.books.order(trade.key) or {}), "replayed": False}

    def close(self, account: str, pair: str, *, source: str, key: str) -> dict[str, Any]:
        """Sell all that the open position holds; SafetyError if there is none."""
        with self._lock:
            held = self.books.position(account, pair)
            if held is None:
                raise SafetyError("position", f"{account} has no open position in {pair}")
            for order in self.books.pending(account):
                if order["pair"] == pair and order["kind"] in EXITS:
                    self.cancel(order)
            quantity = Decimal(held["quantity"])
            size = quantity * Decimal(held["entry_price"])
            return self.trade(
                Trade(account=account, pair=pair, side="SELL", size_zar=size, quantity=quantity, key=key, source=source)
            )

    def feed(self, account: str, pair: str, price: Decimal) -> dict[str, Any]:
        """A new price for a paper account: what rested there, what protects it, and what the strategy makes of it."""
        with self._lock:
            self._market.feed(account, pair, price)
            filled = self.reconcile(account)
            closed = self._protect(account, pair, price)
            return {"price": price, "filled": filled, "closed_by": closed, "signal": self._follow(account, pair)}

    def reconcile(self, account: str) -> int:
        """Ask the client what became of orders that rest, or whose end nobody saw; how many have changed."""
        changed = 0
        with self._lock:
            rows = self.books.ledger.rows(
                "SELECT * FROM helios_orders WHERE account = ? AND state IN (?, ?) ORDER BY id", account, PENDING, UNKNOWN
            )
            for order in rows:
                way = self._ways(self._account(account))
                report = way.client.found(order)
                if report.state != order["state"]:
                    changed += 1
                    self._settle(order, report)
                    if report.state in (FILLED, PARTLY):
                        self.execution.executed(order, report, client=way.client.name, path=way.path)
                    if order["kind"] in EXITS and report.state in (FILLED, PARTLY):
                        self._drop_other_exits(order)
        return changed

    def cancel(self, order: Mapping[str, Any]) -> bool:
        """Take a resting order back; whether it is gone."""
        gone = self._ways(self._account(order["account"])).client.cancel(order)
        if gone:
            self._mark(order, CANCELLED)
        return gone

    def move_exit(self, account: str, pair: str, kind: str, price: Decimal) -> dict[str, Any]:
        """Another stop or target for the open position; one that rests is taken back and placed anew."""
        with self._lock:
            held = self.books.position(account, pair)
            if held is None:
                raise SafetyError("position", f"{account} has no open position in {pair}")
            column = "stop" if kind == "stop-loss" else "target"
            self.books.update("helios_positions", held["id"], **{column: price})
            way = self._ways(self._account(account))
            if way.resting_exits:
                for order in self.books.pending(account):
                    if order["pair"] == pair and order["kind"] == kind:
                        self.cancel(order)
                self._rest(held, way, kind, price, f"{self._entry_key(held)}-{kind}-{secrets.token_hex(4)}")
            return dict(self.books.position(account, pair) or {})

    def pnl(self, account: str) -> dict[str, Any]:
        """Profit of an account now: realized from its closed trades, unrealized at the price of now, fees included."""
        way = self._ways(self._account(account))
        positions = []
        for held in self.books.positions(account):
            price = way.client.price(account, held["pair"])
            positions.append({**held, "price": price, "unrealized": self._positions.unrealized(held, price)})
        worth = sum((Decimal(held["quantity"]) * held["price"] for held in positions), Decimal(0))
        cash = way.client.cash(account)
        return {
            "account": account,
            "path": way.path,
            "realized": self.books.realized(account),
            "unrealized": sum((held["unrealized"] for held in positions), Decimal(0)),
            "cash": cash,
            "equity": cash + worth,
            "positions": positions,
            "checked_at": self.books.now(),
        }

    def stop(self, reason: str, told_by: str) -> dict[str, Any]:
        """The emergency stop: halted at once, also while a trade hangs; what rests is cancelled when that is over."""
        self.halt.trip(reason, told_by)
        with self._lock:
            return self.halt.clear(reason, self.cancel)

    def _standing(self, trade: Trade, way: Way) -> Standing:
        return Standing(
            mode=way.path,
            confirm_live=lambda: way.confirm_live(trade),
            connected=way.connected,
            daily_loss=lambda: daily_loss(self.books, trade.account),
            risk_pct_with=self._risk_pct_with,
            open_pairs=lambda: frozenset(held["pair"] for held in self.books.positions(trade.account)),
        )

    def _risk_pct_with(self, trade: Trade) -> Decimal:
        way = self._ways(self._account(trade.account))
        return risk_pct(self.pnl(trade.account), trade, way.client.price(trade.account, trade.pair))

    def _refuse_halted(self, trade: Trade) -> None:
        state = self.halt.state()
        if state["halted"] and trade.side == "BUY":
            raise SafetyError("halted", f"Trading is halted since {state['since']}: {state['reason']}")

    def _rejected(self, trade: Trade, way: Way, refused: SafetyError) -> dict[str, Any]:
        self.books.insert(
            "helios_rejections", account=trade.account, mode=way.path, key=trade.key, pair=trade.pair, side=trade.side,
            size_zar=str(trade.size_zar), check_name=refused.check, reason=refused.message, at=self.books.at(),
        )  # fmt: skip
        return {"key": trade.key, "state": "rejected", "check": refused.check, "reason": refused.message, "replayed": False}

    def _opened(self, trade: Trade, way: Way, client: TradingClient) -> Mapping[str, Any]:
        at = self.books.at()
        self.books.insert(
            "helios_orders", key=trade.key, account=trade.account, mode=way.path, client=client.name, pair=trade.pair,
            side=trade.side, kind="market" if trade.limit is None else "limit", quantity=trade.quantity or Decimal(0),
            size_zar=trade.size_zar, price=trade.limit, state="sent", source=trade.source, signal_id=trade.signal_id,
            stop=trade.stop, target=trade.target, activation=way.activation(), created_at=at, updated_at=at,
        )  # fmt: skip
        return self.books.order(trade.key) or {}

    def _settle(self, order: Mapping[str, Any], report: Report) -> None:
        with self.books.ledger.change():
            stop, target = (None if order[name] is None else Decimal(order[name]) for name in ("stop", "target"))
            closed_by = order["kind"] if order["kind"] in EXITS else order["source"]
            filled, value, fees = Decimal(order["filled"]), Decimal(0), Decimal(order["fee"] or 0)
            for fill in report.fills:
                self._positions.enter(
                    order, quantity=fill.quantity, price=fill.price, fee=fill.fee, venue_order_id=report.venue_order_id or "",
                    stop=stop, target=target, closed_by=closed_by,
                )  # fmt: skip
                filled, value, fees = filled + fill.quantity, value + fill.quantity * fill.price, fees + fill.fee
            got = sum((fill.quantity for fill in report.fills), Decimal(0))
            self._mark(
                order, report.state, venue_order_id=report.venue_order_id or order["venue_order_id"], filled=filled,
                fee=fees if got else order["fee"], average=value / got if got else order["average"], reason=report.reason,
            )  # fmt: skip

    def _mark(self, order: Mapping[str, Any], state: str, **values: object) -> None:
        self.books.update("helios_orders", order["id"], state=state, updated_at=self.books.at(), **values)

    def _protect(self, account: str, pair: str, price: Decimal) -> str:
        """Close the position if the price has reached its stop or its target; which of them it was."""
        held = self.books.position(account, pair)
        if held is None:
            return ""
        reached = ""
        if held["stop"] is not None and price <= Decimal(held["stop"]):
            reached = "stop-loss"
        elif held["target"] is not None and price >= Decimal(held["target"]):
            reached = "take-profit"
        if reached:
            self.close(account, pair, source=reached, key=f"{reached}-{held['id']}-{self.books.at()}")
        return reached

    def _follow(self, account: str, pair: str) -> dict[str, Any] | None:
        """The strategy's signal at this price, written down; and the trade that follows from it if the account is to trade."""
        found = None if self.books.position(account, pair) else signal(self._market.recent(account, pair))
        if found is None:
            return None
        number = self.books.insert(
            "helios_signals", account=account, pair=pair, side="BUY", price=found.price, reason=found.reason, at=self.books.at()
        )
        size = self.gates.limits.position_zar
        if size is None or not self._ways(self._account(account)).follows:
            return {"id": number, "side": "BUY", "reason": found.reason, "order": None}
        order = self.trade(
            Trade(
                account=account, pair=pair, side="BUY", size_zar=size, key=f"signal-{number}", stop=found.stop,
                target=found.target, source="auto", signal_id=number,
            )
        )  # fmt: skip
        return {"id": number, "side": "BUY", "reason": found.reason, "order": order}

    def _rest_exits(self, trade: Trade, way: Way) -> None:
        held = self.books.position(trade.account, trade.pair)
        if held is None:
            return
        for kind, trigger in (("stop-loss", trade.stop), ("take-profit", trade.target)):
            if trigger is not None:
                self._rest(held, way, kind, trigger, f"{trade.key}-{kind}")

    def _rest(self, held: Mapping[str, Any], way: Way, kind: str, trigger: Decimal, key: str) -> None:
        """A resting exit at the venue, so that it holds while this process does not."""
        at, quantity = self.books.at(), Decimal(held["quantity"])
        self.books.insert(
            "helios_orders", key=key, account=held["account"], mode=way.path, client=way.client.name, pair=held["pair"],
            side="SELL", kind=kind, quantity=quantity, size_zar=quantity * trigger, price=trigger, state="sent", source=kind,
            created_at=at, updated_at=at,
        )  # fmt: skip
        order = self.books.order(key) or {}
        trade = Trade(account=held["account"], pair=held["pair"], side="SELL", size_zar=quantity * trigger, quantity=quantity,
                      key=key, source=kind)  # fmt: skip
        report = self.execution.execute_trade_with_monitoring(trade, order, way.client, path=way.path)
        self._settle(order, report)
        if report.state == FAILED:
            self.execution.tell("A POSITION HAS NO EXIT", f"{kind} of {held['pair']}: {report.reason}", account=held["account"])

    def _drop_other_exits(self, order: Mapping[str, Any]) -> None:
        for other in self.books.pending(order["account"]):
            if other["pair"] == order["pair"] and other["kind"] in EXITS and other["id"] != order["id"]:
                self.cancel(other)

    def _entry_key(self, held: Mapping[str, Any]) -> str:
        row = self.books.ledger.row(
            "SELECT o.key FROM helios_lots l JOIN helios_fills f ON f.id = l.fill_id JOIN helios_orders o ON o.id = f.order_id"
            " WHERE l.position_id = ? ORDER BY l.id", held["id"],
        )  # fmt: skip
        return row["key"] if row else f"position-{held['id']}"

    def _account(self, name: str) -> Mapping[str, Any]:
        account = self.books.account(name)
        if account is None:
            raise SafetyError("account", f"there is no account {name}")
        return account
