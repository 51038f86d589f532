"""Paths into facts: RFC 9535 JSONPath with the leading `$.` left out, and stricter about what is not there.

Names, indexes and wildcards (`body.my-key`, `rows[0].id`, `rows[*].diff`, `headers["x-id"]`) are walked here, without an
import; filters, slices, unions and `..` go through python-jsonpath in its strict mode, imported when the first such path is
compiled. Both are stricter than the RFC in one way: a name that is missing in *one* of several elements is an error, because the
RFC drops that element silently and a check of the rest would pass. What a filter leaves out is left out on purpose.
A dash may stand inside a plain name, since header names have them; a name that begins with a digit is written `["2xx"]`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, final

from pytest_golive.expect.values import described, shown


class Missing(Exception):
    """The path does not lead anywhere; the text completes `found …`."""


class PathFault(ValueError):
    """The text is no path; the message says what to write."""


@final
class Selected(list[Any]):
    """The values of a path that can select several, in order; tells where each of them stands."""

    __slots__ = ("_places",)

    def __init__(self, values: list[Any], places: Callable[[], list[str]]) -> None:
        super().__init__(values)
        self._places = places

    def place(self, index: int) -> str:
        """The path of one element; slow, because it is asked for only when something is wrong."""
        return self._places()[index]


EVERY: Final = None
"""The wildcard among the steps of a path."""

Step = str | int | None

NAME = r"[A-Za-z_\u0080-\ud7ff\ue000-\U0010ffff][A-Za-z0-9_\-\u0080-\ud7ff\ue000-\U0010ffff]*"
PLAIN = re.compile(rf"(?:\$\.)?({NAME}(?:\.{NAME})*)\Z")


class Path:
    """A compiled path; `many` says whether it can select several values."""

    __slots__ = ("_steps", "keys", "many", "text")

    def __init__(self, text: str, steps: tuple[Step, ...]) -> None:
        self.text = text
        self._steps = steps
        self.many = EVERY in steps
        self.keys: tuple[str, ...] | None = tuple(steps) if all(isinstance(s, str) for s in steps) else None  # type: ignore[arg-type]

    @property
    def ends_in_a_name(self) -> bool:
        """Whether the last step is a name or an index, of which one can say that it is not there."""
        return bool(self._steps) and self._steps[-1] is not EVERY

    def select(self, facts: Any) -> Any:
        """The value, or `Selected` values if there can be several; `Missing` if any step of the way is not there."""
        if self.keys is not None:
            value = facts
            for key in self.keys:
                if not isinstance(value, dict) or key not in value:
                    return _walk(facts, self._steps)[0]
                value = value[key]
            return value
        values = _walk(facts, self._steps)
        return Selected(values, lambda: [place for place, _ in _located(facts, self._steps)]) if self.many else values[0]

    def nothing(self, facts: Any) -> tuple[bool, Any]:
        """Whether the path selects nothing though the way to it is there, and else what it selects.

        `Missing` if the parent is not there: then nobody knows.
        """
        *way, last = self._steps
        assert last is not EVERY, "such a path is refused when it is compiled"
        parents: list[Any] = _walk(facts, tuple(way))
        found: list[Any] = []
        for parent in parents:
            if not isinstance(parent, Mapping if isinstance(last, str) else (list, tuple)):
                raise Missing(f"{described(parent)}, in which {shown(last)} cannot be looked for")
            if _has(parent, last):
                found.append(parent[last])  # type: ignore[index]
        if not parents:
            raise Missing("no elements")
        return not found, found[0] if len(found) == 1 else found


def _has(value: Any, step: Any) -> bool:
    if step is EVERY:
        return isinstance(value, (list, tuple, Mapping))
    if isinstance(step, str):
        return isinstance(value, Mapping) and step in value
    return isinstance(value, (list, tuple)) and -len(value) <= step < len(value)


def _walk(facts: Any, steps: tuple[Step, ...]) -> list[Any]:
    """The values at the end of the steps; `Missing`, saying where the way ends, if one is not there."""
    nodes = [facts]
    for depth, step in enumerate(steps):
        found: list[Any] = []
        if step is EVERY:
            for node in nodes:
                if isinstance(node, (list, tuple)):
                    found.extend(node)
                elif isinstance(node, Mapping):
                    found.extend(node.values())
                else:
                    raise Missing(_lost(facts, steps[:depth], step))
        else:
            for node in nodes:
                if not _has(node, step):
                    raise Missing(_lost(facts, steps[:depth], step))
                found.append(node[step])
        nodes = found
    return nodes


def _located(facts: Any, steps: tuple[Step, ...]) -> Iterator[tuple[str, Any]]:
    """Every value at the end of the steps, with its path."""
    nodes: list[tuple[str, Any]] = [("", facts)]
    for step in steps:
        found: list[tuple[str, Any]] = []
        for place, node in nodes:
            if step is not EVERY:
                found.append((_below(place, step), node[step]))
            elif isinstance(node, Mapping):
                found.extend((_below(place, key), part) for key, part in node.items())
            else:
                found.extend((_below(place, index), part) for index, part in enumerate(node))
        nodes = found
    return iter(nodes)


def _below(place: str, step: Any) -> str:
    if isinstance(step, int):
        return f"{place}[{step}]"
    if not isinstance(step, str) or not PLAIN.match(step) or "." in step:
        return f'{place}["{step}"]'
    return f"{place}.{step}" if place else step


def _lost(facts: Any, way: tuple[Step, ...], step: Step) -> str:
    """Where the way ends, and what stands there instead: most missing paths are misspelt."""
    place, node = next((place, node) for place, node in _located(facts, way) if not _has(node, step))
    here = shown(place) if place else "the top"
    if step is EVERY:
        return f"nothing: {here} is {described(node)}, neither a list nor a mapping"
    if isinstance(step, int):
        return f"nothing: {here} is {described(node)}, so {_below('', step)} is missing"
    if isinstance(node, Mapping):
        near = difflib.get_close_matches(step, [key for key in node if isinstance(key, str)], n=1, cutoff=0.6)
        return f"nothing: {_below(place, step)} is missing" + (f" - did you mean {shown(near[0])}?" if near else "")
    hint = f": write {place}[*].{step}" if isinstance(node, (list, tuple)) else ""
    return f"nothing: {_below(place, step)} is missing, {here} is {described(node)}{hint}"
