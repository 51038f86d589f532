"""Daily reports: when one is due, that it goes once, and that nothing is remembered which no server took."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from email.message import EmailMessage
from typing import Any

import pytest

from examples.desk.bots.reports import Account, Figures, Reports, due
from examples.desk.errors import DeskError

AT = time(8, 0)


class Office:
    """Reports over a list of deliveries, with a clock and a post that can be set."""

    def __init__(self, accounts: int = 1) -> None:
        self.now = datetime(2026, 5, 2, 9, 0, tzinfo=UTC)
        self.mails: list[EmailMessage] = []
        self.kept: list[Mapping[str, Any]] = []
        self.broken = False
        self.accounts = accounts
        self.reports = Reports(
            figures=self.figures,
            post=self.post,
            remember=self.kept.append,
            delivered=lambda moment: any(kept["due_at"] == moment for kept in self.kept),
            at=AT,
            sender="desk@desk.invalid",
            recipient="owner@desk.invalid",
            now=lambda: self.now,
        )

    def figures(self, since: datetime, until: datetime) -> Figures:
        account = Account(
            user="vera", equity=Decimal("1012.50"), realized=Decimal("12.50"), fees=Decimal("0.40"), fills=4, bots={"active": 2}
        )
        return Figures(since=since, until=until, accounts=[account] * self.accounts, trips=1, allocations=Decimal("10"))

    def post(self, message: EmailMessage) -> str:
        if self.broken:
            raise DeskError("the mail server did not take it")
        self.mails.append(message)
        return "250 ok queued as 17"


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-05-02T08:00:00", "2026-05-02T08:00:00"),
        ("2026-05-02T07:59:59", "2026-05-01T08:00:00"),
        ("2026-05-02T23:59:00", "2026-05-02T08:00:00"),
    ],
)
def test_the_due_moment_is_the_last_one_and_never_in_the_future(now: str, expected: str) -> None:
    """At the minute itself it is due today, a second before it was due yesterday."""
    assert due(datetime.fromisoformat(now).replace(tzinfo=UTC), AT) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_a_due_report_goes_once_and_again_the_next_day() -> None:
    """However often the worker turns, one due moment has one mail."""
    office = Office()
    for _ in range(3):
        office.reports.turn()
    assert len(office.mails) == 1
    office.now += timedelta(days=1)
    office.reports.turn()
    assert [kept["due_at"].day for kept in office.kept] == [2, 3]
    assert office.reports.next_due() == datetime(2026, 5, 4, 8, 0, tzinfo=UTC)


def test_a_report_that_was_not_taken_stays_due() -> None:
    """No delivery is remembered without the server's word, and the next turn tries again."""
    office = Office()
    office.broken = True
    with pytest.raises(DeskError):
        office.reports.turn()
    assert office.kept == []
    office.broken = False
    office.reports.turn()
    assert office.kept[0]["server_said"] == "250 ok queued as 17"
    assert office.kept[0]["message_id"] == office.mails[0]["Message-ID"]


def test_the_mail_tells_the_figures_of_each_user() -> None:
    """Equity, realized profit, fees, fills and bots stand in the text."""
    office = Office()
    office.reports.send_test()
    text = office.mails[0].get_content()
    for told in ("vera", "1012.50", "12.50", "0.40", "2 active", "Circuit breaker trips: 1", "Reinvested: 10"):
        assert told in text
    assert office.mails[0]["Subject"] == "Daily report 2026-05-02 (test)"


def test_a_report_over_nobody_is_none() -> None:
    """Without a user nothing is sent; an empty report would look like a good one."""
    office = Office(accounts=0)
    with pytest.raises(DeskError, match="no user"):
        office.reports.send_test()
    assert office.mails == []
