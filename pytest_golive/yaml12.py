"""YAML text to values that know where they were written; the only room that imports yaml.

Lists of checks are read by people who were bitten by YAML 1.1: `no` became False, `0644` became 420, the second of two equal
keys won silently. So this reader takes the events of libyaml's parser and builds the values itself: scalars by the core schema
of YAML 1.2, fractions as Decimal, and every duplicate key, alias, tag, complex key and second document is a fault with its
place. Building from events is also nine times faster than PyYAML's own safe loader.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self, final

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
_NUMBER = re.compile(
    r"(?P<int>[-+]?(?:0|[1-9][0-9]*))\Z|(?P<float>[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?)\Z"
)
_RADIX = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
_PADDED = re.compile(r"[-+]?0[0-9]+\Z")

Spot = tuple[int, int]
"""Line and column, both counted from 1."""


class LocatedDict(dict[str, Any]):
    """A mapping that knows where each key stands, and whether a `${variable}` stands anywhere below it."""

    __slots__ = ("mark", "marks", "templated")

    def __init__(self, mark: Any = None, marks: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.mark = mark
        self.marks: dict[str, Any] = {} if marks is None else marks
        self.templated = False

    @property
    def spot(self) -> Spot:
        """Where the mapping begins."""
        return _spot(self.mark)


class LocatedList(list[Any]):
    """A sequence that knows where each element stands, and whether a `${variable}` stands anywhere below it."""

    __slots__ = ("mark", "marks", "templated")

    def __init__(self, mark: Any = None, marks: list[Any] | None = None) -> None:
        super().__init__()
        self.mark = mark
        self.marks: list[Any] = [] if marks is None else marks
        self.templated = False

    @property
    def spot(self) -> Spot:
        """Where the sequence begins."""
        return _spot(self.mark)


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
    mark = getattr(value, "mark", None)
    for step in path:
        if (isinstance(value, LocatedDict) and step in value.marks and step in value) or (
            isinstance(value, LocatedList) and isinstance(step, int) and 0 <= step < len(value)
        ):
            mark, value = value.marks[step], value[step]  # type: ignore[index]
        else:
            break
    return _spot(mark)


def _spot(mark: Any) -> Spot:
    if mark is None:
        return (1, 1)
    spot = (mark.line + 1, mark.column + 1)
    return Elsewhere(spot, mark.file) if isinstance(mark, _Mark) else spot


class Elsewhere(tuple[int, int]):
    """A spot in another file than the one that is being read: `file` is which."""

    file: str

    def __new__(cls, spot: Spot, file: str) -> Self:
        """The spot, with its file."""
        made = super().__new__(cls, spot)
        made.file = file
        return made


@final
@dataclass(frozen=True, slots=True)
class _Mark:
    line: int
    column: int
    file: str


def belongs_to(value: Any, file: str) -> None:
    """Enter into every place below `value` that it stands in `file`, unless it already says in which."""
    if isinstance(value, LocatedDict):
        value.mark = _placed(value.mark, file)
        value.marks = {key: _placed(mark, file) for key, mark in value.marks.items()}
        for part in value.values():
            belongs_to(part, file)
    elif isinstance(value, LocatedList):
        value.mark = _placed(value.mark, file)
        value.marks = [_placed(mark, file) for mark in value.marks]
        for part in value:
            belongs_to(part, file)


def _placed(mark: Any, file: str) -> Any:
    return mark if mark is None or isinstance(mark, _Mark) else _Mark(mark.line, mark.column, file)


class _Builder:
    """Turns parser events into one located value, and collects what is wrong on the way."""

    def __init__(self, file: str, faults: list[Fault]) -> None:
        self.file = file
        self.faults = faults

    def fault(self, mark: Any, message: str) -> None:
        line, column = _spot(mark)
        self.faults.append(Fault(file=self.file, line=line, column=column, message=message))

    def build(self, loader: Any) -> Any:
        """The one loop over all events; `here` is the open container and `key` the key that waits for its value."""
        get = loader.get_event
        scalar, mapping_start, sequence_start = yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent
        mapping_end, sequence_end = yaml.MappingEndEvent, yaml.SequenceEndEvent
        roots = LocatedList()
        here: LocatedDict | LocatedList = roots
        key: str | None = None
        outer: list[tuple[LocatedDict | LocatedList, str | None]] = []
        while True:
            event = get()
            kind = type(event)
            if kind is scalar:
                text = event.value
                if type(here) is LocatedDict and key is None:
                    key = self._key(here, text, event)
                    continue
                value = text if event.style else self._plain(text, event)
                if "${" in text:
                    here.templated = True
            elif kind is mapping_start:
                value = LocatedDict(event.start_mark)
            elif kind is sequence_start:
                value = LocatedList(event.start_mark)
            elif kind is mapping_end or kind is sequence_end:
                templated = here.templated
                here, key = outer.pop()
                here.templated = here.templated or templated
                continue
            elif kind is yaml.AliasEvent:
                self.fault(event.start_mark, f"the alias *{event.anchor} is not allowed: write the value out")
                value = None
            elif kind is yaml.StreamEndEvent:
                break
            else:
                continue
            if kind is not yaml.AliasEvent and event.tag is not None and event.tag != "!":
                self.fault(event.start_mark, f"the tag {event.tag} is not allowed: values are plain YAML")
            if type(here) is LocatedList:
                here.append(value)
                here.marks.append(event.start_mark)
            elif key is None:
                self.fault(event.start_mark, "a key must be plain text")
                key = _IGNORED
            else:
                if key is not _IGNORED:
                    here[key] = value  # type: ignore[call-overload]
                key = None
            if kind is not scalar and kind is not yaml.AliasEvent:
                if len(outer) >= MAX_DEPTH:
                    self.fault(event.start_mark, f"nested deeper than {MAX_DEPTH} levels")
                    return None
                outer.append((here, key))
                here, key = value, None
        if len(roots) > 1:
            self.fault(roots.marks[1], "a second document in one file; keep one checklist to a file")
        return roots[0] if roots else None

    def _key(self, here: LocatedDict, text: str, event: Any) -> str:
        first = here.marks.get(text)
        if first is None:
            here.marks[text] = event.start_mark
            return text
        self.fault(event.start_mark, f"the key {text!r} stands here a second time; the first is in line {first.line + 1}")
        return _IGNORED

    def _plain(self, text: str, event: Any) -> Any:
        try:
            return _plain(text)
        except _Refused as refused:
            self.fault(event.start_mark, str(refused))
            return text


_IGNORED = "\x00"
"""Stands for a key that was refused; what belongs to it is read and dropped."""


def parse(text: str | bytes, file: str, faults: list[Fault]) -> Any:
    """The located value of a YAML text; what is wrong is appended to `faults`, the value is then not to be used."""
    size = len(text.encode("utf-8", "surrogatepass")) if isinstance(text, str) else len(text)
    builder = _Builder(file, faults)
    if size > MAX_BYTES:
        builder.fault(None, f"{size} bytes; more than {MAX_BYTES} are not read: split the file")
        return None
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            faults.append(Fault(file=file, line=line, column=1, message=f"not UTF-8: {error.reason}"))
            return None
    loader: Any = None
    try:
        loader = Loader(text)
        return builder.build(loader)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML"
        context = getattr(error, "context", None)
        builder.fault(getattr(error, "problem_mark", None), f"not YAML: {problem}" + (f", {context}" if context else ""))
        return None
    finally:
        if loader is not None:
            loader.dispose()


def load(text: str | bytes, file: str) -> Any:
    """The value of a YAML text; `FaultyFile` with every fault if there is any."""
    faults: list[Fault] = []
    value = parse(text, file, faults)
    if faults:
        raise FaultyFile(faults)
    return value
