"""`${name}` in a checklist: variables of the target put into the text of an item, before anything judges it.

A checklist says *what* must hold; the target says *where*. A scalar that is nothing but `${name}` takes the variable's value with
its type (so `${brokers}` may be a list); inside other text the variable is written out. `$${` stands for a plain `${`. A
name that
the target does not declare is a fault: an empty string in its place would be a check of something else.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from pytest_golive.yaml12 import LocatedDict, LocatedList, Spot, spot_of

_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}")

Report = Callable[[Spot, str], None]
"""Told of each fault: where, and what."""


def closest(word: str, known: Mapping[str, Any] | list[str] | tuple[str, ...] | frozenset[str]) -> str:
    """` - did you mean 'x'?` if one of the known words is close to `word`, else nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" - did you mean {near[0]!r}?" if near else ""


def substitute(value: Any, variables: Mapping[str, Any], report: Report, at: Spot = (1, 1)) -> Any:
    """The value with every reference replaced; a part without references is handed back as it is."""
    if isinstance(value, str):
        return _text(value, variables, report, at) if "${" in value else value
    if isinstance(value, LocatedDict):
        if not value.templated:
            return value
        mapping = LocatedDict(value.mark, value.marks)
        for key, part in value.items():
            mapping[key] = substitute(part, variables, report, spot_of(value, (key,)))
        return mapping
    if isinstance(value, LocatedList):
        if not value.templated:
            return value
        sequence = LocatedList(value.mark, value.marks)
        sequence.extend(substitute(part, variables, report, spot_of(value, (index,))) for index, part in enumerate(value))
        return sequence
    return value


def _text(text: str, variables: Mapping[str, Any], report: Report, at: Spot) -> Any:
    whole = _REFERENCE.fullmatch(text)
    if whole is not None and whole[1] is not None:
        return _lookup(whole[1], variables, report, at)

    def written(match: re.Match[str]) -> str:
        if match[1] is None:
            return "${"
        value = _lookup(match[1], variables, report, at)
        if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
            report(at, f"the variable {match[1]!r} is {_kind(value)}; inside other text only text or a number can stand")
            return ""
        return str(value)

    return _REFERENCE.sub(written, text)


def _lookup(name: str, variables: Mapping[str, Any], report: Report, at: Spot) -> Any:
    if name in variables:
        return variables[name]
    report(at, f"the variable {name!r} is not declared under target.variables{closest(name, variables)}")
    return ""


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return {bool: "a boolean", dict: "a mapping", list: "a list"}.get(
        next((base for base in (bool, dict, list) if isinstance(value, base)), object), type(value).__name__
    )
