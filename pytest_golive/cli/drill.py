"""`golive drill`: show of every item that it can fail."""

from __future__ import annotations

import argparse

from pytest_golive.cli.running import run_gate
from pytest_golive.cli.words import say


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which phases, and what else pytest is to be told."""
    parser.add_argument("--phase", action="append", default=[], help="drill the items of this phase; may be repeated")
    parser.add_argument("pytest", nargs="*", metavar="ARG", help="arguments for pytest, after --")


def run(options: argparse.Namespace) -> int:
    """Exit status 0 if every item can fail."""
    phases = [f"--golive-phase={phase}" for phase in options.phase]
    told = run_gate(options, ["--golive-drill", *phases, *options.pytest])["drill"]
    for fault in told["faults"]:
        say(f"PROVES NOTHING  {fault['id']}: {fault['what']}")
    for left in told["undrilled"]:
        say(f"NOT DRILLED     {left['id']}: {left['why']}")
    say(f"{told['items']} items, {told['operators']} operators held against changed values")
    say(
        "All of them noticed." if told["holds"] else f"{len(told['faults'])} prove nothing, {len(told['undrilled'])} not drilled."
    )
    return 0 if told["holds"] else 1
