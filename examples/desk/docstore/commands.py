"""The commands of a document database: one mapping in, one mapping out, whoever carries them."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, final

from bson import Int64

from examples.desk.docstore.matching import Document, Refused, reach, standing
from examples.desk.docstore.pipeline import aggregated, projected
from examples.desk.docstore.store import Place, Store

VERSION = (7, 0, 0)
"""The version of MongoDB whose answers are given; `buildInfo` says beside it what really answers."""

MAX_DOCUMENT = 16 * 1024 * 1024
MAX_MESSAGE = 48 * 1000 * 1000
_FIRST_BATCH = 101
_MAX_CURSORS = 200


@final
class Commands:
    """Answers commands out of a store, and keeps the cursors that are not read to their end."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._cursors: dict[int, tuple[Place, list[Document]]] = {}
        self._began = time.monotonic()
        self.version = VERSION

    def answer(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """The reply to one command; a refusal is a reply with `ok: 0`."""
        name = next(iter(command), "")
        carry = _COMMANDS.get(name.lower())
        try:
            if carry is None:
                raise Refused(f"no such command: '{name}'", 59)
            return {**carry(self, command), "ok": 1.0}
        except Refused as refusal:
            return {"ok": 0.0, "errmsg": str(refusal), "code": refusal.code, **refusal.more}
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            return {"ok": 0.0, "errmsg": f"{name} cannot be read: {type(error).__name__}: {error}", "code": 9}

    def hello(self, command: Document) -> dict[str, Any]:
        return {
            "helloOk": True,
            "ismaster": True,
            "isWritablePrimary": True,
            "maxBsonObjectSize": MAX_DOCUMENT,
            "maxMessageSizeBytes": MAX_MESSAGE,
            "maxWriteBatchSize": 100_000,
            "localTime": datetime.now(UTC),
            "minWireVersion": 0,
            "maxWireVersion": 21,
            "readOnly": False,
        }

    def ping(self, command: Document) -> dict[str, Any]:
        return {}

    def build(self, command: Document) -> dict[str, Any]:
        version = ".".join(map(str, self.version))
        return {"version": version, "versionArray": [*self.version, 0], "modules": ["docstore of the embedded desk"], "bits": 64}

    def status(self, command: Document) -> dict[str, Any]:
        uptime = time.monotonic() - self._began
        return {"version": ".".join(map(str, VERSION)), "process": "docstore", "uptime": uptime, "localTime": datetime.now(UTC)}

    def databases(self, command: Document) -> dict[str, Any]:
        names = sorted({database for database, _ in self._store.places()})
        return {"databases": [{"name": name, "sizeOnDisk": 1, "empty": False} for name in names], "totalSize": len(names)}

    def collections(self, command: Document) -> dict[str, Any]:
        database = command["$db"]
        listed = [
            {"name": name, "type": "collection", "options": {}, "info": {"readOnly": False}}
            for owner, name in self._store.places()
            if owner == database
        ]
        wanted = command.get("filter") or {}
        return self._cursor((database, "$cmd.listCollections"), aggregated(listed, [{"$match": wanted}]), len(listed) + 1)

    def create(self, command: Document) -> dict[str, Any]:
        if not self._store.create(_place(command, "create")):
            raise Refused(f"a collection '{command['create']}' already exists", 48)
        return {}

    def drop(self, command: Document) -> dict[str, Any]:
        if not self._store.drop(_place(command, "drop")):
            raise Refused("ns not found", 26)
        return {}

    def drop_database(self, command: Document) -> dict[str, Any]:
        for place in self._store.places():
            if place[0] == command["$db"]:
                self._store.drop(place)
        return {"dropped": command["$db"]}

    def find(self, command: Document) -> dict[str, Any]:
        place = _place(command, "find")
        found = self._store.find(place, command.get("filter") or {}, command.get("sort"))
        skip, limit = command.get("skip", 0), command.get("limit", 0)
        found = found[skip : skip + abs(limit)] if limit else found[skip:]
        told = [projected(each, command.get("projection")) for each in found]
        batch = command.get("batchSize", _FIRST_BATCH)
        return self._cursor(place, told, len(told) if command.get("singleBatch") or limit < 0 else batch)

    def count(self, command: Document) -> dict[str, Any]:
        found = len(self._store.find(_place(command, "count"), command.get("query") or {}))
        found = max(0, found - command.get("skip", 0))
        return {"n": min(found, command["limit"]) if command.get("limit") else found}

    def distinct(self, command: Document) -> dict[str, Any]:
        found = self._store.find(_place(command, "distinct"), command.get("query") or {})
        values: dict[Any, Any] = {}
        for each in found:
            for value in reach(each, command["key"].split(".")):
                for part in value if isinstance(value, list) else [value]:
                    if standing(part) != (1,):
                        values.setdefault(standing(part), part)
        return {"values": list(values.values())}

    def aggregate(self, command: Document) -> dict[str, Any]:
        place = _place(command, "aggregate")
        told = aggregated(self._store.find(place, {}), command["pipeline"])
        return self._cursor(place, told, (command.get("cursor") or {}).get("batchSize", _FIRST_BATCH))

    def insert(self, command: Document) -> dict[str, Any]:
        place = _place(command, "insert")
        return _written(
            (lambda document=document: self._store.insert(place, document) or 1 for document in command["documents"]),
            ordered_=command.get("ordered", True),
        )

    def update(self, command: Document) -> dict[str, Any]:
        place, modified, upserted = _place(command, "update"), [0], []

        def one(index: int, wish: Document) -> int:
            changed, inserted = self._store.update(
                place, wish["q"], wish["u"], multi=wish.get("multi", False), upsert=wish.get("upsert", False)
            )
            modified[0] += sum(before is not after and before != after for before, after in changed)
            if inserted is not None:
                upserted.append({"index": index, "_id": inserted["_id"]})
            return len(changed) + (inserted is not None)

        wishes = enumerate(command["updates"])
        told = _written(
            (lambda index=index, wish=wish: one(index, wish) for index, wish in wishes), ordered_=command.get("ordered", True)
        )
        return {**told, "nModified": modified[0], **({"upserted": upserted} if upserted else {})}

    def delete(self, command: Document) -> dict[str, Any]:
        place = _place(command, "delete")
        return _written(
            (
                lambda wish=wish: len(self._store.delete(place, wish["q"], multi=wish.get("limit", 0) != 1))
                for wish in command["deletes"]
            ),
            ordered_=command.get("ordered", True),
        )

    def find_and_modify(self, command: Document) -> dict[str, Any]:
        place, wanted, by = _place(command, next(iter(command))), command.get("query") or {}, command.get("sort")
        if command.get("remove"):
            gone = self._store.delete(place, wanted, multi=False, by=by)
            return {"value": gone[0] if gone else None, "lastErrorObject": {"n": len(gone)}}
        changed, inserted = self._store.update(place, wanted, command["update"], upsert=command.get("upsert", False), by=by)
        before, after = changed[0] if changed else (None, inserted)
        told = after if command.get("new") else before
        state = {"n": int(after is not None), "updatedExisting": before is not None}
        return {
            "value": None if told is None else projected(told, command.get("fields")),
            "lastErrorObject": {**state, **({} if inserted is None else {"upserted": inserted["_id"]})},
        }

    def create_indexes(self, command: Document) -> dict[str, Any]:
        place = _place(command, "createIndexes")
        fresh = self._store.create(place)
        before = len(self._store.indexes(place))
        for wish in command["indexes"]:
            self._store.index(place, wish)
        after = len(self._store.indexes(place))
        return {"numIndexesBefore": before, "numIndexesAfter": after, "createdCollectionAutomatically": fresh}

    def list_indexes(self, command: Document) -> dict[str, Any]:
        place = _place(command, "listIndexes")
        told = self._store.indexes(place)
        return self._cursor(place, told, len(told))

    def drop_indexes(self, command: Document) -> dict[str, Any]:
        place, wanted = _place(command, "dropIndexes"), command["index"]

        def meant(index: Document) -> bool:
            return wanted == "*" or wanted in (index["name"], index["key"])

        if not any(meant(each) for each in self._store.indexes(place)):
            raise Refused(f"index not found with name [{wanted}]", 27)
        before = self._store.drop_indexes(place, meant)
        return {"nIndexesWas": before}

    def more(self, command: Document) -> dict[str, Any]:
        number = int(command["getMore"])
        with self._lock:
            if number not in self._cursors:
                raise Refused(f"cursor id {number} not found", 43)
            place, rest = self._cursors.pop(number)
        size = command.get("batchSize") or 1_000
        return {"cursor": self._batch(place, rest, size, "nextBatch", number)}

    def kill(self, command: Document) -> dict[str, Any]:
        with self._lock:
            killed = [number for number in command["cursors"] if self._cursors.pop(int(number), None) is not None]
        gone = [number for number in command["cursors"] if number not in killed]
        return {"cursorsKilled": killed, "cursorsNotFound": gone, "cursorsAlive": [], "cursorsUnknown": []}

    def _cursor(self, place: Place, told: list[Document], size: int) -> dict[str, Any]:
        return {"cursor": self._batch(place, told, size, "firstBatch", next(self._numbers))}

    def _batch(self, place: Place, told: list[Document], size: int, name: str, number: int) -> dict[str, Any]:
        batch, rest = told[:size], told[size:]
        if rest:
            with self._lock:
                while len(self._cursors) >= _MAX_CURSORS:
                    # whoever left this one behind asked longest ago
                    del self._cursors[next(iter(self._cursors))]
                self._cursors[number] = (place, rest)
        return {"id": Int64(number if rest else 0), "ns": ".".join(place), name: batch}


def _place(command: Document, name: str) -> Place:
    collection = command[name]
    if not isinstance(collection, str) or not collection:
        raise Refused("a collection is named by text", 73)
    return command["$db"], collection


def _written(changes: Iterator[Callable[[], int]], *, ordered_: bool) -> dict[str, Any]:
    """How many documents were meant, and which changes were refused; after a refusal the rest is left undone if ordered."""
    count, faults = 0, []
    for index, change in enumerate(changes):
        try:
            count += change()
        except Refused as refusal:
            faults.append({"index": index, "code": refusal.code, "errmsg": str(refusal), **refusal.more})
            if ordered_:
                break
    return {"n": count, **({"writeErrors": faults} if faults else {})}


_COMMANDS: Mapping[str, Callable[[Commands, Document], dict[str, Any]]] = {
    "hello": Commands.hello,
    "ismaster": Commands.hello,
    "ping": Commands.ping,
    "endsessions": Commands.ping,
    "buildinfo": Commands.build,
    "serverstatus": Commands.status,
    "listdatabases": Commands.databases,
    "listcollections": Commands.collections,
    "create": Commands.create,
    "drop": Commands.drop,
    "dropdatabase": Commands.drop_database,
    "find": Commands.find,
    "count": Commands.count,
    "distinct": Commands.distinct,
    "aggregate": Commands.aggregate,
    "insert": Commands.insert,
    "update": Commands.update,
    "delete": Commands.delete,
    "findandmodify": Commands.find_and_modify,
    "createindexes": Commands.create_indexes,
    "listindexes": Commands.list_indexes,
    "dropindexes": Commands.drop_indexes,
    "getmore": Commands.more,
    "killcursors": Commands.kill,
}
