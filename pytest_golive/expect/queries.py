"""Paths that only a JSONPath engine can walk: filters, slices, unions, descendants; the only room that imports jsonpath.

The engine runs in its strict RFC 9535 mode, with two changes. Fractions in filters are compared as they are written. The
functions `match` and `search` are refused: the engine reads a bad pattern as *no match* and runs a costly one for ever.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, final

import jsonpath

from pytest_golive.expect.paths import Missing, Path, PathFault, Selected
from pytest_golive.expect.values import shown

_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'" + r'|"(?:[^"\\]|\\.)*"')
_LONG_NUMBER = re.compile(r"[0-9][0-9.]{15,}")
_DIGIT_FIRST = re.compile(r"(?:^|\.)([0-9][A-Za-z0-9_\-]*)(?=[.\[]|$)")
_SIMPLE_KEY = re.compile(r"\['([A-Za-z_][A-Za-z0-9_\-]*)'\]")
_BROKEN = (jsonpath.JSONPathError, ArithmeticError, TypeError, RecursionError)


@final
class _Environment(jsonpath.JSONPathEnvironment):
    """The strict engine, comparing fractions exactly."""

    def compare(self, left: object, operator: str, right: object) -> bool:
        return super().compare(_exact(left), operator, _exact(right))


def _exact(value: object) -> object:
    """A fraction written in a filter as the Decimal that was written."""
    return Decimal(repr(value)) if isinstance(value, float) else value


_environment = _Environment(strict=True)
for _name in ("match", "search"):
    del _environment.function_extensions[_name]


@final
class QueryPath(Path):
    """A path walked by the engine; each name after a wildcard or filter must be there in every element."""

    __slots__ = ("_prefixes", "_query")

    def __init__(self, text: str, query: Any, prefixes: tuple[tuple[Any, bool], ...]) -> None:
        super().__init__(text, ())
        self.keys = None
        self.many = not query.singular_query()
        self._query = query
        self._prefixes = prefixes

    @property
    def ends_in_a_name(self) -> bool:
        """Always so: what a query selects can be nothing."""
        return True

    def select(self, facts: Any) -> Any:
        """The values in document order; `Missing` if a name on the way is missing in any of the elements."""
        try:
            self._complete(facts)
            matches = list(self._query.finditer(facts))
        except _BROKEN as error:
            raise Missing(f"nothing: the path cannot be walked, {type(error).__name__}") from None
        values = [match.obj for match in matches]
        return Selected(values, lambda: [_told(match.path) for match in matches]) if self.many else values[0]

    def _complete(self, facts: Any) -> None:
        before = 1
        for prefix, singular in self._prefixes:
            count = sum(1 for _ in prefix.finditer(facts))
            if singular and count != before:
                share = f" in {before - count} of {before}" if before > 1 else ""
                raise Missing(f"nothing: {_told(prefix)} is missing{share}")
            before = count

    def nothing(self, facts: Any) -> tuple[bool, Any]:
        """Whether the query selects nothing, and else what it selects; `Missing` if the way to it is not there."""
        try:
            for prefix, singular in self._prefixes[:-1]:
                if not singular:
                    break
                if prefix.match(facts) is None:
                    raise Missing(f"nothing: {_told(prefix)} is missing")
            found = [match.obj for match in self._query.finditer(facts)]
        except _BROKEN as error:
            raise Missing(f"nothing: the path cannot be walked, {type(error).__name__}") from None
        return not found, found[0] if len(found) == 1 else found


def compile_query(text: str, whole: str) -> QueryPath:
    """The path of a query that begins with `$`; `PathFault` if it is none. `text` is how it was written."""
    if _LONG_NUMBER.search(_QUOTED.sub("", whole)):
        raise PathFault(f"{shown(text)} holds a number of more than 15 digits, which a path cannot compare exactly")
    try:
        query: Any = _environment.compile(whole)
    except (jsonpath.JSONPathError, RecursionError, ValueError) as error:
        first = str(error).partition("\n")[0] or "not a path"
        digit = _DIGIT_FIRST.search(text)
        hint = f'; a name that begins with a digit is written ["{digit[1]}"]' if digit else ""
        raise PathFault(f"{shown(text)} is no JSONPath: {first}{hint}") from None
    segments = tuple(query.segments)
    prefixes = []
    for end in range(1, len(segments) + 1):
        alone: Any = jsonpath.JSONPath(env=_environment, segments=segments[end - 1 : end])
        prefixes.append((jsonpath.JSONPath(env=_environment, segments=segments[:end]), alone.singular_query()))
    return QueryPath(text, query, tuple(prefixes))


def _told(path: Any) -> str:
    """A normalized path as people write it: `$['rows'][3]['diff']` as `rows[3].diff`."""
    return _SIMPLE_KEY.sub(r".\1", str(path)).removeprefix("$").removeprefix(".") or "$"
