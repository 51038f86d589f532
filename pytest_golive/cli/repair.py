"""`golive repair`: a page whose line ends or beginning were changed on its way is made again from its intact evidence."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_golive import approving, verifying
from pytest_golive.cli.shared import load_settings, settings_path
from pytest_golive.cli.signing_off import keys_that_count
from pytest_golive.cli.words import printable, say


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which page, and whom to believe."""
    parser.add_argument("report", metavar="REPORT")
    parser.add_argument("--key", action="append", default=[], metavar="FILE", help="trust the OpenSSH public keys in this file")


def run(options: argparse.Namespace) -> int:
    """Exit status 0 if the page is as it was made."""
    settings = load_settings(options) if options.config or settings_path(options).exists() else None
    path = Path(options.report).resolve()
    with approving.alone_in(path.parent):
        approving.replace(path, verifying.repaired(approving.read(path), keys_that_count(settings, options.key)))
    say(f"{printable(options.report)} is again what was signed, byte for byte")
    return 0
