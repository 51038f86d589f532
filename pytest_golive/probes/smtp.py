"""A mail server, asked up to the point where a mail would be handed over: it never is."""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from pydantic import field_validator, model_validator

from pytest_golive.errors import ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.probes.base import Port, ProbeModel, Text, cut, plain_text, spoken
from pytest_golive.probes.paths import absolute
from pytest_golive.probes.running import variable
from pytest_golive.probes.tls import trusting

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)*[A-Za-z0-9-]{1,63}")
_MECHANISMS = ("CRAM-MD5", "PLAIN", "LOGIN")


class Smtp(ProbeModel):
    """Would this server take our mail?

    ```yaml
    smtp:
      host: smtp.example.com
      port: 587
      user_env: SMTP_USER
      password_env: SMTP_PASSWORD
      sender: desk@example.com
      recipient: ops@example.com
    expect: {connected: true, tls: true, authenticated: true, sender_accepted: true, recipient_accepted: true}
    ```

    It says EHLO, STARTTLS, AUTH, MAIL FROM and RCPT TO, then RSET and QUIT; DATA is never said, so nothing is sent.
    `tls: true` stands for TLS from the first byte (port 465), `starttls: false` for none at all. The certificate must be
    trusted, by the machine or by `ca_file`, and be for `host`. `user_env` and `password_env` are *names* of variables: of the
    gate, or with `pid_file` of a process. A password is never sent in the clear, nor to a server that is not trusted.

    Facts: `address`, `connected` (false if refused, and then nothing else), `banner`, `starttls_offered`, `tls`,
    `tls_version`; with credentials `auth_offered` (mechanisms), `authenticated`, `auth_code`; with sender `sender_accepted`,
    `sender_code`; with recipient also `recipient_accepted`, `recipient_code`. A server that does not answer in time, breaks
    off or is not trusted, is an error.
    """

    word: ClassVar[str] = "smtp"

    host: Text
    port: Port
    starttls: bool = True
    tls: bool = False
    ca_file: Text | None = None
    user_env: Text | None = None
    password_env: Text | None = None
    pid_file: Text | None = None
    sender: Text | None = None
    recipient: Text | None = None

    @field_validator("sender", "recipient")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None and not _ADDRESS.fullmatch(value):
            raise ValueError("must be a mail address")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Smtp:
        if (self.user_env is None) != (self.password_env is None):
            raise ValueError("user_env and password_env stand together")
        if self.tls and self.starttls and "starttls" in self.model_fields_set:
            raise ValueError("write starttls: true or tls: true, not both")
        if self.user_env is not None and not (self.tls or self.starttls):
            raise ValueError("a password is not sent without TLS: leave starttls: true, or write tls: true")
        if self.recipient is not None and self.sender is None:
            raise ValueError("recipient needs a sender")
        return self

    def secrets(self, context: Context) -> Iterable[str]:
        return () if self.password_env is None else (variable(self.password_env, self.pid_file, context, "nobody can log in"),)

    def look(self, context: Context) -> Facts:
        where = f"{self.host}:{self.port}"
        password = next(iter(self.secrets(context)), "")
        user = "" if self.user_env is None else variable(self.user_env, self.pid_file, context, "nobody can log in")
        tls = trusting(None if self.ca_file is None else absolute(context.root, self.ca_file))
        with _worded(where, context):
            server = _Server(timeout=max(context.remaining(), 0.001), tls=tls if self.tls else None)
            with _closed_at_the_end(server, context):
                try:
                    code, banner = server.connect(self.host, self.port)
                except ConnectionRefusedError:
                    return {"address": where, "connected": False}
                facts: dict[str, Any] = {"address": where, "connected": True, "banner": _text(banner)}
                if code != 220:
                    raise ProbeError(f"{where} greets with {code}: {_text(banner)}", hint="see the log of the mail server")
                facts |= self._secured(server, tls, where)
                if self.user_env is not None:
                    facts |= _logged_in(server, user, password, where)
                return facts | self._envelope(server)

    def _secured(self, server: _Server, tls: ssl.SSLContext, where: str) -> dict[str, Any]:
        """EHLO, and TLS if it is asked for; a server that does not offer it is told, and nothing more is said to it."""
        server.greeted(where)
        offered = bool(server.has_extn("starttls"))
        if self.starttls and not self.tls:
            if not offered:
                if self.user_env is not None:
                    raise ProbeError(
                        f"{where} does not offer STARTTLS, and no password goes in the clear", hint="see its TLS settings"
                    )
                return {"starttls_offered": False, "tls": False}
            try:
                server.starttls(context=tls)
            except smtplib.SMTPResponseException as error:
                told = f"{error.smtp_code} {_text(_bytes(error.smtp_error))}"
                raise ProbeError(f"{where} offers STARTTLS and answers {told}", hint="see its certificate and key") from None
            server.greeted(where)
        version = server.sock.version() if isinstance(server.sock, ssl.SSLSocket) else None
        return {"starttls_offered": offered, "tls": version is not None} | ({"tls_version": version} if version else {})

    def _envelope(self, server: _Server) -> dict[str, Any]:
        """What the server says of sender and recipient; afterwards it forgets both."""
        facts: dict[str, Any] = {}
        if self.sender is not None:
            code, _ = server.mail(self.sender)
            facts |= {"sender_accepted": code == 250, "sender_code": code}
            if self.recipient is not None:
                code, _ = server.rcpt(self.recipient)
                facts |= {"recipient_accepted": code in (250, 251), "recipient_code": code}
            server.rset()
        return facts


