"""YAML text to `Checklist`: every fault of a file at once, each with file, line, column and a did-you-mean.

A fault that the loader misses turns into a check of something else, so nothing is forgiven: unknown keys, kinds, operators and
variables, an empty `expect`, a list without a critical item, an id that is used twice. Several files are loaded together, because
ids and `requires` reach over all of them.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pytest_golive import expect, probes, quantities, yaml12
from pytest_golive.errors import ChecklistError, Fault
from pytest_golive.model import Checklist, Eventually, Item, Judge, Phase, Place, Severity, Source
from pytest_golive.shape import fit
from pytest_golive.variables import closest, substitute
from pytest_golive.yaml12 import LocatedDict, LocatedList, spot_of

ID_PATTERN = r"^[a-z0-9][a-z0-9-]{1,79}$"
DEFAULT_TIMEOUT = 10.0

Name = Annotated[str, Field(min_length=1)]
Duration = Annotated[float, Field(strict=False)]


def _duration(value: Any) -> Any:
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        raise ValueError("a duration needs a unit: write 500ms, 10s, 5m, 12h or 30d")  # noqa: TRY004 - pydantic collects it
    return quantities.seconds(value) if isinstance(value, str) else value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SourceFields(_Strict):
    """Which sentence of which document an item answers."""

    document: Name
    section: Name
    line: int | None = None
    note: str = ""


class EventuallyFields(_Strict):
    """How long an item may take to come true."""

    within: Duration
    every: Duration = 1.0
    stable_for: int = Field(default=1, ge=1, le=100)

    _durations = field_validator("within", "every", mode="before")(_duration)


class ItemFields(_Strict):
    """The keys of an item beside its kind; the docstring of each kind in `probes/` is the manual of the rest."""

    id: str = Field(pattern=ID_PATTERN)
    title: Name
    severity: Annotated[Severity, Field(strict=False)]
    phase: Annotated[Phase, Field(strict=False)]
    owner: Name
    source: SourceFields
    covers: list[str] = Field(default_factory=list)
    why: Name
    fix: Name
    expect: dict[str, Any] = Field(min_length=1)
    for_each: dict[str, Any] | None = None
    requires: list[str] = Field(default_factory=list)
    eventually: EventuallyFields | None = None
    timeout: Duration = DEFAULT_TIMEOUT
    window: Duration | None = None
    acts: bool = False

    _durations = field_validator("timeout", "window", mode="before")(_duration)


class Heading(_Strict):
    """The `checklist:` key of a file: its name, title and owner."""

    name: str = Field(pattern=ID_PATTERN)
    title: Name
    owner: Name
    document: str = ""


class Defaults(_Strict):
    """Values for items that do not say them; severity is never defaulted, because it must be seen beside the item."""

    timeout: str | None = None
    owner: str | None = None
    phase: str | None = None


_TOP = ("version", "checklist", "defaults", "items")
_ITEM_KEYS = frozenset(ItemFields.model_fields)


@final
@dataclass(slots=True)
class _Reader:
    """Reads one file; holds what its faults have in common."""

    file: str
    folder: Path
    variables: Mapping[str, Any]
    faults: list[Fault]

    def report(self, spot: yaml12.Spot, message: str) -> None:
        self.faults.append(Fault(file=self.file, line=spot[0], column=spot[1], message=message))

    def read(self, raw: bytes, path: str) -> Checklist | None:
        before = len(self.faults)
        value = yaml12.parse(raw, self.file, self.faults)
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
        heading = fit(Heading, value.get("checklist", {}), self._below(value, "checklist"), "checklist")
        defaults = fit(Defaults, value.get("defaults", {}), self._below(value, "defaults"), "defaults")
        entries = value.get("items")
        if not isinstance(entries, LocatedList) or not entries:
            self.report(spot_of(value, ("items",)), "items must be a list with at least one item: an empty list proves nothing")
            return None
        items: list[Item] = []
        named: dict[str, yaml12.Spot] = {}
        name = heading.name if heading is not None else self.file
        filler = {k: v for k, v in defaults.model_dump().items() if v is not None} if defaults is not None else {}
        critical = False
        for index, entry in enumerate(entries):
            if not isinstance(entry, LocatedDict):
                self.report(spot_of(entries, (index,)), "an item must be a mapping")
                continue
            critical = critical or entry.get("severity") == Severity.CRITICAL
            identity = entry.get("id")
            if isinstance(identity, str):
                if identity in named:
                    self.report(spot_of(entry, ("id",)), f"the id {identity!r} is used twice; first in line {named[identity][0]}")
                named.setdefault(identity, spot_of(entry, ("id",)))
            items.extend(self.item(entry, filler, name))
        if not critical:
            self.report(spot_of(value, ("items",)), "no item is critical: this list could never block anything")
        if heading is None or len(self.faults) > before:
            return None
        return Checklist(
            name=heading.name,
            title=heading.title,
            owner=heading.owner,
            path=path,
            sha256=hashlib.sha256(raw).hexdigest(),
            items=tuple(items),
        )

    def _below(self, value: LocatedDict, key: str) -> Callable[[yaml12.Spot, str], None]:
        """Reports at the key itself when the part has no place of its own."""
        at = spot_of(value, (key,))
        return lambda spot, message: self.report(at if spot == (1, 1) else spot, message)

    def item(self, entry: LocatedDict, filler: Mapping[str, Any], checklist: str) -> Iterable[Item]:
        kind = self._kind(entry)
        bindings = self._bindings(entry)
        if kind is None or bindings is None:
            if not entry.templated:
                fit(ItemFields, _filled(entry, filler), self._at_item(entry))
            return
        for binding in bindings:
            bound = entry
            if entry.templated:
                bound = substitute(entry, {**self.variables, **binding}, self.report, entry.spot)
            item = self._bind(bound, kind, binding, filler, checklist)
            if item is not None:
                yield item

    def _kind(self, entry: LocatedDict) -> str | None:
        kinds = []
        for key in entry:
            if key in probes.KINDS:
                kinds.append(key)
            elif key not in _ITEM_KEYS:
                near = closest(key, (*_ITEM_KEYS, *probes.KINDS))
                self.report(spot_of(entry, (key,)), f"unknown key or kind {key!r}{near or '; kinds: ' + ', '.join(probes.KINDS)}")
        if len(kinds) == 1:
            return kinds[0]
        if kinds:
            self.report(entry.spot, f"an item has exactly one kind, this has {len(kinds)}: {', '.join(kinds)}")
        elif all(key in _ITEM_KEYS for key in entry):
            self.report(entry.spot, f"the item has no kind; write one of: {', '.join(probes.KINDS)}")
        return None

    def _bindings(self, entry: LocatedDict) -> list[dict[str, Any]] | None:
        """One mapping of variables for each instance of the item; one empty mapping without `for_each`."""
        if "for_each" not in entry:
            return [{}]
        loops = entry["for_each"]
        spot = spot_of(entry, ("for_each",))
        if not isinstance(loops, LocatedDict) or not loops:
            self.report(spot, "for_each must be a mapping of a name to a list")
            return None
        before = len(self.faults)
        bound = substitute(loops, self.variables, self.report, spot)
        axes: list[list[tuple[str, Any]]] = []
        for name, values in bound.items():
            at = spot_of(loops, (name,))
            if name in self.variables:
                self.report(at, f"the name {name!r} is already a variable of the target")
            if not isinstance(values, list) or not values:
                self.report(at, f"for_each.{name} must be a list with at least one element: over nothing nothing is checked")
                continue
            texts = [str(value) for value in values]
            if any(isinstance(value, (dict, list, bool)) or value is None for value in values):
                self.report(at, f"for_each.{name} must hold text or numbers")
            elif len(set(texts)) != len(texts):
                self.report(at, f"for_each.{name} names an element twice")
            axes.append([(name, value) for value in values])
        if len(self.faults) > before:
            return None
        return [dict(combination) for combination in itertools.product(*axes)]

    def _at_item(self, entry: LocatedDict) -> Callable[[yaml12.Spot, str], None]:
        return lambda spot, message: self.report(entry.spot if spot == (1, 1) else spot, message)

    def _bind(
        self, entry: LocatedDict, kind: str, binding: Mapping[str, Any], filler: Mapping[str, Any], checklist: str
    ) -> Item | None:
        fields = fit(ItemFields, _filled(entry, filler), self._at_item(entry))
        at = spot_of(entry, (kind,))
        probe = fit(
            probes.kind(kind), entry[kind], lambda spot, message: self.report(at if spot == (1, 1) else spot, message), kind
        )
        judge: Judge | None = None
        if isinstance(entry.get("expect"), LocatedDict) and entry["expect"]:
            try:
                judge = expect.compile_expectation(entry["expect"])
            except expect.ExpectationFaults as faults:
                for path, message in faults.faults:
                    self.report(spot_of(entry, ("expect", *path)), message)
        if fields is None or probe is None or judge is None:
            return None
        suffix = f"[{'-'.join(str(value) for value in binding.values())}]" if binding else ""
        source, again = fields.source, fields.eventually
        return Item(
            id=fields.id + suffix,
            declared=fields.id,
            title=fields.title,
            severity=fields.severity,
            phase=fields.phase,
            owner=fields.owner,
            source=Source(document=source.document, section=source.section, line=source.line, note=source.note),
            why=fields.why,
            fix=fields.fix,
            kind=kind,
            probe=probes.bound(probe, folder=self.folder, item=fields.id + suffix),
            expect=judge,
            checklist=checklist,
            place=Place(file=self.file, line=entry.spot[0], column=entry.spot[1]),
            timeout=fields.timeout,
            covers=tuple(fields.covers),
            requires=tuple(fields.requires),
            eventually=Eventually(within=again.within, every=again.every, stable_for=again.stable_for) if again else None,
            window=fields.window,
            acts=fields.acts,
        )


def _filled(entry: LocatedDict, filler: Mapping[str, Any]) -> LocatedDict:
    """The item's own keys, without its kind, over the defaults of the file; still located."""
    located = LocatedDict(entry.mark, entry.marks)
    located.update(filler)
    for key, value in entry.items():
        if key in _ITEM_KEYS:
            located[key] = value
    return located


