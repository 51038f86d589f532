"""Operators that hold one value against the checklist: equality, order, membership, text, containment, kind, absence."""

from __future__ import annotations

import difflib
from datetime import datetime
from typing import Any

from pytest_golive.expect.amounts import amount, number_from
from pytest_golive.expect.operators import Operator, Task, Tell, constant, makes
from pytest_golive.expect.paths import Selected
from pytest_golive.expect.patterns import MAX_SEARCHED, compile_pattern
from pytest_golive.expect.values import REDACTED, Undecidable, described, equal, kind, number, plain_text, shown

KINDS = {
    "string": "text", "number": "number", "integer": "number", "boolean": "boolean",
    "list": "list", "mapping": "mapping", "null": "null",
}  # fmt: skip
"""The words of `is`, and the kinds they mean."""


def _same_kind(wanted: tuple[Any, ...], found: Any) -> None:
    """`Undecidable` if what was found is of another kind than all that it is held against: then *no* means nothing.

    Null too is another kind: a field that somebody forgot to fill is not a field with another value.
    """
    what = kind(found)
    if all(kind(one) not in (what, "null") for one in wanted):
        raise Undecidable(f"{described(found)}, of another kind than what it is compared with")


def _with_kind(wanted: Any) -> Tell:
    """Shows what was found, with its kind where that is what differs."""
    expected = kind(wanted)
    return lambda value, _now, _met: shown(value) if kind(value) == expected else described(value)


@makes("eq")
def _equality(task: Task) -> Operator:
    wanted = constant(task.argument)
    what, strict = kind(wanted), task.strict
    # the types whose own == means the same as `equal`: nearly every check in a list ends here
    quick: tuple[type, ...] = () if what in ("list", "mapping") else (int,) if what == "number" else (type(wanted),)

    def test(value: Any, _now: datetime) -> bool:
        if type(value) in quick and value != REDACTED:
            return bool(value == wanted)
        same = equal(wanted, value)
        if strict and not same:
            _same_kind((wanted,), value)
        return same

    return task.operator(f"= {shown(wanted)}", test, _with_kind(wanted))


@makes("ne")
def _difference(task: Task) -> Operator:
    unwanted = constant(task.argument)

    def test(value: Any, _now: datetime) -> bool:
        if equal(unwanted, value):
            return False
        _same_kind((unwanted,), value)
        return True

    return task.operator(f"not {shown(unwanted)}", test)


@makes("lt", "le", "gt", "ge", "between")
def _order(task: Task) -> Operator:
    wanted, compare = amount(task.word, task.argument, number_from, shown)
    return task.operator(wanted, lambda value, _now: compare(number(value)))


@makes("in", "not_in")
def _membership(task: Task) -> Operator:
    if not isinstance(task.argument, (list, tuple)) or not task.argument:
        raise ValueError("must be a list with at least one element")
    members, negative = tuple(constant(task.argument)), task.word == "not_in"
    strict = negative or task.strict

    def test(value: Any, _now: datetime) -> bool:
        among = any(equal(one, value) for one in members)
        if strict and not among:
            _same_kind(members, value)
        return among is not negative

    names = ", ".join(shown(one) for one in members)
    return task.operator(f"none of {names}", test) if negative else task.operator(f"one of {names}", test, _with_kind(members[0]))


@makes("matches", "not_matches")
def _pattern(task: Task) -> Operator:
    pattern, negative = compile_pattern(task.argument), task.word == "not_matches"

    def test(value: Any, _now: datetime) -> bool:
        text = plain_text(value)
        if len(text) > MAX_SEARCHED:
            raise Undecidable(f"a text of {len(text)} characters, of which only {MAX_SEARCHED} can be searched")
        return (pattern.search(text) is None) is negative

    return task.operator(f"{'no ' if negative else ''}match of /{pattern.pattern}/", test)


