"""The floor: everything that the bots of document 003 need, held together, started and ended with the desk.

On a new home it makes two users with money and bots, which trade a little on the paper exchange, so that the books hold something
that was really done.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, final

from examples.desk.bots import terms
from examples.desk.bots.breaker import Breaker
from examples.desk.bots.lifecycle import LifeCycle
from examples.desk.bots.pipeline import FILLED, Order, Pipeline
from examples.desk.bots.portfolio import Portfolio
from examples.desk.bots.reinvest import Reinvestment
from examples.desk.bots.runner import EVERY, Runner
from examples.desk.bots.store import Store
from examples.desk.bots.users import ADMIN, Users
from examples.desk.broker import Broker
from examples.desk.clock import Clock
from examples.desk.errors import DeskError
from examples.desk.symbols import SYMBOLS
from examples.desk.worker import Worker

if TYPE_CHECKING:
    from pymongo.database import Database

ADMINISTRATOR = "admin"
FIRST: Mapping[str, Mapping[str, str]] = {
    "anna": {"anna-btc": "BTCUSDT", "anna-eth": "ETHUSDT"},
    "ben": {"ben-btc": "BTCUSDT", "ben-eth": "ETHUSDT"},
}
"""The users of a new home, and the bots of each."""

SCENARIO = timedelta(seconds=5)

_FUNDING = Decimal(10_000)
_CAPITAL = Decimal(4_000)

_log = logging.getLogger("desk.system")


@final
class Floor:
    """All parts; the attributes are what others ask."""

    def __init__(
        self,
        database: Database[dict[str, Any]],
        venue: Broker,
        environ: Mapping[str, str],
        *,
        now: Clock,
        halted: Callable[[], str] = lambda: "",
        scenario: Callable[[Decimal], None] = lambda factor: None,
    ) -> None:
        self.environ = environ
        self.terms = terms.load(environ)
        self.venue = venue
        self.now = now
        self.closed: set[str] = set()
        """Addresses that a drill has closed."""
        self.aside: list[dict[str, Any]] = []
        """What a drill keeps of a collection that it took away."""
        self._move = scenario
        self._scenario_until: datetime | None = None
        self.store = Store(database)
        self.users = Users(self.store, venue, now=now)
        self.breaker = Breaker(self.store, self.terms, now=now)
        self.life = LifeCycle(self.store, self.users, self.breaker, now=now)
        self.pipeline = Pipeline(self.store, venue, self.breaker, self.terms, now=now, halted=halted)
        self.portfolio = Portfolio(self.store, self.users, venue, now=now)
        self.reinvestment = Reinvestment(self.store, self.users, self.portfolio, self.terms, now=now)
        self.runner = Runner(self.store, self.pipeline, now=now)
        self.workers = {
            "bots": Worker("bots", self.runner.turn, every=EVERY, now=now),
            "reinvestment": Worker("reinvestment", self._slow_turn, every=0.5, now=now),
        }

    def start(self) -> None:
        """Make what is missing, settle what was left open, begin to trade."""
        self.store.prepare()
        self.pipeline.recover()
        password = self.environ.get("ADMIN_PASSWORD") or secrets.token_urlsafe(24)
        if self.store.one("users", name=ADMINISTRATOR) is None:
            self.users.create(ADMINISTRATOR, password, role=ADMIN)
        else:
            self.users.change_password(ADMINISTRATOR, password)
        for name, bots in FIRST.items():
            if self.store.one("users", name=name) is None:
                try:
                    self._settle_in(name, bots)
                except DeskError as error:
                    _log.warning("%s cannot begin: %s", name, error)
        if self.environ.get("BOTS_AUTOSTART") == "true":
            self._wake()
        for worker in self.workers.values():
            worker.start()

    def _wake(self) -> None:
        """Let every paused bot run, as an operator wants it who set BOTS_AUTOSTART; one with an open breaker stays paused."""
        for bot in self.store.all("bots", status="paused"):
            with contextlib.suppress(DeskError):
                self.life.turn(bot["name"], "resume", by="BOTS_AUTOSTART", reason="the desk was started")

    def halt(self) -> None:
        """End all turns."""
        for worker in self.workers.values():
            worker.ask_to_halt()
        for worker in self.workers.values():
            worker.halt()

    def scenario(self, factor: Decimal) -> None:
        """Multiply the paper exchange's prices; after SCENARIO they are the market's own again, whoever forgot them."""
        self._move(factor)
        self._scenario_until = None if factor == 1 else self.now() + SCENARIO

    def _slow_turn(self) -> None:
        until = self._scenario_until
        if until is not None and self.now() > until:
            self.scenario(Decimal(1))
        try:
            self.reinvestment.turn()
        except DeskError as error:
            _log.error("reinvestment: %s", error)

    def _settle_in(self, name: str, bots: Mapping[str, str]) -> None:
        """A user with money and bots, each of which has closed a trade and holds something."""
        self.users.create(name, secrets.token_urlsafe(24))
        self.users.fund(name, _FUNDING)
        for bot, symbol in bots.items():
            self.life.create(name, bot, symbol=symbol, capital=_CAPITAL)
            self.life.turn(bot, "start", by=name, reason="first day")
            step = SYMBOLS[symbol].step
            for side, quantity in (("BUY", 3 * step), ("SELL", 2 * step)):
                edge = self.pipeline.required_edge_bps
                order = self.pipeline.take(
                    Order(bot=bot, side=side, quantity=quantity, edge_bps=edge, key=f"first-{uuid.uuid4().hex}")
                )
                if order["state"] != FILLED:
                    raise DeskError(f"{bot} cannot trade: {order['reason']}", hint="see the paper exchange")
