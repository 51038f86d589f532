"""Findings to a decision: GO, GO WITH WARNINGS, NO-GO or INCOMPLETE; a pure function.

The rules, in the order in which they speak:

- What counts is what was *declared* for the gating phases, not what ran: a declared item without a finding makes the run
INCOMPLETE.
- No declared item at all, or none that is critical, is INCOMPLETE: nothing can be concluded from nothing.
- A critical item that failed, could not be checked, was blocked or was not run blocks: NO-GO. One that is pending blocks too,
but as long as there is nothing worse nobody knows yet: INCOMPLETE.
- A waiver turns a *failed* item aside until it expires; it never covers an error or a check that did not run. It is told:
GO WITH WARNINGS, because somebody accepted a failure and whoever approves must see that.
- A warning item that is not passed is told, and never blocks: GO WITH WARNINGS.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from pytest_golive.model import (
    Decision,
    Finding,
    Item,
    Outcome,
    Phase,
    Ruling,
    Severity,
    Verdict,
    Waiver,
    Word,
)

CLEAR = frozenset({Outcome.PASSED, Outcome.NOT_APPLICABLE})

UNSEEN = "this item did not run in this session"
"""The reason of the finding that stands for a declared item which nobody saw."""

WORST_FIRST = (
    Outcome.ERROR,
    Outcome.FAILED,
    Outcome.BLOCKED,
    Outcome.NOT_RUN,
    Outcome.PENDING,
    Outcome.NOT_APPLICABLE,
    Outcome.PASSED,
)
"""If an item was seen more than once, the worst sight of it stands."""

_PHRASES = {
    Outcome.FAILED: ("fails", "fail"),
    Outcome.ERROR: ("could not be checked", "could not be checked"),
    Outcome.BLOCKED: ("is blocked", "are blocked"),
    Outcome.PENDING: ("is pending", "are pending"),
    Outcome.NOT_RUN: ("was not run", "were not run"),
}


def worst(findings: Iterable[Finding]) -> Finding:
    """The finding that stands among several sights of one item."""
    return min(findings, key=lambda finding: WORST_FIRST.index(finding.outcome))


def rule(item: Item, finding: Finding, waiver: Waiver | None, now: datetime) -> Ruling:
    """What one finding means."""
    if finding.outcome in CLEAR:
        return Ruling(item=item, finding=finding, verdict=Verdict.CLEAR)
    if waiver is not None and finding.outcome is Outcome.FAILED and now < waiver.until:
        return Ruling(item=item, finding=finding, verdict=Verdict.WAIVED, waiver=waiver)
    verdict = Verdict.BLOCKING if item.severity is Severity.CRITICAL else Verdict.WARNED
    return Ruling(item=item, finding=finding, verdict=verdict)


def decide(
    declared: Sequence[Item],
    findings: Mapping[str, Finding],
    *,
    phases: Collection[Phase],
    now: datetime,
    waivers: Sequence[Waiver] = (),
    partial: Sequence[str] = (),
) -> Decision:
    """The word over all declared items of the gating phases.

    `findings` are keyed by item id; `partial` names what kept the session from being whole (deselection, interruption, a crash),
    each as a phrase for people; any such phrase makes the run INCOMPLETE.
    """
    waived = {waiver.item: waiver for waiver in waivers}
    rulings: list[Ruling] = []
    aside: list[Ruling] = []
    unseen = 0
    for item in declared:
        finding = findings.get(item.id)
        if item.phase not in phases:
            seen = finding or Finding(item=item.id, outcome=Outcome.NOT_RUN, reason=f"belongs to the phase {item.phase}")
            aside.append(rule(item, seen, None, now))
            continue
        if finding is None:
            unseen += 1
            finding = Finding(item=item.id, outcome=Outcome.NOT_RUN, reason=UNSEEN)
        rulings.append(rule(item, finding, waived.get(item.id), now))
    word = _word(rulings, unseen, partial)
    return Decision(word=word, reasons=_reasons(rulings, unseen, partial), rulings=tuple(rulings), at=now, aside=tuple(aside))


def _word(rulings: Sequence[Ruling], unseen: int, partial: Sequence[str]) -> Word:
    if unseen or partial or not any(ruling.item.severity is Severity.CRITICAL for ruling in rulings):
        return Word.INCOMPLETE
    verdicts = {ruling.verdict for ruling in rulings}
    if Verdict.BLOCKING in verdicts:
        blocking = {ruling.finding.outcome for ruling in rulings if ruling.verdict is Verdict.BLOCKING}
        return Word.INCOMPLETE if blocking == {Outcome.PENDING} else Word.NO_GO
    if verdicts & {Verdict.WARNED, Verdict.WAIVED}:
        return Word.GO_WITH_WARNINGS
    return Word.GO


def _reasons(rulings: Sequence[Ruling], unseen: int, partial: Sequence[str]) -> tuple[str, ...]:
    """Sentences whose numbers add up to the number of declared items."""
    reasons = [f"Partial run: {phrase}." for phrase in partial]
    if not rulings:
        return (*reasons, "No item is declared for the gating phases.")
    if not any(ruling.item.severity is Severity.CRITICAL for ruling in rulings):
        reasons.append("No critical item is declared for the gating phases.")
    if unseen:
        reasons.append(f"{_items(unseen)} did not run in this session.")
    seen = [ruling for ruling in rulings if ruling.finding.reason != UNSEEN]
    blocking = Counter(ruling.finding.outcome for ruling in seen if ruling.verdict is Verdict.BLOCKING)
    for outcome, (one, many) in _PHRASES.items():
        if count := blocking[outcome]:
            reasons.append(f"{_items(count, 'critical item')} {one if count == 1 else many}.")
    verdicts = Counter(ruling.verdict for ruling in seen)
    if count := verdicts[Verdict.WARNED]:
        reasons.append(f"{_items(count, 'warning')}.")
    if count := verdicts[Verdict.WAIVED]:
        reasons.append(f"{count} waived.")
    absent = sum(ruling.finding.outcome is Outcome.NOT_APPLICABLE for ruling in seen)
    if absent:
        reasons.append(f"{absent} not applicable.")
    reasons.append(f"{verdicts[Verdict.CLEAR] - absent} of {_items(len(rulings))} pass.")
    return tuple(reasons)


def _items(count: int, noun: str = "item") -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
