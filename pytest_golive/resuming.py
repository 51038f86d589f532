"""Resuming after a stop: who may, what that person signs, and the record that stands before the stop is taken away.

What is signed names each stop file with the digest of what was in it, so that nobody can say later that another stop was meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, final

from pytest_golive import canonical, events, stopping
from pytest_golive.errors import Misuse, StatementRejected
from pytest_golive.journal import Journal
from pytest_golive.signing import dsse, personal
from pytest_golive.signing.keys import Signer
from pytest_golive.signing.roster import Roster
from pytest_golive.stopping import Stop

PREDICATE_TYPE = "urn:pytest-golive:resume:v0.1"
AGAIN = "resume again: golive resume --reason '...'"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """What a person is about to sign: that these stops may be taken away, and why."""

    environment: str
    reason: str
    person: str
    name: str
    role: str
    signed_at: datetime
    stops: tuple[Stop, ...]

    def statement(self) -> bytes:
        """The canonical bytes that are signed."""
        return canonical.dumps(
            {
                "_type": personal.STATEMENT_TYPE,
                "subject": [{"name": str(one.path), "digest": {"sha256": one.digest}} for one in self.stops],
                "predicateType": PREDICATE_TYPE,
                "predicate": {
                    "schema": 1,
                    "environment": self.environment,
                    "reason": self.reason,
                    "person": self.person,
                    "name": self.name,
                    "role": self.role,
                    "signed_at": self.signed_at,
                    "stops": [
                        {"path": str(one.path), "since": one.since, "by": one.by, "why": [word.reason for word in one.words]}
                        for one in self.stops
                    ],
                },
            }
        )


def roles_that_resume(roster: Roster, environment: str) -> tuple[str, ...]:
    """The roles that may resume: those of the environment's quorum, or every role of the roster where it has none."""
    quorum = roster.quorums.get(environment)
    return tuple(quorum.roles) if quorum and quorum.roles else roster.roles


def draft(
    stops: Sequence[Stop],
    *,
    environment: str,
    reason: str,
    roles: Sequence[str],
    role: str | None,
    roster: Roster,
    signer: Signer,
    now: datetime,
) -> Resumption:
    """What this signer would sign; Misuse or StatementRejected if the roster does not let this person resume now."""
    if not reason.strip():
        raise Misuse("a reason is needed: why may trading go on", hint="golive resume --reason '...'")
    person, chosen = personal.speaker(roster, signer, roles, role, now, f"resume {environment}")
    return Resumption(
        environment=environment,
        reason=reason.strip()[: stopping.MAX_REASON],
        person=person.id,
        name=person.name,
        role=chosen,
        signed_at=now,
        stops=tuple(stops),
    )


def seal(made: Resumption, *, signer: Signer, roster: Roster) -> bytes:
    """The signed envelope, read already as an auditor will read it; StatementRejected if it would not be believed."""
    line = dsse.sign(made.statement(), signer).encode("ascii")
    read(line, roster, made.signed_at)
    return line


def read(line: bytes, roster: Roster, now: datetime) -> dict[str, Any]:
    """What a person of the roster signed when a stop was taken away; StatementRejected if it is not to be believed."""
    signed = personal.signed_by(line, roster, AGAIN)
    try:
        predicate, _ = personal.fields(signed.payload, PREDICATE_TYPE)
        at = personal.moment(predicate["signed_at"])
        person, name, role = (personal.text(predicate[key]) for key in ("person", "name", "role"))
    except personal.MALFORMED:
        raise StatementRejected("what was signed is no word of a person about a stop", hint=AGAIN) from None
    signed.named(person, name)
    signed.holds(role, AGAIN)
    signed.key_counts(at, now)
    return predicate


def resume(made: Resumption, line: bytes, journal: Journal, now: datetime) -> None:
    """Write the resumption down, then take the stops away; nothing is taken away that changed, or that could not be recorded."""
    detail = {
        "environment": made.environment,
        "person": made.person,
        "name": made.name,
        "role": made.role,
        "reason": made.reason,
        "stops": [{"path": str(one.path), "since": one.since, "by": one.by, "why": one.why} for one in made.stops],
        "statement": dsse.payload_digest(line),
        "envelope": line.decode("ascii"),
    }
    stopping.lift(made.stops, lambda: journal.append(events.RESUMED, detail, now))
