"""`golive deactivate`: take the marker back, and burn its counter."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime

from pytest_golive import activation
from pytest_golive.cli.shared import journal_of, load_settings, operator_of, redacted
from pytest_golive.cli.words import say


def arguments(parser: argparse.ArgumentParser) -> None:
    """Why, and who."""
    parser.add_argument("--reason", required=True, help="why; kept in the journal")
    parser.add_argument("--operator", metavar="NAME", help="who deactivates (default: $GOLIVE_OPERATOR, or the login)")


def run(options: argparse.Namespace) -> int:
    """Exit status 0 if no marker stands any more."""
    settings = load_settings(options)
    existed = os.path.lexists(settings.marker)
    with journal_of(settings) as journal:
        activation.deactivate(
            marker=settings.marker,
            state=settings.state,
            journal=journal,
            reason=redacted(options.reason),
            operator=operator_of(options),
            now=datetime.now(UTC),
        )
    gone = "was removed" if existed else "was not there"
    say(f"REAL TRADING IS NOW DISABLED: {settings.marker} {gone}; its counter is burned.")
    return 0
