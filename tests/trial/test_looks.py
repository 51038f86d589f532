"""Equal probes look once in a run, and every item that shares the look judges the same evidence."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pytest_golive import probes
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
from pytest_golive.probes.base import ProbeModel
from pytest_golive.redaction import Redactor
from pytest_golive.trial import Surroundings, Trial, engine

PASSED, FAILED, ERROR, BLOCKED = Outcome.PASSED, Outcome.FAILED, Outcome.ERROR, Outcome.BLOCKED


class Counted(ProbeModel):
    """A probe that counts its looks, and does what the test wants of its name."""

    word: ClassVar[str] = "counted"
    looks: ClassVar[list[str]] = []
    doing: ClassVar[dict[str, Callable[[], Facts]]] = {}

    name: str

    def look(self, context: Context) -> Facts:
        self.looks.append(self.name)
        return self.doing[self.name]() if self.name in self.doing else {"number": len(self.looks)}


@pytest.fixture(autouse=True)
def _fresh() -> None:
    Counted.looks.clear()
    Counted.doing.clear()


@dataclass
class Number:
    """An expectation that holds if the fact `number` is what is wanted."""

    wanted: int

    def judge(self, facts: Facts, now: datetime) -> Judgement:
        met = facts["number"] == self.wanted
        check = Check(path="number", wanted=str(self.wanted), found=str(facts["number"]), met=met)
        return Judgement(outcome=PASSED if met else FAILED, checks=(check,))


def item(identity: str, name: str = "same", wanted: int = 1, **more: Any) -> Item:
    fields: dict[str, Any] = {"timeout": 5.0, **more}
    return Item(
        id=identity, declared=identity, title=identity, severity=Severity.CRITICAL, phase=Phase.PRE_DEPLOY, owner="o",
        source=Source(document="0", section="s"), why="w", fix="f", kind="counted", probe=Counted(name=name),
        expect=Number(wanted), checklist="c", place=Place(file="c.yaml", line=1), **fields,
    )  # fmt: skip


def run(items: list[Item], **more: Any) -> dict[str, Finding]:
    fields: dict[str, Any] = {"jobs": 8, **more}
    trial = Trial(
        items,
        Surroundings(root=Path(), environ={}, now=lambda: datetime.now(UTC), redactor=Redactor(), allow_acting=True, **fields),
    )
    try:
        trial.begin([one.id for one in items])
        return {one.id: trial.finding(one.id) for one in items}
    finally:
        trial.close()


def outcomes(found: dict[str, Finding]) -> list[Outcome]:
    return [finding.outcome for finding in found.values()]


def test_equal_probes_look_once() -> None:
    """Items with the same probe share one look, and each judges it by its own expectation."""
    found = run([item("a"), item("b"), item("c", wanted=7)])
    assert Counted.looks == ["same"]
    assert outcomes(found) == [PASSED, PASSED, FAILED]
    assert found["a"].evidence is found["b"].evidence


@pytest.mark.parametrize(
    "other",
    [
        {"name": "other"},
        {"timeout": 4.0},
        {"acts": True},
        {"eventually": Eventually(within=0.01, every=0.01)},
    ],
)
def test_probes_that_differ_look_for_themselves(other: dict[str, Any]) -> None:
    """A difference in any key, in the time, in whether it acts, or a wish to look again, makes it another look."""
    run([item("a"), item("b", **other)])
    assert len(Counted.looks) >= 2


def test_an_act_is_done_once() -> None:
    """Two items that judge one act act once."""
    assert outcomes(run([item("a", acts=True), item("b", acts=True, wanted=2)])) == [PASSED, FAILED]
    assert Counted.looks == ["same"]


def test_an_act_that_is_asked_for_again_is_not_done_again() -> None:
    """An item that requires an act which it shares judges what was seen the first time."""
    assert outcomes(run([item("a", acts=True), item("b", acts=True, requires=("a",))])) == [PASSED, PASSED]
    assert Counted.looks == ["same"]


def test_what_could_not_be_seen_is_an_error_of_all() -> None:
    """A shared look that fails is an error of every item that shares it, in the same words."""

    def blind() -> Facts:
        raise ProbeError("it is dark", hint="make light")

    Counted.doing["same"] = blind
    found = run([item("a"), item("b")])
    assert outcomes(found) == [ERROR, ERROR]
    assert {finding.reason for finding in found.values()} == {"it is dark (make light)"}
    assert Counted.looks == ["same"]


def test_a_blocked_item_leads_nobody() -> None:
    """If the first of those who share a look is blocked, the next one looks."""
    found = run([item("bad", "other", wanted=99), item("a", requires=("bad",), wanted=2), item("b", wanted=2)])
    assert outcomes(found) == [FAILED, BLOCKED, PASSED]


def test_a_hanging_look_lets_everybody_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shared look that never comes back is given up for all who wait for it."""
    monkeypatch.setattr(engine, "GRACE", 0.05)
    forever = threading.Event()

    def hang() -> Facts:
        forever.wait(60)
        return {"number": 1}

    Counted.doing["same"] = hang
    found = run([item("a", timeout=0.05), item("b", timeout=0.05), item("c", timeout=0.05)])
    forever.set()
    assert outcomes(found) == [ERROR, ERROR, ERROR]
    assert all("timed out" in finding.reason for finding in found.values())


