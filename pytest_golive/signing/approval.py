"""A person's approval of one report: signed, dated, expiring, and bound to the evidence and to the page that was read.

Two digests are signed: that of the evidence, and that of the page without its approvals. So an approval can be moved to no other
report, and not to a page that shows the same evidence otherwise. There are positive statements only: a line that says no could
be taken out of the file, so whoever does not agree does not sign. Pure: bytes, roster and clock in; an approval or a refusal out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import final

from pytest_golive import canonical
from pytest_golive.errors import ApprovalRejected
from pytest_golive.signing import dsse, personal
from pytest_golive.signing.personal import MAX_COMMENT, STATEMENT_TYPE, Signed, moment, text
from pytest_golive.signing.roster import NAME, Roster

__all__ = ["MAX_COMMENT", "MEANINGS", "PREDICATE_TYPE", "About", "Approval", "again", "believe", "build", "claimed"]

PREDICATE_TYPE = "urn:pytest-golive:approval:v0.1"
EVIDENCE = "evidence"
PRESENTATION = "presentation"
MEANINGS: Mapping[str, str] = {
    "GO": "I approve this release.",
    "GO WITH WARNINGS": "I approve this release and accept the warnings listed.",
}
"""What a signature means, by the decision that is signed; no other decision can be approved."""

AHEAD = timedelta(seconds=5)
"""By how much an approval may be younger than the clock, for clocks that tick apart."""

_TEXTS = ("environment", "run", "word", "person", "name", "role", "meaning", "comment")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The report that is approved: its digests, what its evidence says of the run, and how long an approval may live."""

    evidence: str
    presentation: str
    environment: str
    run: str
    word: str
    at_most: timedelta


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What one person signs; `evidence` and `presentation` are sha256 digests in hexadecimal."""

    evidence: str
    presentation: str
    environment: str
    run: str
    word: str
    person: str
    name: str
    role: str
    meaning: str
    comment: str
    signed_at: datetime
    expires: datetime


def build(approval: Approval) -> bytes:
    """The canonical bytes of the statement, which are what is signed."""
    subjects = ((EVIDENCE, approval.evidence), (PRESENTATION, approval.presentation))
    return canonical.dumps(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in subjects],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "schema": 1,
                **{name: getattr(approval, name) for name in _TEXTS},
                "signed_at": approval.signed_at,
                "expires": approval.expires,
            },
        }
    )


def believe(line: bytes, roster: Roster, about: About, now: datetime) -> tuple[Approval, Signed]:
    """The approval in this envelope and who signed it, if it holds for exactly this report now.

    ApprovalRejected with the first reason why not; nothing of a refused approval is handed out.
    """
    anew = again(claimed(line)[1])
    signed = personal.signed_by(line, roster, anew, ApprovalRejected)
    approval = _read(signed.payload, anew)
    signed.named(approval.person, approval.name)
    here = (
        (approval.environment, about.environment, "for the environment"),
        (approval.evidence, about.evidence, "over the evidence"),
        (approval.presentation, about.presentation, "over the page with the digest"),
        (approval.run, about.run, "for the run"),
        (approval.word, about.word, "for the decision"),
    )
    for theirs, ours, what in here:
        if theirs != ours:
            raise ApprovalRejected(f"it was given {what} {theirs!r}, and here it is {ours!r}", hint=anew)
    if MEANINGS.get(approval.word) != approval.meaning:
        raise ApprovalRejected(f"it says {approval.meaning!r}, which does not approve a {approval.word}", hint=anew)
    signed.holds(approval.role, "let somebody with that role approve, or correct the roster")
    signed.timely(approval.signed_at, approval.expires, now, at_most=about.at_most, limit="an approval may have", ahead=AHEAD)
    signed.key_counts(approval.signed_at, now)
    return approval, signed


def claimed(line: str | bytes) -> tuple[str, str]:
    """Person and role that an envelope claims, for words and look-ups alone; empty where they are not names."""
    try:
        predicate = dsse.strict_json(dsse.strict_base64(dsse.strict_json(line)["payload"]))["predicate"]
        found = predicate["person"], predicate["role"]
    except personal.MALFORMED:
        return "", ""
    person, role = (name if isinstance(name, str) and NAME.fullmatch(name) else "" for name in found)
    return person, role


def again(role: str) -> str:
    """How an approval is given anew, which replaces the older one of the same person and role."""
    return f"approve again, which replaces it: golive approve REPORT --role {role or 'ROLE'}"


def _read(payload: bytes, anew: str) -> Approval:
    """The verified bytes as an approval; any other shape, and any other writing of this one, is refused."""
    try:
        predicate, subjects = personal.fields(payload, PREDICATE_TYPE)
        approval = Approval(
            evidence=subjects[EVIDENCE]["sha256"],
            presentation=subjects[PRESENTATION]["sha256"],
            **{name: text(predicate[name]) for name in _TEXTS},
            signed_at=moment(predicate["signed_at"]),
            expires=moment(predicate["expires"]),
        )
        if build(approval) != payload:
            raise ValueError("it is written otherwise than an approval is")
    except personal.MALFORMED:
        raise ApprovalRejected("what was signed is no approval of a report", hint=anew) from None
    return approval
