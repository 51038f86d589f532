"""Who may sign, and whose signatures together are enough: the nouns of the roster, and whether a quorum can be met at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import final

from pytest_golive.signing.public import PublicKey


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RosterKey:
    """A person's public key and the time for which it counts; an end that is not given does not end it.

    `revoked` is the moment from which a lost key no longer counts, whatever date its signatures bear: whoever found it writes the
    date, so a date before the loss proves nothing.
    """

    public: PublicKey
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    revoked: datetime | None = None

    def valid_at(self, moment: datetime) -> bool:
        """Whether the key counts at this moment."""
        begun = self.valid_from is None or self.valid_from <= moment
        return begun and all(moment < end for end in (self.valid_until, self.revoked) if end is not None)

    def standing(self, now: datetime) -> str:
        """Whether and how long the key counts, in words."""
        if self.revoked is not None and self.revoked <= now:
            return f"revoked at {self.revoked.isoformat()}"
        if self.valid_until is not None and self.valid_until <= now:
            return f"expired at {self.valid_until.isoformat()}"
        if self.valid_from is not None and self.valid_from > now:
            return f"not before {self.valid_from.isoformat()}"
        ends = [end for end in (self.valid_until, self.revoked) if end is not None]
        return f"until {min(ends).isoformat()}" if ends else "without an end"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who may sign: an id for files, a name for people, roles, keys, and the logins under which they run things."""

    id: str
    name: str
    roles: tuple[str, ...]
    keys: tuple[RosterKey, ...]
    logins: tuple[str, ...] = ()

    def can_sign_at(self, moment: datetime) -> bool:
        """Whether any key of this person counts at this moment."""
        return any(key.valid_at(moment) for key in self.keys)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Quorum:
    """Whose approvals are enough in one environment: so many distinct persons, and so many of each role among them.

    `operator_counts` says whether the operator of the run may be one of them.
    """

    persons: int
    roles: Mapping[str, int]
    operator_counts: bool = False

    def gaps(self, able: Iterable[Person]) -> tuple[str, ...]:
        """What is missing even if all of these sign in each of their roles, which is the most that they can do."""
        all_of_them = tuple(able)
        missing = []
        for role, least in self.roles.items():
            held = sum(role in person.roles for person in all_of_them)
            if held < least:
                missing.append(f"it asks for {least} of {role}, and {held} of those who can sign hold it")
        if len(all_of_them) < self.persons:
            missing.append(f"it asks for {self.persons} persons of {len(all_of_them)} who can sign")
        return tuple(missing)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """A whole and valid roster; `sha256` is of the bytes it was read from."""

    sha256: str
    roles: tuple[str, ...]
    persons: tuple[Person, ...]
    quorums: Mapping[str, Quorum]

    @property
    def public_keys(self) -> tuple[PublicKey, ...]:
        """Every key that stands on the roster, whether or not it counts at present."""
        return tuple(key.public for person in self.persons for key in person.keys)

    def holder(self, public: PublicKey) -> tuple[Person, RosterKey] | None:
        """Who holds this key, by its bytes; None if it is nobody's."""
        return next(((person, key) for person in self.persons for key in person.keys if key.public == public), None)

    def unreachable(self, now: datetime) -> tuple[str, ...]:
        """The quorums that nobody can meet with the keys that count now, and why."""
        able = [person for person in self.persons if person.can_sign_at(now)]
        return tuple(
            f"quorum.{environment} cannot be met with the keys that count now: {gap}"
            for environment, quorum in self.quorums.items()
            for gap in quorum.gaps(able)
        )

    def bound_operators(self, now: datetime) -> tuple[str, ...]:
        """Who may not run the gate, in words, because the quorum that can be met now could not be met without them."""
        able = [person for person in self.persons if person.can_sign_at(now)]
        return tuple(
            f"quorum.{environment} cannot be met if {one.id} runs the gate: {'; '.join(gaps)}"
            for environment, quorum in self.quorums.items()
            if not quorum.operator_counts and not quorum.gaps(able)
            for one in able
            if (gaps := quorum.gaps(other for other in able if other is not one))
        )