class _Server(smtplib.SMTP):
    """A conversation that may be under TLS from its first byte, and that never asks a name server for our own name."""

    def __init__(self, *, timeout: float, tls: ssl.SSLContext | None) -> None:
        self._tls = tls
        super().__init__(local_hostname=socket.gethostname() or "localhost", timeout=timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = socket.create_connection((host, port), timeout)
        if self._tls is None:
            return plain
        try:
            return self._tls.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise

    def connect(self, host: str = "localhost", port: int = 0, source_address: Any = None) -> tuple[int, bytes]:
        # starttls verifies against this name
        self._host = host
        return super().connect(host, port, source_address)

    def greeted(self, where: str) -> None:
        """Say EHLO; a server that only knows HELO can neither encrypt nor authenticate."""
        code, said = self.ehlo()
        if not 200 <= code <= 299:
            raise ProbeError(f"{where} answers EHLO with {code}: {_text(said)}", hint="see what listens there")


def _logged_in(server: _Server, user: str, password: str, where: str) -> dict[str, Any]:
    offered = str(server.esmtp_features.get("auth", "")).upper().split()
    facts: dict[str, Any] = {"auth_offered": offered}
    if not any(mechanism in offered for mechanism in _MECHANISMS):
        raise ProbeError(
            f"{where} offers no way to log in that is known here: {', '.join(offered) or 'none'}", hint="see its AUTH settings"
        )
    try:
        code, _ = server.login(user, password)
    except smtplib.SMTPAuthenticationError as error:
        # 5xx is the server's no to user and password; 4xx says that it cannot tell now
        if not 500 <= error.smtp_code <= 599:
            raise ProbeError(
                f"{where} cannot check the password now: {error.smtp_code}", hint="see the log of the server"
            ) from None
        return {**facts, "authenticated": False, "auth_code": error.smtp_code}
    return {**facts, "authenticated": code in (235, 503), "auth_code": code}


@contextlib.contextmanager
def _closed_at_the_end(server: _Server, context: Context) -> Iterator[None]:
    """Say good-bye and hang up; at the deadline hang up at once, however slowly the server drips."""

    def hang_up() -> None:
        if server.sock is not None:
            with contextlib.suppress(OSError):
                server.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(context.remaining(), hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
        with contextlib.suppress(smtplib.SMTPException, OSError):
            server.quit()
    finally:
        timer.cancel()
        server.close()


@contextlib.contextmanager
def _worded(where: str, context: Context) -> Iterator[None]:
    """Whatever goes wrong on the way, in plain words."""
    allowed = context.remaining()
    try:
        yield
    except ProbeError:
        raise
    except ssl.SSLCertVerificationError as error:
        raise ProbeError(
            f"the certificate of {where} is not accepted: {error.verify_message or 'it does not verify'}",
            hint="give the server a valid certificate, or name its CA with ca_file",
        ) from None
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        if context.remaining() <= 0 or isinstance(error, TimeoutError):
            raise ProbeError(
                f"no answer from {where}: timed out after {spoken(allowed)}", hint="see what listens there"
            ) from None
        raise _failure(error, where) from None


def _failure(error: Exception, where: str) -> ProbeError:
    if isinstance(error, ssl.SSLError):
        reason = str(error.reason or "the handshake failed").lower().replace("_", " ")
        return ProbeError(f"no TLS with {where}: {reason}", hint="port 465 usually wants tls: true, port 587 starttls")
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return ProbeError(f"the host name in {where} cannot be resolved", hint="correct the host, or see the name service")
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return ProbeError(f"{where} broke the conversation off", hint="see whether a mail server listens there, and its log")
    if isinstance(error, smtplib.SMTPException):
        return ProbeError(f"{where} does not speak SMTP as it should: {type(error).__name__}", hint="see what listens there")
    reason = (getattr(error, "strerror", None) or type(error).__name__).lower()
    return ProbeError(f"{where} cannot be reached: {reason}", hint="see the network between here and there")


def _bytes(said: bytes | str) -> bytes:
    return said if isinstance(said, bytes) else said.encode()


def _text(said: bytes) -> str:
    return cut(plain_text(said.decode("utf-8", "replace")).strip(), 300)
