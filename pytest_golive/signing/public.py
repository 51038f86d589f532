"""Public keys as people have them: one OpenSSH line, known by their bytes, the weak ones refused where they are read.

A fingerprint is the one that `ssh-keygen -l` and code hosts show, and is for people and look-ups, never for trust. The guard
imports this room, so each kind of arithmetic is imported where it is used.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self, final

from pytest_golive.errors import KeyRefused
from pytest_golive.signing.ssh_wire import Reader, mpint, string

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

ED25519 = "ssh-ed25519"
P256 = "ecdsa-sha2-nistp256"
RSA = "ssh-rsa"
SK_ED25519 = "sk-ssh-ed25519@openssh.com"
SK_P256 = "sk-ecdsa-sha2-nistp256@openssh.com"
KINDS = (ED25519, P256, RSA, SK_ED25519, SK_P256)
RSA_SIGNATURE = "rsa-sha2-512"
RSA_BITS = (3072, 8192)
Form = Literal["raw", "sshsig"]
"""How a key signs: `raw` is the plain signature that any DSSE verifier knows, `sshsig` what `ssh-keygen -Y sign` makes."""

_CURVE = b"nistp256"
_TOUCHED = 0x01
_EXPONENTS = (65537, 2**64)
_FIELD = 2**255 - 19
_CURVE_D = -121665 * pow(121666, -1, _FIELD) % _FIELD
_PUBLIC_HINT = "give one line of an OpenSSH public key file: ssh-ed25519, ecdsa-sha2-nistp256, sk-… or ssh-rsa of 3072 bits"
_NEW_KEY = "make a new key: ssh-keygen -t ed25519"


@final
@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key of an accepted kind and strength; two are equal only if their bytes are. KeyRefused for anything else.

    `raw` is the 32 bytes of an Ed25519 key, the 65 bytes of an uncompressed P-256 point, or exponent and modulus of an RSA key
    as SSH writes them. `application` belongs to the `sk-` keys of FIDO tokens. `form` says which signatures count; it is a rule
    about the key and no part of it.
    """

    kind: str
    raw: bytes
    application: str = ""
    form: Form = field(default="raw", compare=False)

    def __post_init__(self) -> None:
        if self.kind in (ED25519, SK_ED25519):
            _refuse_weak_ed25519(self.raw)
        elif self.kind in (P256, SK_P256):
            _refuse_bad_point(self.raw)
        elif self.kind == RSA:
            _refuse_weak_rsa(self.raw)
        else:
            raise KeyRefused(f"keys of kind {self.kind[:60]!r} are not accepted", hint=_PUBLIC_HINT)
        if self.is_token is not self.application.startswith("ssh:") or not self.application.isprintable():
            raise KeyRefused("a token's key, and only that, has an application that begins with ssh:", hint=_PUBLIC_HINT)
        if self.is_token:
            object.__setattr__(self, "form", "sshsig")

    @classmethod
    def parse(cls, line: str) -> Self:
        """The key of one OpenSSH line, `kind base64 [comment]`; KeyRefused if it is malformed or weak."""
        words = line.split(None, 2)
        if len(words) < 2:
            raise KeyRefused("this is not an OpenSSH public key", hint=_PUBLIC_HINT)
        try:
            blob = base64.b64decode(words[1].encode("ascii"), validate=True)
        except (UnicodeEncodeError, binascii.Error, ValueError):
            raise KeyRefused("the public key is not base64", hint=_PUBLIC_HINT) from None
        return cls.of_blob(blob, words[0])

    @classmethod
    def of_blob(cls, blob: bytes, kind: str | None = None) -> Self:
        """The key of an OpenSSH blob; with `kind` it must be of that kind."""
        malformed = KeyRefused(f"the public key does not hold one {kind or 'OpenSSH'} key and nothing else", hint=_PUBLIC_HINT)
        fields = Reader(blob)
        try:
            found = fields.string().decode("ascii") if kind in (None, *KINDS) else ""
            if (kind or found) not in KINDS:
                raise KeyRefused(f"keys of kind {(kind or found)[:60]!r} are not accepted", hint=_PUBLIC_HINT)
            if found != (kind or found) or (found in (P256, SK_P256) and fields.string() != _CURVE):
                raise malformed
            raw = mpint(fields.mpint()) + mpint(fields.mpint()) if found == RSA else fields.string()
            application = fields.string().decode("ascii") if found in (SK_ED25519, SK_P256) else ""
            fields.end()
        except ValueError:
            raise malformed from None
        return cls(found, raw, application)

    @property
    def is_token(self) -> bool:
        """Whether the private half sits in a FIDO token, which signs only in its own form."""
        return self.kind in (SK_ED25519, SK_P256)

    @property
    def blob(self) -> bytes:
        """The key in OpenSSH's bytes."""
        head = string(self.kind.encode()) + (string(_CURVE) if self.kind in (P256, SK_P256) else b"")
        body = self.raw if self.kind == RSA else string(self.raw)
        return head + body + (string(self.application.encode()) if self.is_token else b"")

    @property
    def material(self) -> bytes:
        """What knowing the private half depends on: the point or the modulus, whatever kind or application is written around."""
        return mpint(_exponent_and_modulus(self.raw)[1]) if self.kind == RSA else self.raw

    @property
    def fingerprint(self) -> str:
        """The name people know the key by: `SHA256:` and the unpadded base64 digest of its OpenSSH form."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode("ascii").rstrip("=")

    @property
    def line(self) -> str:
        """The key as one OpenSSH line without a comment."""
        return f"{self.kind} {base64.b64encode(self.blob).decode('ascii')}"

    def signing_as(self, form: Form) -> Self:
        """The same key under another rule of which signatures count; a token's key has only its one form."""
        return dataclasses.replace(self, form=form)

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether the holder of this key signed the message in the form that counts; malformed signatures are not true."""
        if self.form == "raw":
            return self._verify_raw(signature, message)
        from pytest_golive.signing import sshsig

        try:
            seen = sshsig.read(signature)
            if seen.public != self.blob or seen.algorithm != self.algorithm:
                return False
            signed = seen.signed(message)
            if self.is_token:
                flags, counter = (rest := Reader(seen.rest)).byte(), rest.take(4)
                rest.end()
                if not flags & _TOUCHED:
                    return False
                application = hashlib.sha256(self.application.encode()).digest()
                signed = application + bytes([flags]) + counter + hashlib.sha256(signed).digest()
            elif seen.rest:
                return False
            return self._verify_raw(self.plain(seen.signature), signed)
        except ValueError:
            return False

    @property
    def algorithm(self) -> str:
        """The name under which SSH writes this key's signatures."""
        return RSA_SIGNATURE if self.kind == RSA else self.kind

    def plain(self, signature: bytes) -> bytes:
        """A signature out of its SSH form: ECDSA in DER, the others as they are; ValueError if it is none."""
        if self.kind not in (P256, SK_P256):
            return signature
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

        numbers = Reader(signature)
        r, s = numbers.mpint(), numbers.mpint()
        numbers.end()
        return encode_dss_signature(r, s)

    def dressed(self, signature: bytes) -> bytes:
        """A plain signature as the whole SSH signature, with its algorithm in front."""
        if self.kind == P256:
            from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

            r, s = decode_dss_signature(signature)
            signature = mpint(r) + mpint(s)
        return string(self.algorithm.encode()) + string(signature)

    def loaded(self) -> Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey:
        """The key as `cryptography` has it; of a token's key it is the bare point."""
        if self.kind in (ED25519, SK_ED25519):
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

            return Ed25519PublicKey.from_public_bytes(self.raw)
        if self.kind in (P256, SK_P256):
            from cryptography.hazmat.primitives.asymmetric import ec

            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.raw)
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

        return RSAPublicNumbers(*_exponent_and_modulus(self.raw)).public_key()

    def _verify_raw(self, signature: bytes, message: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature

        key: Any = self.loaded()
        try:
            if self.kind in (ED25519, SK_ED25519):
                key.verify(signature, message)
            else:
                key.verify(signature, message, *_how(self.kind))
        except (InvalidSignature, ValueError):
            return False
        return True


def _how(kind: str) -> tuple[Any, ...]:
    """Padding and digest of the kinds that let one choose."""
    from cryptography.hazmat.primitives import hashes

    if kind == RSA:
        from cryptography.hazmat.primitives.asymmetric import padding

        return padding.PKCS1v15(), hashes.SHA512()
    from cryptography.hazmat.primitives.asymmetric import ec

    return (ec.ECDSA(hashes.SHA256()),)


def _exponent_and_modulus(raw: bytes) -> tuple[int, int]:
    numbers = Reader(raw)
    exponent, modulus = numbers.mpint(), numbers.mpint()
    numbers.end()
    return exponent, modulus


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


def _refuse_weak_rsa(raw: bytes) -> None:
    """Refuse short keys, odd exponents and moduli that anybody can take apart (NIST SP 800-131A and 800-56B, section 6.4)."""
    try:
        exponent, modulus = _exponent_and_modulus(raw)
    except ValueError:
        raise KeyRefused("this RSA key is not one exponent and one modulus", hint=_NEW_KEY) from None
    bits, (least, most) = modulus.bit_length(), RSA_BITS
    if not least <= bits <= most:
        raise KeyRefused(f"this RSA key has {bits} bits, and between {least} and {most} are accepted", hint=_NEW_KEY)
    if not _EXPONENTS[0] <= exponent < _EXPONENTS[1] or exponent % 2 == 0:
        raise KeyRefused(f"this RSA key has an exponent that is even or not from {_EXPONENTS[0]}", hint=_NEW_KEY)
    if any(modulus % factor == 0 for factor in (2, *range(3, 1000, 2))):
        raise KeyRefused("this RSA key has a small factor: anybody can sign for it", hint=_NEW_KEY)
