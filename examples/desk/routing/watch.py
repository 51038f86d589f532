"""The watch after going live: what people would do every few minutes, hours and days, done by the desk and written down.

Each duty leaves a line in records/helios: logs are read every four minutes, the system is looked at every fifty, its health
every twenty seconds. Once a day the trades of the days that are over, and what they add up to, are written into files that
people sign for. The lines of checks begin anew with each start of the desk, so that a gap in them is a gap of this run; those
of health go on.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, final

from examples.desk import clock
from examples.desk.routing.books import LIVE_ACCOUNT, PAPER_ACCOUNT, Books
from examples.desk.routing.records import FOLDER

LOGS, SYSTEM, HEALTH = "log_checks.jsonl", "system_checks.jsonl", "health.jsonl"
TRADES, PERFORMANCE, ISSUES = "live_trades.csv", "performance.json", "ISSUES.md"
EVERY: Mapping[str, timedelta] = {LOGS: timedelta(minutes=4), SYSTEM: timedelta(minutes=50), HEALTH: timedelta(seconds=20)}
"""How often; the plan asks for five minutes and one hour at most."""

WATCHED = ("system.log", "helios.log", "stderr.log")
BAD = (" ERROR ", "Traceback (most recent call last)")
KEPT_BYTES = 5_000_000
PERIOD = timedelta(days=30)
CHECKS = "golive-"
"""Orders whose key begins so were sent by checks; they are not the strategy's."""

COLUMNS = ("closed_at", "pair", "quantity", "entry_value", "exit_value", "fees", "profit", "closed_by")
"""The columns of the file of trades, as the ledger has them."""

_ISSUES = """\
# Issues

One line for each error and alert of the desk, added within minutes; who mends one writes what it was below its line.

"""


