"""`golive verify`: is this sign-off page to be believed? Four answers, and yes only if all four are."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_golive import approving, verifying
from pytest_golive.cli.signing_off import is_over, keys_that_count, policy_here, report_in_words, standing_in_words, tell
from pytest_golive.cli.words import named, printable, say
from pytest_golive.errors import Misuse
from pytest_golive.signing import personal
from pytest_golive.signing.approval import MEANINGS

_ROSTER = "name the roster of then: golive verify REPORT --roster FILE"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which page, whom to believe, and as of when."""
    parser.add_argument("report", metavar="REPORT")
    parser.add_argument("--key", action="append", default=[], metavar="FILE", help="trust the OpenSSH public keys in this file")
    parser.add_argument("--roster", metavar="FILE", help="count approvals by this roster (default: that of the settings)")
    parser.add_argument("--at", metavar="TIME", help="judge as of this moment, such as 2026-11-21T18:00Z (default: now)")


def run(options: argparse.Namespace) -> int:
    """Exit status 0 if all four hold."""
    page = approving.read(Path(options.report))
    now = _moment(options.at)
    settings, policy = policy_here(options, verifying.environment_of(page))
    found = verifying.examine(page, keys_that_count(settings, options.key), policy, now)
    as_of = f" as of {now.isoformat()}" if options.at else ""
    say(f"{'VERIFIED' if found.holds else 'NOT VERIFIED'}  {printable(options.report)}{as_of}{_but(found.golive, now)}")
    for answer in found.answers:
        say(f"  {'yes' if answer.ok else 'NO '} {answer.name:9} {printable(answer.line)}")
    if found.golive:
        tell(report_in_words(found.golive, found.evidence, now))
    if settings is None and not options.roster:
        say("  note      there is no golive.yaml here: a quorum is asked only if the evidence asks for one")
    if found.standing is not None and not found.standing.trouble:
        tell(standing_in_words(found.standing, options.report))
    if not found.holds:
        away = settings is None and not options.roster and found.standing is not None and found.standing.trouble
        say(f"What to do: {named(_ROSTER if away else found.hint, options.report)}")
    return 0 if found.holds else 1


def _but(golive: Mapping[str, Any], now: datetime) -> str:
    """What whoever reads one line alone must know: that a page is true does not say that it permits anything."""
    if not golive:
        return ""
    word = golive["decision"]["word"]
    no = "" if word in MEANINGS else f", which says {word}"
    return f"{no}, which is over" if is_over(golive, now) else no


def _moment(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        return personal.moment(text)
    except (ValueError, OverflowError):
        raise Misuse(f"--at {text!r} is no time with a zone", hint="for instance --at 2026-11-21T18:00Z") from None
