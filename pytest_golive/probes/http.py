"""One HTTP exchange: what was answered, by whom, how fast; whether that is good is for the expectation to say."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit, urlunsplit

import requests
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from requests.auth import _basic_auth_str

from pytest_golive.errors import ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.probes.base import ProbeModel, Size, Text, cut, looks_secret
from pytest_golive.probes.connection import exchange, where
from pytest_golive.probes.paths import absolute
from pytest_golive.probes.reading import json_value

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
        started = time.monotonic()
        response, content, truncated = self.fetch(context)
        elapsed = time.monotonic() - started
        return self._facts(response, content, truncated, elapsed, context)

    def fetch(self, context: Context) -> tuple[requests.Response, bytes, bool]:
        """The answer itself, for kinds that read more in it: its head, its body, and whether the body goes on."""
        verify = True if self.verify is True else absolute(context.root, self.verify)
        return exchange(
            self._request(context), verify=verify, follow=self.follow, deadline=context.deadline, limit=self.max_bytes
        )

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
                        f"the answer of {where(response.url)} (status {response.status_code}) is not JSON: {told}",
                        hint="see what answers at this address",
                    ) from None
                return facts | {"json_fault": told} | _text(content, headers)
            return facts | {"ok_json": True, "body": body, "error_key": _has_error(body)}
        return facts | _text(content, headers)


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
