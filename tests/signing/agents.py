"""A real ssh-agent, one that lies, and a token made of software, for tests."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pytest_golive.signing.public import SK_ED25519, PublicKey
from pytest_golive.signing.ssh_wire import Reader, mpint, string

BEGIN, END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"


def needs(*programs: str) -> None:
    """Skip visibly where a program cannot be had."""
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed (apt-get install openssh-client)")


def armoured(blob: bytes) -> str:
    """An SSHSIG as ssh-keygen reads it from a file."""
    return f"{BEGIN}\n{base64.b64encode(blob).decode()}\n{END}\n"


def bare(armour: str) -> bytes:
    """The bytes of an SSHSIG that ssh-keygen wrote."""
    return base64.b64decode("".join(armour.strip().removeprefix(BEGIN).removesuffix(END).split()))


@contextlib.contextmanager
def running(folder: Path) -> Iterator[str]:
    """A real ssh-agent on a socket in this folder; stopped by its own process."""
    needs("ssh-agent", "ssh-add", "ssh-keygen")
    path = str(folder / "s")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(1_000):
            # the name is there a moment before anybody listens
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.connect(path)
                break
            time.sleep(0.01)
        yield path
    finally:
        process.terminate()
        process.wait(10)


def add(agent: str, path: Path, *options: str) -> None:
    """Put a key file into an agent."""
    done = subprocess.run(
        ["ssh-add", *options, path], env={**os.environ, "SSH_AUTH_SOCK": agent}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


class Token:
    """A FIDO key made of software: it signs as a token does, with or without a touch."""

    def __init__(self, kind: str = SK_ED25519, application: str = "ssh:") -> None:
        self.private = Ed25519PrivateKey.generate() if kind == SK_ED25519 else ec.generate_private_key(ec.SECP256R1())
        if isinstance(self.private, Ed25519PrivateKey):
            raw = self.private.public_key().public_bytes_raw()
        else:
            raw = self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public = PublicKey(kind, raw, application)
        self.kind, self.application = kind, application

    def signature(self, data: bytes, *, flags: int = 1, counter: int = 7, application: str | None = None) -> bytes:
        """The whole SSH signature over these bytes."""
        tail = bytes([flags]) + counter.to_bytes(4, "big")
        app = hashlib.sha256((self.application if application is None else application).encode()).digest()
        signed = app + tail + hashlib.sha256(data).digest()
        if isinstance(self.private, Ed25519PrivateKey):
            body = self.private.sign(signed)
        else:
            r, s = decode_dss_signature(self.private.sign(signed, ec.ECDSA(hashes.SHA256())))
            body = mpint(r) + mpint(s)
        return string(self.kind.encode()) + string(body) + tail


class Fake:
    """Something on a socket that answers as it was told to: `answer` gets a question and gives bytes, or None to say nothing."""

    def __init__(self, path: str, answer: Callable[[bytes], bytes | None], *, drip: float = 0) -> None:
        self.path, self._answer, self._drip = path, answer, drip
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(path)
        self._socket.listen()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._socket.close()

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            with line, contextlib.suppress(OSError):
                line.settimeout(10)
                length = int.from_bytes(line.recv(4), "big")
                question = b""
                while len(question) < length:
                    question += line.recv(length - len(question))
                told = self._answer(question)
                if told is None:
                    line.recv(1)  # until the other side gives up
                elif self._drip:
                    for byte in told:
                        line.sendall(bytes([byte]))
                        self._over.wait(self._drip)
                else:
                    line.sendall(told)


def listing(*keys: tuple[bytes, str]) -> bytes:
    """An agent's answer to who is there."""
    return string(
        bytes([12]) + len(keys).to_bytes(4, "big") + b"".join(string(blob) + string(name.encode()) for blob, name in keys)
    )


def of_token(token: Token, **how: int) -> Callable[[bytes], bytes]:
    """An agent that holds one token."""

    def answer(question: bytes) -> bytes:
        if question[0] == 11:
            return listing((token.public.blob, "token"))
        fields = Reader(question[1:])
        fields.string()
        return string(bytes([14]) + string(token.signature(fields.string(), **how)))

    return answer
