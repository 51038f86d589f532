"""Making a waiver: what a person is shown, the statement of the exception, and the one file it is kept in.

What is shown and what is signed are the same value, and it is held against the roster, the item and the cap by the same function
that will judge it in every later run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import final

from pytest_golive import canonical, events, probes, quantities, waiving
from pytest_golive.comparison import Earlier
from pytest_golive.errors import GoliveError, Misuse, WaiverRejected
from pytest_golive.guard import state
from pytest_golive.journal import Journal
from pytest_golive.model import Checklist, Item, Outcome
from pytest_golive.probes.attestation import stem_of
from pytest_golive.probes.paths import read
from pytest_golive.signing import dsse, waiver
from pytest_golive.signing.keys import Signer
from pytest_golive.signing.roster import Roster
from pytest_golive.signing.waiver import Waived
from pytest_golive.variables import closest
from pytest_golive.waiving import Rules, Span


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An exception that its person has read and not yet signed, and the file that it will be."""

    item: Item
    waived: Waived
    path: Path


def find(items: Sequence[Item], identity: str, rules: Rules) -> Item:
    """The item of this id, if it can be waived; Misuse otherwise, with what to write instead."""
    known = {item.id: item for item in items}
    item = known.get(identity)
    if item is None:
        instances = [one.id for one in items if one.declared == identity]
        if instances:
            raise Misuse(f"{identity} is asked once for each of: {', '.join(instances)}", hint="waive the instance that fails")
        raise Misuse(
            f"no list declares the item {identity!r}{closest(identity, tuple(known))}", hint="see golive check for the ids"
        )
    if why := waiving.unwaivable(item, rules.phases):
        attest = item.kind == waiving.ATTESTATION
        raise Misuse(f"{identity} cannot be waived: {why}", hint=f"golive attest {identity}" if attest else "leave it as it is")
    return item


def draft(
    item: Item,
    *,
    folder: Path,
    roster: Roster,
    rules: Rules,
    signer: Signer,
    role: str | None,
    reason: str,
    until: datetime,
    now: datetime,
) -> Draft:
    """What this signer would accept about the item as it is now; Misuse or a TrustError if they may not.

    Without `role` it is the one role that may waive here and that the person holds.
    """
    held = roster.holder(signer.public)
    if held is None:
        raise WaiverRejected(
            f"your key {signer.fingerprint} is not on the roster",
            hint="name another key with --key, or let somebody add yours to the roster",
        )
    if wrong := waiver.unfit(reason):
        raise Misuse(wrong, hint="say in a sentence why this failure is acceptable for now")
    person = held[0]
    waived = Waived(
        item=item.id,
        environment=rules.environment,
        demand=item.demand,
        severity=item.severity.value,
        reason=reason,
        person=person.id,
        name=person.name,
        role=role or _only_role(rules.roles, person.roles),
        signed_at=now,
        until=until,
    )
    path = folder / f"{stem_of(item.id)}.{person.id}.json"
    if (elsewhere := _environment_of(path, roster)) not in ("", rules.environment):
        raise Misuse(
            f"{path} is what {person.id} accepted in {elsewhere}, and it would be lost",
            hint="give each environment a folder of its own: waivers: in golive.yaml",
        )
    return Draft(item=item, waived=waived, path=path)


def seal(made: Draft, *, signer: Signer, roster: Roster, rules: Rules, row: Sequence[Span], now: datetime) -> bytes:
    """The signed envelope of a draft, judged already as the gate will judge it; WaiverRejected if it would not hold."""
    line = dsse.sign(waiver.build(made.waived), signer).encode("ascii") + b"\n"
    judged = waiving.judge({made.path.name: line}, [made.item], roster, rules, row, now)
    if judged.idle:
        start = waiving.beginning(made.item.id, now, row)
        raise WaiverRejected(
            judged.idle[0].why.removeprefix("not believed: "),
            hint=f"a waiver of this item can hold until {(start + rules.at_most).isoformat()} at most, signed by {_may(rules)}",
        )
    return line