@makes("starts_with", "ends_with")
def _edge(task: Task) -> Operator:
    edge = task.argument
    if not isinstance(edge, str) or not edge:
        raise ValueError("must be a text that is not empty")
    if task.word == "starts_with":
        return task.operator(f"text that starts with {shown(edge)}", lambda value, _now: plain_text(value).startswith(edge))
    return task.operator(f"text that ends with {shown(edge)}", lambda value, _now: plain_text(value).endswith(edge))


@makes("contains", "not_contains")
def _containment(task: Task) -> Operator:
    argument, negative = constant(task.argument), task.word == "not_contains"
    several = argument if isinstance(argument, list) else [argument]
    if not several or "" in several:
        raise ValueError("must name something: everything contains nothing")
    strict = negative or task.strict

    def has(value: Any, one: Any) -> bool:
        if isinstance(value, str):
            if not isinstance(one, str):
                raise Undecidable(f"{described(value)}, in which only text can be contained")
            return one in plain_text(value)
        hidden: Undecidable | None = None
        for part in value:
            try:
                if equal(one, part):
                    return True
            except Undecidable as doubt:
                hidden = doubt
        if hidden is not None:
            raise hidden
        others = {kind(part) for part in value} - {"null"}
        if strict and one is not None and others and kind(one) not in others:
            raise Undecidable(f"{shown(value)}, all of another kind than {described(one)}")
        return False

    def test(value: Any, _now: datetime) -> bool:
        if not isinstance(value, (str, list, tuple)):
            raise Undecidable(f"{described(value)}, which is neither text nor a list")
        if not isinstance(value, str) and not value and not task.allow_empty and (strict or isinstance(value, Selected)):
            raise Undecidable("no elements")
        held = [has(value, one) for one in several]
        return not any(held) if negative else all(held)

    def tell(value: Any, _now: datetime, met: bool) -> str:
        if met:
            return shown(value)
        wrong = ", ".join(shown(one) for one in several if has(value, one) is negative)
        return f"{wrong} in {shown(value)}" if negative else f"no {wrong} in {shown(value)}"

    names = ", ".join(shown(one) for one in several)
    return task.operator(f"{'without' if negative else 'with'} {names}", test, tell)


@makes("version")
def _version(task: Task) -> Operator:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        wanted = SpecifierSet(task.argument) if isinstance(task.argument, str) else SpecifierSet()
    except InvalidSpecifier as error:
        raise ValueError(f"is no version specifier of PEP 440: {error}") from None
    if not len(wanted):
        raise ValueError('must be a version specifier as text, such as ">=3.11" or ">=2,<3"')

    early = any(each.prereleases for each in wanted)

    def test(value: Any, _now: datetime) -> bool:
        text = plain_text(value)
        try:
            found = Version(text)
        except InvalidVersion:
            raise Undecidable(f"{described(value)}, which is no version by PEP 440") from None
        return wanted.contains(found, prereleases=early)

    return task.operator(f"version {task.argument}", test)


@makes("is")
def _is(task: Task) -> Operator:
    name = "null" if task.argument is None else task.argument
    if not isinstance(name, str) or name not in KINDS:
        near = difflib.get_close_matches(str(name), KINDS, n=1, cutoff=0.6)
        raise ValueError(f"must be one of {', '.join(KINDS)}" + (f" - did you mean {near[0]!r}?" if near else ""))
    wanted = KINDS[name]

    def test(value: Any, _now: datetime) -> bool:
        if kind(value) == "other":
            raise Undecidable(shown(value))
        if kind(value) != wanted:
            return False
        return name != "integer" or isinstance(value, int) or bool(number(value) == value.to_integral_value())

    return task.operator(f"of kind {name}", test, lambda value, _now, _met: described(value))


@makes("absent")
def _absent(task: Task) -> Operator:
    if task.argument is not True:
        raise ValueError("can only be true; every other operator already wants the path to be there")
    return task.operator("absent", lambda _value, _now: False)
