"""What the commands share: settings, keys, who acts, a page, and a person's yes."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_golive.cli.words import printable, say_denied

if TYPE_CHECKING:
    from pytest_golive.config import Settings
    from pytest_golive.journal import Journal
    from pytest_golive.signing.keys import PublicKey
    from pytest_golive.stopping import Stop


KEY_HELP = "PATH, agent:FINGERPRINT or kms:URI (default: the key on the roster, from the ssh-agent or ~/.ssh)"


def ask_passphrase(prompt: str) -> bytes | None:
    """What a person types unseen; None where nobody sits."""
    import getpass

    return getpass.getpass(prompt).encode() if sys.stdin.isatty() else None


def load_settings(options: argparse.Namespace, *, probing: bool = False) -> Settings:
    """The settings that the command line, the environment or this folder names."""
    from pytest_golive import config

    return config.load(settings_path(options), os.environ, probing=probing)


def settings_path(options: argparse.Namespace) -> Path:
    """The file of the settings."""
    return Path(options.config or os.environ.get("GOLIVE_CONFIG") or "golive.yaml")


def is_named(options: argparse.Namespace) -> bool:
    """Whether somebody named the settings, instead of leaving them to be found."""
    return bool(options.config or os.environ.get("GOLIVE_CONFIG"))


def operator_of(options: argparse.Namespace) -> str:
    """Who acts; a name that is a secret is not written down."""
    from pytest_golive.closing import login

    name: str = options.operator or os.environ.get("GOLIVE_OPERATOR") or login()
    return redacted(name)


@contextlib.contextmanager
def journal_of(settings: Settings, *, patience: float = 10.0) -> Iterator[Journal]:
    """The journal for one command, which tells whoever wants to be told at its end, however it ends."""
    from pytest_golive.journal import Journal
    from pytest_golive.notifying import Announcer

    announcer = Announcer(settings, os.environ)
    journal = Journal(settings.resolve(settings.journal), announcer.hear, patience=patience)
    try:
        yield journal
    finally:
        for sentence in announcer.send(journal, datetime.now(UTC)):
            print(f"golive: {sentence}", file=sys.stderr)


def redacted(text: str) -> str:
    """The text without the secrets of this environment."""
    from pytest_golive.redaction import Redactor

    return Redactor.from_environment(os.environ).text(text)


def trusted_keys(settings: Settings | None, files: Sequence[str] = ()) -> tuple[PublicKey, ...]:
    """The keys that count here: those of the named files, else of the settings, else this user's own session key."""
    from pytest_golive.signing.keys import session_key
    from pytest_golive.signing.trusted import read_keys, session_key_path

    if files:
        return tuple(key for file in files for key in read_keys(Path(file)))
    if settings is not None and settings.activation.trusted_keys:
        return read_keys(settings.resolve(settings.activation.trusted_keys))
    path = session_key_path(os.environ)
    return (session_key(path).public,) if path.exists() else ()


def stop_lines(one: Stop) -> list[str]:
    """Since when, by whom and why, in lines for people; of many words the first and the last five."""
    if not one.words:
        return [f"since {one.since.isoformat()}, by {one.by}: {one.why}"]
    words = one.words if len(one.words) <= 6 else (one.words[0], *one.words[-5:])
    lines = [printable(redacted(f"since {word.at.isoformat()}, by {word.operator}: {word.reason}")) for word in words]
    return [lines[0], *(f"again {line}" for line in lines[1:])]


def page_bytes(path: str) -> bytes:
    """The bytes of a sign-off page; Misuse for a file that is too large to be one, and for what is no file."""
    from pytest_golive import approving

    return approving.read(Path(path))


def agreed(command: str, question: str, otherwise: str, *, yes: bool) -> bool:
    """Whether a person said yes to the question; without a terminal only --yes is one. `otherwise` is what stays as it is."""
    if yes:
        return True
    if not sys.stdin.isatty():
        print(f"golive {command}: {otherwise} without confirmation: add --yes", file=sys.stderr)
        return False
    try:
        answer = input(f"\n{question} Type 'yes' to sign: ")
    except EOFError:
        answer = ""
    if answer.strip().lower() == "yes":
        return True
    print(f"golive {command}: not confirmed; {otherwise}", file=sys.stderr)
    return False


def is_confirmed(options: argparse.Namespace) -> bool:
    """Whether a person said yes; without a terminal only --yes is one."""
    if options.yes:
        return True
    if not sys.stdin.isatty():
        say_denied("real trading is not enabled without confirmation: add --yes")
        return False
    try:
        answer = input("This enables REAL TRADING if every check passes. Type 'yes' to go on: ")
    except EOFError:
        answer = ""
    if answer.strip().lower() == "yes":
        return True
    say_denied("not confirmed")
    return False
