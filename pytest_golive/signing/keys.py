"""What signs: anything that holds a private key, and the session key that signs what a run saw.

Public keys are in `public`, and are handed on here because whoever signs needs both.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, final

from pytest_golive.errors import KeyRefused
from pytest_golive.signing.public import ED25519, P256, PublicKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["ED25519", "P256", "Held", "PublicKey", "SessionKey", "Signer", "session_key"]

_MAX_KEY_FILE = 16 * 1024


class Signer(Protocol):
    """Something that holds a private key and signs bytes with it: a file, an agent, a token, a service."""

    @property
    def public(self) -> PublicKey:
        """The key that others verify with."""
        ...

    @property
    def fingerprint(self) -> str:
        """The fingerprint of `public`."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature of exactly these bytes, in the form of `public`."""
        ...


class Held:
    """What every signer is besides signing: it shows its public half and nothing else."""

    __slots__ = ("_public",)

    def __init__(self, public: PublicKey) -> None:
        self._public = public

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.fingerprint})"

    @property
    def public(self) -> PublicKey:
        """The key that others verify with."""
        return self._public

    @property
    def fingerprint(self) -> str:
        """The fingerprint of `public`."""
        return self._public.fingerprint


@final
class SessionKey(Held):
    """An Ed25519 key held in memory; it signs for the machine that ran the gate, never for a person."""

    __slots__ = ("_private",)

    def __init__(self, private: Ed25519PrivateKey) -> None:
        super().__init__(PublicKey(ED25519, private.public_key().public_bytes_raw()))
        self._private = private

    def sign(self, message: bytes) -> bytes:
        """The 64 raw bytes of the Ed25519 signature."""
        return self._private.sign(message)


def session_key(path: Path) -> SessionKey:
    """The session key kept at `path`, made there on first use; KeyRefused if the file cannot be trusted.

    The file is an unencrypted OpenSSH private key of mode 0600 in a folder of mode 0700. When several processes come
    first at once, one key wins and all of them get it.
    """
    try:
        if not os.path.lexists(path):
            _make(path)
        return _load(path)
    except OSError as error:
        raise KeyRefused(
            f"the session key {path} cannot be used: {error.strerror or error}",
            hint="let this user own the folder and the file, or name another path for the session key",
        ) from error


def _make(path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # link fails if the name exists: of several first comers one wins, and nobody ever reads half a key
        with contextlib.suppress(FileExistsError):
            os.link(draft, path, follow_symlinks=False)
    finally:
        os.unlink(draft)


def _load(path: Path) -> SessionKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    _refuse_shared_folder(path.parent)
    if path.is_symlink():
        raise KeyRefused(f"the session key {path} is a symbolic link", hint="name the file that it points to")
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise KeyRefused(f"the session key {path} is not a regular file", hint="name a file that holds a key")
        if status.st_uid != os.geteuid():
            raise KeyRefused(
                f"the session key {path} belongs to another user (uid {status.st_uid})",
                hint="each user has an own session key: name another path",
            )
        if status.st_mode & 0o077:
            raise KeyRefused(
                f"others can read the session key {path} (mode {stat.S_IMODE(status.st_mode):04o})",
                hint=f"delete it so that a new one is made; or, if nobody took a copy, chmod 600 {path}",
            )
        text = file.read(_MAX_KEY_FILE + 1)
    malformed = KeyRefused(
        f"the session key {path} is not an unencrypted Ed25519 private key in OpenSSH or PKCS#8 form",
        hint="move the file away: a new key is made on the next run",
    )
    if len(text) > _MAX_KEY_FILE:
        raise malformed
    openssh = text.startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----")
    load = serialization.load_ssh_private_key if openssh else serialization.load_pem_private_key
    try:
        private = load(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise malformed from None
    if not isinstance(private, Ed25519PrivateKey):
        raise malformed
    return SessionKey(private)


def _refuse_shared_folder(folder: Path) -> None:
    status = os.stat(folder)
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022:
        raise KeyRefused(
            f"others can replace files in the folder of the session key, {folder}",
            hint=f"keep the key in a folder of its own: chmod 700 {folder}",
        )
