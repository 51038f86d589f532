"""Keys in a key service or a hardware module, by the signers of securesystemslib (extra `kms`).

The URI says where the private key is, the roster says which public key it must be: what comes back is held against that key, so
that a wrong slot or alias is told here and not by whoever reads the approval.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Sequence
from typing import Any, final

from pytest_golive.errors import KeyRefused, MissingExtra
from pytest_golive.signing.keys import Held
from pytest_golive.signing.public import ED25519, P256, PublicKey

_SCHEMES = {ED25519: "ed25519", P256: "ecdsa-sha2-nistp256"}
_RSA_SCHEME = "rsa-pkcs1v15-sha512"
_HINT = "see docs/approvals.md, section Keys in a service or a module"


@final
class ServiceKey(Held):
    """A key that another machine or module signs with."""

    __slots__ = ("_signer",)

    def __init__(self, signer: Any, public: PublicKey) -> None:
        super().__init__(public)
        self._signer = signer

    def sign(self, message: bytes) -> bytes:
        """The plain signature, which was verified."""
        try:
            made = bytes.fromhex(self._signer.sign(message).signature)
        except Exception as error:  # noqa: BLE001 - each service has errors of its own, and none of them may be a traceback
            raise _failed(error) from None
        if not self.public.verify(made, message):
            told = f"what the service signs with is not the key {self.fingerprint}"
            raise KeyRefused(told, hint="name the right slot or alias, or the right key")
        return made


def signer(uri: str, known: Sequence[PublicKey], ask: Callable[[str], bytes | None]) -> ServiceKey:
    """The key behind `uri`, which is a URI of securesystemslib and may end in `#SHA256:…`, the fingerprint of its public key.

    Without a fingerprint it is the one key in `known`. `ask` is asked at most once for each secret that the service wants.
    """
    where, _, digest = uri.partition("#SHA256:")
    fitting = [public for public in known if not public.is_token and digest in ("", public.fingerprint[7:])]
    if len(fitting) != 1:
        why = "it is not on the roster" if digest else "the roster has several keys"
        raise KeyRefused(f"which key {where} signs with is not clear: {why}", hint="write it behind: --key 'kms:URI#SHA256:…'")
    public = fitting[0].signing_as("raw")
    try:
        library: Any = importlib.import_module("securesystemslib.signer")
    except ImportError:
        raise MissingExtra("securesystemslib", "kms") from None
    # the library puts a handler of its own on its logger when it is imported, and what it would print is not for our terminal
    logging.getLogger("securesystemslib").handlers.clear()
    given: dict[str, str] = {}

    def secret(name: str) -> str:
        if name not in given:
            given[name] = (ask(f"{name[:1].upper()}{name[1:]} of {where}: ") or b"").decode("utf-8")
        return given[name]

    key = library.SSlibKey.from_crypto(public.loaded(), keyid=public.fingerprint, scheme=_SCHEMES.get(public.kind, _RSA_SCHEME))
    try:
        return ServiceKey(library.Signer.from_priv_key_uri(where, key, secret), public)
    except Exception as error:  # noqa: BLE001 - as above: a wrong URI, a file, a network
        raise _failed(error) from None


def _failed(error: Exception) -> KeyRefused:
    words = " ".join(str(error).split())[:200]
    shown = "".join(letter for letter in words if letter.isprintable())
    return KeyRefused(f"the key service: {type(error).__name__}{f': {shown}' if shown else ''}", hint=_HINT)
