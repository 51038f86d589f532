"""redis and mongo: real clients against real servers, and against servers that lie, loiter or refuse."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from pydantic import ValidationError

from examples.desk.cache import Cache, ask
from examples.desk.docstore import connect
from examples.desk.docstore.server import DocumentServer
from pytest_golive import probes
from pytest_golive.errors import MissingExtra, ProbeError

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
PASSWORD = "pw-8d7f6a5b"


def _split(address: str) -> dict[str, Any]:
    host, _, port = address.rpartition(":")
    return {"host": host, "port": int(port)}


@pytest.fixture
def cache() -> Iterator[Cache]:
    """The desk's cache, which speaks RESP."""
    server = Cache()
    ask(server.address, "SET", "price", "61.50", "EX", "60")
    ask(server.address, "SET", "name", "desk")
    yield server
    server.down()


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A real redis-server with a password, ended by its own handle."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed: apt-get install redis-server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    words = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD, "--dir", str(folder)]
    process = subprocess.Popen([program, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield {"host": "127.0.0.1", "port": port}
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int) -> None:
    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < end, "the server did not come up"
            time.sleep(0.02)
        else:
            return


def _web(server: Any, connection: socket.socket) -> None:
    """What a web server says to a client that does not speak HTTP."""
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def test_a_real_redis_is_asked(look: Any, redis_server: dict[str, Any]) -> None:
    """Version, role, memory and the entry under a key come from redis-server itself, and its password stays out."""
    import redis

    look.environ["REDIS_PASSWORD"] = PASSWORD
    with redis.Redis(**redis_server, password=PASSWORD) as client:
        client.set("price", "61.5", px=30_000)
        client.rpush("queue", "a", "b")
        facts = look("redis", **redis_server, password_env="REDIS_PASSWORD", key="price", as_="json", pattern="p*")
        assert (facts["ping"], facts["role"], facts["keys"], facts["value"]) == (True, "master", 2, Decimal("61.5"))
        assert facts["version"].count(".") == 2
        assert facts["used_memory"] > 100_000
        assert 0 < facts["ttl_seconds"] <= 30
        assert (facts["matching"], facts["matching_keys"], facts["scan_complete"]) == (1, ["price"], True)
        queue = look("redis", **redis_server, password_env="REDIS_PASSWORD", key="queue")
        assert (queue["type"], queue["length"], queue["persistent"]) == ("list", 2, True)
        assert "value" not in queue
        assert client.dbsize() == 2


def test_a_redis_that_refuses_the_password_is_an_error(look: Any, redis_server: dict[str, Any]) -> None:
    """No password, a wrong one, and one in the address: refused, and never told."""
    with pytest.raises(ProbeError, match="refuses the password"):
        look("redis", **redis_server)
    look.environ |= {
        "REDIS_PASSWORD": "wr0ng-" + PASSWORD,
        "REDIS_URL": f"redis://:bad-{PASSWORD}@127.0.0.1:{redis_server['port']}/0",
    }
    for fields in ({**redis_server, "password_env": "REDIS_PASSWORD"}, {"url_env": "REDIS_URL"}):
        with pytest.raises(ProbeError, match="refuses the password") as caught:
            look("redis", **fields)
        assert PASSWORD not in str(caught.value)
    look.environ["REDIS_URL"] = f"redis://:{PASSWORD}@127.0.0.1:{redis_server['port']}/0"
    facts = look("redis", url_env="REDIS_URL")
    assert facts["ping"] is True
    assert PASSWORD not in str(facts)


def test_the_desks_cache_is_asked(look: Any, cache: Cache) -> None:
    """The same kind reads the desk's own cache: value, time to live, and what is not there."""
    where = _split(cache.address)
    facts = look("redis", **where, key="price", pattern="*")
    assert (facts["ping"], facts["role"], facts["keys"], facts["value"], facts["matching"]) == (True, "master", 2, "61.50", 2)
    assert 0 < facts["ttl_seconds"] <= 60
    assert look("redis", **where, key="name")["persistent"] is True
    assert look("redis", url=f"redis://{cache.address}")["keys"] == 2
    gone = look("redis", **where, key="gone")
    assert gone["exists"] is False
    assert not {"value", "ttl_seconds", "type"} & set(gone)


def test_a_value_that_is_no_json_is_an_error(look: Any, cache: Cache) -> None:
    """Text where JSON was promised is not a value."""
    with pytest.raises(ProbeError, match="not JSON"):
        look("redis", **_split(cache.address), key="name", as_="json")


def test_a_value_under_the_name_of_a_secret_is_withheld(look: Any, redis_server: dict[str, Any]) -> None:
    """Of a key whose name says secret only the length is told; of one that only counts them the value is."""
    import redis

    look.environ["REDIS_PASSWORD"] = PASSWORD
    with redis.Redis(**redis_server, password=PASSWORD) as client:
        client.set("kraken:api_secret", "hunter2-of-the-exchange")
        client.set("tokens_used", "17")
        secret = look("redis", **redis_server, password_env="REDIS_PASSWORD", key="kraken:api_secret")
        assert "hunter2" not in str(secret)
        assert (secret["withheld"], secret["length"], secret["placeholder"]) == (True, 23, False)
        assert look("redis", **redis_server, password_env="REDIS_PASSWORD", key="tokens_used")["value"] == "17"


def test_a_redis_that_is_gone_is_an_error(look: Any, cache: Cache) -> None:
    """Nobody on the port is an error, not an empty database."""
    cache.down()
    with pytest.raises(ProbeError, match="cannot be asked"):
        look("redis", **_split(cache.address))


def test_a_redis_that_lies_or_loiters_is_an_error(look: Any, lie: Callable[..., Any]) -> None:
    """A web server, silence, an endless trickle, and a server that is loading its data are errors, in time."""

    def trickle(server: Any, connection: socket.socket) -> None:
        while not server.over.wait(0.05):
            connection.sendall(b"+")

    def silence(server: Any, connection: socket.socket) -> None:
        server.over.wait(20)

    def loading(server: Any, connection: socket.socket) -> None:
        while connection.recv(4096):
            connection.sendall(b"-LOADING Redis is loading the dataset in memory\r\n" * 4)

    for by, words in ((trickle, "timed out"), (silence, "timed out"), (loading, "loading")):
        began = time.monotonic()
        with pytest.raises(ProbeError, match=words):
            look("redis", 0.6, host="127.0.0.1", port=lie(by=by).port)
        assert time.monotonic() - began < 5
    with pytest.raises(ProbeError, match="cannot be asked"):
        look("redis", host="127.0.0.1", port=lie(by=_web).port)


@pytest.mark.parametrize(
    "reply", [b"+PONG\r\n", b"+OK\r\n", b":1\r\n", b"$-1\r\n", b"*0\r\n", b"$5\r\nhello\r\n", b"%1\r\n+a\r\n+b\r\n"]
)
def test_a_stub_of_a_redis_is_an_error(look: Any, lie: Callable[..., Any], reply: bytes) -> None:
    """A server that says the same to every question is no Redis, and that is no fault of the gate."""

    def stub(server: Any, connection: socket.socket) -> None:
        while connection.recv(4096):
            connection.sendall(reply)

    with pytest.raises(ProbeError) as caught:
        look("redis", 5.0, host="127.0.0.1", port=lie(by=stub).port, key="k", pattern="*")
    assert "broke" not in str(caught.value)


def test_a_key_that_ends_while_it_is_looked_at_is_gone(look: Any, lie: Callable[..., Any]) -> None:
    """A key that was there for TYPE and not for GET, or not for PTTL, does not exist; its last value is not told."""
    for ended in (b"GET", b"PTTL"):
        gone = {b"GET": b"$-1\r\n", b"PTTL": b":-2\r\n"}
        replies = {
            b"PING": b"+PONG\r\n",
            b"DBSIZE": b":1\r\n",
            b"TYPE": b"+string\r\n",
            b"GET": b"$1\r\n7\r\n",
            b"PTTL": b":5\r\n",
        }
        replies[ended] = gone[ended]

        def speak(server: Any, connection: socket.socket, replies: dict[bytes, bytes] = replies) -> None:
            with connection.makefile("rwb") as stream:
                while line := stream.readline():
                    words = [stream.read(int(stream.readline()[1:]) + 2)[:-2] for _ in range(int(line[1:]))]
                    stream.write(replies.get(words[0], b"-ERR unknown command\r\n"))
                    stream.flush()

        facts = look("redis", host="127.0.0.1", port=lie(by=speak).port, key="price")
        assert (facts["ping"], facts["exists"]) == (True, False)
        assert not {"value", "ttl_seconds", "role"} & set(facts)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"host": "a", "url": "redis://a"},
        {"url": "http://a"},
        {"url": "rediss://a?ssl_cert_reqs=none"},
        {"url": "redis://a:port"},
        {"url_env": "X", "db": 1},
        {"host": "a", "port": 0},
    ],
)
def test_a_redis_that_cannot_be_meant_is_refused(fields: dict[str, Any]) -> None:
    """One address, of the right kind, without options that would switch verification off."""
    with pytest.raises(ValidationError):
        probes.kind("redis").model_validate(fields)


