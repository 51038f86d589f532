"""A TCP port: whether somebody listens there, and how they greet."""

from __future__ import annotations

import socket
import time
from typing import Any, ClassVar

from pytest_golive.errors import ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.probes.base import Port, ProbeModel, Text, plain_text, spoken

_BANNER_BYTES = 4_096


class Tcp(ProbeModel):
    """Does somebody listen at this port?

    ```yaml
    tcp: {host: 127.0.0.1, port: 6379, send: "PING\\r\\n", expect_banner: true}
    expect: {connected: true, banner: {contains: PONG}}
    ```

    A refused connection is a fact. A name that cannot be resolved, a host that does not answer in time, and a banner that
    does not come are errors. The banner ends with the first line end, at 4,096 bytes, or when the other side closes.

    Facts: `address`, `connected`, `elapsed_ms`; if refused `reason`; with expect_banner `banner` and, if it came closed,
    `closed`.
    """

    word: ClassVar[str] = "tcp"

    host: Text
    port: Port
    send: str | None = None
    expect_banner: bool = False

    def look(self, context: Context) -> Facts:
        allowed = context.remaining()
        where = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        started = time.monotonic()
        try:
            addresses = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError):
            raise ProbeError(
                f"the host name {self.host} cannot be resolved", hint="correct the host, or see the name service"
            ) from None
        try:
            sock = _connected([(family, address) for family, _, _, _, address in addresses], context)
            if sock is None:
                return {"address": where, "connected": False, "reason": "refused", "elapsed_ms": _ms(started)}
            with sock:
                facts: dict[str, Any] = {"address": where, "connected": True, "elapsed_ms": _ms(started)}
                return facts | self._talk(sock, context)
        except TimeoutError:
            raise ProbeError(
                f"no answer from {where}: timed out after {spoken(allowed)}", hint="see what listens there"
            ) from None
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            raise ProbeError(f"{where} cannot be reached: {reason}", hint="see the network between here and there") from None

    def _talk(self, sock: socket.socket, context: Context) -> dict[str, Any]:
        if self.send is not None:
            sock.settimeout(max(context.remaining(), 0.001))
            sock.sendall(self.send.encode())
        if not self.expect_banner:
            return {}
        banner = b""
        while len(banner) < _BANNER_BYTES and not banner.endswith(b"\n"):
            left = context.remaining()
            if left <= 0:
                raise TimeoutError
            sock.settimeout(left)
            part = sock.recv(_BANNER_BYTES - len(banner))
            if not part:
                return {"banner": _told(banner), "closed": True}
            banner += part
        return {"banner": _told(banner), "closed": False}


def _connected(addresses: list[tuple[Any, Any]], context: Context) -> socket.socket | None:
    """A socket to the first address that answers; None if all that answered refused."""
    refused = False
    last: OSError = TimeoutError()
    for family, address in addresses:
        left = context.remaining()
        if left <= 0:
            raise TimeoutError
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(left)
            sock.connect(address)
        except OSError as error:
            sock.close()
            refused = refused or isinstance(error, ConnectionRefusedError)
            last = error
        else:
            return sock
    if refused:
        return None
    raise last


def _told(banner: bytes) -> str:
    return plain_text(banner.decode("utf-8", "replace")).strip()


def _ms(started: float) -> int:
    return int((time.monotonic() - started) * 1000)
