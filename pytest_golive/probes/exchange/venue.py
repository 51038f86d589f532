"""What the gate asks of every exchange, and the way a question goes there: one signed call, one JSON answer."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final
from urllib.parse import urlencode, urlsplit

import requests

from pytest_golive.errors import ProbeError
from pytest_golive.model import Context
from pytest_golive.probes.base import cut
from pytest_golive.probes.connection import exchange, where
from pytest_golive.probes.exchange.answers import Answer, Refusal
from pytest_golive.probes.reading import json_value

MAX_BYTES = 4_000_000
DEPTH = 20
"""Levels of a book that are told."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Credentials:
    """A key and its secret; they have no readable form on purpose."""

    key: str
    secret: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request before it is signed; `path` begins after the host, `query` and `form` keep their order."""

    method: str
    path: str
    query: Mapping[str, str]
    form: Mapping[str, str]

    @property
    def target(self) -> str:
        """The path with its query, as it is sent."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


class Venue(ABC):
    """An exchange, by its own addresses, signatures and words; each question gives facts or a `ProbeError`."""

    name: ClassVar[str]
    home: ClassVar[str]
    """Its address when none is named."""

    def __init__(self, url: str, credentials: Credentials | None, context: Context) -> None:
        self.url = url.rstrip("/")
        self.credentials = credentials
        self.context = context

    @abstractmethod
    def permissions(self) -> dict[str, Any]:
        """can_read, can_trade, can_withdraw and the exchange's own words; ProbeError for a word that is not known."""

    @abstractmethod
    def balances(self) -> dict[str, Any]:
        """balances and available, by asset."""

    @abstractmethod
    def open_orders(self, symbol: str | None) -> list[dict[str, Any]]:
        """What rests there."""

    @abstractmethod
    def order(self, identity: str, symbol: str | None) -> dict[str, Any] | None:
        """The order with this client order id; None if the exchange says that there is none."""

    @abstractmethod
    def order_book(self, symbol: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Bids and asks as the exchange sorts them."""

    @abstractmethod
    def ticker(self, symbol: str) -> dict[str, Any]:
        """The last price."""

    @abstractmethod
    def time(self) -> str:
        """The exchange's clock as ISO text."""

    @abstractmethod
    def signed(self, call: Call, credentials: Credentials) -> tuple[str, dict[str, str], bytes]:
        """Address after the host, headers and body of a call, with its signature."""

    @abstractmethod
    def wrong_secret(self, secret: str) -> str:
        """A secret of the same form that is not the right one."""

    @abstractmethod
    def refused(self, status: int, body: Any) -> str:
        """What the exchange says is wrong, empty if nothing; a Refusal is raised if it is the key or its signature."""

    def public(self, path: str, **query: str) -> Answer:
        """A call that needs no key."""
        return self._ask(Call(method="GET", path=path, query=query, form={}), None)

    def private(
        self, path: str, query: Mapping[str, str] | None = None, *, method: str = "GET", form: Mapping[str, str] | None = None
    ) -> Answer:
        """A call that is signed."""
        if self.credentials is None:
            raise ProbeError("this question needs a key", hint="write key_env and secret_env")
        return self._ask(Call(method=method, path=path, query=query or {}, form=form or {}), self.credentials)

    def _ask(self, call: Call, credentials: Credentials | None) -> Answer:
        target, headers, body = (call.target, {}, b"") if credentials is None else self.signed(call, credentials)
        status, content = self._sent(call.method, target, headers, body)
        try:
            value = json_value(content.decode("utf-8"))
        except ValueError as error:
            told = "not UTF-8" if isinstance(error, UnicodeError) else str(error)
            raise ProbeError(
                f"the answer of {self.name} to {call.path} (status {status}) is not JSON: {told}",
                hint="see what answers at this address",
            ) from None
        wrong = self.refused(status, value)
        if wrong or not 200 <= status < 300:
            raise ProbeError(
                f"{self.name} answers with an error: {cut(wrong, 200) or f'status {status}'} (asked at {call.path})",
                hint="see the status of the exchange",
            )
        return Answer(value, self.name)

    def _sent(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        request = requests.PreparedRequest()
        sent = {"User-Agent": "pytest-golive", "Accept": "application/json", "Accept-Encoding": "identity", "Connection": "close"}
        try:
            request.prepare(method=method, url=self.url + target, headers={**sent, **headers}, data=body or None)
        except (requests.RequestException, UnicodeError, ValueError):
            # what requests says would show the address with its signature, or the key
            raise ProbeError(
                f"this request cannot be sent to {where(self.url)}",
                hint="correct the url, or see whether the key has line ends in it",
            ) from None
        response, content, truncated = exchange(
            request, verify=True, follow=False, deadline=self.context.deadline, limit=MAX_BYTES
        )
        if truncated:
            raise ProbeError(f"the answer of {self.name} has more than {MAX_BYTES} bytes", hint="name a symbol")
        return response.status_code, content

    @property
    def host(self) -> str:
        """Host and port as they stand in the address."""
        return urlsplit(self.url).netloc

    def refusal(self, told: str) -> Refusal:
        """What to raise when the key or its signature is not accepted."""
        return Refusal(
            f"{self.name} does not accept the key: {cut(told, 200)}",
            hint="see whether key and secret belong together and are valid there",
        )


class Counter:
    """Numbers that grow from call to call, as nonces must, however many threads ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self, at_least: int) -> int:
        """The next number, not below the one given."""
        with self._lock:
            self._last = max(self._last + 1, at_least)
            return self._last
