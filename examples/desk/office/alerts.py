"""Alerts: written into the ledger first, then sent by mail, so that one that could not be sent is known and sent again.

Whoever raises an alert never waits for the mail server and never hears of its failures: an alert about a broken desk must
not break it further.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Any, Protocol, final

from examples.desk import clock
from examples.desk.bots.post import Post
from examples.desk.clock import Clock
from examples.desk.errors import DeskError
from examples.desk.ledger import Ledger

ATTEMPTS = 3
"""How often a message is tried before it stays undelivered."""

SEVERITIES = ("info", "warning", "critical")
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS alerts(id INTEGER PRIMARY KEY, kind TEXT NOT NULL, severity TEXT NOT NULL, text TEXT NOT NULL,"
    " channel TEXT NOT NULL, created_at TEXT NOT NULL, sent_at TEXT, delivered INTEGER NOT NULL DEFAULT 0,"
    " error TEXT NOT NULL DEFAULT '', attempts INTEGER NOT NULL DEFAULT 0)"
)
_WAITING = "SELECT * FROM alerts WHERE delivered = 0 AND attempts < ? ORDER BY id LIMIT 20"

_log = logging.getLogger("desk.system")


class Channel(Protocol):
    """A way to reach people."""

    @property
    def name(self) -> str: ...
    def send(self, subject: str, text: str) -> None:
        """Hand the message over; DeskError or OSError if it was not accepted."""


@final
class Mail:
    """Mail to one recipient, in a conversation of its own for each message."""

    name = "mail"

    def __init__(self, post: Post, recipient: str, *, now: Clock) -> None:
        self._post = post
        self._recipient = recipient
        self._now = now

    def send(self, subject: str, text: str) -> None:
        """Returns once the server has accepted the message."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._post.sender, self._recipient, subject
        message["Date"] = format_datetime(self._now())
        message["Message-ID"] = make_msgid(domain=self._post.sender.rpartition("@")[2])
        message.set_content(f"{text}\n")
        self._post.send(message)


@final
class Alerts:
    """The alerts of one desk, in its ledger."""

    def __init__(self, ledger: Ledger, channel: Channel, *, now: Clock) -> None:
        self._ledger = ledger
        self._channel = channel
        self._now = now
        ledger.write(_SCHEMA)

    def send(self, kind: str, severity: str, text: str) -> int:
        """Write the alert down to be sent at once; its number. Nothing is raised for a channel that fails."""
        if severity not in SEVERITIES:
            raise ValueError(f"{severity} is none of {', '.join(SEVERITIES)}")
        number = self._ledger.write(
            "INSERT INTO alerts(kind, severity, text, channel, created_at) VALUES (?,?,?,?,?)",
            kind, severity, text, self._channel.name, clock.iso(self._now()),
        )  # fmt: skip
        (_log.info if severity == "info" else _log.warning)("alert %s (%s): %s", number, kind, text)
        return number

    def deliver(self) -> None:
        """Send what waits, each message on its own; a failure is written beside its alert."""
        for alert in self._ledger.rows(_WAITING, ATTEMPTS):
            subject = f"[desk] {alert['severity'].upper()} {alert['kind']}"
            error = ""
            try:
                self._channel.send(subject, alert["text"])
            except (DeskError, OSError) as failure:
                error = f"{type(failure).__name__}: {failure}"[:300]
            self._ledger.write(
                "UPDATE alerts SET delivered = ?, sent_at = ?, error = ?, attempts = attempts + 1 WHERE id = ?",
                int(not error), None if error else clock.iso(self._now()), error, alert["id"],
            )  # fmt: skip

    def all(self, limit: int = 100) -> list[dict[str, Any]]:
        """The newest alerts first, `delivered` as a truth value."""
        return [_told(row) for row in self._ledger.rows("SELECT * FROM alerts ORDER BY id DESC LIMIT ?", limit)]


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "delivered": bool(row["delivered"])}
