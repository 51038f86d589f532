"""A MongoDB, asked by its own client: who answers, which collections there are, and what lies in one of them."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import unquote

from pydantic import Field, field_validator, model_validator

from pytest_golive.errors import MissingExtra, ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.probes.base import Duration, ProbeModel, Text, cut, spoken

_RUNS_CODE = frozenset({"$where", "$function", "$accumulator", "$expr"})


class Mongo(ProbeModel):
    """Does this MongoDB work, and what does it hold?

    ```yaml
    mongo:
      url_env: MONGO_URL
      database: trading
      collection: trades
      find: {mode: paper, amount: {$gt: 0}}
      last: {at: 24h}
      sort: {at: -1}
    expect: {ping: true, exists: true, count: {ge: 10}, rows[*].order_id: {unique: true}, indexes[*].name: {contains: order_id_1}}
    ```

    Exactly one of `url` and `url_env` (the name of a variable, for an address with a password). `find` is a filter of MongoDB's
    query language without the operators that run code; `last` adds that the time in a field lies at most so long ago. At most
    `limit` (100) documents are told; `count` counts all that match. Only reading commands are sent. Amounts are exact, times
    ISO text, ids and bytes hexadecimal. Needs the extra `mongo`.

    Facts: `address`, `ping` (true), `version`, `database`, `collections` (sorted names), `writable` (the server is a primary),
    `replica_set` (absent if it is none); with `collection`: `exists`, and if it does `count`, `rows`, `first` (absent without
    rows), `truncated`, `indexes` (`name`, `fields`, `unique`). Of a collection that does not exist there is no count.
    """

    word: ClassVar[str] = "mongo"

    url: Text | None = None
    url_env: Text | None = None
    database: Text
    collection: Text | None = None
    find: dict[Text, Any] | None = None
    last: dict[Text, Duration] = Field(default_factory=dict)
    sort: dict[Text, Literal[1, -1]] = Field(default_factory=dict)
    limit: Annotated[int, Field(ge=1, le=5_000)] = 100

    @model_validator(mode="after")
    def _one_address(self) -> Mongo:
        if (self.url is None) == (self.url_env is None):
            raise ValueError("write exactly one of url and url_env")
        if self.collection is None and {"find", "last", "sort", "limit"} & self.model_fields_set:
            raise ValueError("find, last, sort and limit need a collection")
        if set(self.last) & set(self.find or ()):
            raise ValueError("a field stands either in find or in last")
        return self

    @field_validator("find")
    @classmethod
    def _only_data(cls, find: dict[str, Any] | None) -> dict[str, Any] | None:
        code = sorted(_RUNS_CODE & set(_names(find)))
        if code:
            raise ValueError(f"{code[0]} runs code in the database")
        return find

    def secrets(self, context: Context) -> Iterable[str]:
        address = self.url or context.environ.get(self.url_env or "", "")
        # the last @ before a slash ends the password, which may hold what it should not
        login = address.partition("://")[2].partition("/")[0].rpartition("@")[0]
        password = login.partition(":")[2]
        return (password, unquote(password), address) if password else ()

    def look(self, context: Context) -> Facts:
        try:
            import pymongo
            from bson.errors import BSONError
            from pymongo.errors import PyMongoError
        except ImportError:
            raise MissingExtra("pymongo", "mongo") from None
        allowed = context.remaining()
        url = self.url or self._from_variable(context)
        where = cut(", ".join(_hosts(url)), 200)
        try:
            client = self._client(url, context)
        except (PyMongoError, ValueError) as error:
            raise ProbeError(f"this is not the address of a MongoDB: {type(error).__name__}", hint="correct the url") from None
        with contextlib.closing(client):
            _refuse_closed_doors(url, where, context)
            try:
                with pymongo.timeout(max(context.remaining(), 0.001)):
                    return {"address": where} | self._facts(client, context)
            except PyMongoError as error:
                raise _worded(error, where, context, allowed) from None
            except (BSONError, OverflowError) as error:
                raise ProbeError(f"{where}: {cut(str(error), 200)}", hint="see find, and what the documents hold") from None

    def _from_variable(self, context: Context) -> str:
        url = context.environ.get(self.url_env or "", "")
        if not url:
            raise ProbeError(f"the variable {self.url_env} is not set, so there is no MongoDB to ask", hint=f"set {self.url_env}")
        return url

    def _client(self, url: str, context: Context) -> Any:
        """A client of one connection; it keeps no monitor longer than the look."""
        import pymongo

        left = max(int(context.remaining() * 1000), 1)
        return pymongo.MongoClient(
            url,
            serverSelectionTimeoutMS=left,
            connectTimeoutMS=left,
            socketTimeoutMS=left,
            maxPoolSize=1,
            retryReads=False,
            tz_aware=True,
            appname="pytest-golive",
        )

    def _facts(self, client: Any, context: Context) -> dict[str, Any]:
        database = client.get_database(self.database)
        facts: dict[str, Any] = {"ping": database.command("ping").get("ok") == 1}
        greeting = client.admin.command("hello")
        facts |= {"version": client.server_info()["version"], "database": self.database}
        facts["writable"] = bool(greeting.get("isWritablePrimary"))
        if "setName" in greeting:
            facts["replica_set"] = greeting["setName"]
        facts["collections"] = sorted(name for name in database.list_collection_names() if not name.startswith("system."))
        if self.collection is None:
            return facts
        facts["exists"] = self.collection in facts["collections"]
        return facts | self._documents(database[self.collection], context) if facts["exists"] else facts

    def _documents(self, collection: Any, context: Context) -> dict[str, Any]:
        wanted = _sendable(self.find or {})
        for field, seconds in self.last.items():
            wanted[field] = {"$gte": context.now() - timedelta(seconds=seconds)}
        cursor = collection.find(wanted, limit=self.limit + 1, sort=list(self.sort.items()) or None)
        with contextlib.closing(cursor):
            rows = [_plain(row) for row in cursor]
        facts: dict[str, Any] = {
            "count": collection.count_documents(wanted),
            "rows": rows[: self.limit],
            "truncated": len(rows) > self.limit,
            "indexes": [
                {"name": each["name"], "fields": list(each["key"]), "unique": bool(each.get("unique")) or each["name"] == "_id_"}
                for each in collection.list_indexes()
            ],
        }
        return facts | ({"first": rows[0]} if rows else {})


def _refuse_closed_doors(url: str, where: str, context: Context) -> None:
    """`ProbeError` if nobody listens on any of the hosts: the client would go on knocking until the time is over."""
    from pymongo.uri_parser import parse_uri

    if url.startswith("mongodb+srv:"):
        return
    for host, port in parse_uri(url)["nodelist"]:
        try:
            socket.create_connection((host, port), timeout=max(context.remaining(), 0.001)).close()
        except ConnectionRefusedError:
            continue
        except (OSError, TypeError):
            return
        return
    raise ProbeError(f"connection refused by {where}", hint="start the database, or correct the address")


def _worded(error: Exception, where: str, context: Context, allowed: float) -> ProbeError:
    from pymongo.errors import ConfigurationError, OperationFailure

    code = getattr(error, "code", None)
    if isinstance(error, OperationFailure) and code in (18, 8000):
        return ProbeError(f"{where} refuses the user or the password", hint="correct the variable that url_env names")
    if isinstance(error, OperationFailure) and code == 13:
        return ProbeError(f"{where} does not let this user look: {cut(str(error), 200)}", hint="give the user the role read")
    if isinstance(error, OperationFailure) and not getattr(error, "timeout", False):
        return ProbeError(f"{where} refuses: {cut(str(error), 200)}", hint="see find, and what listens there")
    if isinstance(error, ConfigurationError):
        return ProbeError(f"{where} cannot be asked: {cut(str(error), 200)}", hint="correct the url")
    if context.remaining() <= 0.05 or getattr(error, "timeout", False):
        return ProbeError(f"no complete answer from {where}: timed out after {spoken(allowed)}", hint="see why it is slow")
    return ProbeError(f"{where} cannot be asked: {cut(str(error), 200)}", hint="start the database, or correct the address")


def _hosts(url: str) -> list[str]:
    """The hosts in an address, without user and password."""
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2].split(",")


def _names(value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield str(name)
            yield from _names(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _names(part)


def _sendable(value: Any) -> Any:
    """The filter as BSON can carry it: exact numbers stay exact."""
    from bson import Decimal128

    if isinstance(value, Mapping):
        return {str(name): _sendable(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_sendable(part) for part in value]
    return Decimal128(value) if isinstance(value, Decimal) else value


def _plain(value: Any) -> Any:
    from bson import Decimal128

    if isinstance(value, Decimal128):
        return _finite(value.to_decimal())
    if isinstance(value, float):
        return _finite(Decimal(repr(value)))
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return str(value)


def _finite(number: Decimal) -> Decimal | str:
    """A number that cannot be compared is told as text, which no bound accepts."""
    return number if number.is_finite() else str(number)
