"""DSSE envelopes, strictly: what a trusted key signed, and nothing that merely looks like it.

The verifier is stricter than the specification asks: one reading of the JSON, one reading of the base64, every
signature held against every trusted key. Key ids in an envelope are hints from whoever wrote it, so they decide nothing
here. The caller works with the bytes that were verified and never parses the envelope again.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Never, final

from pytest_golive import canonical
from pytest_golive.errors import EnvelopeRejected
from pytest_golive.signing.keys import PublicKey, Signer

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_SIGNATURES = 64
MAX_ENVELOPE = 64 * 1024 * 1024
_HINT = "do not trust it; make it again from the run that it claims to come from"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What stood in an envelope that verified; `keyids` are fingerprints of the trusted keys that signed it."""

    payload: bytes
    payload_type: str
    keyids: tuple[str, ...]


def pae(payload_type: str, body: bytes) -> bytes:
    """The bytes that are signed: type and body, each with its length in bytes, so that neither passes for the other."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)


def sign(payload: bytes, signer: Signer, payload_type: str = PAYLOAD_TYPE) -> str:
    """An envelope with one signature, as one line of ASCII JSON.

    An SSHSIG is marked as one for whoever verifies by other means; the mark is not signed and decides nothing here.
    """
    signature = {
        "keyid": signer.fingerprint,
        "sig": base64.b64encode(signer.sign(pae(payload_type, payload))).decode("ascii"),
        **({"format": "sshsig"} if signer.public.form == "sshsig" else {}),
    }
    envelope = {
        "payload": base64.b64encode(payload).decode("ascii"),
        "payloadType": payload_type,
        "signatures": [signature],
    }
    return canonical.dumps(envelope).decode("ascii")


def open_envelope(line: str | bytes, keys: Sequence[PublicKey], payload_type: str = PAYLOAD_TYPE) -> Opened:
    """What a trusted key signed; EnvelopeRejected if the envelope is malformed or none of `keys` signed it."""
    envelope = _read(line)
    found_type = _text(envelope, "payloadType")
    if found_type != payload_type:
        raise EnvelopeRejected(f"the payload type is not {payload_type}", hint=_HINT)
    payload = strict_base64(_text(envelope, "payload"))
    signatures = envelope.get("signatures")
    if not isinstance(signatures, list) or not signatures:
        raise EnvelopeRejected("the envelope has no signatures", hint=_HINT)
    if len(signatures) > MAX_SIGNATURES:
        raise EnvelopeRejected(f"the envelope has more than {MAX_SIGNATURES} signatures", hint=_HINT)
    raw = [strict_base64(_text(_object(signature), "sig")) for signature in signatures]
    signed_by = who_signed(pae(payload_type, payload), raw, keys)
    if not signed_by:
        raise EnvelopeRejected(
            "no trusted key signed this envelope", hint="check which key signed it, and which keys are trusted here"
        )
    return Opened(payload=payload, payload_type=payload_type, keyids=tuple(key.fingerprint for key in signed_by))


def who_signed(message: bytes, signatures: Sequence[bytes], keys: Iterable[PublicKey]) -> tuple[PublicKey, ...]:
    """The distinct keys, by their bytes and in the order given, that made at least one of the signatures."""
    return tuple(key for key in dict.fromkeys(keys) if any(key.verify(signature, message) for signature in signatures))


def strict_base64(text: str) -> bytes:
    """Bytes of padded base64 in either alphabet, written in its one canonical way; EnvelopeRejected otherwise."""
    for decode, encode in (
        (base64.standard_b64decode, base64.standard_b64encode),
        (base64.urlsafe_b64decode, base64.urlsafe_b64encode),
    ):
        try:
            ascii_text = text.encode("ascii")
            body = decode(ascii_text)
        except (UnicodeEncodeError, binascii.Error):
            continue
        if encode(body) == ascii_text:
            return body
    raise EnvelopeRejected("a field of the envelope is not strict base64", hint=_HINT)


def payload_digest(line: str | bytes) -> str:
    """The sha256 of an envelope's payload, whoever signed it: a name for it in a log, not a reason to believe it."""
    return canonical.sha256(strict_base64(_text(_read(line), "payload")))


def strict_json(text: str | bytes) -> Any:
    """The one value that this JSON can mean; EnvelopeRejected for members that stand twice, NaN, or no JSON at all."""
    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8")
        return json.loads(decoded, object_pairs_hook=_members, parse_constant=_constant)
    except (ValueError, RecursionError):
        raise EnvelopeRejected("what should be JSON is not", hint=_HINT) from None


def _read(line: str | bytes) -> dict[str, Any]:
    if len(line) > MAX_ENVELOPE:
        raise EnvelopeRejected(f"the envelope is larger than {MAX_ENVELOPE} bytes", hint=_HINT)
    return _object(strict_json(line))


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise EnvelopeRejected("a member of a JSON object stands twice", hint=_HINT)
    return members


def _constant(word: str) -> Never:
    raise EnvelopeRejected(f"{word} is not JSON", hint=_HINT)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise EnvelopeRejected("the envelope is not made of JSON objects", hint=_HINT)
    return value


def _text(holder: dict[str, Any], name: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str):
        raise EnvelopeRejected(f"the envelope has no {name}", hint=_HINT)
    return value
