"""The way back: what a plan may say, how far the journal says it came, and the table of all of them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pytest_golive import events
from pytest_golive.errors import FaultyFile
from pytest_golive.journal import Journal
from pytest_golive.rollback import plan as plans
from pytest_golive.rollback import story as stories
from pytest_golive.rollback.plan import Plan, Step
from pytest_golive.rollback.walk import Walker, story_of

NOW = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)
STEP = {"id": "one", "title": "One", "why": "w", "does": "d", "run": ["true"], "verify": {"command": ["true"]}}


def text(*steps: dict[str, Any], head: str = "") -> str:
    return f"version: 1\ntitle: Way back\n{head}steps:\n" + "".join(f"- {json.dumps(step)}\n" for step in steps)


@pytest.fixture
def plan_of(tmp_path: Path) -> Callable[..., Plan]:
    def make(*steps: dict[str, Any], head: str = "", **variables: Any) -> Plan:
        path = tmp_path / "rollback.yaml"
        path.write_text(text(*(steps or (STEP,)), head=head))
        return plans.read(path, variables, root=tmp_path)

    return make


def test_a_plan_is_read_whole(plan_of: Callable[..., Plan], tmp_path: Path) -> None:
    """Steps keep their order, variables are put in, and the table's file is found from the folder of the settings."""
    plan = plan_of(STEP, {**STEP, "id": "two", "run": ["touch", "${home}/x"]}, head="history: a/b.md\n", home="/srv")
    assert [step.id for step in plan.steps] == ["one", "two"]
    assert plan.step(2).run == ["touch", "/srv/x"]
    assert plan.history == tmp_path / "a/b.md"
    assert all(step.danger for step in plan.steps), "a step is dangerous unless somebody says that it is not"


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "neither run nor manual": ({"run": []}, "write run, or manual"),
    "both": ({"manual": "x"}, "write run, or manual"),
    "run without verify": ({"verify": None}, "write verify"),
    "verified by both": ({"verify": {"item": "a", "command": ["b"]}}, "write one of them"),
    "run without does": ({"does": ""}, "must know what it will do"),
    "unknown key": ({"dangerous": False}, "dangerous"),
    "danger as text": ({"danger": "no"}, "danger"),
    "bare time": ({"timeout": 5}, "needs a unit"),
    "a line for a shell": ({"run": ["bash", "-c", "rm x; start"]}, "for a shell"),
    "a line for a shell behind another word": ({"run": ["ssh", "host", "/bin/sh", "-lc", "x"]}, "for a shell"),
    "git reset --hard": ({"run": ["git", "-C", "/srv", "reset", "--hard", "HEAD~1"]}, "not run"),
    "git push --force": ({"run": ["git", "push", "origin", "--force-with-lease"]}, "not run"),
    "git push -f": ({"run": ["git", "push", "-f"]}, "not run"),
    "pkill": ({"run": ["ssh", "host", "pkill", "-9", "python"]}, "not run"),
    "killall": ({"run": ["/usr/bin/killall", "python"]}, "not run"),
    "mongorestore": ({"run": ["mongorestore", "--drop", "/b"]}, "not run"),
    "rm -rf": ({"run": ["rm", "-rf", "src/"]}, "not run"),
    "rm -r -f": ({"run": ["rm", "-f", "-r", "src/"]}, "not run"),
    "drop database": ({"run": ["psql", "-X", "--command", "DROP DATABASE desk"]}, "not run"),
    "unknown variable": ({"run": ["touch", "${hoem}"]}, "not declared"),
}


@pytest.mark.parametrize("name", list(FAULTS))
def test_what_a_plan_may_not_say(plan_of: Callable[..., Plan], name: str) -> None:
    """Each is refused before anything is walked, with the place in the file."""
    change, told = FAULTS[name]
    with pytest.raises(FaultyFile, match=r"rollback.yaml:\d+:\d+") as refused:
        plan_of({**STEP, **change})
    assert told in str(refused.value)


def test_two_steps_of_one_id(plan_of: Callable[..., Plan]) -> None:
    """A record must say which step it is about."""
    with pytest.raises(FaultyFile, match="two steps have the id one"):
        plan_of(STEP, STEP)


@pytest.mark.parametrize("raw", ["", "[]", "version: 1\n", "version: 1\ntitle: x\nsteps: []\n", "a: [\n"])
def test_no_plan(tmp_path: Path, raw: str) -> None:
    """An empty, a foreign and a broken file are told, and a missing one too."""
    path = tmp_path / "p.yaml"
    path.write_text(raw)
    with pytest.raises(FaultyFile):
        plans.read(path, {}, root=tmp_path)
    with pytest.raises(FaultyFile, match="does not exist"):
        plans.read(tmp_path / "missing.yaml", {}, root=tmp_path)


