"""The items of an activation: looked at side by side, judged in order, and nothing acts after a no."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pytest_golive import readiness
from pytest_golive.model import (
    Check,
    Checklist,
    Context,
    Facts,
    Item,
    Judgement,
    Outcome,
    Phase,
    Place,
    Severity,
    Source,
)
from pytest_golive.redaction import Redactor
from pytest_golive.trial import Surroundings


@dataclass
class Look:
    """A probe that does what a test wants."""

    doing: Callable[[Context], Facts]

    def look(self, context: Context) -> Facts:
        return self.doing(context)


@dataclass
class Truth:
    """An expectation that holds if the fact `ok` is true."""

    def judge(self, facts: Facts, now: datetime) -> Judgement:
        met = facts["ok"]
        checks = (Check(path="ok", wanted="true", found=str(met), met=met),)
        return Judgement(outcome=Outcome.PASSED if met else Outcome.FAILED, checks=checks)


def item(identity: str, doing: Callable[[Context], Facts], **more: Any) -> Item:
    fields: dict[str, Any] = {"timeout": 12.0, "severity": Severity.CRITICAL, "phase": Phase.ACTIVATION, **more}
    return Item(
        id=identity, declared=identity, title=identity, owner="o", source=Source(document="0", section="s"), why="w", fix="f",
        kind="env", probe=Look(doing), expect=Truth(), checklist="c", place=Place(file="c.yaml", line=1), **fields,
    )  # fmt: skip


def looked(*items: Item) -> dict[str, Outcome]:
    around = Surroundings(root=Path(), environ={}, now=lambda: datetime.now(UTC), redactor=Redactor(), allow_acting=True, jobs=8)
    one = Checklist(name="c", title="C", owner="o", path="c.yaml", sha256="0" * 64, items=items)
    return {ruling.item.id: ruling.finding.outcome for ruling in readiness.look([one], around).rulings}


def passing(_: Context) -> Facts:
    return {"ok": True}


def failing(_: Context) -> Facts:
    return {"ok": False}


def test_reads_of_an_activation_go_side_by_side() -> None:
    """Each look starts before any of them needs to end, so that an activation takes as long as its longest look."""
    meet = threading.Barrier(4)

    def together(_: Context) -> Facts:
        meet.wait(10)
        return {"ok": True}

    assert set(looked(*(item(f"i{n}", together) for n in range(4))).values()) == {Outcome.PASSED}


def test_the_first_no_ends_the_judging() -> None:
    """What comes after the first critical no is not run, whatever a look of it would have shown; a warning ends nothing."""
    warned = item("b", failing, severity=Severity.WARNING)
    assert looked(item("a", passing), warned, item("c", failing), item("d", passing), item("e", failing)) == {
        "a": Outcome.PASSED,
        "b": Outcome.FAILED,
        "c": Outcome.FAILED,
        "d": Outcome.NOT_RUN,
        "e": Outcome.NOT_RUN,
    }


@pytest.mark.parametrize("first", [passing, failing])
def test_nothing_acts_after_a_no(first: Callable[[Context], Facts]) -> None:
    """An item that acts on the target is begun when its turn comes, and never if something before it said no."""
    acted: list[str] = []

    def acting(_: Context) -> Facts:
        acted.append("acted")
        return {"ok": True}

    found = looked(item("a", first), item("b", acting, acts=True))
    assert acted == (["acted"] if first is passing else [])
    assert found["b"] is (Outcome.PASSED if first is passing else Outcome.NOT_RUN)