def load(paths: Sequence[Path], *, root: Path, variables: Mapping[str, Any]) -> tuple[Checklist, ...]:
    """The checklists of all files, bound to the target's variables; `ChecklistError` with every fault of every file.

    `root` is the folder that the paths in messages and reports start from.
    """
    if not paths:
        raise ChecklistError(
            [Fault(file=str(root), line=1, column=1, message="no checklist to load")], hint="name at least one under checklists:"
        )
    faults: list[Fault] = []
    checklists: list[Checklist] = []
    for path in paths:
        shown = _relative(path, root)
        try:
            raw = path.read_bytes()
        except OSError as error:
            faults.append(Fault(file=shown, line=1, column=1, message=f"cannot be read: {error.strerror}"))
            continue
        checklist = _Reader(file=shown, folder=path.absolute().parent, variables=variables, faults=faults).read(raw, shown)
        if checklist is not None:
            checklists.append(checklist)
    _across(checklists, faults, complete=len(checklists) == len(paths))
    if faults:
        raise ChecklistError(faults, hint="correct the lines above; `golive check` reads them again")
    return tuple(checklists)


def _across(checklists: Sequence[Checklist], faults: list[Fault], *, complete: bool) -> None:
    """What only shows when all files are held together: ids used twice, requirements that name nothing, circles."""
    declared: dict[str, Item] = {}
    names: dict[str, str] = {}
    instances: set[str] = set()
    needs: dict[str, tuple[str, ...]] = {}

    def report(item: Item, message: str) -> None:
        faults.append(Fault(file=item.place.file, line=item.place.line, column=item.place.column, message=message))

    for checklist in checklists:
        if checklist.name in names:
            message = f"the checklist name {checklist.name!r} is already used by {names[checklist.name]}"
            faults.append(Fault(file=checklist.path, line=1, column=1, message=message))
        names[checklist.name] = checklist.path
        for item in checklist.items:
            first = declared.setdefault(item.declared, item)
            if item.id in instances:
                report(item, f"two instances of {item.declared!r} have the id {item.id!r}: choose other values for for_each")
            instances.add(item.id)
            if first.place != item.place:
                report(item, f"the id {item.declared!r} is already used in {first.place}")
            if wanted := (*item.requires, *probes.parts(item.probe)):
                needs[item.declared] = wanted
    known = frozenset(declared)
    for identity, wanted in needs.items():
        for other in wanted:
            if other not in known and complete:
                report(declared[identity], f"{identity!r} needs {other!r}, which no list declares{closest(other, known)}")
    for circle in _circles(needs):
        report(declared[circle[0]], f"these items need each other in a circle: {' -> '.join(circle)}")