class World:
    """A walk in a test: who agrees to what, and everything that was told."""

    def __init__(self, plan: Plan, folder: Path, refuse: tuple[str, ...] = (), failing_items: tuple[str, ...] = ()) -> None:
        self.told: list[str] = []
        self.asked: list[str] = []
        self.refuse = refuse
        self.ticks = 0
        self.journal = Journal(folder / "journal.jsonl")
        self.walker = Walker(
            plan=plan, journal=self.journal, operator="alice", folder=folder, environ=os.environ, agree=self.agree,
            tell=self.told.append, check=lambda item: "it is red" if item in failing_items else "", now=self.now,
        )  # fmt: skip

    def now(self) -> datetime:
        self.ticks += 1
        return NOW + timedelta(seconds=self.ticks)

    def agree(self, step: Step, number: int) -> bool:
        self.asked.append(step.id)
        return step.id not in self.refuse

    def walk(self, only: Step | None = None) -> bool:
        story = story_of(self.journal, self.told.append) or self.walker.begin("prices")
        return self.walker.go_on(story, only=only)


def steps(*ids: str, **change: Any) -> list[dict[str, Any]]:
    words = [sys.executable, "-c", "import sys; open('log', 'a').write(sys.argv[1])"]
    return [{**STEP, "id": one, "run": [*words, one], **change} for one in ids]


def test_steps_are_walked_once_and_in_order(plan_of: Callable[..., Plan], tmp_path: Path) -> None:
    """What was done is not done again, and the walk goes on at the step that was refused, from the journal alone."""
    plan = plan_of(*steps("a", "b", "c"))
    first = World(plan, tmp_path, refuse=("b",))
    assert not first.walk()
    assert (tmp_path / "log").read_text() == "a"
    second = World(plan, tmp_path)
    assert second.walk()
    assert second.asked == ["b", "c"]
    assert (tmp_path / "log").read_text() == "abc"


def test_a_step_that_is_not_verified_is_not_done(plan_of: Callable[..., Plan], tmp_path: Path) -> None:
    """A verification that says no stops the walk, whatever the command said; the next walk begins with that step."""
    plan = plan_of(
        *steps("a", verify={"command": [sys.executable, "-c", "print('still live'); raise SystemExit(1)"]}), *steps("b")
    )
    world = World(plan, tmp_path)
    assert not world.walk()
    assert any("NOT done" in line and "still live" in line for line in world.told)
    again = World(plan, tmp_path)
    assert not again.walk()
    assert again.asked == ["a"]
    assert (tmp_path / "log").read_text() == "aa"


@pytest.mark.parametrize(
    ("run", "told"),
    [
        (["false"], "ended with 1"),
        (["/no/such/program"], "could not be started"),
        ([sys.executable, "-c", "import time; time.sleep(99)"], "did not end"),
    ],
    ids=["fails", "missing", "hangs"],
)
def test_a_command_that_goes_wrong_is_not_verified_away(
    plan_of: Callable[..., Plan], tmp_path: Path, run: list[str], told: str
) -> None:
    """A command that fails, is missing or hangs leaves its step undone even if the verification would pass."""
    world = World(plan_of({**STEP, "run": run, "timeout": "1s"}), tmp_path)
    assert not world.walk()
    assert any(told in line for line in world.told)
    story = story_of(world.journal, world.told.append)
    assert story is not None
    assert set(story.steps.values()) == {"failed"}


def test_an_item_verifies(plan_of: Callable[..., Plan], tmp_path: Path) -> None:
    """A step whose item passes is done, and one whose item fails is not."""
    plan = plan_of({**STEP, "verify": {"item": "quiet"}})
    assert not World(plan, tmp_path, failing_items=("quiet",)).walk()
    assert World(plan, tmp_path).walk()


def test_a_step_that_was_changed_is_another(plan_of: Callable[..., Plan], tmp_path: Path) -> None:
    """A step that says something else than when it was done is asked for again; an address that changed makes no other step."""
    assert World(plan_of({**STEP, "run": ["echo", "${api}"]}, api="one"), tmp_path).walk()
    same = World(plan_of({**STEP, "run": ["echo", "${api}"]}, api="two"), tmp_path)
    same.walk()
    assert same.asked == []
    other = World(plan_of({**STEP, "run": ["echo", "more", "${api}"]}, api="two"), tmp_path)
    other.walk()
    assert other.asked == ["one"]