def test_a_variable_that_holds_no_address_is_an_error(look: Any) -> None:
    """An address from a variable is held to the same, and its text is not told."""
    with pytest.raises(ProbeError, match="REDIS_URL is not set"):
        look("redis", url_env="REDIS_URL")
    look.environ["REDIS_URL"] = f"rediss://:{PASSWORD}@h?ssl_cert_reqs=none"
    with pytest.raises(ProbeError, match="options after a question mark") as caught:
        look("redis", url_env="REDIS_URL")
    assert PASSWORD not in str(caught.value)


@pytest.fixture
def mongo(tmp_path: Path) -> Iterator[tuple[DocumentServer, Any]]:
    """A document store with a collection of trades, and its address."""
    server = DocumentServer(tmp_path / "docs.sqlite")
    books = connect(f"mongodb://{server.address}/", timeout=5)
    books.trades.create_index("order_id", unique=True)
    books.trades.insert_many(
        [
            {"order_id": n, "mode": "paper", "amount": Decimal("0.10") * n, "at": NOW - timedelta(hours=n), "raw": b"\x01"}
            for n in range(1, 6)
        ]
    )
    yield server, {"url": f"mongodb://{server.address}/", "database": "desk"}
    books.client.close()
    server.close()


def test_documents_are_told_exactly(look: Any, mongo: Any) -> None:
    """Amounts come as Decimal, times as ISO text, ids and bytes as hexadecimal, newest first as asked."""
    _, where = mongo
    facts = look("mongo", **where, collection="trades", sort={"order_id": -1}, limit=2)
    assert (facts["ping"], facts["writable"], facts["version"], facts["collections"]) == (True, True, "7.0.0", ["trades"])
    assert (facts["exists"], facts["count"], facts["truncated"], len(facts["rows"])) == (True, 5, True, 2)
    assert ObjectId.is_valid(facts["first"].pop("_id"))
    told = {"order_id": 5, "mode": "paper", "amount": Decimal("0.50"), "at": "2026-11-21T05:00:00+00:00", "raw": "01"}
    assert facts["first"] == told
    assert facts["indexes"][1] == {"name": "order_id_1", "fields": ["order_id"], "unique": True}


