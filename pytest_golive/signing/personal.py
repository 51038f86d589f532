"""What one person signed: who it was by the roster, and the checks that every personal statement must stand.

Attestations, waivers and approvals differ in what they say and agree in who may say it: the person who is named is the one who
signed, under the name on the roster, in a role that is held, with a key that counts, at a time that has come and has not run out.
These laws stand here once, so that none of the three can be laxer than the others. Pure: bytes, roster and clock in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, final

from pytest_golive.errors import EnvelopeRejected, StatementRejected
from pytest_golive.signing import dsse
from pytest_golive.signing.keys import Signer
from pytest_golive.signing.roster import Person, Roster, RosterKey

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
MAX_COMMENT = 4_000
_ALGORITHMS = ("sha256", "gitCommit")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """Verified bytes, the one person who signed them, and the key it was done with.

    `again` says how the statement is made anew, and `refusal` is the error of this kind of statement; every check raises it.
    """

    payload: bytes
    person: Person
    key: RosterKey
    again: str
    refusal: type[StatementRejected] = StatementRejected

    def named(self, identity: str, name: str | None = None) -> None:
        """Refuse a statement that names somebody else than who signed it; `name` is the printed one, if it carries one."""
        if identity != self.person.id:
            self._refuse(f"it names {identity!r}, but {self.person.id} signed it")
        if name is not None and name != self.person.name:
            self._refuse(f"it gives the name {name!r}, and the roster calls {identity} {self.person.name!r}")

    def holds(self, role: str, hint: str) -> None:
        """Refuse a role that the person does not hold on the roster."""
        if role not in self.person.roles:
            self._refuse(f"{self.person.id} does not hold the role {role!r}", hint)

    def timely(
        self,
        signed_at: datetime,
        expires: datetime,
        now: datetime,
        *,
        at_most: timedelta,
        limit: str,
        ahead: timedelta = timedelta(0),
    ) -> None:
        """Refuse what is dated more than `ahead` of `now`, is over, or claims to live longer than `at_most`, which is `limit`."""
        signed, ends = signed_at.isoformat(), expires.isoformat()
        if signed_at > now + ahead:
            self._refuse(f"it is dated {signed}, which is still to come", f"set the clock right, then {self.again}")
        if expires <= signed_at:
            self._refuse(f"it expires at {ends}, before it was signed")
        if expires <= now:
            self._refuse(f"it expired at {ends}")
        if expires - signed_at > at_most:
            self._refuse(f"it claims to hold until {ends}, longer than the {length(at_most)} that {limit}")

    def key_counts(self, *moments: datetime) -> None:
        """Refuse a key that does not count at one of these moments."""
        for moment in moments:
            if not self.key.valid_at(moment):
                self._refuse(
                    f"the key {self.key.public.fingerprint} of {self.person.id} does not count at {moment.isoformat()}",
                    f"see valid_from, valid_until and revoked on the roster; then {self.again}",
                )

    def _refuse(self, message: str, hint: str = "") -> NoReturn:
        raise self.refusal(message, hint=hint or self.again)


def signed_by(line: bytes, roster: Roster, again: str, refusal: type[StatementRejected] = StatementRejected) -> Signed:
    """What this envelope holds and which one person of the roster signed it; `refusal` for everything else.

    The key id is a hint from whoever wrote the envelope: it says which key to try and which words help, and lets nobody in. One
    that names another key than the signer's is refused all the same, because pages show it.
    """
    claimed = _claimed(line)
    likely = [public for public in roster.public_keys if public.fingerprint in claimed]
    try:
        opened = dsse.open_envelope(line, likely or roster.public_keys)
    except EnvelopeRejected as refused:
        raise refusal(_why(refused.message, claimed, known=bool(likely)), hint=again) from None
    signers = [public for public in roster.public_keys if public.fingerprint in opened.keyids]
    held = roster.holder(signers[0]) if len(signers) == 1 == len(claimed) else None
    if held is None:
        raise refusal("several keys signed it; a statement is one person's", hint=again)
    if claimed[0] not in ("", signers[0].fingerprint):
        raise refusal(f"it names another key than {signers[0].fingerprint}, which signed it", hint=again)
    return Signed(payload=opened.payload, person=held[0], key=held[1], again=again, refusal=refusal)


def speaker(
    roster: Roster, signer: Signer, roles: Sequence[str], role: str | None, now: datetime, act: str
) -> tuple[Person, str]:
    """The person who would sign with this key now, and the role to speak for: `role`, else the first of `roles` that is held.

    `act` is what the person is about to do, for the words of a refusal.
    """
    held = roster.holder(signer.public)
    if held is None:
        raise StatementRejected(
            f"your key {signer.fingerprint} is not on the roster",
            hint="name another key with --key PATH, or let somebody add yours: golive roster add",
        )
    person, key = held
    if not key.valid_at(now):
        raise StatementRejected(
            f"the key {signer.fingerprint} of {person.id} does not count at {now.isoformat()}",
            hint="see valid_from, valid_until and revoked on the roster",
        )
    fitting = [one for one in roles if one in person.roles and role in (None, one)]
    if not fitting:
        raise StatementRejected(
            f"{person.id} holds {', '.join(person.roles)}, and {role or 'none of these'} may not {act}",
            hint=f"let somebody do it who holds one of: {', '.join(roles)}",
        )
    return person, fitting[0]


def fields(payload: bytes, predicate_type: str) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """The predicate and the subjects by name of verified bytes; ValueError or another of `MALFORMED` for any other shape."""
    statement = dsse.strict_json(payload)
    predicate = statement["predicate"]
    if (statement["_type"], statement["predicateType"], predicate["schema"]) != (STATEMENT_TYPE, predicate_type, 1):
        raise ValueError("not a statement of this kind")
    if predicate["schema"] is True:
        raise ValueError("the schema is a number")
    subjects = {subject["name"]: _digest(subject["digest"]) for subject in statement["subject"]}
    if len(subjects) != len(statement["subject"]):
        raise ValueError("a subject stands twice")
    return predicate, subjects


MALFORMED = (EnvelopeRejected, LookupError, TypeError, AttributeError, ValueError, OverflowError)
"""What reading a statement of an unexpected shape raises."""


def text(value: Any) -> str:
    """The value, if it is text; TypeError otherwise."""
    if not isinstance(value, str):
        raise TypeError("not text")
    return value


def moment(value: Any) -> datetime:
    """A time that was written with its zone, in UTC; one of `MALFORMED` otherwise."""
    found = datetime.fromisoformat(text(value))
    if found.tzinfo is None:
        raise ValueError("a time without a zone")
    return found.astimezone(UTC)


def length(time: timedelta) -> str:
    """A length of time, in days where it is whole days."""
    return f"{time.days} {'day' if time.days == 1 else 'days'}" if time.days and not time.seconds else str(time)


def _digest(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) != 1 or not set(value) <= set(_ALGORITHMS):
        raise ValueError("a subject has one digest")
    return {name: text(digest) for name, digest in value.items()}


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