def test_a_look_that_many_wait_for_takes_no_thread_from_others() -> None:
    """Items that wait for a shared look leave the threads to those that can look."""
    gate = threading.Event()

    def slow() -> Facts:
        assert gate.wait(20)
        return {"number": 1}

    def opens() -> Facts:
        gate.set()
        return {"number": 1}

    Counted.doing.update(same=slow, opener=opens)
    found = run([*(item(f"w{n}") for n in range(6)), item("z", "opener")], jobs=2)
    assert set(outcomes(found)) == {PASSED}


def test_facts_are_judged_as_of_the_moment_they_were_seen() -> None:
    """An item that gets its turn late judges a shared look by the time of the look, so that waiting ages nothing."""
    judged: list[datetime] = []

    @dataclass
    class Noting(Number):
        def judge(self, facts: Facts, now: datetime) -> Judgement:
            judged.append(now)
            return super().judge(facts, now)

    found = run([item("a"), replace(item("b"), expect=Noting(1)), item("slow", "other", wanted=2)], jobs=1)
    evidence = found["b"].evidence
    assert evidence is not None
    assert judged == [evidence.began + timedelta(seconds=evidence.seconds)]


def test_a_long_chain_is_no_deep_stack() -> None:
    """Requirements may follow one another thousands of times, acting or not."""
    chain = [item(f"i{n}", f"n{n}", wanted=n + 1, requires=(f"i{n - 1}",) if n else ()) for n in range(3000)]
    assert set(outcomes(run(list(reversed(chain))))) == {PASSED}
    Counted.looks.clear()
    acts = [item(f"i{n}", f"n{n}", wanted=n + 1, acts=True, requires=(f"i{n - 1}",) if n else ()) for n in range(1200)]
    assert set(outcomes(run(list(reversed(acts))))) == {PASSED}


def test_what_was_written_out_is_another_look() -> None:
    """A default that is written out may mean something else than nothing said, so the two do not share a look."""

    def likeness(word: str, **fields: Any) -> str | None:
        return probes.likeness(probes.kind(word).model_validate(fields))

    assert likeness("env", name="API_KEY") == likeness("env", name="API_KEY")
    assert likeness("env", name="API_KEY") != likeness("env", name="API_KEY", secret=False)
    assert likeness("http", url="http://a") != likeness("http", url="http://a", json=None)
    said = [
        {"a": {"env": {"name": "A_KEY", **more}, "value": "value"}, "b": {"env": {"name": "B"}, "value": "value"}}
        for more in ({}, {"secret": False})
    ]
    assert likeness("agree", sources=said[0]) != likeness("agree", sources=said[1])
