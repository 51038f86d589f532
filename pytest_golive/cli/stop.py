"""`golive stop`: make the stop files, at once and with the least that is needed; everything else comes after."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shlex
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, final

from pytest_golive import bounded, events, stopping
from pytest_golive.cli import words
from pytest_golive.cli.shared import settings_path
from pytest_golive.cli.words import printable
from pytest_golive.errors import GoliveError
from pytest_golive.stopping import Put

if TYPE_CHECKING:
    from pytest_golive.config import Settings
    from pytest_golive.journal import Journal

DEFAULT = "EMERGENCY_STOP"
RECORDING = 5.0
"""Seconds that the journal may take; a journal that somebody keeps locked must not keep the orders from being cancelled."""

_KEY = re.compile(r"stops[ \t]*:(?P<rest>.*)")
_ENV = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Why and who, and a stop file beside those of the settings; none of them is needed."""
    parser.add_argument("words", nargs="*", metavar="WORD", help="more of the reason, for whoever leaves out --reason")
    parser.add_argument("--reason", default="", help="why; kept in the stop file and in the journal")
    parser.add_argument("--operator", metavar="NAME", help="who stops (default: $GOLIVE_OPERATOR, or the login)")
    parser.add_argument(
        "--file", action="append", default=[], metavar="PATH", help="a further stop file, for a day without settings"
    )


