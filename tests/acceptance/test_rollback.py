"""`golive rollback` and `golive deactivate` as an operator walks them: at a terminal, in a pipe, interrupted and begun again."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from pytest_golive.journal import Journal
from tests.acceptance.conftest import OPEN, Project

APPEND = [sys.executable, "-c", "import sys; open('log', 'a').write(sys.argv[1])"]
TRUE = {"command": ["true"]}


def plan(project: Project, *steps: dict[str, Any], head: str = "history: HISTORY.md\n") -> None:
    lines = [f"- {json.dumps(step)}\n" for step in steps]
    project.write("rollback.yaml", f"version: 1\ntitle: The way back\n{head}steps:\n" + "".join(lines))


def step(identity: str, **change: Any) -> dict[str, Any]:
    return {
        "id": identity, "title": f"Step {identity}", "why": f"because {identity}", "does": f"writes {identity}",
        "run": [*APPEND, identity], "verify": TRUE, "danger": False, **change,
    }  # fmt: skip


def log(project: Project) -> str:
    path = project.root / "log"
    return path.read_text() if path.exists() else ""


def records(project: Project, *events: str) -> list[dict[str, Any]]:
    kept = Journal(project.root / "reports/journal.jsonl").entries()
    return [dict(entry.detail) for entry in kept if not events or entry.event in events]


def at_terminal(project: Project, *words: str, answer: str) -> tuple[int, str]:
    """The command at a terminal at which somebody types the answer to every question."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest_golive.cli", *words],
        cwd=project.root, env=project.environ, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    said = b""
    try:
        while True:
            try:
                piece = os.read(master, 4096)
            except OSError:
                break
            if not piece:
                break
            said += piece
            if said.endswith(b"to go on: "):
                os.write(master, answer.encode() + b"\n")
    finally:
        os.close(master)
    return process.wait(30), said.decode()


def test_safe_steps_go_with_yes_and_the_table_gets_its_line(project: Project) -> None:
    """Every step is shown with why, command and verification, is done, and is recorded; the table has one line, with columns."""
    plan(project, step("a"), step("b"))
    done = project.golive("rollback", "--reason", "prices make no sense", "--impact", "two orders late", "--yes")
    assert done.status == 0, done.text
    assert log(project) == "ab"
    for told in ("Step 1 of 2: Step a", "because a", "writes a", "step 2 is done and verified", "THE ROLLBACK IS OVER"):
        assert told in done.out
    table = (project.root / "HISTORY.md").read_text().splitlines()
    assert table[2] == "| Date | Time | Trigger | Duration | Impact | Resolved By |"
    assert [cell.strip() for cell in table[4].split("|")[3:7]] == [
        "prices make no sense",
        "under a minute",
        "two orders late",
        "alice",
    ]
    (end,) = records(project, "rolled-back")
    assert (end["reason"], end["impact"], end["operator"]) == ("prices make no sense", "two orders late", "alice")


def test_danger_needs_a_person(project: Project) -> None:
    """A dangerous step is not done by --yes; at a terminal it is done for a yes and nothing else, and the walk goes on there."""
    plan(project, step("a"), step("b", danger=True), step("c"))
    piped = project.golive("rollback", "--reason", "x", "--yes")
    assert piped.status == 1
    assert "needs a person at a terminal" in piped.err
    assert log(project) == "a"
    status, _ = at_terminal(project, "rollback", "--yes", answer="y")
    assert status == 1
    assert log(project) == "a"
    status, said = at_terminal(project, "rollback", "--yes", answer="yes")
    assert status == 0, said
    assert "ROLLBACK goes on: begun" in said
    assert log(project) == "abc"


def test_without_yes_each_step_is_asked(project: Project) -> None:
    """Without --yes and without a terminal nothing is done; at a terminal each step asks."""
    plan(project, step("a"), step("b"))
    assert project.golive("rollback", "--reason", "x").status == 1
    assert log(project) == ""
    status, said = at_terminal(project, "rollback", answer="yes")
    assert status == 0
    assert said.count("Type 'yes'") == 2


