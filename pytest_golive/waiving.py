"""People's exceptions, read and believed anew for every decision; and what became of those that excused nothing.

A waiver turns a *failed* item aside and nothing else, which `decision` sees to. Here it is decided whether one holds: who signed
it, whether that role may, whether the item still asks what it asked then, whether it may be waived at all, and whether successive
waivers have gone on for too long. What does not hold waives nothing and is told, because whoever put it there believes that it
does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, final
from urllib.parse import unquote

from pytest_golive import canonical, events
from pytest_golive.approval import Report, is_operator
from pytest_golive.errors import GoliveError, JournalError, ProbeError, RosterError, WaiverRejected
from pytest_golive.journal import Entry, Journal
from pytest_golive.model import Checklist, Decision, IdleWaiver, Item, Outcome, Phase, Severity, Verdict, Waiver
from pytest_golive.probes.paths import read
from pytest_golive.signing import roster as rosters
from pytest_golive.signing.personal import length
from pytest_golive.signing.waiver import Waived, holds, open_waiver
from pytest_golive.variables import closest

if TYPE_CHECKING:
    from pytest_golive.config import Settings
    from pytest_golive.redaction import Redactor
    from pytest_golive.signing.personal import Signed
    from pytest_golive.signing.roster import Person, Roster

MAX_FILE = 64 * 1024
MAX_FILES = 2_000
PAUSE = timedelta(days=7)
"""As long as less than this lies between the end of one waiver and the next, they are one row: a night off renews nothing."""

ATTESTATION = "attestation"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The time of one waiver of an item, whoever gave it."""

    item: str
    signed_at: datetime
    until: datetime


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What this place asks of a waiver: its environment, the roles that may, the longest row, the phases that gate.

    `operators` and `signers` say who runs this, by names and by fingerprints of keys; `operator_counts` whether they may waive.
    """

    environment: str
    roles: tuple[str, ...]
    at_most: timedelta
    phases: tuple[Phase, ...]
    operators: tuple[str, ...] = ()
    signers: tuple[str, ...] = ()
    operator_counts: bool = False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Waivers:
    """What holds now, one for each item, and what does not, with the reason."""

    granted: tuple[Waiver, ...] = ()
    idle: tuple[IdleWaiver, ...] = ()


def rules_of(settings: Settings, roster: Roster, operators: Sequence[str] = (), signers: Sequence[str] = ()) -> Rules:
    """The rules of these settings and this roster: without `signoff.waiver_roles`, the roles of the quorum may waive."""
    quorum = roster.quorums.get(settings.environment)
    return Rules(
        environment=settings.environment,
        roles=tuple(settings.signoff.waiver_roles) or (tuple(quorum.roles) if quorum else ()),
        at_most=timedelta(seconds=settings.signoff.max_waiver),
        phases=tuple(settings.phases),
        operators=tuple(name for name in operators if name),
        signers=tuple(signers),
        operator_counts=quorum is not None and quorum.operator_counts,
    )


def look(
    settings: Settings,
    items: Sequence[Item] | None,
    now: datetime,
    *,
    operators: Sequence[str] = (),
    signers: Sequence[str] = (),
) -> Waivers:
    """The waivers that lie in the folder of these settings, judged now; without `items`, by what is signed alone."""
    folder = settings.resolve(settings.waivers)
    try:
        files = _files(folder)
    except ProbeError as error:
        return Waivers(idle=(_untold(folder.name, f"not believed: {error.message}"),))
    if not files:
        return Waivers()
    try:
        roster = rosters.read(settings.resolve(settings.roster))
        earlier = spans(Journal(settings.resolve(settings.journal)).entries(), settings.environment)
    except (RosterError, JournalError) as error:
        told = f"the roster cannot be used: {error.faults[0]}" if isinstance(error, RosterError) else error.message
        return Waivers(idle=tuple(_untold(name, f"not believed: {told}") for name in files))
    return judge(files, items, roster, rules_of(settings, roster, operators, signers), earlier, now)


def judge(
    files: Mapping[str, bytes | str],
    items: Sequence[Item] | None,
    roster: Roster,
    rules: Rules,
    earlier: Sequence[Span],
    now: datetime,
) -> Waivers:
    """Which of these files hold; a text instead of bytes says why a file could not be read. Pure."""
    idle: list[IdleWaiver] = []
    opened: dict[str, tuple[Waived, Signed]] = {}
    for name, content in files.items():
        try:
            if isinstance(content, str):
                raise WaiverRejected(content, hint="")
            waived, signed = open_waiver(content, roster)
            opened[canonical.sha256(signed.payload)] = (waived, signed)
        except WaiverRejected as refused:
            idle.append(_untold(name, f"not believed: {refused.message}"))
    row = [*earlier, *(_span(one) for one, _ in opened.values() if one.environment == rules.environment)]
    known = None if items is None else {item.id: item for item in items}
    holding: dict[str, list[Waiver]] = {}
    for digest, (waived, signed) in opened.items():
        try:
            _refuse(waived, signed, known, rules, row, now)
        except WaiverRejected as refused:
            told = refused.message if refused.message.startswith(_PLAIN) else f"not believed: {refused.message}"
            idle.append(_told(_granted(waived, digest), told))
            continue
        holding.setdefault(waived.item, []).append(_granted(waived, digest))
    return Waivers(granted=tuple(_together(waivers) for waivers in holding.values()), idle=tuple(idle))


_PLAIN = ("expired", "unmatched")
"""How a reason begins that is nobody's fault: such a waiver is told, and not called unbelievable."""


