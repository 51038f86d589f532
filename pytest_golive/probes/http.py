"""One HTTP exchange: what was answered, by whom, how fast; whether that is good is for the expectation to say.

A session belongs to a thread and takes no proxy, netrc or certificate setting out of the environment: a gate that asks a
proxy's cache, or sends a password that nobody declared, has looked elsewhere. The deadline counts for the whole exchange:
every read from the socket gets only the time that is left, so a server that sends a byte now and then is timed out too.
"""

from __future__ import annotations

import functools
import http.client
import io
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from datetime import UTC
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit, urlunsplit

import certifi
import requests
import urllib3.connection
import urllib3.connectionpool
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from requests.adapters import HTTPAdapter
from requests.auth import _basic_auth_str

from pytest_golive.errors import ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.probes.base import ProbeModel, Size, Text, cut, looks_secret, spoken
from pytest_golive.probes.paths import absolute
from pytest_golive.probes.reading import json_value

MAX_REDIRECTS = 5
_ERROR_KEYS = ("error", "errors", "exception")
_CHARSET = re.compile(r"charset=[\"']?([\w.:-]+)", re.I)


class Basic(BaseModel):
    """The names of the variables that hold user and password."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    user: Text
    password: Text


class Http(ProbeModel):
    """What does this address answer?

    ```yaml
    http: {url: "${api}/health", bearer: DESK_TOKEN}
    expect: {status: 200, error_key: false, body.state: healthy, body.age_seconds: {ge: 0, lt: 60}}
    ```

    `method` (GET), `headers`, `json` or `body` are what is sent; `bearer` and `basic: {user, password}` are *names* of
    environment variables. Redirects are told, not followed, unless `follow: true`. `verify` is true, or the path of a CA
    file; it cannot be switched off. `as` is auto, json (anything else is an error) or text. At most `max_bytes` (1,000,000)
    are read.

    Facts: `url`, `status`, `reason`, `headers` (names in lower case), `http_version`, `elapsed_ms`, `bytes`, `redirects`
    (addresses that were left), `date` (of the server) and `clock_skew_seconds` (the server's clock minus ours); `ok_json`,
    and then `body` (fractions are exact), else `json_fault` if it claimed to be JSON and `text` (shortened); `error_key` (a
    truthy top-level error, errors or exception); `truncated`; `undecodable` if the text was not in its own encoding.
    """

    word: ClassVar[str] = "http"

    url: Text
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    headers: dict[Text, str] = Field(default_factory=dict)
    body: str | None = None
    json_: Any = Field(default=None, alias="json")
    bearer: Text | None = None
    basic: Basic | None = None
    follow: bool = False
    verify: Literal[True] | Text = True
    as_: Literal["auto", "json", "text"] = Field(default="auto", alias="as")
    max_bytes: Size = 1_000_000

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            parts.port  # noqa: B018 - reading it is what raises
        except ValueError as error:
            raise ValueError(f"not a URL: {error}") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an http:// or https:// address with a host")
        return url

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or not value.isprintable():
                raise ValueError(f"{name!r} is not a header that can be sent")
        return headers

    @model_validator(mode="after")
    def _one_of_each(self) -> Http:
        if self.body is not None and "json_" in self.model_fields_set:
            raise ValueError("write either body or json")
        ways = [self.bearer is not None, self.basic is not None, any(name.lower() == "authorization" for name in self.headers)]
        if sum(ways) > 1:
            raise ValueError("write only one of bearer, basic and an Authorization header")
        return self

    def secrets(self, context: Context) -> Iterable[str]:
        names = (self.bearer, self.basic and self.basic.password)
        values = [context.environ.get(name, "") for name in names if name]
        values += [value for name, value in self.headers.items() if looks_secret(name)]
        if "@" in self.url:
            values.append(urlsplit(self.url).password or "")
        return values

    def look(self, context: Context) -> Facts:
        allowed = context.remaining()
        _thread.deadline = context.deadline
        verify = True if self.verify is True else absolute(context.root, self.verify)
        request = self._request(context)
        session = _session()
        started = time.monotonic()
        try:
            with session.send(
                request, stream=True, timeout=max(allowed, 0.001), verify=verify, allow_redirects=self.follow, proxies={}
            ) as response:
                content, truncated = _read(response, self.max_bytes, context.deadline)
        except ProbeError:
            raise
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, http.client.HTTPException, ValueError) as error:
            raise _worded(error, request.url or self.url, allowed, context) from None
        elapsed = time.monotonic() - started
        return self._facts(response, content, truncated, elapsed, context)

    def _request(self, context: Context) -> requests.PreparedRequest:
        headers = {
            "User-Agent": "pytest-golive",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
        } | self.headers
        if self.bearer is not None:
            headers["Authorization"] = f"Bearer {_variable(self.bearer, context)}"
        elif self.basic is not None:
            headers["Authorization"] = _basic_auth_str(
                _variable(self.basic.user, context), _variable(self.basic.password, context)
            )
        request = requests.PreparedRequest()
        body = None if self.body is None else self.body.encode()
        if "json_" in self.model_fields_set:
            body = _json_bytes(self.json_)
            headers.setdefault("Content-Type", "application/json")
        try:
            request.prepare(method=self.method, url=self.url, headers=headers, data=body)
        except (requests.RequestException, UnicodeError) as error:
            raise ProbeError(
                f"this request cannot be sent: {error}", hint="correct the url, the headers or the variable"
            ) from None
        return request

    def _facts(
        self, response: requests.Response, content: bytes, truncated: bool, elapsed: float, context: Context
    ) -> dict[str, Any]:
        headers = {name.lower(): value for name, value in response.headers.items()}
        facts: dict[str, Any] = {
            "url": _without_user(response.url),
            "status": response.status_code,
            "reason": response.reason or "",
            "headers": headers,
            "elapsed_ms": int(elapsed * 1000),
            "bytes": len(content),
            "redirects": [_without_user(left.url) for left in response.history],
            "ok_json": False,
            "error_key": False,
            "truncated": truncated,
        }
        version = getattr(response.raw, "version", 0)
        if version:
            facts["http_version"] = f"{version // 10}.{version % 10}"
        facts |= _clock(headers.get("date", ""), context)
        if truncated:
            return facts | _text(content, headers)
        if self.as_ != "text" and (self.as_ == "json" or _claims_json(headers, content)):
            try:
                body = json_value(content.decode("utf-8-sig"))
            except ValueError as error:
                told = "not UTF-8" if isinstance(error, UnicodeError) else str(error)
                if self.as_ == "json":
                    raise ProbeError(
                        f"the answer of {_where(response.url)} (status {response.status_code}) is not JSON: {told}",
                        hint="see what answers at this address",
                    ) from None
                return facts | {"json_fault": told} | _text(content, headers)
            return facts | {"ok_json": True, "body": body, "error_key": _has_error(body)}
        return facts | _text(content, headers)


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


def _variable(name: str, context: Context) -> str:
    value = context.environ.get(name, "")
    if not value:
        raise ProbeError(f"the variable {name} is not set, so the request cannot be signed on", hint=f"set {name} for the gate")
    return value


def _json_bytes(value: Any) -> bytes:
    import json
    from decimal import Decimal

    def number(part: Any) -> Any:
        if isinstance(part, Decimal):
            return float(part) if part != part.to_integral_value() else int(part)
        raise TypeError(type(part).__name__)

    return json.dumps(value, default=number, allow_nan=False).encode()


def _claims_json(headers: dict[str, str], content: bytes) -> bool:
    return "json" in headers.get("content-type", "") or content.lstrip()[:1] in (b"{", b"[")


def _has_error(body: Any) -> bool:
    return isinstance(body, dict) and any(value and key.lower() in _ERROR_KEYS for key, value in body.items())


def _text(content: bytes, headers: dict[str, str]) -> dict[str, Any]:
    named = _CHARSET.search(headers.get("content-type", ""))
    try:
        return {"text": cut(content.decode(named[1] if named else "utf-8"))}
    except (UnicodeDecodeError, LookupError):
        return {"text": cut(content.decode("utf-8", "replace")), "undecodable": True}


def _clock(date: str, context: Context) -> dict[str, Any]:
    try:
        at = parsedate_to_datetime(date)
    except (ValueError, TypeError, IndexError):
        return {}
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return {"date": at.isoformat(), "clock_skew_seconds": int((at - context.now()).total_seconds())}


def _without_user(url: str) -> str:
    if "@" not in url:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _where(url: str) -> str:
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


def _worded(error: BaseException, url: str, allowed: float, context: Context) -> ProbeError:
    where = _where(url)
    chain = _chain(error)

    def first(*kinds: type[BaseException]) -> Any:
        return next((each for each in chain if isinstance(each, kinds)), None)

    untrusted = first(ssl.SSLCertVerificationError)
    if untrusted is not None:
        return ProbeError(
            f"the certificate of {where} is not accepted: {untrusted.verify_message or 'it does not verify'}",
            hint="give the service a valid certificate, or name its CA file with verify:",
        )
    if first(socket.gaierror):
        return ProbeError(f"the host name in {where} cannot be resolved", hint="correct the host, or see the name service")
    if first(ConnectionRefusedError):
        return ProbeError(f"connection refused by {where}", hint="start the service, or correct the address")
    if first(TimeoutError, requests.Timeout, urllib3.exceptions.ReadTimeoutError) or context.remaining() <= 0:
        return ProbeError(
            f"no complete answer from {where}: timed out after {spoken(allowed)}", hint="see why the service is slow"
        )
    if first(requests.TooManyRedirects):
        return ProbeError(f"more than {MAX_REDIRECTS} redirects from {where}", hint="name the address that is meant")
    if first(ssl.SSLError):
        reason = getattr(first(ssl.SSLError), "reason", None) or "handshake failed"
        return ProbeError(
            f"no TLS with {where}: {str(reason).lower().replace('_', ' ')}", hint="see whether it speaks https there"
        )
    if first(http.client.IncompleteRead, urllib3.exceptions.IncompleteRead):
        return ProbeError(f"{where} broke off in the middle of its answer", hint="see the log of the service")
    if first(http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
        return ProbeError(f"{where} closed the connection without a complete answer", hint="see the log of the service")
    if first(http.client.HTTPException, urllib3.exceptions.ProtocolError):
        return ProbeError(f"what {where} answers is not HTTP", hint="see what listens there")
    refused = first(OSError)
    reason = getattr(refused, "strerror", None) or f"{type(error).__name__}"
    return ProbeError(f"{where} cannot be reached: {str(reason).lower()}", hint="see the network between here and there")
