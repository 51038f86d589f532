"""The files that one checklist is made of: its own, and those that it extends, with what it overrides and disables in them.

So a list is bound to another target without being copied. Whatever makes a list ask for less than its base does (an item that is
disabled, a severity that is lowered, another expectation) needs a reason, and is kept as a departure that the report shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from pytest_golive import probes, yaml12
from pytest_golive.checklist.fields import Defaults, Heading, printable
from pytest_golive.errors import Fault
from pytest_golive.model import Departure, Severity
from pytest_golive.shape import fit
from pytest_golive.variables import closest
from pytest_golive.yaml12 import LocatedDict, LocatedList, Spot, spot_of

_TOP = ("version", "checklist", "defaults", "extends", "override", "disable", "items")
_MAX_LAYERS = 10
_LESS = frozenset(("expect", "phase", "window", "for_each", "requires", "eventually", "acts"))
"""Keys that decide what is asked, when, how often and with whose leave: who changes them says why."""

_REASON = "reason"


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """An item as it is written, with the defaults of its file and the folder that its checks lie in."""

    written: LocatedDict
    filler: Mapping[str, Any]
    folder: Path

    @property
    def id(self) -> Any:
        """What is written as its id."""
        return self.written.get("id")


@final
@dataclass(slots=True)
class Layer:
    """A file with all that it extends: `spot` is where its items stand, `sha256` is of its bytes and of those it extends."""

    heading: Heading | None
    entries: list[Entry]
    departures: list[Departure]
    spot: Spot
    sha256: str


def relative(path: Path, root: Path) -> str:
    """The path as messages and reports show it."""
    try:
        return str(path.absolute().relative_to(root.absolute()))
    except ValueError:
        return str(path)


@final
@dataclass(slots=True)
class LayerReader:
    """Reads one file and what it extends; `trail` are the files that led here."""

    path: Path
    root: Path
    faults: list[Fault]
    trail: tuple[Path, ...] = ()
    shown: str = field(init=False)

    def __post_init__(self) -> None:
        self.shown = relative(self.path, self.root)

    def report(self, spot: Spot, message: str) -> None:
        """Enter a fault; a spot may lie in a file that this one extends."""
        file = getattr(spot, "file", self.shown)
        self.faults.append(Fault(file=file, line=spot[0], column=spot[1], message=message))

    def read(self) -> Layer | None:
        """The layer; None if nothing can be said about its items."""
        try:
            raw = self.path.read_bytes()
        except OSError as error:
            self.report((1, 1), f"cannot be read: {error.strerror}")
            return None
        before = len(self.faults)
        value = yaml12.parse(raw, self.shown, self.faults)
        if len(self.faults) > before:
            return None
        if not isinstance(value, LocatedDict):
            self.report((1, 1), "a checklist is a mapping with version, checklist and items")
            return None
        for key in value:
            if key not in _TOP:
                self.report(spot_of(value, (key,)), f"unknown key {key!r}{closest(key, _TOP)}; allowed: {', '.join(_TOP)}")
        if value.get("version") != 1 or value.get("version") is True:
            self.report(spot_of(value, ("version",)), "version: 1 is required")
        bases = self._bases(value)
        heading = self._heading(value, bases)
        entries = [entry for base in bases for entry in base.entries]
        departures = [departure for base in bases for departure in base.departures]
        if bases and len(bases) == len(value["extends"]):  # else a base has a fault, and what it declares is not known
            entries = self._changed(value, entries, departures)
        entries += self._own(value)
        if not entries:
            if "extends" not in value:
                message = "items must be a list with at least one item: an empty list proves nothing"
                self.report(spot_of(value, ("items",)), message)
            elif len(self.faults) == before:
                self.report(spot_of(value, ("disable",)), "no item is left: a list of none proves nothing")
            return None
        digest = hashlib.sha256(raw)
        for base in bases:
            digest.update(bytes.fromhex(base.sha256))
        spot = spot_of(value, ("items",) if "items" in value else ("extends",))
        return Layer(heading, entries, departures, spot, digest.hexdigest())

    def _heading(self, value: LocatedDict, bases: list[Layer]) -> Heading | None:
        """Its own, or that of the one list that it extends."""
        if "checklist" not in value and len(bases) == 1:
            return bases[0].heading
        return fit(Heading, value.get("checklist", {}), self._below(value, "checklist"), "checklist")

    def _own(self, value: LocatedDict) -> list[Entry]:
        defaults = fit(Defaults, value.get("defaults", {}), self._below(value, "defaults"), "defaults")
        filler = {k: v for k, v in defaults.model_dump().items() if v is not None} if defaults is not None else {}
        written = value.get("items")
        if "items" not in value:
            return []
        if not isinstance(written, LocatedList) or not written:
            if "extends" in value:
                self.report(spot_of(value, ("items",)), "items must be a list with at least one item; leave it out otherwise")
            return []
        entries = []
        for index, entry in enumerate(written):
            if isinstance(entry, LocatedDict):
                entries.append(Entry(entry, filler, self.path.absolute().parent))
            else:
                self.report(spot_of(written, (index,)), "an item must be a mapping")
        return entries

    def _below(self, value: LocatedDict, key: str) -> Callable[[Spot, str], None]:
        """Reports at the key itself when the part has no place of its own."""
        at = spot_of(value, (key,))
        return lambda spot, message: self.report(at if spot == (1, 1) else spot, message)

    def _bases(self, value: LocatedDict) -> list[Layer]:
        if "extends" not in value:
            for key in ("override", "disable"):
                if key in value:
                    self.report(spot_of(value, (key,)), f"{key} has a meaning only beside extends")
            return []
        named = value["extends"]
        if not isinstance(named, LocatedList) or not named or not all(isinstance(name, str) and name for name in named):
            self.report(spot_of(value, ("extends",)), "extends must be a list of files, seen from the folder of this one")
            return []
        here = (*self.trail, self.path.resolve())
        layers = []
        for index, name in enumerate(named):
            at = spot_of(value, ("extends", index))
            path = Path(self.path.parent, name)
            if path.resolve() in here:
                circle = [*here[here.index(path.resolve()) :], path.resolve()]
                self.report(at, f"these files extend each other in a circle: {' -> '.join(each.name for each in circle)}")
            elif not path.is_file():
                self.report(at, f"{name!r} is not there: {relative(path.resolve(), self.root)} is no file")
            elif len(here) >= _MAX_LAYERS:
                self.report(at, f"more than {_MAX_LAYERS} files that extend each other")
            else:
                reader = LayerReader(path.resolve(), self.root, self.faults, here)
                layer = reader.read()
                if layer is not None:
                    for entry in layer.entries:
                        yaml12.belongs_to(entry.written, reader.shown)
                    layers.append(layer)
        return layers

    def _changed(self, value: LocatedDict, entries: list[Entry], departures: list[Departure]) -> list[Entry]:
        known = {entry.id: entry for entry in entries if isinstance(entry.id, str)}
        disabled = self._mapping(value, "disable", known)
        overridden = self._mapping(value, "override", known)
        for identity, reason in disabled.items():
            at = spot_of(value, ("disable", identity))
            if identity in overridden:
                self.report(at, f"{identity!r} is disabled and overridden: do one of them")
            if self._reason(reason, at, f"disable.{identity}"):
                departures.append(Departure(item=identity, what="disabled", reason=reason.strip()))
        for identity, change in overridden.items():
            at = spot_of(value, ("override", identity))
            if not isinstance(change, LocatedDict) or not set(change) - {_REASON}:
                self.report(at, f"override.{identity} must be a mapping of the keys that change")
            elif "id" in change:
                self.report(spot_of(change, ("id",)), "an id cannot be overridden: write an item of its own")
            else:
                known[identity] = self._merged(identity, known[identity], change, at, departures)
        return [known.get(entry.id, entry) for entry in entries if entry.id not in disabled]

    def _mapping(self, value: LocatedDict, key: str, known: Mapping[str, Entry]) -> Mapping[str, Any]:
        if key not in value:
            return {}
        changes = value[key]
        if not isinstance(changes, LocatedDict) or not changes:
            self.report(spot_of(value, (key,)), f"{key} must be a mapping of ids; leave it out otherwise")
            return {}
        for identity in changes:
            if identity not in known:
                message = f"{key}: no list that is extended declares {identity!r}{closest(identity, tuple(known))}"
                self.report(spot_of(value, (key, identity)), message)
        return {identity: change for identity, change in changes.items() if identity in known}

    def _reason(self, reason: Any, at: Spot, where: str) -> bool:
        if not isinstance(reason, str) or not reason.strip():
            self.report(at, f"{where} needs a reason, as text: the report shows it")
            return False
        try:
            printable(reason)
        except ValueError as error:
            self.report(at, f"{where}: the reason {error}")
            return False
        return True

    def _merged(self, identity: str, entry: Entry, change: LocatedDict, at: Spot, departures: list[Departure]) -> Entry:
        """The item with the keys of the change; of the same kind only the keys that are written are replaced."""
        old = entry.written
        new = LocatedDict(old.mark, dict(old.marks))
        new.update(old)
        new.templated = old.templated or change.templated
        kinds = [key for key in old if key in probes.KINDS]
        other = [key for key in change if key in probes.KINDS and key not in kinds]
        for key in kinds if other else ():
            del new[key]
        for key, value in change.items():
            if key != _REASON:
                new[key] = _joined(old.get(key), value) if key in kinds else value
                new.marks[key] = change.marks[key]
        what = sorted(set(change) - {_REASON})
        less = sorted(_LESS.intersection(change)) + other
        # a variable in its place may mean either, so only what is surely no less passes without a reason
        if change.get("severity", Severity.CRITICAL) != Severity.CRITICAL and old.get("severity") != Severity.WARNING:
            less.append("a lowered severity")
        if less and _REASON not in change:
            self.report(at, f"override.{identity} needs a reason, because it changes what is asked: {', '.join(less)}")
        elif _REASON not in change or self._reason(change[_REASON], spot_of(change, (_REASON,)), f"override.{identity}"):
            lowered = " (lowered from critical)" if "a lowered severity" in less else ""
            reason = str(change.get(_REASON, "")).strip()
            departures.append(Departure(item=identity, what=f"changed: {', '.join(what)}{lowered}", reason=reason))
        # a function of the overlay lies beside the overlay
        return Entry(new, entry.filler, self.path.absolute().parent if "python" in change else entry.folder)


def _joined(old: Any, value: Any) -> Any:
    if not isinstance(old, LocatedDict) or not isinstance(value, LocatedDict):
        return value
    joined = LocatedDict(value.mark, {**old.marks, **value.marks})
    joined.update(old)
    joined.update(value)
    joined.templated = old.templated or value.templated
    return joined
