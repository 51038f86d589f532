"""Commands that run the gate, in a process of its own as any user would, or go on from what it left: check, drill, activate."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_golive.cli.shared import is_confirmed, is_named, load_settings, operator_of, page_bytes, settings_path, trusted_keys
from pytest_golive.cli.words import badge, banner, icon, say, say_activated, say_denied
from pytest_golive.errors import Misuse

if TYPE_CHECKING:
    import subprocess

_PATIENCE = 15.0
"""Seconds that an interrupted run of the gate has to end its own programs."""


def check(options: argparse.Namespace) -> int:
    """`golive check`: exit status 0 if the gate says GO."""
    summary = _run_gate(options, ["--golive-no-marker", *options.pytest])
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
    say(f"Decision: {summary['word']} - {' '.join(summary['reasons'])}")
    say(f"Report: {summary['report']}")
    if summary["trouble"]:
        say(f"Trouble: {summary['trouble']}")
    return 0 if summary["status"] == 0 else 1


def drill(options: argparse.Namespace) -> int:
    """`golive drill`: exit status 0 if every item can fail."""
    phases = [f"--golive-phase={phase}" for phase in options.phase]
    told = _run_gate(options, ["--golive-drill", *phases, *options.pytest])["drill"]
    for fault in told["faults"]:
        say(f"PROVES NOTHING  {fault['id']}: {fault['what']}")
    for left in told["undrilled"]:
        say(f"NOT DRILLED     {left['id']}: {left['why']}")
    say(f"{told['items']} items, {told['operators']} operators held against changed values")
    say(
        "All of them noticed." if told["holds"] else f"{len(told['faults'])} prove nothing, {len(told['undrilled'])} not drilled."
    )
    return 0 if told["holds"] else 1


def activate(options: argparse.Namespace) -> int:
    """`golive activate`: exit status 0 if a marker was written."""
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
    summary = _run_gate(options, extra)
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
    from datetime import UTC, datetime

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


def _run_gate(options: argparse.Namespace, extra: Sequence[str]) -> dict[str, Any]:
    """Run `pytest --golive` quietly and read the summary that it writes; its own words are shown if it could not decide."""
    import json
    import tempfile

    with tempfile.TemporaryDirectory(prefix="golive-") as folder:
        summary = Path(folder, "summary.json")
        config = ["--golive-config", str(settings_path(options).absolute())] if is_named(options) else []
        quiet = ["-q", "--no-header", "-p", "no:cacheprovider"]
        command = [sys.executable, "-m", "pytest", "--golive", *quiet, f"--golive-json={summary}", *config, *extra]
        done = _finished(command)
        try:
            told: dict[str, Any] = json.loads(summary.read_text(encoding="utf-8"))
        except FileNotFoundError:
            said = (done.stderr.strip() or done.stdout.strip()).removeprefix("ERROR: ").removeprefix("golive: ")
            raise Misuse(said or f"pytest ended with status {done.returncode}", hint="") from None
    told["status"] = done.returncode
    return told


def _finished(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """The command, run to its end; if we are interrupted it is asked to end as well, so that it can end what it started."""
    import subprocess

    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            out, err = process.communicate()
        except KeyboardInterrupt:
            process.terminate()
            try:
                process.communicate(timeout=_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)
