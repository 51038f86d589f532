"""Break-glass: two persons in two roles activate for at most an hour without a passing run, seen by all until it is reviewed.

An emergency is no reason to edit a gate, so there is a way through it that is short, signed and loud. The first person signs a
request, the second signs the same request within minutes; what both signed, and nothing else, makes the marker. Pure, but for
the file of a request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, final

from pytest_golive import canonical, events
from pytest_golive.errors import Misuse, StatementRejected
from pytest_golive.guard import state
from pytest_golive.journal import Entry
from pytest_golive.signing import dsse, personal
from pytest_golive.signing.keys import Signer
from pytest_golive.signing.roster import Roster

PREDICATE_TYPE = "urn:pytest-golive:break-glass:v0.1"
REVIEW_TYPE = "urn:pytest-golive:break-glass-review:v0.1"
LONGEST = timedelta(hours=1)
"""The longest life of a marker that was made without a passing run."""

SIGNING = timedelta(minutes=15)
"""The time in which the second person signs; a request that lay around longer is none."""

MAX_REASON = 2_000
_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}")
_AGAIN = "begin anew: golive break-glass --reason '...'"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for: why, where, for how long, since when."""

    id: str
    environment: str
    reason: str
    lasts: timedelta
    begun: datetime

    @property
    def digest(self) -> str:
        """What both persons sign for."""
        return canonical.digest(self.as_fields())

    def as_fields(self) -> Mapping[str, Any]:
        """The request as it stands in a statement."""
        return {
            "id": self.id,
            "environment": self.environment,
            "reason": self.reason,
            "seconds": int(self.lasts.total_seconds()),
            "begun": self.begun,
        }


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What one person signed: a request, for one role."""

    request: Request
    person: str
    name: str
    role: str
    signed_at: datetime
    line: bytes


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Unreviewed:
    """A broken glass that nobody has looked at since."""

    activation: str
    at: datetime
    by: str
    reason: str
    persons: tuple[str, ...]


def request(identity: str, *, environment: str, reason: str, lasts: timedelta, now: datetime) -> Request:
    """A new request; Misuse without a reason, or for longer than an hour."""
    if not reason.strip() or len(reason) > MAX_REASON:
        raise Misuse(f"say why, in at most {MAX_REASON} characters", hint="golive break-glass --reason '...'")
    if not timedelta(0) < lasts <= LONGEST:
        raise Misuse("the glass is broken for at most an hour", hint="for instance --for 30m")
    return Request(id=identity, environment=environment, reason=reason.strip(), lasts=lasts, begun=now)


def sign(asked: Request, *, roster: Roster, role: str | None, signer: Signer, before: Sequence[Word], now: datetime) -> Word:
    """The word of this signer for a request, read already as the activation will read it; a refusal if it would not count."""
    taken = {word.role for word in before}
    person, chosen = personal.speaker(
        roster, signer, [one for one in roster.roles if one not in taken], role, now, "break the glass"
    )
    if any(word.person == person.id for word in before):
        raise StatementRejected(f"{person.id} has signed it already; the second word is another person's", hint=_AGAIN)
    statement = {
        "_type": personal.STATEMENT_TYPE,
        "subject": [{"name": "request", "digest": {"sha256": asked.digest}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "schema": 1,
            **asked.as_fields(),
            "person": person.id,
            "name": person.name,
            "role": chosen,
            "signed_at": now,
        },
    }
    return read(dsse.sign(canonical.dumps(statement), signer).encode("ascii"), roster, asked.environment, now)


def read(line: bytes, roster: Roster, environment: str, now: datetime) -> Word:
    """The word in this envelope; StatementRejected if no person of the roster may say it here and now."""
    signed = personal.signed_by(line, roster, _AGAIN)
    try:
        told, subjects = personal.fields(signed.payload, PREDICATE_TYPE)
        seconds = told["seconds"]
        if type(seconds) is not int:
            raise TypeError("a number of seconds")
        asked = Request(
            id=personal.text(told["id"]),
            environment=personal.text(told["environment"]),
            reason=personal.text(told["reason"]),
            lasts=timedelta(seconds=seconds),
            begun=personal.moment(told["begun"]),
        )
        person, name, role = (personal.text(told[key]) for key in ("person", "name", "role"))
        signed_at = personal.moment(told["signed_at"])
        if subjects != {"request": {"sha256": asked.digest}}:
            raise ValueError("another request than the one that was digested")
    except personal.MALFORMED:
        raise StatementRejected("what was signed is no word of a person about a broken glass", hint=_AGAIN) from None
    signed.named(person, name)
    signed.holds(role, _AGAIN)
    if asked.environment != environment:
        raise StatementRejected(f"it is meant for {asked.environment!r}, and this is {environment!r}", hint=_AGAIN)
    if not timedelta(0) < asked.lasts <= LONGEST:
        raise StatementRejected("it asks for longer than an hour", hint=_AGAIN)
    signed.timely(asked.begun, asked.begun + SIGNING, now, at_most=SIGNING, limit="two people have to sign")
    signed.timely(signed_at, asked.begun + SIGNING, now, at_most=SIGNING, limit="two people have to sign")
    signed.key_counts(signed_at, now)
    return Word(request=asked, person=person, name=name, role=role, signed_at=signed_at, line=line)


def both(lines: Iterable[bytes], roster: Roster, environment: str, now: datetime) -> tuple[Word, Word]:
    """The two words that break the glass: of two persons, with two keys, in two roles, for one request."""
    words = [read(line, roster, environment, now) for line in lines]
    if len(words) != 2:
        raise StatementRejected(f"the glass is broken by two persons, and {len(words)} signed", hint=_AGAIN)
    first, second = words
    if first.request != second.request:
        raise StatementRejected("the two words are about different requests", hint=_AGAIN)
    if first.person == second.person or first.role == second.role:
        raise StatementRejected("the two words are not those of two persons in two roles", hint=_AGAIN)
    return first, second


def keep(folder: Path, words: Sequence[Word]) -> Path:
    """Put the words of a request into its file, whole."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{words[0].request.id}.intoto.jsonl"
    state.replace_file(str(path), b"".join(word.line + b"\n" for word in words), 0o644)
    return path


