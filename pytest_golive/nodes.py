"""A checklist file and its items as pytest nodes.

The file is a `pytest.Module` without a Python object and each item a `pytest.Function` over one shared check, because then
fixtures
(autouse and module-scoped ones too), markers, `-k`, node ids and other plugins work as they do for any test; pytest's own doctest
files are built the same way. Other forms lose fixtures silently or break on `python_functions`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import pytest

from pytest_golive.model import Check, Finding, Item, Outcome
from pytest_golive.report.words import inert


class Court(Protocol):
    """Who knows the items of a checklist, and finds out about each."""

    def items_of(self, path: Path) -> tuple[Item, ...]:
        """The items that the checklist at `path` declares."""
        ...

    def finding(self, item: Item) -> Finding:
        """What is found of one item; waits for it."""
        ...


court_key: pytest.StashKey[Court] = pytest.StashKey()


class Unmet(AssertionError):
    """An item did not pass; carries its finding, so that nobody has to read it out of a message."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.reason)
        self.finding = finding


def check() -> None:
    """The one check function, whose parameter is the item of the node; the node hands it to the trial."""


class ChecklistFile(pytest.Module):
    """A checklist: the module, and so the fixture scope, of its items."""

    obj = None

    def collect(self) -> Iterable[ItemNode]:
        """One node for each item, in the order of the file."""
        court = self.config.stash[court_key]
        shared: Any = None
        for item in court.items_of(self.path):
            node: ItemNode = ItemNode.from_parent(self, name=item.id, callobj=check, fixtureinfo=shared, item=item)
            shared = node._fixtureinfo
            yield node


class ItemNode(pytest.Function):
    """One item of a checklist."""

    def __init__(self, *, item: Item, **rest: Any) -> None:
        super().__init__(**rest)
        self.item = item
        self.finding: Finding | None = None
        self.add_marker(item.severity.value)
        self.extra_keyword_matches.add(item.title)
        self.user_properties += [
            ("golive.item", item.id),
            ("golive.severity", item.severity.value),
            ("golive.phase", item.phase.value),
            ("golive.owner", item.owner),
        ]

    @classmethod
    def from_parent(cls, parent: Any, **rest: Any) -> Any:
        """The public constructor of pytest nodes."""
        return super().from_parent(parent=parent, **rest)

    def runtest(self) -> None:
        """Ask the trial for the finding; anything but passed is raised as `Unmet`."""
        self.finding = finding = self.config.stash[court_key].finding(self.item)
        if finding.outcome is not Outcome.PASSED:
            raise Unmet(finding)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *rest: Any, **named: Any) -> Any:
        """Lines for people; a traceback only for what is not a finding, or when it is asked for."""
        if isinstance(excinfo.value, Unmet) and not self.config.getoption("fulltrace"):
            return explain(self.item, excinfo.value.finding)
        return super().repr_failure(excinfo, *rest, **named)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The line of the checklist, so that editors and CI systems point there."""
        return self.path, self.item.place.line - 1, self.item.id


def explain(item: Item, finding: Finding) -> str:
    """A finding in a few lines: what was wanted, what was found, why it matters, what to do."""
    lines = [f"{item.title}  [{item.id}]", f"  {finding.outcome}: {finding.reason}"]
    lines += [f"  {_mark(check)} {check.path}: wanted {check.wanted}, found {check.found}" for check in finding.checks[:8]]
    if len(finding.checks) > 8:
        lines.append(f"  … and {len(finding.checks) - 8} more")
    source = item.source
    where = f"document {source.document}, {source.section}" + (f", line {source.line}" if source.line else "")
    lines += [f"  why:   {item.why}", f"  fix:   {item.fix}", f"  owner: {item.owner}; {where}; {item.place}"]
    # what others said may have lines of its own: none may begin as a command of GitHub does, whose runner trims lines first
    return inert("\n".join(line.replace("\n", "\n    | ") for line in lines))


def _mark(check: Check) -> str:
    return {True: "met  ", False: "unmet", None: "error"}[check.met]
