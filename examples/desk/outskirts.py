"""Two servers at the edge of the desk: the provider of the language model, and the port that operators come in by.

The provider answers the one call that shows whether a key is good. The management port speaks the identification exchange of
RFC 4253 section 4.2 and hangs up, as no shell is to be had on a demo.
"""

from __future__ import annotations

import hmac
import socketserver
import threading
from typing import final

from examples.desk import clock
from examples.desk.web import LOOPBACK, Answer, Refused, Request, Server, answer

MODELS = ("gpt-4", "gpt-4o")
BANNER = b"SSH-2.0-desk_1.0\r\n"


@final
class Provider:
    """The provider of the language model."""

    def __init__(self, key: str) -> None:
        self._key = key
        self.server = Server((("GET", "/v1/models", self._models),))
        self.server.start()

    def _models(self, request: Request) -> Answer:
        sent = request.headers.get("authorization", "")
        if not self._key or not hmac.compare_digest(sent.encode(), f"Bearer {self._key}".encode()):
            raise Refused(401, "unauthorized: unknown key")
        return answer({"object": "list", "data": [{"id": name, "object": "model"} for name in MODELS], "time": clock.now()})


@final
class Management:
    """The port that operators come in by; it stays the same over `down` and `up`."""

    def __init__(self) -> None:
        self._port = 0
        self._server: _Greeting | None = None
        self.up()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{LOOPBACK}:{self._port}"

    def up(self) -> None:
        """Listen; twice is once."""
        if self._server is None:
            self._server = _Greeting((LOOPBACK, self._port), _Greeter)
            self._port = self._server.server_address[1]
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def down(self) -> None:
        """Stop listening."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()


class _Greeting(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class _Greeter(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.settimeout(5)
        self.request.sendall(BANNER)
