"""The roster: which person holds which roles and which keys, and whose signatures together are enough.

It is a TOML file that people edit and review (`golive.roster.toml`), read with the standard library alone. Every fault is told
at once. A key belongs to one person: two names over one key would let one person count as two, and key ids would not show it.
"""

from __future__ import annotations

import base64
import binascii
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

from pytest_golive import canonical
from pytest_golive.errors import Fault, KeyRefused, RosterError
from pytest_golive.signing.keys import PublicKey

MAX_ROSTER = 1_000_000
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
"""How the ids of persons and the names of roles are written: they become parts of file names."""

_EXAMPLE = 'key = "ssh-ed25519 AAAA…", valid_until = 2027-01-01T00:00:00Z'
_TOP = ("version", "roles", "persons", "quorum")
_PERSON = ("name", "roles", "keys", "logins")
_KEY = ("key", "valid_from", "valid_until")
_QUORUM = ("persons", "roles", "operator_counts")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RosterKey:
    """A person's public key and the time for which it counts; an end that is not given does not end it."""

    public: PublicKey
    valid_from: datetime | None = None
    valid_until: datetime | None = None

    def valid_at(self, moment: datetime) -> bool:
        """Whether the key counts at this moment."""
        begun = self.valid_from is None or self.valid_from <= moment
        return begun and (self.valid_until is None or moment < self.valid_until)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who may sign: an id for files, a name for people, roles, and keys.

    `logins` are further names under which this person may have run the gate, so that an operator is known again.
    """

    id: str
    name: str
    roles: tuple[str, ...]
    keys: tuple[RosterKey, ...]
    logins: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Quorum:
    """Whose approvals are enough in one environment: so many distinct persons, and so many of each role among them.

    `operator_counts` says whether the operator of the run may be one of them.
    """

    persons: int
    roles: Mapping[str, int]
    operator_counts: bool = False


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


def read(path: Path) -> Roster:
    """The roster of a file; RosterError with every fault and its line."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_ROSTER + 1)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        told = "this roster does not exist" if missing else f"cannot be read: {error.strerror}"
        raise RosterError(
            [Fault(file=str(path), line=1, column=1, message=told)],
            hint="write it (docs/checklists.md, section Attestations), or name another under roster: in golive.yaml",
        ) from None
    return parse(raw, str(path))


def parse(raw: bytes, file: str) -> Roster:
    """The roster of these bytes; `file` is the name that faults carry."""
    try:
        if len(raw) > MAX_ROSTER:
            raise ValueError(f"the roster has more than {MAX_ROSTER} bytes")
        text = raw.decode("utf-8")
        table = tomllib.loads(text)
    except ValueError as error:
        line = re.search(r"at line (\d+), column (\d+)", str(error))
        at = (int(line[1]), int(line[2])) if line else (1, 1)
        raise RosterError(
            [Fault(file=file, line=at[0], column=at[1], message=f"is not TOML: {error}")], hint="correct the line above"
        ) from None
    reader = _Reader(file, text)
    roster = reader.roster(table, canonical.sha256(raw))
    if reader.faults:
        raise RosterError(reader.faults, hint="correct the lines above; docs/checklists.md shows a roster")
    return roster


