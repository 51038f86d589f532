"""A floor of bots for the suites: real code, a real document store and paper exchange, under the terms of the desk's .env.

The desk's source is looked for in the folder that DESK_ROOT names, as the suites lie in the desk's home.
"""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, os.environ["DESK_ROOT"])

from examples.desk import docstore
from examples.desk.bots.floor import Floor
from examples.desk.bots.pipeline import Order
from examples.desk.broker import Broker
from examples.desk.docstore.server import DocumentServer
from examples.desk.settings import read_dotenv
from examples.desk.symbols import SYMBOLS
from examples.desk.venues.exchange import Exchange

EDGE = Decimal(60)
KEY = uuid.uuid4().hex
"""The key and the secret of the exchange, for this run only."""


class Clock:
    """A clock that tells the real time, further on by what a test asks for."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Bench:
    """A floor with one user who has money, and the exchange behind it."""

    def __init__(self, floor: Floor, exchange: Exchange, clock: Clock) -> None:
        self.floor, self.exchange, self.clock = floor, exchange, clock
        self.user = "tester"

    def bot(self, name: str = "steady", *, start: bool = True, **more: Any) -> str:
        """A bot with capital."""
        self.floor.life.create(self.user, name, symbol="BTCUSDT", capital=Decimal(100), **more)
        if start:
            self.floor.life.turn(name, "start", by=self.user)
        return name

    def send(self, bot: str, side: str, quantity: str = "0.0001", *, edge: Decimal = EDGE, key: str = "") -> dict[str, Any]:
        """What became of an order."""
        wish = Order(bot=bot, side=side, quantity=Decimal(quantity), edge_bps=edge, key=key or f"suite-{uuid.uuid4().hex}")
        return self.floor.pipeline.take(wish)

    def market(self, factor: str) -> None:
        """Let the paper market stand so many times where it stood."""
        self.exchange.market.move(Decimal(factor))


@pytest.fixture(scope="session")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Exchange]]:
    folder = tmp_path_factory.mktemp("street")
    store = DocumentServer(folder / "docstore.sqlite")
    exchange = Exchange(
        folder / "testnet.sqlite", name="testnet", prefix="TN", key=KEY, secret=KEY, control=KEY,
        symbols=SYMBOLS, opening={"drill-a": {"USDT": "1"}},
    )  # fmt: skip
    exchange.start()
    yield f"mongodb://{store.address}/", exchange
    exchange.close()
    store.close()


@pytest.fixture
def bench(street: tuple[str, Exchange]) -> Iterator[Bench]:
    url, exchange = street
    exchange.market.move(Decimal(1))
    client = docstore.connect(url).client
    options = docstore.connect(url)
    database = client.get_database(f"suite_{uuid.uuid4().hex[:8]}", codec_options=options.codec_options)
    options.client.close()
    clock = Clock()
    environ = read_dotenv(Path(__file__).parents[2] / ".env")
    floor = Floor(database, Broker("testnet", exchange.server.url, key=KEY, secret=KEY), environ, now=clock)
    floor.store.prepare()
    bench = Bench(floor, exchange, clock)
    floor.store.add("users", {"name": bench.user, "role": "user", "account": f"paper-{uuid.uuid4().hex[:8]}", "password": ""})
    floor.users.fund(bench.user, Decimal(1000))
    yield bench
    client.close()


@pytest.fixture
def later(bench: Bench) -> Callable[[float], None]:
    """Let so many seconds go by."""

    def move(seconds: float) -> None:
        bench.clock.ahead += timedelta(seconds=seconds)

    return move
