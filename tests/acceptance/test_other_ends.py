"""Sessions that end in another way than by the gate's word: never exit status 0, told in one line, and no marker that lies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import OPEN

Make = Callable[..., str]

AROUND = "@pytest.hookimpl(wrapper=True, tryfirst=True)\ndef pytest_sessionfinish(session):\n    yield\n    "
ENDS = {
    "exit 0 in another plugin's sessionfinish": "def pytest_sessionfinish():\n    pytest.exit('enough', 0)\n",
    "exit 0 around the session's end": AROUND + "pytest.exit('enough', 0)\n",
    "exit 0 while running": "def pytest_runtest_logreport():\n    pytest.exit('enough', 0)\n",
    "exit 0 in the collection": "def pytest_collection():\n    pytest.exit('enough', 0)\n",
    "exit 0 at the start": "def pytest_sessionstart():\n    pytest.exit('enough', 0)\n",
    "SystemExit at the end": "def pytest_sessionfinish():\n    raise SystemExit(0)\n",
    "an exception at the end": "def pytest_sessionfinish():\n    raise RuntimeError('boom')\n",
    "an exit status set at the end": AROUND + "session.exitstatus = 0\n",
}


@pytest.mark.parametrize("name", ENDS)
def test_no_plugin_ends_a_failing_session_with_0(project: Any, name: str) -> None:
    """Whatever a plugin does at whichever end, a run whose critical item failed exits with something else than 0."""
    project.write("conftest.py", "import pytest\n\n" + ENDS[name])
    run = project.gate(env={"READY": "no"})
    assert run.status != 0
    assert not project.marker.exists()


@pytest.mark.parametrize("name", ["exit 0 in another plugin's sessionfinish", "an exception at the end", "SystemExit at the end"])
def test_a_session_ended_by_a_plugin_is_incomplete(project: Any, name: str) -> None:
    """If a plugin ends the session before the gate could speak, a green run is no GO and leaves no marker."""
    project.write("conftest.py", "import pytest\n\n" + ENDS[name])
    run = project.gate()
    assert run.status != 0
    assert not project.marker.exists()
    assert "golive" in run.text or "INCOMPLETE" in run.text


@pytest.mark.parametrize("option", ["--fixtures", "--markers", "--fixtures-per-test", "--cache-show", "--help"])
def test_showing_something_is_no_decision(project: Any, option: str) -> None:
    """Where pytest shows something instead of running, `--golive` says that nothing was decided."""
    run = project.pytest("--golive", option, *(["-p", "cacheprovider"] if option == "--cache-show" else []))
    assert run.status != 0, run.text
    assert "decision" in run.text or "INCOMPLETE" in run.text
    assert not project.marker.exists()
    assert not project.reports()


def test_a_gate_that_was_kept_out_is_no_decision(project: Any) -> None:
    """`-p no:golive-gate` leaves a session that tests nothing, and says so."""
    project.write("test_fine.py", "def test_fine():\n    assert True\n")
    run = project.pytest("--golive", "-p", "no:golive-gate", "test_fine.py")
    assert run.status == 4
    assert "no:golive-gate" in run.err


def test_a_critical_failure_seen_before_stopping_withdraws(project: Any, make_item: Make) -> None:
    """`-x` after a critical failure is INCOMPLETE; the marker of an earlier run does not outlive what was seen."""
    project.checklist(make_item("one"), make_item("two", probe="env: {name: MORE}"), make_item("last"))
    assert project.gate(env={"MORE": "yes"}).word == "GO"
    assert project.marker.exists()
    run = project.gate("-x", env={"MORE": "no"})
    assert run.word == "INCOMPLETE"
    assert not project.marker.exists()


def test_a_partial_run_that_saw_no_failure_withdraws_nothing(project: Any) -> None:
    """Looking at one item again takes nobody's marker away."""
    assert project.gate().word == "GO"
    assert project.gate("-k", "one").word == "INCOMPLETE"
    assert project.marker.exists()


def test_a_plugin_that_breaks_when_told_is_told(project: Any) -> None:
    """An exception in `pytest_golive_decided` is one line and exit status 1, without a traceback."""
    project.write("conftest.py", "def pytest_golive_decided(decision):\n    raise RuntimeError('no network')\n")
    run = project.gate()
    assert run.status == 1
    assert "no network" in run.text
    assert "Traceback" not in run.text
    assert run.word == "GO"


def test_a_key_that_nobody_trusts_is_told_before_the_run(project: Any, tmp_path: Path) -> None:
    """If the trusted keys lack the key that would sign the marker the run does not begin; without a marker it may."""
    from tests.signing.people import hand

    project.write("trusted", hand(tmp_path, "other").line + "\n")
    project.settings(OPEN + "activation: {trusted_keys: trusted}\n")
    run = project.pytest("--golive")
    assert run.status == 4
    assert "is not among the keys that count here" in run.err
    assert not project.reports()
    assert project.gate("--golive-no-marker").word == "GO"


def test_a_mapping_that_looks_like_a_number_crosses_to_the_controller(project: Any, make_item: Make) -> None:
    """A fact that only looks like a packed number is that fact, under pytest-xdist too."""
    look = "def look():\n    return {'n': 1, 'a': {'$decimal': 'oops'}, 'b': {'$decimal': ['x']}}\n"
    project.write("checklists/strange.py", look)
    project.checklist(make_item("one", probe='python: {call: "strange:look"}', expect="expect: {n: 1}"), make_item("two"))
    assert project.gate().word == "GO"
    assert project.gate("-n2").word == "GO"


