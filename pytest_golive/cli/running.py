"""The gate in a process of its own, as any user would start it: what `check`, `drill` and `activate` go on from."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_golive.cli.shared import is_named, settings_path
from pytest_golive.errors import Misuse

if TYPE_CHECKING:
    import subprocess

_PATIENCE = 15.0
"""Seconds that an interrupted run of the gate has to end its own programs."""


def run_gate(options: argparse.Namespace, extra: Sequence[str]) -> dict[str, Any]:
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