def test_a_filter_and_a_window_pick(look: Any, mongo: Any) -> None:
    """find and last pick together; exact numbers are compared exactly; nothing found is count 0 without a first row."""
    _, where = mongo
    pick = {**where, "collection": "trades"}
    assert look("mongo", **pick, find={"amount": {"$gte": Decimal("0.30")}})["count"] == 3
    assert look("mongo", **pick, find={"mode": "paper"}, last={"at": "150m"})["count"] == 2
    none = look("mongo", **pick, find={"mode": "live"})
    assert (none["count"], none["rows"]) == (0, [])
    assert "first" not in none


def test_a_collection_that_is_not_there_has_no_count(look: Any, mongo: Any) -> None:
    """A misspelt collection is not an empty one."""
    _, where = mongo
    facts = look("mongo", **where, collection="trade")
    assert facts["exists"] is False
    assert not {"count", "rows", "indexes"} & set(facts)
    assert look("mongo", **where | {"database": "other"})["collections"] == []


def test_nothing_is_written(look: Any, mongo: Any) -> None:
    """Looking at a collection that does not exist does not make it."""
    server, where = mongo
    look("mongo", **where, collection="fresh")
    assert look("mongo", **where)["collections"] == ["trades"]
    assert server.commands.answer({"count": "trades", "$db": "desk"})["n"] == 5