def settle(decision: Decision, waivers: Waivers) -> Decision:
    """The decision with every waiver that excused nothing in it."""
    rulings = {ruling.item.id: ruling for ruling in decision.rulings}
    idle = list(waivers.idle)
    for waiver in waivers.granted:
        ruling = rulings.get(waiver.item)
        if ruling is None or ruling.verdict is Verdict.WAIVED:
            continue
        outcome = ruling.finding.outcome
        if ruling.verdict is Verdict.CLEAR:
            idle.append(_told(waiver, f"unused: the item is {outcome}; take the waiver away"))
        elif outcome is not Outcome.FAILED:
            idle.append(_told(waiver, f"waives nothing: the item is {outcome}, and only a failure can be waived"))
    return replace(decision, idle=tuple(idle))


def ended(statement: Mapping[str, Any], settings: Settings, checklists: Iterable[Checklist], now: datetime) -> str:
    """The first item that a signed run excused and that no waiver excuses now, with what became of its waiver; empty if none."""
    golive = statement["predicate"]["golive"]
    excused = [item["id"] for item in golive["items"] if item["verdict"] == Verdict.WAIVED]
    if not excused:
        return ""
    items = [item for one in checklists for item in one.items]
    who = [str(golive["run"][name]) for name in ("operator", "login") if golive["run"].get(name)]
    held = look(settings, items, now, operators=who)
    granted = {waiver.item for waiver in held.granted}
    for identity in excused:
        if identity not in granted:
            return next((f"{one.item}: {one.why}" for one in held.idle if one.item == identity), f"{identity}: it is gone")
    return ""


def redacted(waivers: Waivers, redactor: Redactor) -> Waivers:
    """The same without what is secret: reasons are what people wrote, and they reach terminals and pages."""
    return Waivers(
        granted=tuple(replace(one, reason=redactor.text(one.reason)) for one in waivers.granted),
        idle=tuple(replace(one, reason=redactor.text(one.reason), why=redactor.text(one.why)) for one in waivers.idle),
    )


def unwaivable(item: Item, phases: Iterable[Phase]) -> str:
    """Why this item can never be waived; empty if it can."""
    if item.kind == ATTESTATION:
        return "a person must sign for it, and nobody can waive that somebody else does"
    if item.phase not in phases:
        return f"it belongs to the phase {item.phase}, which does not gate: there is nothing to waive"
    return ""


def beginning(item: str, signed_at: datetime, row: Iterable[Span]) -> datetime:
    """When the unbroken row of waivers of an item began that one of this time belongs to.

    A row is unbroken as long as each was signed before a pause of `PAUSE` had passed since the end of an earlier one.
    """
    start = signed_at
    for span in sorted((one for one in row if one.item == item), key=lambda one: one.until, reverse=True):
        if span.until + PAUSE <= start:
            break
        start = min(start, span.signed_at)
    return start


def spans(entries: Iterable[Entry], environment: str) -> tuple[Span, ...]:
    """The times of all waivers that the journal records for an environment; a record that cannot be read is a JournalError."""
    found = []
    for entry in entries:
        if entry.event == events.WAIVED and entry.detail.get("environment") == environment:
            try:
                signed_at, until = (datetime.fromisoformat(str(entry.detail[name])) for name in ("signed_at", "until"))
                found.append(Span(item=str(entry.detail["item"]), signed_at=signed_at, until=until))
                if signed_at.tzinfo is None or until.tzinfo is None:
                    raise ValueError("a time without a zone")
            except (KeyError, ValueError):
                raise JournalError(
                    f"record {entry.seq} of the journal tells of a waiver, but not of which and until when",
                    hint="keep the file as it is and find out who wrote it",
                ) from None
    return tuple(found)


