"""A check that cannot fail is a defect: from passing evidence, the drill changes what is read, and the verdict must turn.

Nothing here touches a target: `prove` is a pure function of an expectation and of facts that were seen. Each operator is held
against values of the kind it reads that are just past its bound, stale, empty, doubled or of other words; and each path is taken
away. An operator that holds for all of them proves nothing, however green it is (design section 9).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, final

from pytest_golive.drill.perturb import changed, misshapen
from pytest_golive.expect import Expectation, Rule
from pytest_golive.expect.operators import Operator
from pytest_golive.expect.paths import Missing
from pytest_golive.expect.values import shown
from pytest_golive.model import Facts, Outcome

OF_KIND_ONLY = frozenset({"is"})
"""Operators that ask for a kind of value, so that only a value of another kind can break them."""

IN_PLACE = "golive-drill"
"""What is put where nothing should be."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One operator: what it wants, and the change that broke it; `broken_by` is empty if none did."""

    path: str
    wanted: str
    broken_by: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the drill of one expectation showed: a line for each operator, and the paths that could be taken away unnoticed."""

    lines: tuple[Line, ...]
    unnoticed: tuple[str, ...]

    @property
    def unbroken(self) -> Sequence[Line]:
        """The operators that no change could break."""
        return [line for line in self.lines if not line.broken_by]

    @property
    def holds(self) -> bool:
        """Whether everything that is expected can also fail."""
        return bool(self.lines) and not self.unbroken and not self.unnoticed


def prove(expectation: Expectation, facts: Facts, now: datetime) -> Proof:
    """Drill an expectation that passes on these facts; ValueError if it does not."""
    if expectation.judge(facts, now).outcome is not Outcome.PASSED:
        raise ValueError("only an expectation that passes can be drilled")
    lines = [_line(rule, operator, facts, now) for rule in expectation.rules for operator in rule.operators]
    return Proof(lines=tuple(lines), unnoticed=tuple(_unnoticed(expectation, facts, now)))


def _line(rule: Rule, operator: Operator, facts: Facts, now: datetime) -> Line:
    broken = _appears(rule, facts, now) if operator.word == "absent" else _broken(rule, operator, facts, now)
    return Line(path=rule.path.text, wanted=operator.wanted, broken_by=broken)


def _broken(rule: Rule, operator: Operator, facts: Facts, now: datetime) -> str:
    """The first change that the operator notices, in words."""
    value = rule.path.select(facts)
    changes = misshapen(value) if operator.word in OF_KIND_ONLY else changed(value, operator, now)
    # what cannot be read is refused by every operator, whatever it asks: it shows that an operator looks, not that it can fail
    noticed = (shown(change) for change in changes if operator.judge(change, now)[0] is False)
    return next(noticed, "")


def _appears(rule: Rule, facts: Facts, now: datetime) -> str:
    """Something where nothing should be; the way to it is there, or the expectation would not have passed."""
    *way, last = rule.path.keys or ()
    whole: dict[str, Any] = dict(facts)
    part = whole
    for key in way:
        part[key] = dict(part[key])
        part = part[key]
    part[last] = IN_PLACE
    return f"{last}: {IN_PLACE}" if Expectation(rules=(rule,)).judge(whole, now).outcome is not Outcome.PASSED else ""


def _unnoticed(expectation: Expectation, facts: Facts, now: datetime) -> Sequence[str]:
    """The facts that an expectation reads, and that can be missing, or null, without its saying so."""
    missed = []
    for rule in expectation.rules:
        if rule.operators[0].word == "absent":
            continue
        for name in _first(rule, facts):
            without: Mapping[str, Any] = {key: value for key, value in facts.items() if key != name}
            null: Mapping[str, Any] = {**facts, name: None}
            if any(
                expectation.judge(changed_, now).outcome is Outcome.PASSED for changed_ in (without, null) if changed_ != facts
            ):
                missed.append(f"{rule.path.text} ({name})")
    return missed


def _first(rule: Rule, facts: Facts) -> Sequence[str]:
    """The names at the top of the facts without which the path leads nowhere."""
    names = []
    for name in facts:
        try:
            rule.path.select({key: value for key, value in facts.items() if key != name})
        except Missing:
            names.append(name)
    return names
