"""Looks at everything that the status page tells, each time anew where it is cheap, and beside the requests where it is not."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, final

from pytest_golive import __version__, config, signoff, standing, stopping, telemetry
from pytest_golive.config import Settings
from pytest_golive.errors import ConfigError, GoliveError
from pytest_golive.guard.marker import Marker
from pytest_golive.redaction import Redactor
from pytest_golive.sections import BEAT
from pytest_golive.serving import status
from pytest_golive.serving.chain import AGAIN, ChainReader, identity_of
from pytest_golive.serving.newest import NewestPage
from pytest_golive.serving.skipped import OrdersLog
from pytest_golive.signing.keys import PublicKey
from pytest_golive.standing import Standing

MAX_BEAT = 4_000_000
"""Bytes of the file that the watch leaves; there is none larger."""
LATELY = timedelta(seconds=2 * AGAIN)
"""How long ago the chain of the journal may have been found whole for this server to be called healthy."""

Keys = Callable[[Settings], Sequence[PublicKey]]


@final
class Observer:
    """Reads what one golive.yaml describes; safe to share between threads, and changes nothing.

    `keys` gives the keys that count under the settings. GoliveError from every reading while the settings cannot be used.
    """

    def __init__(self, path: Path, environ: Mapping[str, str], keys: Keys) -> None:
        self.path = path.absolute()
        self._environ = environ
        self._keys = keys
        self.redactor = Redactor.from_environment(environ)
        self._chain = ChainReader(self.redactor)
        self._page = NewestPage()
        self._orders = OrdersLog(self.redactor)
        self._lock = threading.Lock()
        self._held: tuple[tuple[int, ...], Settings] | None = None

    @property
    def settings(self) -> Settings:
        """The settings as they are now."""
        with self._lock:
            # asked before reading, so that a change during the reading is seen the next time
            identity = identity_of(self.path)
            if self._held is None or self._held[0] != identity or not identity:
                self._held = None
                self._held = (identity, config.load(self.path, self._environ, probing=False))
            return self._held[1]

    def warm(self, seconds: float) -> None:
        """Read once what is dear, and wait for it as long as that."""
        settings = self.settings
        self._chain.read(settings.resolve(settings.journal), seconds)
        self._page.read(settings.resolve(settings.reports), self._keys(settings), seconds)
        if settings.serve.orders_log:
            self._orders.read(settings.resolve(settings.serve.orders_log), datetime.now(UTC), seconds)

    def status(self, now: datetime) -> dict[str, Any]:
        """Everything that is shown, without secrets, as `/status.json` and the page tell it."""
        settings = self.settings
        keys = self._keys(settings)
        seen, marker = self._standing(settings, keys)
        found, newer = self._page.read(settings.resolve(settings.reports), keys)
        living = {name for name, switch in settings.mode.items() if switch.pid_file}
        guard, marked = status.of_guard(seen, marker, now, present=os.path.lexists(settings.marker), living=living)
        watch = status.of_watch(*_beat(settings.resolve(settings.reports) / BEAT), settings.watch.every, now)
        log = settings.serve.orders_log
        told: dict[str, Any] = {
            "at": now,
            "version": __version__,
            "target": settings.target.name,
            "demo": settings.target.demo,
            "environment": settings.environment,
            "guard": guard,
            "marker": marked,
            "stop_files": [str(path) for path in settings.stop_files],
            "stops": [_stop(path) for path in settings.stop_files if os.path.lexists(path)],
            "report": status.of_report(found, newer, settings.environment, now),
            "approvals": status.of_approvals(found, signoff.policy_of(settings), now),
            "watch": watch,
            "brokers": status.of_brokers(settings.serve.brokers, found, watch, now),
            "skipped": status.of_skipped(self._orders.read(settings.resolve(log), now) if log else None),
            "journal": status.of_journal(self._chain.read(settings.resolve(settings.journal))),
        }
        told["alarms"] = status.alarms(told)
        told["tone"] = status.tone(told)
        clean: dict[str, Any] = self.redactor.facts(told)
        return clean

    def observed(self, now: datetime) -> telemetry.Observed:
        """What the metrics are made of; the journal is the one that was read last."""
        settings = self.settings
        keys = self._keys(settings)
        seen, marker = self._standing(settings, keys)
        chain = self._chain.read(settings.resolve(settings.journal))
        return telemetry.Observed(
            at=now,
            target=self.redactor.text(settings.target.name),
            environment=settings.environment,
            present=os.path.lexists(settings.marker),
            marker=marker,
            permitted=seen.permitted,
            stopped=any(present for _, present in seen.stops),
            entries=chain.entries,
            trouble=chain.trouble,
        )

    def health(self, now: datetime) -> dict[str, Any]:
        """Whether this server can tell the truth: the settings are read, and the journal was whole lately; never raises."""
        wrong: list[str] = []
        checked: datetime | None = None
        try:
            settings = self.settings
            chain = self._chain.read(settings.resolve(settings.journal))
            checked = chain.at
            if chain.trouble:
                wrong.append(f"journal: {chain.trouble}")
            if checked is None or now - checked > LATELY:
                wrong.append("journal: its chain was not found whole lately")
            self._standing(settings, self._keys(settings))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is not well
            wrong.append(self.line(error))
        return {"ok": not wrong, "wrong": wrong, "journal_checked_at": checked, "version": __version__}

    def line(self, error: Exception) -> str:
        """What went wrong in one line, without secrets."""
        if isinstance(error, ConfigError):
            text = f"the settings cannot be used: {error.faults[0]}"
        elif isinstance(error, GoliveError):
            text = f"{error.message} ({error.hint})" if error.hint else error.message
        elif isinstance(error, OSError):
            text = f"{error.filename or 'a file'} cannot be read: {error.strerror or type(error).__name__}"
        else:
            text = f"{type(error).__name__}"
        return self.redactor.text(" ".join(text.split()))[:500]

    def _standing(self, settings: Settings, keys: Sequence[PublicKey]) -> tuple[Standing, Marker | None]:
        return standing.look(settings, self._environ, keys), standing.marker(settings, keys)


def _stop(path: Path) -> dict[str, Any]:
    """What stands at a stop file's path; whatever it is, it stops."""
    try:
        one = stopping.look(path)
    except OSError:
        one = None
    if one is None:
        return {"path": str(path), "since": datetime.now(UTC), "by": "somebody", "why": "the file cannot be read", "again": []}
    return status.of_stop(one)


def _beat(path: Path) -> tuple[Mapping[str, Any] | None, str]:
    """The newest round of the watch as it left it, or why there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return None, f"{path.name} is not a file"
            found = json.loads(file.read(MAX_BEAT))
    except FileNotFoundError:
        return None, "no watch has run here"
    except (OSError, ValueError, RecursionError) as error:
        return None, f"{path.name} cannot be read: {type(error).__name__}"
    return (found, "") if isinstance(found, dict) else (None, f"{path.name} is no round of a watch")
