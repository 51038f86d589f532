"""Keys in a module and in a service: SoftHSM signs for real, and what comes back is held against the roster's key."""

from __future__ import annotations

import importlib
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pytest_golive.errors import KeyRefused, MissingExtra
from pytest_golive.signing import dsse, kms
from pytest_golive.signing.choice import Wrapped, choose
from pytest_golive.signing.public import PublicKey
from pytest_golive.signing.roster import parse
from tests.signing.agents import Token
from tests.signing.people import hand, person, roster

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib64/libsofthsm2.so")
PIN = "4711"


def _nobody(_: str) -> bytes | None:
    return None


def _file2(folder: Path, private: Any) -> tuple[str, PublicKey]:
    """A URI of an unencrypted PKCS #8 file, and the public key."""
    path = folder / f"{secrets.token_hex(4)}.pem"
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private.private_bytes(*plain))
    form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    return f"file2:{path}", PublicKey.parse(private.public_key().public_bytes(*form).decode())


@pytest.mark.parametrize(
    "private",
    [Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 3072)],
    ids=["ed25519", "p256", "rsa"],
)
def test_a_signer_by_uri_signs_an_envelope(tmp_path: Path, private: Any) -> None:
    """Each kind signs through the library in the form that our verifier takes."""
    uri, public = _file2(tmp_path, private)
    key = kms.signer(uri, [public], _nobody)
    assert dsse.open_envelope(dsse.sign(b"{}", key), [public]).payload == b"{}"
    assert repr(key) == f"ServiceKey({public.fingerprint})"


def test_the_roster_names_the_key_of_a_service(tmp_path: Path) -> None:
    """Several keys on the roster need the fingerprint; a fingerprint that is not there, and a token's key, are no answer."""
    uri, public = _file2(tmp_path, Ed25519PrivateKey.generate())
    other = hand(tmp_path, "other").key.public
    with pytest.raises(KeyRefused, match="several keys"):
        kms.signer(uri, [other, public], _nobody)
    for known in ([], [Token().public]):
        with pytest.raises(KeyRefused, match="is not clear"):
            kms.signer(uri, known, _nobody)
    with pytest.raises(KeyRefused, match="not on the roster"):
        kms.signer(f"{uri}#{public.fingerprint}", [other], _nobody)
    roll = parse(roster(person("ann", ["qa"], public.line), person("bob", ["qa"], other.line)).encode(), "r")
    signer = choose(key=f"kms:{uri}#{public.fingerprint}", environ={}, roster=roll, ask_passphrase=_nobody)
    assert dsse.open_envelope(dsse.sign(b"{}", signer), [public]).payload == b"{}"


def test_a_service_key_signs_as_sshsig_where_the_roster_says_so(tmp_path: Path) -> None:
    """The form is the roster's, wherever the key is."""
    uri, public = _file2(tmp_path, ec.generate_private_key(ec.SECP256R1()))
    roll = parse(roster(person("ann", ["qa"], public.line, more=', format = "sshsig"')).encode(), "r")
    signer = choose(key=f"kms:{uri}", environ={}, roster=roll, ask_passphrase=_nobody)
    assert type(signer) is Wrapped
    assert dsse.open_envelope(dsse.sign(b"{}", signer), roll.public_keys).payload == b"{}"


def test_another_key_behind_the_uri_is_found_out(tmp_path: Path) -> None:
    """A wrong slot or alias is a refusal here; nothing that the service signed is handed on."""
    uri, _ = _file2(tmp_path, Ed25519PrivateKey.generate())
    public = hand(tmp_path, "other").key.public
    with pytest.raises(KeyRefused, match=r"is not the key|key service"):
        kms.signer(uri, [public], _nobody).sign(b"x")


@pytest.mark.parametrize("uri", ["", "nothing", "nosuch:thing", "file2:/nowhere/at/all", "hsm:x", "awskms:alias/x", "hv:x"])
def test_what_is_no_key_is_one_line(tmp_path: Path, uri: str) -> None:
    """An unknown scheme, a missing file, a library that is not there: one line, never a traceback."""
    public = hand(tmp_path, "k", p256=True).key.public
    with pytest.raises(KeyRefused, match="key service") as caught:
        kms.signer(uri, [public], _nobody).sign(b"x")
    assert "\n" not in str(caught.value)


