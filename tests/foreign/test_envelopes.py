"""Our envelopes before verifiers that are not ours: each accepts what was signed, and each sees every change to it."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from pytest_golive import canonical
from pytest_golive.errors import EnvelopeRejected
from pytest_golive.signing import attestation, dsse
from pytest_golive.signing.keys import ED25519, P256, PublicKey
from tests.foreign import javascript
from tests.signing.people import Hand, hand

ROOT = Path(__file__).parents[2]
KINDS = {ED25519: "ed25519", P256: "p256"}


class Case(NamedTuple):
    """An envelope, and the one key that is trusted to have signed it."""

    envelope: dict[str, Any]
    key: PublicKey

    @property
    def pem(self) -> str:
        public = serialization.load_ssh_public_key(self.key.line.encode())
        return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


Verifier = Callable[[Sequence[Case], Path], list[bool]]


def recipe(words: str) -> str:
    """The block of shell in the manual's section on foreign software that holds these words."""
    section = (ROOT / "docs/approvals.md").read_text(encoding="utf-8").partition("## Checked by software that is not ours\n")[2]
    blocks: list[str] = re.findall(r"```sh\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    (block,) = [block for block in blocks if words in block]
    return block


def by_openssl(cases: Sequence[Case], folder: Path) -> list[bool]:
    """The manual's recipe of sed, base64 and openssl."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    check = {ED25519: recipe("pkeyutl"), P256: recipe("-sha256 -verify")}
    verdicts = []
    for case in cases:
        (folder / "envelope.json").write_text(canonical.dumps(case.envelope).decode() + "\n")
        (folder / "key.pem").write_text(case.pem)
        script = f"set -eu\n{recipe('DSSEv1')}\n{check[case.key.kind]}"
        done = subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0 or "erif" in done.stdout + done.stderr, done.stderr
        verdicts.append(done.returncode == 0)
    return verdicts


def by_securesystemslib(cases: Sequence[Case], folder: Path) -> list[bool]:
    """The library under TUF and in-toto, with our fingerprints as its key ids."""
    theirs = pytest.importorskip("securesystemslib.dsse")
    signers = pytest.importorskip("securesystemslib.signer")
    refused = pytest.importorskip("securesystemslib.exceptions").VerificationError
    verdicts = []
    for case in cases:
        public = serialization.load_pem_public_key(case.pem.encode())
        key = signers.SSlibKey.from_crypto(public, keyid=case.key.fingerprint)
        try:
            accepted = theirs.Envelope.from_dict(json.loads(json.dumps(case.envelope))).verify([key], 1)
        except refused:
            accepted = {}
        verdicts.append(set(accepted) == {case.key.fingerprint})
    return verdicts


def by_javascript(cases: Sequence[Case], way: str) -> list[bool]:
    """One process of node over all cases."""
    folder = javascript.packages()
    asked = [
        {"way": way, "envelope": case.envelope, "key": case.pem, "keyid": case.key.fingerprint, "digest": _digest(case.key)}
        for case in cases
    ]
    command = ["node", str(Path(javascript.__file__).with_name("verify.cjs")), str(folder)]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    # whatever is refused is refused as a signature, not because the case was malformed
    assert all(one["good"] or one["why"] in ("", REFUSED) for one in told), told
    return [one["good"] for one in told]


REFUSED = "VerificationError: signature verification failed"


def by_sigstore_core(cases: Sequence[Case], folder: Path) -> list[bool]:
    """Sigstore's primitive: its own encoding of what is signed, its own check of the signature."""
    return by_javascript(cases, "signature")


def by_sigstore_verifier(cases: Sequence[Case], folder: Path) -> list[bool]:
    """Sigstore's whole verifier, with the envelope in a bundle and no authorities."""
    return by_javascript(cases, "bundle")


def _digest(key: PublicKey) -> str | None:
    return {ED25519: None, P256: "sha256"}[key.kind]


VERIFIERS: list[Verifier] = [by_openssl, by_securesystemslib, by_sigstore_core, by_sigstore_verifier]


@pytest.fixture(scope="module", params=list(KINDS), ids=list(KINDS.values()))
def people(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Hand, Hand]:
    """Two persons with keys of one kind."""
    folder = tmp_path_factory.mktemp("people")
    return hand(folder, "one", p256=request.param == P256), hand(folder, "two", p256=request.param == P256)


@pytest.fixture(scope="module")
def records() -> list[bytes]:
    """What is signed, one of each kind."""
    now = datetime(2026, 11, 21, 10, tzinfo=UTC)
    attested = attestation.Attested(
        item="backups-restored",
        environment="production",
        look_at="Was a backup restored this month?",
        role="qa",
        person="ann",
        signed_at=now,
        expires=now + timedelta(days=7),
        comment="Zürich, 12 € – “yes”",
        subjects={"log": {"sha256": "a" * 64}},
    )
    return [attestation.build(attested)]


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_what_was_signed_is_accepted_and_every_change_is_seen(
    verifier: Verifier, people: tuple[Hand, Hand], records: list[bytes], tmp_path: Path
) -> None:
    """The envelope as it is verifies; with another payload, another type, another signature or under another key it does not."""
    signer, stranger = people
    for record in records:
        good = json.loads(dsse.sign(record, signer.key))
        assert dsse.open_envelope(json.dumps(good), [signer.key.public]).payload == record
        sig = good["signatures"][0]
        other = json.loads(dsse.sign(record + b" ", signer.key))
        foreign = {**json.loads(dsse.sign(record, stranger.key))["signatures"][0], "keyid": sig["keyid"]}
        changed = [
            {**good, "payload": other["payload"]},
            {**good, "payloadType": "application/vnd.in-toto+jsom"},
            {**good, "signatures": other["signatures"]},
            {**good, "signatures": [foreign]},
        ]
        cases = [Case(good, signer.key.public), *(Case(one, signer.key.public) for one in changed)]
        # the stranger's key under the name of the signer's would be the verifier's own mistake, so the name changes with it
        renamed = {**good, "signatures": [{**sig, "keyid": stranger.key.fingerprint}]}
        cases.append(Case(renamed, stranger.key.public))
        assert verifier(cases, tmp_path) == [True, False, False, False, False, False]


TYPE, BODY = "http://example.com/HelloWorld", b"hello world"


@pytest.fixture(scope="module")
def vector() -> Case:
    """The example of the DSSE specification (protocol.md, test vectors), its signature put from r and s into DER."""
    x = 46950820868899156662930047687818585632848591499744589407958293238635476079160
    y = 5640078356564379163099075877009565129882514886557779369047442380624545832820
    key = PublicKey(P256, b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big"))
    plain = base64.b64decode("A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==")
    der = encode_dss_signature(int.from_bytes(plain[:32], "big"), int.from_bytes(plain[32:], "big"))
    signature = {"keyid": key.fingerprint, "sig": base64.b64encode(der).decode()}
    return Case({"payload": base64.b64encode(BODY).decode(), "payloadType": TYPE, "signatures": [signature]}, key)


def by_us(cases: Sequence[Case], folder: Path) -> list[bool]:
    """Our own verifier."""
    verdicts = []
    for case in cases:
        try:
            dsse.open_envelope(json.dumps(case.envelope), [case.key], case.envelope["payloadType"])
            verdicts.append(True)
        except EnvelopeRejected:
            verdicts.append(False)
    return verdicts


@pytest.mark.parametrize("verifier", [by_us, *VERIFIERS])
def test_the_vector_of_the_specification(verifier: Verifier, vector: Case, tmp_path: Path) -> None:
    """What the specification signs verifies here and there; one changed byte of it verifies nowhere."""
    assert dsse.pae(TYPE, BODY) == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    body = base64.b64encode(b"hello worle").decode()
    cases = [vector, Case({**vector.envelope, "payload": body}, vector.key)]
    cases.append(Case({**vector.envelope, "payloadType": TYPE + "s"}, vector.key))
    assert verifier(cases, tmp_path) == [True, False, False]