def keep(made: Draft, line: bytes, journal: Journal, now: datetime) -> Path:
    """Journal what was signed, then put it whole into its place."""
    waived = made.waived
    detail = {name: getattr(waived, name) for name in ("item", "environment", "person", "role", "reason", "signed_at", "until")}
    journal.append(events.WAIVED, {**detail, "statement": dsse.payload_digest(line)}, now)
    made.path.parent.mkdir(parents=True, exist_ok=True)
    state.replace_file(str(made.path), line, 0o644)
    return made.path


def until(text: str, now: datetime) -> datetime:
    """When a waiver ends: a length from now (`30d`), or a time with its zone; Misuse for anything else."""
    try:
        end = datetime.fromisoformat(text)
    except ValueError:
        try:
            return now + timedelta(seconds=quantities.seconds(text))
        except (ValueError, OverflowError):
            raise Misuse(
                f"--until {text!r} is neither a length nor a time", hint="write 7d, or 2027-01-31T18:00:00+00:00"
            ) from None
    if end.tzinfo is None:
        raise Misuse(f"--until {text!r} has no time zone", hint=f"write {end.isoformat()}+00:00, or a length such as 7d")
    return end.astimezone(UTC)


def dependents(items: Iterable[Item], identity: str) -> list[str]:
    """The items that rest on this one: a waiver does not make it pass, so they stay as they are."""
    listed = list(items)
    declared = next(item.declared for item in listed if item.id == identity)
    return [item.id for item in listed if declared in probes.rests_on(item)]


def seen_in(before: Earlier | None, identity: str) -> tuple[str, ...]:
    """What the last report knows of the item, in lines: its outcome, why, and what was wanted and found."""
    if before is None:
        return ("by no run yet",)
    if before.statement is None:
        return (f"nobody knows: {before.lost}",)
    item = next((one for one in before.statement["predicate"]["golive"]["items"] if one["id"] == identity), None)
    if item is None:
        return ("the last report does not know it",)
    unmet = [one for one in item["checks"] if one["met"] is not True]
    lines = [f"{item['outcome']}, in the report of {before.at.isoformat()}", item["reason"]]
    lines += [f"{one['path']}: wanted {one['wanted']}, found {one['found']}" for one in unmet[:5]]
    if item["outcome"] not in (Outcome.FAILED, Outcome.PASSED):
        lines.append("a waiver covers failures only: it would not change this")
    if item["outcome"] == Outcome.PASSED:
        lines.append("there is nothing to waive as long as it passes")
    return tuple(dict.fromkeys(line for line in lines if line))


def demand_digest(item: Item) -> str:
    """The digest that the waiver is bound to, as people compare it."""
    return f"sha256:{item.demand or canonical.sha256(b'')}"


def _environment_of(path: Path, roster: Roster) -> str:
    """For which environment the waiver in this file is; empty if there is none that somebody on the roster signed."""
    try:
        return waiver.open_waiver(read(str(path), waiving.MAX_FILE), roster)[0].environment
    except GoliveError:
        return ""


def _only_role(may: Sequence[str], held: Sequence[str]) -> str:
    if not may:
        raise Misuse(waiver.NOBODY, hint="write a quorum into the roster, or signoff: {waiver_roles: [ROLE]} into golive.yaml")
    fitting = [role for role in may if role in held]
    if len(fitting) == 1:
        return fitting[0]
    told = "you hold several of the roles that may waive" if fitting else "you hold none of the roles that may waive"
    raise Misuse(
        f"{told}: {', '.join(fitting or may)}", hint="say which with --role" if fitting else "let somebody with that role waive"
    )


def _may(rules: Rules) -> str:
    return f"one of the roles {', '.join(rules.roles)}" if rules.roles else "nobody"


def items_of(lists: Iterable[Checklist]) -> tuple[Item, ...]:
    """All items of these lists."""
    return tuple(item for one in lists for item in one.items)
