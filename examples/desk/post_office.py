"""The mail server of the street: real SMTP with STARTTLS and AUTH; what it takes is a file that any process can read.

Each message is `NUMBER-ID.eml` in the home's folder `mail`, with sender and recipients of its envelope in `X-Envelope-From` and
`X-Envelope-To`. Recipients called `nobody` are unknown here. It needs the package aiosmtpd.
"""

from __future__ import annotations

import asyncio
import hmac
import importlib.util
import logging
import os
import socket
import ssl
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from examples.desk.errors import DeskError
from examples.desk.web import LOOPBACK

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

UNKNOWN = "nobody"


@final
class PostOffice:
    """Takes mail from one user, under a certificate that is read when somebody comes."""

    def __init__(self, folder: Path, *, certificate: Path, user: str, password: str, port: int = 0) -> None:
        if importlib.util.find_spec("aiosmtpd") is None:
            raise DeskError("the package aiosmtpd is not installed", hint="pip install 'pytest-golive[desk]'")
        # it warns of what it does itself, once for each login
        logging.getLogger("mail.log").setLevel(logging.ERROR)
        self._folder = folder
        self._certificate = certificate
        self._user = user
        self._password = password
        self._refuses = False
        self.other_password = False
        """Whether the account has another password than the one it was opened with."""
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._socket: socket.socket | None = _listening(port)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="post", daemon=True)
        self._thread.start()
        self._listen()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{LOOPBACK}:{self.port}"

    def up(self) -> None:
        """Listen on the same port as before."""
        if self._socket is None:
            self._socket = _listening(self.port)
            self._listen()

    def down(self) -> None:
        """Stop listening."""
        if self._socket is not None:
            self._socket = None
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(5)

    def close(self) -> None:
        """Stop listening, and end the thread."""
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def refuse(self, on: bool) -> None:
        """Take no recipient at all, as a server does that has put the sender on a list."""
        self._refuses = on

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _listen(self) -> None:
        # callers wait in the queue of the socket, so nobody here needs to wait for the loop
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop)

    async def _serve(self) -> None:
        if self._socket is not None:
            self._server = await self._loop.create_server(self._conversation, sock=self._socket)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _conversation(self) -> SMTP:
        from aiosmtpd.smtp import SMTP

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate)
        return SMTP(
            self,
            hostname="localhost",
            ident="desk post office",
            tls_context=context,
            require_starttls=True,
            auth_required=True,
            authenticator=self._known,
            loop=self._loop,
        )

    def _known(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, told: Any) -> AuthResult:
        from aiosmtpd.smtp import AuthResult

        login, password = getattr(told, "login", b""), getattr(told, "password", b"")
        right = bool(self._password) and not self.other_password and hmac.compare_digest(password, self._password.encode())
        return AuthResult(success=right and hmac.compare_digest(login, self._user.encode()), handled=False)

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        """Whether a recipient is taken."""
        if self._refuses:
            return "550 5.7.1 mail from here is refused"
        if address.partition("@")[0] == UNKNOWN:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep a message as a file that appears all at once."""
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content or "").encode()
        identity = uuid.uuid4().hex[:12]
        head = f"X-Envelope-From: {envelope.mail_from}\r\nX-Envelope-To: {', '.join(envelope.rcpt_tos)}\r\n".encode()
        self._folder.mkdir(mode=0o700, exist_ok=True)
        draft = self._folder / f".{identity}"
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(head + content)
        draft.replace(self._folder / f"{time.time_ns()}-{identity}.eml")
        return f"250 2.0.0 queued as {identity}"


def _listening(port: int) -> socket.socket:
    sock = socket.socket()
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((LOOPBACK, port))
        sock.listen(64)
    except OSError:
        sock.close()
        raise
    return sock
