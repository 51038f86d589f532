"""A status page in a process of its own, and clients that say whatever they like to it."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

TOKEN = "correct-horse-battery-9417"


class Client:
    """Says what it likes to the server on a port of this machine."""

    def __init__(self, port: int) -> None:
        self.port = port

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, Mapping[str, str], str]:
        """Status, headers and text of one answer."""
        return self.send(method, path, headers=headers)

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], str]:
        """The answer to a request that is sent as it is written; `host` among the headers takes the place of the true one."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            sent = {name.replace("_", "-").title(): value for name, value in (headers or {}).items()}
            client.putrequest(method, path, skip_host="Host" in sent, skip_accept_encoding=True)
            for name, value in {**sent, **({} if body is None else {"Content-Length": str(len(body))})}.items():
                client.putheader(name, value)
            client.endheaders(body)
            answer = client.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode("utf-8")
        finally:
            client.close()

    def raw(self, content: bytes, *, close: bool = False) -> bytes:
        """Everything that is answered to these bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            try:
                connection.sendall(content)
                if close:
                    connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            said = b""
            try:
                while chunk := connection.recv(65_536):
                    said += chunk
            except ConnectionResetError:
                pass
            return said

    def once(self) -> str:
        """The one-time token of a fresh confirmation page."""
        found = re.search(r'name="once" value="([^"]+)"', self.get("/stop")[2])
        assert found is not None
        return found[1]

    def stop(self, *, origin: str | None = "", host: str = "", **fields: str) -> tuple[int, Mapping[str, str], str]:
        """Send the form of the confirmation page, with other fields or another origin if they are given."""
        form = {"once": "", "token": TOKEN, "reason": "a drill", "operator": "bob", **fields}
        headers = {"content_type": "application/x-www-form-urlencoded"}
        if origin is not None:
            headers["origin"] = origin or self.origin
        if host:
            headers["host"] = host
        return self.send("POST", "/stop", urlencode(form).encode(), headers)


class Served(Client):
    """A server in a process of its own, and what it has logged."""

    def __init__(self, process: subprocess.Popen[str], port: int, log: list[str], reader: threading.Thread) -> None:
        super().__init__(port)
        self.process, self._log, self._reader = process, log, reader

    def end(self, number: int = signal.SIGTERM) -> list[str]:
        """End it as an operator does, which must be a good end; everything that it logged."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        assert self.process.wait(timeout=30) == 0
        self._reader.join()
        return self._log


@contextmanager
def served(root: Path, environ: Mapping[str, str], *arguments: str) -> Iterator[Served]:
    """`golive serve` on a free port, ended with SIGTERM by its own handle; it must end well."""
    command = [sys.executable, "-m", "pytest_golive.cli", "serve", "--port", "0", *arguments]
    with served_by(command, root, environ) as made:
        yield made


@contextmanager
def served_by(command: Sequence[str], root: Path, environ: Mapping[str, str]) -> Iterator[Served]:
    """The same by any command that becomes the server."""
    process = subprocess.Popen(
        command,
        cwd=root,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    log: list[str] = []
    reader = threading.Thread(target=_gather, args=(process.stderr, log))
    reader.start()
    try:
        first = process.stdout.readline()
        found = re.search(r":(\d+)/ ", first)
        assert found is not None, (first, log)
        made = Served(process, int(found[1]), log, reader)
        yield made
        made.end()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        reader.join()
        process.stdout.close()
        process.stderr.close()


def _gather(stream: Any, log: list[str]) -> None:
    for line in stream:
        log.append(line.rstrip("\n"))
