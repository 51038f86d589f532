"""`golive merge`: copies of one report, signed by different people, become one page with the approvals of all."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_golive import approving
from pytest_golive.cli.shared import load_settings
from pytest_golive.cli.signing_off import keys_that_count, now_utc, standing_in_words, tell
from pytest_golive.cli.words import printable, say
from pytest_golive.errors import Misuse
from pytest_golive.signoff import policy_of


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which copies, and where to."""
    parser.add_argument("reports", nargs="+", metavar="REPORT", help="copies of one report")
    parser.add_argument("--into", metavar="FILE", help="write the whole here (default: into the first one)")
    parser.add_argument("--drop-rejected", action="store_true", help="leave out approvals that do not hold, and tell which")


def run(options: argparse.Namespace) -> int:
    """Exit status 0 if one page was written."""
    settings = load_settings(options)
    paths = [Path(name) for name in options.reports]
    into = Path(options.into) if options.into else paths[0]
    if into.exists() and not any(into.samefile(path) for path in paths):
        raise Misuse(f"{into} is there already, and is none of the copies", hint="name another file with --into")
    policy, now = policy_of(settings), now_utc()
    target = into.resolve()
    with approving.alone_in(target.parent):
        page, whole, left = approving.merge(
            [approving.read(path) for path in paths], keys_that_count(settings), policy, now, drop=options.drop_rejected
        )
        approving.replace(target, page)
    say(f"{printable(str(into))} has the approvals of {len(paths)} {'copies' if len(paths) > 1 else 'copy'}")
    tell(f"  left out  {one.who}: {one.reason}" for one in left)
    tell(standing_in_words(whole.standing, str(into)))
    return 0
