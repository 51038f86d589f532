"""A person's own key file: both kinds, with and without a passphrase, and every file that is not one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pytest_golive.errors import KeyRefused
from pytest_golive.signing import dsse
from pytest_golive.signing.key_files import file_key
from tests.signing.people import hand

OPENSSH = (serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH)
PKCS8 = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)


def _nobody() -> bytes | None:
    return None


@pytest.mark.parametrize("p256", [False, True], ids=["ed25519", "p256"])
@pytest.mark.parametrize("passphrase", [None, b"correct horse"], ids=["open", "encrypted"])
def test_a_key_signs_what_its_public_half_verifies(tmp_path: Path, p256: bool, passphrase: bytes | None) -> None:
    """Either kind, encrypted or not, makes an envelope that its public key opens."""
    made = hand(tmp_path, "k", p256=p256, passphrase=passphrase)
    key = file_key(made.path, lambda: passphrase)
    assert dsse.open_envelope(dsse.sign(b"{}", key), [made.key.public]).payload == b"{}"
    assert repr(key) == f"FileKey({key.fingerprint})"


def test_a_wrong_passphrase_opens_nothing(tmp_path: Path) -> None:
    """It is asked for once, and a wrong one is a refusal in words."""
    made = hand(tmp_path, "k", passphrase=b"correct horse")
    asked: list[bool] = []

    def ask() -> bytes:
        asked.append(True)
        return b"battery staple"

    with pytest.raises(KeyRefused, match="passphrase does not open"):
        file_key(made.path, ask)
    assert len(asked) == 1
    with pytest.raises(KeyRefused, match="no passphrase was given"):
        file_key(made.path, _nobody)


def test_a_passphrase_is_not_asked_for_in_vain(tmp_path: Path) -> None:
    """An open key needs no question."""
    made = hand(tmp_path, "k")

    def ask() -> bytes | None:
        raise AssertionError("asked")

    assert file_key(made.path, ask).public == made.key.public


def _rsa(path: Path) -> None:
    path.write_bytes(rsa.generate_private_key(65537, 2048).private_bytes(*OPENSSH, serialization.NoEncryption()))
    path.chmod(0o600)


def _p384(path: Path) -> None:
    path.write_bytes(ec.generate_private_key(ec.SECP384R1()).private_bytes(*PKCS8, serialization.NoEncryption()))
    path.chmod(0o600)


def _text(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content)
        path.chmod(0o600)

    return write


def _readable(path: Path) -> None:
    hand(path.parent, path.name)
    path.chmod(0o640)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "cannot be read"),
    "folder": (lambda path: path.mkdir(), "cannot be read|not a regular file"),
    "pipe": (lambda path: os.mkfifo(path, 0o600), "not a regular file"),
    "readable by others": (_readable, "others can read"),
    "huge": (_text(b"x" * 70_000), "too large"),
    "empty": (_text(b""), "holds no private key"),
    "garbage": (_text(b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"), "holds no private key"),
    "public": (_text(b"ssh-ed25519 AAAA"), "holds no private key"),
    "rsa": (_rsa, "this RSA key has 2048 bits"),
    "p384": (_p384, "not accepted"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_key_is_refused(tmp_path: Path, name: str) -> None:
    """Whatever else the file is, it is one line with what to do, and nobody waits for it."""
    make, words = BAD[name]
    path = tmp_path / "key"
    make(path)
    with pytest.raises(KeyRefused, match=words) as caught:
        file_key(path, _nobody)
    assert caught.value.hint
