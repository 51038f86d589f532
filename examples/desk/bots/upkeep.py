"""What goes on around the bots: the chat, the daily report, rules that raise alerts, backups, and the count of requests.

It asks the floor, where the bots trade, and is asked by nobody there: were it all gone, the bots would trade as before.
"""

from __future__ import annotations

import functools
import logging
import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from email.message import EmailMessage
from email.utils import make_msgid
from pathlib import Path
from typing import Any, final

from examples.desk import jsontext
from examples.desk.bots import backups
from examples.desk.bots.commands import Router
from examples.desk.bots.floor import FIRST, Floor
from examples.desk.bots.post import Post
from examples.desk.bots.reports import Account, Figures, Reports
from examples.desk.bots.spoken import Spoken
from examples.desk.bots.store import whole
from examples.desk.bots.terms import seconds
from examples.desk.bots.traffic import Samples, Traffic
from examples.desk.bots.users import ADMIN
from examples.desk.bots.vault import Vault
from examples.desk.bots.watch import Rule, Watch
from examples.desk.broker import Broker
from examples.desk.clock import Clock
from examples.desk.errors import BrokerError, DeskError
from examples.desk.health import DEGRADED, HEALTHY
from examples.desk.risk import EmergencyStop
from examples.desk.settings import credentials
from examples.desk.symbols import TESTNET
from examples.desk.worker import Worker

