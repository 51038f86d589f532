"""Lines of log files, counted within a window of time, and how much was looked at, so that silence is not taken for health."""

from __future__ import annotations

import gzip
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, ClassVar, final
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pytest_golive.errors import ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.probes.base import Duration, Lane, Pattern, ProbeModel, Size, Text, cut, plain_text, spoken
from pytest_golive.probes.paths import absolute, expand, found, has_glob, unreadable

_ISO = re.compile(rb"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(?: ?(Z|[+-]\d\d:?\d\d)(?!\d))?")
_LOOKED_AT = 300
_KEPT = 500


class Timestamp(BaseModel):
    """Where the time stands in a line (a pattern with one group), and how it is written (strptime, or epoch for seconds)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    pattern: Pattern
    format: Text

    @model_validator(mode="after")
    def _is_complete(self) -> Timestamp:
        if re.compile(self.pattern).groups != 1:
            raise ValueError("pattern must have exactly one group: the time")
        if self.format != "epoch" and not any(year in self.format for year in ("%Y", "%G", "%c", "%s")):
            raise ValueError("format must hold a year (%Y), or be epoch")
        return self


class Log(ProbeModel):
    """What was written to these log files lately?

    ```yaml
    log:
      path: "${logs}/desk.log"
      since: 15m
      rotated: true
      matches: {errors: "(?i)\\\\b(error|critical)\\\\b", skipped: "\\\\[ORDER_SKIPPED\\\\]"}
    expect: {scanned_lines: {gt: 0}, newest_age_seconds: {ge: -5, lt: 120}, counts.errors: 0}
    ```

    `path` may be a pattern. With `since` only lines younger than that are counted; a line without a time belongs to the
    line before it. `timestamp` is `{pattern, format}` (strptime, or epoch); without it an ISO time within the first 300
    bytes of a line is read. A time without a zone is read in `zone` (UTC). `where` leaves out every line that it does not
    match. `rotated` also reads `app.log.1`, `app.log-…` and their `.gz`. A missing file, lines of which none has a time
    though `since` is asked, and a window that reaches back further than the last `max_bytes` (20,000,000) of a file are
    errors.

    Facts: `files`, `lines` (read), `scanned_lines` (within the window, and matching `where`), `undated` (read, but not
    counted for want of a time), `unreadable` (not in the encoding), `window` and `covered` (`from`, `to`; covered is absent
    if nothing was scanned), `newest_age_seconds` (of the newest time in the files; negative if it lies in the future),
    `counts`, `first` and `last` (matching line by name, shortened).
    """

    word: ClassVar[str] = "log"
    lane: ClassVar[Lane] = "local"

    path: Text
    since: Duration | None = None
    timestamp: Timestamp | None = None
    zone: Text = "UTC"
    matches: dict[Text, Pattern] = Field(default_factory=dict)
    where: Pattern | None = None
    encoding: Text = "utf-8"
    max_bytes: Size = 20_000_000
    rotated: bool = False

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ValueError, OSError, KeyError):
            raise ValueError(f"{zone!r} is not a time zone, such as UTC or Europe/Berlin") from None
        return zone

    @field_validator("encoding")
    @classmethod
    def _is_an_encoding(cls, encoding: str) -> str:
        try:
            "\n".encode(encoding)
        except (LookupError, UnicodeError):
            raise ValueError(f"{encoding!r} is not an encoding") from None
        return encoding

    def look(self, context: Context) -> Facts:
        now = context.now()
        begin = None if self.since is None else now - timedelta(seconds=self.since)
        scan = _Scan(log=self, begin=begin, read_time=self._reader())
        for path in self._files(context, begin):
            scan.file(path, context)
        return scan.facts(now)

    def _files(self, context: Context, begin: datetime | None) -> list[str]:
        path = absolute(context.root, self.path)
        live = expand(path) if has_glob(path) else [path] if found(path) is not None else []
        if not live:
            raise ProbeError(f"there is no log at {path}", hint="correct the path, or see why the service writes none")
        paths = {each: None for file in live for each in (*(_rotated(file, begin) if self.rotated else ()), file)}
        identities: dict[tuple[int, int], str] = {}
        for each in paths:
            try:
                status = os.stat(each)
            except OSError as error:
                raise unreadable(each, error) from None
            identities.setdefault((status.st_dev, status.st_ino), each)
        return list(identities.values())

    def _reader(self) -> Callable[[bytes], datetime | None]:
        zone: tzinfo = UTC if self.zone == "UTC" else ZoneInfo(self.zone)
        if self.timestamp is None:
            return lambda line: _iso(line, zone)
        pattern, format_ = re.compile(self.timestamp.pattern), self.timestamp.format

        def read(line: bytes) -> datetime | None:
            match = pattern.search(line[:_LOOKED_AT].decode(self.encoding, "replace"))
            if match is None or match[1] is None:
                return None
            try:
                if format_ == "epoch":
                    return datetime.fromtimestamp(float(match[1]), UTC)
                at = datetime.strptime(match[1], format_)  # noqa: DTZ007 - the zone is added below
            except (ValueError, OverflowError, OSError):
                return None
            return at if at.tzinfo is not None else at.replace(tzinfo=zone)

        return read


@final
@dataclass(slots=True)
class _Scan:
    """What has been counted so far, over all files."""

    log: Log
    begin: datetime | None
    read_time: Callable[[bytes], datetime | None]
    files: list[str] = field(default_factory=list)
    lines: int = 0
    scanned: int = 0
    undated: int = 0
    unreadable: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    newest_of_all: datetime | None = None
    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, tuple[datetime | None, str]] = field(default_factory=dict)
    last: dict[str, tuple[datetime | None, str]] = field(default_factory=dict)

    def file(self, path: str, context: Context) -> None:
        self.files.append(path)
        content, cut_off = _content(path, self.log.max_bytes)
        searches = [(name, re.compile(pattern).search) for name, pattern in self.log.matches.items()]
        wanted = re.compile(self.log.where).search if self.log.where is not None else None
        at: datetime | None = None
        earliest: datetime | None = None
        for number, raw in enumerate(_split(content, self.log.encoding)):
            if number % 4_096 == 0 and context.remaining() <= 0:
                raise ProbeError(f"{path} is too long to be read in time", hint="raise the item's timeout, or narrow the path")
            self.lines += 1
            own = self.read_time(raw)
            if own is not None:
                at = own
                earliest = earliest or own
                if self.newest_of_all is None or own > self.newest_of_all:
                    self.newest_of_all = own
            if at is None:
                self.undated += 1
            if self.begin is not None and (at is None or at < self.begin):
                continue
            self._line(raw, at, wanted, searches)
        if cut_off and (self.begin is None or earliest is None or earliest > self.begin):
            raise ProbeError(
                f"the window reaches back further than the last {self.log.max_bytes} bytes of {path}",
                hint="raise max_bytes, or shorten since",
            )

    def _line(self, raw: bytes, at: datetime | None, wanted: Any, searches: Iterable[tuple[str, Any]]) -> None:
        try:
            line = raw.decode(self.log.encoding)
        except UnicodeDecodeError:
            self.unreadable += 1
            line = raw.decode(self.log.encoding, "replace")
        line = plain_text(line)
        if wanted is not None and not wanted(line):
            return
        self.scanned += 1
        if at is not None:
            self.oldest = at if self.oldest is None else min(at, self.oldest)
            self.newest = at if self.newest is None else max(at, self.newest)
        for name, search in searches:
            if search(line):
                self.counts[name] = self.counts.get(name, 0) + 1
                if name not in self.first or _before(at, self.first[name][0]):
                    self.first[name] = (at, line)
                if name not in self.last or not _before(at, self.last[name][0]):
                    self.last[name] = (at, line)

    def facts(self, now: datetime) -> dict[str, Any]:
        if self.begin is not None and self.lines and self.newest_of_all is None:
            raise ProbeError(
                f"no line of {', '.join(self.files)} has a time that can be read, so nothing can be said about the last "
                f"{spoken(self.log.since or 0)}",
                hint="say with timestamp: {pattern, format} where the time stands",
            )
        facts: dict[str, Any] = {
            "files": self.files,
            "lines": self.lines,
            "scanned_lines": self.scanned,
            "undated": self.undated,
            "unreadable": self.unreadable,
            "counts": {name: self.counts.get(name, 0) for name in self.log.matches},
            "first": {name: cut(line, _KEPT) for name, (_, line) in self.first.items()},
            "last": {name: cut(line, _KEPT) for name, (_, line) in self.last.items()},
        }
        if self.begin is not None:
            facts["window"] = {"from": self.begin.isoformat(), "to": now.isoformat()}
        if self.oldest is not None and self.newest is not None:
            facts["covered"] = {"from": self.oldest.isoformat(), "to": self.newest.isoformat()}
        if self.newest_of_all is not None:
            facts["newest_age_seconds"] = int((now - self.newest_of_all).total_seconds())
        return facts


def _before(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and other is not None and one < other


def _iso(line: bytes, zone: tzinfo) -> datetime | None:
    match = _ISO.search(line, 0, _LOOKED_AT)
    if match is None:
        return None
    day, clock, fraction, offset = match.groups()
    text = day + b"T" + clock
    if fraction:
        text += b"." + fraction[:6].ljust(6, b"0")
    try:
        at = datetime.fromisoformat((text + (offset or b"")).decode())
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=zone)


def _rotated(path: str, begin: datetime | None) -> Iterator[str]:
    """The older parts of a log, oldest first; those that were last written before the window are left out."""
    folder, name = os.path.split(path)
    older: list[tuple[float, str]] = []
    try:
        for entry in os.scandir(folder):
            if re.fullmatch(re.escape(name) + r"(?:\.\d+|[.-]\d{4}-?\d\d-?\d\d\S*?)(?:\.gz)?", entry.name) and entry.is_file():
                older.append((entry.stat().st_mtime, entry.path))
    except OSError as error:
        raise unreadable(folder, error) from None
    for written, each in sorted(older):
        if begin is None or written >= begin.timestamp():
            yield each


def _content(path: str, limit: int) -> tuple[bytes, bool]:
    """The last `limit` bytes of a log, from the start of a line, and whether that is not the whole."""
    try:
        if path.endswith(".gz"):
            with gzip.open(path) as packed:
                content = packed.read(limit + 1)
            return content[:limit], len(content) > limit
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            size = file.seek(0, io.SEEK_END)
            if size <= limit:
                file.seek(0)
                return file.read(limit), False
            file.seek(size - limit)
            return file.read(limit).partition(b"\n")[2], True
    except (OSError, EOFError) as error:
        if isinstance(error, OSError):
            raise unreadable(path, error) from None
        raise ProbeError(f"{path} is not a whole gzip file", hint="see whether it is still being written") from None


def _split(content: bytes, encoding: str) -> list[bytes]:
    end = "\n".encode(encoding) if not encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32")) else b"\n"
    lines = content.split(end)
    if lines and not lines[-1]:
        lines.pop()
    return [line.rstrip(b"\r") for line in lines]