@final
class Watch:
    """The duties of one running desk; `ill` says what is wrong with it now, `drill` whether something is broken on purpose."""

    def __init__(
        self,
        books: Books,
        *,
        state: Callable[[], Mapping[str, Any]],
        ill: Callable[[], Sequence[str]],
        drill: Callable[[], bool],
    ) -> None:
        self._books = books
        self._home = books.ledger.path.parent
        self._folder = self._home / FOLDER
        self._state = state
        self._ill = ill
        self._drill = drill
        self._due = dict.fromkeys(EVERY, datetime.min.replace(tzinfo=UTC))
        self._read: dict[str, int] = {}
        self._day: date | None = None

    def start(self) -> None:
        """Put the checks of the run before aside, and do everything once."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in (LOGS, SYSTEM):
            path = self._folder / name
            if path.exists():
                path.replace(path.with_suffix(".jsonl.1"))
        if not (self._folder / ISSUES).exists():
            (self._folder / ISSUES).write_text(_ISSUES, encoding="utf-8")
        self.turn()

    def turn(self) -> None:
        """Do what is due."""
        now = self._books.now()
        if self._day != now.date():
            self._close_day(now)
            self._day = now.date()
        for name, duty in ((LOGS, self._read_logs), (SYSTEM, self._state), (HEALTH, self._feel)):
            if now >= self._due[name]:
                self._due[name] = now + EVERY[name]
                self._append(name, {"at": clock.iso(now), **duty()})

    def _read_logs(self) -> Mapping[str, Any]:
        """Read what was logged since the last look, and note what has gone wrong in the list of issues."""
        lines, bad = 0, 0
        for name in WATCHED:
            path = self._home / "logs" / name
            if not path.exists():
                continue
            begin = self._read.get(name, 0)
            if path.stat().st_size < begin:
                # the log was packed away since
                begin = 0
            with path.open("rb") as log:
                log.seek(begin)
                new = log.read()
            self._read[name] = begin + len(new)
            text = new.decode("utf-8", "replace").splitlines()
            lines += len(text)
            bad += sum(any(word in line for word in BAD) for line in text)
        return {"lines": lines, "errors": bad, "issues_added": self._note_issues()}

    def _note_issues(self) -> int:
        path = self._folder / ISSUES
        known = path.read_text(encoding="utf-8")
        found = [
            (f"anomaly-{row['id']}", row["at"], f"{row['source']}: {row['text']}")
            for row in self._books.ledger.rows("SELECT id, at, source, text FROM anomalies ORDER BY id")
        ] + [
            (f"alert-{row['id']}", row["at"], f"{row['title']} did not go: {row['state']}")
            for row in self._books.ledger.rows(
                "SELECT id, at, title, state FROM helios_alerts WHERE account = ? AND state != 'sent' ORDER BY id", LIVE_ACCOUNT
            )
        ]
        new = [entry for entry in found if f"[{entry[0]}]" not in known]
        with path.open("a", encoding="utf-8") as file:
            file.writelines(f"- {at} [{name}] {' '.join(text.split())[:300]}\n" for name, at, text in new)
        return len(new)

    def _feel(self) -> Mapping[str, Any]:
        reasons = list(self._ill())
        path = self._folder / HEALTH
        if path.exists() and path.stat().st_size > KEPT_BYTES:
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            path.write_text("".join(lines[len(lines) // 2 :]), encoding="utf-8")
        return {"healthy": not reasons, "reasons": reasons, "drill": self._drill()}

    def _close_day(self, now: datetime) -> None:
        """Write down the trades of the days that are over, and what they add up to."""
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        rows = self._trades(LIVE_ACCOUNT, midnight - PERIOD, midnight)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([row[name] for name in COLUMNS] for row in rows)
        (self._folder / TRADES).write_text(text.getvalue(), encoding="utf-8")
        told = {
            "from": clock.iso(midnight - PERIOD),
            "until": clock.iso(midnight),
            "live": performance(rows),
            "paper": performance(self._trades(PAPER_ACCOUNT, midnight - PERIOD, midnight)),
        }
        (self._folder / PERFORMANCE).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")

    def _trades(self, account: str, begin: datetime, end: datetime) -> list[dict[str, Any]]:
        return self._books.ledger.rows(
            "SELECT t.*, s.price AS signal_price FROM helios_trades t JOIN helios_orders o ON o.id = t.entry_order_id"
            " LEFT JOIN helios_signals s ON s.id = o.signal_id WHERE t.account = ? AND t.closed_at >= ?"
            " AND t.closed_at < ? AND o.key NOT LIKE ? ORDER BY t.closed_at, t.id",
            account, clock.iso(begin), clock.iso(end), f"{CHECKS}%",
        )  # fmt: skip

    def _append(self, name: str, told: Mapping[str, Any]) -> None:
        with (self._folder / name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(told, default=str) + "\n")


def performance(trades: Sequence[Mapping[str, Any]]) -> Mapping[str, str | int]:
    """What trades add up to: how many, how many won, their profit; profit and fees as a part of what was put in; and how much
    dearer the entries were than their signals.
    """
    profits = [Decimal(row["profit"]) for row in trades]
    put_in = sum((Decimal(row["entry_value"]) for row in trades), Decimal(0))
    fees = sum((Decimal(row["fees"]) for row in trades), Decimal(0))
    told: dict[str, str | int] = {"trades": len(profits), "won": sum(profit > 0 for profit in profits)}
    if put_in > 0:
        told["profit"] = f"{sum(profits, Decimal(0)):.8f}"
        told["return"] = f"{sum(profits, Decimal(0)) / put_in:.8f}"
        told["fees"] = f"{fees / put_in:.8f}"
    slips = [
        Decimal(row["entry_value"]) / Decimal(row["quantity"]) / Decimal(row["signal_price"]) - 1
        for row in trades
        if row["signal_price"] is not None
    ]
    if slips:
        told["slippage"] = f"{sum(slips, Decimal(0)) / len(slips):.8f}"
    return told
