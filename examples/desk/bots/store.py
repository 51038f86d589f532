"""The bots' books: eleven collections of the document store, made at the start with the indexes that keep them right.

Fills and ledger events are written once. Here is no way to change or remove one, and each fill carries the digest of the one
before it, so that a change made behind the desk's back shows.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, final

from examples.desk import clock
from examples.desk.errors import DeskError

if TYPE_CHECKING:
    from pymongo.database import Database

COLLECTIONS = (
    "users",
    "bots",
    "trades",
    "api_keys",
    "fills_ledger",
    "ledger_events",
    "pending_orders",
    "circuit_breaker_state",
    "system_modes",
    "alerts",
    "chat_messages",
)
IMMUTABLE = ("fills_ledger", "ledger_events")
UNIQUE: Mapping[str, str] = {
    "users": "name",
    "bots": "name",
    "fills_ledger": "number",
    "ledger_events": "event_id",
    "pending_orders": "idempotency_key",
    "system_modes": "name",
}
"""What may be there once, by collection."""

_SEALED = ("number", "user", "bot", "symbol", "side", "quantity", "price", "fee", "order_id", "key", "at")
_BEGIN = "0" * 64

Row = dict[str, Any]


class Twin(DeskError):
    """Something with the same unique value is there already."""


class Unreachable(DeskError):
    """The document store does not answer, or refuses."""


@contextlib.contextmanager
def _asking() -> Iterator[None]:
    from pymongo.errors import DuplicateKeyError, PyMongoError

    try:
        yield
    except DuplicateKeyError:
        raise
    except PyMongoError as error:
        raise Unreachable(f"the document store does not answer: {type(error).__name__}", hint="see /docstore/health") from error


@final
class Store:
    """The collections of one database; every method may be called from any thread."""

    def __init__(self, database: Database[Row]) -> None:
        self.database = database
        self._lock = threading.Lock()
        self.trading: tuple[str, ...] = ("running",)
        """States of a bot in which it trades."""
        self.loosened: list[Row] | None = None
        """What a drill changed in the ledger, as it was; None while nothing there can be changed, which is always."""
        self._users: dict[str, threading.RLock] = {}

    def turn_of(self, user: str) -> threading.RLock:
        """Held by whoever moves a user's bots or their orders, so that a bot that is paused has no order under way."""
        with self._lock:
            return self._users.setdefault(user, threading.RLock())

    @_asking()
    def prepare(self) -> None:
        """Make the collections and indexes that are missing."""
        there = set(self.database.list_collection_names())
        for name in COLLECTIONS:
            if name not in there:
                self.database.create_collection(name)
        for name, field in UNIQUE.items():
            self.database[name].create_index(field, unique=True)

    @_asking()
    def add(self, collection: str, row: Mapping[str, Any]) -> None:
        """A new document; Twin if its unique value is taken."""
        from pymongo.errors import DuplicateKeyError

        try:
            self.database[collection].insert_one(dict(row))
        except DuplicateKeyError:
            field = UNIQUE.get(collection, "_id")
            raise Twin(
                f"{collection} has {field} {row.get(field)} already", hint="choose another, or look at the one there"
            ) from None

    @_asking()
    def one(self, collection: str, **wanted: Any) -> Row | None:
        """The document with these values."""
        return self.database[collection].find_one(wanted, {"_id": 0})

    @_asking()
    def all(self, collection: str, **wanted: Any) -> list[Row]:
        """Every document with these values, in the order in which they came."""
        return list(self.database[collection].find(wanted, {"_id": 0}))

    @_asking()
    def change(self, collection: str, wanted: Mapping[str, Any], **values: Any) -> bool:
        """Set values of one document; whether there was one. DeskError where nothing may be changed."""
        if self.loosened is None:
            self._refuse_immutable(collection)
        elif collection in IMMUTABLE:
            kept = {row["number"] for row in self.loosened}
            self.loosened += [row for row in self.database[collection].find(dict(wanted)) if row["number"] not in kept]
        return self.database[collection].update_one(dict(wanted), {"$set": values}).matched_count == 1

    @_asking()
    def push(self, collection: str, wanted: Mapping[str, Any], field: str, value: Mapping[str, Any]) -> None:
        """Add to a list of one document."""
        self._refuse_immutable(collection)
        self.database[collection].update_one(dict(wanted), {"$push": {field: dict(value)}})

    @_asking()
    def remove(self, collection: str, **wanted: Any) -> int:
        """Remove documents; how many went. DeskError where nothing may be removed."""
        self._refuse_immutable(collection)
        return self.database[collection].delete_many(wanted).deleted_count

    @_asking()
    def keep_mode(self, name: str, **values: Any) -> None:
        """Remember a state of the whole system under its name."""
        self.database["system_modes"].update_one({"name": name}, {"$set": values}, upsert=True)

    @_asking()
    def append_fill(self, fill: Mapping[str, Any]) -> Row:
        """The fill as it stands in the ledger from now on: numbered, and sealed to the one before it."""
        with self._lock:
            last = next(iter(self.database["fills_ledger"].find({}, {"_id": 0}).sort("number", -1).limit(1)), None)
            row = {**fill, "number": (last["number"] if last else 0) + 1, "at": whole(fill["at"])}
            row["seal"] = seal(row, last["seal"] if last else _BEGIN)
            self.add("fills_ledger", row)
        return row

    def _refuse_immutable(self, collection: str) -> None:
        if collection in IMMUTABLE:
            raise DeskError(f"{collection} is written once", hint="enter a correction as a document of its own")


def seal(fill: Mapping[str, Any], before: str) -> str:
    """The digest over a fill and the seal of the one before it."""
    told = "\n".join(f"{name}={_plain(fill[name])}" for name in _SEALED)
    return hashlib.sha256(f"{before}\n{told}".encode()).hexdigest()


def broken(fills: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is wrong with the chain of all fills, in their order: gaps, twins, changed rows."""
    found, before, seen = [], _BEGIN, set()
    for expected, fill in enumerate(sorted(fills, key=lambda fill: fill["number"]), 1):
        if fill["number"] != expected:
            found.append(f"number {fill['number']} stands where {expected} belongs")
        if fill["order_id"] in seen:
            found.append(f"order {fill['order_id']} is filled twice")
        if seal(fill, before) != fill["seal"]:
            found.append(f"fill {fill['number']} is not what was written")
        before = fill["seal"]
        seen.add(fill["order_id"])
    return found


def whole(moment: datetime) -> datetime:
    """The moment as the store keeps it: UTC, in whole milliseconds."""
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return clock.iso(value)
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)