@final
class _Reader:
    """Reads the tables of one roster and keeps what is wrong with them."""

    def __init__(self, file: str, text: str) -> None:
        self.faults: list[Fault] = []
        self._file = file
        self._lines = text.splitlines()

    def roster(self, table: Mapping[str, Any], sha256: str) -> Roster:
        self._known(table, _TOP, "the roster", "")
        if table.get("version") != 1 or table.get("version") is True:
            self._fault("version = 1 is required", "version")
        roles = self._names(table.get("roles"), "roles", "roles")
        persons = tuple(
            self._person(identity, fields, roles) for identity, fields in self._tables(table.get("persons"), "persons").items()
        )
        if not persons:
            self._fault("the roster names no person: write a table [persons.ID]", "persons")
        self._one_holder_each(persons)
        quorums = {
            environment: self._quorum(environment, fields, roles, persons)
            for environment, fields in self._tables(table.get("quorum", {}), "quorum").items()
        }
        return Roster(sha256=sha256, roles=roles, persons=persons, quorums=quorums)

    def _person(self, identity: str, fields: Mapping[str, Any], known: tuple[str, ...]) -> Person:
        where, near = f"persons.{identity}", f"persons.{identity}]"
        self._known(fields, _PERSON, where, near)
        if not NAME.fullmatch(identity):
            self._fault(f"{identity!r} is no id of a person: small letters, digits and hyphens, at most 64", near)
        name = fields.get("name")
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            self._fault(f"{where}.name must be the person's name, in printable letters", near)
        roles = self._names(fields.get("roles"), f"{where}.roles", near)
        for role in roles:
            if role not in known:
                self._fault(f"{where}.roles: the role {role!r} is not one of roles = [{', '.join(known)}]", near)
        listed = fields.get("keys")
        if not isinstance(listed, list) or not listed:
            self._fault(f"{where}.keys must be a list of tables with at least one: keys = [{{{_EXAMPLE}}}]", near)
            listed = []
        keys = [self._key(entry, f"{where}.keys[{number}]", near) for number, entry in enumerate(listed)]
        logins = fields.get("logins", [])
        if not isinstance(logins, list) or not all(isinstance(login, str) and login.strip() for login in logins):
            self._fault(f'{where}.logins must be a list of the names under which this person runs the gate: ["ann"]', near)
            logins = []
        told = tuple(key for key in keys if key is not None)
        return Person(id=identity, name=str(name), roles=roles, keys=told, logins=tuple(logins))

    def _key(self, entry: Any, where: str, near: str) -> RosterKey | None:
        if not isinstance(entry, dict):
            self._fault(f"{where} must be a table: {{{_EXAMPLE}}}", near)
            return None
        self._known(entry, _KEY, where, near)
        line = entry.get("key")
        if not isinstance(line, str):
            self._fault(f"{where}.key must be one line of an OpenSSH public key file", near)
            return None
        times: dict[str, datetime] = {}
        for name in ("valid_from", "valid_until"):
            if name in entry:
                moment = entry[name]
                if isinstance(moment, datetime) and moment.tzinfo is not None:
                    times[name] = moment.astimezone(UTC)
                else:
                    self._fault(f"{where}.{name} must be a time with a zone, such as 2027-01-01T00:00:00Z", near)
        if len(times) == 2 and times["valid_from"] >= times["valid_until"]:
            self._fault(f"{where} ends before it begins", near)
        try:
            return RosterKey(public=PublicKey.parse(line), **times)
        except KeyRefused as refused:
            bits = _rsa_bits(line)
            strength = f"this RSA key has {bits} bits; " if bits else ""
            self._fault(f"{where}: {strength}{refused.message} ({refused.hint})", line.strip() or near)
            return None

    def _one_holder_each(self, persons: Iterable[Person]) -> None:
        holders: dict[PublicKey, str] = {}
        for person in persons:
            for key in person.keys:
                first = holders.setdefault(key.public, person.id)
                blob = key.public.line.split()[1]
                if first != person.id:
                    self._fault(f"the key {key.public.fingerprint} is listed for two persons, {first} and {person.id}", blob)
            own = [key.public for key in person.keys]
            for public in dict.fromkeys(own):
                if own.count(public) > 1:
                    self._fault(f"persons.{person.id}: the key {public.fingerprint} stands there twice", public.line.split()[1])

    def _quorum(self, environment: str, fields: Mapping[str, Any], known: tuple[str, ...], persons: tuple[Person, ...]) -> Quorum:
        where, near = f"quorum.{environment}", f"quorum.{environment}]"
        self._known(fields, _QUORUM, where, near)
        wanted = fields.get("roles", {})
        if not isinstance(wanted, dict) or not all(_count(number) for number in wanted.values()):
            self._fault(f"{where}.roles must be a table of a role and how many of it: {{ qa = 1, operations = 1 }}", near)
            wanted = {}
        # one of qa and one of operations are two people, unless the roster says in so many words that one may do
        number = fields.get("persons", max(1, sum(wanted.values())))
        if not _count(number):
            self._fault(f"{where}.persons must be a whole number from 1", near)
            number = 1
        counts = fields.get("operator_counts", False)
        if not isinstance(counts, bool):
            self._fault(f"{where}.operator_counts must be true or false", near)
        if not wanted and "persons" not in fields:
            self._fault(f"{where} asks for nobody: write persons, roles, or both", near)
        for role, least in wanted.items():
            if role not in known:
                self._fault(f"{where}.roles: the role {role!r} is not one of roles = [{', '.join(known)}]", near)
            elif (held := sum(role in person.roles for person in persons)) < least:
                self._fault(f"{where} can never be met: it asks for {least} of {role}, and {held} on the roster hold it", near)
        if len(persons) < number:
            self._fault(f"{where} can never be met: it asks for {number} persons of {len(persons)} on the roster", near)
        return Quorum(persons=number, roles=dict(wanted), operator_counts=counts is True)

    def _names(self, value: Any, where: str, near: str) -> tuple[str, ...]:
        if not isinstance(value, list) or not value or not all(isinstance(name, str) and NAME.fullmatch(name) for name in value):
            self._fault(f'{where} must be a list of names in small letters, digits and hyphens: ["qa", "operations"]', near)
            return ()
        if len(set(value)) != len(value):
            self._fault(f"{where} names a role twice", near)
        return tuple(value)

    def _tables(self, value: Any, where: str) -> dict[str, dict[str, Any]]:
        if not isinstance(value, dict) or not all(isinstance(fields, dict) for fields in value.values()):
            self._fault(f"{where} must be tables: [{where}.NAME]", where)
            return {}
        return value

    def _known(self, table: Mapping[str, Any], allowed: tuple[str, ...], where: str, near: str) -> None:
        for key in table:
            if key not in allowed:
                self._fault(f"{where} has an unknown key {key!r}; allowed: {', '.join(allowed)}", near or key)

    def _fault(self, message: str, near: str) -> None:
        """Keep a fault, with the first line that holds `near`: TOML's own reader does not tell where a value stood."""
        line = next((number for number, text in enumerate(self._lines, 1) if near in text), 1)
        self.faults.append(Fault(file=self._file, line=line, column=1, message=message))


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _rsa_bits(line: str) -> int:
    """The size of an RSA key in bits; 0 if the line holds none."""
    words = line.split()
    if len(words) < 2 or words[0] != "ssh-rsa":
        return 0
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        return 0
    parts: list[bytes] = []
    while len(blob) >= 4 and len(parts) < 3:
        length = int.from_bytes(blob[:4], "big")
        parts.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    return int.from_bytes(parts[2], "big").bit_length() if len(parts) == 3 else 0
