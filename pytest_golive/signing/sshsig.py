"""SSHSIG: the signature that `ssh-keygen -Y sign` makes, as bytes without their armour (OpenSSH, PROTOCOL.sshsig).

It is the only form that a FIDO token can sign in, and what git uses. A signature is for one namespace, so that a signed commit
is never an approval. Nothing here knows whether a key is trusted, or does arithmetic: this room takes blobs apart and puts them
together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from pytest_golive.signing.ssh_wire import Reader, string

NAMESPACE = "golive-approval@pytest-golive"
MAX_BLOB = 16 * 1024
_MAGIC = b"SSHSIG"
_VERSION = 1
_HASHES = ("sha512", "sha256")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """An SSHSIG taken apart: the key that it names, and the signature over `signed` by the algorithm it names.

    `rest` holds what FIDO tokens add behind the signature.
    """

    public: bytes
    digest: str
    algorithm: str
    signature: bytes
    rest: bytes

    def signed(self, message: bytes) -> bytes:
        """The bytes that the signature is over."""
        return to_sign(message, self.digest)


def read(blob: bytes) -> Blob:
    """The parts of a blob for our namespace; ValueError for any other bytes."""
    if len(blob) > MAX_BLOB:
        raise ValueError("too long for a signature")
    outer = Reader(blob)
    if outer.take(len(_MAGIC)) != _MAGIC or outer.uint32() != _VERSION:
        raise ValueError("not an SSHSIG of version 1")
    public = outer.string()
    if outer.string() != NAMESPACE.encode() or outer.string() != b"":
        raise ValueError("made for another purpose")
    digest = outer.string().decode("ascii")
    if digest not in _HASHES:
        raise ValueError("another digest")
    inner = Reader(outer.string())
    outer.end()
    algorithm = inner.string().decode("ascii")
    return Blob(public=public, digest=digest, algorithm=algorithm, signature=inner.string(), rest=inner.rest())


def to_sign(message: bytes, digest: str = _HASHES[0]) -> bytes:
    """The bytes that stand for `message` in our namespace, and that the key signs."""
    fields = (NAMESPACE.encode(), b"", digest.encode(), hashlib.new(digest, message).digest())
    return _MAGIC + b"".join(string(field) for field in fields)


def make(public: bytes, message: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """The blob over `message`; `public` is the key's OpenSSH blob, and `sign` gives the whole SSH signature of some bytes."""
    fields = (public, NAMESPACE.encode(), b"", _HASHES[0].encode(), sign(to_sign(message)))
    return _MAGIC + _VERSION.to_bytes(4, "big") + b"".join(string(field) for field in fields)