def kept(settings: Settings, roster: Roster) -> tuple[Span, ...]:
    """The times of all waivers in the folder that persons of the roster have signed, whether or not they hold now."""
    found = []
    for content in _files(settings.resolve(settings.waivers)).values():
        try:
            waived, _ = open_waiver(content if isinstance(content, bytes) else b"", roster)
        except WaiverRejected:
            continue
        if waived.environment == settings.environment:
            found.append(_span(waived))
    return tuple(found)


def _refuse(
    waived: Waived, signed: Signed, known: Mapping[str, Item] | None, rules: Rules, row: Sequence[Span], now: datetime
) -> None:
    """WaiverRejected if this waiver does not hold."""
    if waived.until <= now:
        raise WaiverRejected(f"expired at {waived.until.isoformat()}", hint="mend the item; then take the waiver away")
    holds(waived, signed, environment=rules.environment, roles=rules.roles, at_most=rules.at_most, now=now)
    start = beginning(waived.item, waived.signed_at, row)
    if waived.until - start > rules.at_most:
        raise WaiverRejected(
            f"with those before it, it would go on from {start.isoformat()} for longer than {length(rules.at_most)}"
            " (signoff.max_waiver)",
            hint="mend the item",
        )
    if not rules.operator_counts and _ran_it(signed.person, rules):
        raise WaiverRejected("whoever runs the gate does not waive for their own run", hint="let somebody else waive")
    if known is None:
        return
    item = known.get(waived.item)
    if item is None:
        raise WaiverRejected(f"unmatched: no list declares this item{closest(waived.item, tuple(known))}", hint="")
    if why := unwaivable(item, rules.phases):
        raise WaiverRejected(why, hint="")
    if waived.demand != item.demand:
        raise WaiverRejected("what the item demands has changed since it was signed", hint="")
    if item.severity is Severity.CRITICAL and waived.severity != Severity.CRITICAL:
        raise WaiverRejected(f"it was signed for a {waived.severity}, and the item is critical now", hint="")


def _ran_it(person: Person, rules: Rules) -> bool:
    run = Report(
        evidence="",
        presentation="",
        environment=rules.environment,
        run="",
        word="",
        operators=rules.operators,
        signers=rules.signers,
        signoff=None,
    )
    return is_operator(person, run)


def _files(folder: Path) -> dict[str, bytes | str]:
    """The waivers in a folder by name; what cannot be read is a text that says why. ProbeError if nobody can look."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".json"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ProbeError(f"{folder} cannot be looked at: {error.strerror}", hint="") from None
    if len(names) > MAX_FILES:
        raise ProbeError(f"{folder} holds more than {MAX_FILES} files", hint="")
    found: dict[str, bytes | str] = {}
    for name in names:
        try:
            found[name] = read(str(folder / name), MAX_FILE)
        except GoliveError as error:
            found[name] = error.message
    return found


def _span(waived: Waived) -> Span:
    return Span(item=waived.item, signed_at=waived.signed_at, until=waived.until)


def _granted(waived: Waived, digest: str) -> Waiver:
    return Waiver(
        item=waived.item,
        reason=waived.reason,
        until=waived.until,
        approved_by=(waived.name,),
        role=waived.role,
        signed_at=waived.signed_at,
        statement=digest,
    )


def _together(waivers: Sequence[Waiver]) -> Waiver:
    """The one that holds longest, with the names of all who waive the item."""
    ordered = sorted(waivers, key=lambda one: (one.until, one.statement), reverse=True)
    names = dict.fromkeys(name for one in ordered for name in one.approved_by)
    return replace(ordered[0], approved_by=tuple(names))


def _told(waiver: Waiver, why: str) -> IdleWaiver:
    return IdleWaiver(item=waiver.item, reason=waiver.reason, until=waiver.until, approved_by=waiver.approved_by, why=why)


def _untold(name: str, why: str) -> IdleWaiver:
    """A file of which nothing is believed: all that is told of it is the item that its name claims."""
    claimed = unquote(name.partition(".")[0])
    shown = "".join(letter if letter.isprintable() else "?" for letter in claimed)[:200]
    return IdleWaiver(item=shown or name, reason="", until=None, approved_by=(), why=why)
