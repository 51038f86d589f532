"""Activate and deactivate: the only writer of the marker.

It believes signed statements and nothing that was passed along beside them. An activation is in the journal before its
marker exists, and a deactivation has spent its counter before its marker is gone, so that a crash in between errs on the
safe side.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, final

from pytest_golive import canonical, glass, ladder
from pytest_golive.approval import NO_SIGNATURES, Policy, Signatures
from pytest_golive.errors import ActivationDenied, GoliveError, JournalError, Misuse, TrustError
from pytest_golive.events import ACTIVATED, BREAK_GLASS, DEACTIVATED, DENIED, FAILED, PROMOTED
from pytest_golive.guard import state as states
from pytest_golive.guard.marker import MAX_MARKER, Marker, parse, printable, render
from pytest_golive.guard.trusted_file import open_trusted
from pytest_golive.hours import Hours, shut
from pytest_golive.journal import Journal
from pytest_golive.preconditions import CHECKS, CheckLine, Demands, Refusal
from pytest_golive.signing.keys import PublicKey, Signer
from pytest_golive.signing.roster import Roster

__all__ = ["Activation", "CheckLine", "Deactivation", "Denied", "activate", "break_glass", "deactivate", "deny"]


@final
class Denied(ActivationDenied):
    """The denial of one check, with the lines of all checks that were asked."""

    def __init__(self, message: str, *, hint: str, checks: tuple[CheckLine, ...]) -> None:
        super().__init__(message, hint=hint)
        self.checks = checks


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """A marker that was written: where, under which id and counter, until when, and what was asked before."""

    marker: Path
    activation_id: str
    counter: int
    expires: datetime
    checks: tuple[CheckLine, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Deactivation:
    """A withdrawal: counters up to `counter` are spent; `removed` if there was a marker to remove."""

    marker: Path
    counter: int
    removed: bool


def activate(
    *,
    evidence: str,
    readiness: str | None,
    keys: Sequence[PublicKey],
    signer: Signer,
    journal: Journal,
    marker: Path,
    state: Path,
    environment: str,
    operator: str,
    allowed_profiles: Sequence[str],
    default_profile: str,
    activation_enabled: bool,
    required_preflight: bool,
    require_risk_state: str,
    require_ess_inactive: bool,
    require_testnet_history: bool,
    min_testnet_trades: int,
    answers: Mapping[str, str],
    valid_for: timedelta,
    max_age: timedelta,
    now: datetime,
    policy: Policy,
    signatures: Signatures = NO_SIGNATURES,
    any_place: bool = False,
    rungs: Sequence[ladder.Rung] = (),
    host: str = "",
    windows: tuple[Hours, ...] = (),
) -> Activation:
    """Ask the five checks in order, then the quorum and, if each says yes, write the marker; ActivationDenied with the first no.

    If there are `windows`, the moment must lie in one of them; that is asked after the others. `signatures` are those of the
    page; what they must amount to is the `policy`'s to say. `rungs` are what the profiles above the lowest stand on. With
    `any_place` the evidence may come from another machine or folder, as long as it tested the same.

    `evidence` is the signed envelope of the gate run, `readiness` that of the items of the activation phase, looked at just
    now; both must be signed by one of `keys` and be younger than `max_age`. `answers` names the items that answer
    `risk_state`, `ess_inactive` and `testnet_history`. A denial is written to the journal and leaves an existing marker
    alone. Misuse for settings that contradict themselves; JournalError, TrustError or GoliveError if something cannot be
    written, and then no new marker stands.
    """
    if default_profile not in allowed_profiles:
        raise Misuse(f"the default profile {default_profile} is not allowed", hint="add it to allowed_profiles")
    if valid_for <= timedelta(0):
        raise Misuse("an activation needs a time for which it is valid", hint="set activation.valid_for, such as 12h")
    if not operator.strip():
        raise Misuse("an activation names its operator", hint="say who activates")
    now = now.astimezone(UTC)
    demands = Demands(
        evidence=evidence,
        readiness=readiness,
        keys=keys,
        environment=environment,
        activation_enabled=activation_enabled,
        required_preflight=required_preflight,
        require_risk_state=require_risk_state,
        require_ess_inactive=require_ess_inactive,
        require_testnet_history=require_testnet_history,
        min_testnet_trades=min_testnet_trades,
        answers=answers,
        max_age=max_age,
        now=now,
        policy=policy,
        signatures=signatures,
        any_place=any_place,
        profiles=allowed_profiles,
        rungs={rung.profile: rung for rung in rungs},
        past=lambda: ladder.past(journal.entries(), now, environment),
    )
    checks: list[CheckLine] = []
    for name, check in CHECKS.items():
        try:
            checks.append(CheckLine(name, True, check(demands)))
        except Refusal as refusal:
            checks.append(CheckLine(name, False, refusal.reason))
            told = deny(journal, name, refusal.reason, operator, environment, now)
            raise Denied(refusal.reason + told, hint=refusal.hint, checks=tuple(checks)) from None
    closed = shut(windows, now)
    if windows:
        checks.append(CheckLine("window", not closed, closed or "inside of an activation window"))
    if closed:
        told = deny(journal, "window", closed, operator, environment, now)
        raise Denied(closed + told, hint="wait for the next window, or change activation.windows", checks=tuple(checks))
    run = demands.run
    _checked(journal)
    with states.locked(str(state)):
        unsigned = Marker(
            timestamp=now,
            operator=printable(operator.strip()),
            environment=environment,
            allowed_profiles=tuple(allowed_profiles),
            activation_id=secrets.token_hex(16),
            counter=1 + max(_spent(state, journal, now), _standing(marker, [*keys, signer.public])),
            not_before=now,
            # what was accepted until a moment does not carry an activation beyond it
            expires=min([now + valid_for, *(until for until in run.waived.values() if until > now)]),
            host=host,
            commit=_commit(run.manifest),
            manifest=canonical.digest(run.manifest),
            config=str(run.manifest.get("config") or ""),
            report=run.digest,
            roster=policy.roster.sha256 if policy.roster else "",
            approved_by=demands.standing.approved_by,
        )
        _note_promotion(unsigned, journal)
        _write(unsigned, signer, journal, marker)
        _overtake(state, unsigned.counter)
    return Activation(
        marker=marker,
        activation_id=unsigned.activation_id,
        counter=unsigned.counter,
        expires=unsigned.expires,
        checks=tuple(checks),
    )


def break_glass(
    lines: Sequence[bytes],
    *,
    roster: Roster,
    keys: Sequence[PublicKey],
    signer: Signer,
    journal: Journal,
    marker: Path,
    state: Path,
    environment: str,
    allowed_profiles: Sequence[str],
    config: str,
    tree: Mapping[str, Any],
    now: datetime,
    host: str = "",
) -> Activation:
    """Write a short marker on the word of two persons, without a passing run; a refusal if those words do not hold.

    It is journalled as what it is before the marker exists; `tree` has the `commit` that stands here, and whether it is `dirty`.
    Stop files, mode switches and the guard's scope hold as ever.
    """
    now = now.astimezone(UTC)
    first, second = glass.both(lines, roster, environment, now)
    reason, lasts = first.request.reason, first.request.lasts
    _checked(journal)
    journal.mend(now)
    # what no run has earned yet, two people in a hurry do not grant either
    earned = ladder.permitted(journal.entries(), environment) | {ladder.ORDER[0]}
    allowed_profiles = [profile for profile in allowed_profiles if profile in earned]
    with states.locked(str(state)):
        unsigned = Marker(
            timestamp=now,
            operator=printable(second.name),
            environment=environment,
            allowed_profiles=tuple(allowed_profiles),
            activation_id=secrets.token_hex(16),
            counter=1 + max(_spent(state, journal, now), _standing(marker, [*keys, signer.public])),
            not_before=now,
            expires=now + lasts,
            host=host,
            commit=_commit(tree),
            config=config,
            roster=roster.sha256,
            break_glass=printable(" ".join(reason.split())),
            approved_by=tuple(printable(f"{word.name} ({word.role})") for word in (first, second)),
        )
        detail = {
            "activation_id": unsigned.activation_id,
            "reason": reason,
            "environment": environment,
            "persons": [first.person, second.person],
            "approved_by": list(unsigned.approved_by),
            "expires": unsigned.expires,
            "envelopes": [word.line.decode("ascii") for word in (first, second)],
        }
        journal.append(BREAK_GLASS, detail, now)
        _write(unsigned, signer, journal, marker)
        _overtake(state, unsigned.counter)
    return Activation(
        marker=marker, activation_id=unsigned.activation_id, counter=unsigned.counter, expires=unsigned.expires, checks=()
    )


def deactivate(*, marker: Path, state: Path, journal: Journal, reason: str, operator: str, now: datetime) -> Deactivation:
    """Spend the counter of every activation so far, write that to the journal, then remove the marker if there is one.

    The marker is removed whatever happens to state and journal, because a full disk must not keep real trading on; the
    GoliveError that is raised then says what could not be written.
    """
    trouble: list[GoliveError] = []
    counter = 0
    stands = os.path.lexists(marker)
    try:
        with states.locked(str(state)):
            try:
                counter = _spent(state, journal, now)
            except JournalError as error:
                trouble.append(error)
                counter = states.read(str(state)).highest
            states.raise_locked(str(state), states.State(burned=counter))
    except TrustError as error:
        trouble.append(error)
    removed = False
    if trouble:
        # what cannot be written down, or only later, must not keep real trading on meanwhile
        with contextlib.suppress(GoliveError):
            removed = _remove(marker)
    try:
        detail = {"counter": counter, "marker": str(marker), "operator": operator, "reason": reason, "stood": stands}
        journal.append(DEACTIVATED, detail, now)
    except JournalError as error:
        trouble.append(error)
    removed = _remove(marker) or removed
    if trouble:
        raise GoliveError(
            f"the marker {marker} is gone, but its withdrawal could not be written down: {trouble[0].message}",
            hint=f"do not let the file be put back; {trouble[0].hint}",
        ) from trouble[0]
    return Deactivation(marker=marker, counter=counter, removed=removed)


def _note_promotion(unsigned: Marker, journal: Journal) -> None:
    """Write down that a larger profile is permitted than ever before."""
    before = max(0, ladder.highest(ladder.permitted(journal.entries(), unsigned.environment)))
    now = ladder.highest(unsigned.allowed_profiles)
    if now > before:
        detail = {
            "profile": ladder.ORDER[now],
            "environment": unsigned.environment,
            "approved_by": list(unsigned.approved_by),
            "evidence": unsigned.report,
        }
        journal.append(PROMOTED, detail, unsigned.timestamp)


def _write(unsigned: Marker, signer: Signer, journal: Journal, path: Path) -> None:
    """The activation into the journal, then the marker that names that record; nothing half-written."""
    detail = {
        "activation_id": unsigned.activation_id,
        "counter": unsigned.counter,
        "operator": unsigned.operator,
        "environment": unsigned.environment,
        "allowed_profiles": list(unsigned.allowed_profiles),
        "expires": unsigned.expires,
        "host": unsigned.host,
        "commit": unsigned.commit,
        "evidence": unsigned.report,
        "roster": unsigned.roster,
        "approved_by": list(unsigned.approved_by),
        "marker": str(path),
    }
    entry = journal.append(ACTIVATED, detail, unsigned.timestamp)
    signed = render(replace(unsigned, journal_head=entry.hash), signer)
    try:
        states.replace_file(str(path), signed, 0o644)
    except OSError as error:
        told = f"the marker {path} cannot be written: {error.strerror or error}"
        journal.append(FAILED, {"activation_id": unsigned.activation_id, "reason": told}, unsigned.timestamp)
        raise GoliveError(told, hint=f"let this user write the folder {path.parent}, then activate again") from error


def _overtake(state: Path, counter: int) -> None:
    """Let every guard know of the new counter, so that the marker before cannot be put back; the caller holds the lock.

    A guard that cannot read or write its memory refuses, so what fails here permits nothing.
    """
    with contextlib.suppress(TrustError):
        states.raise_locked(str(state), states.State(highest=counter))


def _commit(tree: Mapping[str, Any]) -> str:
    """The commit that was tested; a tree that differed from it goes by another name, so that no guard takes it for the commit."""
    commit, dirty = str(tree.get("commit") or ""), tree.get("dirty")
    return f"{commit}-dirty" if commit and dirty is not False else commit


def _remove(path: Path) -> bool:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise GoliveError(
            f"the marker {path} cannot be removed: {error.strerror or error}",
            hint="real trading may still be on: make a stop file now, then remove the marker as its owner",
        ) from error
    return True


def _checked(journal: Journal) -> None:
    """Read a long journal before the guard's memory is locked: the guard waits a tenth of a second for that, then refuses."""
    with contextlib.suppress(JournalError):
        journal.verify()


def _spent(state: Path, journal: Journal, now: datetime) -> int:
    """The highest counter that any activation had so far, by the guard's state and by the journal.

    A record that a crash cut short is mended first: it must keep nobody from taking the marker back.
    """
    kept = states.read(str(state))
    journal.mend(now)
    journalled = (entry.detail.get("counter") for entry in journal.entries() if entry.event == ACTIVATED)
    return max(kept.highest, kept.burned, *(counter for counter in journalled if isinstance(counter, int)))


def _standing(path: Path, keys: Sequence[PublicKey]) -> int:
    """The counter of the marker that stands there already; 0 if there is none that can be believed."""
    try:
        fd, _, content = open_trusted(str(path), "the marker", limit=MAX_MARKER)
        os.close(fd)
        return parse(content, keys).counter
    except (OSError, TrustError):
        return 0


def deny(journal: Journal, check: str, reason: str, operator: str, environment: str, now: datetime) -> str:
    """Write down that this check denied an activation; if that cannot be done the denial still stands, and the text says so."""
    detail = {"check": check, "reason": reason, "operator": operator, "environment": environment}
    try:
        journal.append(DENIED, detail, now)
    except JournalError as error:
        return f"; and this could not be written down: {error.message}"
    return ""
