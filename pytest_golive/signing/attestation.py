"""A person's statement about one item: signed, dated, expiring, and bound to what was looked at.

The statement is an in-toto Statement in a DSSE envelope like every other record of the gate. Its subjects are the question that
was put and the digests of the files that were looked at, so that neither can be exchanged under the signature. Pure functions:
bytes, roster and clock in; a believable statement or a refusal out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import final

from pytest_golive import canonical
from pytest_golive.errors import AttestationRejected
from pytest_golive.signing import personal
from pytest_golive.signing.personal import MAX_COMMENT, STATEMENT_TYPE, moment, text
from pytest_golive.signing.roster import Roster

__all__ = ["MAX_COMMENT", "PREDICATE_TYPE", "QUESTION", "Asked", "Attested", "believe", "build"]

PREDICATE_TYPE = "urn:pytest-golive:attestation:v0.1"
QUESTION = "question"
"""The name of the subject that stands for the text of what had to be looked at."""


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
    signed = personal.signed_by(line, roster, again, AttestationRejected)
    attested = _read(signed.payload, again)
    signed.named(attested.person)
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
    signed.holds(attested.role, f"let somebody with that role attest: golive attest {asked.item}; or correct the roster")
    signed.timely(attested.signed_at, attested.expires, now, at_most=asked.valid_for, limit="this item allows")
    signed.key_counts(attested.signed_at, now)
    return attested


def _read(payload: bytes, again: str) -> Attested:
    """The verified bytes as a statement of ours; any other shape is refused."""
    try:
        predicate, subjects = personal.fields(payload, PREDICATE_TYPE)
        attested = Attested(
            **{name: text(predicate[name]) for name in ("item", "environment", "look_at", "role", "person", "comment")},
            signed_at=moment(predicate["signed_at"]),
            expires=moment(predicate["expires"]),
            subjects={name: digest for name, digest in subjects.items() if name != QUESTION},
        )
        if subjects[QUESTION] != {"sha256": canonical.sha256(attested.look_at.encode())}:
            raise ValueError("the question is not the one that was digested")
    except personal.MALFORMED:
        raise AttestationRejected("what was signed is no statement of a person about an item", hint=again) from None
    return attested
