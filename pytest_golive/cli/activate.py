"""`golive activate`: run the gate and activate, or activate from a page that it left."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime

from pytest_golive.cli.running import run_gate
from pytest_golive.cli.shared import (
    is_confirmed,
    journal_of,
    load_settings,
    operator_of,
    page_bytes,
    redacted,
    settings_path,
    trusted_keys,
)
from pytest_golive.cli.words import banner, icon, named, printable, say, say_activated, say_denied
from pytest_golive.errors import Misuse


def arguments(parser: argparse.ArgumentParser) -> None:
    """From which page, if from one, and who."""
    parser.add_argument("report", nargs="?", metavar="REPORT", help="a sign-off page that is still fresh")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    parser.add_argument("--operator", metavar="NAME", help="who activates (default: $GOLIVE_OPERATOR, or the login)")


def run(options: argparse.Namespace) -> int:
    """Exit status 0 if a marker was written."""
    if options.report:
        return _activate_report(options)
    settings = load_settings(options) if settings_path(options).exists() else None
    banner(f"{settings.target.name.upper()} - GO-LIVE ACTIVATION" if settings else "GO-LIVE ACTIVATION")
    if settings is not None and not settings.activation_enabled:
        return _denied(options, "activation_enabled", f"activation_enabled is false in {settings.path}")
    if not is_confirmed(options):
        return 1
    say(f"\n{icon('📋 ')}Running pre-flight checks...\n")
    extra = ["--golive-operator", options.operator] if options.operator else []
    try:
        summary = run_gate(options, extra)
    except Misuse as error:
        raise Misuse(error.message + _written(options, "preflight", error.message), hint=error.hint) from None
    for item in summary["items"]:
        if item["verdict"] == "clear":
            say(f"{icon('✅ ')}PASS | {item['id']}")
        elif item["verdict"] == "waived":
            say(f"{icon('⚠️  ')}WAIVED | {item['id']}: {item['reason']}")
        else:
            sign, word = ("❌ ", "FAIL") if item["verdict"] == "blocking" else ("⚠️  ", "WARN")
            say(f"{icon(sign)}{word} | {item['id']}: {item['reason']}")
            say(f"       Remediation: {item['fix']}")
    counts = summary["counts"]
    failed = len(summary["items"]) - counts["clear"] - counts["waived"] - counts["warned"]
    warned = f", {counts['warned']} warnings" if counts["warned"] else ""
    warned += f", {counts['waived']} waived" if counts["waived"] else ""
    banner(f"PREFLIGHT RESULTS: {counts['clear']} passed, {failed} failed{warned}")
    if not summary["permits"]:
        return _denied(options, "preflight", f"{summary['word']}: {' '.join(summary['reasons'])}")
    say(f"\n{icon('🚀 ')}All pre-flight checks passed. Attempting GO-LIVE activation...\n")
    for name, met, line in summary["activation_checks"]:
        say(f"{icon('✅ ' if met else '❌ ')}{name}: {line}")
    if summary["marker"]:
        say_activated(summary["marker"], summary["expires"])
        return 0
    if summary["denied"]:
        # whoever denied it has written it down
        say_denied(summary["denied"])
    elif summary["missing"]:
        _denied(options, "quorum", summary["held"])
        say(f"Next: golive approve {summary['report']} --role ROLE, then golive activate {summary['report']}")
    else:
        _denied(options, "activation", summary["held"] or summary["trouble"] or "no marker was written")
    return 1


def _activate_report(options: argparse.Namespace) -> int:
    from pytest_golive import activating, activation

    settings = load_settings(options, probing=True)
    banner(f"{settings.target.name.upper()} - GO-LIVE ACTIVATION")
    page, keys = page_bytes(options.report), trusted_keys(settings)
    if not is_confirmed(options):
        return 1
    operator, now = operator_of(options), datetime.now(UTC)
    try:
        with journal_of(settings) as journal:
            done = activating.from_page(page, keys, settings, os.environ, journal, operator=operator, now=now)
    except activation.Denied as denied:
        for line in denied.checks:
            say(f"{icon('✅ ' if line.ok else '❌ ')}{line.name}: {line.line}")
        say_denied(printable(denied.message))
        say(f"What to do: {named(denied.hint, options.report)}")
        return 1
    for line in done.checks:
        say(f"{icon('✅ ')}{line.name}: {line.line}")
    say_activated(str(done.marker), done.expires.isoformat())
    return 0


def _denied(options: argparse.Namespace, check: str, reason: str) -> int:
    """Tell and write down that this check denied an activation."""
    say_denied(reason + _written(options, check, reason))
    return 1


def _written(options: argparse.Namespace, check: str, reason: str) -> str:
    """Write the denial down; what is to be added to its text if that cannot be done."""
    from pytest_golive import activation

    if not settings_path(options).exists():
        return ""
    settings = load_settings(options)
    operator, now = operator_of(options), datetime.now(UTC)
    with journal_of(settings) as journal:
        return activation.deny(journal, check, redacted(reason), operator, settings.environment, now)
