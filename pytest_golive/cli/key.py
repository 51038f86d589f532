"""`golive key`: which keys you have here and whom they are, and a public key in the form that other software reads."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pytest_golive.cli.roster import MAX_KEYS_FILE, roster_path
from pytest_golive.cli.shared import redacted
from pytest_golive.cli.words import printable, say
from pytest_golive.errors import GoliveError, KeyRefused, Misuse
from pytest_golive.signing import roster, roster_text
from pytest_golive.signing.agent import agent
from pytest_golive.signing.choice import ssh_files
from pytest_golive.signing.key_files import public_half
from pytest_golive.signing.keys import PublicKey, session_key
from pytest_golive.signing.persons import Roster
from pytest_golive.signing.trusted import session_key_path


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to do with which key."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("show", help="show the keys in the ssh-agent and in ~/.ssh and the session key, and whom each is")
    export = actions.add_parser("export", help="print a public key for other software")
    export.add_argument("key", nargs="?", metavar="KEY", help="a fingerprint or a file (default: the session key)")
    form = export.add_mutually_exclusive_group()
    form.add_argument("--pem", action="store_true", help="as PEM, which openssl reads (default)")
    form.add_argument("--openssh", action="store_true", help="as an OpenSSH line, which the roster and ssh-keygen read")
    for sub in actions.choices.values():
        sub.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        sub.add_argument("--roster", metavar="FILE", help="the roster (default: as in the settings, or golive.roster.toml here)")


def run(options: argparse.Namespace) -> int:
    """Exit status 0 if there was something to show."""
    path = roster_path(options)
    roll = roster.read(path) if os.path.lexists(path) else None
    if options.action == "export":
        return _export(options, roll)
    now = datetime.now(UTC)
    for place, keys in (("session key", _session()), ("ssh-agent", _agent()), ("~/.ssh", _files())):
        say(place)
        for public, words in keys:
            if public is None:
                say(f"  {words}")
                continue
            say(f"  {public.fingerprint} {public.kind.removesuffix('@openssh.com')}")
            say(f"    {_whose(public, roll, now)}{f'; {words}' if words else ''}")
    return 0


Shown = Iterator[tuple[PublicKey | None, str]]
"""Keys with a remark, or a remark in the place of a key."""


def _session() -> Shown:
    path = session_key_path(os.environ)
    if not os.path.lexists(path):
        yield None, "none yet: the first run makes it"
        return
    try:
        yield session_key(path).public, _shown(str(path))
    except KeyRefused as refused:
        yield None, _shown(str(refused))


def _agent() -> Shown:
    holder = agent(os.environ)
    if holder is None:
        yield None, "none: $SSH_AUTH_SOCK is not set"
        return
    try:
        offered = holder.identities()
    except KeyRefused as refused:
        yield None, _shown(str(refused))
        return
    if not offered:
        yield None, "it holds no key: ssh-add"
    for one in offered:
        yield one.public, _shown(one.comment if one.public else f"{one.comment}: {one.refused}")


def _files() -> Shown:
    paths = ssh_files(os.environ)
    if not paths:
        yield None, "no id_ed25519, id_ecdsa or id_rsa: ssh-keygen -t ed25519"
    for path in paths:
        try:
            public = public_half(path)
        except KeyRefused as refused:
            yield None, _shown(str(refused))
            continue
        yield public, _shown(str(path) if public else f"{path}: no public half stands in or beside it")


def _shown(text: str) -> str:
    return printable(redacted(text))


def _whose(public: PublicKey, roll: Roster | None, now: datetime) -> str:
    if roll is None:
        return "there is no roster here"
    held = roll.holder(public)
    if held is None:
        return "not on the roster"
    person, key = held
    return _shown(f"{person.name} ({person.id}): {', '.join(person.roles)}; {key.standing(now)}")


def _export(options: argparse.Namespace, roll: Roster | None) -> int:
    public = _wanted(options.key, roll)
    if options.openssh:
        say(public.line)
        return 0
    if public.is_token:
        raise Misuse(
            "a token's signature is more than its key's: openssl alone cannot verify it",
            hint="golive key export --openssh, and ssh-keygen -Y verify",
        )
    from cryptography.hazmat.primitives import serialization

    form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    say(public.loaded().public_bytes(*form).decode("ascii").rstrip())
    return 0


def _wanted(name: str | None, roll: Roster | None) -> PublicKey:
    if name is None:
        path = session_key_path(os.environ)
        if not os.path.lexists(path):
            raise KeyRefused("there is no session key yet", hint="the first run makes it; or name a fingerprint or a file")
        return session_key(path).public
    if name.startswith("SHA256:"):
        here = [public for keys in (_session(), _agent(), _files()) for public, _ in keys if public is not None]
        for public in (*(roll.public_keys if roll else ()), *here):
            if public.fingerprint == name:
                return public
        raise KeyRefused(f"no key {name} is on the roster or yours", hint="golive key show, golive roster list")
    return _of_file(Path(name))


def _of_file(path: Path) -> PublicKey:
    try:
        content = path.read_bytes()[: MAX_KEYS_FILE + 1] if path.is_file() else b""
    except OSError as error:
        raise KeyRefused(f"{path} cannot be read: {error.strerror}", hint="name a key file") from None
    if b"PRIVATE KEY-----" in content:
        public = public_half(path)
        if public is None:
            raise KeyRefused(f"no public half stands in or beside {path}", hint=f"ssh-keygen -y -f {path} > {path}.pub")
        return public
    keys = roster_text.public_keys(content, str(path))
    if len(keys) > 1:
        raise GoliveError(f"{path} holds {len(keys)} keys", hint="name one by its fingerprint, or a file of one key")
    return keys[0][0]
