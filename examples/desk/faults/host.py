"""Breaks of what the desk stands on, as context managers for the drill: an old interpreter, a port that is open elsewhere, a
certificate that was renewed and not taken up.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from examples.desk.certificates import Authority

if TYPE_CHECKING:
    from examples.desk.drill.breaks import Bench

_OLD = """#!/bin/sh
echo '{"version": "3.8.1", "prefix": "/usr", "base_prefix": "/usr", "found": {}}'
"""
ELSEWHERE = "127.0.0.2"
"""An address of this machine that is not the one that everybody may use."""


@contextlib.contextmanager
def old_interpreter(bench: Bench) -> Iterator[None]:
    """The process that is told to be the desk's runs on an interpreter of the system that is too old."""
    pid_file = bench.home / "desk.pid"
    before = pid_file.read_text(encoding="ascii")
    raw = Path(f"/proc/{before.strip()}/environ").read_bytes()
    environ = dict(part.split(b"=", 1) for part in raw.split(b"\0") if b"=" in part)
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "python3.8")
        program.write_text(_OLD, encoding="ascii")
        program.chmod(0o700)
        sleeper = subprocess.Popen([str(program), "120"], executable="/bin/sleep", env=environ, stdin=subprocess.DEVNULL)
        try:
            pid_file.write_text(f"{sleeper.pid}\n", encoding="ascii")
            yield
        finally:
            pid_file.write_text(before, encoding="ascii")
            sleeper.kill()
            sleeper.wait()


@contextlib.contextmanager
def key_exported(bench: Bench) -> Iterator[None]:
    """Somebody packed a key of an exchange for later, and left it in the home folder."""
    path = bench.home / "documents" / "handover.gz"
    pid = (bench.home / "desk.pid").read_text(encoding="ascii").strip()
    raw = Path(f"/proc/{pid}/environ").read_bytes()
    line = next(part for part in raw.split(b"\0") if part.startswith(b"TESTNET_API_SECRET="))
    try:
        path.write_bytes(gzip.compress(b"for the new colleague: " + line + b"\n"))
        yield
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def store_elsewhere(bench: Bench) -> Iterator[None]:
    """The document store's port is open at another address of this machine too."""
    with _also_at(urlsplit(bench.variables["DESK_MONGO_URL"]).port or 0):
        yield


@contextlib.contextmanager
def api_elsewhere(bench: Bench) -> Iterator[None]:
    """The port of the API is open at another address of this machine too."""
    with _also_at(int(bench.variables["DESK_API_PORT"])):
        yield


@contextlib.contextmanager
def _also_at(port: int) -> Iterator[None]:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((ELSEWHERE, port))
        sock.listen()
        yield


@contextlib.contextmanager
def renewed_on_disk(bench: Bench) -> Iterator[None]:
    """A new certificate lies in the file, and the front serves the old one."""
    path = bench.home / "tls" / "desk.pem"
    before = path.read_bytes()
    try:
        Authority().issue(path)
        yield
    finally:
        path.write_bytes(before)
        os.chmod(path, 0o600)
