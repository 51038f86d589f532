"""Expectations: data in a checklist that says what must hold of the facts, judged by a pure function.

A mapping of paths to a scalar or list (equality, with type) or to operators, all of which must hold. Nothing is ever taken on
trust: a path that leads nowhere, a value of the wrong kind, nothing to look at or a redacted value make the outcome an *error*,
not a failure and never a pass. Expectations read redacted facts, so a secret can be checked for being there, never for its value.

==========================  ==================================================================================
``eq ne``                   the value itself, by kind: true is not 1, ``"200"`` is not 200, 1 is 1.0
``lt le gt ge between``     numbers; an argument may be text (``"0.20"``), what is found may not; both bounds count
``in not_in``               one of a list
``matches not_matches``     a regular expression, searched anywhere in the text
``starts_with ends_with``   text
``contains not_contains``   a part of a text or an element of a list; of a list of them, all or none
``len``                     of a text, list or mapping: a whole number or amounts
``sum min max``             of numbers: a number or amounts
``all any none``            each, some or no element: a scalar or operators
``unique: true``            no two elements are equal
``age``                     how long ago an instant was: ``{lt: 60s}``, at most 5 s ahead unless ``future: 1m``
``version``                 text that is a version, by a specifier of PEP 440: ``">=3.11"``; a pre-release only if it names one
``is``                      string number integer boolean list mapping null
``absent: true``            the last step of the path is not there, though its parent is
``allow_empty: true``       beside ``all none sum unique not_contains``: nothing is fine
==========================  ==================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, final

from pytest_golive.errors import Misuse
from pytest_golive.expect import ages, comparing, gathering  # noqa: F401 - each enters its operators
from pytest_golive.expect.grammar import compile_path
from pytest_golive.expect.operators import Fault, Operator, compile_operators
from pytest_golive.expect.paths import Missing, Path, PathFault, Selected
from pytest_golive.expect.schema import SCHEMA
from pytest_golive.expect.values import shown
from pytest_golive.model import Check, Facts, Judgement, Outcome

__all__ = ["SCHEMA", "Expectation", "ExpectationFaults", "Operator", "Rule", "Selected", "compile_expectation"]

FOR_MANY = ("len", "sum", "min", "max", "all", "any", "none", "unique", "contains", "not_contains", "absent")
"""Operators that a path which can select several values may have, beside `eq` and `ne` with a whole list."""

_SIMPLE = (str, int, bool, type(None))

_FOUND_LIMIT = 400


class ExpectationFaults(Misuse):
    """An expectation with faults, all told at once: `faults` holds (path of keys, message) pairs."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__("; ".join(message for _, message in faults), hint="mend each line that is named")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One path and the operators that must hold of what it selects."""

    path: Path
    operators: tuple[Operator, ...]

    def judge(self, facts: Facts, now: datetime, checks: list[Check]) -> None:
        """One line for each operator, appended to `checks`."""
        path = self.path
        if self.operators[0].word == "absent":
            checks.append(self._absence(facts))
            return
        try:
            value = path.select(facts)
        except Missing as missing:
            checks.extend(Check(path=path.text, wanted=o.wanted, found=str(missing), met=None) for o in self.operators)
            return
        for operator in self.operators:
            met, found = operator.judge(value, now)
            if len(found) > _FOUND_LIMIT:
                found = f"{found[: _FOUND_LIMIT - 40]}… ({len(found) - _FOUND_LIMIT + 40} more characters)"
            checks.append(Check(path=path.text, wanted=operator.wanted, found=found, met=met))

    def _absence(self, facts: Facts) -> Check:
        wanted = self.operators[0].wanted
        try:
            absent, value = self.path.nothing(facts)
        except Missing as missing:
            return Check(path=self.path.text, wanted=wanted, found=str(missing), met=None)
        return Check(path=self.path.text, wanted=wanted, found="nothing" if absent else shown(value), met=absent)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A compiled expectation; `rules` holds each path with its operators, in the order in which they were written."""

    rules: tuple[Rule, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths as they were written."""
        return tuple(rule.path.text for rule in self.rules)

    def judge(self, facts: Facts, now: datetime) -> Judgement:
        """Error if any line could not be told, else failed if any is unmet, else passed; never raises."""
        checks: list[Check] = []
        for rule in self.rules:
            rule.judge(facts, now, checks)
        outcome = Outcome.PASSED if checks else Outcome.ERROR
        for check in checks:
            if check.met is None:
                outcome = Outcome.ERROR
                break
            if not check.met:
                outcome = Outcome.FAILED
        return Judgement(outcome=outcome, checks=tuple(checks))

    def describe(self) -> tuple[str, ...]:
        """One line for each operator, in words: `body.age_seconds: less than 60`."""
        return tuple(f"{rule.path.text}: {operator.wanted}" for rule in self.rules for operator in rule.operators)


def compile_expectation(raw: Mapping[str, Any]) -> Expectation:
    """The expectation of a mapping as it stands in a checklist; `ExpectationFaults` with every fault there is."""
    if not isinstance(raw, Mapping):
        raise ExpectationFaults([((), "expect must be a mapping of paths")])
    faults: list[Fault] = []
    rules: list[Rule] = []
    if not raw:
        faults.append(((), "expect is empty: it would always hold"))
    for text, argument in raw.items():
        rule, wrong = _rule(text, argument)
        faults.extend(wrong)
        if rule is not None:
            rules.append(rule)
    if faults:
        raise ExpectationFaults(faults)
    return Expectation(rules=tuple(rules))


def _rule(text: str, argument: Any) -> tuple[Rule | None, tuple[Fault, ...]]:
    """The rule of one path; long lists say the same things again and again, so simple ones are remembered."""
    if type(argument) in _SIMPLE:
        return _remembered(text, ((None, type(argument), argument),))
    if isinstance(argument, Mapping):
        key = tuple([(word, type(part), part) for word, part in argument.items() if type(part) in _SIMPLE])
        if key and len(key) == len(argument):
            return _remembered(text, key)
    return _compiled(text, argument)


@lru_cache(maxsize=4096)
def _remembered(text: str, key: tuple[tuple[str | None, type, Any], ...]) -> tuple[Rule | None, tuple[Fault, ...]]:
    if key[0][0] is None:
        return _compiled(text, key[0][2])
    return _compiled(text, {word: part for word, _, part in key})


def _compiled(text: str, argument: Any) -> tuple[Rule | None, tuple[Fault, ...]]:
    if not isinstance(text, str):
        return None, (((text,), "a path must be text"),)
    try:
        path = compile_path(text)
    except PathFault as error:
        return None, (((text,), str(error)),)
    faults: list[Fault] = []
    operators = compile_operators(argument, faults, (text,))
    if not faults:
        _fit(path, operators, isinstance(argument, Mapping), faults)
    return (None if faults else Rule(path=path, operators=operators)), tuple(faults)


def _fit(path: Path, operators: tuple[Operator, ...], mapping: bool, faults: list[Fault]) -> None:
    """Operators that have no meaning for what the path selects."""
    for operator in operators:
        word = operator.word
        at = (path.text, word) if mapping else (path.text,)
        whole = word in ("eq", "ne") and isinstance(operator.argument, tuple)
        if path.many and word not in FOR_MANY and not whole:
            faults.append((at, f"{path.text} can select several values: ask `all`, `any` or `none` of them"))
        if word == "absent" and not path.ends_in_a_name:
            faults.append((at, "absent: the path must end in a name or an index; of a list ask `len: 0`"))
