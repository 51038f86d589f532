"""Telling people what happened: what the journal has recorded goes out as a message, to wherever Apprise can deliver.

The journal comes first and the message after it, so that nothing is announced that is not written down. Telling is the last thing
a command does, within a bounded time, and a message that cannot be delivered is told and recorded: it never holds a stop up.
Addresses carry tokens; so golive.yaml names only the variables of the environment in which they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, final

from pytest_golive import events
from pytest_golive.courier import Letter, dispatch
from pytest_golive.errors import JournalError, MissingExtra
from pytest_golive.journal import Entry, Journal
from pytest_golive.redaction import Redactor

if TYPE_CHECKING:
    from pytest_golive.config import Settings

_TOLD = ("reason", "reasons", "check", "operator", "person", "environment", "expires", "marker", "report")
"""The parts of a record that a message repeats, in this order."""

Deliver = Callable[[Sequence[Letter], float], Mapping[int, str]]
"""Letters and seconds to why each did not arrive, by its number."""


@final
@dataclass(frozen=True, slots=True)
class Message:
    """One announcement."""

    event: str
    title: str
    body: str


def message(entry: Entry, target: str, environment: str) -> Message | None:
    """What people are told of a record; None if it is not one of those that are announced."""
    event = events.NO_GO if entry.event == events.RUN and entry.detail.get("word") == "NO-GO" else entry.event
    if event not in events.ANNOUNCED:
        return None
    told = [f"{name}: {_flat(entry.detail[name])}" for name in _TOLD if entry.detail.get(name)]
    when = f"at {entry.at.isoformat(timespec='seconds')}, record {entry.seq} of the journal"
    return Message(event, f"{events.ANNOUNCED[event]}: {target}, {environment}", "\n".join([*told, when]))


@final
class Announcer:
    """Hears what a journal records, and sends it when it is asked to."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._environ = environ
        self._heard: list[Message] = []

    def hear(self, entry: Entry) -> None:
        """Keep a record, if it is one that people want to be told."""
        told = message(entry, self._settings.target.name, self._settings.environment)
        if told is not None and told.event in self._settings.notify.on:
            self._heard.append(told)

    def send(self, journal: Journal, now: datetime, deliver: Deliver = dispatch) -> Sequence[str]:
        """Send all that was heard to everybody, side by side; sentences on what did not arrive, which the journal has as well.

        An interrupt ends the telling and nothing else.
        """
        messages, self._heard = self._heard, []
        if not messages or not self._settings.notify.to:
            return ()
        redactor = Redactor.from_environment(self._environ)
        outbox = [(name, variable, each) for name, variable in self._settings.notify.to.items() for each in messages]
        unset = {number for number, (_, variable, _) in enumerate(outbox) if not self._environ.get(variable)}
        letters = {
            number: Letter(self._environ[variable], redactor.text(each.title), redactor.text(each.body))
            for number, (_, variable, each) in enumerate(outbox)
            if number not in unset
        }
        within, late = self._settings.notify.within, f"no answer within {self._settings.notify.within:g} s"
        ends: Mapping[int, str] = {}
        try:
            ends = deliver(list(letters.values()), within) if letters else {}
        except MissingExtra as missing:
            late = str(missing)
        except KeyboardInterrupt:
            # what is told here was done before, and nobody may be told otherwise
            late = "interrupted before it answered"
        arrived = {number: ends.get(place, late) for place, number in enumerate(letters)}
        arrived |= {number: f"the variable {outbox[number][1]} is not set" for number in unset}
        failed = [(name, each.event, why) for number, (name, _, each) in enumerate(outbox) if (why := arrived[number])]
        for name, event, why in failed:
            try:
                journal.append(events.NOTIFICATION_FAILED, {"to": name, "about": event, "reason": why}, now)
            except JournalError as error:
                return (*_sentences(failed), error.message)
        return _sentences(failed)


def _sentences(failed: Sequence[tuple[str, str, str]]) -> Sequence[str]:
    return tuple(f"{name} was not told of {event}: {why}" for name, event, why in failed)


def _flat(value: Any) -> str:
    return " ".join(str(part) for part in value) if isinstance(value, list) else str(value)
