"""Collections of documents that stay: held in memory to be searched, written through to SQLite before anybody is told.

What is held is never changed in place; an update puts a new document where the old one was, so a reader keeps what it found.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, final

import bson
from bson import ObjectId

from examples.desk.docstore.changing import begun, updated
from examples.desk.docstore.matching import MISSING, Document, Refused, matches, ordered, reach, standing

Place = tuple[str, str]
"""Database and collection."""

Covered = tuple[Any, ...]
"""What an index covers of one document."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents(
  database TEXT NOT NULL, collection TEXT NOT NULL, id BLOB NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (database, collection, id));
CREATE TABLE IF NOT EXISTS indexes(
  database TEXT NOT NULL, collection TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (database, collection, name));
"""
_OF_ID = {"v": 2, "key": {"_id": 1}, "name": "_id_"}


@final
class Store:
    """Every collection of every database, one change at a time."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=5)
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _SCHEMA)
        self._held: dict[Place, dict[bytes, Document]] = {}
        self._indexes: dict[Place, dict[str, Document]] = {}
        self._taken: dict[tuple[Place, str], dict[Covered, bytes]] = {}
        for database, collection, name, body in self._db.execute("SELECT * FROM indexes ORDER BY rowid"):
            self._held.setdefault((database, collection), {})
            self._indexes.setdefault((database, collection), {})[name] = bson.decode(body)
        for database, collection, key, body in self._db.execute("SELECT * FROM documents ORDER BY rowid"):
            self._held.setdefault((database, collection), {})[key] = bson.decode(body)
        for place, indexes in self._indexes.items():
            for each in indexes.values():
                if each.get("unique"):
                    self._taken[place, each["name"]] = self._all_covered(place, each)

    def close(self) -> None:
        """Close the file; what was told as written stays."""
        with self._lock:
            self._db.close()

    def places(self) -> list[Place]:
        """Every collection that there is, also an empty one that was created."""
        with self._lock:
            return sorted(self._held)

    def find(self, place: Place, wanted: Document, by: Mapping[str, Any] | None = None) -> list[Document]:
        """The documents that the filter means, in the order of `by`, else in that of their insertion."""
        with self._lock:
            held = self._held.get(place, {})
            near = held.get(_key(wanted["_id"])) if _is_plain(wanted.get("_id")) else None
            # an id that is not found as it is written may still be there as an equal number of another type
            found = [each for each in (held.values() if near is None else [near]) if matches(each, wanted)]
        return ordered(found, by) if by else found

    def insert(self, place: Place, document: Document) -> None:
        """A new document; Refused with code 11000 if its id, or what a unique index covers, is there already."""
        with self._lock:
            if "_id" not in document:
                document = {"_id": ObjectId(), **document}
            key = _key(document["_id"])
            if key in self._held.get(place, {}):
                raise _duplicate(place, _OF_ID, document)
            self._refuse_twins(place, document, key)
            self.create(place)
            self._put(place, key, document)

    def update(
        self, place: Place, wanted: Document, change: Any, *, multi: bool = False, upsert: bool = False, by: Any = None
    ) -> tuple[list[tuple[Document, Document]], Document | None]:
        """Each document that was meant, before and after; and the one that was inserted because none was."""
        with self._lock:
            found = self.find(place, wanted, by)
            if not found and upsert:
                document = begun(wanted, change)
                self.insert(place, document)
                return [], document
            changed = []
            for before in found if multi else found[:1]:
                after = updated(before, change)
                key = _key(before["_id"])
                self._refuse_twins(place, after, key)
                if bson.encode(after) != bson.encode(before):
                    self._put(place, key, after)
                changed.append((before, after))
            return changed, None

    def delete(self, place: Place, wanted: Document, *, multi: bool, by: Any = None) -> list[Document]:
        """The documents that were meant and are gone."""
        with self._lock:
            found = self.find(place, wanted, by)
            found = found if multi else found[:1]
            for each in found:
                key = _key(each["_id"])
                self._write("DELETE FROM documents WHERE database = ? AND collection = ? AND id = ?", *place, key)
                self._give_back(place, self._held[place].pop(key))
            return found

    def create(self, place: Place) -> bool:
        """Make the collection; False if it is there."""
        with self._lock:
            if place in self._held:
                return False
            self._write("INSERT INTO indexes VALUES (?, ?, ?, ?)", *place, _OF_ID["name"], bson.encode(_OF_ID))
            self._held[place] = {}
            self._indexes[place] = {"_id_": _OF_ID}
            return True

    def drop(self, place: Place) -> bool:
        """Take the collection away with all that is in it; False if there is none."""
        with self._lock:
            if place not in self._held:
                return False
            for table in ("documents", "indexes"):
                self._write(f"DELETE FROM {table} WHERE database = ? AND collection = ?", *place)
            del self._held[place]
            for name in self._indexes.pop(place, {}):
                self._taken.pop((place, name), None)
            return True

    def indexes(self, place: Place) -> list[Document]:
        """The collection's indexes; Refused if there is no such collection."""
        with self._lock:
            if place not in self._held:
                raise Refused(f"ns does not exist: {place[0]}.{place[1]}", 26)
            return list(self._indexes[place].values())

    def index(self, place: Place, wish: Document) -> bool:
        """Add an index; False if it is there. A unique one is refused over documents that break it."""
        with self._lock:
            self.create(place)
            known = self._indexes[place].get(wish["name"])
            if known is not None:
                if known.get("key") != wish.get("key") or bool(known.get("unique")) != bool(wish.get("unique")):
                    raise Refused(f"an index {wish['name']} with other options is there", 85)
                return False
            body = {"v": 2, **wish}
            taken = self._all_covered(place, body) if body.get("unique") else None
            self._write("INSERT INTO indexes VALUES (?, ?, ?, ?)", *place, wish["name"], bson.encode(body))
            if taken is not None:
                self._taken[place, wish["name"]] = taken
            self._indexes[place][wish["name"]] = body
            return True

    def drop_indexes(self, place: Place, names: Callable[[Document], bool]) -> int:
        """Take away the indexes that are meant, never the one of `_id`; how many there were before."""
        with self._lock:
            before = self.indexes(place)
            for each in before:
                if each["name"] != "_id_" and names(each):
                    self._write("DELETE FROM indexes WHERE database = ? AND collection = ? AND name = ?", *place, each["name"])
                    del self._indexes[place][each["name"]]
                    self._taken.pop((place, each["name"]), None)
            return len(before)

    def _refuse_twins(self, place: Place, document: Document, key: bytes) -> None:
        for each, taken in self._unique(place):
            if taken.get(_covered(document, each), key) != key:
                raise _duplicate(place, each, document)

    def _unique(self, place: Place) -> Iterator[tuple[Document, dict[Covered, bytes]]]:
        """The unique indexes of a collection, and which document has taken what they cover."""
        for name, each in self._indexes.get(place, {}).items():
            if each.get("unique"):
                yield each, self._taken[place, name]

    def _all_covered(self, place: Place, index: Document) -> dict[Covered, bytes]:
        """What an index covers, and of which document; Refused if two documents have the same."""
        taken: dict[Covered, bytes] = {}
        for key, each in self._held[place].items():
            if taken.setdefault(_covered(each, index), key) != key:
                raise _duplicate(place, index, each)
        return taken

    def _give_back(self, place: Place, document: Document) -> None:
        for each, taken in self._unique(place):
            taken.pop(_covered(document, each), None)

    def _put(self, place: Place, key: bytes, document: Document) -> None:
        body = bson.encode(document)
        self._write("INSERT INTO documents VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body", *place, key, body)
        before = self._held[place].get(key)
        if before is not None:
            self._give_back(place, before)
        # decoded anew, so that what is held is exactly what was written
        self._held[place][key] = after = bson.decode(body)
        for each, taken in self._unique(place):
            taken[_covered(after, each)] = key

    def _write(self, statement: str, *values: object) -> None:
        self._db.execute(statement, values)


def _is_plain(value: Any) -> bool:
    """Whether a filter on `_id` names one id, and no operators."""
    return isinstance(value, (str, int, ObjectId)) and not isinstance(value, bool)


def _key(value: Any) -> bytes:
    return bson.encode({"": value})


def _paths(index: Document) -> Iterable[list[str]]:
    return (path.split(".") for path in index["key"])


def _covered(document: Document, index: Document) -> Covered:
    return tuple(standing(next(reach(document, parts), MISSING)) for parts in _paths(index))


def _duplicate(place: Place, index: Document, document: Document) -> Refused:
    keys = {path: next(reach(document, path.split(".")), None) for path in index["key"]}
    return Refused(
        f"E11000 duplicate key error collection: {place[0]}.{place[1]} index: {index['name']} dup key: {keys}",
        11000,
        keyPattern=index["key"],
        keyValue=keys,
    )
