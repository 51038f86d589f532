"""`golive roster`: who may sign, for what and until when, and whether a quorum can be met."""

from __future__ import annotations

import argparse
import os
import stat
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_golive.cli.shared import is_named, load_settings, settings_path
from pytest_golive.cli.words import WIDTH, printable, say
from pytest_golive.errors import KeyRefused, Misuse, RosterError
from pytest_golive.guard.state import replace_file
from pytest_golive.signing import roster, roster_text, sshsig
from pytest_golive.signing.persons import Person, Quorum, Roster, RosterKey

if TYPE_CHECKING:
    from pytest_golive.config import Settings

MAX_KEYS_FILE = 64 * 1024


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to do with which roster."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="write a person or a further key into the roster, and keep what stands there")
    add.add_argument("person", metavar="PERSON", help="the person's id: small letters, digits, hyphens")
    add.add_argument("--name", help="the name that pages show; needed for a new person")
    add.add_argument("--role", action="append", default=[], help="a role that the person holds; may be repeated")
    add.add_argument("--key", required=True, metavar="FILE", help="the public key: a .pub file, PEM, or - for standard input")
    add.add_argument("--valid-until", metavar="DATE", help="when the key stops counting, such as 2027-06-30")
    actions.add_parser("list", help="show persons, roles, keys, validity and quorums")
    check = actions.add_parser("check", help="tell every fault, and who can meet each quorum; exit status 1 if one is wrong")
    check.add_argument("--allowed-signers", action="store_true", help="print it as ssh-keygen -Y verify reads it")
    for sub in actions.choices.values():
        sub.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        sub.add_argument("--roster", metavar="FILE", help="the roster (default: as in the settings, or golive.roster.toml here)")


def run(options: argparse.Namespace) -> int:
    """Exit status 0 if the roster stands."""
    path, now = roster_path(options), datetime.now(UTC)
    if options.action == "add":
        return _add(options, path)
    roll = roster.read(path)
    return _list(path, roll, now) if options.action == "list" else _check(options, path, roll, now)


def roster_path(options: argparse.Namespace) -> Path:
    """The roster that the command line, the settings or this folder names, as people would type it from here."""
    if options.roster:
        return Path(options.roster)
    settings = _settings(options)
    if settings is None:
        return Path("golive.roster.toml")
    path = settings.witnesses.roster
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _settings(options: argparse.Namespace) -> Settings | None:
    """The settings, if there are any: a roster can be kept without them."""
    return load_settings(options) if is_named(options) or settings_path(options).exists() else None


def _add(options: argparse.Namespace, path: Path) -> int:
    if not roster.NAME.fullmatch(options.person):
        raise Misuse(f"{options.person!r} is no id of a person", hint="small letters, digits and hyphens, at most 64")
    for text in (options.name or "x", *options.role):
        if not text.strip() or not text.isprintable():
            raise Misuse(f"{text!r} is not printable", hint="names and roles are written in printable letters")
    until = _date(options.valid_until)
    found = roster_text.public_keys(_content(options.key), "standard input" if options.key == "-" else options.key)
    target = Path(os.path.realpath(path))
    exists = os.path.lexists(path)
    if exists:
        raw = roster.content(path)
        roll = roster.parse(raw, str(path))
        _refuse_unknown_roles(options.role, roll)
        text = raw.decode("utf-8")
    else:
        text = roster_text.begun(tuple(dict.fromkeys(options.role)))
    entries = [roster_text.entry(public, comment, until) for public, comment in found]
    written = roster_text.with_keys(
        text, options.person, name=options.name, roles=tuple(dict.fromkeys(options.role)), entries=entries
    ).encode("utf-8")
    try:
        roll = roster.parse(written, str(path))
    except RosterError as refused:
        raise Misuse("; ".join(fault.message for fault in refused.faults), hint="nothing was written") from None
    mode = stat.S_IMODE(target.stat().st_mode) if exists else 0o644
    replace_file(str(target), written, mode)
    for public, _ in found:
        say(printable(f"{path}: {options.person} signs with {public.fingerprint}"))
    for gap in roll.unreachable(datetime.now(UTC)):
        say(printable(f"note: {gap}"))
    return 0


def _refuse_unknown_roles(wanted: list[str], roll: Roster) -> None:
    for role in wanted:
        if role not in roll.roles:
            raise Misuse(f"the roster knows no role {role!r}", hint=f"it knows {', '.join(roll.roles)}; or add it to roles = […]")