@pytest.mark.parametrize("pattern", ["**a/*.yaml", "a\\0b", "[", "/**/../[a", "*" * 300])
def test_odd_patterns_are_faults_of_the_settings(project: Any, pattern: str) -> None:
    """Patterns that no file system takes are one line with their place, not a traceback."""
    project.settings(OPEN + f'checklists: ["{pattern}"]\n')
    run = project.pytest("--golive")
    assert run.status == 4
    assert "golive.yaml:" in run.err
    assert "Traceback" not in run.text


@pytest.mark.parametrize(
    "setting", ['reports: "a\\0b"', 'activation: {marker: "a\\0.active"}', 'stops: ["\\0"]', 'journal: "\\0"']
)
def test_no_setting_holds_a_nul(project: Any, setting: str) -> None:
    """A path with a NUL character is a fault with its line."""
    project.settings(OPEN + setting + "\n")
    run = project.pytest("--golive")
    assert run.status == 4
    assert "NUL" in run.err
    assert "Traceback" not in run.text


SECRET = "s3cr3t-Pa55word-9"


@pytest.mark.parametrize("value", [f"postgres://bot:{SECRET}@db.internal/trades", f"redis://cache/0?password={SECRET}"])
def test_an_address_with_a_password_is_refused(project: Any, make_item: Make, value: str) -> None:
    """What is put into settings reaches titles, ids and reports; so a password in an address is refused, and not shown."""
    project.settings(OPEN + 'target: {variables: {db: "${env:DATABASE}"}}\n')
    project.checklist(make_item("one", title='"Is ${db} up?"'))
    run = project.pytest("--golive", env={"DATABASE": value})
    assert run.status == 4
    assert "golive.yaml:6" in run.err
    assert SECRET not in run.text
    assert not project.reports()


def test_a_user_without_a_password_is_no_secret(project: Any) -> None:
    """`ssh://git@host` names a user, and is taken."""
    project.settings(OPEN + 'target: {variables: {origin: "ssh://git@host.example/repo", api: "http://127.0.0.1:8080/x@y"}}\n')
    assert project.gate().word == "GO"


def test_a_secret_as_operator_is_not_written_down(project: Any) -> None:
    """A pipeline that hands its token over as the operator's name leaks it nowhere."""
    env = {"DEPLOY_TOKEN": SECRET, "GOLIVE_OPERATOR": SECRET}
    assert project.gate(env=env).word == "GO"
    assert project.golive("deactivate", "--reason", f"over {SECRET}", env=env).status == 0
    for path in project.root.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


def _end_by(project: Any, number: int, flag: Path, *command: str) -> tuple[int, str]:
    pipe = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen(command, cwd=project.root, env=project.environ, text=True, **pipe)
    end = time.monotonic() + 30
    while not flag.exists() and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(number)
    told, _ = process.communicate(timeout=30)
    return process.returncode, told


def _gone(pid: int) -> bool:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("by", ["pytest", "golive"])
def test_a_terminated_gate_leaves_no_program_behind(project: Any, make_item: Make, tmp_path: Path, by: str) -> None:
    """SIGTERM ends the programs of `command` items as well, also through `golive check`; the run is told as interrupted."""
    flag = tmp_path / "pid"
    slow = f"command: {{run: [sh, -c, 'echo $$ > {flag}.new; mv {flag}.new {flag}; exec sleep 60']}}\n  timeout: 90s"
    project.checklist(make_item("one"), make_item("slow", probe=slow, expect="expect: {exit: 0}"))
    words = ["-m", "pytest", "-p", "no:cacheprovider", "--golive"] if by == "pytest" else ["-m", "pytest_golive.cli", "check"]
    status, told = _end_by(project, signal.SIGTERM, flag, sys.executable, *words)
    assert status != 0
    assert "interrupted" in told.lower()
    assert "Traceback" not in told
    assert _gone(int(flag.read_text()))
    assert not project.marker.exists()


def test_an_interrupt_during_the_activation_is_told_in_words(project: Any, make_item: Make, tmp_path: Path) -> None:
    """Ctrl-C while the activation items are looked at: no traceback, no marker, exit status not 0."""
    flag = tmp_path / "started"
    slow = f"command: {{run: [sh, -c, 'touch {flag}; exec sleep 60']}}\n  timeout: 90s"
    project.checklist(make_item("one"), make_item("slow", phase="activation", probe=slow, expect="expect: {exit: 0}"))
    status, told = _end_by(project, signal.SIGINT, flag, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--golive")
    assert status != 0
    assert "interrupted during the activation; no marker was written" in told
    assert "Traceback" not in told
    assert not project.marker.exists()


def test_a_page_activates_from_any_folder(project: Any) -> None:
    """`golive activate REPORT --config …` from a sub-folder is about the same release as from the root."""
    assert project.gate("--golive-no-marker").word == "GO"
    (project.root / "sub").mkdir()
    words = ["activate", str(project.reports()[-1]), "--yes", "--config", str(project.root / "golive.yaml")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest_golive.cli", *words], cwd=project.root / "sub", env=project.environ,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.marker.exists()


def test_the_end_of_input_is_no_yes(project: Any) -> None:
    """At a terminal, Ctrl-D at the question is a no in words."""
    import pty

    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest_golive.cli", "activate"], cwd=project.root, env=project.environ,
        stdin=child, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    os.close(child)
    os.write(parent, b"\x04")
    told, _ = process.communicate(timeout=30)
    os.close(parent)
    assert process.returncode == 1
    assert "not confirmed" in told
    assert "Traceback" not in told
