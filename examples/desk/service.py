"""The running desk: its parts, the threads that move them, and how it starts and ends.

It starts the street (exchanges, cache and document store) as a child that ends with it, reads its switches and keys once,
undoes what an interrupted drill left behind, takes its accounts on, makes its testnet history if there is none, and only then
answers.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import functools
import logging
import os
from collections.abc import Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, final

from examples.desk import cache, clock, docstore, faults
from examples.desk.adoption import Adoption
from examples.desk.bots.floor import Floor
from examples.desk.bots.post import Post
from examples.desk.bots.terms import seconds
from examples.desk.bots.upkeep import Upkeep
from examples.desk.broker import Broker
from examples.desk.capital import Capital
from examples.desk.certificates import Authority
from examples.desk.errors import BrokerError, DeskError
from examples.desk.front import Front
from examples.desk.gates import Gates, Intent
from examples.desk.guarding import guard_of
from examples.desk.health import DEGRADED, HEALTHY, UNHEALTHY, BrokerHealth, of_threads, of_workers
from examples.desk.isolation import Isolation
from examples.desk.kraken_bot.keeping import Keeping
from examples.desk.ledger import Ledger
from examples.desk.logs import open_logs
from examples.desk.neighbours import Neighbours
from examples.desk.office.clerk import Clerk
from examples.desk.orders import OrderPath
from examples.desk.positions import Positions
from examples.desk.risk import UNKNOWN, EmergencyStop, Limits, Risk
from examples.desk.routing.room import Routing
from examples.desk.settings import Settings, credentials, with_mail_password, with_mail_server
from examples.desk.symbols import ACCOUNTS, BROKERS, OPENING, SYMBOLS, TESTNET, VENUES
from examples.desk.trading import Trader
from examples.desk.web import Routes
from examples.desk.worker import Worker

if TYPE_CHECKING:
    from pymongo.database import Database

TESTNET_TRADES = 4
"""Closed testnet trades that the desk makes for itself when it has fewer."""

SERVICES = ("execution", "risk", "capital", "isolation", "market")

_log = logging.getLogger("desk.system")


@final
class Service:
    """One desk on one home folder, in this process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics_silenced = False
        self._ends = contextlib.ExitStack()
        self._seen: dict[str, Mapping[str, Any]] = {}
        try:
            self._begin()
        except BaseException:
            self._ends.close()
            raise

    def _begin(self) -> None:
        settings, home = self.settings, self.settings.home
        self._lock_home()
        open_logs(home.execution_log, home.system_log)
        settings = self.settings = with_mail_password(settings)
        self.neighbours = Neighbours(home.street, settings.environ)
        self._ends.callback(self.neighbours.close)
        authority = Authority()
        authority.write(home.ca)
        self.front = Front(authority, home.certificate)
        self._ends.callback(self.front.down)
        self.ledger = Ledger(home.ledger)
        self._ends.callback(self.ledger.close)
        self.guard = guard_of(settings)
        self.addresses = self.neighbours.addresses
        settings = self.settings = with_mail_server(settings, self.addresses["mail"])
        self.brokers = {name: self._broker(name) for name in VENUES}
        self.capital = Capital(self.ledger, self.brokers, buffer=settings.capital_buffer, now=clock.now)
        self.positions = Positions(self.ledger, self.capital)
        self.isolation = Isolation(
            self.ledger, failures=settings.breaker_failures, cool_down=settings.breaker_cool_down, now=clock.now
        )
        limits = Limits(
            max_drawdown=settings.max_drawdown, warn_drawdown=settings.warn_drawdown, max_exposure=settings.max_exposure
        )
        self.risk = Risk(self.ledger, self.capital, limits=limits, now=clock.now)
        self.stop_system = EmergencyStop(self.ledger, now=clock.now)
        self.gates = Gates(
            settings,
            capital=self.capital,
            positions=self.positions,
            isolation=self.isolation,
            risk=self.risk,
            stop=self.stop_system,
        )
        self.orders = OrderPath(
            settings,
            self.ledger,
            gates=self.gates,
            guard=self.guard,
            capital=self.capital,
            positions=self.positions,
            isolation=self.isolation,
            now=clock.now,
        )
        self.routing = Routing(self)
        self.floor = Floor(
            self.documents,
            self.brokers[TESTNET],
            settings.environ,
            now=clock.now,
            halted=self._halted,
            scenario=lambda factor: self.neighbours.steer(TESTNET, price_factor=factor),
        )
        self.upkeep = Upkeep(
            self.floor,
            home=home.path,
            stop=self.stop_system,
            health=lambda: {
                "desk": self.health()["state"],
                "document store": self.docstore_health()["state"],
                "cache": self.cache_health()["state"],
            },
            drill=lambda: bool(faults.switched_on(self)),
            post=Post.of(settings.environ, ca_file=home.ca),
            venues={TESTNET: self.addresses[TESTNET]},
            now=clock.now,
        )
        self.keeping = Keeping(home.path, home.ledger, self.brokers["kraken"], now=clock.now)
        self.adoption = Adoption(self.ledger, self.positions, self.brokers, now=clock.now)
        self.broker_health = {
            name: BrokerHealth(broker, next(iter(OPENING[name])), now=clock.now) for name, broker in self.brokers.items()
        }
        self.traders = {
            name: Trader(name, self.orders, between=functools.partial(self._between, name), now=clock.now) for name in ACCOUNTS
        }
        self.workers = {
            "execution": Worker("execution", self.orders.reconcile, every=0.5, now=clock.now),
            "risk": Worker("risk", lambda: self._note("risk", self.risk.assess(at_most_old=0.5).state), every=0.5, now=clock.now),
            "capital": Worker("capital", self._watch_capital, every=0.5, now=clock.now),
            "isolation": Worker("isolation", self._watch_breakers, every=0.1, now=clock.now),
            "market": Worker("market", self._watch_market, every=0.5, now=clock.now),
        }
        self.clerk = Clerk(self)

    def start(self) -> None:
        """Take accounts on, make a history, begin to trade."""
        self._ends.callback(self._halt)
        for account in ACCOUNTS.values():
            self.ledger.write(
                "INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?)",
                account.name, account.broker, "drill" if account.drill else "live", account.profile,
            )  # fmt: skip
            self.isolation.watch(account.name)
        faults.mend_all(self)
        # before adoption, which would take what such an order bought for a holding of before
        self.orders.reconcile(("accepted", "sent", "unknown"))
        for account in ACCOUNTS.values():
            self.adoption.adopt(account)
        self._make_history()
        self.floor.start()
        self.risk.assess()
        self._watch_market()
        for name in SERVICES:
            self.workers[name].start()
        for trader in self.traders.values():
            trader.worker.start()
        self.keeping.start()
        self.routing.start()
        self.upkeep.start()
        self.clerk.start()
        self._ends.callback(self.clerk.stop)
        self._write_pid()
        logging.getLogger("desk.web").info("requests are answered from now on; each that fails has a line here")
        _log.info("the desk is up in mode %s", self.settings.mode)

    def open_front(self, routes: Routes) -> Mapping[str, str]:
        """Let the world in over TLS; the addresses of the front."""
        self.front.open(routes)
        return self.front.addresses

    def stop(self) -> None:
        """End all threads, close everything, give the home folder back."""
        _log.info("the desk goes down")
        self._ends.close()

    def submit(self, intent: Intent, *, timeout: float = 10.0) -> Mapping[str, Any]:
        """The order that became of the intent; DeskError if the account's trading thread does not take it."""
        if self.settings.testnet_only:
            intent = dataclasses.replace(intent, testnet=True)
        trader = self.traders[intent.account]
        if not trader.worker.alive:
            raise DeskError(f"the trading thread of {intent.account} is halted", hint="see /threads")
        future: Future[Mapping[str, Any]] = trader.submit(intent)
        try:
            return future.result(timeout)
        except TimeoutError:
            told = "it was taken back" if future.cancel() else "it may still be carried out"
            raise DeskError(f"the trading thread of {intent.account} did not answer; {told}", hint="see /orders") from None

    def threads(self) -> dict[str, Any]:
        """The trading threads with their last sign of life."""
        return of_threads({name: trader.worker for name, trader in self.traders.items()}, ACCOUNTS, clock.now())

    def service_health(self, name: str) -> dict[str, Any]:
        """One service: its worker lives and beats; the market's also has prices of every broker."""
        workers, reason = [self.workers[name]], ""
        if name == "market":
            unpriced = [broker for broker in BROKERS if self._seen.get(broker, {}).get("prices") is None]
            reason = f"no prices from {', '.join(unpriced)}" if unpriced else ""
        return of_workers(name, workers, reason, clock.now())

    def health(self) -> dict[str, Any]:
        """All services together; healthy only if each is."""
        services = {name: self.service_health(name) for name in SERVICES}
        good = all(service["state"] == HEALTHY for service in services.values())
        return {"state": HEALTHY if good else DEGRADED, "services": services, "checked_at": clock.now()}

    def cache_health(self) -> dict[str, Any]:
        """Whether the cache answers."""
        try:
            good, reason = cache.ask(self.addresses["cache"], "PING") == "PONG", ""
        except (OSError, ValueError) as error:
            good, reason = False, f"{type(error).__name__}: {error}"
        return {"state": HEALTHY if good else UNHEALTHY, "reason": reason, "checked_at": clock.now()}

    @functools.cached_property
    def documents(self) -> Database[dict[str, Any]]:
        """The desk's document database; the client is made when it is first asked for, and closed with the desk."""
        database = docstore.connect(
            self.settings.environ.get("MONGO_URL") or f"mongodb://{self.addresses['docstore']}/{docstore.DATABASE}",
            timeout=seconds(self.settings.environ, "STORE_TIMEOUT_SECONDS", 2),
        )
        self._ends.callback(database.client.close)
        return database

    def docstore_health(self) -> dict[str, Any]:
        """Whether the document store answers."""
        from pymongo.errors import PyMongoError

        try:
            good, reason = self.documents.command("ping")["ok"] == 1, ""
        except PyMongoError as error:
            good, reason = False, type(error).__name__
        return {"state": HEALTHY if good else UNHEALTHY, "reason": reason, "checked_at": clock.now()}

    def _lock_home(self) -> None:
        file = self._ends.enter_context(self.settings.home.lock.open("a", encoding="ascii"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = self.settings.home.pid
            told = f" (pid {pid.read_text(encoding='ascii').strip()})" if pid.exists() else ""
            raise DeskError(
                f"another desk runs on {self.settings.home.path}{told}", hint="stop it first, or name another folder with --home"
            ) from None

    def _broker(self, name: str) -> Broker:
        key, secret = (self.settings.environ.get(variable, "") for variable in credentials(name))
        return Broker(name, self.addresses[name], key=key, secret=secret)

    def _write_pid(self) -> None:
        path = self.settings.home.pid
        path.write_text(f"{os.getpid()}\n", encoding="ascii")
        self._ends.callback(path.unlink, missing_ok=True)

    def _make_history(self) -> None:
        """Trade on the testnet until the history has enough closed trades; give up at the first failure."""
        drill = [account for account in ACCOUNTS.values() if account.drill]
        for number in range(TESTNET_TRADES):
            row = self.ledger.row("SELECT count(*) AS n FROM trades WHERE environment = ?", TESTNET)
            if row and row["n"] >= TESTNET_TRADES:
                return
            reason = self.orders.round_trip(drill[number % len(drill)], list(SYMBOLS)[number // 2 % len(SYMBOLS)])
            if reason:
                _log.warning("no testnet history: %s", reason)
                return

    def _between(self, account: str) -> None:
        """Between orders a trading thread asks the guard, so that it sees a marker go, and lets its account recover."""
        self.guard.allows()
        self.isolation.recover(account, lambda: self.orders.round_trip(ACCOUNTS[account], "BTCUSDT", probe=True))

    def _watch_capital(self) -> None:
        for account in ACCOUNTS:
            standing = self.capital.standing(account)
            self._note(f"capital of {account}", "short" if standing.buffer < self.settings.capital_buffer else "kept")

    def _watch_breakers(self) -> None:
        for account in ACCOUNTS:
            self._note(f"breaker of {account}", self.isolation.breaker(account)["state"])

    def _watch_market(self) -> None:
        for name in BROKERS:
            try:
                prices = {symbol: self.brokers[name].price(symbol) for symbol in SYMBOLS}
            except BrokerError as error:
                self._seen[name] = {"prices": None}
                self._note(f"prices of {name}", error.message)
                continue
            self._seen[name] = {"prices": prices}
            self._note(f"prices of {name}", "fresh")
            with contextlib.suppress(OSError, ValueError):
                for symbol, price in prices.items():
                    cache.ask(self.addresses["cache"], "SET", f"price:{name}:{symbol}", str(price), "EX", "5")

    def _note(self, what: str, state: str) -> None:
        """Write a state into the system log when it has changed."""
        if self._seen.get(what, {}).get("state") != state:
            self._seen[what] = {"state": state}
            (_log.warning if state in ("open", "CRITICAL", UNKNOWN, "short") else _log.info)("%s: %s", what, state)

    def _halted(self) -> str:
        """Why not even a bot may trade, or an empty text."""
        stop_file = self.settings.home.stop_file
        return f"stop file present: {stop_file}" if os.path.lexists(stop_file) else self.stop_system.refusal()

    def _halt(self) -> None:
        self.upkeep.halt()
        self.floor.halt()
        traders = (trader.worker for trader in self.traders.values())
        workers = [*self.workers.values(), self.routing.worker, self.keeping.worker, *traders]
        for worker in workers:
            worker.ask_to_halt()
        for worker in workers:
            worker.halt()
