"""The roster: which person holds which roles and which keys, and whose signatures together are enough.

It is a TOML file that people edit and review (`golive.roster.toml`), read with the standard library alone. Every fault is told
at once. A key belongs to one person: two names over one key would let one person count as two, and key ids would not show it.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

from pytest_golive import canonical
from pytest_golive.errors import Fault, KeyRefused, RosterError
from pytest_golive.signing.persons import Person, Quorum, Roster, RosterKey
from pytest_golive.signing.public import Form, PublicKey

__all__ = ["MAX_ROSTER", "NAME", "Person", "Quorum", "Roster", "RosterKey", "content", "parse", "read"]

MAX_ROSTER = 1_000_000
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
"""How the ids of persons and the names of roles are written: they become parts of file names."""

_EXAMPLE = 'key = "ssh-ed25519 AAAA…", valid_until = 2027-01-01T00:00:00Z'
_TOP = ("version", "roles", "persons", "quorum")
_PERSON = ("name", "roles", "keys", "logins")
_KEY = ("key", "format", "valid_from", "valid_until", "revoked")
_FORMS: tuple[Form, ...] = ("raw", "sshsig")
_QUORUM = ("persons", "roles", "operator_counts")


def read(path: Path) -> Roster:
    """The roster of a file; RosterError with every fault and its line."""
    return parse(content(path), str(path))


def content(path: Path) -> bytes:
    """The bytes of a roster, one more than is allowed at most; RosterError if there is no such regular file."""
    hint = "write one: golive roster add (docs/approvals.md), or name another under roster: in golive.yaml"
    try:
        # a pipe in the place of the roster must not keep the gate waiting
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise RosterError([Fault(file=str(path), line=1, column=1, message="is not a regular file")], hint=hint)
            return stream.read(MAX_ROSTER + 1)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        told = "this roster does not exist" if missing else f"cannot be read: {error.strerror}"
        raise RosterError([Fault(file=str(path), line=1, column=1, message=told)], hint=hint) from None


def parse(raw: bytes, file: str) -> Roster:
    """The roster of these bytes; `file` is the name that faults carry."""
    try:
        if len(raw) > MAX_ROSTER:
            raise ValueError(f"the roster has more than {MAX_ROSTER} bytes")
        text = raw.decode("utf-8")
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        line = re.search(r"at line (\d+), column (\d+)", str(error))
        at = (int(line[1]), int(line[2])) if line else (1, 1)
        raise RosterError(
            [Fault(file=file, line=at[0], column=at[1], message=f"is not TOML: {error}")], hint="correct the line above"
        ) from None
    reader = _Reader(file, text)
    roster = reader.roster(table, canonical.sha256(raw))
    if reader.faults:
        raise RosterError(reader.faults, hint="correct the lines above; docs/approvals.md shows a roster")
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
        self._one_login_each(persons)
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
        return Person(
            id=identity,
            name=str(name),
            roles=roles,
            keys=tuple(key for key in keys if key is not None),
            logins=self._logins(fields.get("logins", []), where, near),
        )

    def _logins(self, value: Any, where: str, near: str) -> tuple[str, ...]:
        names = value if isinstance(value, list) else [None]
        if not all(isinstance(name, str) and name.strip() and name.isprintable() for name in names):
            self._fault(f'{where}.logins must be a list of the names under which this person runs the gate: ["ann"]', near)
            return ()
        return tuple(value)

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
        for name in ("valid_from", "valid_until", "revoked"):
            if name in entry:
                moment = entry[name]
                if isinstance(moment, datetime) and moment.tzinfo is not None:
                    times[name] = moment.astimezone(UTC)
                else:
                    self._fault(f"{where}.{name} must be a time with a zone, such as 2027-01-01T00:00:00Z", near)
        begins, ends = times.get("valid_from"), times.get("valid_until")
        if begins and ends and begins >= ends:
            self._fault(f"{where} ends before it begins", near)
        form = entry.get("format")
        if form is not None and form not in _FORMS:
            self._fault(f'{where}.format must be "raw" or "sshsig"', near)
        try:
            public = PublicKey.parse(line)
        except KeyRefused as refused:
            self._fault(f"{where}: {refused.message} ({refused.hint})", line.strip() or near)
            return None
        if public.is_token and form == "raw":
            self._fault(f'{where}: the key of a token signs in its own form alone: format = "sshsig", or leave it out', near)
        return RosterKey(public=public.signing_as("sshsig" if form == "sshsig" else "raw"), **times)

    def _one_holder_each(self, persons: Iterable[Person]) -> None:
        """Keys are compared by what their private half is, so that a key does not count twice as a token's and as a plain one."""
        holders: dict[bytes, str] = {}
        for person in persons:
            own: set[bytes] = set()
            for public in (key.public for key in person.keys):
                blob = public.line.split()[1]
                first = holders.setdefault(public.material, person.id)
                if first != person.id:
                    self._fault(f"the key {public.fingerprint} is listed for two persons, {first} and {person.id}", blob)
                elif public.material in own:
                    self._fault(f"persons.{person.id}: the key {public.fingerprint} stands there twice", blob)
                own.add(public.material)

    def _one_login_each(self, persons: tuple[Person, ...]) -> None:
        """The operator of a run is known by a login, a name or an id; two persons behind one of them are nobody."""
        known: dict[str, str] = {}
        for person in persons:
            for name in dict.fromkeys((person.id, person.name, *person.logins)):
                first = known.setdefault(name, person.id)
                if first != person.id:
                    self._fault(f"{name!r} stands for two persons, {first} and {person.id}", f"persons.{person.id}]")

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
        for role in wanted:
            if role not in known:
                self._fault(f"{where}.roles: the role {role!r} is not one of roles = [{', '.join(known)}]", near)
        asked = {role: least for role, least in wanted.items() if role in known}
        quorum = Quorum(persons=number, roles=asked, operator_counts=counts is True)
        for gap in quorum.gaps(persons):
            self._fault(f"{where} can never be met: {gap}", near)
        return quorum

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
        shown = "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in message)
        self.faults.append(Fault(file=self._file, line=line, column=1, message=shown))


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
