"""Envelopes: what a trusted key signed comes out byte for byte; everything else is refused."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from pytest_golive.errors import EnvelopeRejected
from pytest_golive.signing.dsse import PAYLOAD_TYPE, open_envelope, pae, payload_digest, sign, strict_base64, strict_json
from pytest_golive.signing.keys import P256, PublicKey, SessionKey

ORDER_ED25519 = 2**252 + 27742317777372353535851937790883648493
ORDER_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class P256Signer:
    """A P-256 key, as a cloud service may hold one."""

    def __init__(self) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        raw = self.private.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        self.public = PublicKey(P256, raw)
        self.fingerprint = self.public.fingerprint

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message, ec.ECDSA(hashes.SHA256()))


ANN, BOB, EVE = (SessionKey(Ed25519PrivateKey.generate()) for _ in range(3))
POINT = P256Signer()
BODY = b'{"a":"caf\xc3\xa9"}'


def _with(line: str, **changes: Any) -> str:
    return json.dumps({**json.loads(line), **changes})


def _both(body: bytes, *signers: Any) -> str:
    """One envelope with the signatures of several, put together after a JSON round trip."""
    envelopes = [json.loads(sign(body, signer)) for signer in signers]
    return _with(json.dumps(envelopes[0]), signatures=[one["signatures"][0] for one in envelopes])


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


@given(st.binary(max_size=300))
def test_what_was_signed_comes_out(body: bytes) -> None:
    """Any bytes that go into an envelope come out as they were, with the fingerprint of who signed."""
    opened = open_envelope(sign(body, ANN), [ANN.public])
    assert opened.payload == body
    assert opened.keyids == (ANN.fingerprint,)


def test_an_envelope_is_one_line_of_ascii() -> None:
    """An envelope can stand in a line of a file, as text or as bytes."""
    line = sign(BODY, ANN)
    assert line.isascii()
    assert "\n" not in line
    assert open_envelope(line.encode("ascii"), [ANN.public]).payload == BODY


def test_lengths_are_counted_in_bytes() -> None:
    """The length of a type with a letter beyond ASCII is that of its bytes."""
    assert pae("é", b"\xff") == b"DSSEv1 2 \xc3\xa9 1 \xff"
    assert pae("http://example.com/HelloWorld", b"hello world") == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_d1_two_of_three() -> None:
    """Two signatures of different kinds, the second added after a JSON round trip, count as two keys."""
    opened = open_envelope(_both(BODY, ANN, POINT), [EVE.public, POINT.public, ANN.public])
    assert set(opened.keyids) == {ANN.fingerprint, POINT.fingerprint}


def test_d2_a_doubled_signature_counts_once() -> None:
    """The same signature twice is one key."""
    assert open_envelope(_both(BODY, ANN, ANN), [ANN.public, BOB.public]).keyids == (ANN.fingerprint,)


def test_d3_another_keyid_makes_no_other_key() -> None:
    """The same signature under a second key id is still one key."""
    line = json.loads(sign(BODY, ANN))
    line["signatures"].append({"keyid": BOB.fingerprint, "sig": line["signatures"][0]["sig"]})
    assert open_envelope(json.dumps(line), [ANN.public, BOB.public]).keyids == (ANN.fingerprint,)


def test_d4_an_unknown_key_does_not_count() -> None:
    """A stranger's signature beside a trusted one adds nobody, and alone it is refused."""
    assert open_envelope(_both(BODY, ANN, EVE), [ANN.public]).keyids == (ANN.fingerprint,)
    with pytest.raises(EnvelopeRejected, match="no trusted key"):
        open_envelope(sign(BODY, EVE), [ANN.public])


def test_no_trusted_key_at_all_is_refused() -> None:
    """Who trusts nobody opens nothing."""
    with pytest.raises(EnvelopeRejected, match="no trusted key"):
        open_envelope(sign(BODY, ANN), [])


