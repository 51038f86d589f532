"""The document store: pymongo, which knows nothing of it, gets what MongoDB would give."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pymongo import DESCENDING, MongoClient, ReturnDocument
from pymongo.database import Database
from pymongo.errors import BulkWriteError, CollectionInvalid, ConnectionFailure, DuplicateKeyError, OperationFailure

from examples.desk.docstore import connect
from examples.desk.docstore.server import DocumentServer

Books = Database[dict[str, Any]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[DocumentServer]:
    store = DocumentServer(tmp_path / "docstore.sqlite")
    yield store
    store.close()


@pytest.fixture
def books(server: DocumentServer) -> Iterator[Books]:
    database = connect(f"mongodb://{server.address}/", timeout=5)
    yield database
    database.client.close()


def test_a_second_client_sees_what_the_first_wrote(server: DocumentServer, books: Books) -> None:
    """Amounts stay exact, times keep their moment, and who looks is told the same as who wrote."""
    at = datetime(2026, 11, 21, 10, 0, 0, 123000, tzinfo=UTC)
    key = books.trades.insert_one({"amount": Decimal("0.10"), "at": at, "tags": ["a"]}).inserted_id
    with MongoClient(f"mongodb://{server.address}/", serverSelectionTimeoutMS=5000) as other:
        assert str(other.desk.trades.find_one({"_id": key})["amount"]) == "0.10"
        assert other.list_database_names() == ["desk"]
    assert books.trades.find_one({"_id": key}) == {"_id": key, "amount": Decimal("0.10"), "at": at, "tags": ["a"]}


def test_what_was_written_outlives_the_server(tmp_path: Path) -> None:
    """Documents, their order and unique indexes are there after a restart on the same file."""
    for _ in range(2):
        store = DocumentServer(tmp_path / "kept.sqlite")
        books = connect(f"mongodb://{store.address}/", timeout=5)
        if not books.list_collection_names():
            books.bots.create_index("name", unique=True)
            books.bots.insert_many([{"name": "b"}, {"name": "a"}])
        else:
            assert [each["name"] for each in books.bots.find()] == ["b", "a"]
            with pytest.raises(DuplicateKeyError):
                books.bots.insert_one({"name": "a"})
        books.client.close()
        store.close()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, "abcd"),
        ({"n": 1}, "a"),
        ({"n": {"$gt": 1}}, "bc"),
        ({"n": {"$gte": 1, "$lt": 3}}, "ab"),
        ({"n": {"$ne": 2}}, "acd"),
        ({"n": {"$in": [1, 3]}}, "ac"),
        ({"n": {"$nin": [1, 3]}}, "bd"),
        ({"n": {"$exists": False}}, "d"),
        ({"n": None}, "d"),
        ({"n": "1"}, ""),
        ({"n": {"$gt": ""}}, ""),
        ({"name": {"$gt": 5}}, ""),
        ({"tags": "x"}, "ab"),
        ({"tags": ["x", "y"]}, "b"),
        ({"tags": {"$all": ["y", "x"]}}, "b"),
        ({"tags": {"$size": 1}}, "a"),
        ({"in.depth": 7}, "c"),
        ({"legs.q": {"$gt": 4}}, "d"),
        ({"legs": {"$elemMatch": {"q": 5, "s": "BUY"}}}, ""),
        ({"legs": {"$elemMatch": {"q": 5, "s": "SELL"}}}, "d"),
        ({"$or": [{"n": 1}, {"in.depth": 7}]}, "ac"),
        ({"$nor": [{"n": 1}, {"n": 2}]}, "cd"),
        ({"$and": [{"n": {"$gt": 0}}, {"tags": "x"}]}, "ab"),
        ({"n": {"$not": {"$gt": 1}}}, "ad"),
        ({"name": {"$regex": "^[AB]", "$options": "i"}}, "ab"),
    ],
)
def test_a_filter_finds_what_it_means(books: Books, wanted: dict[str, Any], found: str) -> None:
    """Each operator keeps MongoDB's rules on missing fields, lists and types."""
    books.t.insert_many(
        [
            {"name": "a", "n": 1, "tags": ["x"]},
            {"name": "b", "n": Decimal("2.0"), "tags": ["x", "y"]},
            {"name": "c", "n": 3, "in": {"depth": 7}},
            {"name": "d", "legs": [{"q": 3, "s": "BUY"}, {"q": 5, "s": "SELL"}]},
        ]
    )
    assert "".join(each["name"] for each in books.t.find(wanted)) == found
    assert books.t.count_documents(wanted) == len(found)


@pytest.mark.parametrize("wanted", [{"n": {"$where": "1"}}, {"$jsonSchema": {}}, {"n": {"$near": 1}}])
def test_a_filter_that_is_not_understood_is_refused(books: Books, wanted: dict[str, Any]) -> None:
    """An unknown operator finds nothing by error, never everything by silence."""
    books.t.insert_one({"n": 1})
    for ask in (lambda: list(books.t.find(wanted)), lambda: books.t.delete_many(wanted)):
        with pytest.raises(OperationFailure, match="unknown"):
            ask()
    assert books.t.count_documents({}) == 1


