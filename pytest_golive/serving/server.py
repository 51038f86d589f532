"""The sockets: one request to a connection, everything about it bounded, and one line of log for each.

Python's own server in threads: the readers are a few people and a Prometheus on this machine, and what matters is that a slow, a
loud or a silent client costs nobody else the emergency stop. Each connection has a deadline for the whole of its request, not for
each byte, and there are only so many at once.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, final

from pytest_golive.serving import page
from pytest_golive.serving.routes import MAX_BODY, Answer, Request, Routes, refusal

MAX_CONNECTIONS = 64
MAX_HEAD = 32_768
"""Bytes of a request line with all its headers."""
READING = 10.0
"""Seconds in which a whole request must have arrived."""
WRITING = 60.0
"""Seconds in which an answer must have been taken."""
LINGER = 2.0
"""Seconds for which what a refused client still sends is thrown away, so that it sees why."""

Log = Callable[[str], None]


class _Refused(Exception):
    """A request that is answered before it is understood."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


@final
class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Serves `routes` on one address until it is closed; the port is `port`, also when 0 was asked."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, host: str, port: int, routes: Routes, log: Log | None = None) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.routes = routes
        self.log: Log = log or (lambda line: print(line, file=sys.stderr, flush=True))
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__((host, port), _Connection)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        port: int = self.server_address[1]
        return port

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give the connection a thread, if there is a place for it."""
        if not self._places.acquire(blocking=False):
            self.log(f"{_now()} {client_address[0]} too many connections at once")
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer one connection, and free its place."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """One line, never a traceback: what fails here is the connection."""
        error = sys.exc_info()[1]
        self.log(f"{_now()} {client_address[0]} the connection failed: {type(error).__name__}")


class _Bounded(io.RawIOBase):
    """What a client sends, until a deadline and up to a number of bytes."""

    def __init__(self, connection: socket.socket, until: float, limit: int) -> None:
        self._connection = connection
        self._until = until
        self.limit = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if self.limit <= 0:
            raise _Refused(refusal(431, "The request is too large"))
        self._connection.settimeout(left)
        count = self._connection.recv_into(memoryview(buffer)[: self.limit])
        self.limit -= count
        return count


class _Connection(socketserver.BaseRequestHandler):
    """One connection with one request."""

    server: Server
    request: socket.socket

    def handle(self) -> None:
        """Read a request, answer it, and tell of it in one line."""
        began = time.monotonic()
        self._method, self._path = "-", "-"
        try:
            answer = self._answer(began)
        except _Refused as refused:
            answer = refused.answer
        except TimeoutError:
            answer = refusal(408, "The request did not arrive in time")
        except ConnectionError:
            return
        if answer is None:
            return
        body = b"" if self._method == "HEAD" else answer.body
        spent = (time.monotonic() - began) * 1000
        # told before it is sent: whoever has an answer can rely on its line
        told = f'"{self._method} {self._path}" {answer.status} {len(body)} {spent:.0f}ms'
        self.server.log(f"{_now()} {self.client_address[0]} {told}")
        self._send(answer, body)
        if answer.status in (408, 413, 431):
            self._linger()

    def _answer(self, began: float) -> Answer | None:
        raw = _Bounded(self.request, began + READING, MAX_HEAD)
        stream = io.BufferedReader(raw)
        line = stream.readline(MAX_HEAD)
        if not line:
            return None
        words = line.decode("latin-1").split()
        if len(words) != 3 or not words[2].startswith("HTTP/1.") or not line.endswith(b"\n"):
            raise _Refused(refusal(400, "This is no request of HTTP/1"))
        method, target, _ = words
        # neither a query nor anything that a terminal obeys gets into the log
        self._method = "".join(letter for letter in method if letter.isalpha() and letter.isascii())[:10]
        self._path = "".join(letter if "!" <= letter <= "~" else "?" for letter in target.partition("?")[0])[:120]
        try:
            found = http.client.parse_headers(stream)
        except http.client.HTTPException:
            raise _Refused(refusal(431, "There are too many headers, or one is too long")) from None
        names = [name.lower() for name in found]
        if any(names.count(name) > 1 for name in ("host", "content-length", "origin", "transfer-encoding")) or found.defects:
            raise _Refused(refusal(400, "The headers contradict each other"))
        headers = {name.lower(): value.strip() for name, value in found.items()}
        body = self._body(method, headers, stream, raw)
        return self.server.routes.answer(Request(method=method, target=target, headers=headers, body=body))

    def _body(self, method: str, headers: dict[str, str], stream: io.BufferedReader[_Bounded], raw: _Bounded) -> bytes:
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers:
            raise _Refused(refusal(411, "A request tells its length"))
        if not (length.isascii() and length.isdigit()):
            raise _Refused(refusal(400, "The length of the request is no number"))
        if len(length) > 9 or int(length) > MAX_BODY:
            raise _Refused(refusal(413, f"A request has at most {MAX_BODY} bytes"))
        if method != "POST":
            return b""
        raw.limit += MAX_BODY
        body = stream.read(int(length))
        if len(body) != int(length):
            raise _Refused(refusal(400, "The request is cut short"))
        return body

    def _send(self, answer: Answer, body: bytes) -> None:
        """Send the whole answer; a client that does not take it loses it."""
        phrase = HTTPStatus(answer.status).phrase
        headers = {
            "Date": datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"),
            "Content-Type": answer.kind,
            "Content-Length": str(len(answer.body)),
            "Cache-Control": "no-store",
            "Connection": "close",
            "Content-Security-Policy": page.policy(),
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            # a form of ours must say where it came from, which no-referrer would keep it from doing
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            **answer.headers,
        }
        head = f"HTTP/1.1 {answer.status} {phrase}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        with contextlib.suppress(OSError):
            self.request.settimeout(WRITING)
            self.request.sendall(head.encode("ascii") + b"\r\n" + body)

    def _linger(self) -> None:
        until = time.monotonic() + LINGER
        with contextlib.suppress(OSError):
            self.request.shutdown(socket.SHUT_WR)
            while (left := until - time.monotonic()) > 0:
                self.request.settimeout(left)
                if not self.request.recv(65_536):
                    return


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
