"""`golive verify`: is this sign-off page what was signed, byte for byte?"""

from __future__ import annotations

import argparse

from pytest_golive import report
from pytest_golive.cli.shared import load_settings, page_bytes, settings_path, trusted_keys
from pytest_golive.cli.words import say
from pytest_golive.errors import Misuse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which page, and whom to believe."""
    parser.add_argument("report", metavar="REPORT")
    parser.add_argument("--key", action="append", default=[], metavar="FILE", help="trust the OpenSSH public keys in this file")


def run(options: argparse.Namespace) -> int:
    """Exit status 0 if the page is what was signed."""
    settings = load_settings(options) if options.config or settings_path(options).exists() else None
    keys = trusted_keys(settings, options.key)
    if not keys:
        raise Misuse("no key is trusted here", hint="name the signer's public key with --key FILE")
    verified = report.verify(page_bytes(options.report), keys)
    golive = verified.payload["predicate"]["golive"]
    say(f"VERIFIED  {options.report}")
    say(f"  decision  {golive['decision']['word']}  {' '.join(golive['decision']['reasons'])}")
    demo = " (DEMO)" if golive["target"]["demo"] else ""
    say(f"  target    {golive['target']['name']}, {golive['target']['environment']}{demo}")
    say(f"  commit    {golive['manifest']['commit'] or 'unknown'}")
    say(f"  made      {golive['decision']['at']} by {golive['run']['operator']}")
    say(f"  valid     until {golive['decision']['valid_until']}")
    say(f"  evidence  sha256:{verified.payload_sha256}")
    say(f"  signed by {', '.join(verified.keyids)}")
    return 0
