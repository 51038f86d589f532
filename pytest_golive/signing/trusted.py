"""Which keys count on this machine: those in a file of OpenSSH public keys, or the session key of this user."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pytest_golive.errors import KeyRefused
from pytest_golive.signing.keys import PublicKey

MAX_FILE = 1_000_000


def session_key_path(environ: Mapping[str, str]) -> Path:
    """Where the session key lives: `$GOLIVE_SESSION_KEY`, else below the user's own data folder; never in a repository."""
    named = environ.get("GOLIVE_SESSION_KEY")
    if named:
        return Path(named).absolute()
    home = environ.get("XDG_DATA_HOME") or Path(environ.get("HOME") or Path.home(), ".local", "share")
    return Path(home, "golive", "session.key")


def read_keys(path: Path) -> tuple[PublicKey, ...]:
    """The public keys of a file, one OpenSSH key to a line, `#` before a remark; KeyRefused if there is none or a bad one."""
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_FILE).decode("utf-8")
    except OSError as error:
        raise KeyRefused(f"the trusted keys {path} cannot be read: {error.strerror}", hint="name a file of public keys") from None
    except UnicodeDecodeError:
        raise KeyRefused(f"the trusted keys {path} are not text", hint="write one OpenSSH public key to a line") from None
    lines = [line.strip() for line in text.splitlines()]
    keys = tuple(PublicKey.parse(line) for line in lines if line and not line.startswith("#"))
    if not keys:
        raise KeyRefused(f"{path} names no key", hint="write one OpenSSH public key to a line")
    return keys