def test_a_manual_step_is_verified_or_said_by_a_person(project: Project) -> None:
    """With a verification --yes is enough if it passes; without one a person says that it is done."""
    seen = {"command": [sys.executable, "-c", "import os; raise SystemExit(not os.path.exists('done'))"]}
    plan(
        project,
        step("a", run=[], does="", manual="make the file done", verify=seen),
        step("b", run=[], does="", manual="phone", verify=None),
    )
    first = project.golive("rollback", "--reason", "x", "--yes")
    assert first.status == 1
    assert "its verification says no" in first.out
    project.write("done", "")
    second = project.golive("rollback", "--yes")
    assert second.status == 1
    assert "step 1 is done and verified" in second.out
    assert "Is this done?" in second.err
    status, said = at_terminal(project, "rollback", answer="yes")
    assert status == 0
    assert "by the word of alice" in said


def test_an_item_of_the_lists_verifies(live: Project, make_item: Callable[..., str]) -> None:
    """The gate looks at that item alone, and at each of its instances: one that is red stops the walk, and an id that nobody
    declares is no yes. The marker is not touched.
    """
    exists = {"phase": "rollback", "expect": "expect: {exists: true}"}
    live.checklist(
        make_item("one"),
        make_item("all-flat", probe="file: {path: '${place}'}", extra="for_each: {place: [flat-a, flat-b]}", **exists),
        make_item("all-flat-and-more", probe="python: {call: 'more:touch'}", extra="acts: true", **exists),
    )
    live.write("checklists/more.py", "def touch():\n    open('touched', 'w').close()\n    return {'exists': True}\n")
    plan(live, step("a", verify={"item": "all-flat"}))
    live.write("flat-a", "")
    red = live.golive("rollback", "--reason", "x", "--yes")
    assert red.status == 1
    assert "step 1 is NOT done: all-flat: failed" in red.out
    live.write("flat-b", "")
    assert live.golive("rollback", "--yes").status == 0
    assert live.marker.exists(), "looking at one item decides nothing about the marker"
    assert not (live.root / "touched").exists(), "no other item was looked at"
    plan(live, step("a", verify={"item": "all-fl"}))
    unknown = live.golive("rollback", "--reason", "y", "--yes")
    assert unknown.status == 1
    assert "no list declares this item" in unknown.out


def test_looking_does_nothing(project: Project) -> None:
    """--list and --dry-run show the steps, with commands, and write neither file nor journal."""
    plan(project, step("a"), step("b"))
    for words in (["--list"], ["--dry-run"], ["--dry-run", "--step", "2"]):
        done = project.golive("rollback", *words)
        assert done.status == 0, done.text
        assert "No rollback is open" in done.out
        assert ("sys.argv" in done.out) == ("--dry-run" in words)
    assert "Step a" not in done.out
    assert log(project) == ""
    assert not (project.root / "reports/journal.jsonl").exists()


def test_one_step(project: Project) -> None:
    """--step walks that step alone; one that the plan does not have is told."""
    plan(project, step("a"), step("b"))
    assert project.golive("rollback", "--reason", "x", "--step", "2", "--yes").status == 0
    assert log(project) == "b"
    listed = project.golive("rollback", "--list").out
    assert "1. [open] Step a" in listed
    assert "2. [done] Step b" in listed
    assert "steps 1 to 2" in project.golive("rollback", "--step", "3", "--yes").err


def test_a_beginning_needs_its_reason(project: Project) -> None:
    """Nothing begins without a reason, which the history table would not have; going on needs none, and --anew begins again."""
    plan(project, step("a"), step("b", danger=True))
    assert "needs its reason" in project.golive("rollback", "--yes").err
    assert log(project) == ""
    project.golive("rollback", "--reason", "one", "--yes")
    project.golive("rollback", "--yes")
    assert log(project) == "a"
    project.golive("rollback", "--reason", "two", "--anew", "--yes")
    assert log(project) == "aa"
    assert [one["reason"] for one in records(project, "rollback-begun")] == ["one", "two"]


def test_a_harmful_plan_is_not_walked(project: Project) -> None:
    """A plan with a command that nobody should run is refused with its place, and no step of it is done."""
    plan(project, step("a"), step("b", run=["pkill", "-9", "python"]))
    done = project.golive("rollback", "--reason", "x", "--yes")
    assert done.status == 1
    assert "rollback.yaml:" in done.err
    assert "end the recorded pid" in done.err
    assert log(project) == ""


