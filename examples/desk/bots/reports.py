"""The daily report: computed from the books, mailed in a real SMTP conversation, and remembered with what the server said.

A report is due once a day. Whether it went is read from the deliveries, not from a clock that was awake at the right minute:
a desk that slept through the time sends it when it starts, and a desk that is started twice sends it once.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Any, final

from examples.desk.clock import Clock, iso
from examples.desk.errors import DeskError

DAILY, TEST = "daily", "test"

_log = logging.getLogger("desk.system")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One user's day; amounts in quote currency."""

    user: str
    equity: Decimal
    realized: Decimal
    fees: Decimal
    fills: int
    bots: Mapping[str, int]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a report tells of the day from `since` until `until`."""

    since: datetime
    until: datetime
    accounts: Sequence[Account]
    trips: int
    allocations: Decimal


Post = Callable[[EmailMessage], str]
"""Hands a message to the mail server and gives the server's word of acceptance; DeskError if it did not accept."""


def due(now: datetime, at: time) -> datetime:
    """The last moment, not after `now`, at which a report was due."""
    today = now.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    return today if today <= now else today - timedelta(days=1)


def compose(figures: Figures, *, sender: str, recipient: str, kind: str, now: datetime) -> EmailMessage:
    """The report as a mail in plain text; `kind` stands in its subject when it is no daily one."""
    message = EmailMessage()
    day = figures.until.date().isoformat()
    message["From"], message["To"] = sender, recipient
    message["Subject"] = f"Daily report {day}" if kind == DAILY else f"Daily report {day} ({kind})"
    message["Date"] = format_datetime(now)
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    message.set_content("\n".join(_lines(figures)) + "\n")
    return message


def _lines(figures: Figures) -> list[str]:
    lines = [f"From {iso(figures.since)} until {iso(figures.until)}", ""]
    for account in figures.accounts:
        states = ", ".join(f"{count} {status}" for status, count in sorted(account.bots.items())) or "none"
        lines += [
            f"{account.user}",
            f"  equity    {account.equity}",
            f"  realized  {account.realized}",
            f"  fees      {account.fees}",
            f"  fills     {account.fills}",
            f"  bots      {states}",
            "",
        ]
    return [*lines, f"Circuit breaker trips: {figures.trips}", f"Reinvested: {figures.allocations}"]


@final
class Reports:
    """Sends reports and remembers them; `remember` keeps a delivery, `delivered` knows the moments that are served."""

    def __init__(
        self,
        *,
        figures: Callable[[datetime, datetime], Figures],
        post: Post,
        remember: Callable[[Mapping[str, Any]], None],
        delivered: Callable[[datetime], bool],
        at: time,
        sender: str,
        recipient: str,
        now: Clock,
    ) -> None:
        self.at = at
        self._figures = figures
        self._post = post
        self._remember = remember
        self._delivered = delivered
        self._sender = sender
        self._recipient = recipient
        self._now = now
        self._lock = threading.Lock()

    def last_due(self) -> datetime:
        """When the last one was due."""
        return due(self._now(), self.at)

    def next_due(self) -> datetime:
        """When the next one is due."""
        return due(self._now(), self.at) + timedelta(days=1)

    def turn(self) -> None:
        """Send what is due and not delivered yet: called again and again by a worker."""
        with self._lock:
            moment = due(self._now(), self.at)
            if not self._delivered(moment):
                self._send(DAILY, moment)

    def send_test(self) -> Mapping[str, Any]:
        """A report of now, on demand; DeskError if the mail server does not take it."""
        with self._lock:
            return self._send(TEST, self._now())

    def _send(self, kind: str, moment: datetime) -> Mapping[str, Any]:
        figures = self._figures(moment - timedelta(days=1), moment)
        if not figures.accounts:
            raise DeskError("there is no user to report on", hint="see the collection users")
        message = compose(figures, sender=self._sender, recipient=self._recipient, kind=kind, now=self._now())
        said = self._post(message)
        delivery = {
            "kind": kind,
            "due_at": moment,
            "accepted_at": self._now(),
            "recipient": self._recipient,
            "message_id": message["Message-ID"],
            "server_said": said,
            "digest": hashlib.sha256(message.get_content().encode()).hexdigest(),
            "users": len(figures.accounts),
        }
        self._remember(delivery)
        _log.info("%s report for %s accepted: %s", kind, iso(moment), said)
        return delivery
