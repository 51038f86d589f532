"""Our envelopes before verifiers that are not ours: each accepts what was signed, and each sees every change to it."""

from __future__ import annotations

import base64
import json
import re
import secrets
import shutil
import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from pytest_golive import canonical
from pytest_golive.errors import EnvelopeRejected
from pytest_golive.signing import approval, attestation, dsse, waiver
from pytest_golive.signing.choice import Wrapped
from pytest_golive.signing.key_files import file_key
from pytest_golive.signing.keys import Signer
from pytest_golive.signing.public import ED25519, P256, RSA, PublicKey
from tests.foreign import javascript
from tests.report import gallery
from tests.report.conftest import make_item, make_statement

ROOT = Path(__file__).parents[2]
KINDS = {ED25519: "ed25519", P256: "p256", RSA: "rsa"}
DIGEST = {ED25519: None, P256: "sha256", RSA: "sha512"}


class Case(NamedTuple):
    """An envelope, and the one key that is trusted to have signed it."""

    envelope: dict[str, Any]
    key: PublicKey

    @property
    def pem(self) -> str:
        return (
            self.key.loaded().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
        )


Verifier = Callable[[Sequence[Case], Path], list[bool]]


def recipe(words: str) -> str:
    """The block of shell in the manual's section on foreign software that holds these words."""
    section = (ROOT / "docs/approvals.md").read_text(encoding="utf-8").partition("## Checked by software that is not ours\n")[2]
    blocks: list[str] = re.findall(r"```sh\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    (block,) = [block for block in blocks if words in block]
    return block


def by_us(cases: Sequence[Case], folder: Path | None = None) -> list[bool]:
    """Our own verifier."""
    verdicts = []
    for case in cases:
        try:
            dsse.open_envelope(json.dumps(case.envelope), [case.key], case.envelope["payloadType"])
            verdicts.append(True)
        except EnvelopeRejected:
            verdicts.append(False)
    return verdicts


def by_openssl(cases: Sequence[Case], folder: Path) -> list[bool]:
    """The manual's recipe of sed, base64 and openssl."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    check = {ED25519: recipe("pkeyutl"), P256: recipe("-sha256 -verify"), RSA: recipe("-sha512 -verify")}
    return [by_shell(case, check[case.key.kind], folder) for case in cases]


def by_ssh_keygen(cases: Sequence[Case], folder: Path) -> list[bool]:
    """The manual's recipe for signatures in OpenSSH's own form."""
    if not shutil.which("ssh-keygen"):
        pytest.skip("ssh-keygen is not installed")
    return [by_shell(case, recipe("ssh-keygen"), folder) for case in cases]


def by_shell(case: Case, check: str, folder: Path) -> bool:
    """Take the envelope apart as the manual says, then check it; what is refused is refused by the last program, not before."""
    (folder / "envelope.json").write_text(canonical.dumps(case.envelope).decode() + "\n")
    (folder / "key.pem").write_text(case.pem)
    (folder / "key.pub").write_text(f"{case.key.line} somebody@example\n")
    script = f"set -eu\n{recipe('DSSEv1')}\necho taken apart\n{check}"
    done = subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.startswith("taken apart"), done.stderr
    assert "o such file" not in done.stderr
    return done.returncode == 0


def by_securesystemslib(cases: Sequence[Case], folder: Path) -> list[bool]:
    """The library under TUF and in-toto, with our fingerprints as its key ids."""
    theirs = pytest.importorskip("securesystemslib.dsse")
    signers = pytest.importorskip("securesystemslib.signer")
    refused = pytest.importorskip("securesystemslib.exceptions").VerificationError
    verdicts = []
    for case in cases:
        public = serialization.load_pem_public_key(case.pem.encode())
        key = signers.SSlibKey.from_crypto(public, keyid=case.key.fingerprint, scheme=SCHEMES[case.key.kind])
        try:
            accepted = theirs.Envelope.from_dict(json.loads(json.dumps(case.envelope))).verify([key], 1)
        except refused:
            accepted = {}
        verdicts.append(set(accepted) == {case.key.fingerprint})
    return verdicts


SCHEMES = {ED25519: "ed25519", P256: "ecdsa-sha2-nistp256", RSA: "rsa-pkcs1v15-sha512"}
"""The names by which securesystemslib knows how our keys sign."""


def by_javascript(cases: Sequence[Case], way: str) -> list[bool]:
    """One process of node over all cases."""
    folder = javascript.packages()
    asked = [
        {"way": way, "envelope": case.envelope, "key": case.pem, "keyid": case.key.fingerprint, "digest": DIGEST[case.key.kind]}
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


VERIFIERS: list[Verifier] = [by_openssl, by_securesystemslib, by_sigstore_core, by_sigstore_verifier]


def signer(folder: Path, kind: str) -> Signer:
    """A fresh key of this kind, read from the file that a person has it in."""
    private: Any = {
        ED25519: Ed25519PrivateKey.generate,
        P256: lambda: ec.generate_private_key(ec.SECP256R1()),
        RSA: lambda: rsa.generate_private_key(65537, 3072),
    }[kind]()
    path = folder / secrets.token_hex(8)
    form = serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    path.touch(mode=0o600)
    path.write_bytes(private.private_bytes(*form))
    return file_key(path, lambda: None)


@pytest.fixture(scope="module", params=list(KINDS), ids=list(KINDS.values()))
def people(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Signer, Signer]:
    """Two persons with keys of one kind."""
    folder = tmp_path_factory.mktemp("people")
    return signer(folder, request.param), signer(folder, request.param)


@pytest.fixture(scope="module")
def records() -> list[bytes]:
    """What is signed, one of each kind: evidence, an approval, a waiver, an attestation."""
    now = datetime(2026, 11, 21, 10, tzinfo=UTC)
    words = "Zürich, 12 € – “yes”"
    evidence = canonical.dumps(make_statement("GO", [make_item(title=words)]))
    approved = approval.Approval(
        evidence=canonical.sha256(evidence),
        presentation="b" * 64,
        environment="production",
        run="0b5dca1dc3c24a31",
        word="GO",
        person="ann",
        name="Ann Zürcher",
        role="qa",
        meaning=approval.MEANINGS["GO"],
        comment=words,
        signed_at=now,
        expires=now + timedelta(hours=8),
    )
    waived = waiver.Waived(
        item="backups-restored",
        environment="production",
        demand="c" * 64,
        severity="critical",
        reason=words,
        person="ann",
        name="Ann Zürcher",
        role="risk",
        signed_at=now,
        until=now + timedelta(days=3),
    )
    attested = attestation.Attested(
        item="backups-restored",
        environment="production",
        look_at="Was a backup restored this month?",
        role="qa",
        person="ann",
        signed_at=now,
        expires=now + timedelta(days=7),
        comment=words,
        subjects={"log": {"sha256": "a" * 64}},
    )
    return [evidence, approval.build(approved), waiver.build(waived), attestation.build(attested)]


def altered(record: bytes, signed: Signer, stranger: Signer) -> list[Case]:
    """The record as it was signed, then with another payload, type, signature, a stranger's signature, and under another key."""
    good = json.loads(dsse.sign(record, signed))
    other = json.loads(dsse.sign(record + b" ", signed))
    foreign = {**json.loads(dsse.sign(record, stranger))["signatures"][0], "keyid": signed.fingerprint}
    # under another key it also has that key's name: to look up the wrong key by a name would be another mistake
    renamed = {**good["signatures"][0], "keyid": stranger.fingerprint}
    return [
        Case(good, signed.public),
        Case({**good, "payload": other["payload"]}, signed.public),
        Case({**good, "payloadType": "application/vnd.in-toto+jsom"}, signed.public),
        Case({**good, "signatures": other["signatures"]}, signed.public),
        Case({**good, "signatures": [foreign]}, signed.public),
        Case({**good, "signatures": [renamed]}, stranger.public),
    ]


ONLY_THE_FIRST = [True, False, False, False, False, False]


@pytest.mark.parametrize("verifier", [by_us, *VERIFIERS])
def test_what_was_signed_is_accepted_and_every_change_is_seen(
    verifier: Verifier, people: tuple[Signer, Signer], records: list[bytes], tmp_path: Path
) -> None:
    """The envelope as it is verifies; with another payload, type or signature, or under another key, it does not."""
    if verifier is by_sigstore_verifier and people[0].public.kind == RSA:
        pytest.skip("Sigstore's whole verifier knows no RSA with SHA-512")
    cases = [case for record in records for case in altered(record, *people)]
    assert verifier(cases, tmp_path) == ONLY_THE_FIRST * len(records)


def test_signatures_in_openssh_form(people: tuple[Signer, Signer], records: list[bytes], tmp_path: Path) -> None:
    """What a person signs in the form of ssh-keygen, ssh-keygen accepts in our namespace, and it sees every change."""
    signed, stranger = (Wrapped(one, one.public.signing_as("sshsig")) for one in people)
    cases = [case for record in records for case in altered(record, signed, stranger)]
    assert by_us(cases) == ONLY_THE_FIRST * len(records)
    assert by_ssh_keygen(cases, tmp_path) == ONLY_THE_FIRST * len(records)


def test_a_page_is_taken_apart_by_sed(tmp_path: Path) -> None:
    """From a signed page alone, sed and openssl get its evidence, its approvals and the two digests that those must name."""
    key = signer(tmp_path, ED25519)
    (tmp_path / "report.html").write_bytes(gallery.pages(key)["go-signed"])
    script = f"set -eu\n{recipe('golive-evidence')}"
    out = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60).stdout
    evidence, presentation = (line.split()[0] for line in out.splitlines())
    lines = (tmp_path / "approvals.jsonl").read_text().splitlines()
    cases = [Case(json.loads(line), key.public) for line in ((tmp_path / "evidence.json").read_text(), *lines)]
    assert by_openssl(cases, tmp_path) == [True, True, True]
    for case in cases[1:]:
        statement = json.loads(base64.b64decode(case.envelope["payload"]))
        assert {subject["name"]: subject["digest"]["sha256"] for subject in statement["subject"]} == {
            "evidence": evidence,
            "presentation": presentation,
        }


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


@pytest.mark.parametrize("verifier", [by_us, *VERIFIERS])
def test_the_vector_of_the_specification(verifier: Verifier, vector: Case, tmp_path: Path) -> None:
    """What the specification signs verifies here and there; one changed byte of it verifies nowhere."""
    assert dsse.pae(TYPE, BODY) == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    body = base64.b64encode(b"hello worle").decode()
    cases = [vector, Case({**vector.envelope, "payload": body}, vector.key)]
    cases.append(Case({**vector.envelope, "payloadType": TYPE + "s"}, vector.key))
    assert verifier(cases, tmp_path) == [True, False, False]