def _circles(needs: Mapping[str, tuple[str, ...]]) -> Iterable[tuple[str, ...]]:
    done: set[str] = set()
    for start in needs:
        trail: list[str] = []
        pending: list[tuple[str, bool]] = [(start, False)]
        while pending:
            identity, leaving = pending.pop()
            if leaving:
                trail.pop()
                done.add(identity)
            elif identity in trail:
                yield (*trail[trail.index(identity) :], identity)
            elif identity not in done:
                trail.append(identity)
                pending.append((identity, True))
                pending.extend((other, False) for other in needs.get(identity, ()))


def _relative(path: Path, root: Path) -> str:
    try:
        return str(path.absolute().relative_to(root.absolute()))
    except ValueError:
        return str(path)


def find(patterns: Sequence[str], root: Path, file: str) -> tuple[Path, ...]:
    """The files that the patterns of `checklists:` name, in order; a pattern that matches nothing is a fault."""
    found: dict[Path, None] = {}
    faults: list[Fault] = []
    for pattern in patterns:
        base = root / pattern
        if any(letter in pattern for letter in "*?["):
            anchor = Path(base.anchor)
            matches = sorted(p for p in anchor.glob(str(base.relative_to(anchor))) if p.is_file())
        else:
            matches = [base] if base.is_file() else []
        if not matches:
            faults.append(Fault(file=file, line=1, column=1, message=f"checklists: {pattern!r} matches no file below {root}"))
        found.update(dict.fromkeys(match.resolve() for match in matches))
    if faults:
        raise ChecklistError(faults, hint="correct the pattern, or write the checklist")
    return tuple(found)
