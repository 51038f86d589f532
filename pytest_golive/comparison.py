"""A run held against the one before it: what fails now and did not, what was put right, what fails still and since when.

Pure functions: two sets of rulings in, the differences out. What did not run in this session is no difference, because nobody
looked; and a run of other phases is compared with nothing, because it asks other questions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, final

from pytest_golive.decision import UNSEEN
from pytest_golive.model import Checklist, Decision, Phase, Ruling, Verdict


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """The deciding run before this one, as its own signed statement has it.

    `statement` is None if that cannot be read any more; then `lost` says why, and word and time are those of the journal.
    """

    word: str
    at: datetime
    evidence: str
    statement: Mapping[str, Any] | None = None
    lost: str = ""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What stands in the statement: the run before, the changes since, and by item id since when it is not clear.

    Both are None if there was no run before; `trouble` says why nobody could tell.
    """

    previous: Mapping[str, Any] | None = None
    changes: Mapping[str, Any] | None = None
    since: Mapping[str, str] = field(default_factory=dict)
    trouble: str = ""


def compare(decision: Decision, checklists: Sequence[Checklist], phases: Iterable[Phase], earlier: Earlier | None) -> Comparison:
    """The difference of this decision to an earlier statement; nothing is guessed of one that is lost."""
    unclear = [ruling for ruling in decision.rulings if ruling.verdict is not Verdict.CLEAR and not _unseen(ruling)]
    began = decision.at.isoformat()
    if earlier is None:
        return Comparison(since={ruling.item.id: began for ruling in unclear})
    told: dict[str, Any] = {"word": earlier.word, "run": "", "at": earlier.at, "evidence": earlier.evidence}
    if earlier.statement is None:
        return Comparison(previous={**told, "lost": earlier.lost})
    golive = earlier.statement["predicate"]["golive"]
    if sorted(golive["run"]["phases"]) != sorted(phase.value for phase in phases):
        return Comparison()
    told |= {"run": golive["run"]["id"], "at": golive["decision"]["at"]}
    before = {item["id"]: item for item in golive["items"]}
    since = _since(decision.rulings, before, golive["decision"]["at"], began)
    return Comparison(
        previous=told, changes=_changes(decision.rulings, checklists, earlier.statement, before, since), since=since
    )


def _since(rulings: Iterable[Ruling], before: Mapping[str, Mapping[str, Any]], earlier: str, now: str) -> dict[str, str]:
    """When the unbroken row of runs began in which an item was not clear; an item that nobody saw now keeps what it had."""
    found = {}
    for ruling in rulings:
        if ruling.verdict is Verdict.CLEAR:
            continue
        known = before.get(ruling.item.id)
        if known is not None and known["verdict"] != Verdict.CLEAR:
            found[ruling.item.id] = known.get("since") or earlier
        elif not _unseen(ruling):
            found[ruling.item.id] = now
    return found


def _changes(
    rulings: Sequence[Ruling],
    checklists: Sequence[Checklist],
    statement: Mapping[str, Any],
    before: Mapping[str, Mapping[str, Any]],
    since: Mapping[str, str],
) -> dict[str, Any]:
    newly: list[dict[str, str]] = []
    fixed: list[dict[str, str]] = []
    still: list[dict[str, str]] = []
    for ruling in rulings:
        if _unseen(ruling):
            continue
        known = before.get(ruling.item.id)
        failed = known is not None and known["verdict"] != Verdict.CLEAR
        if ruling.verdict is Verdict.CLEAR:
            if failed:
                fixed.append(_named(ruling))
        elif failed:
            still.append({**_named(ruling), "since": since[ruling.item.id]})
        else:
            newly.append(_named(ruling))
    present = {ruling.item.id for ruling in rulings}
    return {
        "newly_failing": newly,
        "fixed": fixed,
        "still_failing": still,
        "added": [_named(ruling) for ruling in rulings if ruling.item.id not in before],
        "removed": [{"id": one["id"], "title": one["title"]} for one in before.values() if one["id"] not in present],
        "demands": [_named(ruling) for ruling in rulings if _asks_otherwise(ruling, before.get(ruling.item.id))],
        "checklists": _other_lists(checklists, statement),
    }


def _asks_otherwise(ruling: Ruling, known: Mapping[str, Any] | None) -> bool:
    """Whether the item asks something else than before; of a statement that did not say what it asked, nobody knows."""
    asked = known.get("demand") if known is not None else None
    return bool(asked) and asked != ruling.item.demand


def _other_lists(checklists: Iterable[Checklist], statement: Mapping[str, Any]) -> list[str]:
    predicate = statement["predicate"]
    digests = {one["name"]: one["digest"]["sha256"] for one in predicate["configuration"]}
    known = {one["name"]: digests.get(one["path"]) for one in predicate["golive"]["checklists"]}
    return [one.name for one in checklists if one.name in known and known[one.name] != one.sha256]


def _named(ruling: Ruling) -> dict[str, str]:
    return {"id": ruling.item.id, "title": ruling.item.title}


def _unseen(ruling: Ruling) -> bool:
    return ruling.finding.reason == UNSEEN


def in_words(comparison: Comparison) -> str:
    """One sentence for a terminal; empty if there is nothing to compare with."""
    previous, changes = comparison.previous, comparison.changes
    if comparison.trouble:
        return f"Not compared with the last report: {comparison.trouble}."
    if previous is None:
        return ""
    at = previous["at"] if isinstance(previous["at"], str) else previous["at"].isoformat()
    named = f"the last report ({previous['word']}, {at[:19]}Z)"
    if changes is None:
        return f"Not compared with {named}: {previous['lost']}."
    counts = [
        _count(len(changes["newly_failing"]), "new failure", "new failures"),
        f"{len(changes['fixed'])} fixed",
        f"{len(changes['still_failing'])} still failing",
    ]
    for key, one, many in (
        ("added", "item added", "items added"),
        ("removed", "item removed", "items removed"),
        ("demands", "demand changed", "demands changed"),
    ):
        if changes[key]:
            counts.append(_count(len(changes[key]), one, many))
    return f"Since {named}: {', '.join(counts)}."


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