def test_a_secret_in_a_command_is_not_shown(project: Project) -> None:
    """What a step says, and what its words hold, reaches terminal and journal without the secrets of this environment."""
    plan(project, step("a", run=[sys.executable, "-c", "import os; print('token', os.environ['BROKER_API_SECRET'])"]))
    done = project.golive("rollback", "--reason", "leaked hunter2hunter2", "--yes", env={"BROKER_API_SECRET": "hunter2hunter2"})
    assert done.status == 0
    assert "token" in done.out
    assert (
        "hunter2"
        not in done.text + (project.root / "reports/journal.jsonl").read_text() + (project.root / "HISTORY.md").read_text()
    )


def test_killed_in_the_middle(project: Project) -> None:
    """After kill -9 in the middle of a step the next walk does that step again, and none that was done."""
    hang = "import os, time; open('log', 'a').write('b'); [time.sleep(0.05) for _ in range(1200) if not os.path.exists('go')]"
    plan(project, step("a"), step("b", run=[sys.executable, "-c", hang]), step("c"))
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest_golive.cli", "rollback", "--reason", "x", "--yes"],
        cwd=project.root, env=project.environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    end = time.monotonic() + 30
    while log(project) != "ab" and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    project.write("go", "")
    done = project.golive("rollback", "--yes")
    assert done.status == 0, done.text
    assert log(project) == "abbc"


def test_the_first_step_takes_the_marker(live: Project) -> None:
    """`golive deactivate` as a step: the marker is gone, and the walk knows it by the guard's own word."""
    seen = {"command": [sys.executable, "-c", "import os; raise SystemExit(os.path.lexists('go_live.active'))"]}
    words = ["${golive_python}", "-m", "pytest_golive.cli", "deactivate", "--reason=${reason}", "--operator=${operator}"]
    plan(live, step("flag", run=[*words, "--config", "${golive_config}"], verify=seen))
    assert live.golive("rollback", "--reason=--help; touch pwned", "--yes").status == 0
    assert not live.marker.exists()
    assert not (live.root / "pwned").exists()
    assert records(live, "deactivated")[0]["reason"] == "--help; touch pwned"


def deactivated(project: Project) -> bool:
    return "BLOCKED" in project.golive("status").out and not project.marker.exists()


def test_deactivate_twice_is_once(live: Project) -> None:
    """A second deactivation ends well, and the marker that is put back does not count."""
    kept = live.marker.read_bytes()
    assert live.golive("deactivate", "--reason", "x").status == 0
    again = live.golive("deactivate", "--reason", "x")
    assert again.status == 0
    assert "was not there" in again.out
    live.marker.write_bytes(kept)
    assert "does not revive" in live.golive("status").out


@pytest.mark.parametrize("broken", ["journal", "state", "both"])
def test_deactivate_with_what_it_writes_broken(live: Project, broken: str) -> None:
    """The marker goes whether or not journal and counter can be written; then the exit status is 1 and it is told."""
    if broken in ("journal", "both"):
        (live.root / "reports/journal.jsonl").unlink()
        (live.root / "reports/journal.jsonl").mkdir()
    if broken in ("state", "both"):
        (live.root / "guard.state").unlink(missing_ok=True)
        (live.root / "guard.state").mkdir()
    done = live.golive("deactivate", "--reason", "x")
    assert done.status == 1
    assert "could not be written down" in done.err
    assert not live.marker.exists()


DIES = """
import os, signal, sys
from pytest_golive.cli import main
from pytest_golive import activation
from pytest_golive.guard import state
from pytest_golive.journal import Journal

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

where = sys.argv[1]
if where == "before the counter":
    state.raise_locked = die
elif where == "before the journal":
    Journal.append = die
elif where == "before the removal":
    activation._remove = die
else:
    removed = activation._remove
    activation._remove = lambda path: (removed(path), die())
main(["deactivate", "--reason", "killed"])
"""
PLACES = {
    "before the counter": (True, True),
    "before the journal": (True, False),
    "before the removal": (True, False),
    "after the removal": (False, False),
}
"""Where the command is killed; whether the marker stands then, and whether it still counts."""