def _content(name: str) -> bytes:
    try:
        if name == "-":
            content = sys.stdin.buffer.read(MAX_KEYS_FILE + 1)
        else:
            with os.fdopen(os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
                if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                    raise KeyRefused(f"{name} is not a regular file", hint="name a .pub file")
                content = stream.read(MAX_KEYS_FILE + 1)
    except OSError as error:
        raise KeyRefused(f"{name} cannot be read: {error.strerror}", hint="name a .pub file, or - for standard input") from None
    if len(content) > MAX_KEYS_FILE:
        raise KeyRefused(f"{name} is too large for a file of public keys", hint="name a .pub file")
    return content


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Misuse(f"{text!r} is no date", hint="for instance --valid-until 2027-06-30, or 2027-06-30T18:00:00Z") from None
    if moment.tzinfo is None and len(text) > 10:
        raise Misuse(f"{text!r} has no zone", hint="for instance --valid-until 2027-06-30T18:00:00Z")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _list(path: Path, roll: Roster, now: datetime) -> int:
    say(printable(str(path)))
    say(f"sha256 {roll.sha256}")
    for person in roll.persons:
        say("")
        _row(f"{person.id}", person.name, 12)
        _row("  roles", ", ".join(person.roles), 12)
        if person.logins:
            _row("  runs as", ", ".join(person.logins), 12)
        for key in person.keys:
            _row("  key", f"{key.public.fingerprint} {_short(key)}", 8)
            _row("", key.standing(now), 8)
    say("")
    for environment, quorum in roll.quorums.items():
        _row(f"quorum.{environment}", _asks(quorum), 12)
    if not roll.quorums:
        say("no quorum: write [quorum.ENVIRONMENT]")
    return 0


def _check(options: argparse.Namespace, path: Path, roll: Roster, now: datetime) -> int:
    gaps, settings = roll.unreachable(now), None if options.roster else _settings(options)
    if settings and settings.signoff.required and settings.environment not in roll.quorums:
        gaps += (f"the settings demand a quorum in {settings.environment}, and the roster names none",)
    for gap in gaps:
        print(printable(f"golive roster: {path}: {gap}"), file=sys.stderr)
    if options.allowed_signers:
        for person in roll.persons:
            for key in person.keys:
                say(_allowed(person, key))
        return 1 if gaps else 0
    able = [person for person in roll.persons if person.can_sign_at(now)]
    for environment, quorum in roll.quorums.items():
        _row(f"quorum.{environment}", _asks(quorum), 12)
        for role in quorum.roles:
            _row(f"  {role}", ", ".join(person.id for person in able if role in person.roles) or "nobody", 20)
    for person in roll.persons:
        if person not in able:
            _row("note", f"no key of {person.id} counts now", 8)
    for note in roll.bound_operators(now):
        _row("note", note, 8)
    if not roll.quorums:
        _row("note", "no quorum is named: this roster demands no approval anywhere", 8)
    elif settings and settings.environment not in roll.quorums:
        _row("note", f"no quorum for {settings.environment}, the environment of the settings: nothing is demanded there", 8)
    if not gaps:
        keys = len(roll.public_keys)
        say(printable(f"{path} holds: persons {len(roll.persons)}, keys {keys}, quorums {len(roll.quorums)}"))
    return 1 if gaps else 0


def _asks(quorum: Quorum) -> str:
    roles = ", ".join(f"{least} {role}" for role, least in quorum.roles.items()) or "any role"
    operator = "the operator may be one" if quorum.operator_counts else "the operator does not count"
    return f"{quorum.persons} {'person' if quorum.persons == 1 else 'persons'}: {roles}; {operator}"


def _row(label: str, text: str, indent: int) -> None:
    """A label and a text that is folded beside it, within the width of a terminal."""
    start = f"{label:<{indent - 2}}  "
    say(textwrap.fill(printable(start + text), WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False))


def _short(key: RosterKey) -> str:
    kind = key.public.kind.removesuffix("@openssh.com")
    return kind + (" as sshsig" if key.public.form == "sshsig" and not key.public.is_token else "")


def _allowed(person: Person, key: RosterKey) -> str:
    """A line of ssh-keygen's allowed_signers: the person's id, our namespace, the validity, the key."""
    ends = [end for end in (key.valid_until, key.revoked) if end is not None]
    times = [("valid-after", key.valid_from), ("valid-before", min(ends) if ends else None)]
    dated = "".join(f',{name}="{moment:%Y%m%d%H%M%SZ}"' for name, moment in times if moment is not None)
    return f'{person.id} namespaces="{sshsig.NAMESPACE}"{dated} {key.public.line}'
