"""Writing into a roster that people keep: their comments and order stay, and what was meant is proven before it is returned.

A roster is edited as text, because the standard library writes no TOML. So each edit is read again, and counts only if it says
exactly what stood there before and the one thing that was to be added.
"""

from __future__ import annotations

import copy
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pytest_golive.errors import KeyRefused, Misuse
from pytest_golive.signing.public import PublicKey


def public_keys(content: bytes, name: str) -> tuple[tuple[PublicKey, str], ...]:
    """The public keys of a file, each with its comment: OpenSSH lines, `#` before a remark, or one key in PEM.

    KeyRefused, which names the file, for a private key, for a bad key among good ones, and for a file that holds none.
    """
    if b"PRIVATE KEY-----" in content:
        raise KeyRefused(f"{name} holds a private key, which nobody else may see", hint=f"name its public half: {name}.pub")
    try:
        text = content.decode("utf-8")
        if text.lstrip().startswith("-----BEGIN PUBLIC KEY-----"):
            return ((_of_pem(content), ""),)
        lines = [line.strip() for line in text.splitlines()]
        found = tuple((PublicKey.parse(line), "".join(line.split(None, 2)[2:])) for line in lines if line and line[0] != "#")
    except UnicodeDecodeError:
        raise KeyRefused(f"{name} is not text", hint="name a file of OpenSSH public keys") from None
    except KeyRefused as refused:
        raise KeyRefused(f"{name}: {refused.message}", hint=refused.hint) from None
    if not found:
        raise KeyRefused(f"{name} names no key", hint="write one OpenSSH public key to a line")
    return found


def entry(public: PublicKey, comment: str = "", valid_until: datetime | None = None) -> str:
    """A key as it stands in a roster."""
    shown = f" {comment}" if comment and comment.isprintable() and len(comment) <= 80 else ""
    until = f", valid_until = {valid_until.isoformat()}" if valid_until else ""
    return f"{{key = {_quoted(public.line + shown)}{until}}}"


USUAL = ("development", "qa", "operations", "security", "product-owner", "risk")
"""The roles of a new roster; whoever needs others writes them into the file."""


def begun(roles: Sequence[str]) -> str:
    """The head of a new roster, which knows the roles that sign-offs usually have, and these."""
    remark = "# Who may sign, and for what. See docs/approvals.md; check it with: golive roster check"
    return f"{remark}\nversion = 1\nroles = {_list([*dict.fromkeys((*USUAL, *roles))])}\n"


def with_keys(text: str, identity: str, *, name: str | None, roles: Sequence[str], entries: Sequence[str]) -> str:
    """The roster of `text` with a new person, or with further keys of a person who stands there.

    Misuse if the words do not fit who stands there, or if the text is written in a way that cannot be edited safely.
    """
    before = tomllib.loads(text)
    persons = before.get("persons", {})
    if identity not in persons:
        if not name or not roles:
            raise Misuse(f"{identity} is new on the roster", hint="say who it is: --name 'Ann Example' --role qa")
        made = _new_person(text, before, identity, name, roles, entries)
    else:
        _refuse_other_words(identity, persons[identity], name, roles)
        made = _more_keys(text, before, identity, entries)
    for candidate, meant in made:
        if _says(candidate, meant):
            return candidate
    raise Misuse(
        f"the roster is written in a way in which {identity} cannot be added safely",
        hint=f"write it by hand: keys = [{', '.join(entries)}]",
    )


def _new_person(
    text: str, before: Mapping[str, Any], identity: str, name: str, roles: Sequence[str], entries: Sequence[str]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    rows = "".join(f"  {one},\n" for one in entries)
    table = f"[persons.{identity}]\nname = {_quoted(name)}\nroles = {_list(roles)}\nkeys = [\n{rows}]\n"
    meant = copy.deepcopy(dict(before))
    meant["persons"] = {
        **meant.get("persons", {}),
        identity: {"name": name, "roles": list(roles), "keys": [_table(one) for one in entries]},
    }
    yield text + ("" if not text or text.endswith("\n") else "\n") + "\n" + table, meant


def _more_keys(
    text: str, before: Mapping[str, Any], identity: str, entries: Sequence[str]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The ways in which keys are written in TOML: a list in the person's table, or tables of their own."""
    added = [_table(one) for one in entries]
    head = re.search(rf'^[ \t]*\[[ \t]*persons[ \t]*\.[ \t]*"?{re.escape(identity)}"?[ \t]*\]', text, re.MULTILINE)
    begins = re.compile(r"^[ \t]*keys[ \t]*=[ \t]*\[([ \t]*(#[^\n]*)?\n)?", re.MULTILINE)
    listed = begins.search(text, head.end()) if head else None
    if listed:
        meant = copy.deepcopy(dict(before))
        meant["persons"][identity]["keys"][:0] = added
        rows = "".join(f"  {one},\n" for one in entries)
        at = listed.end()
        yield text[:at] + (rows if listed[1] else f"\n{rows}  ") + text[at:], meant
    meant = copy.deepcopy(dict(before))
    meant["persons"][identity].setdefault("keys", []).extend(added)
    # the fields of an inline table are those of a table
    own = "".join(f"\n[[persons.{identity}.keys]]\n" + _fields(one) for one in added)
    yield text + ("" if text.endswith("\n") else "\n") + own, meant


def _refuse_other_words(identity: str, stands: Any, name: str | None, roles: Sequence[str]) -> None:
    if not isinstance(stands, dict):
        raise Misuse(f"persons.{identity} is not a table", hint="golive roster check tells what is wrong")
    if name is not None and name != stands.get("name"):
        raise Misuse(f"{identity} stands on the roster under another name", hint="leave out --name, or choose another id")
    missing = [role for role in roles if role not in stands.get("roles", [])]
    if missing:
        told = f"{identity} stands on the roster without the role {', '.join(missing)}"
        raise Misuse(told, hint="whoever may give roles writes them into the file by hand")


def _says(text: str, meant: Mapping[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == meant
    except tomllib.TOMLDecodeError:
        return False


def _table(written: str) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads(f"key = {written}")["key"]
    return table


def _fields(table: Mapping[str, Any]) -> str:
    return "".join(
        f"{name} = {_quoted(value) if isinstance(value, str) else value.isoformat()}\n" for name, value in table.items()
    )


def _quoted(text: str) -> str:
    """A basic string of TOML; for printable text JSON writes the same."""
    return json.dumps(text, ensure_ascii=False)


def _list(names: Sequence[str]) -> str:
    return "[" + ", ".join(map(_quoted, names)) + "]"


def _of_pem(content: bytes) -> PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    try:
        key = serialization.load_pem_public_key(content)
        line = key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyRefused("the PEM holds no key of an accepted kind", hint="make a new key: ssh-keygen -t ed25519") from None
    return PublicKey.parse(line.decode("ascii"))
