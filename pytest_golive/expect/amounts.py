"""Operators over amounts: what `lt`, `between`, `in` … mean for numbers, lengths, sums and ages.

Arguments are read once, when the list is loaded: `"0.20"` is a number here, `60s` is one under `age`. What is found is never
converted: the text `"5"` is no number. Comparison is exact, NaN and infinity are refused on both sides.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from pytest_golive.expect.values import finite, kind, shown

Compare = Callable[[Any], bool]
"""Whether an amount holds."""

ORDER: Mapping[str, tuple[Callable[[Any, Any], bool], str]] = {
    "lt": (operator.lt, "less than"),
    "le": (operator.le, "at most"),
    "gt": (operator.gt, "more than"),
    "ge": (operator.ge, "at least"),
}
WORDS = ("eq", "ne", *ORDER, "between", "in", "not_in")
"""The operators that an amount can have."""

_NUMBER = re.compile(r"[-+]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][-+]?[0-9]{1,4})?\Z")


def number_from(value: Any) -> int | Decimal:
    """A number out of a checklist, also if written as text; ValueError for anything else."""
    what = kind(value)
    if what == "number":
        if not finite(value):
            raise ValueError(f"{value} cannot be compared")
        return value  # type: ignore[no-any-return]
    if what == "text" and _NUMBER.match(value):
        return Decimal(value)
    raise ValueError(not_exact(value) if isinstance(value, float) else f"must be a number, not {shown(value)}")


def not_exact(value: float) -> str:
    """What is wrong with a float, and what to write instead."""
    return f"{value!r} is a float, which is not exact: write it as text or Decimal"


def amount(word: str, argument: Any, read: Callable[[Any], Any], show: Callable[[Any], str]) -> tuple[str, Compare]:
    """What one of `WORDS` wants, and the comparison; ValueError for an argument that `read` refuses."""
    if word in ORDER:
        compare, wanted = ORDER[word]
        bound = read(argument)
        return f"{wanted} {show(bound)}", lambda found: compare(found, bound)
    if word in ("eq", "ne"):
        bound = read(argument)
        if word == "eq":
            return f"= {show(bound)}", lambda found: bool(found == bound)
        return f"not {show(bound)}", lambda found: bool(found != bound)
    if not isinstance(argument, (list, tuple)) or not argument:
        raise ValueError("must be a list" + (" of two: [low, high]" if word == "between" else " with at least one element"))
    bounds = [read(part) for part in argument]
    if word == "between":
        if len(bounds) != 2:
            raise ValueError("must be a list of two: [low, high]")
        low, high = bounds
        if low > high:
            raise ValueError(f"the first bound must not be above the second: nothing is between {show(low)} and {show(high)}")
        return f"from {show(low)} to {show(high)}", lambda found: bool(low <= found <= high)
    names = ", ".join(show(bound) for bound in bounds)
    if word == "in":
        return f"one of {names}", lambda found: found in bounds
    return f"none of {names}", lambda found: found not in bounds


def impossible(bounds: Mapping[str, Any]) -> bool:
    """Whether no amount at all can be within these lower and upper bounds (`lt`, `le`, `gt`, `ge`)."""
    for low in ("gt", "ge"):
        for high in ("lt", "le"):
            if low in bounds and high in bounds:
                floor, ceiling = bounds[low], bounds[high]
                if floor > ceiling or (floor == ceiling and (low, high) != ("ge", "le")):
                    return True
    return False
