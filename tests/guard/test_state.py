"""The guard's memory: numbers that only go up, whole on disk or not at all."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_golive.errors import TrustError
from pytest_golive.guard import state
from pytest_golive.guard.state import State


def test_no_file_is_the_first_start(tmp_path: Path) -> None:
    """A state that was never written holds zeros."""
    assert state.read(str(tmp_path / "state")) == State()


def test_numbers_only_go_up(tmp_path: Path) -> None:
    """Writing a smaller number than is kept changes nothing; each number is raised by itself."""
    path = str(tmp_path / "state")
    state.raise_to(path, State(highest=5, burned=3, wall=100))
    assert state.raise_to(path, State(highest=4, burned=4, wall=50)) == State(highest=5, burned=4, wall=100)
    assert state.read(path) == State(highest=5, burned=4, wall=100)


def test_a_slightly_later_clock_is_not_written_down(tmp_path: Path) -> None:
    """The clock alone makes a write only once in a minute."""
    path = str(tmp_path / "state")
    state.raise_to(path, State(wall=1000))
    state.raise_to(path, State(wall=1059))
    assert state.read(path).wall == 1000
    state.raise_to(path, State(wall=1060))
    assert state.read(path).wall == 1060


def test_only_the_owner_can_read_or_write_it(tmp_path: Path) -> None:
    """The state is made 0600 whatever the umask is."""
    path = tmp_path / "state"
    old = os.umask(0)
    try:
        state.raise_to(str(path), State(highest=1))
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_processes_lose_nothing(tmp_path: Path) -> None:
    """Processes that raise the state at the same time end with the largest of everything."""
    path = str(tmp_path / "state")
    code = (
        "import sys\nfrom pytest_golive.errors import TrustError\nfrom pytest_golive.guard import state\n"
        "for number in range(20):\n"
        "    for attempt in range(50):\n"
        "        try:\n"
        "            state.raise_to(sys.argv[1], state.State(**{sys.argv[2]: number + 1}))\n"
        "            break\n"
        "        except TrustError:\n"
        "            pass\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, path, name]) for name in ("highest", "burned")]
    assert [process.wait(60) for process in running] == [0, 0]
    assert state.read(path) == State(highest=20, burned=20)


def test_a_failed_write_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the new state cannot be put in place the old one stands and no draft is left behind."""
    path = str(tmp_path / "state")
    state.raise_to(path, State(highest=1))

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", broken)
        with pytest.raises(TrustError, match="Input/output error"):
            state.raise_to(path, State(highest=2))
    assert state.read(path) == State(highest=1)
    assert sorted(os.listdir(tmp_path)) == ["state", "state.lock"]