def test_a_step_whose_end_nobody_saw_is_done_again(plan_of: Callable[..., Plan], tmp_path: Path) -> None:
    """A record that it was begun is no record that it was done."""
    plan = plan_of(*steps("a"))
    world = World(plan, tmp_path)
    story = world.walker.begin("x")
    detail = {"rollback": story.id, "step": 1, "id": "a", "digest": plan.steps[0].digest, "state": "begun"}
    world.journal.append(events.ROLLBACK_STEP, detail, NOW)
    assert world.walk()
    assert world.asked == ["a"]


def test_one_step_alone(plan_of: Callable[..., Plan], tmp_path: Path) -> None:
    """A step that is named is walked even if it is done, and no other is."""
    plan = plan_of(*steps("a", "b"))
    World(plan, tmp_path).walk()
    world = World(plan, tmp_path)
    assert world.walk(only=plan.step(1))
    assert world.asked == ["a"]


def test_a_rollback_that_ended_is_not_gone_on_with(plan_of: Callable[..., Plan], tmp_path: Path) -> None:
    """After the end the journal knows of no open one, and after a new beginning nothing is done yet."""
    world = World(plan_of(*steps("a")), tmp_path)
    world.walk()
    story = story_of(world.journal, world.told.append)
    assert story is not None
    assert world.walker.is_over(story)
    world.walker.end(story, "none")
    assert story_of(world.journal, world.told.append) is None
    assert [entry.event for entry in world.journal.entries()] == [
        "rollback-begun",
        "rollback-step",
        "rollback-step",
        "rolled-back",
    ]


def test_a_journal_that_cannot_be_written_does_not_hold_it_up(plan_of: Callable[..., Plan], tmp_path: Path) -> None:
    """Every step is walked, and each record that is missing is told."""
    (tmp_path / "journal.jsonl").mkdir()
    world = World(plan_of(*steps("a", "b")), tmp_path)
    assert world.walk()
    assert (tmp_path / "log").read_text() == "ab"
    assert sum("tick it on paper" in line for line in world.told) == 5


ROW = "| 2026-03-04 | 09:00 UTC | prices | 12 min | none | alice |"


def test_a_row_of_the_table() -> None:
    """Date, time, trigger, duration, impact and who, in the columns of document 001; what people write stays in its cell."""
    made = {"began": NOW, "ended": NOW + timedelta(minutes=12, seconds=40), "resolved_by": "alice"}
    assert stories.row(**made, trigger="prices", impact="none") == ROW
    assert stories.row(**made, trigger="a | b\n<script>", impact="") == (
        r"| 2026-03-04 | 09:00 UTC | a \| b \<script\> | 12 min | - | alice |"
    )
    assert stories.duration(NOW, NOW + timedelta(seconds=59)) == "under a minute"
    assert stories.duration(NOW, NOW + timedelta(hours=25, minutes=1)) == "25 h 1 min"


TABLE = """\
# Rollback

| Date | Time | Trigger | Duration | Impact | Resolved By |
|------|------|---------|----------|--------|-------------|
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "",
            "# Rollback history\n\n| Date | Time | Trigger | Duration | Impact | Resolved By |\n"
            "|------|------|------|------|------|------|\n" + ROW + "\n",
        ),
        (TABLE + "| (Template for operators to fill) | | | | | |\n", TABLE + ROW + "\n"),
        (
            TABLE + "| 2025 | x | y | z | - | bob |\n\n## More\n",
            TABLE + "| 2025 | x | y | z | - | bob |\n" + ROW + "\n\n## More\n",
        ),
        (TABLE + ROW + "\n", TABLE + ROW + "\n"),
    ],
    ids=["new", "template", "after the last", "once"],
)
def test_the_table_gets_its_row(before: str, after: str) -> None:
    """The row goes behind the last one, takes the place of the template's, begins a table where there is none, and comes once."""
    assert stories.entered(before, ROW) == after


def test_the_file_of_the_table(tmp_path: Path) -> None:
    """The file is made with its folder, keeps its mode, and is replaced whole."""
    path = tmp_path / "docs" / "history.md"
    stories.enter(path, ROW)
    path.chmod(0o640)
    stories.enter(path, ROW.replace("alice", "bob"))
    assert path.read_text().count("| 2026-03-04 |") == 2
    assert path.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in path.parent.iterdir()] == ["history.md"]
