"""Making an attestation: what a person is asked, the statement of the answer, and the one file it is kept in.

What is shown to the person and what is signed are the same value, and both are held against the roster before anything is
written, by the same function that will read the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import final

from pytest_golive.errors import AttestationRejected, Misuse
from pytest_golive.events import ATTESTED
from pytest_golive.guard import state
from pytest_golive.journal import Journal
from pytest_golive.model import Checklist, Item, Witnesses
from pytest_golive.probes.attestation import Attestation, stem_of
from pytest_golive.signing import attestation, dsse
from pytest_golive.signing.attestation import Asked, Attested
from pytest_golive.signing.keys import Signer
from pytest_golive.signing.roster import Roster
from pytest_golive.variables import closest


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A statement that its person has read and not yet signed, and the file that it will be."""

    item: Item
    name: str
    attested: Attested
    path: Path


def find(checklists: Sequence[Checklist], identity: str) -> Item:
    """The attestation item of this id; Misuse if there is none, or a machine answers it."""
    items = {item.id: item for one in checklists for item in one.items}
    if identity not in items:
        asked = tuple(item.id for item in items.values() if item.kind == "attestation")
        raise Misuse(
            f"no list declares the item {identity!r}{closest(identity, asked)}",
            hint=f"people are asked for: {', '.join(asked) or 'nothing'}",
        )
    item = items[identity]
    if not isinstance(item.probe, Attestation):
        raise Misuse(f"{identity} is a check of kind {item.kind}", hint="a machine looks at it; nobody can sign for it")
    return item


def draft(
    item: Item,
    *,
    root: Path,
    witnesses: Witnesses,
    roll: Roster,
    signer: Signer,
    role: str | None,
    comment: str,
    valid_for: timedelta | None,
    now: datetime,
) -> Draft:
    """What this signer would state about the item as it is now; Misuse or a TrustError if the roster does not allow it.

    Without `role` it is the one role that the item asks and the person holds. A subject that cannot be read is an error.
    """
    probe = item.probe
    assert isinstance(probe, Attestation)
    asked = probe.asked(witnesses)
    held = roll.holder(signer.public)
    if held is None:
        raise AttestationRejected(
            f"your key {signer.fingerprint} is not on the roster {witnesses.roster}",
            hint="name another key with --key PATH, or let somebody add yours to the roster",
        )
    person = held[0]
    if len(comment) > attestation.MAX_COMMENT or "\x00" in comment:
        raise Misuse(f"a comment has at most {attestation.MAX_COMMENT} characters", hint="say it shorter")
    chosen = role or _only_role(asked, person.roles)
    stated = Attested(
        item=asked.item,
        environment=asked.environment,
        look_at=asked.look_at,
        role=chosen,
        person=person.id,
        comment=comment,
        signed_at=now,
        expires=now + (asked.valid_for if valid_for is None else valid_for),
        subjects=probe.digests(root, witnesses.beside),
    )
    return Draft(
        item=item, name=person.name, attested=stated, path=witnesses.folder / f"{stem_of(item.id)}.{chosen}.{person.id}.json"
    )


def seal(made: Draft, *, signer: Signer, roll: Roster, witnesses: Witnesses, now: datetime) -> bytes:
    """The signed envelope of a draft, read already as the gate will read it; AttestationRejected if it would not be believed."""
    probe = made.item.probe
    assert isinstance(probe, Attestation)
    line = dsse.sign(attestation.build(made.attested), signer).encode("ascii") + b"\n"
    attestation.believe(line, roll, probe.asked(witnesses), now)
    return line


def keep(made: Draft, line: bytes, journal: Journal, now: datetime) -> Path:
    """Journal what was signed, then put it whole into its place."""
    journal.append(ATTESTED, _detail(made.attested, dsse.payload_digest(line)), now)
    made.path.parent.mkdir(parents=True, exist_ok=True)
    state.replace_file(str(made.path), line, 0o644)
    return made.path


def _detail(attested: Attested, digest: str) -> Mapping[str, object]:
    return {
        "item": attested.item,
        "role": attested.role,
        "person": attested.person,
        "expires": attested.expires,
        "statement": digest,
    }


def _only_role(asked: Asked, held: Sequence[str]) -> str:
    fitting = [role for role in asked.roles if role in held]
    if len(fitting) == 1:
        return fitting[0]
    wanted = ", ".join(fitting or asked.roles)
    told = "you hold several of the roles it asks" if fitting else "you hold none of the roles it asks"
    raise Misuse(f"{told}: {wanted}", hint="say which with --role" if fitting else "let somebody with that role attest")
