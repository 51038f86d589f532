"""`golive waive`: a person reads what fails, accepts it until a day, says yes once, and it is signed."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_golive import checklist, earlier, excusing, waiving
from pytest_golive.cli.shared import KEY_HELP, agreed, ask_passphrase, load_settings, redacted, trusted_keys
from pytest_golive.cli.words import printable, say
from pytest_golive.journal import Journal
from pytest_golive.signing import roster
from pytest_golive.signing.choice import choose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_golive.model import Item

QUESTION = "Do you accept this failure until then, and answer for it?"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which item, why, until when, for which role, with which key."""
    parser.add_argument("item", metavar="ITEM", help="the item's id; of a list with for_each, that of one instance")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why this failure is acceptable for now; signed too")
    parser.add_argument("--until", required=True, metavar="TIME", help="30d from now, or a time with its zone")
    parser.add_argument("--role", help="for which of your roles you speak (default: the one that may waive)")
    parser.add_argument("--key", metavar="KEY", help=KEY_HELP)
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def run(options: argparse.Namespace) -> int:
    """Exit status 0 if a waiver was written."""
    settings = load_settings(options, probing=True)
    now = datetime.now(UTC).replace(microsecond=0)
    end = excusing.until(options.until, now)
    paths = checklist.find(settings.checklists, settings.root, settings.path.name)
    items = excusing.items_of(checklist.load(paths, root=Path.cwd(), **settings.variables))
    roll = roster.read(settings.resolve(settings.roster))
    rules = waiving.rules_of(settings, roll)
    item = excusing.find(items, options.item, rules)
    journal = Journal(settings.resolve(settings.journal))
    entries = tuple(journal.entries())
    signer = choose(key=options.key, environ=os.environ, roster=roll, ask_passphrase=ask_passphrase, now=now)
    made = excusing.draft(
        item,
        folder=settings.resolve(settings.waivers),
        roster=roll,
        rules=rules,
        signer=signer,
        role=options.role,
        reason=redacted(options.reason).strip(),
        until=end,
        now=now,
    )
    before = earlier.newest(entries, trusted_keys(settings), target=settings.target.name, environment=settings.environment)
    seen = excusing.seen_in(before, item.id)
    _show(made, items, seen, counts=rules.operator_counts)
    if not agreed(
        "waive",
        "Do you accept this failure until then, and answer for it?",
        "nothing is signed",
        yes=options.yes,
    ):
        return 1
    row = [*waiving.spans(entries, settings.environment), *waiving.kept(settings, roll)]
    line = excusing.seal(made, signer=signer, roster=roll, rules=rules, row=row, now=now)
    path = excusing.keep(made, line, journal, now)
    say(f"\nSigned with {signer.fingerprint}\nWritten to {path}")
    return 0


def _show(made: excusing.Draft, items: Sequence[Item], seen: Sequence[str], *, counts: bool) -> None:
    """What is about to be accepted, from the very value that will be signed."""
    item, waived = made.item, made.waived
    resting = excusing.dependents(items, item.id)
    lines = [
        f"{item.title}  [{item.id}]",
        f"  weighs    {item.severity}, phase {item.phase}, owner {item.owner}",
        f"  why       {item.why}",
        f"  fix       {item.fix}",
        f"  demand    {excusing.demand_digest(item)}",
        *(f"  {'last seen' if not number else '':<9} {line}" for number, line in enumerate(seen)),
        f"  in        {waived.environment}",
        f"  by        {waived.name} ({waived.person}), as {waived.role}",
        f"  until     {waived.until.isoformat()}",
        f"  reason    {waived.reason}",
        *([f"  note      these rest on it and stay as they are: {', '.join(resting)}"] if resting else []),
        *([] if counts else ["  note      it does not count in a run that you start yourself"]),
    ]
    for line in lines:
        say(printable(line))