def test_d5_an_altered_payload_is_refused() -> None:
    """A signature does not carry over to other bytes."""
    with pytest.raises(EnvelopeRejected, match="no trusted key"):
        open_envelope(_with(sign(BODY, ANN), payload=_b64(BODY + b" ")), [ANN.public])


def test_d6_an_altered_type_is_refused() -> None:
    """A signature does not carry over to another type, whether or not that type is the one that is wanted."""
    line = sign(BODY, ANN, "application/other")
    with pytest.raises(EnvelopeRejected, match="payload type"):
        open_envelope(line, [ANN.public])
    with pytest.raises(EnvelopeRejected, match="no trusted key"):
        open_envelope(_with(line, payloadType=PAYLOAD_TYPE), [ANN.public])


def test_d7_type_and_body_cannot_be_swapped() -> None:
    """What was signed as a type is not accepted as a body."""
    line = sign(b"one", ANN, "two")
    with pytest.raises(EnvelopeRejected):
        open_envelope(_with(line, payload=_b64(b"two"), payloadType="one"), [ANN.public], "one")


def test_d8_the_boundary_cannot_be_shifted() -> None:
    """Bytes cannot move from the body into the type."""
    line = sign(b"ab cd", ANN, "t")
    with pytest.raises(EnvelopeRejected):
        open_envelope(_with(line, payload=_b64(b"cd"), payloadType="t 5 ab"), [ANN.public], "t 5 ab")


def test_d9_a_signature_over_the_bare_body_is_refused() -> None:
    """A signature that was made for something else than an envelope does not count."""
    line = _with(sign(BODY, ANN), signatures=[{"sig": _b64(ANN.sign(BODY))}])
    with pytest.raises(EnvelopeRejected, match="no trusted key"):
        open_envelope(line, [ANN.public])


def test_d10_one_key_listed_twice_counts_once() -> None:
    """Keys are told apart by their bytes, so a list that names one twice gives no second signature."""
    twin = PublicKey.parse(ANN.public.line + " under another name")
    assert open_envelope(sign(BODY, ANN), [ANN.public, twin, ANN.public]).keyids == (ANN.fingerprint,)


@pytest.mark.parametrize("keyid", [None, "", "wrong"])
def test_d12_the_keyid_decides_nothing(keyid: str | None) -> None:
    """A missing, empty or wrong key id changes nothing: every trusted key is tried."""
    signature = json.loads(sign(BODY, ANN))["signatures"][0]
    signature.pop("keyid")
    if keyid is not None:
        signature["keyid"] = keyid
    line = _with(sign(BODY, ANN), signatures=[signature])
    assert open_envelope(line, [BOB.public, ANN.public]).keyids == (ANN.fingerprint,)


@pytest.mark.parametrize("member", ["payload", "payloadType", "signatures"])
def test_d13_a_member_that_stands_twice_is_refused(member: str) -> None:
    """JSON that two readers could read differently is refused, although its last member would verify."""
    line = sign(BODY, ANN)
    with pytest.raises(EnvelopeRejected, match="twice"):
        open_envelope('{"' + member + '":"",' + line[1:], [ANN.public])


def test_d14_a_stretched_ed25519_signature_is_refused() -> None:
    """The group order added to S makes other bytes of the same meaning, and they are not accepted."""
    raw = ANN.sign(pae(PAYLOAD_TYPE, BODY))
    stretched = raw[:32] + (int.from_bytes(raw[32:], "little") + ORDER_ED25519).to_bytes(32, "little")
    with pytest.raises(EnvelopeRejected, match="no trusted key"):
        open_envelope(_with(sign(BODY, ANN), signatures=[{"sig": _b64(stretched)}]), [ANN.public])