@pytest.mark.parametrize("where", list(PLACES))
def test_deactivate_killed_between_its_steps(live: Project, where: str) -> None:
    """Once the counter is burned the marker does not count, wherever the command is killed; a second one finishes it."""
    done = subprocess.run(
        [sys.executable, "-c", DIES, where], cwd=live.root, env=live.environ, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGKILL
    stands, counts = PLACES[where]
    assert live.marker.exists() == stands
    assert ("PERMITTED" in live.golive("status").out) == counts
    assert live.golive("deactivate", "--reason", "again").status == 0
    assert deactivated(live)
    assert Journal(live.root / "reports/journal.jsonl").verify() >= 2


def test_several_deactivate_at_once(live: Project) -> None:
    """Six processes at a time: the marker is gone, nobody breaks, and the chain of the journal holds."""
    words = [sys.executable, "-m", "pytest_golive.cli", "deactivate", "--reason", "x"]
    running = [
        subprocess.Popen(words, cwd=live.root, env=live.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    said = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0] * 6, said
    assert deactivated(live)
    assert len(records(live, "deactivated")) == 6


FULL = """
import resource
from pytest_golive.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
raise SystemExit(main(["deactivate", "--reason", "full"]))
"""


def test_deactivate_on_a_full_disk(live: Project) -> None:
    """Where not one byte can be written the marker goes all the same, and it is told that nothing could be written down."""
    done = subprocess.run(
        [sys.executable, "-c", FULL],
        cwd=live.root,
        env=live.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "could not be written down" in done.stderr
    assert not live.marker.exists()


def unprivileged(*words: str) -> list[str]:
    """The words, run so that the modes of files count even for root; skips where that cannot be had."""
    if os.geteuid() != 0:
        return list(words)
    if shutil.which("setpriv") is None:
        pytest.skip("root ignores the modes of files, and setpriv of util-linux is not there to prevent it")
    return ["setpriv", "--inh-caps=-all", "--bounding-set=-all", "--", *words]


@pytest.mark.parametrize("command", ["deactivate", "stop"])
def test_a_folder_that_cannot_be_written(project: Project, command: str) -> None:
    """Where neither marker nor stop file can be changed the exit status is 1, and it says what a person has to do at once."""
    project.settings(OPEN + "journal: kept/journal.jsonl\nactivation: {marker: locked/go_live.active}\nstops: [locked/STOP]\n")
    (project.root / "locked").mkdir()
    assert project.gate().status == 0
    words = unprivileged(sys.executable, "-m", "pytest_golive.cli", command, "--reason", "x")
    (project.root / "locked").chmod(0o555)
    try:
        done = subprocess.run(
            words, cwd=project.root, env=project.environ, capture_output=True, text=True, timeout=60, check=False
        )
    finally:
        (project.root / "locked").chmod(0o755)
    assert done.returncode == 1
    assert (project.root / "locked/go_live.active").exists()
    if command == "stop":
        assert f"touch -- {project.root}/locked/STOP" in done.stdout
        assert "could not be taken back either" in done.stdout
        assert "REAL TRADING IS STOPPED" not in done.stdout
    else:
        assert "make a stop file now" in done.stderr
    # the counter is burned all the same, so that the marker does not count where the guard shares its memory
    assert "was withdrawn" in project.golive("status").out


def test_an_activation_ends_a_rollback_that_was_left_open(live: Project) -> None:
    """What was undone by going live again is not taken for done: the next rollback begins with its first step, and takes the
    marker.
    """
    deactivate = [sys.executable, "-m", "pytest_golive.cli", "deactivate", "--reason=x", "--config", "${golive_config}"]
    gone = {"command": ["test", "!", "-e", "go_live.active"]}
    plan(live, step("flag", run=deactivate, verify=gone), step("b", danger=True))
    assert live.golive("rollback", "--reason", "first", "--yes").status == 1
    assert not live.marker.exists()
    assert live.gate().status == 0
    assert live.marker.exists()
    assert "No rollback is open" in live.golive("rollback", "--list").out
    again = live.golive("rollback", "--reason", "second", "--yes")
    assert again.status == 1
    assert "needs a person at a terminal" in again.err
    assert not live.marker.exists()
    assert [each["reason"] for each in records(live, "rollback-begun")] == ["first", "second"]
