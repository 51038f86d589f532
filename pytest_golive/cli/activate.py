"""`golive activate`: run the gate and activate, or activate from a page that it left."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime

from pytest_golive.cli.running import run_gate
from pytest_golive.cli.shared import is_confirmed, load_settings, operator_of, page_bytes, settings_path, trusted_keys
from pytest_golive.cli.words import banner, icon, say, say_activated, say_denied


def arguments(parser: argparse.ArgumentParser) -> None:
    """From which page, if from one, and who."""
    parser.add_argument("report", nargs="?", metavar="REPORT", help="a sign-off page that is still fresh")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    parser.add_argument("--operator", metavar="NAME", help="who activates (default: $GOLIVE_OPERATOR, or the login)")


def run(options: argparse.Namespace) -> int:
    """Exit status 0 if a marker was written."""
    if options.report:
        return _activate_report(options)
    if settings_path(options).exists():
        settings = load_settings(options)
        banner(f"{settings.target.name.upper()} - GO-LIVE ACTIVATION")
        if not settings.activation_enabled:
            say_denied(f"activation_enabled is false in {settings.path}")
            return 1
    else:
        banner("GO-LIVE ACTIVATION")
    if not is_confirmed(options):
        return 1
    say(f"\n{icon('📋 ')}Running pre-flight checks...\n")
    extra = ["--golive-operator", options.operator] if options.operator else []
    summary = run_gate(options, extra)
    for item in summary["items"]:
        if item["verdict"] in ("clear", "waived"):
            say(f"{icon('✅ ')}PASS | {item['id']}")
        else:
            sign, word = ("❌ ", "FAIL") if item["verdict"] == "blocking" else ("⚠️  ", "WARN")
            say(f"{icon(sign)}{word} | {item['id']}: {item['reason']}")
            say(f"       Remediation: {item['fix']}")
    counts = summary["counts"]
    failed = len(summary["items"]) - counts["clear"] - counts["waived"] - counts["warned"]
    warned = f", {counts['warned']} warnings" if counts["warned"] else ""
    banner(f"PREFLIGHT RESULTS: {counts['clear'] + counts['waived']} passed, {failed} failed{warned}")
    if not summary["permits"]:
        say_denied(f"{summary['word']}: {' '.join(summary['reasons'])}")
        return 1
    say(f"\n{icon('🚀 ')}All pre-flight checks passed. Attempting GO-LIVE activation...\n")
    for name, met, line in summary["activation_checks"]:
        say(f"{icon('✅ ' if met else '❌ ')}{name}: {line}")
    if not summary["marker"]:
        say_denied(summary["denied"] or summary["trouble"] or "no marker was written")
        return 1
    say_activated(summary["marker"], summary["expires"])
    return 0


def _activate_report(options: argparse.Namespace) -> int:
    from pytest_golive import closing, report

    settings = load_settings(options, probing=True)
    banner(f"{settings.target.name.upper()} - GO-LIVE ACTIVATION")
    page = page_bytes(options.report)
    report.verify(page, trusted_keys(settings))
    if not is_confirmed(options):
        return 1
    done = closing.activate_report(
        report.extract(page).envelope, settings, os.environ, operator=operator_of(options), now=datetime.now(UTC)
    )
    for line in done.checks:
        say(f"{icon('✅ ')}{line.name}: {line.line}")
    say_activated(str(done.marker), done.expires.isoformat())
    return 0
