"""The engine: side by side, bounded in time, acting items alone, requirements first."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pytest_golive.errors import ProbeError
from pytest_golive.model import (
    Check,
    Context,
    Eventually,
    Facts,
    Finding,
    Item,
    Judgement,
    Outcome,
    Phase,
    Place,
    Severity,
    Source,
)
from pytest_golive.redaction import Redactor
from pytest_golive.trial import Surroundings, Trial, engine


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
        met = facts.get("ok")
        outcome = {True: Outcome.PASSED, False: Outcome.FAILED, None: Outcome.ERROR}[met]
        return Judgement(outcome=outcome, checks=(Check(path="ok", wanted="true", found=str(met), met=met),))


def item(identity: str, doing: Callable[[Context], Facts], **more: Any) -> Item:
    fields: dict[str, Any] = {"timeout": 5.0, **more}
    return Item(
        id=identity,
        declared=identity.split("[")[0],
        title=identity,
        severity=Severity.CRITICAL,
        phase=Phase.PRE_DEPLOY,
        owner="o",
        source=Source(document="0", section="s"),
        why="w",
        fix="f",
        kind="env",
        probe=Look(doing),
        expect=Truth(),
        checklist="c",
        place=Place(file="c.yaml", line=1),
        **fields,
    )


def around(**more: Any) -> Surroundings:
    fields: dict[str, Any] = {"jobs": 8, **more}
    return Surroundings(root=Path(), environ={}, now=lambda: datetime.now(UTC), redactor=Redactor(), **fields)


def run(items: list[Item], **more: Any) -> dict[str, Finding]:
    engine = Trial(items, around(**more))
    try:
        engine.begin([one.id for one in items])
        return {one.id: engine.finding(one.id) for one in items}
    finally:
        engine.close()


def passing(_: Context) -> Facts:
    return {"ok": True}


def failing(_: Context) -> Facts:
    return {"ok": False}


def test_facts_become_findings() -> None:
    """A finding has the outcome of the expectation and the evidence it rests on."""
    found = run([item("a", passing), item("b", failing), item("c", lambda _: {"other": 1})])
    assert [finding.outcome for finding in found.values()] == [Outcome.PASSED, Outcome.FAILED, Outcome.ERROR]
    assert found["a"].evidence is not None
    assert found["a"].evidence.facts == {"ok": True}
    assert found["b"].reason == "ok: wanted true, found False"


def test_all_reads_are_under_way_at_once() -> None:
    """Every read-only probe has started before any of them needs to end."""
    meet = threading.Barrier(8)

    def together(_: Context) -> Facts:
        meet.wait(10)
        return {"ok": True}

    found = run([item(f"i{n}", together, timeout=12.0) for n in range(8)])
    assert {finding.outcome for finding in found.values()} == {Outcome.PASSED}


def test_no_more_than_jobs_at_once() -> None:
    """The pool is bounded by the number of jobs."""
    lock, now, most = threading.Lock(), [0], [0]

    def counted(_: Context) -> Facts:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.01)
        with lock:
            now[0] -= 1
        return {"ok": True}

    run([item(f"i{n}", counted) for n in range(20)], jobs=3)
    assert 1 <= most[0] <= 3


def test_an_item_waits_for_what_it_requires() -> None:
    """A requirement has its finding before the item looks, whatever the order of the list."""
    order: list[str] = []

    def told(name: str) -> Callable[[Context], Facts]:
        def look(_: Context) -> Facts:
            order.append(name)
            return {"ok": True}

        return look

    run(
        [
            item("above", told("above"), requires=("middle",)),
            item("middle", told("middle"), requires=("base",)),
            item("base", told("base")),
        ]
    )
    assert order == ["base", "middle", "above"]


@pytest.mark.parametrize("bad", [failing, lambda _: {"no": 1}])
def test_a_requirement_in_doubt_blocks(bad: Callable[[Context], Facts]) -> None:
    """An item whose requirement is not passed does not look at all, and neither does what rests on it."""
    looked: list[int] = []

    def look(_: Context) -> Facts:
        looked.append(1)
        return {"ok": True}

    found = run([item("base", bad), item("middle", look, requires=("base",)), item("above", look, requires=("middle",))])
    assert (found["middle"].outcome, found["above"].outcome) == (Outcome.BLOCKED, Outcome.BLOCKED)
    assert "base" in found["middle"].reason
    assert "middle" in found["above"].reason
    assert looked == []


def test_a_requirement_is_looked_at_even_if_nobody_asked() -> None:
    """Asking for one item is enough to find out about what it requires."""
    engine = Trial([item("base", failing), item("above", passing, requires=("base",))], around())
    assert engine.finding("above").outcome is Outcome.BLOCKED
    engine.close()


def test_a_requirement_means_every_instance() -> None:
    """To require an item of several instances is to require all of them."""
    found = run([item("b[x]", passing), item("b[y]", failing), item("above", passing, requires=("b",))])
    assert found["above"].outcome is Outcome.BLOCKED
    assert "b[y]" in found["above"].reason


def test_a_probe_error_is_an_error() -> None:
    """What could not be seen is an error with the hint, never a failure and never a pass."""

    def blind(_: Context) -> Facts:
        raise ProbeError("no light", hint="switch it on")

    found = run([item("a", blind)])
    assert found["a"].outcome is Outcome.ERROR
    assert found["a"].reason == "no light (switch it on)"


def test_a_broken_probe_is_an_error() -> None:
    """A bug in a probe is the item's error, and the others go on."""

    def broken(_: Context) -> Facts:
        raise KeyError("oops")

    found = run([item("a", broken), item("b", passing)])
    assert (found["a"].outcome, found["b"].outcome) == (Outcome.ERROR, Outcome.PASSED)
    assert "KeyError" in found["a"].reason


