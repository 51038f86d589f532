"""`golive watch`: look at the monitoring items again and again, and take the marker back when one of them turns."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from pytest_golive import checklist, quantities, standing, watching
from pytest_golive.cli.shared import journal_of, load_settings, redacted, trusted_keys
from pytest_golive.cli.words import printable, say
from pytest_golive.config import Settings
from pytest_golive.errors import GoliveError, JournalError, Misuse
from pytest_golive.guard import state
from pytest_golive.journal import Journal
from pytest_golive.model import Decision, Outcome, Ruling, Severity
from pytest_golive.redaction import Redactor
from pytest_golive.sections import BEAT
from pytest_golive.trial import Surroundings
from pytest_golive.watching import Memory, Round

_STOPPING = 60.0
"""Seconds that a stop may take, its cancelling of orders included."""


_RECORDING = 2.0
"""Seconds that whoever keeps the journal locked may keep the marker from being taken back."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """How often, and for how long."""
    parser.add_argument("--every", metavar="TIME", help="the rest between two rounds, such as 30s (default: watch.every)")
    parser.add_argument("--rounds", type=int, metavar="N", help="end after so many rounds (default: never)")


def run(options: argparse.Namespace) -> int:
    """Exit status 0 if the last round was clear, 1 if it was not."""
    watch = _Watch(options)
    rest = watch.rest
    if threading.current_thread() is threading.main_thread():
        for ending in (signal.SIGTERM, signal.SIGINT):
            signal.signal(ending, watch.end)
    _tell(f"Watching {len(watch.watched)} items every {rest:g} s; {watch.revoking} of them take the marker back when they fail.")
    for number in _rounds(options.rounds):
        if number:
            watch.wait()
        watch.round()
    return 0 if watch.clear else 1


class _Watch:
    """The rounds of one watch, and what it keeps from one to the next."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self.clear = False
        self._memory = Memory()
        self._broken = 0
        self._acting = False
        self._ending = threading.Event()
        self._answers = watching.Answers()
        self._read()

    def end(self, number: int, frame: FrameType | None) -> None:
        """End the watch; what a round has begun to take back is taken back first.

        An exception that is raised inside of a finaliser is lost, so it is also remembered.
        """
        self._ending.set()
        if not self._acting:
            raise KeyboardInterrupt

    def wait(self) -> None:
        """Rest between two rounds; KeyboardInterrupt if the watch shall end."""
        if self._ending.wait(self.rest):
            raise KeyboardInterrupt

    def _read(self) -> None:
        """Settings, lists and keys as they are now: whoever activates anew with other ones is watched by these."""
        settings = load_settings(self._options, probing=True)
        paths = checklist.find(settings.checklists, settings.root, settings.path.name)
        lists = checklist.load(paths, root=Path.cwd(), **settings.variables)
        items = tuple(item for one in lists for item in one.items)
        watched = watching.chosen(items, settings.watch.phases, settings.watch.items)
        watching.refuse_idle_breaker(settings, watched)
        rest, keys = _rest(self._options.every, settings), trusted_keys(settings)
        self._settings, self._items, self.watched, self.rest, self._keys = settings, items, watched, rest, keys
        self.revoking = sum(watching.can_revoke(item) for item in watched)
        self._state = (settings.sha256, *(one.sha256 for one in lists))

    def round(self) -> None:
        """Look, judge, do what follows, and tell what is new."""
        now, before = datetime.now(UTC), self._state
        try:
            self._read()
            seen, self._memory = self._judged()
            seen = seen if seen.revokes else replace(seen, revokes=self._unread(now))
        except (GoliveError, OSError) as error:
            seen = self._blind(str(error), now)
        if self._state != before:
            _tell(f"{_clock(now)} {self._settings.path.name} or a checklist changed: {len(self.watched)} items are watched now")
        self._acting = True
        try:
            told = self._act(seen, now)
        finally:
            self._acting = False
        for line in (*_lines(seen), *told):
            _tell(f"{_clock(now)} {printable(redacted(line))}")
        if self._ending.is_set():
            raise KeyboardInterrupt

    def _act(self, seen: Round, now: datetime) -> tuple[str, ...]:
        """What a round demands, and what there is to tell of it."""
        settings = self._settings
        self.clear = not self._broken and not self._memory.known
        with journal_of(settings, patience=_RECORDING) as journal:
            told = self._follow(journal, seen, now)
            told += watching.announce(settings, self._keys, journal, now)
            try:
                told += self._answers.note(standing.look(settings, os.environ, self._keys), journal, now)
            except (GoliveError, OSError) as error:
                told += (f"nobody can say what the guard says: {error}",)
        return told

    def _judged(self) -> tuple[Round, Memory]:
        settings = self._settings
        # the marker and not the journal: that may be locked, lost, or tell of another environment while real orders go
        marker = standing.marker(settings, self._keys)
        surroundings = Surroundings(
            root=settings.root,
            environ=os.environ,
            now=lambda: datetime.now(UTC),
            redactor=Redactor.from_environment(os.environ),
            witnesses=settings.witnesses,
            activated=marker.timestamp if marker else None,
        )
        return watching.judge(
            watching.look(self._items, self.watched, surroundings, self._at_once),
            self._memory,
            patience=settings.watch.unclear,
            stops_on=settings.watch.stops_on,
        )

    def _at_once(self, red: Decision) -> None:
        """Take back what a red item demands, without waiting for the looks that are still under way."""
        settings, now = self._settings, red.at
        seen, _ = watching.judge(red, Memory(), patience=settings.watch.unclear, stops_on=settings.watch.stops_on)
        self._acting = True
        try:
            with journal_of(settings, patience=_RECORDING) as journal:
                told = watching.enforce(settings, journal, seen, now, self._stop)
        finally:
            self._acting = False
        for line in told:
            _tell(f"{_clock(now)} {printable(redacted(line))}")

    def _blind(self, why: str, now: datetime) -> Round:
        """A round that could not be had at all; as many in a row as an item may be unclear revoke."""
        self._broken += 1
        _tell(f"{_clock(now)} the round could not be had: {printable(redacted(why))}")
        patience = self._settings.watch.unclear
        return watching.blind(
            why, now, revokes=f"{patience} rounds in a row could not be had" if self._broken >= patience else ""
        )

    def _unread(self, now: datetime) -> str:
        """Why a journal that cannot be read revokes; it hides what happened, so it is borne as long as any blindness."""
        try:
            Journal(self._settings.resolve(self._settings.journal)).verify()
        except JournalError as error:
            return self._blind(str(error), now).revokes
        self._broken = 0
        return ""

    def _follow(self, journal: Journal, seen: Round, now: datetime) -> tuple[str, ...]:
        told = watching.enforce(self._settings, journal, seen, now, self._stop)
        with contextlib.suppress(OSError):
            content = json.dumps(watching.beat(seen), indent=1).encode("ascii")
            path = self._settings.resolve(self._settings.reports) / BEAT
            state.replace_file(str(path), content + b"\n", 0o644, durable=False)
        return told

    def _stop(self, reason: str) -> str:
        """`golive stop` in a process of its own: whatever becomes of the watch, the stop is made as by any person."""
        command = [sys.executable, "-m", "pytest_golive.cli", "stop", "--config", str(self._settings.path)]
        words = [f"--reason={redacted(reason)}", f"--operator={watching.OPERATOR}"]
        try:
            done = subprocess.run(
                [*command, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_STOPPING, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"NOT STOPPED: {error}"
        said = " ".join((done.stdout + done.stderr).split())
        return f"STOPPED because {reason}" if done.returncode == 0 else f"NOT STOPPED: {said}"


def _tell(line: str) -> None:
    """Say a line at once; a terminal that went away, or a log on a full disk, ends no watch."""
    with contextlib.suppress(OSError):
        say(line)
        sys.stdout.flush()


def _clock(now: datetime) -> str:
    return f"{now.astimezone():%H:%M:%S}"


def _rounds(count: int | None) -> Iterator[int]:
    if count is not None and count < 1:
        raise Misuse("a watch has at least one round", hint="for instance --rounds 1")
    number = 0
    while count is None or number < count:
        yield number
        number += 1


def _rest(text: str | None, settings: Settings) -> float:
    if text is None:
        return settings.watch.every
    try:
        rest = float(quantities.seconds(text))
    except ValueError as error:
        raise Misuse(str(error), hint="for instance --every 30s") from None
    if rest < 1:
        raise Misuse("a watch that never rests burdens the target", hint="for instance --every 30s")
    return rest


def _lines(seen: Round) -> Iterator[str]:
    """What is new in a round: three lines for what turned, one for what is clear again."""
    for ruling in seen.turned:
        yield f"{_word(ruling):<5} {ruling.item.title}  [{ruling.item.id}]"
        yield f"      found: {' '.join(ruling.finding.reason.split())}"
        yield f"      fix:   {' '.join(ruling.item.fix.split())}"
    for ruling in seen.cleared:
        yield f"CLEAR {ruling.item.title}  [{ruling.item.id}]"


def _word(ruling: Ruling) -> str:
    if ruling.finding.outcome is Outcome.FAILED:
        return "RED" if ruling.item.severity is Severity.CRITICAL else "WARN"
    return "BLIND"
