"""Operators over what a value or a path holds: its length, the sum, smallest and largest, each, some or none of its elements.

Over nothing they say nothing: no elements is an error, because `all` over an empty list is how a check of a renamed field stays
green for years. `allow_empty: true` beside them says that nothing is fine.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import Any

from pytest_golive.expect.amounts import number_from
from pytest_golive.expect.operators import Operator, Task, compile_operators, holds, joined, makes, measured, place
from pytest_golive.expect.values import Undecidable, described, identity, kind, number, plain_text, shown

LONGEST = 10**12
"""The largest length that can be asked for."""

_EXACT = Context(prec=1000, traps=[Inexact, InvalidOperation, Overflow])


def _length_from(value: Any) -> int:
    if kind(value) != "number" or not 0 <= number_from(value) <= LONGEST or value != int(value):
        raise ValueError(f"must be a whole number from 0, not {shown(value)}")
    return int(value)


@makes("len")
def _length(task: Task) -> Operator:
    parts = measured(task, _length_from, str)
    if parts and all(part.word == "ge" and part.argument == 0 for part in parts):
        raise ValueError("every length is at least 0, so this always holds")

    def measure(value: Any) -> int:
        if isinstance(value, str):
            return len(plain_text(value))
        if kind(value) not in ("list", "mapping"):
            raise Undecidable(f"{described(value)}, which has no length")
        return len(value)

    return task.operator(
        f"length {joined(parts)}",
        lambda value, now: holds(parts, measure(value), now),
        lambda value, _now, met: f"length {len(value)}" + ("" if met or not value else f": {shown(value)}"),
        parts,
    )


def _elements(value: Any, allow_empty: bool) -> Any:
    if not isinstance(value, (list, tuple)):
        raise Undecidable(f"{described(value)}, which is not a list")
    if not value and not allow_empty:
        raise Undecidable("no elements")
    return value


def _numbers(value: Any, allow_empty: bool) -> list[Any]:
    found = []
    for index, part in enumerate(_elements(value, allow_empty)):
        try:
            found.append(number(part))
        except Undecidable as doubt:
            raise Undecidable(f"{place(value, index)}: {doubt}") from None
    return found


def _total(numbers: list[Any]) -> Any:
    if all(isinstance(one, int) for one in numbers):
        return sum(numbers)
    total = Decimal(0)
    try:
        for one in numbers:
            total = _EXACT.add(total, one)
    except (Inexact, InvalidOperation, Overflow):
        raise Undecidable("numbers so far apart in size that they cannot be added exactly") from None
    return total


_REDUCE: dict[str, Callable[[list[Any]], Any]] = {"sum": _total, "min": min, "max": max}


@makes("sum", "min", "max")
def _aggregate(task: Task) -> Operator:
    parts = measured(task, number_from, shown)
    reduce = _REDUCE[task.word]
    empty = task.allow_empty and task.word == "sum"

    def measure(value: Any) -> Any:
        return reduce(_numbers(value, empty))

    return task.operator(
        f"{task.word} {joined(parts)}",
        lambda value, now: holds(parts, measure(value), now),
        lambda value, _now, _met: f"{task.word} {shown(measure(value))} of {_count(value)}",
        parts,
    )


def _count(value: Any) -> str:
    return "1 element" if len(value) == 1 else f"{len(value)} elements"


def _over_elements(task: Task, *, strict: bool) -> tuple[Operator, ...]:
    parts = compile_operators(task.argument, task.faults, task.at, strict=strict)
    if any(part.word == "absent" for part in parts):
        raise ValueError("an element is always there: ask `absent: true` of the path of what is not")
    return parts


@makes("all")
def _each(task: Task) -> Operator:
    parts = _over_elements(task, strict=task.strict)
    ask = _asking(parts)
    empty = task.allow_empty

    def offender(value: Any, now: datetime) -> int | None:
        """The first element that does not hold; a doubt anywhere outweighs it."""
        first = None
        for index, part in enumerate(_elements(value, empty)):
            try:
                if not ask(part, now) and first is None:
                    first = index
            except Undecidable as doubt:
                raise Undecidable(f"{place(value, index)}: {doubt}") from None
        return first

    def tell(value: Any, now: datetime, met: bool) -> str:
        index = None if met else offender(value, now)
        if index is None:
            return _count(value)
        part = value[index]
        told = next((one.tell(part, now, False) for one in parts if not one.test(part, now)), shown(part))
        return f"{place(value, index)}: {told} (of {_count(value)})"

    return task.operator(f"each element: {joined(parts)}", lambda value, now: offender(value, now) is None, tell, parts)


@makes("any", "none")
def _some(task: Task) -> Operator:
    negative = task.word == "none"
    parts = _over_elements(task, strict=negative or task.strict)
    ask = _asking(parts)
    empty = task.allow_empty and negative

    def hit(value: Any, now: datetime) -> int | None:
        """The first element that holds; without one, a doubt about any element is a doubt about all."""
        doubt: str | None = None
        for index, part in enumerate(_elements(value, empty)):
            try:
                if ask(part, now):
                    return index
            except Undecidable as unclear:
                doubt = doubt or f"{place(value, index)}: {unclear}"
        if doubt is not None:
            raise Undecidable(doubt)
        return None

    def tell(value: Any, now: datetime, _met: bool) -> str:
        index = hit(value, now)
        if index is None:
            return f"none of {_count(value)}" + (f": {shown(value)}" if value else "")
        return f"{place(value, index)}: {shown(value[index])} (of {_count(value)})"

    return task.operator(
        f"{'no' if negative else 'an'} element: {joined(parts)}",
        lambda value, now: (hit(value, now) is None) is negative,
        tell,
        parts,
    )


def _asking(parts: tuple[Operator, ...]) -> Callable[[Any, datetime], bool]:
    return parts[0].test if len(parts) == 1 else lambda value, now: holds(parts, value, now)


@makes("unique")
def _unique(task: Task) -> Operator:
    if task.argument is not True:
        raise ValueError("can only be true")

    def twice(value: Any) -> tuple[int, int] | None:
        seen: dict[Any, int] = {}
        pair = None
        for index, part in enumerate(_elements(value, task.allow_empty)):
            try:
                first = seen.setdefault(identity(part), index)
            except Undecidable as doubt:
                raise Undecidable(f"{place(value, index)}: {doubt}") from None
            if first != index and pair is None:
                pair = first, index
        return pair

    def tell(value: Any, _now: datetime, met: bool) -> str:
        pair = None if met else twice(value)
        if pair is None:
            return f"{len(value)} different"
        return f"{shown(value[pair[0]])} at {place(value, pair[0])} and at {place(value, pair[1])}"

    return task.operator("no element twice", lambda value, _now: twice(value) is None, tell)
