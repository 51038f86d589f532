"""`golive break-glass`: two persons activate for a short time without a passing run; one begins, another signs the same."""

from __future__ import annotations

import argparse
import os
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pytest_golive import activation, closing, events, glass, ladder, quantities, standing, worktree
from pytest_golive.cli.shared import (
    KEY_HELP,
    agreed,
    ask_passphrase,
    journal_of,
    load_settings,
    redacted,
    trusted_keys,
)
from pytest_golive.cli.words import banner, printable, say
from pytest_golive.config import Settings
from pytest_golive.errors import ActivationDenied, Misuse, RosterError
from pytest_golive.glass import Request, Word
from pytest_golive.journal import Journal
from pytest_golive.signing import roster as rosters
from pytest_golive.signing.choice import choose
from pytest_golive.signing.keys import Signer, session_key
from pytest_golive.signing.roster import Roster
from pytest_golive.signing.trusted import session_key_path

FOLDER = "break-glass"
"""The folder beside the reports in which requests lie until the second person signs."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """To begin: a reason. To go on: the id of a request. To review: the id of an activation."""
    parser.add_argument("request", nargs="?", metavar="ID", help="the request that you sign as the second person")
    parser.add_argument("--reason", default="", help="why (or, with --review, what came of it); signed, and shown to everybody")
    parser.add_argument("--for", dest="lasts", default="1h", metavar="TIME", help="how long, at most 1h (default: 1h)")
    parser.add_argument("--role", help="for which of your roles you speak (default: the first that may)")
    parser.add_argument("--key", metavar="KEY", help=KEY_HELP)
    parser.add_argument(
        "--review", metavar="ACTIVATION", help="say what came of a broken glass, so that reports cease to show it"
    )
    parser.add_argument("--list", action="store_true", help="show the broken glasses that nobody has reviewed")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def run(options: argparse.Namespace) -> int:
    """Exit status 0 if what was asked is done: a request signed, a marker written, a review recorded."""
    settings = load_settings(options)
    if options.list:
        return _list(settings)
    roster = _roster(settings)
    now = datetime.now(UTC).replace(microsecond=0)
    signer = choose(key=options.key, environ=os.environ, roster=roster, ask_passphrase=ask_passphrase, now=now)
    if options.review:
        return _review(options, settings, roster, signer, now)
    _refuse_in_vain(settings)
    folder = settings.resolve(settings.reports) / FOLDER
    before: Sequence[Word] = ()
    if options.request:
        lines = glass.kept(folder, options.request)
        before = tuple(glass.read(line, roster, settings.environment, now) for line in lines)
        asked = before[0].request
    else:
        asked = _asked(options, settings, now)
    return _sign(options, settings, roster, signer, folder, asked, before)


def _sign(
    options: argparse.Namespace,
    settings: Settings,
    roster: Roster,
    signer: Signer,
    folder: Path,
    asked: Request,
    before: Sequence[Word],
) -> int:
    banner(f"{printable(settings.target.name).upper()} - BREAK GLASS")
    say(f"  in        {asked.environment}, for {asked.lasts}, without a passing run of the gate")
    say(f"  because   {printable(asked.reason)}")
    for word in before:
        say(f"  signed by {printable(word.name)} ({word.role}) at {word.signed_at.isoformat()}")
    if not agreed("break-glass", "This enables REAL TRADING on your word.", "nothing is signed", yes=options.yes):
        return 1
    # a prompt may have been left open for an hour, and a word counts from when it is given
    now = datetime.now(UTC).replace(microsecond=0)
    words = (*before, glass.sign(asked, roster=roster, role=options.role, signer=signer, before=before, now=now))
    if len(words) == 1:
        path = glass.keep(folder, words)
        say(f"\nSigned by {printable(words[0].name)} ({words[0].role}); kept in {path}")
        say(f"Within {glass.SIGNING}, a second person in another role: golive break-glass {asked.id}")
        return 0
    tree = worktree.look_at_tree(settings.root, beside=settings.beside)
    with journal_of(settings) as journal:
        done = activation.break_glass(
            [word.line for word in words],
            roster=roster,
            keys=trusted_keys(settings),
            signer=session_key(session_key_path(os.environ)),
            journal=journal,
            marker=settings.marker,
            state=settings.state,
            environment=settings.environment,
            allowed_profiles=settings.allowed_profiles,
            config=settings.sha256,
            tree={"commit": tree.commit, "dirty": tree.dirty},
            host=closing.bound_host(settings),
            now=now,
        )
    (folder / f"{asked.id}.intoto.jsonl").unlink(missing_ok=True)
    say(f"\nREAL TRADING IS NOW ENABLED until {done.expires.isoformat()}: {done.marker}")
    say(f"Every report says so until somebody else looks at it: golive break-glass --review {done.activation_id} --reason '...'")
    return 0


def _asked(options: argparse.Namespace, settings: Settings, now: datetime) -> Request:
    try:
        lasts = timedelta(seconds=quantities.seconds(options.lasts))
    except ValueError as error:
        raise Misuse(str(error), hint="for instance --for 30m") from None
    identity = f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    return glass.request(identity, environment=settings.environment, reason=redacted(options.reason), lasts=lasts, now=now)


def _refuse_in_vain(settings: Settings) -> None:
    """Nobody breaks the glass for a marker that no guard would honour, or against the switch that a person has to set by hand."""
    if not settings.activation_enabled:
        raise ActivationDenied(
            f"activation_enabled is false in {settings.path.name}", hint="set it to true by hand, if you mean it"
        )
    stops = [path for path in settings.stop_files if os.path.lexists(path)]
    if stops:
        raise ActivationDenied(
            f"a stop stands: {stops[0]}", hint="a stop wins over everything: golive resume --reason '...' first"
        )

    keys = trusted_keys(settings)
    marker = standing.marker(settings, keys)
    if marker is not None and not marker.break_glass and standing.look(settings, os.environ, keys).permitted:
        raise ActivationDenied(
            f"an activation after a passing run is in force until {marker.expires.isoformat()}, and this would replace it",
            hint="there is no glass to break: see golive status",
        )
    earned = ladder.permitted(Journal(settings.resolve(settings.journal)).entries(), settings.environment)
    if settings.default_profile not in {*earned, ladder.ORDER[0]}:
        raise ActivationDenied(
            f"the profile {settings.default_profile} was never activated after a passing run, and a broken glass permits no more",
            hint=f"set default_profile: {ladder.ORDER[0]} for that time",
        )


def _roster(settings: Settings) -> Roster:
    path = settings.resolve(settings.roster)
    try:
        return rosters.read(path)
    except RosterError as error:
        raise Misuse(
            f"the glass is broken by two persons of a roster, and there is none that can be read: {error.faults[0]}",
            hint="golive roster add (docs/approvals.md)",
        ) from None


def _review(options: argparse.Namespace, settings: Settings, roster: Roster, signer: Signer, now: datetime) -> int:
    with journal_of(settings) as journal:
        broken = next((each for each in glass.unreviewed(journal.entries()) if each.activation == options.review), None)
        if broken is None:
            raise Misuse(f"no broken glass {options.review!r} waits for a review", hint="golive break-glass --list")
        say(f"Broken at {broken.at.isoformat()} by {printable(broken.by)}: {printable(broken.reason)}")
        if not agreed("break-glass", "You have looked at what was done in that time?", "nothing is signed", yes=options.yes):
            return 1
        detail = glass.review(broken, reason=redacted(options.reason), roster=roster, role=options.role, signer=signer, now=now)
        journal.append(events.REVIEWED, detail, now)
    say("Reviewed; reports cease to show it.")
    return 0


def _list(settings: Settings) -> int:
    with journal_of(settings) as journal:
        found = glass.unreviewed(journal.entries())
    for each in found:
        say(f"{each.activation}  {each.at.isoformat()}  {printable(each.by)}: {printable(each.reason)}")
    say(f"{len(found)} broken glasses wait for a review.")
    return 0
