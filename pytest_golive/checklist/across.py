"""What only shows when all checklists are held together: ids used twice, requirements that name nothing, circles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pytest_golive import probes
from pytest_golive.errors import Fault
from pytest_golive.model import Checklist, Item
from pytest_golive.variables import closest


def hold_together(checklists: Sequence[Checklist], faults: list[Fault], *, complete: bool) -> None:
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
            if wanted := probes.rests_on(item):
                needs[item.declared] = wanted
    known = frozenset(declared)
    for identity, wanted in needs.items():
        for other in wanted:
            if other not in known and complete:
                report(declared[identity], f"{identity!r} needs {other!r}, which no list declares{closest(other, known)}")
    for item in {item.declared: item for checklist in checklists for item in checklist.items}.values():
        for other in probes.revoking(item.probe):
            if other in declared and declared[other].kind == "attestation":
                report(item, f"revoked_by: {other!r} is a person's statement too; only what a machine looks at revokes one")
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
