"""Break, look, mend, for one item after the other; what was seen is a table that anybody can read."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from examples.desk.drill.bench import Bench
from examples.desk.drill.breaks import BREAKS
from examples.desk.drill.table import Fault, read, tables
from examples.desk.errors import DeskError
from pytest_golive import probes
from pytest_golive.model import Finding, Item, Outcome

RED = (Outcome.FAILED, Outcome.ERROR)
PATIENCE = 4.0
"""Seconds that a desk may take to notice that something is broken, or mended."""

PEOPLE = frozenset({"attestation"})
COMPOSED = frozenset({"all_of"})
"""Kinds without a fault of their own: what people state, and what is red with its parts."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one fault did: the item's outcome and reason with it, what else turned red, and what is wrong with that."""

    fault: Fault
    outcome: Outcome | None
    reason: str
    others: tuple[str, ...]
    wrong: str
    seconds: float


def missing(items: Sequence[Item], stem: str) -> tuple[Sequence[str], Sequence[str]]:
    """The automated items of a list without a fault, and the faults that name no item of it."""
    path = tables().get(stem)
    named = {fault.item for fault in read(path)} if path else set()
    automated = {item.declared for item in items if item.kind not in PEOPLE | COMPOSED}
    declared = {item.declared for item in items}
    return sorted(automated - named), sorted(named - declared)


@final
class Drill:
    """The drill of one list on one bench."""

    def __init__(self, bench: Bench, stem: str, *, everything: bool = False) -> None:
        self._bench = bench
        self._stem = stem
        self._everything = everything

    @property
    def items(self) -> Sequence[Item]:
        """The items of the list."""
        return next(one.items for one in self._bench.checklists if Path(one.path).stem == self._stem)

    def before(self) -> Mapping[str, Finding]:
        """What is not green before anything is broken; nothing of that proves anything.

        What was just traded takes the desk a moment to put into its books and archives, so what is red is looked at again.
        """
        wanted, end = [item.id for item in self.items], 0.0
        while True:
            found = self._bench.look(wanted)
            end = end or time.monotonic() + PATIENCE
            open_ = {identity: finding for identity, finding in found.items() if finding.outcome is not Outcome.PASSED}
            if not open_ or time.monotonic() > end:
                return open_
            wanted = list(open_)
            time.sleep(1)

    def run(self, only: Sequence[str] = (), *, slow: bool = True) -> Iterator[Seen]:
        """Each fault; what several items share is broken once, and what needs a restart of the desk comes last.

        Without `slow`, faults are left out that the table calls slow: whoever looks at them starts desks of his own.
        """
        groups: dict[str, list[Fault]] = {}
        for fault in read(tables()[self._stem]):
            if (not only or fault.item in only) and (slow or not fault.slow):
                groups.setdefault(fault.told, []).append(fault)
        for group in sorted(groups.values(), key=lambda group: group[0].word == "restart"):
            yield from self._try(group)
        self._bench.ready()

    def _try(self, group: Sequence[Fault]) -> Iterator[Seen]:
        """One break, and every item whose fault it is."""
        word, argument = group[0].word, group[0].argument
        began = time.monotonic()
        if word != "restart":
            self._bench.ready()
        try:
            with BREAKS[word](self._bench, argument):
                self._bench.ready()
                reds = self._reds(group)
                found = {**self._bench.look([one for one in self._watched(group) if one not in reds]), **reds}
            seconds = (time.monotonic() - began) / len(group)
            still = self._not_green(group) if word != "restart" else ()
        except (DeskError, OSError, LookupError, ValueError) as error:
            broke = f"the fault broke: {type(error).__name__}: {error}"
            seconds = (time.monotonic() - began) / len(group)
            for fault in group:
                yield Seen(fault=fault, outcome=None, reason="", others=(), wrong=broke, seconds=seconds)
            return
        together = {name for fault in group for name in (fault.item, *fault.also)}
        for fault in group:
            seen = self._judged(fault, found, together, seconds)
            if still:
                seen = replace(seen, wrong="; ".join(filter(None, (seen.wrong, f"not green again: {', '.join(still)}"))))
            yield seen

    def _reds(self, group: Sequence[Fault]) -> Mapping[str, Finding]:
        """What turns red of all that the fault concerns; waits, for a bounded time, until each of its items has.

        A desk asks its exchanges and looks after its threads twice a second, so it takes a moment to know what is broken. What
        was seen red once need not be looked at again: a look may take seconds.
        """
        reds: dict[str, Finding] = {}
        open_ = self._concerned(group)
        end = time.monotonic() + PATIENCE
        while True:
            found = self._bench.look(open_)
            reds |= {identity: finding for identity, finding in found.items() if finding.outcome in RED}
            seen = {self._declared[identity] for identity in reds}
            open_ = [identity for identity in open_ if self._declared[identity] not in seen]
            if not open_ or time.monotonic() > end:
                return reds
            time.sleep(0.1)

    def _not_green(self, group: Sequence[Fault]) -> Sequence[str]:
        """What is still not green, some time after the fault was mended."""
        open_: Sequence[str] = self._concerned(group)
        end = time.monotonic() + PATIENCE
        while True:
            found = self._bench.look(open_)
            open_ = [identity for identity, finding in found.items() if finding.outcome is not Outcome.PASSED]
            if not open_ or time.monotonic() > end:
                return open_
            time.sleep(0.1)

    def _concerned(self, group: Sequence[Fault]) -> list[str]:
        names = {name for fault in group for name in (fault.item, *fault.also)}
        return [identity for identity, declared in self._declared.items() if declared in names]

    @functools.cached_property
    def _declared(self) -> Mapping[str, str]:
        return {item.id: item.declared for one in self._bench.checklists for item in one.items}

    def _watched(self, group: Sequence[Fault]) -> Sequence[str]:
        """The items, those that are to turn red with them, and every one of the list (or of all) that is cheap to look at."""
        items = [item for one in self._bench.checklists for item in one.items] if self._everything else self.items
        named = {name for fault in group for name in (fault.item, *fault.also)}
        return [item.id for item in items if item.declared in named or _cheap(item)]

    def _judged(self, fault: Fault, found: Mapping[str, Finding], together: Set[str], seconds: float) -> Seen:
        declared = self._declared
        red = {identity: finding for identity, finding in found.items() if finding.outcome in RED}
        own = [finding for identity, finding in red.items() if declared[identity] == fault.item]
        others = {declared[identity] for identity in red} - {fault.item}
        wrong = []
        if not own:
            seen = next((finding for identity, finding in found.items() if declared[identity] == fault.item), None)
            wrong.append(f"not red: {seen.outcome} {seen.reason}".strip() if seen else "no such item")
        if unnamed := sorted(others - together):
            wrong.append(f"turned red too: {', '.join(unnamed)}")
        if innocent := sorted(fault.also & {declared[identity] for identity in found} - others):
            wrong.append(f"named, but not red: {', '.join(innocent)}")
        return Seen(
            fault=fault,
            outcome=own[0].outcome if own else None,
            reason=own[0].reason if own else "",
            others=tuple(sorted(others)),
            wrong="; ".join(wrong),
            seconds=seconds,
        )


def _cheap(item: Item) -> bool:
    return (
        not item.acts
        and item.eventually is None
        and item.kind not in PEOPLE | COMPOSED
        and not item.requires
        and probes.lane(item.probe) != "process"
    )
