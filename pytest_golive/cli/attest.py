"""`golive attest`: a person reads what must be looked at, says yes once, and it is signed."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pytest_golive import attesting, checklist, probes, quantities
from pytest_golive.cli.shared import KEY_HELP, agreed, ask_passphrase, load_settings, redacted
from pytest_golive.cli.words import printable, say
from pytest_golive.errors import Misuse
from pytest_golive.journal import Journal
from pytest_golive.signing import roster
from pytest_golive.signing.choice import choose

QUESTION = "Have you looked at all of this, and does it hold?"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which item, for which role, with which key."""
    parser.add_argument("item", metavar="ITEM", help="the item's id")
    parser.add_argument("--role", help="for which of your roles you speak (default: the one that the item asks)")
    parser.add_argument("--comment", default="", metavar="TEXT", help="what you want to say about it; signed too")
    parser.add_argument("--key", metavar="KEY", help=KEY_HELP)
    parser.add_argument("--valid-for", metavar="TIME", help="how long it holds, such as 7d (default: as long as the item allows)")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def run(options: argparse.Namespace) -> int:
    """Exit status 0 if a statement was written."""
    settings = load_settings(options, probing=True)
    paths = checklist.find(settings.checklists, settings.root, settings.path.name)
    lists = checklist.load(paths, root=Path.cwd(), **settings.variables)
    item = attesting.find(lists, options.item)
    now = datetime.now(UTC).replace(microsecond=0)
    witnesses = settings.witnesses
    roll = roster.read(witnesses.roster)
    signer = choose(key=options.key, environ=os.environ, roster=roll, ask_passphrase=ask_passphrase, now=now, session=True)
    made = attesting.draft(
        item,
        root=settings.root,
        witnesses=witnesses,
        roll=roll,
        signer=signer,
        role=options.role,
        comment=redacted(options.comment),
        valid_for=_length(options.valid_for),
        now=now,
    )
    _show(made)
    if not agreed("attest", QUESTION, "nothing is signed", yes=options.yes):
        return 1
    line = attesting.seal(made, signer=signer, roll=roll, witnesses=witnesses, now=now)
    path = attesting.keep(made, line, Journal(settings.resolve(settings.journal)), now)
    print(f"\nSigned with {signer.fingerprint}\nWritten to {path}")
    return 0


def _show(made: attesting.Draft) -> None:
    """What is about to be signed, from the very value that will be."""
    stated = made.attested
    lines = [
        f"{made.item.title}  [{stated.item}]",
        f"  why       {made.item.why}",
        f"  look at   {stated.look_at}",
        *(f"  file      {name}  {kind}:{digest}" for name, each in stated.subjects.items() for kind, digest in each.items()),
        *([f"  void if   one of these fails: {', '.join(against)}"] if (against := probes.revoking(made.item.probe)) else []),
        f"  in        {stated.environment}",
        f"  by        {made.name} ({stated.person}), as {stated.role}",
        f"  until     {stated.expires.isoformat()}",
        *([f"  comment   {stated.comment}"] if stated.comment else []),
    ]
    say("\n".join(printable(line) for line in lines))


def _length(text: str | None) -> timedelta | None:
    if text is None:
        return None
    try:
        length = timedelta(seconds=quantities.seconds(text))
    except ValueError as error:
        raise Misuse(str(error), hint="for instance --valid-for 7d") from None
    if length <= timedelta(0):
        raise Misuse("a statement that holds for no time says nothing", hint="for instance --valid-for 7d")
    return length
