"""A person's exception for one item: signed, dated, with an end, and bound to what the item demanded when it was signed.

A waiver excuses a failure that somebody has seen and answers for; so it names the item and its environment, says why and until
when, and carries the digest of the demand, so that it cannot come to excuse another question under the same id. Whether the item
may be waived at all, and whether its waivers go on for too long, is judged in `waiving`. Pure: bytes, roster and clock in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import final

from pytest_golive import canonical
from pytest_golive.errors import WaiverRejected
from pytest_golive.signing import personal
from pytest_golive.signing.personal import STATEMENT_TYPE, Signed, moment, signed_by, text
from pytest_golive.signing.roster import Roster

PREDICATE_TYPE = "urn:pytest-golive:waiver:v0.1"
QUESTION = "question"
"""The name of the subject that stands for what the item demanded."""

MAX_REASON = 2_000
_TEXTS = ("item", "environment", "severity", "reason", "person", "name", "role")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Waived:
    """What one person signed: until `until`, the failure of this item is accepted, for this reason.

    `demand` is the digest of what the item asked, `severity` how much it weighed then.
    """

    item: str
    environment: str
    demand: str
    severity: str
    reason: str
    person: str
    name: str
    role: str
    signed_at: datetime
    until: datetime


def build(waived: Waived) -> bytes:
    """The canonical bytes of the statement, which are what is signed."""
    return canonical.dumps(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": QUESTION, "digest": {"sha256": waived.demand}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "schema": 1,
                **{name: getattr(waived, name) for name in _TEXTS},
                "signed_at": waived.signed_at,
                "until": waived.until,
            },
        }
    )


def open_waiver(line: bytes, roster: Roster) -> tuple[Waived, Signed]:
    """What the envelope says, and the person of the roster who signed it under their own name; WaiverRejected otherwise.

    Nothing is said yet of whether it holds: that is `holds`.
    """
    signed = signed_by(line, roster, again("ITEM"), WaiverRejected)
    waived = _read(signed.payload)
    signed.named(waived.person, waived.name)
    return waived, signed


def holds(waived: Waived, signed: Signed, *, environment: str, roles: tuple[str, ...], at_most: timedelta, now: datetime) -> None:
    """Refuse a waiver that this person could not give here, or that does not hold now; WaiverRejected with the first reason."""
    anew = again(waived.item)
    if waived.environment != environment:
        raise WaiverRejected(f"it is meant for the environment {waived.environment!r}, and this is {environment!r}", hint=anew)
    if waived.role not in roles:
        may = f"the role {waived.role!r} may not waive here; who may: {', '.join(roles)}" if roles else NOBODY
        raise WaiverRejected(may, hint="let somebody waive who may, or see signoff.waiver_roles in golive.yaml")
    signed.holds(waived.role, "let somebody with that role waive, or correct the roster")
    signed.timely(waived.signed_at, waived.until, now, at_most=at_most, limit="a waiver may have (signoff.max_waiver)")
    signed.key_counts(waived.signed_at, now)


NOBODY = "nobody may waive here: the roster names no role in the quorum of this environment, and signoff.waiver_roles is empty"


def again(item: str) -> str:
    """How a waiver is given anew."""
    return f"mend the item, or waive it again: golive waive {item}"


def unfit(reason: str) -> str:
    """What is wrong with a reason; empty if it says something that can be shown as it is."""
    if not reason.strip():
        return "a waiver needs a reason"
    if len(reason) > MAX_REASON:
        return f"a reason has at most {MAX_REASON} characters"
    if not all(letter.isprintable() or letter == "\n" for letter in reason):
        return "a reason holds no control characters"
    return ""


def _read(payload: bytes) -> Waived:
    """The verified bytes as a waiver; any other shape, and any other writing of this one, is refused."""
    try:
        predicate, subjects = personal.fields(payload, PREDICATE_TYPE)
        waived = Waived(
            **{name: text(predicate[name]) for name in _TEXTS},
            demand=subjects[QUESTION]["sha256"],
            signed_at=moment(predicate["signed_at"]),
            until=moment(predicate["until"]),
        )
        if build(waived) != payload or unfit(waived.reason):
            raise ValueError("it is written otherwise than a waiver is")
        if not all(getattr(waived, name).isprintable() for name in _TEXTS if name != "reason"):
            raise ValueError("a name holds control characters")
    except personal.MALFORMED:
        raise WaiverRejected("what was signed is no waiver of an item", hint=again("ITEM")) from None
    return waived
