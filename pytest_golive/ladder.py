"""The ladder of capital profiles: what must have been shown before a larger one may be allowed.

Document 001 (section "Capital Profiles") starts with micro and has a whitelist; document 004 (section "Success metrics") raises
the capital week by week, if the ledger earns it. A promotion is nothing special here: whoever allows a larger profile in
golive.yaml makes its criteria gating and critical, its history is asked for at the activation, and the quorum has to approve
that page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Protocol, final

from pytest_golive import events
from pytest_golive.model import Checklist, Departure, Item, Phase, Severity

if TYPE_CHECKING:
    from pytest_golive.journal import Entry

ORDER = ("micro", "small", "medium", "large")
"""The profiles from the least capital to the most."""


class Declared(Protocol):
    """A rung as the settings declare it; times in seconds."""

    @property
    def capital(self) -> str: ...
    @property
    def needs(self) -> Sequence[str]: ...
    @property
    def live_for(self) -> float: ...
    @property
    def calm_for(self) -> float: ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """What a profile stands on: the ids (or patterns) of its criteria, the time live, and the time without a stop before it."""

    profile: str
    capital: str
    needs: tuple[str, ...]
    live_for: timedelta
    calm_for: timedelta


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """How long real trading was permitted in all, and how long ago it was last stopped or taken back (None: never)."""

    live: timedelta
    calm: timedelta | None


def rungs(declared: Mapping[str, Declared], profiles: Iterable[str]) -> tuple[Rung, ...]:
    """The rungs of these profiles that lie above the lowest, in order; the lowest stands on nothing but the gate."""
    return tuple(
        Rung(
            profile=profile,
            capital=rung.capital,
            needs=tuple(rung.needs),
            live_for=timedelta(seconds=rung.live_for),
            calm_for=timedelta(seconds=rung.calm_for),
        )
        for profile in sorted(profiles, key=ORDER.index)
        if profile != ORDER[0] and (rung := declared.get(profile)) is not None
    )


def answering(items: Iterable[Item], rung: Rung) -> tuple[Item, ...]:
    """The items that are criteria of this rung."""
    return tuple(item for item in items if any(fnmatchcase(item.id, pattern) for pattern in rung.needs))


def gated(checklists: Sequence[Checklist], climbed: Sequence[Rung]) -> tuple[Checklist, ...]:
    """The lists with the criteria of these rungs as critical items that gate; the page tells each of them."""
    return tuple(_gated(one, climbed) for one in checklists)


def _gated(checklist: Checklist, climbed: Sequence[Rung]) -> Checklist:
    raised: dict[str, str] = {}
    for rung in climbed:
        for item in answering(checklist.items, rung):
            raised.setdefault(item.id, rung.profile)
    if not raised:
        return checklist
    items = tuple(
        replace(item, phase=Phase.PRE_DEPLOY, severity=Severity.CRITICAL) if item.id in raised else item
        for item in checklist.items
    )
    told = tuple(
        Departure(item=identity, what="gates as a critical item", reason=f"the profile {profile} stands on it")
        for identity, profile in raised.items()
    )
    return replace(checklist, items=items, departures=(*checklist.departures, *told))


def past(entries: Iterable[Entry], now: datetime, environment: str) -> Past:
    """What the journal tells of the time before `now` in this environment; a broken glass earns nothing."""
    live = timedelta()
    glasses: set[str] = set()
    began: datetime | None = None
    ends = now
    stopped: datetime | None = None
    for entry in entries:
        if entry.detail.get("environment", environment) != environment:
            continue
        if entry.event == events.BREAK_GLASS:
            glasses.add(str(entry.detail.get("activation_id")))
        if entry.event not in (events.ACTIVATED, events.DEACTIVATED, events.FAILED, events.STOPPED):
            continue
        if began is not None:
            live += max(timedelta(), min(entry.at, ends) - began)
            began = None
        if entry.event == events.ACTIVATED:
            if str(entry.detail.get("activation_id")) in glasses:
                continue
            began, ends = entry.at, datetime.fromisoformat(str(entry.detail["expires"]))
        elif entry.event == events.STOPPED or (entry.event == events.DEACTIVATED and entry.detail.get("stood")):
            stopped = entry.at
    if began is not None:
        live += max(timedelta(), min(now, ends) - began)
    return Past(live=live, calm=None if stopped is None else now - stopped)


def permitted(entries: Iterable[Entry], environment: str) -> frozenset[str]:
    """The profiles that passing runs have activated in this environment so far."""
    found: set[str] = set()
    glasses: set[str] = set()
    for entry in entries:
        if entry.event == events.BREAK_GLASS:
            glasses.add(str(entry.detail.get("activation_id")))
        elif entry.event == events.ACTIVATED and entry.detail.get("environment") == environment:
            if str(entry.detail.get("activation_id")) not in glasses:
                found.update(entry.detail.get("allowed_profiles", ()))
    return frozenset(found)


def unmet(rung: Rung, items: Mapping[str, Mapping[str, Any]], before: Past) -> str:
    """The first thing that this rung stands on and that was not shown; empty if all was. `items` are those of signed evidence."""
    for pattern in rung.needs:
        found = {identity: item for identity, item in items.items() if fnmatchcase(identity, pattern)}
        if not found:
            return f"{rung.profile} stands on {pattern}, and no item of the evidence answers that"
        for identity, item in found.items():
            if item["outcome"] != "passed" or item["severity"] != Severity.CRITICAL:
                return f"{rung.profile} stands on {identity}, which did not pass as a critical item"
    return too_early(rung, before)


def too_early(rung: Rung, before: Past) -> str:
    """Why the history does not carry this rung yet; empty if it does."""
    if before.live < rung.live_for:
        return f"{rung.profile} needs {_days(rung.live_for)} of permitted trading, and there were {_days(before.live)}"
    if before.calm is not None and before.calm < rung.calm_for:
        return f"{rung.profile} needs {_days(rung.calm_for)} without a stop, and the last one was {_days(before.calm)} ago"
    return ""


def highest(profiles: Iterable[str]) -> int:
    """How far up the highest of these profiles is; -1 for none."""
    return max((ORDER.index(profile) for profile in profiles if profile in ORDER), default=-1)


def _days(length: timedelta) -> str:
    return f"{length / timedelta(days=1):.1f} days"