DELIVERIES = "report_deliveries"
BACKUP_EVERY = timedelta(hours=24)
EVERY_HOURS = {"reports": 24, "backups": int(BACKUP_EVERY.total_seconds()) // 3600}
"""How often a task does what it is for; it looks far more often whether the time has come."""
DISCREPANCY = Decimal("0.01")
"""The document: reconciliation below 1 %."""
TRIPS = "circuit-breaker"
ALERTS = (TRIPS, "error-rate", "health", "reconciliation", "disk-space")
"""What an alert may be about; ALERT_RULES in .env names those that are wanted."""
THRESHOLDS = ("MAX_DRAWDOWN_PERCENT", "MAX_DAILY_LOSS_PERCENT", "MAX_CONSECUTIVE_LOSSES", "MAX_ERRORS_PER_HOUR")
FREE_DISK = Decimal("0.02")
"""The least free fraction of the disk under the home folder."""

_log = logging.getLogger("desk.system")


@final
class Upkeep:
    """All of it for one desk; `health` tells the state of each part by name, `drill` whether something is broken on purpose."""

    def __init__(
        self,
        floor: Floor,
        *,
        home: Path,
        stop: EmergencyStop,
        health: Callable[[], Mapping[str, str]],
        drill: Callable[[], bool],
        post: Post,
        venues: Mapping[str, str],
        now: Clock,
    ) -> None:
        self.exchanges = venues
        self.vault = Vault(floor.store, home / "vault.key", now=now)
        self._floor = floor
        self._home = home
        self._post = post
        self._health = health
        self._now = now
        self.traffic = Traffic(drill=drill)
        self.reports = Reports(
            figures=self.figures,
            post=post.send,
            remember=lambda delivery: floor.store.add(DELIVERIES, delivery),
            delivered=lambda moment: floor.store.one(DELIVERIES, kind="daily", due_at=moment) is not None,
            at=floor.terms.report_at,
            sender=post.sender,
            recipient=post.recipient,
            now=lambda: whole(now()),
        )
        self.spoken = Spoken(
            lives=floor.life, stop=stop, portfolio=floor.portfolio.summary, health=self._word, report=self.reports.send_test
        )
        self.router = Router(self.spoken, record=lambda record: floor.store.add("chat_messages", record), now=now)
        self._wanted = _wanted(floor.environ)
        rules = [rule for rule in self._rules() if rule.name in self._wanted]
        self.watch = Watch(rules, alert=lambda name, text: self._raise(name, text), now=now)
        every_seconds = seconds(floor.environ, "WATCH_EVERY_SECONDS", 1)
        self.workers = {
            name: Worker(name, functools.partial(self._calmly, name, turn), every=every, now=now)
            for name, turn, every in (
                ("reports", self.reports.turn, 0.5),
                ("watch", self.watch.turn, every_seconds),
                ("alerts", self._forward, min(0.5, every_seconds)),
                ("backups", self._back_up, 5),
                ("reconciliation", self._reconcile_daily, 60),
            )
        }
        self._troubles: dict[str, str] = {}
        self._raised: deque[dict[str, Any]] = deque()

    def start(self) -> None:
        """Keep the paper exchange's key for the users of the first day, and begin to look."""
        key, secret = (self._floor.environ.get(name, "") for name in credentials(TESTNET))
        for user in FIRST:
            if key and secret:
                self.vault.keep(user, TESTNET, key, secret)
        self._write_thresholds()
        self._calmly("reinvestment", self._catch_up)
        self._calmly("reconciliation", self._reconcile_daily)
        for worker in self.workers.values():
            worker.start()

    def halt(self) -> None:
        """End all turns."""
        for worker in self.workers.values():
            worker.ask_to_halt()
        for worker in self.workers.values():
            worker.halt()

    def figures(self, since: datetime, until: datetime) -> Figures:
        """What the books say of the time from `since` until `until`; equity is that of now."""
        store = self._floor.store

        def within(collection: str, **wanted: Any) -> list[dict[str, Any]]:
            return [row for row in store.all(collection, **wanted) if since < row["at"] <= until]

        allocations = within("ledger_events", kind="allocation")
        return Figures(
            since=since,
            until=until,
            accounts=[
                self._account(user["name"], len(within("fills_ledger", user=user["name"])))
                for user in self._floor.users.every()
                if user["role"] != ADMIN
            ],
            trips=len(within("circuit_breaker_state")),
            allocations=sum((event["amount"] for event in allocations), Decimal(0)),
        )

    def _account(self, user: str, fills: int) -> Account:
        found = self._floor.portfolio.summary(user)
        return Account(
            user=user,
            equity=found["equity"],
            realized=found["realized"],
            fees=found["fees"],
            fills=fills,
            bots=Counter(bot["status"] for bot in found["bots"].values()),
        )

    def _rules(self) -> tuple[Rule, ...]:
        errors = self._floor.terms.max_errors_per_hour
        return (
            Rule(name="error-rate", limit=f"{errors} failed requests within an hour", look=lambda: self._errors(errors)),
            Rule(name="health", limit="anything but healthy", look=self._unhealthy),
            Rule(name="reconciliation", limit=f"{DISCREPANCY:%} of what the exchange says", look=self._unreconciled),
            Rule(name="disk-space", limit=f"{FREE_DISK:%} free", look=self._disk),
        )

    def _errors(self, most: int) -> str:
        seen = self.traffic.failures_of_the_hour()
        return f"{seen} requests failed within an hour" if seen > most else ""

    def _unhealthy(self) -> str:
        return ", ".join(f"{name} is {state}" for name, state in self._health().items() if state != HEALTHY)

    def _word(self) -> str:
        return DEGRADED if self._unhealthy() else HEALTHY

    def _unreconciled(self) -> str:
        found = [self._floor.portfolio.reconcile(user["name"]) for user in self._floor.users.every() if user["role"] != ADMIN]
        off = [f"{row['user']} {row['discrepancy']:.4f}" for row in found if row["discrepancy"] >= DISCREPANCY]
        return f"books and exchange differ: {', '.join(off)}" if off else ""

    def _disk(self) -> str:
        disk = shutil.disk_usage(self._home)
        free = Decimal(disk.free) / disk.total
        return f"{free:.2%} of the disk is free" if free < FREE_DISK else ""

    def _calmly(self, name: str, turn: Callable[[], None]) -> None:
        """One turn; what hinders it is told once, when it begins and when it is over."""
        from pymongo.errors import PyMongoError

        trouble = ""
        try:
            turn()
        except DeskError as error:
            trouble = str(error)
        except PyMongoError as error:
            trouble = f"the document store does not answer: {type(error).__name__}"
        if trouble != self._troubles.get(name, ""):
            self._troubles[name] = trouble
            (_log.warning if trouble else _log.info)("%s: %s", name, trouble or "goes on")

    def _raise(self, kind: str, text: str) -> None:
        severity = "info" if text.startswith("over: ") else "critical"
        self._raised.append({"kind": kind, "severity": severity, "text": text, "at": whole(self._now())})

    def _forward(self) -> None:
        """Mail every alert that was not mailed yet, whoever raised it, and keep what the server said; what is not taken waits.

        Alerts of the watch are mailed before they are written down, because one of them may say that nothing can be written.
        """
        for alert in list(self._raised):
            if "sent_at" not in alert:
                alert.update(self._mailed(alert))
        while self._raised:
            self._floor.store.add("alerts", self._raised[0])
            self._raised.popleft()
        if TRIPS not in self._wanted:
            return
        alerts = self._floor.store.database["alerts"]
        for row in alerts.find({"sent_at": {"$exists": False}}).limit(20):
            alerts.update_one({"_id": row["_id"]}, {"$set": self._mailed(row)})

    def _mailed(self, alert: Mapping[str, Any]) -> dict[str, Any]:
        message = EmailMessage()
        message["From"], message["To"] = self._post.sender, self._post.recipient
        message["Subject"] = f"[bots] {alert['kind']}"
        message["Message-ID"] = make_msgid(domain=self._post.sender.rpartition("@")[2])
        message.set_content(f"{alert.get('bot', '')} {alert['text']}\n".lstrip())
        said = self._post.send(message)
        return {"sent_at": whole(self._now()), "server_said": said, "message_id": message["Message-ID"]}

    def _catch_up(self) -> None:
        """The reinvestment that was due while the desk slept; one cycle since then is enough, whoever ran it."""
        reinvestment = self._floor.reinvestment
        last = reinvestment.last()
        if last is None or last["at"] < reinvestment.next_run - timedelta(days=1):
            reinvestment.cycle(by="schedule")

    def _reconcile_daily(self) -> None:
        """The reconciliation of the day, as a file that people read and sign for; written once a day."""
        path = self._home / "records" / "amarktai_reconciliation.json"
        day = self._now().date().isoformat()
        if path.exists() and jsontext.loads(path.read_bytes())["day"] == day:
            return
        found = [self._floor.portfolio.reconcile(user["name"]) for user in self._floor.users.every() if user["role"] != ADMIN]
        rows = [{name: row[name] for name in ("user", "books", "exchange", "discrepancy", "checked_at")} for row in found]
        path.parent.mkdir(mode=0o700, exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_text(jsontext.dumps({"day": day, "users": rows}) + "\n", encoding="utf-8")
        draft.replace(path)

    def _write_thresholds(self) -> None:
        """The thresholds of the breakers by which this process goes, as a file that people look at and sign for."""
        path = self._home / "records" / "amarktai_thresholds.json"
        named = self._floor.terms.named()
        text = jsontext.dumps({name: named[name] for name in THRESHOLDS}) + "\n"
        path.parent.mkdir(mode=0o700, exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)

    def _back_up(self) -> None:
        """A backup when the newest is a day old, or when there is none."""
        folder = self._home / "backups"
        found = backups.newest_first(folder)
        if not found or self._now().timestamp() - found[0].stat().st_mtime >= BACKUP_EVERY.total_seconds():
            backups.take(self._floor.store.database, folder, now=self._now())

    def series(self) -> Iterator[tuple[str, str, str, Samples]]:
        """The fills of all bots as a figure; nothing while the document store does not answer."""
        try:
            count = len(self._floor.store.all("fills_ledger"))
        except DeskError:
            return
        yield "bots_fills_total", "counter", "Fills of all bots, by the ledger of fills.", [({}, count)]

    def deliveries(self) -> list[dict[str, Any]]:
        """Every report that a mail server took, the oldest first."""
        return self._floor.store.all(DELIVERIES)

    def check_key(self, user: str, exchange: str) -> Mapping[str, Any]:
        """Whether the exchange accepts the key that a user has stored; DeskError if there is none, or it does not open."""
        key, secret = self.vault.open(user, exchange)
        account = self._floor.users.named(user)["account"]
        try:
            Broker(exchange, self.exchanges[exchange], key=key, secret=secret).balances(account)
        except BrokerError as error:
            return {"exchange": exchange, "accepted": False, "reason": error.message}
        return {"exchange": exchange, "accepted": True, "reason": ""}


def _wanted(environ: Mapping[str, str]) -> frozenset[str]:
    """The alerts that ALERT_RULES names, all of them if it is not set; DeskError for one that there is not."""
    told = environ.get("ALERT_RULES")
    names = frozenset(ALERTS if told is None else filter(None, told.split(",")))
    if strange := sorted(names.difference(ALERTS)):
        raise DeskError(f"ALERT_RULES knows no {', '.join(strange)}", hint=f"of {','.join(ALERTS)}, without spaces")
    return names
