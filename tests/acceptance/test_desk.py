"""The whole way on the embedded desk: from a checklist line to a guarded order, and the three ways in which it must say no."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def desk(tmp_path: Path) -> dict[str, str]:
    """The environment of a stranger who has just cloned the repository: an own home, an own desk."""
    home = tmp_path / "home"
    home.mkdir()
    keep = {name: os.environ[name] for name in ("PATH", "LANG", "VIRTUAL_ENV") if name in os.environ}
    return {**keep, "HOME": str(home), "GOLIVE_DESK_HOME": str(tmp_path / "desk"), "GOLIVE_OPERATOR": "alice"}


def run(environ: dict[str, str], *command: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def gate(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(environ, "pytest", "-p", "no:cacheprovider", "--golive", *arguments)


def test_from_a_list_to_a_guarded_order(desk: dict[str, str], tmp_path: Path) -> None:
    """GO writes page and marker; an order goes; after the marker is deleted the next is skipped, and putting it back does
    not help.
    """
    done = gate(desk)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"^  GO  (\d+) of (\d+) items pass\.$", done.stdout, re.MULTILINE)
    assert passed is not None
    assert passed[1] == passed[2]
    page = next((tmp_path / "desk/reports").glob("*-go/report.html"))
    assert run(desk, "pytest_golive.cli", "verify", str(page)).returncode == 0
    marker = tmp_path / "desk/go_live.active"
    assert marker.read_text().startswith("# GO-LIVE ACTIVATION MARKER")
    tour = run(desk, "examples.desk", "tour")
    assert tour.returncode == 0, tour.stdout + tour.stderr
    assert "accepted by coinbase" in tour.stdout
    log = (tmp_path / "desk/logs/execution.log").read_text()
    assert log.count("[ORDER_SKIPPED] BUY BTCUSDT qty=0.001 - GO-LIVE not activated") >= 2
    assert marker.exists()
    again = run(desk, "examples.desk", "tour")
    assert again.returncode == 1
    assert "Traceback" not in again.stderr


WRONG: dict[str, tuple[dict[str, str], str, str, str]] = {
    "dry run": ({"DRY_RUN_MODE": "true"}, "", "nija-dry-run-off", "export DRY_RUN_MODE=false"),
    "broker unhealthy": ({"KRAKEN_API_SECRET": ""}, "", "nija-broker-health[kraken]", "then the key of this broker"),
    "stop file": ({}, "EMERGENCY_STOP", "nija-no-emergency-stop", "only then remove"),
}
"""Variables and a stop file that make something wrong, the item that must say so, and words of its fix."""


def break_desk(folder: Path, stop_file: str) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    if stop_file:
        (folder / stop_file).touch()


@pytest.mark.parametrize("name", list(WRONG))
def test_what_is_wrong_is_named(desk: dict[str, str], tmp_path: Path, name: str) -> None:
    """Dry-run mode, an unhealthy broker and a stop file each fail their item, which is named with its fix, and leave no marker.

    Only the list that asks for them is run, because a whole gate takes its time; that the whole says NO-GO is the next test.
    """
    environ, stop_file, item, fix = WRONG[name]
    break_desk(tmp_path / "desk", stop_file)
    done = gate({**desk, **environ}, "checklists/nija.yaml")
    assert done.returncode == 1
    block = done.stdout.split("go-live ===")[1]
    assert re.search(rf"FAIL .*\[{re.escape(item)}\]\n", block)
    assert fix in block
    assert not (tmp_path / "desk/go_live.active").exists()


def test_everything_that_is_wrong_is_a_no_go(desk: dict[str, str], tmp_path: Path) -> None:
    """A whole run over a desk on which all of it is wrong is a NO-GO that names each item with its fix, and leaves no marker."""
    environ: dict[str, str] = {}
    for variables, stop_file, _, _ in WRONG.values():
        environ |= variables
        break_desk(tmp_path / "desk", stop_file)
    done = gate({**desk, **environ})
    assert done.returncode == 1
    block = done.stdout.split("go-live ===")[1]
    assert "  NO-GO  " in block
    for _, _, item, fix in WRONG.values():
        assert f"[{item}]" in block
        assert fix in block
    assert not (tmp_path / "desk/go_live.active").exists()


def test_the_other_phases(desk: dict[str, str], tmp_path: Path) -> None:
    """The three stops and the activation items are proven on request, and such a run writes no marker."""
    done = gate(desk, "--golive-phase=rollback", "--golive-phase=activation")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^  GO  (\d+) of \1 items pass\.$", done.stdout, re.MULTILINE)
    assert not (tmp_path / "desk/go_live.active").exists()
    page = next((tmp_path / "desk/reports").glob("*/report.html"))
    assert "opens no gate" in page.read_text()


def test_workers_share_the_desk(desk: dict[str, str], tmp_path: Path) -> None:
    """Under pytest-xdist there is one desk, every item of the list that was asked for passes, and the rest is not forgotten."""
    pytest.importorskip("xdist")
    done = gate(desk, "-n2", "checklists/nija.yaml")
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"\(nija\): \d+ PASS$", done.stdout, re.MULTILINE)
    assert re.search(r"^  INCOMPLETE  \d+ items did not run in this session\.", done.stdout, re.MULTILINE)


def test_ctrl_c_stops_the_desk(desk: dict[str, str], tmp_path: Path) -> None:
    """An interrupted session takes its desk with it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--golive"],
        cwd=ROOT, env=desk, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    pid_file = tmp_path / "desk/desk.pid"
    end = time.monotonic() + 30
    while not pid_file.exists() and time.monotonic() < end:
        time.sleep(0.02)
    pid = int(pid_file.read_text())
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert not Path(f"/proc/{pid}").exists()
    assert not (tmp_path / "desk/go_live.active").exists(), out


def test_it_needs_no_target_of_its_own_elsewhere(desk: dict[str, str], tmp_path: Path) -> None:
    """The desk's folder is a repository whose committed settings activate nothing."""
    assert gate(desk, "--co", "-q").returncode == 1
    said = subprocess.run(
        ["git", "-C", str(tmp_path / "desk"), "show", "HEAD:golive.yaml"], capture_output=True, text=True, check=True
    ).stdout
    assert "activation_enabled: false" in said
