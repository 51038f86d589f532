"""What is written in a checklist, bound to the target: variables put in, each instance of an item made, each part compiled."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

from pytest_golive import canonical, expect, probes, yaml12
from pytest_golive.checklist.fields import ITEM_KEYS, ItemFields, printable
from pytest_golive.checklist.layers import Entry, Layer
from pytest_golive.errors import Fault
from pytest_golive.model import Checklist, Eventually, Item, Judge, Place, Severity, Source
from pytest_golive.shape import fit
from pytest_golive.variables import closest, substitute
from pytest_golive.yaml12 import LocatedDict, spot_of


@final
@dataclass(slots=True)
class Reader:
    """Binds one checklist; holds what its faults have in common."""

    file: str
    variables: Mapping[str, Any]
    faults: list[Fault]
    declared: Mapping[str, Any] | None = None

    def report(self, spot: yaml12.Spot, message: str) -> None:
        """Enter a fault; a spot may lie in a file that this one extends."""
        file = getattr(spot, "file", self.file)
        self.faults.append(Fault(file=file, line=spot[0], column=spot[1], message=message))

    def read(self, layer: Layer, *, sound: bool) -> Checklist | None:
        """The checklist; None if it, or (not `sound`) a file that it is made of, has a fault."""
        before = len(self.faults)
        items: list[Item] = []
        named: dict[str, yaml12.Spot] = {}
        name = layer.heading.name if layer.heading is not None else self.file
        for entry in layer.entries:
            identity = entry.id
            if isinstance(identity, str):
                at = spot_of(entry.written, ("id",))
                if identity in named:
                    first = named[identity]
                    where = f" of {first.file}" if isinstance(first, yaml12.Elsewhere) else ""
                    self.report(at, f"the id {identity!r} is used twice; first in line {first[0]}{where}")
                named.setdefault(identity, at)
            items.extend(self.item(entry, name))
        if not any(entry.written.get("severity") == Severity.CRITICAL for entry in layer.entries):
            self.report(layer.spot, "no item is critical: this list could never block anything")
        if layer.heading is None or not sound or len(self.faults) > before:
            return None
        return Checklist(
            name=layer.heading.name,
            title=layer.heading.title,
            owner=layer.heading.owner,
            path=self.file,
            sha256=layer.sha256,
            items=tuple(items),
            departures=tuple(layer.departures),
        )

    def item(self, source: Entry, checklist: str) -> Iterable[Item]:
        """Each instance of an item that has no fault."""
        entry, filler = source.written, source.filler
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
            item = self._bind(bound, kind, binding, source, checklist)
            if item is not None:
                yield replace(item, demand=self._demand(entry, bound, kind, binding))

    def _kind(self, entry: LocatedDict) -> str | None:
        kinds = []
        for key in entry:
            if key in probes.KINDS:
                kinds.append(key)
            elif key not in ITEM_KEYS:
                near = closest(key, (*ITEM_KEYS, *probes.KINDS))
                self.report(spot_of(entry, (key,)), f"unknown key or kind {key!r}{near or '; kinds: ' + ', '.join(probes.KINDS)}")
        if len(kinds) == 1:
            return kinds[0]
        if kinds:
            self.report(entry.spot, f"an item has exactly one kind, this has {len(kinds)}: {', '.join(kinds)}")
        elif all(key in ITEM_KEYS for key in entry):
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
            elif (control := _control(texts)) is not None:
                self.report(at, f"for_each.{name} {control}")
            elif len(set(texts)) != len(texts):
                self.report(at, f"for_each.{name} names an element twice")
            axes.append([(name, value) for value in values])
        if len(self.faults) > before:
            return None
        return [dict(combination) for combination in itertools.product(*axes)]

    def _at_item(self, entry: LocatedDict) -> Callable[[yaml12.Spot, str], None]:
        return lambda spot, message: self.report(entry.spot if spot == (1, 1) else spot, message)

    def _demand(self, entry: LocatedDict, bound: LocatedDict, kind: str, binding: Mapping[str, Any]) -> str:
        """The digest of what the item asks: with the target's variables, but without what the environment put into them."""
        if entry.templated and self.declared is not None:
            bound = substitute(entry, {**self.variables, **self.declared, **binding}, lambda spot, message: None, entry.spot)
        return canonical.digest({"kind": kind, "fields": bound[kind], "expect": bound["expect"]})

    def _bind(self, entry: LocatedDict, kind: str, binding: Mapping[str, Any], source: Entry, checklist: str) -> Item | None:
        fields = fit(ItemFields, _filled(entry, source.filler), self._at_item(entry))
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
        origin, again = fields.source, fields.eventually
        return Item(
            id=fields.id + suffix,
            declared=fields.id,
            title=fields.title,
            severity=fields.severity,
            phase=fields.phase,
            owner=fields.owner,
            source=Source(document=origin.document, section=origin.section, line=origin.line, note=origin.note),
            why=fields.why,
            fix=fields.fix,
            kind=kind,
            probe=probes.bound(probe, folder=source.folder, item=fields.id + suffix),
            expect=judge,
            checklist=checklist,
            place=Place(file=getattr(entry.spot, "file", self.file), line=entry.spot[0], column=entry.spot[1]),
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
        if key in ITEM_KEYS:
            located[key] = value
    return located


def _control(texts: Iterable[str]) -> str | None:
    """What is wrong if one of the texts, which become part of an id, cannot be shown as it is."""
    try:
        for text in texts:
            if "\n" in text or "\t" in text:
                return "must not hold a line end or a tab"
            printable(text)
    except ValueError as error:
        return str(error)
    return None
