"""The desk's document database: small, persistent, and spoken to in the wire protocol of MongoDB by any of its clients.

It runs in the street's process, as a database does that the desk uses but does not own. Both the desk and whoever checks it
are ordinary pymongo clients; `connect` is the desk's way in.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymongo.database import Database

DATABASE = "desk"
"""The name of the database that the desk works in."""


def connect(url: str, *, timeout: float = 2.0) -> Database[dict[str, Any]]:
    """The desk's database by a pymongo client of its own; close it with `.client.close()`.

    Amounts are Decimal on this side and Decimal128 in the store; times come back with their zone. Nothing is asked yet: a
    store that is down is `pymongo.errors.ServerSelectionTimeoutError` at the first call, after `timeout` seconds.
    """
    from bson.codec_options import CodecOptions, TypeCodec, TypeRegistry
    from bson.decimal128 import Decimal128, create_decimal128_context
    from pymongo import MongoClient

    exact = create_decimal128_context()

    class Amounts(TypeCodec):
        python_type = Decimal
        bson_type = Decimal128

        def transform_python(self, value: Decimal) -> Decimal128:
            return Decimal128(exact.create_decimal(value))

        def transform_bson(self, value: Decimal128) -> Decimal:
            return value.to_decimal()

    milliseconds = int(timeout * 1000)
    client: MongoClient[dict[str, Any]] = MongoClient(
        url,
        serverSelectionTimeoutMS=milliseconds,
        connectTimeoutMS=milliseconds,
        socketTimeoutMS=milliseconds,
        directConnection=True,
    )
    options: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True, type_registry=TypeRegistry([Amounts()]))
    return client.get_database(DATABASE, codec_options=options)