def test_without_the_extra_the_install_line_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing library is told with what to install."""
    monkeypatch.setitem(sys.modules, "securesystemslib.signer", None)
    with pytest.raises(MissingExtra) as caught:
        kms.signer("file2:x", [hand(tmp_path, "k").key.public], _nobody)
    assert "pytest-golive[kms]" in caught.value.hint


def test_the_library_prints_nothing_of_its_own(tmp_path: Path) -> None:
    """Its handler on its logger, made when it is imported, is taken off again."""
    import logging

    uri, public = _file2(tmp_path, Ed25519PrivateKey.generate())
    logging.getLogger("securesystemslib").addHandler(logging.StreamHandler())
    kms.signer(uri, [public], _nobody)
    assert logging.getLogger("securesystemslib").handlers == []


@dataclass(frozen=True)
class Module:
    """A token of SoftHSM with one P-256 key."""

    uri: str
    public: PublicKey


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Module]:
    """A hardware module made of software, with a PIN, in a folder of its own."""
    library = next((path for path in MODULES if Path(path).exists()), None)
    if library is None or not shutil.which("softhsm2-util"):
        pytest.skip("SoftHSM is not installed (apt-get install softhsm2)")
    pkcs11 = pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    folder = tmp_path_factory.mktemp("hsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    before = {name: os.environ.get(name) for name in ("SOFTHSM2_CONF", "PYKCS11LIB")}
    os.environ.update({"SOFTHSM2_CONF": str(folder / "conf"), "PYKCS11LIB": library})
    words = ["softhsm2-util", "--init-token", "--free", "--label", "golive", "--pin", PIN, "--so-pin", PIN]
    subprocess.run(words, check=True, capture_output=True)
    ec_points = importlib.import_module("pkcs11.util.ec")
    with pkcs11.lib(library).get_token(token_label="golive").open(user_pin=PIN, rw=True) as session:
        curve = ec_points.encode_named_curve_parameters("secp256r1")
        domain = session.create_domain_parameters(pkcs11.KeyType.EC, {pkcs11.Attribute.EC_PARAMS: curve}, local=True)
        made, _ = domain.generate_keypair(store=True, id=bytes([2]), label="approver")
        loaded = serialization.load_der_public_key(ec_points.encode_ec_public_key(made))
    form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    yield Module("hsm:2?label=golive", PublicKey.parse(loaded.public_bytes(*form).decode()))
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


def test_a_module_signs_for_real(module: Module) -> None:
    """A P-256 key that never leaves its module signs an envelope; the PIN is asked once for several signatures."""
    asked: list[str] = []

    def pin(prompt: str) -> bytes:
        asked.append(prompt)
        return PIN.encode()

    key = kms.signer(module.uri, [module.public], pin)
    for body in (b"{}", b"[]"):
        assert dsse.open_envelope(dsse.sign(body, key), [module.public]).payload == body
    assert asked == ["Pin of hsm:2?label=golive: "]


def test_a_wrong_pin_or_slot_is_one_line(module: Module, tmp_path: Path) -> None:
    """Neither the PIN nor a traceback is shown."""
    for uri, pin in ((module.uri, b"0000-wrong"), ("hsm:3?label=golive", PIN.encode()), ("hsm:2?label=other", PIN.encode())):
        with pytest.raises(KeyRefused, match="key service") as caught:
            kms.signer(uri, [module.public], lambda _, pin=pin: pin).sign(b"x")  # type: ignore[misc]
        assert pin.decode() not in str(caught.value)
        assert "\n" not in str(caught.value)
    other = hand(tmp_path, "k", p256=True).key.public
    with pytest.raises(KeyRefused, match="is not the key"):
        kms.signer(module.uri, [other], lambda _: PIN.encode()).sign(b"x")


def test_openssl_verifies_what_the_module_signed(module: Module, tmp_path: Path) -> None:
    """The signature is the plain one: software that is not ours takes it."""
    key = kms.signer(module.uri, [module.public], lambda _: PIN.encode())
    form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    (tmp_path / "pub.pem").write_bytes(module.public.loaded().public_bytes(*form))
    (tmp_path / "sig").write_bytes(key.sign(b"x"))
    (tmp_path / "body").write_bytes(b"x")
    words = ["openssl", "dgst", "-sha256", "-verify", "pub.pem", "-signature", "sig", "body"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "Verified OK", done.stderr
