"""A small HTTP server and client for JSON on loopback, shared by the desk and the exchanges it trades with."""

from __future__ import annotations

import http.client
import logging
import re
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, final
from urllib.parse import parse_qsl, urlsplit

from examples.desk import jsontext

_log = logging.getLogger("desk.web")

LOOPBACK = "127.0.0.1"
MAX_BODY = 64 * 1024
_JSON = "application/json"


class Refused(Exception):
    """A request that is answered with an error: its status, and a sentence that says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request; `path` is without the query, `target` with it, header names are in lower case."""

    method: str
    target: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Mapping[str, Any]:
        """The body as a JSON object; Refused if it is none, or is not declared as JSON."""
        # a page in a browser cannot send this content type elsewhere without being asked, so it cannot trade either
        if self.headers.get("content-type", "").split(";")[0].strip().lower() != _JSON:
            raise Refused(415, f"send Content-Type: {_JSON}")
        try:
            value = jsontext.loads(self.body)
        except (ValueError, RecursionError):
            raise Refused(400, "the body is not JSON") from None
        if not isinstance(value, dict):
            raise Refused(400, "the body is not a JSON object")
        return value


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is sent back."""

    status: int = 200
    content: bytes = b""
    content_type: str = _JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def answer(value: Any, status: int = 200) -> Answer:
    """A value as a JSON answer."""
    return Answer(status=status, content=jsontext.dumps(value).encode() + b"\n")


def page(text: str, content_type: str) -> Answer:
    """A text as an answer that nobody may keep."""
    return Answer(content=text.encode(), content_type=f"{content_type}; charset=utf-8")


Action = Callable[..., Answer]
Routes = Sequence[tuple[str, str, Action]]
"""Method, path with {names} in it, and what to call: with the request, and the names as keywords."""


@final
class Server(ThreadingHTTPServer):
    """Serves routes on a free loopback port from its own thread."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self,
        routes: Routes,
        *,
        port: int = 0,
        headers: Mapping[str, str] | None = None,
        otherwise: Action | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`headers` stand in every answer, `otherwise` answers what no route takes, `tls` is the context of a secure port."""
        self.extra = headers or {}
        self._otherwise = otherwise
        self._routes = [(method, _pattern(path), action) for method, path, action in routes]
        self._thread: threading.Thread | None = None
        super().__init__((LOOPBACK, port), _Handler)
        if tls is not None:
            # the handshake waits for the caller's own thread, so that a caller who says nothing holds up nobody
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def url(self) -> str:
        """The address to call it under."""
        return f"http://{LOOPBACK}:{self.server_address[1]}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and give the port back."""
        if self._thread is not None:
            self.shutdown()
            self._thread.join()
            self._thread = None
        self.server_close()

    def respond(self, request: Request) -> Answer:
        """The answer of the first route that fits."""
        allowed = []
        for method, pattern, action in self._routes:
            match = pattern.fullmatch(request.path)
            if match and method == request.method:
                return action(request, **match.groupdict())
            if match:
                allowed.append(method)
        if allowed:
            raise Refused(405, f"{request.path} takes {' and '.join(allowed)}")
        if self._otherwise is not None:
            return self._otherwise(request)
        raise Refused(404, f"nothing is at {request.path}")

    def server_bind(self) -> None:
        # the base class asks a name server for the name of the machine here, which can take seconds
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        # a caller that went away in the middle of an answer is its own affair
        return


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "desk"
    sys_version = ""
    timeout = 30
    disable_nagle_algorithm = True
    server: Server

    def _serve(self) -> None:
        try:
            reply = self.server.respond(self._request())
        except Refused as refused:
            reply = answer({"error": refused.message}, refused.status)
        except Exception as error:  # noqa: BLE001 - a fault of one request must not end the server
            _log.error("%s %s: %s", self.command, self.path.partition("?")[0], type(error).__name__)
            reply = answer({"error": f"{type(error).__name__}: {error}"}, 500)
        self.send_response(reply.status)
        for name, value in {
            "Content-Type": reply.content_type,
            "Content-Length": str(len(reply.content)),
            "Cache-Control": "no-store",
            **self.server.extra,
            **reply.headers,
        }.items():
            self.send_header(name, value)
        # header and body leave in one piece; two would wait for each other's acknowledgement
        self._headers_buffer: list[bytes]
        self._headers_buffer.append(b"\r\n")
        self.wfile.write(b"".join(self._headers_buffer) + (b"" if self.command == "HEAD" else reply.content))
        self._headers_buffer = []

    do_GET = do_POST = do_DELETE = do_PUT = _serve

    def _request(self) -> Request:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY or self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            raise Refused(413, f"a body has a Content-Length of at most {MAX_BODY} bytes")
        host = self.headers.get("Host", "").rpartition(":")[0]
        body = self.rfile.read(int(length))
        if host not in (LOOPBACK, "localhost"):
            raise Refused(421, f"call it {LOOPBACK} or localhost")
        parts = urlsplit(self.path)
        return Request(
            method=self.command,
            target=self.path,
            path=parts.path.rstrip("/") or "/",
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
        )

    def log_message(self, format: str, *args: Any) -> None:
        return


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[A-Za-z0-9._-]{1,64})", path))


def call(
    url: str, method: str, target: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None, timeout: float = 3.0
) -> tuple[int, Any]:
    """Status and JSON value of one exchange; OSError, HTTPException or ValueError if there was none."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or LOOPBACK, parts.port, timeout=timeout)
    try:
        connection.request(
            method, target, body=body or None, headers={"Content-Type": _JSON, "Connection": "close", **(headers or {})}
        )
        response = connection.getresponse()
        return response.status, jsontext.loads(response.read(8 * 1024 * 1024))
    finally:
        connection.close()


def unsent(error: Exception) -> bool:
    """Whether a failed call surely never reached the other side."""
    return isinstance(error, (ConnectionRefusedError, socket.gaierror))
