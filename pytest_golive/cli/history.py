"""`golive history`: every attempt to activate, from the journal, for people and for other programs."""

from __future__ import annotations

import argparse
import dataclasses
import json
from datetime import UTC, datetime

from pytest_golive import history
from pytest_golive.cli.shared import load_settings
from pytest_golive.cli.words import say
from pytest_golive.journal import Journal


def arguments(parser: argparse.ArgumentParser) -> None:
    """How to write it."""
    parser.add_argument("--as", dest="form", choices=("text", "json", "csv"), default="text", help="how to write it (text)")


def run(options: argparse.Namespace) -> int:
    """Write the attempts as text, JSON (with an analysis) or CSV; JournalError if the journal was altered."""
    settings = load_settings(options)
    found = history.attempts(Journal(settings.resolve(settings.journal)).entries(), datetime.now(UTC))
    if options.form == "csv":
        say(history.as_csv(found).rstrip("\n"))
    elif options.form == "json":
        say(json.dumps({"attempts": [dataclasses.asdict(row) for row in found], "analysis": history.analysis(found)}, indent=1))
    else:
        for row in found:
            lasted = "" if row.seconds is None else f", {row.ended} after {row.seconds} s"
            say(f"{row.at}  {row.outcome:9}  {row.operator}{lasted}{f': {row.reason}' if row.reason else ''}")
        say(f"{len(found)} attempts")
    return 0
