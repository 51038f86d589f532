"""What is answered to which request, without a socket in sight; everything but one path only reads.

A page of another origin must neither read nor do anything here, though its browser can reach this machine: the name in
`Host` must be ours, which ends DNS rebinding, `Origin` must be our own for the stop, and nothing is shared across origins.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, final
from urllib.parse import parse_qs

from pytest_golive import telemetry
from pytest_golive.errors import GoliveError
from pytest_golive.report import MAX_PAGE
from pytest_golive.serving import page
from pytest_golive.serving.halting import Halt, operator_of
from pytest_golive.serving.newest import FOLDER, PAGE
from pytest_golive.serving.observer import Observer

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
MAX_BODY = 8_192
HTML = "text/html; charset=utf-8"
JSON = "application/json"
_REPORT_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
_READ = ("GET", "HEAD")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request: header names in small letters, `body` of a POST."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer: its status, its bytes, what they are, and further headers."""

    status: int
    body: bytes
    kind: str = HTML
    headers: Mapping[str, str] = field(default_factory=dict)


@final
class Routes:
    """The paths of the status page; `names` are further host names that it may be called by, as a proxy calls it."""

    def __init__(
        self, observer: Observer, halt: Halt, names: Collection[str] = (), now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._observer = observer
        self._halt = halt
        self._names = frozenset(name.lower() for name in names)
        self._now = now
        self._paths: dict[str, Callable[[Request], Answer]] = {
            "/": self._status,
            "/status.json": self._json,
            "/metrics": self._metrics,
            "/healthz": self._health,
            "/stop": self._confirm,
        }

    def answer(self, request: Request) -> Answer:
        """The answer to one request; what goes wrong in making it is one line, without a traceback."""
        refused = self._refusal(request)
        if refused is not None:
            return refused
        path = request.target.partition("?")[0]
        try:
            if path == "/stop" and request.method == "POST":
                return self._stop(request)
            if path in self._paths:
                return self._paths[path](request)
            return self._report(path)
        except Exception as error:  # noqa: BLE001 - whatever it is, the reader gets a line and the server goes on
            return self._failed(error)

    def _refusal(self, request: Request) -> Answer | None:
        """Why this request is not looked at, if it is not."""
        host = request.headers.get("host", "")
        name = _name(host.lower())
        if name not in LOOPBACK and name not in self._names:
            return refusal(
                421, "This server does not answer to that name: call it localhost, or start it with --behind-proxy NAME"
            )
        path = request.target.partition("?")[0]
        known = path in self._paths or self._folder(path) is not None
        if not known:
            return refusal(404, "There is nothing here")
        allowed = (*_READ, "POST") if path == "/stop" else _READ
        if request.method not in allowed:
            return refusal(405, f"Only {', '.join(allowed)} are answered here", Allow=", ".join(allowed))
        return None

    def _status(self, request: Request) -> Answer:
        held = request.target.endswith("?hold")
        told = self._observer.status(self._now())
        body = page.status(told, armed=self._halt.armed, held=held)
        return Answer(status=200, body=body, headers={} if held else {"Refresh": f"{page.REFRESH}; url=/"})

    def _json(self, request: Request) -> Answer:
        return _as_json(200, self._observer.status(self._now()))

    def _metrics(self, request: Request) -> Answer:
        text = telemetry.render(self._observer.observed(self._now()))
        return Answer(status=200, body=text, kind="text/plain; version=0.0.4; charset=utf-8")

    def _health(self, request: Request) -> Answer:
        told = self._observer.health(self._now())
        return _as_json(200 if told["ok"] else 503, told)

    def _confirm(self, request: Request) -> Answer:
        if not self._halt.armed:
            return refusal(404, "There is no emergency stop here: GOLIVE_SERVE_TOKEN is not set. golive stop works")
        return self._asking(200)

    def _asking(self, status: int, **told: str) -> Answer:
        target, environment = self._place()
        return Answer(status=status, body=page.confirmation(target, environment, self._halt.once(), **told))

    def _place(self) -> tuple[str, str]:
        """What would be stopped; a stop is possible even if the settings cannot be read."""
        try:
            settings = self._observer.settings
        except (GoliveError, OSError):
            return "the settings cannot be used", str(self._observer.path.name)
        return self._observer.redactor.text(settings.target.name), settings.environment

    def _stop(self, request: Request) -> Answer:
        if not self._halt.armed:
            return refusal(403, "There is no emergency stop here: GOLIVE_SERVE_TOKEN is not set. golive stop works")
        if not self._own(request):
            return refusal(403, "This did not come from our own page: open the status page and stop from there")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
            return refusal(415, "A stop is sent as a form")
        try:
            fields = parse_qs(request.body.decode("utf-8"), keep_blank_values=True, max_num_fields=8, errors="strict")
        except ValueError:
            return refusal(400, "The form cannot be read")
        once, token, reason, operator = (fields.get(name, [""])[0] for name in ("once", "token", "reason", "operator"))
        refused = self._halt.refuses(once, token)
        redact = self._observer.redactor.text
        if refused:
            return self._asking(403, refused=refused, reason=redact(reason), operator=redact(operator))
        done = self._halt.stop(redact(reason.replace("\0", "")), operator_of(redact(operator.replace("\0", ""))))
        return Answer(status=200 if done.good else 500, body=page.stopped(self._place()[0], done))

    def _own(self, request: Request) -> bool:
        """Whether the form was sent by a page of this very server."""
        host = request.headers.get("host", "").lower()
        scheme = "http" if _name(host) in LOOPBACK else "https"
        fetched = request.headers.get("sec-fetch-site", "same-origin")
        return request.headers.get("origin", "").lower() == f"{scheme}://{host}" and fetched == "same-origin"

    @staticmethod
    def _folder(path: str) -> str | None:
        """The folder of a report, if the path names a page of one and nothing else."""
        parts = path.split("/")
        good = len(parts) == 4 and parts[:2] == ["", "reports"] and parts[3] == PAGE and FOLDER.fullmatch(parts[2])
        return parts[2] if good else None

    def _report(self, path: str) -> Answer:
        folder = self._folder(path)
        settings = self._observer.settings
        file = settings.resolve(settings.reports) / str(folder)
        try:
            content = _read(str(file))
        except FileNotFoundError:
            return refusal(404, "There is no such report")
        except OSError:
            return refusal(403, "This report cannot be read")
        return Answer(status=200, body=content, headers={"Content-Security-Policy": _REPORT_POLICY})

    def _failed(self, error: Exception) -> Answer:
        status = 503 if isinstance(error, (GoliveError, OSError)) else 500
        return refusal(status, self._observer.line(error), stop=self._halt.armed)


def refusal(status: int, text: str, *, stop: bool = False, **headers: str) -> Answer:
    """One line about why not, as a page."""
    return Answer(status=status, body=page.line(TITLES.get(status, "Not possible"), text, stop=stop), headers=headers)


TITLES = {
    400: "Not understood",
    403: "Refused",
    404: "Not found",
    405: "Not allowed",
    408: "Too slow",
    411: "No length",
    413: "Too large",
    415: "Not a form",
    421: "Another server",
    431: "Too many headers",
    500: "It failed",
    503: "Not known right now",
}


def _name(host: str) -> str:
    return host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host


def _as_json(status: int, told: Mapping[str, Any]) -> Answer:
    return Answer(status=status, body=json.dumps(told, indent=1, default=page.as_text).encode("ascii") + b"\n", kind=JSON)


def _read(folder: str) -> bytes:
    """The page in a report's folder; neither may be a link, so that nothing outside can be reached."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fd = os.open(PAGE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)
    finally:
        os.close(place)
    with open(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_PAGE:
            raise PermissionError(folder)
        return file.read(MAX_PAGE)
