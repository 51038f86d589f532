"""`golive guard -- COMMAND`: a command that starts only while real trading is permitted, and is itself from then on."""

from __future__ import annotations

import configparser
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pytest_golive import config
from pytest_golive.guard.marker import render
from pytest_golive.signing.keys import session_key

EXAMPLES = Path(__file__).parents[2] / "examples" / "systemd"
GOLIVE = "import sys; from pytest_golive.cli import main; sys.exit(main())"

SETTINGS = """\
version: 1
environment: production
activation: {trusted_keys: trusted}
mode:
  DRY_RUN_MODE: {live: "false", safe: "true"}
"""


@pytest.fixture
def place(tmp_path: Path, marker_with: Callable[..., Any]) -> Path:
    """A folder in which real trading was activated."""
    tmp_path.chmod(0o755)
    (tmp_path / "golive.yaml").write_text(SETTINGS)
    key = session_key(tmp_path / "keys" / "session")
    (tmp_path / "trusted").write_text(key.public.line + "\n")
    settings = config.load(tmp_path / "golive.yaml", {})
    now = datetime.now(UTC)
    times = {"timestamp": now, "not_before": now, "expires": now + timedelta(hours=1)}
    profiles = (settings.default_profile,)
    content = render(marker_with(config=settings.sha256, allowed_profiles=profiles, **times), key)
    settings.marker.write_bytes(content)
    settings.marker.chmod(0o644)
    return tmp_path


def guarded(place: Path, *command: object, **environ: str) -> subprocess.CompletedProcess[str]:
    """`golive guard` with a command, in a process of its own."""
    words = [sys.executable, "-c", GOLIVE, "guard", "--config", place / "golive.yaml", *(("--", *command) if command else ())]
    env = {**os.environ, "DRY_RUN_MODE": "false", **environ}
    return subprocess.run(list(map(str, words)), env=env, cwd=place, capture_output=True, text=True, timeout=60, check=False)


def test_it_only_asks_if_there_is_no_command(place: Path) -> None:
    """Without a command the status is the answer."""
    done = guarded(place)
    assert (done.returncode, done.stdout) == (0, f"GO-LIVE is active (activation {'a1' * 16})\n")


def test_a_refusal_starts_nothing_and_says_why(place: Path) -> None:
    """Without a marker, with a stop file, or with a switch that is not live the command does not start, and 1 is the status."""
    started = place / "started"
    refusals: dict[str, tuple[Callable[[], object], dict[str, str]]] = {
        "DRY_RUN_MODE is set to something else": (lambda: None, {"DRY_RUN_MODE": "true"}),
        "stop file present": (lambda: (place / "EMERGENCY_STOP").touch(), {}),
        "marker not found": (lambda: [(place / name).unlink() for name in ("EMERGENCY_STOP", "go_live.active")], {}),
    }
    for reason, (change, environ) in refusals.items():
        change()
        done = guarded(place, "touch", started, **environ)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"golive guard: GO-LIVE not activated: {reason}")
        assert len(done.stderr.splitlines()) == 1
    assert not started.exists()


@pytest.mark.parametrize("status", [0, 1, 7])
def test_the_status_is_that_of_the_command(place: Path, status: int) -> None:
    """What the command ends with is what the caller gets."""
    assert guarded(place, "sh", "-c", f"exit {status}").returncode == status


def test_a_signal_ends_it_as_it_would_without_the_guard(place: Path) -> None:
    """The command takes the guard's place in the same process, and no signal is ignored that would end it otherwise."""
    for number in (signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
        assert guarded(place, "sh", "-c", f"kill -{int(number)} $$").returncode == -number


def test_words_pass_through_unchanged(place: Path) -> None:
    """The command gets exactly the words after the dashes, and what it says is what is said."""
    done = guarded(place, sys.executable, "-c", "import sys; print(sys.argv[1:])", "--", "--config", "a b", "$HOME")
    assert (done.returncode, done.stdout) == (0, "['--', '--config', 'a b', '$HOME']\n")


def test_a_command_that_is_not_there_is_told(place: Path) -> None:
    """A command that cannot be started is one line and a status that is not 0."""
    done = guarded(place, "no-such-command")
    assert done.returncode == 1
    assert "no-such-command cannot be started: No such file or directory" in done.stderr


def test_the_shell_example_asks_and_becomes_the_command(place: Path) -> None:
    """The example script runs its words behind the guard, and refuses when the marker is gone."""
    (place / "golive").write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{GOLIVE}" "$@"\n')
    (place / "golive").chmod(0o755)
    environ = {
        **os.environ,
        "DRY_RUN_MODE": "false",
        "GOLIVE_CONFIG": str(place / "golive.yaml"),
        "PATH": f"{place}:{os.environ['PATH']}",
    }
    for wanted, said in ((5, "real trading is permitted at this moment"), (1, "marker not found")):
        done = subprocess.run(
            [EXAMPLES / "start.sh", "sh", "-c", "exit 5"], env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == wanted
        assert said in done.stdout + done.stderr
        (place / "go_live.active").unlink(missing_ok=True)


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    """systemd itself finds nothing wrong with the example, once its programs exist."""
    text = (EXAMPLES / "desk.service").read_text()
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[method-assign, assignment]
    unit.read_string(text)
    assert unit["Service"]["ExecStart"].startswith("/opt/desk/venv/bin/golive guard -- ")
    assert unit["Service"]["RestartPreventExitStatus"] == "1"
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    (tmp_path / "desk.service").write_text(text.replace("/opt/desk/venv/bin/", "/bin/").replace("/bin/golive", "/bin/sh"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / "desk.service"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if "desk.service" in line]
    assert complaints == []