def test_what_bson_cannot_carry_is_an_error_of_the_list(look: Any, mongo: Any) -> None:
    """A number beyond eight bytes is told as what it is, not as a fault of the gate."""
    _, where = mongo
    with pytest.raises(ProbeError, match="8-byte ints") as caught:
        look("mongo", **where, collection="trades", find={"order_id": 10**30})
    assert "broke" not in str(caught.value)


def test_a_mongo_that_is_gone_is_an_error(look: Any, mongo: Any) -> None:
    """Nobody on the port is an error at once, not after the whole time of the item."""
    server, where = mongo
    server.down()
    began = time.monotonic()
    with pytest.raises(ProbeError, match="connection refused"):
        look("mongo", 15.0, **where)
    assert time.monotonic() - began < 10


def test_a_mongo_that_lies_or_loiters_is_an_error(look: Any, lie: Callable[..., Any]) -> None:
    """A web server, silence and a trickle are errors in time."""

    def trickle(server: Any, connection: socket.socket) -> None:
        connection.sendall(b"\xff\x00\x00\x00")
        while not server.over.wait(0.05):
            connection.sendall(b"\x00")

    def silence(server: Any, connection: socket.socket) -> None:
        server.over.wait(20)

    for server in (lie(by=trickle), lie(by=silence), lie(by=_web)):
        began = time.monotonic()
        with pytest.raises(ProbeError):
            look("mongo", 0.8, url=f"mongodb://127.0.0.1:{server.port}/", database="desk")
        assert time.monotonic() - began < 5


def test_a_password_of_mongo_is_never_told(look: Any, mongo: Any) -> None:
    """User and password of the address stand in no fact and no error."""
    server, _ = mongo
    look.environ["MONGO_URL"] = f"mongodb://user:{PASSWORD}@{server.address}/"
    with pytest.raises(ProbeError) as caught:
        look("mongo", url_env="MONGO_URL", database="desk")
    assert PASSWORD not in str(caught.value)
    look.environ["MONGO_URL"] = f"mongodb://user:{PASSWORD}/x@{server.address}/"
    with pytest.raises(ProbeError, match="not the address") as caught:
        look("mongo", url_env="MONGO_URL", database="desk")
    assert PASSWORD not in str(caught.value)
    with pytest.raises(ProbeError, match="GONE is not set"):
        look("mongo", url_env="GONE", database="desk")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"url": "mongodb://a", "url_env": "B"},
        {"url": "mongodb://a", "find": {"a": 1}},
        {"url": "mongodb://a", "collection": "c", "find": {"$where": "true"}},
        {"url": "mongodb://a", "collection": "c", "find": {"$or": [{"$expr": {"$function": {}}}]}},
        {"url": "mongodb://a", "collection": "c", "find": {"at": 1}, "last": {"at": "1h"}},
        {"url": "mongodb://a", "collection": "c", "last": {"at": 1}},
        {"url": "mongodb://a", "collection": "c", "sort": {"at": 2}},
    ],
)
def test_a_mongo_that_cannot_be_meant_is_refused(fields: dict[str, Any]) -> None:
    """One address; a filter only with a collection, and none that runs code."""
    with pytest.raises(ValidationError):
        probes.kind("mongo").model_validate({"database": "d", **fields})


def test_a_number_that_is_none_is_told_as_text(look: Any, mongo: Any) -> None:
    """NaN in a document meets no bound."""
    server, where = mongo
    server.commands.answer({"insert": "odd", "$db": "desk", "documents": [{"x": float("nan"), "y": Decimal128("Infinity")}]})
    row = look("mongo", **where, collection="odd")["first"]
    assert (row["x"], row["y"]) == ("NaN", "Infinity")


@pytest.mark.parametrize(
    ("word", "package", "fields"),
    [("redis", "redis", {"host": "h"}), ("mongo", "pymongo", {"url": "mongodb://h", "database": "d"})],
)
def test_without_the_client_the_install_line_is_told(
    look: Any, monkeypatch: pytest.MonkeyPatch, word: str, package: str, fields: dict[str, str]
) -> None:
    """A missing client library is an error that says what to install."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra) as caught:
        look(word, **fields)
    assert caught.value.hint == f"pip install 'pytest-golive[{word}]'"
