"""Persons with keys, and rosters that name them, for tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pytest_golive.signing.key_files import FileKey, file_key


@dataclass(frozen=True)
class Hand:
    """A person's private key in its file."""

    path: Path
    key: FileKey

    @property
    def line(self) -> str:
        return self.key.public.line


def hand(folder: Path, name: str, *, p256: bool = False, passphrase: bytes | None = None, kind: str = "ed25519") -> Hand:
    """A fresh key in a file of mode 0600."""
    private: Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if kind == "rsa":
        private = rsa.generate_private_key(65537, 3072)
    else:
        private = ec.generate_private_key(ec.SECP256R1()) if p256 or kind == "p256" else Ed25519PrivateKey.generate()
    secret = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    path = folder / name
    path.write_bytes(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, secret))
    path.chmod(0o600)
    return Hand(path, file_key(path, lambda: passphrase))


def rsa_line(bits: int) -> str:
    """The OpenSSH line of a fresh RSA key."""
    public = rsa.generate_private_key(65537, bits).public_key()
    return public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode("ascii")


def person(identity: str, roles: list[str], *lines: str, more: str = "") -> str:
    """The TOML table of a person."""
    keys = ", ".join(f'{{key = "{line}"{more}}}' for line in lines)
    return f'[persons.{identity}]\nname = "{identity.title()} Example"\nroles = {roles!r}\nkeys = [{keys}]\n'


def roster(*persons: str, roles: str = '["qa", "operations", "risk"]', more: str = "") -> str:
    """A whole roster."""
    return f"version = 1\nroles = {roles}\n" + "".join(persons) + more
