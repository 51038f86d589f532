"""Which documents a filter means, and in which order they stand; pure functions over decoded BSON.

The rules are those of MongoDB's query language for the operators that are here; any other operator is refused, because a
filter that is not understood would find too much.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from bson import Binary, Decimal128, ObjectId, Regex

Document = Mapping[str, Any]

MISSING: Any = object()
"""Stands for a field that a document does not have."""

_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}


class Refused(Exception):
    """A command that the store does not carry out, with MongoDB's number for the reason."""

    def __init__(self, message: str, code: int = 2, **more: Any) -> None:
        super().__init__(message)
        self.code = code
        self.more = more


def matches(document: Document, wanted: Document) -> bool:
    """Whether the filter means this document."""
    return all(_clause(document, key, value) for key, value in wanted.items())


def reach(value: Any, parts: list[str]) -> Iterator[Any]:
    """Everything that a dotted path leads to, through each element of a list on the way; MISSING where it leads nowhere."""
    if not parts:
        yield value
    elif isinstance(value, Mapping):
        if parts[0] in value:
            yield from reach(value[parts[0]], parts[1:])
        else:
            yield MISSING
    elif isinstance(value, list):
        if parts[0].isdigit() and int(parts[0]) < len(value):
            yield from reach(value[int(parts[0])], parts[1:])
        for each in value:
            if isinstance(each, Mapping):
                yield from reach(each, parts)
    else:
        yield MISSING


def ordered(documents: Iterable[Document], by: Mapping[str, Any]) -> list[Document]:
    """The documents sorted by fields, 1 upwards and -1 downwards; the order of BSON's types decides between types."""
    listed = list(documents)
    for path, direction in reversed(by.items()):
        parts = path.split(".")
        listed.sort(key=lambda each: standing(next(reach(each, parts), MISSING)), reverse=direction < 0)
    return listed


def standing(value: Any) -> tuple[Any, ...]:
    """A key that sorts values as BSON does, and is equal for values that are equal there (1, 1.0 and Decimal128 1)."""
    if value is MISSING or value is None:
        return (1,)
    if isinstance(value, bool):
        return (8, value)
    if isinstance(value, Decimal128):
        value = value.to_decimal()
    if isinstance(value, (int, float, Decimal)):
        return (2, 0) if math.isnan(value) else (2, 1, Decimal(value))
    if isinstance(value, str):
        return (3, value)
    if isinstance(value, Mapping):
        return (4, *((name, standing(part)) for name, part in value.items()))
    if isinstance(value, list):
        return (5, *(standing(part) for part in value))
    if isinstance(value, (Binary, bytes)):
        return (6, bytes(value))
    if isinstance(value, ObjectId):
        return (7, value.binary)
    if isinstance(value, datetime.datetime):
        return (9, value)
    raise Refused(f"values of type {type(value).__name__} cannot be compared here")


def _clause(document: Document, key: str, wanted: Any) -> bool:
    if key == "$and":
        return all(matches(document, part) for part in wanted)
    if key == "$or":
        return any(matches(document, part) for part in wanted)
    if key == "$nor":
        return not any(matches(document, part) for part in wanted)
    if key == "$comment":
        return True
    if key.startswith("$"):
        raise Refused(f"unknown top level operator: {key}")
    found = list(reach(document, key.split("."))) or [MISSING]
    return _tests(found, wanted)


def _tests(found: list[Any], wanted: Any) -> bool:
    if isinstance(wanted, Mapping) and next(iter(wanted), "").startswith("$"):
        return all(_operator(found, name, value, wanted) for name, value in wanted.items())
    return _equal(found, wanted)


def _operator(found: list[Any], name: str, wanted: Any, beside: Document) -> bool:
    match name:
        case "$eq":
            return _equal(found, wanted)
        case "$ne":
            return not _tests(found, wanted)
        case "$in":
            return any(_equal(found, each) for each in wanted)
        case "$nin":
            return not any(_equal(found, each) for each in wanted)
        case "$all":
            return bool(wanted) and all(_equal(found, each) for each in wanted)
        case "$exists":
            return bool(wanted) == any(each is not MISSING for each in found)
        case "$not":
            return not _tests(found, wanted)
        case "$size":
            return any(isinstance(each, list) and len(each) == wanted for each in found)
        case "$elemMatch":
            return any(_element(part, wanted) for each in found if isinstance(each, list) for part in each)
        case "$regex":
            return _equal(found, wanted if isinstance(wanted, Regex) else Regex(wanted, _flags(beside.get("$options", ""))))
        case "$options" if "$regex" in beside:
            return True
    if name in _ORDERS:
        return _ordered(found, wanted, _ORDERS[name])
    raise Refused(f"unknown operator: {name}")


def _element(part: Any, wanted: Document) -> bool:
    if next(iter(wanted), "").startswith("$"):
        return _tests([part], wanted)
    return isinstance(part, Mapping) and matches(part, wanted)


def _equal(found: list[Any], wanted: Any) -> bool:
    if isinstance(wanted, Regex):
        pattern = re.compile(wanted.pattern, wanted.flags)
        return any(isinstance(each, str) and pattern.search(each) for each in _with_elements(found))
    return any(standing(each) == standing(wanted) for each in _with_elements(found))


_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "$gt": lambda a, b: a > b,
    "$gte": lambda a, b: a >= b,
    "$lt": lambda a, b: a < b,
    "$lte": lambda a, b: a <= b,
}


def _ordered(found: list[Any], wanted: Any, holds: Callable[[Any, Any], bool]) -> bool:
    """Only values of the same bracket are compared: no text is greater than a number."""
    bound = standing(wanted)
    keys = (standing(each) for each in _with_elements(found) if each is not MISSING)
    return any(key[:1] == bound[:1] and holds(key, bound) for key in keys)


def _with_elements(found: list[Any]) -> Iterator[Any]:
    for each in found:
        yield each
        if isinstance(each, list):
            yield from each


def _flags(letters: str) -> int:
    unknown = set(letters) - set(_FLAGS)
    if unknown:
        raise Refused(f"unknown $options: {''.join(sorted(unknown))}")
    return sum(_FLAGS[letter] for letter in set(letters))
