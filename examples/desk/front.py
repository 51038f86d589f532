"""The front that the world sees: the API behind TLS, and a plain port that sends everybody there.

Both listen on ports of their own; one that was taken down comes back on the same port.
"""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path
from typing import final

from examples.desk.certificates import HOST, Authority
from examples.desk.web import LOOPBACK, Answer, Refused, Request, Routes, Server

HSTS = {"Strict-Transport-Security": "max-age=31536000"}
EXPIRING = timedelta(days=3)
"""What is left of a certificate that nobody renewed."""


@final
class Front:
    """The API over TLS and the redirect to it, under a certificate of the demo authority."""

    def __init__(self, authority: Authority, certificate: Path) -> None:
        self._authority = authority
        self._certificate = certificate
        self._routes: Routes = ()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.renew()
        self._redirects = True
        self._secure: Server | None = None
        self._plain: Server | None = None
        self.secure_port = self.plain_port = 0

    @property
    def addresses(self) -> dict[str, str]:
        """The address behind TLS, and the plain one."""
        return {"https": f"https://{HOST}:{self.secure_port}", "http": f"http://{HOST}:{self.plain_port}"}

    def open(self, routes: Routes) -> None:
        """Let the world in to these routes."""
        self._routes = routes
        self.up()

    def up(self) -> None:
        """Listen; twice is once, and nothing to serve is nothing to do."""
        if self._secure is not None or not self._routes:
            return
        self._secure = Server(self._routes, port=self.secure_port, headers=HSTS, tls=self._context)
        self._plain = Server((), port=self.plain_port, otherwise=self._send_away)
        self.secure_port, self.plain_port = self._secure.server_address[1], self._plain.server_address[1]
        self._secure.start()
        self._plain.start()

    def down(self) -> None:
        """Stop listening; twice is once."""
        for server in (self._secure, self._plain):
            if server is not None:
                server.stop()
        self._secure = self._plain = None

    def redirect(self, on: bool) -> None:
        """Let the plain port send callers to the other, or serve the API in the clear."""
        self._redirects = on

    def renew(self, *, life: timedelta | None = None) -> None:
        """Serve a new certificate from the next connection on; `life` is how long it is good."""
        if life is None:
            self._authority.issue(self._certificate)
        else:
            self._authority.issue(self._certificate, life=life)
        self._context.load_cert_chain(self._certificate)

    def _send_away(self, request: Request) -> Answer:
        if not self._redirects and self._secure is not None:
            return self._secure.respond(request)
        host = request.headers.get("host", "").rpartition(":")[0]
        if host not in (LOOPBACK, HOST):
            raise Refused(421, f"call it {HOST}")
        return Answer(status=308, headers={"Location": f"https://{host}:{self.secure_port}{request.target}"})
