"""What the probe tests share: a context, the door, and small servers that lie."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pytest_golive import probes
from pytest_golive.model import Context, Evidence, Facts
from pytest_golive.redaction import Redactor

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


class Door:
    """Asks probes through the one door, from a root, with an environment and a clock that stands still."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environ: dict[str, str] = {"PATH": "/usr/bin:/bin"}
        self.redactor = Redactor()

    def context(self, seconds: float = 20.0) -> Context:
        return Context(root=self.root, environ=self.environ, now=lambda: NOW, deadline=time.monotonic() + seconds)

    def evidence(self, word: str, fields: Mapping[str, Any], seconds: float = 20.0) -> Evidence:
        return probes.observe(probes.kind(word).model_validate(fields), self.context(seconds), self.redactor)

    def __call__(self, word: str, seconds: float = 20.0, /, **fields: Any) -> Facts:
        written = {name.removesuffix("_"): value for name, value in fields.items()}
        return self.evidence(word, written, seconds).facts


class Liar:
    """A server on loopback that answers each connection by a function of the connected socket."""

    def __init__(self, answer: Callable[[socket.socket], None]) -> None:
        self._answer = answer
        self._open: list[socket.socket] = []
        self.asked: list[bytes] = []
        self.over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            self._answer(connection)

    def stop(self) -> None:
        self.over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def request(self, connection: socket.socket) -> bytes:
        """Read one request up to the end of its headers."""
        text = b""
        while b"\r\n\r\n" not in text:
            part = connection.recv(65_536)
            if not part:
                break
            text += part
        self.asked.append(text)
        return text


def answer(body: bytes, *, status: str = "200 OK", kind: str = "application/json", more: str = "") -> bytes:
    """The bytes of an HTTP answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


@pytest.fixture
def look(tmp_path: Path) -> Door:
    """The door, with a fresh folder as its root."""
    return Door(tmp_path)


@pytest.fixture
def lie() -> Iterator[Callable[..., Liar]]:
    """Starts servers that answer with given bytes, or by a function of the server and the connection; stopped at the end."""
    servers: list[Liar] = []

    def start(
        body: bytes = b"", *, by: Callable[[Liar, socket.socket], None] | None = None, raw: bool = False, **options: str
    ) -> Liar:
        def respond(connection: socket.socket) -> None:
            if by is not None:
                by(server, connection)
                return
            server.request(connection)
            connection.sendall(body if raw else answer(body, **options))

        server = Liar(respond)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()