def run(options: argparse.Namespace) -> int:
    """Exit status 0 if a stop file stands that the settings name, 1 if none does; then it is told what to do by hand."""
    place = _place(options)
    now = datetime.now(UTC).replace(microsecond=0)
    reason, operator = _clean(" ".join([options.reason, *options.words]).strip()), _operator(options)
    done = stopping.stop(place.files, reason=reason, operator=operator, now=now)
    held = any(one.stops for one in done) and place.certain
    _say("=" * words.WIDTH)
    _say("REAL TRADING IS STOPPED" if held else "REAL TRADING IS NOT STOPPED BY A FILE" if not done else "LOOK AGAIN")
    _say("=" * words.WIDTH)
    for one in done:
        _say(f"  {_told(one)}")
    for line in place.trouble:
        _say(f"  {printable(line)}")
    taken = "" if held or place.settings is None else _last_resort(place.settings, reason, operator, now)
    if taken:
        _say(f"  {taken}")
    if place.settings is not None:
        try:
            _record_and_cancel(place.settings, done, reason, operator, now)
        except KeyboardInterrupt:
            _say("  interrupted: the stop stands, but the journal may not have it, and open orders may not be cancelled")
        except Exception as error:  # noqa: BLE001 - the stop stands, whatever comes after it
            _say(f"  what comes after the stop failed: {printable(_clean(f'{type(error).__name__}: {error}'))}")
    if not held:
        _say_by_hand(place, done)
        return 1
    _say("\nIt stays so over restarts. To go on: golive resume --reason '...'")
    return 0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Which files stop; `certain` if it is known that the service looks for them, `trouble` what could not be read."""

    files: tuple[Path, ...]
    certain: bool
    settings: Settings | None = None
    trouble: tuple[str, ...] = ()


def _place(options: argparse.Namespace) -> _Place:
    named = tuple(Path(path).absolute() for path in options.file)
    path = settings_path(options).absolute()
    try:
        from pytest_golive import config

        settings = config.load(path, os.environ, probing=False)
    except Exception as error:  # noqa: BLE001 - a stop does not ask why the settings cannot be read
        told = error.message if isinstance(error, GoliveError) else f"{type(error).__name__}: {error}"
        return _without_settings(path, named, told)
    return _Place(files=(*settings.stop_files, *named), certain=bool(settings.stop_files or named), settings=settings)


def _without_settings(path: Path, named: tuple[Path, ...], told: str) -> _Place:
    """What the file says of stops, line by line, if it is broken elsewhere."""
    trouble = [f"the settings cannot be used: {told}"]
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return _Place(files=named, certain=bool(named), trouble=tuple(trouble))
    found = stop_names(text, os.environ)
    if found is None:
        trouble.append(f"what it says under stops: cannot be read either; {DEFAULT} beside it is a guess")
    names = (DEFAULT,) if found is None else found
    files = (*(Path(path.parent, name).absolute() for name in names), *named)
    return _Place(files=files, certain=bool(found or named), trouble=tuple(trouble))


def stop_names(text: str, environ: Mapping[str, str]) -> tuple[str, ...] | None:
    """The stop files that a text of settings names, whatever else is wrong in it; the default if it does not speak of stops.

    None if it does and they cannot be made out.
    """
    lines = text.splitlines()
    start = next((number for number, line in enumerate(lines) if _KEY.match(line)), None)
    if start is None:
        return (DEFAULT,)
    match = _KEY.match(lines[start])
    rest = _uncommented(match["rest"] if match else "").strip()
    if rest.startswith("["):
        for line in lines[start + 1 :]:
            if "]" in rest:
                break
            rest += " " + _uncommented(line).strip()
        if not rest.endswith("]"):
            return None
        words = [word.strip() for word in rest[1:-1].split(",") if word.strip()]
    elif rest:
        return None
    else:
        words = []
        for line in map(_uncommented, lines[start + 1 :]):
            if not line.strip():
                continue
            if not line.lstrip().startswith("- "):
                break
            words.append(line.lstrip()[2:].strip())
    names = [_ENV.sub(lambda match: environ.get(match[1], "${"), _unquoted(word)) for word in words]
    good = bool(names) and all(name and not set(name) & set("{}[]\"'&*!|>") for name in names)
    return tuple(names) if good else None


def _uncommented(line: str) -> str:
    return re.split(r"(?:^|\s)#", line, maxsplit=1)[0].rstrip()


def _unquoted(word: str) -> str:
    return word[1:-1] if len(word) >= 2 and word[0] == word[-1] and word[0] in "\"'" else word


def _clean(text: str) -> str:
    """The text without the secrets of this environment; if that cannot be told, without the text."""
    try:
        from pytest_golive.cli.shared import redacted

        return redacted(text)
    except Exception:  # noqa: BLE001 - a stop goes on without its reason rather than with a secret
        return ""


def _operator(options: argparse.Namespace) -> str:
    try:
        from pytest_golive.cli.shared import operator_of

        return operator_of(options)
    except Exception:  # noqa: BLE001 - a stop goes on without a name
        return f"uid-{os.getuid()}"


def _say(line: str) -> None:
    """Tell it, if anybody can hear: a terminal that is gone, or a full disk, keeps no order from being cancelled."""
    with contextlib.suppress(OSError, ValueError):
        words.say(line)


def _told(one: Put) -> str:
    word = "made" if one.made else "stood there already" if one.stood else "NOT MADE"
    return printable(f"{one.path}: {word}{f' - {one.note}' if one.note else ''}")


def _last_resort(settings: Settings, reason: str, operator: str, now: datetime) -> str:
    """Without any stop file, the marker is the other thing that every guard asks for."""
    from pytest_golive import activation
    from pytest_golive.journal import Journal

    why = f"no stop file could be made: {reason or stopping.UNTOLD}"

    def withdraw() -> None:
        activation.deactivate(
            marker=settings.marker,
            state=settings.state,
            journal=Journal(settings.resolve(settings.journal)),
            reason=why,
            operator=operator,
            now=now,
        )

    trouble = _bounded(withdraw)
    if os.path.lexists(settings.marker):
        return f"the marker could not be taken back either: {trouble}"
    return f"the marker {settings.marker} is gone instead, so no guard lets an order go{f' ({trouble})' if trouble else ''}"


def _record_and_cancel(settings: Settings, done: Sequence[Put], reason: str, operator: str, now: datetime) -> None:
    """Journal the stop, cancel what is open, journal that, tell people; each is bounded, and none undoes the stop."""
    from pytest_golive.cli.shared import journal_of

    with journal_of(settings) as journal:
        files = [{"path": str(one.path), "made": one.made, "stood": one.stood, "note": one.note} for one in done]
        told = {"environment": settings.environment, "operator": operator, "reason": reason or stopping.UNTOLD, "files": files}
        if any(one.stops for one in done):
            _record(journal, events.STOPPED, {**told, "at": now})
        if not settings.on_stop.cancel:
            _say("  open orders: nothing is declared that cancels them (on_stop.cancel); cancel them at the exchange by hand")
            return
        ended = bounded.run(settings.on_stop.cancel, folder=settings.root, environ=os.environ, seconds=settings.on_stop.timeout)
        _say_cancelled(ended)
        detail = {"operator": operator, "good": ended.good, "exit": ended.exit, "trouble": ended.trouble}
        _record(journal, events.ORDERS_CANCELLED, detail)


def _record(journal: Journal, event: str, detail: Mapping[str, object]) -> None:
    trouble = _bounded(lambda: journal.append(event, detail, datetime.now(UTC)))
    if trouble:
        _say(f"  the journal has no record of it: {printable(trouble)}")


def _say_cancelled(ended: bounded.Ended) -> None:
    lines = [printable(_clean(line)) for line in ended.said.splitlines() if line.strip()]
    if ended.good:
        _say(f"  open orders: cancelled{f' - {lines[-1]}' if lines else ''}")
        return
    why = printable(ended.trouble or f"exit {ended.exit}")
    _say(f"  open orders: NOT ALL CANCELLED ({why}); cancel them at the exchange by hand")
    for line in lines[-5:]:
        _say(f"    {line}")


def _bounded(action: Callable[[], object]) -> str:
    """Do it in a thread that nobody waits for longer than `RECORDING` seconds; why it failed, or an empty text."""
    trouble = [f"it took longer than {RECORDING:g} s"]

    def act() -> None:
        try:
            action()
            trouble[0] = ""
        except Exception as error:  # noqa: BLE001 - what fails after the stop is told and stops nothing
            trouble[0] = str(error)

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(RECORDING)
    return trouble[0]


def _say_by_hand(place: _Place, done: Sequence[Put]) -> None:
    _say("\nDo this by hand, now, each line until one works:")
    for one in done:
        _say(f"  touch -- {shlex.quote(str(one.path))}   (as root, or as the owner of its folder)")
    if not done:
        _say("  golive stop --file /the/path/that/the/service/looks/for/EMERGENCY_STOP")
    if place.settings is not None:
        _say(f"  rm -- {shlex.quote(str(place.settings.marker))}")
    _say("  end the service's process by its recorded pid, and revoke its key at the exchange")
