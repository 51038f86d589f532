"""Faults of the bots: gates that stand open, steps that are lost, books that flatter, a store that forgets.

Each puts something else in the place of one part of the running floor, and takes it out again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from examples.desk.bots.breaker import OPEN
from examples.desk.bots.lifecycle import PAUSED, RUNNING, STEPS, STOPPED
from examples.desk.bots.store import UNIQUE, Row, whole

if TYPE_CHECKING:
    from examples.desk.bots.floor import Floor
    from examples.desk.service import Service

ADDRESSES: Mapping[str, str] = {
    "ping": "/api/health/ping",
    "summary": "/api/portfolio/summary",
    "profits": "/api/profits",
    "countdown": "/api/countdown/status",
    "reconcile": "/api/ledger/reconcile",
    "integrity": "/api/ledger/verify-integrity",
    "usage": "/api/limits/usage",
}
"""Addresses that can be closed."""

_TRIP = {"bot": "ben-eth", "user": "ben", "rule": "errors_per_hour", "reset_reason": "", "drill": True}
_COLLECTION = "chat_messages"


def close_address(desk: Service, name: str) -> None:
    """The address answers 503."""
    desk.floor.closed.add(ADDRESSES[name])


def open_address(desk: Service, name: str) -> None:
    """The address answers again."""
    desk.floor.closed.discard(ADDRESSES[name])


def begin(desk: Service, name: str) -> None:
    """One of `NAMES` is broken."""
    _NAMED[name][0](desk.floor)


def end(desk: Service, name: str) -> None:
    """It is as it was."""
    _NAMED[name][1](desk.floor)


def _instead(
    owner_of: Callable[[Floor], Any], /, **replacements: Callable[..., Any]
) -> tuple[Callable[[Floor], None], Callable[[Floor], None]]:
    """Methods of one part that are others for a while."""

    def on(floor: Floor) -> None:
        owner = owner_of(floor)
        for name, make in replacements.items():
            setattr(owner, name, make(owner))

    def off(floor: Floor) -> None:
        for name in replacements:
            vars(owner_of(floor)).pop(name, None)

    return on, off


def _always(value: Any) -> Callable[[Any], Callable[..., Any]]:
    return lambda owner: lambda *words, **names: value


def _unrecorded(pipeline: Any) -> Callable[..., None]:
    """The trade limiter leaves no record."""
    honest = pipeline.note

    def note(key: str, gate: str, reason: str) -> None:
        if gate != "trade_limiter":
            honest(key, gate, reason)

    return note


def _forgetful(pipeline: Any) -> Callable[..., Any]:
    """Every order is a new one, whatever its key."""
    import dataclasses
    import uuid

    honest = pipeline.take
    return lambda order: honest(dataclasses.replace(order, key=f"{order.key[:40]}-{uuid.uuid4().hex[:8]}"))


def _unlisted(life: Any) -> Callable[..., list[Row]]:
    """A bot that never started is not listed."""
    honest = life.every
    return lambda user=None: [bot for bot in honest(user) if bot["status"] != "created"]


def _lost(word: str) -> Callable[[Any], Callable[..., Row]]:
    """A step that is answered as if it had been taken, and is not kept."""

    def make(life: Any) -> Callable[..., Row]:
        honest = life.turn

        def turn(name: str, said: str, *, by: str, reason: str = "") -> Row:
            if said != word:
                found: Row = honest(name, said, by=by, reason=reason)
                return found
            return {**life.named(name), "status": RUNNING}

        return turn

    return make


def _flattering(portfolio: Any) -> Callable[[str], dict[str, Any]]:
    """Equity before fees."""
    honest = portfolio.summary

    def summary(user: str) -> dict[str, Any]:
        told = honest(user)
        return {**told, "equity": told["equity"] + told["fees"]}

    return summary


def _stale(portfolio: Any) -> Callable[[list[str]], dict[str, Any]]:
    """Marks that were fetched once and never again."""
    honest, kept = portfolio.marks, {}

    def marks(symbols: list[str]) -> dict[str, Any]:
        for name in symbols:
            if name not in kept:
                kept.update(honest([name]))
        return {name: {**kept[name], "at": portfolio.now()} for name in symbols}

    return marks


def _halved(reinvestment: Any) -> Callable[[Decimal], Decimal]:
    honest = reinvestment.part
    return lambda profit: (honest(profit) / 2).quantize(Decimal("0.01"))


def _worst(reinvestment: Any) -> Callable[..., Any]:
    honest = reinvestment.best
    return lambda earned, alive: honest({bot: 1 / gain for bot, gain in earned.items() if gain}, alive)


def _twice(users: Any) -> Callable[..., Row]:
    """Funding leaves two events, one of nothing."""
    honest = users.fund

    def fund(name: str, amount: Decimal) -> Row:
        event: Row = honest(name, amount)
        users.store.add("ledger_events", {**event, "event_id": f"{event['event_id']}-again", "amount": Decimal(0)})
        return event

    return fund


def _trip(floor: Floor) -> None:
    """An open trip that nobody has looked at."""
    floor.store.add("circuit_breaker_state", {**_TRIP, "state": OPEN, "value": 10, "limit": 10, "at": whole(floor.now())})


def _untrip(floor: Floor) -> None:
    floor.store.remove("circuit_breaker_state", drill=True)


def _open_ledger(floor: Floor) -> None:
    """Fills can be changed; what they were is kept aside."""
    floor.store.loosened = []


def _mend_ledger(floor: Floor) -> None:
    kept, floor.store.loosened = floor.store.loosened or [], None
    for row in kept:
        floor.store.database["fills_ledger"].delete_many({"number": row["number"]})
        floor.store.database["fills_ledger"].insert_one(row)


def _drop_index(floor: Floor) -> None:
    floor.store.database["pending_orders"].drop_index([(UNIQUE["pending_orders"], 1)])


def _make_index(floor: Floor) -> None:
    """The index is back; of orders that got in twice meanwhile, the first stays."""
    orders, seen = floor.store.database["pending_orders"], set()
    for row in list(orders.find({}, {UNIQUE["pending_orders"]: 1})):
        key = row[UNIQUE["pending_orders"]]
        if key in seen:
            orders.delete_one({"_id": row["_id"]})
        seen.add(key)
    floor.store.database["pending_orders"].create_index(UNIQUE["pending_orders"], unique=True)


def _drop_collection(floor: Floor) -> None:
    """A collection is gone; what was in it is kept aside."""
    floor.aside = list(floor.store.database[_COLLECTION].find())
    floor.store.database.drop_collection(_COLLECTION)


def _bring_collection(floor: Floor) -> None:
    floor.store.prepare()
    if floor.aside:
        floor.store.database[_COLLECTION].insert_many(floor.aside)
        floor.aside = []


_NAMED: Mapping[str, tuple[Callable[[Floor], None], Callable[[Floor], None]]] = {
    "gate-unrecorded": _instead(lambda floor: floor.pipeline, note=_unrecorded),
    "keys-forgotten": _instead(lambda floor: floor.pipeline, take=_forgetful),
    "costs-ignored": _instead(lambda floor: floor.pipeline, fee_coverage=_always("")),
    "limits-ignored": _instead(lambda floor: floor.pipeline, trade_limiter=_always("")),
    "breaker-stuck": _instead(lambda floor: floor.breaker, judge=_always(None)),
    "breaker-tripped": (_trip, _untrip),
    "bots-unlisted": _instead(lambda floor: floor.life, every=_unlisted),
    "start-lost": _instead(lambda floor: floor.life, turn=_lost("start")),
    "resume-lost": _instead(lambda floor: floor.life, turn=_lost("resume")),
    "pause-unheeded": (
        lambda floor: setattr(floor.store, "trading", (RUNNING, PAUSED)),
        lambda floor: setattr(floor.store, "trading", (RUNNING,)),
    ),
    "stop-revoked": (
        lambda floor: setattr(floor.life, "steps", {**STEPS, ("start", STOPPED): RUNNING}),
        lambda floor: setattr(floor.life, "steps", STEPS),
    ),
    "reinvestment-halted": (
        lambda floor: floor.workers["reinvestment"].halt(),
        lambda floor: floor.workers["reinvestment"].start(),
    ),
    "cycle-repeats": _instead(lambda floor: floor.reinvestment, done_today=_always(False)),
    "part-halved": _instead(lambda floor: floor.reinvestment, part=_halved),
    "worst-first": _instead(lambda floor: floor.reinvestment, best=_worst),
    "fees-forgotten": _instead(lambda floor: floor.portfolio, summary=_flattering),
    "marks-stale": _instead(lambda floor: floor.portfolio, marks=_stale),
    "funding-twice": _instead(lambda floor: floor.users, fund=_twice),
    "ledger-loose": (_open_ledger, _mend_ledger),
    "index-gone": (_drop_index, _make_index),
    "collection-gone": (_drop_collection, _bring_collection),
}

NAMES = tuple(_NAMED)
"""Every fault of the bots but the closed addresses."""
