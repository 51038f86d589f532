"""This room of the running desk: the engine over the real ledger, the account at VALR, and the ways that accounts trade.

A rehearsal is a paper account with a market of its own, that somebody opens, feeds with prices and forgets again. It may ask for
the live path: then it brings its own mode switches, permission and connection with it, so that the gates are tried without
anybody's money, and its client is the paper client whatever they say.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import random
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, final

from examples.desk import clock
from examples.desk.errors import BrokerError, DeskError
from examples.desk.health import HEALTHY
from examples.desk.routing import history, records, season
from examples.desk.routing.books import LIVE, LIVE_ACCOUNT, PAPER, Books
from examples.desk.routing.clients import PaperTradingClient, Terms, TradingClient, VALRTradingClient
from examples.desk.routing.engine import Engine, Way
from examples.desk.routing.execution import MonitoredExecution, open_log
from examples.desk.routing.market import BookMarket
from examples.desk.routing.orchestrator import Mode, ModeOrchestrator, mode_of
from examples.desk.routing.safety import LiveSafetyGates, RiskLimits, Trade
from examples.desk.routing.stop import Halt
from examples.desk.routing.valr import Valr
from examples.desk.routing.watch import Watch
from examples.desk.symbols import HELIOS, RAND, VALR
from examples.desk.worker import Worker

if TYPE_CHECKING:
    from examples.desk.service import Service

SAMPLE = timedelta(seconds=20)
KEPT = timedelta(days=40)
REHEARSAL = "rehearsal-"
LIVE_PAIR = "BTCZAR"

_log = logging.getLogger("desk.system")


@final
class Routing:
    """Trading in rand on one desk."""

    def __init__(self, desk: Service) -> None:
        self._desk = desk
        open_log(desk.settings.home.path / "logs" / "helios.log")
        self.instance = secrets.token_hex(8)
        self.started_at = clock.now()
        self.books = Books(desk.ledger, now=clock.now)
        self.venue = Valr(desk.brokers[VALR], HELIOS.name)
        self.live = VALRTradingClient(self.venue)
        self.market = BookMarket(self.books)
        self.halt = Halt(self.books)
        self.limits = RiskLimits.of(desk.settings.environ)
        self.paper = PaperTradingClient(self.books, self.market.last, terms=self._terms, rng=random.Random())
        self.orchestrator: ModeOrchestrator[TradingClient] = ModeOrchestrator(live=self.live, paper=self.paper)
        self.engine = self._engine()
        self.watch = Watch(
            self.books,
            state=self._looked_at,
            ill=self._ill,
            drill=lambda: bool(self.books.ledger.row("SELECT 1 AS broken FROM faults")),
        )
        self.worker = Worker("helios", self.turn, every=0.5, now=clock.now)

    def start(self) -> None:
        """Open what is not there yet, look at what rests at VALR, and begin to watch."""
        history.ensure(self._desk.ledger, clock.now())
        if self.books.account(LIVE_ACCOUNT) is None:
            self.books.open_account(LIVE_ACCOUNT, LIVE, purpose="real money at VALR", opening=Decimal(0))
        if self._desk.settings.environ.get(season.SWITCH) == season.ON:
            with contextlib.suppress(BrokerError):
                season.ensure(self._desk.ledger, self.live, self._steer, clock.now())
        self._forget_rehearsals()
        # whoever starts the desk with live settings has decided anew; a word of an earlier run is over
        self.force_paper(False, "start")
        self.watch.start()
        with contextlib.suppress(BrokerError):
            records.starting_capital(self.books, self.venue.balances()[RAND])
            records.system_state(self)
            self._sample()
        self.worker.start()

    def restart(self) -> None:
        """A new engine, which knows no more than what stands in the ledger."""
        self.engine = self._engine()
        self.instance = secrets.token_hex(8)

    def turn(self) -> None:
        """What the watch does again and again: ask VALR about what rests there, and take a sample of the profit."""
        self.watch.turn()
        self.engine.reconcile(LIVE_ACCOUNT)
        row = self.books.ledger.row("SELECT max(at) AS last FROM helios_samples WHERE account = ?", LIVE_ACCOUNT)
        if row and row["last"] and row["last"] > clock.iso(clock.now() - SAMPLE):
            return
        try:
            self._sample()
        except BrokerError as error:
            # no crash of ours; the sample that is missing tells of it
            _log.warning("no sample of the profit: %s", error.message)

    def _sample(self) -> None:
        found = self.engine.pnl(LIVE_ACCOUNT)
        self.books.insert(
            "helios_samples", account=LIVE_ACCOUNT, realized=found["realized"], unrealized=found["unrealized"],
            equity=found["equity"], at=self.books.at(),
        )  # fmt: skip
        self.books.ledger.write("DELETE FROM helios_samples WHERE at < ?", clock.iso(clock.now() - KEPT))

    @property
    def mode(self) -> Mode:
        """The mode now."""
        row = self.books.ledger.row("SELECT forced FROM helios_mode WHERE id = 1")
        return mode_of(self._desk.settings.environ, forced=bool(row and row["forced"] == PAPER))

    def force_paper(self, on: bool, told_by: str) -> None:
        """Go back to PAPER whatever the variables say, or let them speak again."""
        self.books.ledger.write(
            "INSERT OR REPLACE INTO helios_mode VALUES (1, ?, ?, ?)", PAPER if on else "", told_by, self.books.at()
        )

    def live_refusal(self, trade: Trade | None = None) -> str:
        """Why no live trade may go now, or an empty text; the guard is asked each time."""
        mode = self.mode
        if mode.mode != LIVE:
            return mode.reason
        permission = self._desk.guard.allows(trade)
        return "" if permission.allowed else str(permission.reason)

    def rehearse(self, *, opening: Decimal, terms: Mapping[str, Any]) -> str:
        """Open a rehearsal; its name."""
        name = f"{REHEARSAL}{secrets.token_hex(6)}"
        self.books.open_account(name, PAPER, purpose="rehearsal", opening=opening, terms=json.dumps(terms))
        return name

    def forget(self, name: str) -> None:
        """Take a rehearsal out of the books; DeskError for any other account."""
        if not name.startswith(REHEARSAL):
            raise DeskError(f"{name} is no rehearsal, and nothing else is ever forgotten")
        self.books.forget_account(name)

    def accounts(self) -> Sequence[str]:
        """Every account of the books."""
        return [row["account"] for row in self.books.ledger.rows("SELECT account FROM helios_accounts ORDER BY opened_at")]

    def _looked_at(self) -> Mapping[str, Any]:
        """What a person looks at every hour."""
        return {
            "mode": self.mode.mode,
            "halted": self.halt.state()["halted"],
            "connected": self.live.connected(),
            "open_positions": len(self.books.positions(LIVE_ACCOUNT)),
            "pending_orders": len(self.books.pending(LIVE_ACCOUNT)),
        }

    def _ill(self) -> Sequence[str]:
        """What is wrong with trading in rand now."""
        ill = [] if self._desk.health()["state"] == HEALTHY else ["the desk's services"]
        return ill if self.live.connected() else [*ill, "VALR"]

    def _steer(self, **wish: object) -> None:
        self._desk.neighbours.steer(VALR, **wish)

    def _forget_rehearsals(self) -> None:
        """A rehearsal that was interrupted an hour ago is over; one that rests over a restart is not."""
        old = clock.iso(clock.now() - timedelta(hours=1))
        for row in self.books.ledger.rows(
            "SELECT account FROM helios_accounts WHERE purpose = 'rehearsal' AND opened_at < ?", old
        ):
            self.books.forget_account(row["account"])

    def _engine(self) -> Engine:
        return Engine(
            self.books, ways=self.way, market=self.market, gates=LiveSafetyGates(self.limits),
            execution=MonitoredExecution(self.books, self._alert), halt=self.halt,
        )  # fmt: skip

    def way(self, account: Mapping[str, Any]) -> Way:
        """How this account trades."""
        if account["mode"] == LIVE:
            return Way(
                path=LIVE, client=self.live, trader=lambda: self.orchestrator.client(self.mode), confirm_live=self.live_refusal,
                connected=self.live.connected, resting_exits=True,
                activation=lambda: self._desk.guard.allows().activation,
            )  # fmt: skip
        paper = functools.partial(self.orchestrator.client, mode_of({}))
        terms = json.loads(account["terms"])
        if terms.get("path") != LIVE:
            return Way(
                path=PAPER, client=self.paper, trader=paper, confirm_live=lambda trade: "this is paper",
                connected=self.paper.connected, follows=terms.get("follows", True) is True,
            )  # fmt: skip

        def confirm(trade: Trade) -> str:
            mode = mode_of(terms.get("environ", {}))
            return mode.reason or ("" if terms.get("permitted") is True else "this rehearsal has no permission")

        return Way(
            path=LIVE,
            client=self.paper,
            trader=paper,
            confirm_live=confirm,
            connected=lambda: terms.get("connected") is True,
            follows=False,
        )

    def _terms(self, account: str) -> Terms:
        row = self.books.account(account)
        told = json.loads(row["terms"]) if row else {}
        return Terms(**{name: Decimal(str(told[name])) for name in ("slippage", "partial", "failure") if name in told})

    def _alert(self, title: str, message: str) -> None:
        self._desk.clerk.alerts.send(title, "critical", message)

    def try_alert(self, text: str) -> int:
        """Send an alert that is no alert, to see whether people are reached; its number."""
        return self._desk.clerk.alerts.send("TEST ALERT", "info", text)
