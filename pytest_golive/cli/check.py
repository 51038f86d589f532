"""`golive check`: every gating item in a line, with what to do; no marker is written."""

from __future__ import annotations

import argparse

from pytest_golive.cli.running import run_gate
from pytest_golive.cli.words import badge, icon, say


def arguments(parser: argparse.ArgumentParser) -> None:
    """What else pytest is to be told."""
    parser.add_argument("pytest", nargs="*", metavar="ARG", help="arguments for pytest, after --")


def run(options: argparse.Namespace) -> int:
    """Exit status 0 if the gate says GO."""
    summary = run_gate(options, ["--golive-no-marker", *options.pytest])
    say(f"{icon('🚀 ')}{summary['target'].upper()} GO-LIVE VALIDATION")
    say("")
    say(f"{icon('📋 ')}PRE-FLIGHT CHECK RESULTS")
    say("")
    for item in summary["items"]:
        say(f"{badge(item)} {item['title']}  [{item['id']}]")
        say(f"   {item['reason'] or item['found']}")
        if item["verdict"] not in ("clear", "waived"):
            say(f"   {icon('→ ', '-> ')}Remediation: {item['fix']}")
        say("")
    counts = summary["counts"]
    say(f"{icon('📊 ')}SUMMARY")
    say(f"Total checks: {len(summary['items'])}")
    say(f"Passed: {counts['clear']}")
    say(f"Critical failures: {counts['blocking']}")
    say(f"Warnings: {counts['warned']}")
    if counts["waived"]:
        say(f"Waived: {counts['waived']}")
    say(f"Decision: {summary['word']} - {' '.join(summary['reasons'])}")
    say(f"Report: {summary['report']}")
    if summary["trouble"]:
        say(f"Trouble: {summary['trouble']}")
    return 0 if summary["status"] == 0 else 1
