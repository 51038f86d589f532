"""Keys as people have them: OpenSSH public keys, and the session key that signs what a run saw.

A key is known by its bytes alone. Its fingerprint is the one that `ssh-keygen -l` and code hosts show, and is for
people and look-ups, never for trust. A weak key is refused where it is parsed, so that no verifier ever meets one.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
import secrets
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, final

from pytest_golive.errors import KeyRefused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ED25519 = "ssh-ed25519"
P256 = "ecdsa-sha2-nistp256"
_MAX_KEY_FILE = 16 * 1024
_FIELD = 2**255 - 19
_CURVE_D = -121665 * pow(121666, -1, _FIELD) % _FIELD
_PUBLIC_HINT = "give one line of an OpenSSH public key file: ssh-ed25519 or ecdsa-sha2-nistp256"


@final
@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key of an accepted kind and strength; two are equal only if their bytes are.

    `raw` is the 32 bytes of an Ed25519 key, or the 65 bytes of an uncompressed P-256 point. KeyRefused for anything else.
    """

    kind: str
    raw: bytes

    def __post_init__(self) -> None:
        if self.kind == ED25519:
            _refuse_weak_ed25519(self.raw)
        elif self.kind == P256:
            _refuse_bad_point(self.raw)
        else:
            raise KeyRefused(f"keys of kind {self.kind!r} are not accepted", hint=_PUBLIC_HINT)

    @classmethod
    def parse(cls, line: str) -> Self:
        """The key of one OpenSSH line, `kind base64 [comment]`; KeyRefused if it is malformed or weak."""
        words = line.split(None, 2)
        if len(words) < 2:
            raise KeyRefused("this is not an OpenSSH public key", hint=_PUBLIC_HINT)
        kind, text = words[0], words[1]
        try:
            blob = base64.b64decode(text.encode("ascii"), validate=True)
        except (UnicodeEncodeError, binascii.Error, ValueError):
            raise KeyRefused("the public key is not base64", hint=_PUBLIC_HINT) from None
        key = cls(kind, _strings(blob)[-1])
        if key._blob != blob:
            raise KeyRefused(f"the public key does not hold one {kind} key and nothing else", hint=_PUBLIC_HINT)
        return key

    @property
    def _blob(self) -> bytes:
        parts = [self.kind.encode("ascii"), *([b"nistp256"] if self.kind == P256 else []), self.raw]
        return b"".join(struct.pack(">I", len(part)) + part for part in parts)

    @property
    def fingerprint(self) -> str:
        """The name people know the key by: `SHA256:` and the unpadded base64 digest of its OpenSSH form."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self._blob).digest()).decode("ascii").rstrip("=")

    @property
    def line(self) -> str:
        """The key as one OpenSSH line without a comment."""
        return f"{self.kind} {base64.b64encode(self._blob).decode('ascii')}"

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether the holder of this key signed the message; malformed signatures are simply not true."""
        from cryptography.exceptions import InvalidSignature

        try:
            if self.kind == ED25519:
                from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

                Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
            else:
                from cryptography.hazmat.primitives import hashes
                from cryptography.hazmat.primitives.asymmetric import ec

                point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.raw)
                point.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer(Protocol):
    """Something that holds a private key and signs bytes with it: a file now, an agent or a token elsewhere."""

    @property
    def public(self) -> PublicKey:
        """The key that others verify with."""
        ...

    @property
    def fingerprint(self) -> str:
        """The fingerprint of `public`."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The raw signature of exactly these bytes."""
        ...


@final
class SessionKey:
    """An Ed25519 key held in memory; it signs for the machine that ran the gate, never for a person."""

    __slots__ = ("_private", "_public")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self._public = PublicKey(ED25519, private.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"SessionKey({self.fingerprint})"

    @property
    def public(self) -> PublicKey:
        """The key that others verify with."""
        return self._public

    @property
    def fingerprint(self) -> str:
        """The fingerprint of `public`."""
        return self._public.fingerprint

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


def _strings(blob: bytes) -> list[bytes]:
    """The length-prefixed strings of an OpenSSH blob, at least one."""
    found: list[bytes] = []
    at = 0
    while at < len(blob):
        if len(blob) - at < 4:
            break
        (length,) = struct.unpack_from(">I", blob, at)
        found.append(blob[at + 4 : at + 4 + length])
        at += 4 + length
    return found or [b""]


def _refuse_weak_ed25519(raw: bytes) -> None:
    """Refuse the points of small order in every encoding: under those, anybody can forge a signature."""
    if len(raw) != 32:
        raise KeyRefused(f"an Ed25519 key has 32 bytes, not {len(raw)}", hint=_PUBLIC_HINT)
    encoded = int.from_bytes(raw, "little") & (2**255 - 1)
    y = encoded % _FIELD
    square = y * y % _FIELD
    # order 1 and 2 have y = 1 and -1, order 4 has y = 0; doubling a point of order 8 gives y = 0, which the curve
    # equation turns into d*y^4 + 2*y^2 - 1 = 0
    if y in (0, 1, _FIELD - 1) or (_CURVE_D * square * square + 2 * square - 1) % _FIELD == 0:
        raise KeyRefused("this Ed25519 key is a point of small order: anybody can sign for it", hint=_NEW_KEY)
    if encoded >= _FIELD:
        raise KeyRefused("this Ed25519 key is not in its one canonical form", hint=_NEW_KEY)


def _refuse_bad_point(raw: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        if len(raw) != 65:
            raise ValueError("an uncompressed point has 65 bytes")
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    except ValueError:
        raise KeyRefused("this P-256 key is not an uncompressed point on its curve", hint=_NEW_KEY) from None


_NEW_KEY = "make a new key: ssh-keygen -t ed25519"