def test_d15_both_forms_of_one_ecdsa_signature_count_once() -> None:
    """Anybody can make the second form of an ECDSA signature, so it adds nobody."""
    raw = POINT.sign(pae(PAYLOAD_TYPE, BODY))
    r, s = decode_dss_signature(raw)
    other = encode_dss_signature(r, ORDER_P256 - s)
    line = _with(sign(BODY, POINT), signatures=[{"sig": _b64(raw)}, {"sig": _b64(other)}])
    assert open_envelope(line, [POINT.public]).keyids == (POINT.fingerprint,)


def test_the_url_safe_alphabet_is_accepted() -> None:
    """The specification wants both base64 alphabets read."""
    body = b"\xfb\xff\xfe"
    line = json.loads(sign(body, ANN))
    line["payload"] = base64.urlsafe_b64encode(body).decode("ascii")
    line["signatures"][0]["sig"] = line["signatures"][0]["sig"].replace("+", "-").replace("/", "_")
    assert line["payload"] == "-__-"
    assert open_envelope(json.dumps(line), [ANN.public]).payload == body


@pytest.mark.parametrize("text", ["QQ", "QQ=", "QR==", "Q Q==", "QQ==\n", "QQ==QQ==", "+_+_", "Ą===", "QQ===", "=", "*"])
def test_loose_base64_is_refused(text: str) -> None:
    """Base64 without padding, with stray characters or bits, or of mixed alphabets is refused."""
    with pytest.raises(EnvelopeRejected, match="base64"):
        strict_base64(text)


@given(st.binary(max_size=60))
def test_strict_base64_gives_every_value_back(body: bytes) -> None:
    """What is written in one canonical way is read in that way."""
    assert strict_base64(_b64(body)) == body
    assert strict_base64(base64.urlsafe_b64encode(body).decode("ascii")) == body


@pytest.mark.parametrize(
    "line",
    [
        "",
        "null",
        "[]",
        '"text"',
        "{",
        "{}",
        "NaN",
        '{"payload":NaN}',
        b"\xff\xfe",
        "[" * 100_000,
        "1" * 5000,
        _with(sign(BODY, ANN), extra=float("nan")),
        _with(sign(BODY, ANN), payload=None),
        _with(sign(BODY, ANN), payload=7),
        _with(sign(BODY, ANN), payloadType=None),
        _with(sign(BODY, ANN), signatures=None),
        _with(sign(BODY, ANN), signatures=[]),
        _with(sign(BODY, ANN), signatures={}),
        _with(sign(BODY, ANN), signatures=["sig"]),
        _with(sign(BODY, ANN), signatures=[{}]),
        _with(sign(BODY, ANN), signatures=[{"sig": None}]),
        _with(sign(BODY, ANN), signatures=[{"sig": ""}]),
        _with(sign(BODY, ANN), signatures=[{"sig": _b64(bytes(64))}]),
        _with(sign(BODY, ANN), signatures=[{"sig": _b64(bytes(63))}]),
    ],
    # numbers, because the lines hold a key that is another one in each process, and xdist wants the same names in all
    ids=itertools.count(1),
)
def test_malformed_envelopes_are_refused(line: str | bytes) -> None:
    """Whatever is not an envelope is refused with one kind of error and a hint, never with a crash."""
    with pytest.raises(EnvelopeRejected) as caught:
        open_envelope(line, [ANN.public])
    assert caught.value.hint


def test_members_that_are_not_known_are_ignored() -> None:
    """An envelope of a later version with further members is still read."""
    assert open_envelope(_with(sign(BODY, ANN), more={"x": 1}), [ANN.public]).payload == BODY


def test_the_number_of_signatures_is_capped() -> None:
    """A thousand signatures are refused before any is checked."""
    signature = json.loads(sign(BODY, ANN))["signatures"][0]
    assert open_envelope(_with(sign(BODY, ANN), signatures=[signature] * 64), [ANN.public]).payload == BODY
    with pytest.raises(EnvelopeRejected, match="more than 64"):
        open_envelope(_with(sign(BODY, ANN), signatures=[signature] * 65), [ANN.public])


