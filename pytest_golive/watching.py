"""Watching what is live: the monitoring items again and again, and the marker taken back by itself when one of them turns.

Documents 003 (section "First 24 hours") and 004 (section "Red Flags") name what must stop live trading at once. A red look
revokes in the round that saw it. A look that could not be had is not red, but nobody trades blind for long: after some rounds
in a row it revokes as well. What only people can answer is told and never revokes; what acts on the target is not repeated here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import final

from pytest_golive import activation, decision, events, standing
from pytest_golive.config import Settings
from pytest_golive.errors import GoliveError, JournalError, Misuse
from pytest_golive.journal import Journal
from pytest_golive.model import Decision, Finding, Item, Outcome, Phase, Ruling, Severity, Verdict, Word
from pytest_golive.probes.attestation import Attestation
from pytest_golive.signing.keys import PublicKey
from pytest_golive.trial import Surroundings, Trial

OPERATOR = "golive watch"
_UNCLEAR = frozenset({Outcome.ERROR, Outcome.BLOCKED, Outcome.NOT_RUN})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One look at everything that is watched: what is red now and was not before, what is clear again, and what follows.

    `revokes` says why the marker has to go, empty if it may stay; `stops` why everything has to stop.
    """

    decision: Decision
    turned: tuple[Ruling, ...] = ()
    cleared: tuple[Ruling, ...] = ()
    revokes: str = ""
    stops: str = ""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the rounds before have seen: the items that were not clear, and how often in a row each could not be checked."""

    unclear: Mapping[str, int] = field(default_factory=dict)
    known: frozenset[str] = frozenset()


def chosen(items: Sequence[Item], phases: Sequence[Phase], patterns: Sequence[str]) -> tuple[Item, ...]:
    """The items that are watched; Misuse if there is none that could revoke, because such a watch would guard nothing."""
    found = tuple(
        item
        for item in items
        if item.phase in phases and not item.acts and any(fnmatchcase(item.id, pattern) for pattern in patterns)
    )
    if not any(can_revoke(item) for item in found):
        raise Misuse(
            f"no critical item of the phases {', '.join(phases)} matches {', '.join(patterns)}: this watch could revoke nothing",
            hint="correct watch.phases and watch.items in golive.yaml",
        )
    return found


def refuse_idle_breaker(settings: Settings, watched: Sequence[Item]) -> None:
    """Misuse for a circuit breaker that could never stop anything."""
    for pattern in settings.watch.stops_on:
        if not any(can_revoke(item) and fnmatchcase(item.id, pattern) for item in watched):
            raise Misuse(
                f"no critical item that is watched matches {pattern}: this circuit breaker could stop nothing",
                hint="correct watch.stops_on in golive.yaml",
            )
    if settings.watch.stops_on and not settings.stop_files:
        raise Misuse("watch.stops_on is set, and no stop file is named", hint="name one under stops in golive.yaml")


def can_revoke(item: Item) -> bool:
    """Whether a failure of this item takes the marker back: it is critical, and a machine answers it."""
    return item.severity is Severity.CRITICAL and item.kind != Attestation.word


def blind(why: str, now: datetime, *, revokes: str) -> Round:
    """The round of a watch that saw nothing."""
    nothing = Decision(word=Word.INCOMPLETE, reasons=(why,), rulings=(), at=now)
    return Round(decision=nothing, revokes=f"{revokes}: {why}" if revokes else "")


def look(
    declared: Sequence[Item], watched: Sequence[Item], surroundings: Surroundings, red: Callable[[Decision], None] | None = None
) -> Decision:
    """One look at the watched items and at what they require.

    `red` is told of each red item at once, while slower looks are still under way, by a decision over that item alone.
    """
    trial = Trial(declared, surroundings)
    items = {item.id: item for item in watched}
    findings: dict[str, Finding] = {}

    def decided(over: Sequence[Item]) -> Decision:
        return decision.decide(over, findings, phases={item.phase for item in over}, now=surroundings.now())

    try:
        for finding in trial.as_seen(items):
            findings[finding.item] = finding
            alone = decided([items[finding.item]])
            if red is not None and _is_red(alone.rulings[0]):
                red(alone)
    finally:
        trial.close()
    return decided(watched)


def judge(seen: Decision, before: Memory, *, patience: int, stops_on: Sequence[str]) -> tuple[Round, Memory]:
    """What one look means after those before it; pure."""
    failing = [ruling for ruling in seen.rulings if _is_red(ruling)]
    unclear = {r.item.id: before.unclear.get(r.item.id, 0) + 1 for r in seen.rulings if r.finding.outcome in _UNCLEAR}
    blind = [r for r in seen.rulings if can_revoke(r.item) and unclear.get(r.item.id, 0) >= patience]
    shown = {ruling.item.id for ruling in seen.rulings if _is_trouble(ruling)}
    stopping_for = [r for r in failing if any(fnmatchcase(r.item.id, pattern) for pattern in stops_on)]
    return (
        Round(
            decision=seen,
            turned=tuple(r for r in seen.rulings if r.item.id in shown - before.known),
            cleared=tuple(r for r in seen.rulings if r.item.id in before.known - shown),
            revokes=_because(failing, blind, patience),
            stops=_because(stopping_for, (), patience),
        ),
        Memory(unclear=unclear, known=frozenset(shown)),
    )


def enforce(settings: Settings, journal: Journal, seen: Round, now: datetime, stop: Callable[[str], str]) -> tuple[str, ...]:
    """Do what a round demands, the stop first; sentences on what was done and on what went wrong.

    `stop` makes the stop and says what became of it. A step that fails does not keep the next one from being taken.
    """
    told: list[str] = []
    if seen.stops and not all(os.path.lexists(path) for path in settings.stop_files):
        told.append(stop(seen.stops))
    if seen.revokes and os.path.lexists(settings.marker):
        try:
            activation.deactivate(
                marker=settings.marker,
                state=settings.state,
                journal=journal,
                reason=seen.revokes,
                operator=OPERATOR,
                now=now,
            )
            told.append(f"REVOKED {settings.marker}")
        except GoliveError as error:
            told.append(f"REVOKED, but: {error}" if not os.path.lexists(settings.marker) else f"NOT REVOKED: {error}")
    return tuple(told)


def announce(settings: Settings, keys: Sequence[PublicKey], journal: Journal, now: datetime) -> tuple[str, ...]:
    """Say once that the activation in force is about to expire; empty if it is not, or if that was said."""
    marker = standing.marker(settings, keys)
    if marker is None or not marker.expires - timedelta(seconds=settings.watch.announce) <= now < marker.expires:
        return ()
    try:
        said = any(
            e.event == events.EXPIRING and e.detail.get("activation_id") == marker.activation_id for e in journal.entries()
        )
    except JournalError as error:
        return (error.message,)
    if said:
        return ()
    detail = {
        "activation_id": marker.activation_id,
        "expires": marker.expires,
        "reason": "a passing run of pytest --golive renews it",
    }
    return (f"EXPIRES at {marker.expires.isoformat(timespec='seconds')}", *_written(journal, events.EXPIRING, detail, now))


@final
class Answers:
    """What the guard says from round to round, so that a change of its answer is in the journal."""

    def __init__(self) -> None:
        self._last: tuple[bool, str] | None = None

    def note(self, seen: standing.Standing, journal: Journal, now: datetime) -> tuple[str, ...]:
        """A sentence if the answer is another one than in the round before."""
        answer = (seen.permitted, seen.reason)
        before, self._last = self._last, answer
        if before == answer:
            return ()
        said = "PERMITTED" if seen.permitted else f"REFUSED: {seen.reason}"
        wrong = (
            _written(journal, events.REFUSAL_CHANGED, {"permitted": seen.permitted, "reason": seen.reason}, now) if before else ()
        )
        return (f"Real orders are {said}", *wrong)


def beat(seen: Round) -> Mapping[str, object]:
    """What a round leaves for those who watch the watch: its time, what is not clear, and what passed."""
    return {
        "at": seen.decision.at.astimezone(UTC).isoformat(),
        "watched": len(seen.decision.rulings),
        "red": [
            {"id": r.item.id, "title": r.item.title, "reason": r.finding.reason, "fix": r.item.fix}
            for r in seen.decision.rulings
            if _is_trouble(r)
        ],
        "clear": [r.item.id for r in seen.decision.rulings if r.finding.outcome is Outcome.PASSED],
    }


def _because(failing: Sequence[Ruling], blind: Sequence[Ruling], patience: int) -> str:
    causes = [f"{ruling.item.id} failed: {ruling.finding.reason}" for ruling in failing]
    causes += [f"{r.item.id} could not be checked {patience} times in a row: {r.finding.reason}" for r in blind]
    more = f" (and {len(causes) - 1} more)" if len(causes) > 1 else ""
    return causes[0] + more if causes else ""


def _is_trouble(ruling: Ruling) -> bool:
    return ruling.verdict is not Verdict.CLEAR and ruling.finding.outcome is not Outcome.PENDING


def _is_red(ruling: Ruling) -> bool:
    return ruling.verdict is Verdict.BLOCKING and ruling.finding.outcome is Outcome.FAILED and can_revoke(ruling.item)


def _written(journal: Journal, event: str, detail: Mapping[str, object], now: datetime) -> tuple[str, ...]:
    try:
        journal.append(event, detail, now)
    except JournalError as error:
        return (error.message,)
    return ()
