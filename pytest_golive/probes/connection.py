"""One HTTP request on the wire, with a deadline for the whole exchange and errors in plain words.

A session belongs to a thread and takes no proxy, netrc or certificate setting out of the environment: a gate that asks a proxy's
cache, or sends a password that nobody declared, has looked elsewhere. Every read from the socket gets only the time that is left,
so a server that sends a byte now and then is timed out too. No connection is used twice: that a new one is accepted is part of
what is checked, and an old one may have been closed by the other side without a word.
"""

from __future__ import annotations

import functools
import http.client
import io
import os
import socket
import ssl
import threading
import time
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import certifi
import requests
import urllib3.connection
import urllib3.connectionpool
from requests.adapters import HTTPAdapter

from pytest_golive.errors import ProbeError
from pytest_golive.probes.base import spoken

MAX_REDIRECTS = 5


def exchange(
    request: requests.PreparedRequest, *, verify: bool | str, follow: bool, deadline: float, limit: int
) -> tuple[requests.Response, bytes, bool]:
    """The answer, at most `limit` bytes of its body, and whether there was more; `ProbeError` if there is no whole answer."""
    allowed = max(deadline - time.monotonic(), 0.001)
    _thread.deadline = deadline
    try:
        with _session().send(
            request, stream=True, timeout=allowed, verify=verify, allow_redirects=follow, proxies={}
        ) as response:
            return response, *_read(response, limit, deadline)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, http.client.HTTPException, ValueError) as error:
        raise _worded(error, request.url or "", allowed) from None


class _Deadlined(io.RawIOBase):
    """The reading end of a socket that gives each read only the time that is left of the exchange."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = _thread.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp: Any = io.BufferedReader(_Deadlined(self.fp.detach(), sock), 16_384)

    def begin(self) -> None:
        super().begin()
        self.will_close = True


class _Plain(urllib3.connection.HTTPConnection):
    response_class = _Response


class _Secure(urllib3.connection.HTTPSConnection):
    response_class = _Response


class _PlainPool(urllib3.connectionpool.HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(urllib3.connectionpool.HTTPSConnectionPool):
    ConnectionCls = _Secure


class _Adapter(HTTPAdapter):
    """Connections with a deadline, and one TLS context for all threads: loading the authorities takes longer than asking."""

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> tuple[Any, Any]:
        parts = urlsplit(request.url)
        where = {"scheme": parts.scheme, "host": parts.hostname, "port": parts.port}
        return where, {"ssl_context": _tls(verify)} if parts.scheme == "https" else {}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing to do: the TLS context already verifies."""


class _Thread(threading.local):
    session: requests.Session | None = None
    deadline = 0.0


_thread = _Thread()


def _session() -> requests.Session:
    session = _thread.session
    if session is None:
        session = _thread.session = requests.Session()
        session.trust_env = False
        session.max_redirects = MAX_REDIRECTS
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.adapters.clear()
        adapter = _Adapter(pool_connections=2, pool_maxsize=1)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
    return session


def _tls(verify: bool | str) -> ssl.SSLContext:
    if verify is True:
        return _context(certifi.where(), 0.0)
    try:
        return _context(str(verify), os.stat(str(verify)).st_mtime)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ProbeError(
            f"the CA file {verify} cannot be used: {reason}", hint="correct verify: it is the path of a PEM file"
        ) from None


@functools.lru_cache(maxsize=32)
def _context(path: str, _changed: float) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=path)


def _read(response: requests.Response, limit: int, deadline: float) -> tuple[bytes, bool]:
    parts: list[bytes] = []
    size = 0
    for part in response.iter_content(65_536):
        parts.append(part)
        size += len(part)
        if size > limit:
            return b"".join(parts)[:limit], True
        if time.monotonic() > deadline:
            raise TimeoutError("timed out")
    return b"".join(parts), False


def where(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or "?"
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def _chain(error: BaseException) -> list[BaseException]:
    """The error and everything it stands for: causes, contexts, reasons and arguments."""
    found: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting and len(found) < 30:
        each = waiting.pop(0)
        if isinstance(each, BaseException) and not any(each is one for one in found):
            found.append(each)
            waiting += [getattr(each, "reason", None), *each.args, each.__cause__, each.__context__]
    return found


def _worded(error: BaseException, url: str, allowed: float) -> ProbeError:
    there = where(url)
    chain = _chain(error)

    def first(*kinds: type[BaseException]) -> Any:
        return next((each for each in chain if isinstance(each, kinds)), None)

    untrusted = first(ssl.SSLCertVerificationError)
    if untrusted is not None:
        return ProbeError(
            f"the certificate of {there} is not accepted: {untrusted.verify_message or 'it does not verify'}",
            hint="give the service a valid certificate, or name its CA file with verify:",
        )
    if first(socket.gaierror):
        return ProbeError(f"the host name in {there} cannot be resolved", hint="correct the host, or see the name service")
    if first(ConnectionRefusedError):
        return ProbeError(f"connection refused by {there}", hint="start the service, or correct the address")
    if first(TimeoutError, requests.Timeout, urllib3.exceptions.ReadTimeoutError):
        return ProbeError(
            f"no complete answer from {there}: timed out after {spoken(allowed)}", hint="see why the service is slow"
        )
    if first(requests.TooManyRedirects):
        return ProbeError(f"more than {MAX_REDIRECTS} redirects from {there}", hint="name the address that is meant")
    if first(ssl.SSLError):
        reason = getattr(first(ssl.SSLError), "reason", None) or "handshake failed"
        return ProbeError(
            f"no TLS with {there}: {str(reason).lower().replace('_', ' ')}", hint="see whether it speaks https there"
        )
    if first(http.client.IncompleteRead, urllib3.exceptions.IncompleteRead):
        return ProbeError(f"{there} broke off in the middle of its answer", hint="see the log of the service")
    if first(http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
        return ProbeError(f"{there} closed the connection without a complete answer", hint="see the log of the service")
    if first(http.client.HTTPException, urllib3.exceptions.ProtocolError):
        return ProbeError(f"what {there} answers is not HTTP", hint="see what listens there")
    refused = first(OSError)
    reason = getattr(refused, "strerror", None) or f"{type(error).__name__}"
    return ProbeError(f"{there} cannot be reached: {str(reason).lower()}", hint="see the network between here and there")
