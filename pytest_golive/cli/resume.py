"""`golive resume`: a person on the roster says why trading may go on, signs that, and the stop files go."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pytest_golive import resuming, stopping
from pytest_golive.cli.shared import KEY_HELP, agreed, ask_passphrase, journal_of, load_settings, redacted, stop_lines
from pytest_golive.cli.words import printable, say
from pytest_golive.errors import Misuse, RosterError
from pytest_golive.resuming import Resumption
from pytest_golive.signing import roster as rosters
from pytest_golive.signing.choice import choose
from pytest_golive.stopping import Stop


def arguments(parser: argparse.ArgumentParser) -> None:
    """Why, as which role, with which key."""
    parser.add_argument("--reason", required=True, help="why trading may go on; signed, and kept in the journal")
    parser.add_argument("--role", help="for which of your roles you speak (default: the first that may)")
    parser.add_argument("--key", metavar="KEY", help=KEY_HELP)
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def run(options: argparse.Namespace) -> int:
    """Exit status 0 if no stop file stands any more."""
    settings = load_settings(options)
    stops = _standing(settings.stop_files)
    if not stops:
        say("Nothing is stopped: no stop file stands.")
        return 0
    path = settings.resolve(settings.roster)
    try:
        roster = rosters.read(path)
    except RosterError as error:
        raise Misuse(
            f"only a person on a roster may resume, and there is none that can be read: {error.message}",
            hint="write one with yourself on it (docs/guard.md, section Stops); until then trading stays stopped",
        ) from None
    now = datetime.now(UTC).replace(microsecond=0)
    signer = choose(key=options.key, environ=os.environ, roster=roster, ask_passphrase=ask_passphrase, now=now)
    made = resuming.draft(
        stops,
        environment=settings.environment,
        reason=redacted(options.reason),
        roles=settings.signoff.resume_roles or resuming.roles_that_resume(roster, settings.environment),
        role=options.role,
        roster=roster,
        signer=signer,
        now=now,
    )
    _show(made)
    question = "Real orders may go again after this. Is the reason of the stop gone?"
    if not agreed("resume", question, "trading stays stopped", yes=options.yes):
        return 1
    now = datetime.now(UTC).replace(microsecond=0)
    made = replace(made, signed_at=now)
    line = resuming.seal(made, signer=signer, roster=roster)
    with journal_of(settings) as journal:
        resuming.resume(made, line, journal, now)
    left = _standing(settings.stop_files)
    if left:
        say(f"STILL STOPPED: {', '.join(printable(str(one.path)) for one in left)} was made meanwhile.")
        return 1
    say(f"\nThe stop is taken away; signed with {signer.fingerprint}.")
    say("An activation that has not expired lets orders go again. See: golive status")
    return 0


def _standing(files: tuple[Path, ...]) -> list[Stop]:
    return [one for one in map(stopping.look, files) if one is not None]


def _show(made: Resumption) -> None:
    for one in made.stops:
        say(f"Stopped by {printable(str(one.path))}")
        for line in stop_lines(one):
            say(f"  {line}")
    say(f"You resume {printable(made.environment)} as {printable(made.name)} ({made.person}), {made.role}")
    say(f"  because   {printable(made.reason)}")