def test_a_hanging_probe_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe that ignores its deadline is told as timed out, and the pool keeps working for those behind it."""
    monkeypatch.setattr(engine, "GRACE", 0.05)
    forever = threading.Event()

    def hang(_: Context) -> Facts:
        forever.wait(60)
        return {"ok": True}

    found = run(
        [item(f"h{n}", hang, timeout=0.05) for n in range(3)] + [item("z", passing), item("y", passing, requires=("h0",))], jobs=2
    )
    forever.set()
    assert {found[f"h{n}"].outcome for n in range(3)} == {Outcome.ERROR}
    assert "timed out" in found["h0"].reason
    assert (found["z"].outcome, found["y"].outcome) == (Outcome.PASSED, Outcome.BLOCKED)


def test_what_may_take_longest_starts_first() -> None:
    """With one job, items begin in the order of the time they may take, and are still reported as they were asked for."""
    began: list[str] = []

    def noted(name: str) -> Callable[[Context], Facts]:
        def look(_: Context) -> Facts:
            began.append(name)
            return {"ok": True}

        return look

    again = Eventually(within=20.0, every=0.1, stable_for=1)
    items = [
        item("short", noted("short"), timeout=1.0),
        item("long", noted("long"), timeout=9.0),
        item("patient", noted("patient"), timeout=2.0, eventually=again),
        item("short-too", noted("short-too"), timeout=1.0),
    ]
    found = run(items, jobs=1)
    assert began == ["patient", "long", "short", "short-too"]
    assert list(found) == [one.id for one in items]


def test_acting_items_are_alone() -> None:
    """While an item acts nothing else looks, and two never act at the same time."""
    busy: list[str] = []
    seen: list[int] = []
    lock = threading.Lock()

    def busily(name: str) -> Callable[[Context], Facts]:
        def look(_: Context) -> Facts:
            with lock:
                busy.append(name)
                if name.startswith("act"):
                    seen.append(len(busy))
            time.sleep(0.02)
            with lock:
                if name.startswith("act"):
                    seen.append(len(busy))
                busy.remove(name)
            return {"ok": True}

        return look

    items = [
        item("act-1", busily("act-1"), acts=True),
        *(item(f"r{n}", busily(f"r{n}")) for n in range(6)),
        item("act-2", busily("act-2"), acts=True),
    ]
    found = run(items, allow_acting=True)
    assert {finding.outcome for finding in found.values()} == {Outcome.PASSED}
    assert seen == [1, 1, 1, 1]


def test_acting_needs_permission() -> None:
    """Where the target does not allow it, an acting item does not look, is not run, and blocks what rests on it."""
    looked: list[int] = []

    def look(_: Context) -> Facts:
        looked.append(1)
        return {"ok": True}

    found = run([item("act", look, acts=True), item("above", look, requires=("act",))])
    assert (found["act"].outcome, found["above"].outcome) == (Outcome.NOT_RUN, Outcome.BLOCKED)
    assert looked == []


def test_what_rests_on_acting_items_waits_for_them() -> None:
    """An item that requires acting ones can be asked for first; they act, one after the other, and then it looks."""
    order: list[str] = []

    def told(name: str) -> Callable[[Context], Facts]:
        def look(_: Context) -> Facts:
            order.append(name)
            return {"ok": True}

        return look

    items = [
        item("above", told("above"), requires=("act-1", "act-2", "read")),
        item("read", told("read")),
        item("act-1", told("act-1"), acts=True),
        item("act-2", told("act-2"), acts=True, requires=("act-1",)),
    ]
    found = run(items, allow_acting=True)
    assert {finding.outcome for finding in found.values()} == {Outcome.PASSED}
    assert order == ["read", "act-1", "act-2", "above"]


@dataclass
class Turning:
    """Facts that change from look to look."""

    values: list[bool]
    looks: list[bool] = field(default_factory=list)

    def __call__(self, _: Context) -> Facts:
        self.looks.append(self.values[min(len(self.looks), len(self.values) - 1)])
        return {"ok": self.looks[-1]}


def test_eventually_looks_until_it_is_stable() -> None:
    """It passes only after `stable_for` passes in a row, and every look is in the evidence."""
    turning = Turning([False, True, False, True, True, True])
    found = run([item("a", turning, eventually=Eventually(within=20, every=0.001, stable_for=3))])["a"]
    assert found.outcome is Outcome.PASSED
    assert found.evidence is not None
    assert found.evidence.attempts == 6
    assert [attempt.outcome for attempt in found.evidence.history][:2] == [Outcome.FAILED, Outcome.PASSED]


def test_eventually_ends() -> None:
    """What never becomes true fails when its time is over, and says how often it looked."""
    found = run([item("a", Turning([False]), eventually=Eventually(within=0.05, every=0.01))])["a"]
    assert found.outcome is Outcome.FAILED
    assert "looks within 0.05 s" in found.reason


def test_unstable_is_not_passed() -> None:
    """What flickers until the end fails although its last look passed."""
    found = run([item("a", Turning([True]), eventually=Eventually(within=0.03, every=0.02, stable_for=50))])["a"]
    assert found.outcome is Outcome.FAILED
    assert "times in a row" in found.reason


def test_eventually_retries_what_could_not_be_seen() -> None:
    """A probe error inside the time is looked at again."""
    calls: list[int] = []

    def late(_: Context) -> Facts:
        calls.append(1)
        if len(calls) < 3:
            raise ProbeError("not yet", hint="wait")
        return {"ok": True}

    assert run([item("a", late, eventually=Eventually(within=20, every=0.001))])["a"].outcome is Outcome.PASSED


def test_an_item_is_looked_at_once() -> None:
    """Asking twice gives the same finding without a second look."""
    turning = Turning([True])
    engine = Trial([item("a", turning)], around())
    assert engine.finding("a") is engine.finding("a")
    assert len(turning.looks) == 1
    engine.close()
