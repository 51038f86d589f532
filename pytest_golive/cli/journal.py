"""`golive journal`: show that the log is whole, write it out, vouch for its length, and mend what a crash cut short."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pytest_golive import anchors, excerpt, quantities
from pytest_golive.anchors import Anchor
from pytest_golive.cli.shared import load_settings, page_bytes, trusted_keys
from pytest_golive.cli.words import printable
from pytest_golive.cli.words import say as say_raw
from pytest_golive.config import Settings
from pytest_golive.errors import GoliveError, JournalError, Misuse, TrustError
from pytest_golive.guard import state
from pytest_golive.guard.marker import MAX_MARKER
from pytest_golive.journal import Entry, Journal
from pytest_golive.redaction import Redactor
from pytest_golive.signing.keys import PublicKey, session_key
from pytest_golive.signing.trusted import session_key_path

_MAX_CHECKPOINT = 64 * 1024


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to do with it."""
    words = parser.add_subparsers(dest="word", required=True, metavar="WORD")
    verify = words.add_parser("verify", help="check every record, and that nothing was cut off that others have seen")
    verify.add_argument("--page", action="append", default=[], metavar="FILE", help="a sign-off page that is kept elsewhere")
    verify.add_argument("--checkpoint", action="append", default=[], metavar="FILE", help="a checkpoint that is kept elsewhere")
    verify.add_argument("--key", action="append", default=[], metavar="FILE", help="trust the OpenSSH public keys in this file")
    verify.set_defaults(act=_verify)
    export = words.add_parser("export", help="write the records out, without secrets")
    export.add_argument("--as", dest="form", choices=("jsonl", "csv"), default="jsonl", help="how to write them (jsonl)")
    export.add_argument(
        "--since", metavar="TIME", help="the first moment, such as 2026-11-21 or 2026-11-21T08:00+01:00, or 7d ago"
    )
    export.set_defaults(act=_export)
    checkpoint = words.add_parser("checkpoint", help="sign how long the journal is and what its newest record, to keep elsewhere")
    checkpoint.add_argument("--out", metavar="FILE", help="a new file to write it to (default: the terminal)")
    checkpoint.set_defaults(act=_checkpoint)
    mend = words.add_parser("mend", help="remove a record that a crash cut short, and record that")
    mend.set_defaults(act=_mend)
    for sub in words.choices.values():
        sub.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Exit status 0 if what was asked is so, or was done."""
    settings = load_settings(options)
    status: int = options.act(options, settings, Journal(settings.resolve(settings.journal)))
    return status


def _verify(options: argparse.Namespace, settings: Settings, journal: Journal) -> int:
    keys = trusted_keys(settings, options.key)
    # the papers first: a run that ends meanwhile must not look as if its record had been cut off
    named = [*_named_pages(options.page, keys), *_named_checkpoints(options.checkpoint, keys)]
    found, remarks = _beside(settings, keys)
    entries: list[Entry] = []
    try:
        for entry in journal.entries():
            entries.append(entry)
    except JournalError as error:
        say(f"JOURNAL BROKEN  {journal.path}")
        say(f"  {error.message}")
        say(f"  whole       {_whole(entries)}")
        say(f"  next        {error.hint}")
        return 1
    if not entries and not named and not found:
        raise JournalError(f"there is nothing to verify: {journal.path} has no record", hint="run pytest --golive first")
    lost = anchors.missing(entries, [*named, *found])
    say(f"{'JOURNAL CUT OR REPLACED' if lost else 'JOURNAL WHOLE'}  {journal.path}")
    say(f"  records     {_whole(entries)}")
    if entries:
        say(f"  from        {entries[0].at.isoformat()}")
        say(f"  to          {entries[-1].at.isoformat()}")
    say(f"  held against {_counted(len(named) + len(found), 'paper')} that quote it")
    for line in (*lost, *(f"remark: {line}" for line in (*remarks, *anchors.clock_faults(entries, datetime.now(UTC))))):
        say(f"  {line}")
    if lost:
        say("  next        find out who shortened it; papers of an older journal belong into a folder of their own")
    return 1 if lost else 0


def _export(options: argparse.Namespace, _settings: Settings, journal: Journal) -> int:
    entries = excerpt.since(list(journal.entries()), moment(options.since))
    redactor = Redactor.from_environment(os.environ)
    sys.stdout.write((excerpt.as_csv if options.form == "csv" else excerpt.as_jsonl)(entries, redactor))
    return 0


def _checkpoint(options: argparse.Namespace, _settings: Settings, journal: Journal) -> int:
    line = anchors.checkpoint(list(journal.entries()), session_key(session_key_path(os.environ)))
    if options.out is None:
        say(line)
        return 0
    path = Path(options.out).absolute()
    if os.path.lexists(path):
        raise Misuse(f"{path} is there already", hint="a checkpoint is kept, not overwritten: name a new file")
    state.replace_file(str(path), line.encode("ascii") + b"\n", 0o644)
    say(f"Written to {path}: keep it where nobody who can write the journal can write.")
    return 0


def _mend(_options: argparse.Namespace, _settings: Settings, journal: Journal) -> int:
    if not journal.path.exists():
        raise JournalError(f"there is nothing to mend: {journal.path} has no record", hint="run pytest --golive first")
    mended = journal.mend(datetime.now(UTC))
    say("A record that was cut short is removed, and that is recorded." if mended else "Nothing was cut short.")
    return 0


def _named_pages(paths: Sequence[str], keys: Sequence[PublicKey]) -> Iterator[Anchor]:
    for path in paths:
        yield anchors.of_page(path, page_bytes(path), keys)


def _named_checkpoints(paths: Sequence[str], keys: Sequence[PublicKey]) -> Iterator[Anchor]:
    for path in paths:
        with open(path, "rb") as stream:
            content = stream.read(_MAX_CHECKPOINT + 1)
        yield anchors.of_checkpoint(path, content, keys)


def _beside(settings: Settings, keys: Sequence[PublicKey]) -> tuple[list[Anchor], list[str]]:
    """What the pages, the marker and the guard's memory of this place quote, and a remark for each that cannot be asked."""
    found: list[Anchor] = []
    remarks: list[str] = []
    for path in sorted(settings.resolve(settings.reports).glob("*/report.html")):
        try:
            found.append(anchors.of_page(path.parent.name, page_bytes(str(path)), keys))
        except (GoliveError, OSError) as error:
            remarks.append(f"{path.parent.name} was not asked: {_told(error)}")
    try:
        with settings.marker.open("rb") as stream:
            found.append(anchors.of_marker("the marker", stream.read(MAX_MARKER + 1), keys))
    except FileNotFoundError:
        pass
    except (TrustError, OSError) as error:
        remarks.append(f"the marker was not asked: {_told(error)}")
    try:
        highest = state.read(str(settings.state)).highest
        if highest:
            found.append(Anchor(where="the guard's memory", counter=highest))
    except TrustError as error:
        remarks.append(f"the guard's memory was not asked: {_told(error)}")
    return found, remarks


def say(text: str) -> None:
    """Print a line in which names of files and what others wrote obey no terminal."""
    say_raw(printable(text))


def _told(error: Exception) -> str:
    return error.message if isinstance(error, GoliveError) else getattr(error, "strerror", None) or str(error)


def _whole(entries: Sequence[Entry]) -> str:
    return f"{len(entries)}, the newest is sha256:{entries[-1].hash}" if entries else "none"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def moment(text: str | None) -> datetime | None:
    """The moment that people mean by a date, a time, or a length of time until now; a date without a zone is one of UTC."""
    if text is None:
        return None
    try:
        return datetime.now(UTC) - timedelta(seconds=quantities.seconds(text))
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Misuse(f"{text!r} is no time", hint="write 2026-11-21, 2026-11-21T08:00+01:00, or a length such as 7d") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