def kept(folder: Path, identity: str) -> tuple[bytes, ...]:
    """The lines of a request's file; Misuse if there is no such request."""
    path = folder / f"{identity}.intoto.jsonl"
    if not _ID.fullmatch(identity) or not path.is_file():
        raise Misuse(f"there is no request {identity!r}", hint=_AGAIN)
    with path.open("rb") as stream:
        return tuple(stream.read(MAX_REASON * 64).splitlines())


def unreviewed(entries: Iterable[Entry]) -> tuple[Unreviewed, ...]:
    """The broken glasses of a journal that nobody has reviewed."""
    found: dict[str, Unreviewed] = {}
    for entry in entries:
        identity = str(entry.detail.get("activation_id", ""))
        if entry.event == events.BREAK_GLASS:
            persons = tuple(str(each) for each in entry.detail["persons"])
            by = " and ".join(str(each) for each in entry.detail["approved_by"])
            found[identity] = Unreviewed(
                activation=identity, at=entry.at, by=by, reason=str(entry.detail["reason"]), persons=persons
            )
        elif entry.event == events.REVIEWED:
            found.pop(identity, None)
    return tuple(found.values())


def review(
    broken: Unreviewed, *, reason: str, roster: Roster, role: str | None, signer: Signer, now: datetime
) -> Mapping[str, Any]:
    """What the journal keeps of a review: who looked, what came of it, and the signature; not by one of those who broke it."""
    if not reason.strip() or len(reason) > MAX_REASON:
        raise Misuse(
            f"say what came of it, in at most {MAX_REASON} characters", hint="golive break-glass --review ID --reason '...'"
        )
    person, chosen = personal.speaker(roster, signer, roster.roles, role, now, "review it")
    if person.id in broken.persons:
        raise StatementRejected(f"{person.id} broke this glass", hint="let somebody else review it")
    statement = {
        "_type": personal.STATEMENT_TYPE,
        "subject": [{"name": "activation", "digest": {"sha256": canonical.sha256(broken.activation.encode())}}],
        "predicateType": REVIEW_TYPE,
        "predicate": {
            "schema": 1,
            "activation": broken.activation,
            "reason": reason.strip(),
            "person": person.id,
            "name": person.name,
            "role": chosen,
            "signed_at": now,
        },
    }
    line = dsse.sign(canonical.dumps(statement), signer)
    personal.signed_by(line.encode("ascii"), roster, _AGAIN)
    return {
        "activation_id": broken.activation,
        "person": person.id,
        "name": person.name,
        "role": chosen,
        "reason": reason.strip(),
        "envelope": line,
    }
