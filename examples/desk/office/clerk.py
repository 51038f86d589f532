"""The clerk: does what an office does around the trading desk, in threads of its own, so that no order ever waits for it."""

from __future__ import annotations

import functools
import logging
import subprocess
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from examples.desk import clock, faults, metrics
from examples.desk.bots.post import Post
from examples.desk.capital import LIVE
from examples.desk.errors import BrokerError, DeskError
from examples.desk.office import grafana, work
from examples.desk.office.alarms import Alarms
from examples.desk.office.alerts import Alerts, Mail
from examples.desk.office.anomalies import Anomalies
from examples.desk.office.decisions import Decisions
from examples.desk.office.diary import Diary
from examples.desk.office.figures import Figure, Figures, journal_of
from examples.desk.office.jobs import Job, Jobs
from examples.desk.office.lookout import ACTIVATED, DEACTIVATED, FIRST_TRADE, RESUMED, SUSPENDED, Lookout
from examples.desk.office.protection import Protection
from examples.desk.office.reviews import Reviews
from examples.desk.office.rollback import AutomaticRollback
from examples.desk.office.samples import SAMPLE, START, STOP, Samples
from examples.desk.risk import CRITICAL, UNKNOWN
from examples.desk.settings import ROOT
from examples.desk.symbols import ACCOUNTS, BROKERS
from examples.desk.worker import Worker

if TYPE_CHECKING:
    from examples.desk.service import Service

BY, RECIPIENT = "desk", "operators@desk.invalid"
_WORDS: Mapping[str, tuple[str, str]] = {
    ACTIVATED: ("info", "GO-LIVE activated"),
    RESUMED: ("info", "real trading resumed"),
    SUSPENDED: ("warning", "real trading suspended"),
    DEACTIVATED: ("warning", "GO-LIVE deactivated"),
}
"""Severity and wording of the notification of each change of the activation."""

_log = logging.getLogger("desk.system")
_HEARD = (_log, logging.getLogger("desk.execution"))


