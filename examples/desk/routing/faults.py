"""Faults of trading in rand: each is a defect as somebody might write it, put into the running code and taken out again.

A defect replaces one method of one class, for every engine that there is or will be, so it outlives a restart of the engine.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, final

from examples.desk.errors import DeskError
from examples.desk.routing import web
from examples.desk.routing.books import LIVE_ACCOUNT, Books
from examples.desk.routing.engine import EXITS, Engine
from examples.desk.routing.execution import LOGGER, MonitoredExecution
from examples.desk.routing.positions import PositionBook
from examples.desk.routing.room import Routing
from examples.desk.routing.safety import LiveSafetyGates, Trade
from examples.desk.routing.stop import Halt

if TYPE_CHECKING:
    from examples.desk.service import Service

Defect = tuple[Any, str, Callable[[Any], Any]]
"""Where, the name there, and what is put in its place, made from what stood there."""


def _nothing(told: Any = None) -> Callable[[Any], Any]:
    """Something that is simply not done."""
    return lambda before: lambda *_, **__: told


def _signal_ignored(before: Any) -> Any:
    def follow(engine: Engine, account: str, pair: str) -> Any:
        # an attribute of the instance hides the method for as long as the signal is followed
        vars(engine)["trade"] = lambda wish: {"state": "forgotten"}
        try:
            return before(engine, account, pair)
        finally:
            vars(engine).pop("trade")

    return follow


def _sent_twice(before: Any) -> Any:
    def trade(engine: Engine, wish: Trade) -> Any:
        if engine.books.order(wish.key) is None:
            return before(engine, wish)
        again = Trade(account=wish.account, pair=wish.pair, side=wish.side, size_zar=wish.size_zar, key=f"{wish.key}-again",
                      stop=wish.stop)  # fmt: skip
        return {**before(engine, again), "replayed": False}

    return trade


def _fee_forgotten(before: Any) -> Any:
    def unrealized(book: PositionBook, position: Any, price: Decimal) -> Decimal:
        return Decimal(position["quantity"]) * (price - Decimal(position["entry_price"]))

    return unrealized


def _exits_unregistered(before: Any) -> Any:
    return lambda book, order, **told: before(book, order, **{**told, "stop": None, "target": None})


def _without(kind: str) -> Callable[[Any], Any]:
    """An exit that is never seen to be reached."""

    def defect(before: Any) -> Any:
        def protect(engine: Engine, account: str, pair: str, price: Decimal) -> str:
            held = engine.books.position(account, pair)
            column = "stop" if kind == "stop-loss" else "target"
            if held is None or held[column] is None:
                return str(before(engine, account, pair, price))
            reached = price <= Decimal(held[column]) if column == "stop" else price >= Decimal(held[column])
            return "" if reached else str(before(engine, account, pair, price))

        return protect

    return defect


def _half_closed(before: Any) -> Any:
    def trade(engine: Engine, wish: Trade) -> Any:
        if wish.side == "SELL" and wish.quantity is not None:
            half = (wish.quantity / 2).quantize(Decimal("0.00000001"))
            wish = Trade(account=wish.account, pair=wish.pair, side="SELL", size_zar=wish.size_zar, quantity=half, key=wish.key,
                         source=wish.source)  # fmt: skip
        return before(engine, wish)

    return trade


def _unrecorded(before: Any) -> Any:
    def match(book: PositionBook, *told: Any) -> Decimal:
        profit: Decimal = before(book, *told)
        ledger = vars(book)["_books"].ledger
        ledger.write("DELETE FROM helios_trades WHERE id = (SELECT max(id) FROM helios_trades)")
        return profit

    return match


def _refused_quietly(before: Any) -> Any:
    def rejected(engine: Engine, wish: Trade, way: Any, refused: Any) -> Any:
        return {"key": wish.key, "state": "rejected", "check": refused.check, "reason": refused.message, "replayed": False}

    return rejected


def _mode_taken_for_granted(before: Any) -> Any:
    def validate(gates: LiveSafetyGates, trade: Trade, standing: Any) -> bool:
        return bool(before(gates, trade, dataclasses.replace(standing, confirm_live=str)))

    return validate


def _connection_taken_for_granted(before: Any) -> Any:
    def validate(gates: LiveSafetyGates, trade: Trade, standing: Any) -> bool:
        return bool(before(gates, trade, dataclasses.replace(standing, connected=lambda: True)))

    return validate


def _released_by_restart(before: Any) -> Any:
    def restart(room: Routing) -> None:
        before(room)
        room.halt.release("restart", "nobody")

    return restart


def _dashboard(**wrong: Any) -> Callable[[Any], Any]:
    """A panel that shows something else."""

    def defect(before: Any) -> Any:
        stale: dict[str, Any] = {}

        def told(room: Routing, desk: Service) -> dict[str, Any]:
            stale.update(stale or before(room, desk))
            return {**(stale if not wrong else before(room, desk)), **wrong}

        return told

    return defect


def _marked(column: str, wrong: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """An order that is entered with a wrong value in one column."""

    def defect(before: Any) -> Any:
        def mark(engine: Engine, order: Any, state: str, **values: Any) -> None:
            before(engine, order, state, **{**values, **({column: wrong(values[column])} if values.get(column) else {})})

        return mark

    return defect


def _opened(**wrong: Callable[[Trade], Any]) -> Callable[[Any], Any]:
    """An order that is opened with something else than was wished for."""

    def defect(before: Any) -> Any:
        def opened(engine: Engine, wish: Trade, *told: Any) -> Any:
            return before(engine, dataclasses.replace(wish, **{name: make(wish) for name, make in wrong.items()}), *told)

        return opened

    return defect


def _entered(**wrong: Any) -> Callable[[Any], Any]:
    """A fill that is entered with something else than was told."""
    return lambda before: lambda book, order, **told: before(book, order, **{**told, **wrong})


def _profit_without_fees(before: Any) -> Any:
    def match(book: PositionBook, *told: Any) -> Any:
        profit = before(book, *told)
        ledger = vars(book)["_books"].ledger
        row = ledger.row("SELECT * FROM helios_trades ORDER BY id DESC")
        gross = Decimal(row["exit_value"]) - Decimal(row["entry_value"])
        ledger.write("UPDATE helios_trades SET profit = ? WHERE id = ?", str(gross), row["id"])
        return profit

    return match


def _other_cash(before: Any) -> Any:
    def told(room: Routing, desk: Service) -> dict[str, Any]:
        found: dict[str, Any] = before(room, desk)
        return {**found, "pnl": {**found["pnl"], "cash": found["pnl"]["cash"] + 1}}

    return told


DEFECTS: Mapping[str, Defect] = {
    "no-signal": (Engine, "_follow", _nothing()),
    "signal-ignored": (Engine, "_follow", _signal_ignored),
    "sent-twice": (Engine, "trade", _sent_twice),
    "position-forgotten": (PositionBook, "_grow", _nothing(0)),
    "fee-forgotten": (PositionBook, "unrealized", _fee_forgotten),
    "exits-unregistered": (PositionBook, "enter", _exits_unregistered),
    "stop-loss-dead": (Engine, "_protect", _without("stop-loss")),
    "take-profit-dead": (Engine, "_protect", _without("take-profit")),
    "half-closed": (Engine, "trade", _half_closed),
    "profit-unrecorded": (PositionBook, "_match", _unrecorded),
    "gate-open-size": (LiveSafetyGates, "_size", _nothing()),
    "gate-open-daily-loss": (LiveSafetyGates, "_daily_loss", _nothing()),
    "gate-open-portfolio-risk": (LiveSafetyGates, "_portfolio_risk", _nothing()),
    "gate-open-mode": (LiveSafetyGates, "validate_trade_before_execution", _mode_taken_for_granted),
    "gate-open-connection": (LiveSafetyGates, "validate_trade_before_execution", _connection_taken_for_granted),
    "refused-quietly": (Engine, "_rejected", _refused_quietly),
    "stop-button-dead": (Halt, "trip", _nothing({})),
    "orders-stay": (Engine, "cancel", _nothing(False)),
    "halt-ignored": (Engine, "_refuse_halted", _nothing()),
    "restart-releases": (Routing, "restart", _released_by_restart),
    "alert-forgotten": (MonitoredExecution, "tell", _nothing()),
    "exits-not-placed": (Engine, "_rest_exits", _nothing()),
    "exit-not-moved": (Engine, "move_exit", _nothing({})),
    "price-frozen": (PositionBook, "unrealized", _nothing(Decimal(0))),
    "average-wrong": (Engine, "_mark", _marked("average", lambda average: average * Decimal("1.0001"))),
    "venue-id-invented": (Engine, "_mark", _marked("venue_order_id", lambda number: f"{number}-X")),
    "size-enlarged": (Engine, "_opened", _opened(size_zar=lambda wish: wish.size_zar * Decimal("1.05"))),
    "source-swapped": (Engine, "_opened", _opened(source=lambda wish: "auto")),
    "fees-unrecorded": (PositionBook, "enter", _entered(fee=Decimal(0))),
    "closed-by-nobody": (PositionBook, "enter", _entered(closed_by="unknown")),
    "profit-without-fees": (PositionBook, "_match", _profit_without_fees),
    "dashboard-cash": (web, "_dashboard", _other_cash),
    "dashboard-stale": (web, "_dashboard", _dashboard()),
    "dashboard-elsewhere": (web, "_dashboard", _dashboard(instance="0000000000000000")),
}
"""Every defect by its name."""

_PHRASES = {"silent-before": "TRADE EXECUTION:", "silent-after": "TRADE EXECUTED:", "silent-id": ""}
NAMES = (*DEFECTS, *_PHRASES)
_stood: dict[str, Any] = {}


@final
class _Silence(logging.Filter):
    """Lines with this phrase are not written; without a phrase, the ids of orders are left out."""

    def __init__(self, phrase: str) -> None:
        super().__init__(phrase)
        self._phrase = phrase

    def filter(self, record: logging.LogRecord) -> bool:
        if not self._phrase:
            record.msg, record.args = re.sub(r" order=\S+", " order=-", record.getMessage()), ()
            return True
        return self._phrase not in record.getMessage()


def begin(desk: Service, name: str) -> None:
    """Put the defect in."""
    if name in _PHRASES:
        _stood[name] = _Silence(_PHRASES[name])
        logging.getLogger(LOGGER).addFilter(_stood[name])
        return
    place, method, defect = DEFECTS[name]
    if any(DEFECTS[other][:2] == (place, method) for other in _stood if other in DEFECTS):
        raise DeskError("another defect is in the same place", hint="switch that one off first")
    _stood[name] = getattr(place, method)
    setattr(place, method, defect(_stood[name]))


def end(desk: Service, name: str) -> None:
    """Take it out, and enter anew what it entered wrongly of real trades; after a new start there is nothing to take out."""
    stood = _stood.pop(name, None)
    if stood is None:
        return
    if name in _PHRASES:
        logging.getLogger(LOGGER).removeFilter(stood)
    else:
        setattr(DEFECTS[name][0], DEFECTS[name][1], stood)
        _enter_anew(desk.routing)


def _enter_anew(room: Routing) -> None:
    """The books of the live account from VALR's fills, as they would stand had nothing been wrong with the code."""
    books, fills = room.books, list(reversed(room.venue.fills()))
    moment = books.now()
    # each fill is entered at the time that VALR has for it, so that weeks stay weeks
    book = PositionBook(Books(books.ledger, now=lambda: moment))
    with books.ledger.change() as db:
        db.execute(
            "DELETE FROM helios_lots WHERE position_id IN (SELECT id FROM helios_positions WHERE account = ?)", (LIVE_ACCOUNT,)
        )
        for table in ("helios_positions", "helios_trades", "helios_fills"):
            db.execute(f"DELETE FROM {table} WHERE account = ?", (LIVE_ACCOUNT,))
        for fill in fills:
            order = books.order(fill["client_order_id"])
            if order is None:
                continue
            moment = datetime.fromisoformat(fill["at"])
            source = "auto" if order["key"].startswith("signal-") else order["source"].replace("auto", "manual")
            quantity, price, fee = (Decimal(fill[name]) for name in ("quantity", "price", "fee"))
            books.update(
                "helios_orders", order["id"], state="filled", venue_order_id=fill["order_id"], filled=quantity, average=price,
                fee=fee, source=source,
            )  # fmt: skip
            kind = order["kind"] if order["kind"] in EXITS else source
            book.enter(order, quantity=quantity, price=price, fee=fee, venue_order_id=fill["order_id"], closed_by=kind)
