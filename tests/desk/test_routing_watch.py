"""The watch of trading in rand: what is due is done and written down, and an error does not stay out of the list of issues."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from examples.desk.ledger import Ledger
from examples.desk.office.anomalies import Anomalies
from examples.desk.routing.books import Books
from examples.desk.routing.watch import HEALTH, ISSUES, LOGS, PERFORMANCE, SYSTEM, TRADES, Watch, performance

NOW = datetime(2026, 5, 4, 15, 30, tzinfo=UTC)


class Clocked:
    """A watch, its clock, and what it is told."""

    def __init__(self, home: Path) -> None:
        self.moment = NOW
        self.ill: list[str] = []
        self.home = home
        self.ledger = Ledger(home / "ledger.sqlite")
        self.anomalies = Anomalies(self.ledger, now=lambda: self.moment)
        books = Books(self.ledger, now=lambda: self.moment)
        self.watch = Watch(books, state=lambda: {"mode": "PAPER"}, ill=lambda: self.ill, drill=lambda: False)

    def lines(self, name: str) -> list[dict[str, Any]]:
        """What a duty left behind."""
        text = (self.home / "records" / "helios" / name).read_text()
        return [json.loads(line) for line in text.splitlines()]

    def text(self, name: str) -> str:
        """A file of the watch."""
        return (self.home / "records" / "helios" / name).read_text()


@pytest.fixture
def clocked(tmp_path: Path) -> Iterator[Clocked]:
    """A watch that has begun."""
    (tmp_path / "logs").mkdir()
    made = Clocked(tmp_path)
    made.watch.start()
    yield made
    made.ledger.close()


def test_each_duty_is_done_when_it_is_due_and_not_before(clocked: Clocked) -> None:
    """No gap is longer than five minutes between looks at the logs, nor than an hour between looks at the system."""
    for _ in range(4 * 120):
        clocked.moment += timedelta(seconds=30)
        clocked.watch.turn()
    for name, most in ((LOGS, 300), (SYSTEM, 3600), (HEALTH, 60)):
        times = [datetime.fromisoformat(line["at"]) for line in clocked.lines(name)]
        gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
        assert max(gaps) <= most
    assert len(clocked.lines(LOGS)) == 61
    assert len(clocked.lines(SYSTEM)) == 5


def test_errors_are_counted_once(clocked: Clocked) -> None:
    """A line that was read is not read again, and a log that was packed away is read from its beginning."""
    log = clocked.home / "logs" / "system.log"
    log.write_text("2026 INFO up\n2026 ERROR a turn failed\n")
    clocked.moment += timedelta(minutes=4)
    clocked.watch.turn()
    clocked.moment += timedelta(minutes=4)
    clocked.watch.turn()
    log.write_text("2026 ERROR x\n")
    clocked.moment += timedelta(minutes=4)
    clocked.watch.turn()
    assert [line["errors"] for line in clocked.lines(LOGS)] == [0, 1, 0, 1]


def test_an_error_gets_one_entry_in_the_list_of_issues(clocked: Clocked) -> None:
    """Its number and its text stand there, once."""
    clocked.anomalies.note("system.log", "helios: a turn failed")
    for _ in range(3):
        clocked.moment += timedelta(minutes=4)
        clocked.watch.turn()
    assert clocked.text(ISSUES).count("[anomaly-1] system.log: helios: a turn failed") == 1


def test_health_says_what_is_wrong(clocked: Clocked) -> None:
    """Healthy and ill look different."""
    clocked.ill.append("VALR")
    clocked.moment += timedelta(seconds=30)
    clocked.watch.turn()
    assert [(line["healthy"], line["reasons"]) for line in clocked.lines(HEALTH)] == [(True, []), (False, ["VALR"])]


def test_checks_begin_anew_with_each_start_and_health_goes_on(clocked: Clocked) -> None:
    """A gap between two runs is no gap of the second one."""
    clocked.moment += timedelta(days=1)
    clocked.watch.start()
    assert len(clocked.lines(LOGS)) == 1
    assert len(clocked.lines(HEALTH)) >= 1
    assert (clocked.home / "records" / "helios" / "log_checks.jsonl.1").exists()


def test_only_days_that_are_over_are_closed(clocked: Clocked) -> None:
    """A trade of today is not in the file that people sign for; tomorrow it is. Orders of checks never are."""
    orders = (("signal-1", "2026-05-03T10:00"), ("signal-2", "2026-05-04T10:00"), ("golive-x", "2026-05-03T11:00"))
    for number, (key, at) in enumerate(orders):
        clocked.ledger.write(
            "INSERT INTO helios_orders(id, key, account, mode, client, pair, side, kind, quantity, size_zar, state, source,"
            " created_at, updated_at)"
            " VALUES (?, ?, 'live', 'LIVE', 'x', 'BTCZAR', 'BUY', 'market', '1', '100', 'filled', 'auto', ?, ?)",
            number, key, at, at,
        )  # fmt: skip
        clocked.ledger.write(
            "INSERT INTO helios_trades(account, mode, pair, position_id, entry_order_id, exit_order_id, quantity, entry_value,"
            " exit_value, fees, profit, closed_by, opened_at, closed_at) VALUES ('live', 'LIVE', 'BTCZAR', 1, ?, ?, '1', '100',"
            " '103', '0.2', '2.8', 'take-profit', ?, ?)",
            number, number, at, f"{at}:00.000+00:00",
        )  # fmt: skip
    clocked.watch.start()
    clocked.moment += timedelta(days=1)
    first = clocked.text(TRADES)
    clocked.watch.turn()
    second = clocked.text(TRADES)
    assert first.count("\n") <= 2 < second.count("\n") == 3
    assert json.loads(clocked.text(PERFORMANCE))["live"]["won"] == 2


def test_no_trades_have_no_profit() -> None:
    """What cannot be known is not told as nothing."""
    assert performance([]) == {"trades": 0, "won": 0}
