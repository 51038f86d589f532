"""Values near a value: what an operator should notice, made from what it was given as bounds and words.

The pool is small and the same for every operator: just below and above each number, before and after each duration, the words
themselves and words near them, lists that are shorter, longer, empty, doubled or spoilt in one place.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from pytest_golive.drill.samples import sample
from pytest_golive.expect.operators import Operator
from pytest_golive.expect.values import kind
from pytest_golive.quantities import exact_seconds

STEPS = (Decimal(1), Decimal("0.000001"))
LONGEST = 20_000
"""Elements of a list that is made to pass a bound of its length."""

FAR = timedelta(days=36500)
SECOND = timedelta(seconds=1)
OTHER = "golive-drill"
_VERSIONS = ("0.0.1", "9999.0")


def changed(value: Any, operator: Operator, now: datetime) -> Iterator[Any]:
    """Values of the same kind, none of which is equal to `value`, made from what the operator was given."""
    given = tuple(_constants(operator.argument)) + tuple(_patterns(operator.argument))
    return (one for one in _near(value, given, now) if kind(one) != kind(value) or one != value)


def misshapen(value: Any) -> Iterator[Any]:
    """Values of every other kind, and an empty one of its own."""
    shapes: Sequence[Any] = (None, True, 7, OTHER, [], {})
    return (one for one in shapes if kind(one) != kind(value))


def _near(value: Any, given: Sequence[Any], now: datetime) -> Iterator[Any]:
    what = kind(value)
    if what == "boolean":
        yield not value
    elif what == "number":
        yield from _numbers([value, *given])
        ages = [age for one in given if (age := _duration(one)) is not None]
        yield from (int((now - age).timestamp()) + by for age in ages for by in (-2, 2))
    elif what == "text":
        yield from _texts(value, given, now)
    elif what == "list":
        yield from _lists(list(value), given, now)
    elif what == "mapping":
        yield from _mappings(dict(value), given, now)
    else:
        yield from (OTHER, 7, *given)


def _numbers(given: Sequence[Any]) -> Iterator[Any]:
    for one in given:
        number = _number(one)
        if number is not None:
            yield from (number, *(number + sign * step for step in STEPS for sign in (-1, 1)), -number)
    yield from (0, 10**12, -(10**12))


def _texts(value: str, given: Sequence[Any], now: datetime) -> Iterator[str]:
    yield from (f"{value}~", f"~{value}", "", OTHER, value[:-1])
    for one in given:
        if isinstance(one, str):
            yield from (one, f"{value}{one}", f"{value}\n{one}", f"{one}{value}")
            yield from _VERSIONS
        duration = _duration(one)
        if duration is not None:
            yield from ((now - duration + sign * SECOND).isoformat() for sign in (-1, 1))
        length = _number(one)
        if length is not None and 0 <= length < LONGEST:
            yield from (OTHER[:1] * (int(length) + by) for by in (-1, 0, 1) if length + by >= 0)
    if given and _is_instant(value):
        yield from ((now - FAR).isoformat(), (now + timedelta(days=1)).isoformat())


def _lists(value: list[Any], given: Sequence[Any], now: datetime) -> Iterator[list[Any]]:
    yield from ([], value[:-1], value[1:], value + value, [*value, OTHER])
    yield from ([*value, one] for one in given)
    for length in given:
        number = _number(length)
        if number is not None and 0 <= number < LONGEST:
            filling = value or [OTHER]
            yield from (list(itertools.islice(itertools.cycle(filling), max(0, int(number) + by))) for by in (-1, 0, 1))
    if not value:
        # of what kind its elements would be cannot be seen
        yield from ([other] for kind_ in ("", 0) for other in itertools.islice(_near(kind_, given, now), 60))
    for index in {0, len(value) - 1} if value else ():
        for other in itertools.islice(_near(value[index], given, now), 60):
            yield [*value[:index], other, *value[index + 1 :]]
    yield from ([other] * len(value) for other in itertools.islice(_near(value[0] if value else None, given, now), 60))


def _mappings(value: dict[str, Any], given: Sequence[Any], now: datetime) -> Iterator[dict[str, Any]]:
    yield {}
    yield {**value, OTHER: OTHER}
    yield from ({key: part for key, part in value.items() if key != name} for name in value)
    yield from ({**value, one: OTHER} for one in given if isinstance(one, str))
    for name, part in value.items():
        yield from ({**value, name: other} for other in itertools.islice(_near(part, given, now), 10))


def _constants(argument: Any) -> Iterator[Any]:
    """Every scalar in an operator's argument, at any depth."""
    if isinstance(argument, Mapping):
        for part in argument.values():
            yield from _constants(part)
    elif isinstance(argument, (list, tuple)):
        for part in argument:
            yield from _constants(part)
    else:
        yield argument


def _patterns(argument: Any) -> Iterator[str]:
    """A text that matches, for every text in the argument that is a pattern."""
    for one in _constants(argument):
        if isinstance(one, str):
            try:
                yield sample(one)
            except (re.error, ValueError, OverflowError, RecursionError):
                continue


def _number(value: Any) -> int | Decimal | None:
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) < 40:
        try:
            number = Decimal(value)
        except InvalidOperation:
            return None
        return number if number.is_finite() else None
    return None


def _duration(value: Any) -> timedelta | None:
    try:
        return timedelta(seconds=float(exact_seconds(value))) if isinstance(value, str) else None
    except ValueError:
        return None


def _is_instant(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True