def test_strict_json_has_one_meaning() -> None:
    """Plain JSON is read; a nested member that stands twice is refused."""
    assert strict_json(b'{"a":[1,{"b":null}]}') == {"a": [1, {"b": None}]}
    with pytest.raises(EnvelopeRejected, match="twice"):
        strict_json('{"a":[{"b":1,"b":2}]}')


def test_the_digest_names_the_payload() -> None:
    """Envelopes of one payload by different signers have one digest, that of the payload's bytes."""
    import hashlib

    assert payload_digest(sign(BODY, ANN)) == payload_digest(sign(BODY, BOB)) == hashlib.sha256(BODY).hexdigest()


def test_the_vector_of_the_specification() -> None:
    """The signature that the DSSE specification prints for its P-256 test key verifies."""
    x = 46950820868899156662930047687818585632848591499744589407958293238635476079160
    y = 5640078356564379163099075877009565129882514886557779369047442380624545832820
    raw = b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")
    plain = base64.b64decode("A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==")
    der = encode_dss_signature(int.from_bytes(plain[:32], "big"), int.from_bytes(plain[32:], "big"))
    kind, body = "http://example.com/HelloWorld", b"hello world"
    line = json.dumps({"payload": _b64(body), "payloadType": kind, "signatures": [{"sig": _b64(der)}]})
    assert open_envelope(line, [PublicKey(P256, raw)], kind).payload == body


@pytest.mark.parametrize("signer", [ANN, POINT], ids=["ed25519", "p256"])
def test_securesystemslib_agrees(signer: Any) -> None:
    """An independent implementation accepts our envelopes and refuses an altered one, and we accept what it signed."""
    dsse = pytest.importorskip("securesystemslib.dsse")
    signers = pytest.importorskip("securesystemslib.signer")
    raw = signer.public.raw
    public = (
        Ed25519PublicKey.from_public_bytes(raw)
        if len(raw) == 32
        else ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    )
    key = signers.SSlibKey.from_crypto(public, keyid=signer.fingerprint)
    envelope = dsse.Envelope.from_dict(json.loads(sign(BODY, signer)))
    assert set(envelope.verify([key], 1)) == {signer.fingerprint}
    envelope.payload += b" "
    with pytest.raises(Exception, match="signatures"):
        envelope.verify([key], 1)
    theirs = signers.CryptoSigner.generate_ed25519()
    made = dsse.Envelope(BODY, PAYLOAD_TYPE, {})
    made.sign(theirs)
    line = f"ssh-ed25519 {_b64(_ssh_blob(bytes.fromhex(theirs.public_key.keyval['public'])))}"
    assert open_envelope(json.dumps(made.to_dict()), [PublicKey.parse(line)]).payload == BODY


def _ssh_blob(raw: bytes) -> bytes:
    return b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + raw


@pytest.mark.parametrize("signer", [ANN, POINT], ids=["ed25519", "p256"])
def test_openssl_agrees(signer: Any, tmp_path: Path) -> None:
    """With openssl alone anybody can check an envelope."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    envelope = json.loads(sign(BODY, signer))
    raw = signer.public.raw
    public: Any = (
        Ed25519PublicKey.from_public_bytes(raw)
        if len(raw) == 32
        else ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    )
    key, sig, text = tmp_path / "key", tmp_path / "sig", tmp_path / "pae"
    key.write_bytes(public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    sig.write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    kind, body = envelope["payloadType"].encode(), base64.b64decode(envelope["payload"])
    whole = b"DSSEv1 " + b" ".join([str(len(kind)).encode(), kind, str(len(body)).encode(), body])
    words: list[Any] = ["openssl", "dgst", "-sha256", "-verify", key, "-signature", sig, text]
    if signer is ANN:
        words = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", key, "-rawin", "-in", text, "-sigfile", sig]
    for content, code in ((whole, 0), (whole + b" ", 1)):
        text.write_bytes(content)
        assert subprocess.run(words, capture_output=True, check=False).returncode == code
