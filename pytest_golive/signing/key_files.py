"""A person's own OpenSSH private key, from its file: read, used for one signature, and let go.

Ed25519, P-256 and RSA from 3072 bits, with a passphrase or without. The file must belong to whoever signs and be closed to
everybody else, as ssh itself demands.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, final

from pytest_golive.errors import KeyRefused
from pytest_golive.signing.keys import Held, PublicKey
from pytest_golive.signing.ssh_wire import Reader

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    Private = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey

MAX_KEY_FILE = 64 * 1024
_BEGIN, _END = b"-----BEGIN OPENSSH PRIVATE KEY-----", b"-----END OPENSSH PRIVATE KEY-----"
_MAGIC = b"openssh-key-v1\0"
_KINDS = "use an Ed25519, P-256 or RSA key: ssh-keygen -t ed25519"


@final
class FileKey(Held):
    """A private key that was read from a file; it shows nothing but its public half."""

    __slots__ = ("_private",)

    def __init__(self, private: Private, public: PublicKey) -> None:
        super().__init__(public)
        self._private = private

    def sign(self, message: bytes) -> bytes:
        """The signature as DSSE carries it: 64 raw bytes of Ed25519, ECDSA in DER, or RSA PKCS #1 v1.5 with SHA-512."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

        if isinstance(self._private, ec.EllipticCurvePrivateKey):
            return self._private.sign(message, ec.ECDSA(hashes.SHA256()))
        if isinstance(self._private, rsa.RSAPrivateKey):
            return self._private.sign(message, padding.PKCS1v15(), hashes.SHA512())
        return self._private.sign(message)


def file_key(path: Path, passphrase: Callable[[], bytes | None]) -> FileKey:
    """The key in this file; KeyRefused if it cannot be read, trusted or opened.

    `passphrase` is asked at most once, and only if the key is encrypted; None means that there is nobody to ask.
    """
    text = _content(path)
    openssh = text.startswith(_BEGIN)
    stands = _public_half(text)
    if stands is not None and stands.is_token:
        raise KeyRefused(f"the key {path} lives in a token", hint=f"ssh-add {path}; then --key agent:{stands.fingerprint}")
    private = _opened(path, text, None, openssh=openssh)
    if private is None:
        secret = passphrase()
        if not secret:
            raise KeyRefused(f"the key {path} is encrypted, and no passphrase was given", hint="run this in a terminal")
        private = _opened(path, text, secret, openssh=openssh)
        if private is None:
            raise KeyRefused(f"the passphrase does not open the key {path}", hint="try again")
    return FileKey(private, _public_of(path, private))


def public_half(path: Path) -> PublicKey | None:
    """The public key that stands in the clear in or beside a private key file, without its passphrase; None if none does.

    It says which file to open and nothing more: what signs is the key that was opened.
    """
    found = _public_half(_content(path))
    if found is None:
        beside = path.with_name(path.name + ".pub")
        try:
            found = PublicKey.parse(beside.read_text("utf-8")) if beside.is_file() else None
        except (OSError, UnicodeDecodeError):
            raise KeyRefused(f"{beside} is no public key that can be read", hint=f"ssh-keygen -y -f {path} > {beside}") from None
    return found


def _public_half(text: bytes) -> PublicKey | None:
    try:
        body = base64.b64decode(text.split(_BEGIN, 1)[1].split(_END, 1)[0])
        fields = Reader(body)
        if fields.take(len(_MAGIC)) != _MAGIC:
            return None
        for _cipher_kdf_and_its_options in range(3):
            fields.string()
        return PublicKey.of_blob(fields.string()) if fields.uint32() == 1 else None
    except (IndexError, ValueError, binascii.Error, KeyRefused):
        return None


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


def _opened(path: Path, text: bytes, secret: bytes | None, *, openssh: bool) -> Private | None:
    """The private key; None if it is encrypted and `secret` does not open it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
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
    if isinstance(private, (Ed25519PrivateKey, ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        return private
    raise KeyRefused(f"the key {path} is of a kind that is not accepted", hint=_KINDS)


def _public_of(path: Path, private: Private) -> PublicKey:
    from cryptography.hazmat.primitives import serialization

    form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    try:
        return PublicKey.parse(private.public_key().public_bytes(*form).decode("ascii"))
    except KeyRefused as refused:
        raise KeyRefused(f"the key {path}: {refused.message}", hint=_KINDS) from None
