"""YAML text to values that know where they were written; the only room that imports yaml.

Lists of checks are read by people who were bitten by YAML 1.1: `no` became False, `0644` became 420, the second of two equal
keys won silently. So this reader takes the events of libyaml's parser and builds the values itself: scalars by the core schema
of YAML 1.2, fractions as Decimal, and every duplicate key, alias, tag, complex key and second document is a fault with its
place. Building from events is also nine times faster than PyYAML's own safe loader.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import yaml

from pytest_golive.errors import Fault, FaultyFile

MAX_BYTES = 1_000_000
MAX_DEPTH = 40

Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_CONSTANTS: dict[str, Any] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_NUMBER = re.compile(r"(?P<int>[-+]?(?:0|[1-9][0-9]*))\Z|(?P<float>[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?)\Z")
_RADIX = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
_PADDED = re.compile(r"[-+]?0[0-9]+\Z")

Spot = tuple[int, int]
"""Line and column, both counted from 1."""


class LocatedDict(dict[str, Any]):
    """A mapping that knows where each key stands, and whether a `${variable}` stands anywhere below it."""

    __slots__ = ("spot", "spots", "templated")

    def __init__(self, spot: Spot) -> None:
        super().__init__()
        self.spot = spot
        self.spots: dict[str, Spot] = {}
        self.templated = False


class LocatedList(list[Any]):
    """A sequence that knows where each element stands, and whether a `${variable}` stands anywhere below it."""

    __slots__ = ("spot", "spots", "templated")

    def __init__(self, spot: Spot) -> None:
        super().__init__()
        self.spot = spot
        self.spots: list[Spot] = []
        self.templated = False


class _Refused(ValueError):
    """A scalar that YAML 1.1 and 1.2 read differently, or that no Decimal can hold."""


def _plain(text: str) -> Any:
    """The value of an unquoted scalar by the core schema of YAML 1.2."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in "0123456789+-.":
        return text
    number = _NUMBER.match(text)
    if number is not None and not _PADDED.match(text):
        return int(text) if number.lastgroup == "int" else Decimal(text)
    if _PADDED.match(text):
        raise _Refused(f"{text} is octal to some readers and decimal to others: write it in quotes")
    if _RADIX.match(text):
        return int(text, 0)
    if _INFINITE.match(text):
        raise _Refused(f"{text} is not a number that can be compared")
    return text


def spot_of(value: Any, path: tuple[str | int, ...]) -> Spot:
    """Where the deepest known part of `path` below `value` stands."""
    spot: Spot = getattr(value, "spot", (1, 1))
    for step in path:
        if isinstance(value, LocatedDict) and isinstance(step, str) and step in value:
            spot, value = value.spots[step], value[step]
        elif isinstance(value, LocatedList) and isinstance(step, int) and 0 <= step < len(value):
            spot, value = value.spots[step], value[step]
        else:
            break
    return spot


class _Builder:
    """Turns parser events into one located value, and collects what is wrong on the way."""

    def __init__(self, file: str, faults: list[Fault]) -> None:
        self.file = file
        self.faults = faults
        self.root: Any = None
        self.documents = 0

    def fault(self, spot: Spot, message: str) -> None:
        self.faults.append(Fault(file=self.file, line=spot[0], column=spot[1], message=message))

    def build(self, loader: Any) -> None:
        stack: list[LocatedDict | LocatedList] = []
        keys: list[str | None] = []
        get, scalar, mapping, sequence = loader.get_event, yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent
        while True:
            event = get()
            kind = type(event)
            if kind is yaml.StreamEndEvent:
                return
            if kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                closed = stack.pop()
                keys.pop()
                if closed.templated and stack:
                    stack[-1].templated = True
                continue
            if kind is yaml.DocumentStartEvent:
                self.documents += 1
                if self.documents == 2:
                    self.fault(_spot(event), "a second document in one file; keep one checklist to a file")
                    return
                continue
            if kind is scalar:
                value = self.scalar(event)
            elif kind is mapping:
                value = LocatedDict(_spot(event))
            elif kind is sequence:
                value = LocatedList(_spot(event))
            elif kind is yaml.AliasEvent:
                self.fault(_spot(event), f"the alias *{event.anchor} is not allowed: write the value out, so that a reader sees it")
                value = None
            else:
                continue
            if kind is not yaml.AliasEvent and event.tag is not None and event.tag != "!":
                self.fault(_spot(event), f"the tag {event.tag} is not allowed: values are plain YAML")
            if stack and not self.place(stack[-1], keys, value, event):
                continue
            if not stack and self.documents == 1:
                self.root = value
            if kind is mapping or kind is sequence:
                if len(stack) >= MAX_DEPTH:
                    self.fault(_spot(event), f"nested deeper than {MAX_DEPTH} levels")
                    return
                stack.append(value)
                keys.append(None)

    def place(self, parent: LocatedDict | LocatedList, keys: list[str | None], value: Any, event: Any) -> bool:
        """Put `value` where it belongs; False if it was a key, which has been kept for the value that follows."""
        mark = event.start_mark
        spot = (mark.line + 1, mark.column + 1)
        if type(parent) is LocatedList:
            parent.append(value)
            parent.spots.append(spot)
        else:
            key = keys[-1]
            if key is None:
                if type(event) is not yaml.ScalarEvent:
                    self.fault(spot, "a key must be plain text")
                    keys[-1] = f"\x00{len(parent)}"
                    return type(event) is not yaml.AliasEvent
                key = event.value
                if key in parent.spots:  # type: ignore[union-attr]
                    first = parent.spots[key][0]  # type: ignore[union-attr,index]
                    self.fault(spot, f"the key {key!r} stands here a second time; the first is in line {first}")
                    key = f"\x00{len(parent)}"
                parent.spots[key] = spot  # type: ignore[union-attr,index]
                keys[-1] = key
                return False
            keys[-1] = None
            if key[:1] != "\x00":
                parent[key] = value  # type: ignore[index]
        if type(value) is str and "${" in value:
            parent.templated = True
        return True

    def scalar(self, event: Any) -> Any:
        text: str = event.value
        if event.style is not None and event.style != "":
            return text
        try:
            return _plain(text)
        except _Refused as refused:
            self.fault(_spot(event), str(refused))
            return text


def _spot(event: Any) -> Spot:
    return event.start_mark.line + 1, event.start_mark.column + 1


def parse(text: str | bytes, file: str, faults: list[Fault]) -> Any:
    """The located value of a YAML text; what is wrong is appended to `faults`, the value is then not to be used."""
    size = len(text.encode("utf-8", "surrogatepass")) if isinstance(text, str) else len(text)
    builder = _Builder(file, faults)
    if size > MAX_BYTES:
        builder.fault((1, 1), f"{size} bytes; more than {MAX_BYTES} are not read: split the file")
        return None
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            builder.fault((text[: error.start].count(b"\n") + 1, 1), f"not UTF-8: {error.reason}")
            return None
    loader: Any = None
    try:
        loader = Loader(text)
        builder.build(loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML"
        context = getattr(error, "context", None)
        spot = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        builder.fault(spot, f"not YAML: {problem}" + (f", {context}" if context else ""))
    finally:
        if loader is not None:
            loader.dispose()
    return builder.root


def load(text: str | bytes, file: str) -> Any:
    """The value of a YAML text; `FaultyFile` with every fault if there is any."""
    faults: list[Fault] = []
    value = parse(text, file, faults)
    if faults:
        raise FaultyFile(faults)
    return value
