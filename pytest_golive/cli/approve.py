"""`golive approve`: a person reads what a report says, says yes once, and the approval is in the same file."""

from __future__ import annotations

import argparse
import os
from datetime import timedelta
from pathlib import Path

from pytest_golive import approving, quantities
from pytest_golive.cli.shared import KEY_HELP, agreed, ask_passphrase, journal_of, load_settings, redacted
from pytest_golive.cli.signing_off import keys_that_count, now_utc, open_in_words, report_in_words, standing_in_words, tell
from pytest_golive.cli.words import named, printable, say
from pytest_golive.errors import Misuse
from pytest_golive.signing.approval import Approval
from pytest_golive.signing.choice import choose
from pytest_golive.signoff import policy_of


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which page, for which role, with which key."""
    parser.add_argument("report", metavar="REPORT", help="the sign-off page; the approval is put into it")
    parser.add_argument("--role", required=True, help="for which of your roles you approve")
    parser.add_argument("--comment", default="", metavar="TEXT", help="what you want to say about it; signed and shown")
    parser.add_argument("--valid-for", metavar="TIME", help="how long it holds, such as 8h (default: signoff.max_approval)")
    parser.add_argument("--key", metavar="KEY", help=KEY_HELP)
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def run(options: argparse.Namespace) -> int:
    """Exit status 0 if the page carries the approval."""
    settings = load_settings(options)
    path, policy, now = Path(options.report), policy_of(settings), now_utc()
    keys = keys_that_count(settings)
    opened = approving.open_page(approving.read(path), keys, policy, now)
    tell(report_in_words(opened.golive, opened.report.evidence, now))
    tell(standing_in_words(opened.standing, options.report))
    if policy.roster is None:
        raise Misuse(policy.trouble or "there is no roster here", hint=policy.hint or "docs/approvals.md shows one")
    signer = choose(key=options.key, environ=os.environ, roster=policy.roster, ask_passphrase=ask_passphrase, now=now)
    made = approving.draft(
        opened,
        policy=policy,
        signer=signer,
        role=options.role,
        comment=redacted(options.comment),
        valid_for=_length(options.valid_for),
        now=now,
    )
    tell(_in_words(made, signer.fingerprint))
    if not agreed("approve", "Have you read the report, and do you agree?", "nothing is signed", yes=options.yes):
        return 1
    with journal_of(settings) as journal:
        line = approving.seal(made, signer=signer)
        after = approving.put(path, made, line, keys=keys, policy=policy, journal=journal, now=now_utc())
    standing = after.standing
    say(f"\nApproved. The approval is in {printable(options.report)}")
    tell(open_in_words(standing, options.report))
    if standing.missing:
        say(named(f"Next: send it on: golive approve REPORT --role {standing.missing[0].role or 'ROLE'}", options.report))
    elif standing.approved:
        say(named("Next: golive activate REPORT", options.report))
    return 0


def _in_words(made: Approval, fingerprint: str) -> list[str]:
    return [
        "",
        f"  you       {made.name} ({made.person}), as {made.role}",
        f"  say       {made.meaning}",
        *([f"  comment   {made.comment}"] if made.comment else []),
        f"  until     {made.expires.isoformat()}",
        f"  with      {fingerprint}",
        f"  over      evidence sha256:{made.evidence}",
        f"            page sha256:{made.presentation}",
    ]


def _length(text: str | None) -> timedelta | None:
    if text is None:
        return None
    try:
        return timedelta(seconds=quantities.seconds(text))
    except ValueError as error:
        raise Misuse(str(error), hint="for instance --valid-for 8h") from None