def test_a_long_answer_comes_in_batches(books: Books) -> None:
    """A cursor gives every document once, in order, with skip, limit, sort and projection kept."""
    books.t.insert_many([{"_id": n, "half": n // 2} for n in range(350)])
    assert [each["_id"] for each in books.t.find(batch_size=20)] == list(range(350))
    found = list(books.t.find({}, {"half": 1, "_id": 0}).sort("_id", DESCENDING).skip(2).limit(3))
    assert found == [{"half": 173}, {"half": 173}, {"half": 172}]
    with books.t.find(batch_size=2) as cursor:
        assert next(cursor)["_id"] == 0


@pytest.mark.parametrize(
    ("change", "after"),
    [
        ({"$set": {"n": 5, "in.deep": True}}, {"n": 5, "list": [1, 2], "in": {"deep": True}}),
        ({"$unset": {"n": ""}}, {"list": [1, 2]}),
        ({"$inc": {"n": Decimal("0.05"), "new": 2}}, {"n": Decimal("1.05"), "list": [1, 2], "new": 2}),
        ({"$max": {"n": 9}, "$min": {"m": 3}}, {"n": 9, "list": [1, 2], "m": 3}),
        ({"$push": {"list": 3}}, {"n": 1, "list": [1, 2, 3]}),
        ({"$push": {"list": {"$each": [3, 4], "$slice": -2}}}, {"n": 1, "list": [3, 4]}),
        ({"$addToSet": {"list": 2}}, {"n": 1, "list": [1, 2]}),
        ({"$pull": {"list": {"$gt": 1}}}, {"n": 1, "list": [1]}),
        ({"$setOnInsert": {"n": 9}}, {"n": 1, "list": [1, 2]}),
    ],
)
def test_an_update_changes_just_that(books: Books, change: dict[str, Any], after: dict[str, Any]) -> None:
    """What a modifier names changes as MongoDB would change it, and nothing else."""
    books.t.insert_one({"_id": 1, "n": 1, "list": [1, 2]})
    assert books.t.update_one({"_id": 1}, change).matched_count == 1
    assert books.t.find_one() == {"_id": 1, **after}


def test_an_update_tells_how_much_it_changed(books: Books) -> None:
    """Matched, modified and inserted are told apart; ids cannot be changed; unknown modifiers are refused."""
    books.t.insert_many([{"n": 1}, {"n": 1}, {"n": 2}])
    told = books.t.update_many({}, {"$set": {"n": 2}})
    assert (told.matched_count, told.modified_count) == (3, 2)
    born = books.t.update_one({"name": "x", "k": {"$gt": 1}}, {"$inc": {"n": 1}, "$setOnInsert": {"s": 1}}, upsert=True)
    assert books.t.find_one({"_id": born.upserted_id}) == {"_id": born.upserted_id, "name": "x", "n": 1, "s": 1}
    assert books.t.replace_one({"name": "x"}, {"name": "y"}).modified_count == 1
    for change in ({"$set": {"_id": 5}}, {"$rename": {"n": "m"}}, {"$inc": {"name": 1}}):
        with pytest.raises(OperationFailure):
            books.t.update_one({"name": "y"}, change)
    assert books.t.find_one({"name": "y"}, {"_id": 0}) == {"name": "y"}


def test_one_of_many_claims_a_document(books: Books) -> None:
    """Find-and-modify gives the document before or after, in the wanted order, and None if there is none."""
    books.t.insert_many([{"n": 1}, {"n": 2}])
    claim = {"$set": {"taken": True}}
    first = books.t.find_one_and_update(
        {"taken": None}, claim, sort=[("n", DESCENDING)], return_document=ReturnDocument.AFTER, projection={"_id": 0}
    )
    assert first == {"n": 2, "taken": True}
    assert books.t.find_one_and_update({"taken": None}, claim)["n"] == 1
    assert books.t.find_one_and_update({"taken": None}, claim) is None
    assert books.t.find_one_and_delete({"n": 2})["taken"] is True
    assert books.t.count_documents({}) == 1


def test_groups_are_summed_exactly(books: Books) -> None:
    """Sums of Decimal128 are exact; averages, extremes and sets are told for each group."""
    books.t.insert_many([{"s": "A", "x": Decimal("0.1")}, {"s": "A", "x": Decimal("0.2")}, {"s": "B", "x": Decimal(5)}])
    group = {"_id": "$s", "n": {"$sum": 1}, "sum": {"$sum": "$x"}, "avg": {"$avg": "$x"}, "max": {"$max": "$x"}}
    assert list(books.t.aggregate([{"$group": group}, {"$sort": {"_id": 1}}])) == [
        {"_id": "A", "n": 2, "sum": Decimal("0.3"), "avg": Decimal("0.15"), "max": Decimal("0.2")},
        {"_id": "B", "n": 1, "sum": Decimal(5), "avg": Decimal(5), "max": Decimal(5)},
    ]
    assert sorted(books.t.distinct("s")) == ["A", "B"]
    assert list(books.t.aggregate([{"$match": {"s": "A"}}, {"$count": "n"}])) == [{"n": 2}]
    with pytest.raises(OperationFailure, match="stage"):
        books.t.aggregate([{"$out": "elsewhere"}])


def test_a_unique_index_is_kept(books: Books) -> None:
    """Inserts and updates that would break it are refused with 11000, and the index cannot be made over twins."""
    books.t.create_index([("a", 1), ("b", 1)], unique=True)
    books.t.insert_many([{"a": 1, "b": 1}, {"a": 1, "b": 2}])
    with pytest.raises(DuplicateKeyError):
        books.t.insert_one({"a": 1, "b": 2})
    with pytest.raises(DuplicateKeyError):
        books.t.update_one({"b": 1}, {"$set": {"b": 2}})
    with pytest.raises(BulkWriteError) as caught:
        books.t.insert_many([{"a": 1, "b": 1}, {"a": 9}], ordered=False)
    assert caught.value.details["nInserted"] == 1
    assert set(books.t.index_information()) == {"_id_", "a_1_b_1"}
    books.u.insert_many([{"a": 1}, {"a": 1}])
    with pytest.raises(OperationFailure, match="E11000"):
        books.u.create_index("a", unique=True)
    books.t.update_one({"b": 2}, {"$set": {"b": 3}})
    books.t.insert_one({"a": 1, "b": 2})
    books.t.delete_one({"b": 2})
    books.t.insert_one({"a": Decimal("1.0"), "b": 2})
    books.t.drop_index("a_1_b_1")
    books.t.insert_one({"a": 1, "b": 2})
    assert books.t.count_documents({"a": 1, "b": 2}) == 2


def test_an_id_is_found_as_any_other_field(books: Books) -> None:
    """An id finds its document alone, with further conditions, and written as an equal number of another type."""
    books.t.insert_many([{"_id": 1, "n": 1}, {"_id": "1", "n": 2}])
    assert books.t.find_one({"_id": 1})["n"] == 1
    assert books.t.find_one({"_id": 1.0})["n"] == 1
    assert books.t.find_one({"_id": "1", "n": {"$gt": 1}})["n"] == 2
    assert books.t.find_one({"_id": "1", "n": 1}) is None
    assert books.t.find_one({"_id": 3}) is None
    assert books.t.count_documents({"_id": {"$in": [1, "1"]}}) == 2


def test_collections_are_made_and_taken_away(books: Books) -> None:
    """An empty collection is listed; one that exists is not made again; a dropped one is gone."""
    books.create_collection("empty")
    with pytest.raises(CollectionInvalid):
        books.create_collection("empty")
    books.full.insert_one({})
    assert sorted(books.list_collection_names()) == ["empty", "full"]
    assert books.list_collection_names(filter={"name": "full"}) == ["full"]
    books.drop_collection("full")
    assert books.list_collection_names() == ["empty"]
    books.client.drop_database("desk")
    assert books.client.list_database_names() == []


def test_an_unknown_command_is_refused(books: Books) -> None:
    """What the store cannot do it does not pretend to have done."""
    for command in ("shutdown", "renameCollection", "mapReduce"):
        with pytest.raises(OperationFailure, match="no such command"):
            books.command(command)


def test_a_stranger_on_the_port_harms_nobody(server: DocumentServer, books: Books) -> None:
    """Garbage, a lie about the length and an unknown operation end that connection only."""
    host, _, port = server.address.partition(":")
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", struct.pack("<iiii", 2**31 - 1, 1, 0, 2013), struct.pack("<iiii", 20, 1, 0, 99)):
        with socket.create_connection((host, int(port)), timeout=5) as line:
            line.sendall(garbage + b"\x00\x00\x00\x00")
            line.shutdown(socket.SHUT_WR)
            assert line.recv(100) == b""
    assert books.command("ping")["ok"] == 1


def test_down_is_down_and_up_is_the_same_again(server: DocumentServer, books: Books) -> None:
    """While it is down nobody gets an answer; afterwards the same client on the same port finds what was there."""
    books.t.insert_one({"n": 1})
    server.down()
    with pytest.raises(ConnectionFailure):
        books.command("ping")
    server.up()
    assert books.t.count_documents({}) == 1


def test_the_desk_uses_the_store_and_says_when_it_is_gone(shared: Any, eventually: Callable[..., None]) -> None:
    """The fault docstore-down is seen by the desk and by any client; switched off, the documents are there again."""
    with MongoClient(shared.desk.variables["DESK_MONGO_URL"], serverSelectionTimeoutMS=300) as client:
        client.desk.seen.insert_one({"at": datetime.now(UTC) + timedelta(0)})
        assert shared.get("/docstore/health")["state"] == "healthy"
        shared.fault("docstore-down", on=True)
        try:
            assert shared.get("/docstore/health")["state"] == "unhealthy"
            with pytest.raises(ConnectionFailure):
                client.admin.command("ping")
        finally:
            shared.fault("docstore-down", on=False)
        eventually(lambda: shared.get("/docstore/health")["state"] == "healthy")
        assert client.desk.seen.delete_many({}).deleted_count == 1
