"""A person's own OpenSSH private key, from its file: read, used for one signature, and let go.

Ed25519 and P-256, with a passphrase or without. The file must belong to whoever signs and be closed to everybody else, as ssh
itself demands.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, final

from pytest_golive.errors import KeyRefused
from pytest_golive.signing.keys import ED25519, P256, PublicKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_KEY_FILE = 64 * 1024
_KINDS = "use an Ed25519 or P-256 key: ssh-keygen -t ed25519"


@final
class FileKey:
    """A private key that was read from a file; it shows nothing but its public half."""

    __slots__ = ("_private", "_public")

    def __init__(self, private: Ed25519PrivateKey | EllipticCurvePrivateKey, public: PublicKey) -> None:
        self._private = private
        self._public = public

    def __repr__(self) -> str:
        return f"FileKey({self.fingerprint})"

    @property
    def public(self) -> PublicKey:
        """The key that others verify with."""
        return self._public

    @property
    def fingerprint(self) -> str:
        """The fingerprint of `public`."""
        return self._public.fingerprint

    def sign(self, message: bytes) -> bytes:
        """The signature as DSSE carries it: 64 raw bytes of Ed25519, or ECDSA in DER."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        if isinstance(self._private, ec.EllipticCurvePrivateKey):
            return self._private.sign(message, ec.ECDSA(hashes.SHA256()))
        return self._private.sign(message)


def file_key(path: Path, passphrase: Callable[[], bytes | None]) -> FileKey:
    """The key in this file; KeyRefused if it cannot be read, trusted or opened.

    `passphrase` is asked at most once, and only if the key is encrypted; None means that there is nobody to ask.
    """
    text = _content(path)
    openssh = text.startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----")
    private = _opened(path, text, None, openssh=openssh)
    if private is None:
        secret = passphrase()
        if not secret:
            raise KeyRefused(f"the key {path} is encrypted, and no passphrase was given", hint="run this in a terminal")
        private = _opened(path, text, secret, openssh=openssh)
        if private is None:
            raise KeyRefused(f"the passphrase does not open the key {path}", hint="try again")
    return FileKey(private, _public_of(path, private))


def _content(path: Path) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise KeyRefused(f"the key {path} is not a regular file", hint="name a file that holds a private key")
            if status.st_uid != os.geteuid():
                raise KeyRefused(f"the key {path} belongs to another user (uid {status.st_uid})", hint="sign with your own key")
            if status.st_mode & 0o077:
                mode = stat.S_IMODE(status.st_mode)
                raise KeyRefused(f"others can read the key {path} (mode {mode:04o})", hint=f"chmod 600 {path}, or make a new key")
            text = file.read(MAX_KEY_FILE + 1)
    except OSError as error:
        raise KeyRefused(f"the key {path} cannot be read: {error.strerror}", hint="name your key with --key PATH") from None
    if len(text) > MAX_KEY_FILE:
        raise KeyRefused(f"{path} is too large for a key", hint="name a file that holds a private key")
    return text


def _opened(
    path: Path, text: bytes, secret: bytes | None, *, openssh: bool
) -> Ed25519PrivateKey | EllipticCurvePrivateKey | None:
    """The private key; None if it is encrypted and `secret` does not open it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    load = serialization.load_ssh_private_key if openssh else serialization.load_pem_private_key
    try:
        private = load(text, password=secret)
    except TypeError:
        # cryptography says so of a passphrase that is missing; and of one too many, which is never given here
        return None
    except ValueError as error:
        if secret is not None or "assword" in str(error):
            return None
        raise KeyRefused(f"{path} holds no private key in OpenSSH or PKCS#8 form", hint=_KINDS) from None
    except UnsupportedAlgorithm as error:
        bcrypt = "bcrypt" in str(error)
        hint = "pip install 'pytest-golive[ssh]'" if bcrypt else _KINDS
        raise KeyRefused(f"the key {path} cannot be opened here: {error}", hint=hint) from None
    if isinstance(private, (Ed25519PrivateKey, ec.EllipticCurvePrivateKey)):
        return private
    raise KeyRefused(f"the key {path} is of a kind that is not accepted", hint=_KINDS)


def _public_of(path: Path, private: Ed25519PrivateKey | EllipticCurvePrivateKey) -> PublicKey:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    if not isinstance(private, ec.EllipticCurvePrivateKey):
        return PublicKey(ED25519, private.public_key().public_bytes_raw())
    if not isinstance(private.curve, ec.SECP256R1):
        raise KeyRefused(f"the key {path} is on the curve {private.curve.name}, which is not accepted", hint=_KINDS)
    point = private.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return PublicKey(P256, point)
