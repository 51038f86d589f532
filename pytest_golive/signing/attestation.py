"""A person's statement about one item: signed, dated, expiring, and bound to what was looked at.

The statement is an in-toto Statement in a DSSE envelope like every other record of the gate. Its subjects are the question that
was put and the digests of the files that were looked at, so that neither can be exchanged under the signature. Pure functions:
bytes, roster and clock in; a believable statement or a refusal out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, final

from pytest_golive import canonical
from pytest_golive.errors import AttestationRejected, EnvelopeRejected
from pytest_golive.signing import dsse
from pytest_golive.signing.roster import Person, Roster, RosterKey

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:pytest-golive:attestation:v0.1"
QUESTION = "question"
"""The name of the subject that stands for the text of what had to be looked at."""

MAX_COMMENT = 4_000
_ALGORITHMS = ("sha256", "gitCommit")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an item asks of people: which roles must have looked at what, in which environment, and for how long that holds."""

    item: str
    environment: str
    look_at: str
    roles: tuple[str, ...]
    valid_for: timedelta


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """What one person states; `subjects` are digests (`sha256` or `gitCommit`) by the name of what was looked at."""

    item: str
    environment: str
    look_at: str
    role: str
    person: str
    signed_at: datetime
    expires: datetime
    comment: str = ""
    subjects: Mapping[str, Mapping[str, str]]


def build(attested: Attested) -> bytes:
    """The canonical bytes of the statement, which are what is signed."""
    question = {"name": QUESTION, "digest": {"sha256": canonical.sha256(attested.look_at.encode())}}
    return canonical.dumps(
        {
            "_type": STATEMENT_TYPE,
            "subject": [question, *({"name": name, "digest": dict(digest)} for name, digest in attested.subjects.items())],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "schema": 1,
                "item": attested.item,
                "environment": attested.environment,
                "look_at": attested.look_at,
                "role": attested.role,
                "person": attested.person,
                "comment": attested.comment,
                "signed_at": attested.signed_at,
                "expires": attested.expires,
            },
        }
    )


def believe(line: bytes, roster: Roster, asked: Asked, now: datetime) -> Attested:
    """The statement in this envelope, if a person of the roster may make it and it answers `asked` now.

    AttestationRejected with the first reason why not; nothing of a refused statement is handed out.
    """
    again = f"attest again: golive attest {asked.item}"
    payload, person, key = _signed_by(line, roster, again)
    attested = _read(payload, again)
    if attested.person != person.id:
        raise AttestationRejected(f"it names {attested.person!r}, but {person.id} signed it", hint=again)
    if attested.item != asked.item:
        raise AttestationRejected(f"it is about the item {attested.item!r}, not about this one", hint=again)
    if attested.environment != asked.environment:
        raise AttestationRejected(
            f"it is meant for the environment {attested.environment!r}, and this is {asked.environment!r}", hint=again
        )
    if attested.look_at != asked.look_at:
        raise AttestationRejected("what must be looked at was worded differently when it was signed", hint=again)
    if attested.role not in asked.roles:
        raise AttestationRejected(f"it speaks for the role {attested.role!r}, which this item does not ask", hint=again)
    if attested.role not in person.roles:
        raise AttestationRejected(
            f"{person.id} does not hold the role {attested.role!r}",
            hint=f"let somebody with that role attest: golive attest {asked.item}; or correct the roster",
        )
    _refuse_untimely(attested, asked, now, again)
    for moment in (attested.signed_at, now):
        if not key.valid_at(moment):
            raise AttestationRejected(
                f"the key {key.public.fingerprint} of {person.id} does not count at {moment.isoformat()}",
                hint=f"see valid_from and valid_until on the roster; then {again}",
            )
    return attested


def _signed_by(line: bytes, roster: Roster, again: str) -> tuple[bytes, Person, RosterKey]:
    """The verified bytes, and the one person who signed them.

    The key id is a hint from whoever wrote the envelope: it says which key to try and which words help, and decides nothing.
    """
    claimed = _claimed(line)
    likely = [public for public in roster.public_keys if public.fingerprint in claimed]
    try:
        opened = dsse.open_envelope(line, likely or roster.public_keys)
    except EnvelopeRejected as refused:
        raise AttestationRejected(_why(refused.message, claimed, known=bool(likely)), hint=again) from None
    signers = [public for public in roster.public_keys if public.fingerprint in opened.keyids]
    held = roster.holder(signers[0]) if len(signers) == 1 == len(claimed) else None
    if held is None:
        raise AttestationRejected("several keys signed it; a statement is one person's", hint=again)
    return opened.payload, *held


def _claimed(line: bytes) -> list[str]:
    """The key ids that stand in an envelope, one for each signature, whether or not they are true."""
    try:
        return [str(signature.get("keyid", "")) for signature in dsse.strict_json(line)["signatures"]]
    except (EnvelopeRejected, LookupError, TypeError, AttributeError):
        return []


def _why(message: str, claimed: Sequence[str], *, known: bool) -> str:
    if not message.startswith("no trusted key"):
        return message
    if known:
        return "its signature does not verify: it was altered after it was signed"
    shown = claimed[0] if claimed and claimed[0].isprintable() and len(claimed[0]) <= 80 else ""
    return f"the key {shown or 'that signed it'} is not on the roster"


def _read(payload: bytes, again: str) -> Attested:
    """The verified bytes as a statement of ours; any other shape is refused."""
    try:
        statement = dsse.strict_json(payload)
        predicate = statement["predicate"]
        if (statement["_type"], statement["predicateType"], predicate["schema"]) != (STATEMENT_TYPE, PREDICATE_TYPE, 1):
            raise ValueError("not an attestation of this kind")
        subjects = {subject["name"]: _digest(subject["digest"]) for subject in statement["subject"]}
        if len(subjects) != len(statement["subject"]):
            raise ValueError("a subject stands twice")
        attested = Attested(
            **{name: _text(predicate[name]) for name in ("item", "environment", "look_at", "role", "person", "comment")},
            signed_at=_moment(predicate["signed_at"]),
            expires=_moment(predicate["expires"]),
            subjects={name: digest for name, digest in subjects.items() if name != QUESTION},
        )
        if subjects[QUESTION] != {"sha256": canonical.sha256(attested.look_at.encode())}:
            raise ValueError("the question is not the one that was digested")
    except (EnvelopeRejected, LookupError, TypeError, AttributeError, ValueError):
        raise AttestationRejected("what was signed is no statement of a person about an item", hint=again) from None
    return attested


def _refuse_untimely(attested: Attested, asked: Asked, now: datetime, again: str) -> None:
    signed, expires = attested.signed_at.isoformat(), attested.expires.isoformat()
    if attested.signed_at > now:
        raise AttestationRejected(f"it is dated {signed}, which is still to come", hint=f"set the clock right, then {again}")
    if attested.expires <= attested.signed_at:
        raise AttestationRejected(f"it expires at {expires}, before it was signed", hint=again)
    if attested.expires <= now:
        raise AttestationRejected(f"it expired at {expires}", hint=again)
    if attested.expires - attested.signed_at > asked.valid_for:
        raise AttestationRejected(
            f"it claims to hold until {expires}, longer than the {_days(asked.valid_for)} that this item allows", hint=again
        )


def _days(length: timedelta) -> str:
    return f"{length.days} days" if length.days and not length.seconds else str(length)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value


def _digest(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) != 1 or not set(value) <= set(_ALGORITHMS):
        raise ValueError("a subject has one digest")
    return {name: _text(digest) for name, digest in value.items()}


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment.astimezone(UTC)