@final
class Clerk:
    """The office of one running desk."""

    def __init__(self, desk: Service) -> None:
        self._desk = desk
        self._api = ""
        ledger, home, environ = desk.ledger, desk.settings.home, desk.settings.environ
        self.alerts = Alerts(
            ledger,
            Mail(Post.of(environ, ca_file=home.ca), environ.get("DESK_ALERTS_TO", RECIPIENT), now=clock.now),
            now=clock.now,
        )
        self.alarms = Alarms(self.alerts, ledger, now=clock.now)
        self.anomalies = Anomalies(ledger, now=clock.now)
        self.decisions = Decisions(ledger, now=clock.now)
        self.diary = Diary(home.records / "operational_log.md")
        self.samples = Samples(home.records / "samples.jsonl", now=clock.now)
        self.lookout = Lookout(ledger, ask=desk.guard.allows, marker=home.marker, tell=self._activation, now=clock.now)
        self.protection = Protection(
            ledger, desk.capital, desk.positions, decisions=self.decisions, told=self._exit_filled, now=clock.now
        )
        self.reviews = Reviews(ledger, equity=self._equity, told=functools.partial(self._alarm, "position-review"), now=clock.now)
        self.figures = Figures(ledger, home.golive)
        self._rollback = AutomaticRollback(
            quarantined=self._quarantined,
            limit=desk.settings.rollback_breakers,
            marker=home.marker,
            state=home.guard_state,
            journal=journal_of(home.golive),
            told=functools.partial(self._alarm, "automatic-rollback"),
            now=clock.now,
        )
        self.jobs = Jobs(
            home.path / "crontab",
            home.records,
            {
                "preflight": Job(work=self._preflight, late=False),
                "monitoring": Job(work=self._monitor),
                "daily-report": Job(work=self._report),
                "rotate-logs": Job(work=lambda: work.rotate(home.execution_log.parent)),
                "backup": Job(work=lambda: work.backup(home.ledger, home.path / "backups", now=clock.now)),
            },
            now=clock.now,
        )
        self.workers = {
            "lookout": Worker("lookout", self._look_out, every=0.2, now=clock.now),
            "protection": Worker("protection", self._protect, every=0.5, now=clock.now),
            "clerk": Worker("clerk", self._turn, every=0.5, now=clock.now),
        }
        grafana.bring(home.path)
        self.grafana = grafana.Grafana(home.path, lambda: metrics.text(desk), lambda: int(clock.now().timestamp()))

    def start(self) -> None:
        """Open the day and begin to work."""
        _log.addHandler(self.anomalies)
        for log in _HEARD:
            log.addHandler(self.alarms)
        self.diary.open_day(clock.now(), BY)
        if not self._daily_report.exists():
            self._report()
        self.samples.write(START, {})
        for worker in self.workers.values():
            worker.start()

    def reachable_at(self, api: str) -> None:
        """Say under which address the desk answers; jobs that ask it as anybody would need to know."""
        self._api = api

    def stop(self) -> None:
        """End the work; a line in the samples says that this was meant."""
        for worker in self.workers.values():
            worker.ask_to_halt()
        for worker in self.workers.values():
            worker.halt()
        _log.removeHandler(self.anomalies)
        for log in _HEARD:
            log.removeHandler(self.alarms)
        self.samples.write(STOP, {})

    def metrics(self) -> Iterator[Figure]:
        """What the office adds to the metrics page."""
        return self.figures.all()

    def _look_out(self) -> None:
        self.lookout.turn()
        self._rollback.turn()

    def _protect(self) -> None:
        self.protection.turn()
        self.reviews.turn()

    def _turn(self) -> None:
        self.diary.open_day(clock.now(), BY)
        if self.samples.due():
            self.samples.write(SAMPLE, self._seen())
        self.jobs.turn()
        health = self._desk.broker_health
        self.alarms.turn({name: health[name].state() for name in BROKERS}, self._desk.threads()["halted"])
        self.alerts.deliver()

    def _seen(self) -> Mapping[str, Any]:
        """What a person would look at; what is wrong in it becomes an anomaly."""
        desk = self._desk
        permission, risk = desk.guard.allows(), desk.risk.assess(at_most_old=1.0)
        if risk.state in (CRITICAL, UNKNOWN):
            self.anomalies.note("risk", f"{risk.state}: {risk.reason}")
        for account in self._quarantined():
            if not ACCOUNTS[account].drill:
                self.anomalies.note("breaker", f"{account} is in quarantine")
        return {
            "permitted": permission.allowed,
            "activation": permission.activation,
            "ess": desk.stop_system.state()["state"],
            "risk": risk.state,
            "health": desk.health()["state"],
            "anomalies": len(self.anomalies.open()),
            "drill": bool(faults.switched_on(desk)),
        }

    def _preflight(self) -> str:
        """The preflight script, as an operator runs it; DeskError if a check failed."""
        command = [sys.executable, "-m", "examples.desk.office.preflight", "--home", str(self._desk.settings.home.path)]
        done = subprocess.run(
            [*command, "--api", self._api, "--cache", self._desk.addresses["cache"]],
            cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        told = [line for line in done.stdout.splitlines() if line.startswith("PREFLIGHT RESULTS")]
        if done.returncode:
            raise DeskError(told[0] if told else f"the preflight ended with {done.returncode}", hint="run it by hand")
        return told[0]

    @property
    def _daily_report(self) -> Path:
        return self._desk.settings.home.records / "daily_report.json"

    def _report(self) -> str:
        """The daily report; a desk that never wrote one writes it at its start, so that there is one to be reviewed."""
        return work.daily_report(self._desk.ledger, self._daily_report, now=clock.now)

    def _monitor(self) -> str:
        """The half-hourly look: health, risk, emergency stop, open anomalies."""
        seen = self._seen()
        return ", ".join(f"{name} {value}" for name, value in seen.items() if name not in ("activation", "drill"))

    def _activation(self, event: str, activation: str, reason: str) -> None:
        now = clock.now()
        if event == FIRST_TRADE:
            self.diary.enter(now, "first-trade", f"{reason}, first order under activation {activation}", BY)
            return
        severity, words = _WORDS[event]
        text = f"{words}: activation {activation}{f', {reason}' if reason else ''}"
        self.diary.enter(now, event, text, BY)
        self.alerts.send(f"go-live-{event}", severity, text)

    def _exit_filled(self, order: Mapping[str, Any]) -> None:
        text = f"{order['client_order_id']} filled: {order['quantity']} {order['symbol']} of {order['account']}"
        self.diary.enter(clock.now(), "exit", text, BY)
        self.alerts.send("exit-filled", "warning", text)

    def _alarm(self, kind: str, text: str) -> None:
        self.diary.enter(clock.now(), kind, text, BY)
        self.anomalies.note(kind, text)
        self.alerts.send(kind, "critical", text)

    def _quarantined(self) -> list[str]:
        rows = self._desk.ledger.rows("SELECT account FROM breakers WHERE state != 'closed' ORDER BY account")
        return [row["account"] for row in rows if row["account"] in ACCOUNTS]

    def _equity(self, account: str) -> Decimal:
        try:
            return self._desk.capital.standing(account, LIVE).total
        except BrokerError:
            return Decimal(0)
