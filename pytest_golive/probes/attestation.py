"""What people have signed for: a statement that expires, by somebody of the roster, about exactly what they looked at."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import quote

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from pytest_golive.errors import AttestationRejected, ProbeError, RosterError
from pytest_golive.model import Context, Facts, Witnesses
from pytest_golive.probes.base import Duration, Lane, Names, ProbeModel, Text, distinct
from pytest_golive.probes.paths import absolute, read, unreadable
from pytest_golive.signing import roster as rosters
from pytest_golive.signing.attestation import QUESTION, Asked, Attested, believe
from pytest_golive.worktree import look_at_tree

MAX_FILE = 256 * 1024
MAX_SUBJECT = 100_000_000
COMMIT = "git"
"""The name of the subject that stands for the commit."""


class Attestation(ProbeModel):
    """Who has looked at this and signed for it, and is it still what they saw?

    ```yaml
    attestation: {role: operations, look_at: "the rollback plan was walked through", subjects: [docs/rollback.md], valid_for: 30d}
    expect: {count: {ge: 1}, changed: []}
    ```

    For what no machine can see. `look_at` says what the person must look at; `subjects` are files whose digests are signed too,
    `commit: true` adds the commit of the root, and a work tree that differs from it counts as changed. `role`, or `roles` if
    several must speak; each person states for one role with `golive attest ITEM`. `valid_for` is the longest life of a
    statement. Anything in the folder for this item that cannot be believed (a bad signature, a key that is not on the roster, a
    role not held, expired, dated ahead, about another item, environment or wording) is an error: it is mended or removed, never
    passed over.

    `revoked_by` names items that a machine looks at and that can contradict the person. If one of them fails, this item fails,
    whoever has signed; if one could not be checked, this item is blocked.

    Facts: `count` (statements that are believed), `persons` (distinct ones), `roles` (that spoke), `missing_roles`,
    `statements` (person, name, role, comment, signed_at, expires). If there is any: `changed` (subjects that are not, or no
    longer, what was signed for) and `person`, `name`, `role`, `comment`, `signed_at`, `expires` of the newest.
    """

    word: ClassVar[str] = "attestation"
    lane: ClassVar[Lane] = "local"

    role: Text | None = None
    roles: Annotated[Names, Field(min_length=1)] | None = None
    look_at: Text
    subjects: Names = ()
    commit: bool = False
    valid_for: Duration
    revoked_by: Annotated[Names, AfterValidator(distinct)] = ()

    _item: str = PrivateAttr(default="")

    @model_validator(mode="after")
    def _asks_somebody(self) -> Self:
        if (self.role is None) == (self.roles is None):
            raise ValueError("write either role, or roles as a list")
        if len(set(self.asked_roles)) != len(self.asked_roles) or len(set(self.subjects)) != len(self.subjects):
            raise ValueError("a role or a subject stands twice")
        if {QUESTION, COMMIT} & set(self.subjects):
            raise ValueError(f"a subject is a file; the names {QUESTION} and {COMMIT} are taken: write ./{QUESTION}")
        return self

    @property
    def asked_roles(self) -> tuple[str, ...]:
        """The roles that must speak."""
        return self.roles or ((self.role,) if self.role is not None else ())

    def answering(self, item: str) -> Attestation:
        """This check, for the item of that id: statements are looked for, and held against, by it."""
        bound = self.model_copy()
        bound._item = item
        return bound

    def asked(self, witnesses: Witnesses) -> Asked:
        """What a statement must answer."""
        return Asked(
            item=self._item,
            environment=witnesses.environment,
            look_at=self.look_at,
            roles=self.asked_roles,
            valid_for=timedelta(seconds=self.valid_for),
        )

    def digests(self, root: Path, beside: Sequence[Path] = ()) -> dict[str, dict[str, str]]:
        """The digests of everything that must be looked at, as it is now; `ProbeError` if something cannot be read.

        Changes below `beside` do not make the work tree another one than its commit.
        """
        found = {name: _file_digest(root, name) for name in self.subjects}
        if not self.commit:
            return found
        named = _commit(root, beside)
        if named is None:
            raise ProbeError(
                "the work tree differs from its commit, so that the commit does not say what you looked at",
                hint="see git status; commit or put away what differs, then attest",
            )
        return {**found, COMMIT: named}

    def look(self, context: Context) -> Facts:
        witnesses = context.witnesses
        if witnesses is None or not self._item:
            raise ProbeError("nobody told where people's statements are", hint="ask this item through a checklist")
        try:
            roster = rosters.read(witnesses.roster)
        except RosterError as error:
            raise ProbeError(f"the roster cannot be used: {error.faults[0]}", hint=error.hint) from None
        for role in self.asked_roles:
            if role not in roster.roles:
                raise ProbeError(
                    f"the roster knows no role {role!r}", hint=f"correct the item, or roles in {witnesses.roster.name}"
                )
        asked, now = self.asked(witnesses), context.now()
        believed: dict[tuple[str, str], Attested] = {}
        for path in statements_of(self._item, witnesses.folder):
            try:
                attested = believe(read(path, MAX_FILE), roster, asked, now)
            except AttestationRejected as error:
                raise ProbeError(f"{os.path.basename(path)}: {error.message}", hint=error.hint) from None
            known = believed.get((attested.person, attested.role))
            if known is None or known.signed_at < attested.signed_at:
                believed[attested.person, attested.role] = attested
        names = {person.id: person.name for person in roster.persons}
        return self._facts(sorted(believed.values(), key=lambda one: one.signed_at), names, context)

    def _facts(self, believed: list[Attested], names: Mapping[str, str], context: Context) -> dict[str, Any]:
        spoke = {attested.role for attested in believed}
        told = [
            {
                "person": one.person,
                "name": names[one.person],
                "role": one.role,
                "comment": one.comment,
                "signed_at": one.signed_at.isoformat(),
                "expires": one.expires.isoformat(),
            }
            for one in believed
        ]
        facts: dict[str, Any] = {
            "count": len(believed),
            "persons": len({one.person for one in believed}),
            "roles": [role for role in self.asked_roles if role in spoke],
            "missing_roles": [role for role in self.asked_roles if role not in spoke],
            "statements": told,
        }
        if not believed:
            return facts
        return {**facts, "changed": self._changed(believed, context), **told[-1]}

    def _changed(self, believed: list[Attested], context: Context) -> list[str]:
        """The subjects that any of the statements did not see as they are now.

        One that is gone has changed, and so has a commit that the work tree differs from.
        """
        changed, beside = [], context.witnesses.beside if context.witnesses else ()
        for name in (*self.subjects, *((COMMIT,) if self.commit else ())):
            try:
                present = _commit(context.root, beside) if name == COMMIT else _file_digest(context.root, name)
            except FileNotFoundError:
                present = None
            if any(attested.subjects.get(name) != present or present is None for attested in believed):
                changed.append(name)
        return changed


def statements_of(item: str, folder: Path) -> list[str]:
    """The files in which people may have spoken about an item: `ITEM.json`, or `ITEM.` with anything before `.json`."""
    stem = stem_of(item)
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(str(folder), error) from None
    return sorted(
        os.path.join(folder, name)
        for name in names
        if name.endswith(".json") and (name == f"{stem}.json" or name.startswith(f"{stem}."))
    )


def stem_of(item: str) -> str:
    """The item's id as the beginning of a file name: without `/`, and without a dot that would look like an end."""
    return quote(item, safe="[]-").replace(".", "%2E")


def _file_digest(root: Path, name: str) -> dict[str, str]:
    path = absolute(root, name)
    if not os.path.lexists(path):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return {"sha256": hashlib.sha256(read(path, MAX_SUBJECT)).hexdigest()}


def _commit(root: Path, beside: Sequence[Path]) -> dict[str, str] | None:
    """The digest that names the commit; None if the work tree differs from it, because then no commit says what lies there."""
    tree = look_at_tree(root, beside=beside)
    if not tree.commit or tree.dirty is None:
        raise ProbeError(f"git tells no commit of {root}", hint="commit: true needs a git repository with a commit")
    return None if tree.dirty else {"gitCommit": tree.commit}
