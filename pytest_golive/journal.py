"""The journal: an append-only log in which every line holds the digest of the line before.

One line is one canonical JSON record whose last member, `sha256`, is the digest of the record without that member;
`prev` is the digest of the record before. So an edit, a deletion or a swap is found by anybody with sha256sum. What a
chain cannot show is that its newest lines were cut off: that is why the head is written into every signed report and
marker.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol, final

from pytest_golive import canonical
from pytest_golive.errors import JournalError
from pytest_golive.events import RECOVERED

ORIGIN = "0" * 64
"""The `prev` of the first record."""

_CHUNK = 64 * 1024
_REMEMBERED = 32 * 1024 * 1024
"""Bytes of a journal up to which checked records are kept in memory; beyond, each reading checks all of it."""

_EVENT = re.compile(r"[a-z][a-z0-9-]*")
_BROKEN = "keep the file as it is and find out who changed it; start a new journal under another name"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One record: `seq` counts from 1, `at` is UTC, `hash` is its own digest, `prev` that of the one before."""

    seq: int
    at: datetime
    event: str
    detail: Mapping[str, Any]
    prev: str
    hash: str


class Digest(Protocol):
    """What grows with the bytes that it is given."""

    def update(self, piece: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


@final
@dataclass(frozen=True, slots=True)
class _Known:
    """Records that were checked already, with the number of bytes that hold them and the digest of these."""

    entries: Sequence[Entry] = ()
    size: int = 0
    digest: str = ""


@final
class Journal:
    """A journal file; the object holds no descriptor, so it may be shared by threads and survives a fork.

    A record that it has checked once is checked again only if a byte of the file up to there is another one: the close of a run
    asks several times, and an activation must not keep the guard's memory locked for as long as a long chain takes to read.

    `patience` is the time in seconds that it waits for another process that is writing. It ends, because a process that was
    halted while it held the lock must not keep a stop from being finished. `hear` is told each record once it is on the disk, and
    must not fail.
    """

    def __init__(self, path: Path, hear: Callable[[Entry], None] | None = None, *, patience: float = 10.0) -> None:
        self.path = path
        self._hear = hear
        self._patience = patience
        self._known = _Known()

    def append(self, event: str, detail: Mapping[str, Any], now: datetime) -> Entry:
        """Write one record and wait until the disk has it; JournalError if that cannot be done.

        `event` is one of the words of `events`, `detail` is JSON-like without floats, `now` is the moment of what is told and
        carries its zone; ValueError or TypeError otherwise, with nothing written. The order of the records is that of their
        numbers, whatever the clock says. A record that a crash cut short is removed, and the removal recorded.
        """
        if not _EVENT.fullmatch(event):
            raise ValueError(f"{event!r} is not a word for an event")
        _refuse_floats(detail)
        canonical.dumps(detail)
        last = self._write([(event, detail)], _utc(now))
        assert last is not None
        if self._hear is not None:
            self._hear(last)
        return last

    def mend(self, now: datetime) -> bool:
        """Remove a record that a crash cut short, and record the removal; whether there was one."""
        return os.path.lexists(self.path) and self._write([], _utc(now)) is not None

    def _write(self, records: Sequence[tuple[str, Mapping[str, Any]]], at: datetime) -> Entry | None:
        """The last of the records, as it is on the disk now; None if there was nothing to write."""
        try:
            with self._locked() as fd:
                size = os.fstat(fd).st_size
                last, torn = self._tail(fd, size)
                cut = [(RECOVERED, {"bytes": len(torn), "sha256": canonical.sha256(torn)})] if torn else []
                lines = []
                for event, detail in (*cut, *records):
                    last, line = _chain(last, event, detail, at)
                    lines.append(line)
                if not lines:
                    return None
                _put(fd, b"".join(lines), size - len(torn), torn)
                if size == len(torn):
                    _sync_folder(self.path.parent)
        except OSError as error:
            raise JournalError(
                f"the journal {self.path} cannot be written: {error.strerror or error}",
                hint=f"let this user write the folder {self.path.parent}, or name another journal in golive.yaml",
            ) from error
        return last

    def head(self) -> tuple[int, str]:
        """Number and digest of the newest whole record; (0, zeros) if nothing was written yet."""
        with self._reading() as found:
            last, _ = self._tail(*found) if found else (None, b"")
        return (last.seq, last.hash) if last else (0, ORIGIN)

    def entries(self) -> Iterator[Entry]:
        """Every record in order, each checked against the one before; JournalError names the line that is wrong.

        They are the records that stood there at the beginning. The lock is not held meanwhile, so that a slow reader keeps
        nobody from stopping: whole records never change.
        """
        with self._reading() as found:
            if found:
                yield from self._checked(*found)

    def verify(self) -> int:
        """How many records the whole, unbroken chain has; JournalError names the line that is wrong."""
        return sum(1 for _ in self.entries())

    def _checked(self, fd: int, size: int) -> Iterator[Entry]:
        with os.fdopen(os.dup(fd), "rb") as file:
            known, seen = self._still_known(file, size)
            yield from known.entries
            file.seek(known.size)
            entries = list(known.entries)
            whole = known.size
            try:
                while file.tell() < size:
                    line = file.readline(size - file.tell())
                    entry = self._follows(line, entries)
                    entries.append(entry)
                    seen.update(line)
                    whole += len(line)
                    yield entry
            finally:
                if whole <= _REMEMBERED:
                    self._known = _Known(tuple(entries), whole, seen.hexdigest())

    def _still_known(self, file: BinaryIO, size: int) -> tuple[_Known, Digest]:
        """What was checked already and stands there byte for byte, and the digest so far; nothing of it if one byte differs."""
        known, seen = self._known, hashlib.sha256()
        rest = known.size if known.size <= size else 0
        while rest and (piece := file.read(min(rest, _CHUNK))):
            seen.update(piece)
            rest -= len(piece)
        if known.entries and known.size <= size and not rest and seen.hexdigest() == known.digest:
            return known, seen
        return _Known(), hashlib.sha256()

    def _follows(self, line: bytes, before: Sequence[Entry]) -> Entry:
        """The record in this line, if it is whole and follows those before it."""
        number, last = len(before) + 1, before[-1] if before else None
        if not line.endswith(b"\n"):
            raise JournalError(
                f"line {number} of {self.path} is cut short",
                hint="a crash may have done it: `golive journal mend`, or the next record, removes it and says so",
            )
        entry = self._parse(line[:-1], f"line {number}")
        if entry.prev != (last.hash if last else ORIGIN):
            raise JournalError(f"line {number} of {self.path} does not follow the line before it", hint=_BROKEN)
        if entry.seq != number:
            raise JournalError(f"line {number} of {self.path} has the number {entry.seq}", hint=_BROKEN)
        return entry

    def _parse(self, line: bytes, where: str) -> Entry:
        try:
            record = json.loads(line)
            claimed = record.pop("sha256")
            body = canonical.dumps(record)
            if canonical.sha256(body) != claimed or _close(body, claimed) != line:
                raise ValueError("altered")
            return Entry(
                seq=int(record["seq"]),
                at=datetime.fromisoformat(record["at"]),
                event=str(record["event"]),
                detail=dict(record["detail"]),
                prev=str(record["prev"]),
                hash=claimed,
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise JournalError(f"{where} of {self.path} was altered", hint=_BROKEN) from None

    def _tail(self, fd: int, size: int) -> tuple[Entry | None, bytes]:
        """The newest whole record, and the bytes after it that a crash left without an end of line."""
        tail, start = b"", size
        while start > 0 and tail.count(b"\n") < 2:
            step = min(_CHUNK, start)
            start -= step
            tail = os.pread(fd, step, start) + tail
        whole, newline, torn = tail.rpartition(b"\n")
        if not newline:
            return None, torn
        return self._parse(whole.rpartition(b"\n")[2], "the last line"), torn

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """A descriptor that holds the only write lock on the file that the path names now."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for _ in range(8):
            fd = os.open(self.path, flags, 0o600)
            try:
                self._refuse_foreign(fd)
                self._lock(fd, fcntl.LOCK_EX)
                # while waiting for the lock the file may have been moved away; its successor is the journal then
                if self._is_still(fd):
                    yield fd
                    return
            finally:
                os.close(fd)
        raise JournalError(f"the journal {self.path} is replaced again and again", hint="stop whatever keeps moving the file")

    def _lock(self, fd: int, kind: int) -> None:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                fcntl.flock(fd, kind | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise JournalError(
                        f"another process keeps the journal {self.path} locked",
                        hint=f"see which with: fuser {self.path}; a halted process goes on with: kill -CONT PID",
                    ) from None
                time.sleep(0.001)

    def _is_still(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), os.stat(self.path, follow_symlinks=False))
        except FileNotFoundError:
            return False

    @contextlib.contextmanager
    def _reading(self) -> Iterator[tuple[int, int] | None]:
        """A descriptor and how many bytes to read, taken while no record was half-written; None if there is no file."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            yield None
            return
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            self._refuse_irregular(os.fstat(fd))
            self._lock(fd, fcntl.LOCK_SH)
            size = os.fstat(fd).st_size
            fcntl.flock(fd, fcntl.LOCK_UN)
            yield fd, size
        except OSError as error:
            raise self._unreadable(error) from error
        finally:
            os.close(fd)

    def _refuse_foreign(self, fd: int) -> None:
        status = os.fstat(fd)
        self._refuse_irregular(status)
        if status.st_mode & 0o022:
            raise JournalError(
                f"others can write the journal {self.path} (mode {stat.S_IMODE(status.st_mode):04o})",
                hint=f"chmod 600 {self.path}",
            )

    def _refuse_irregular(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise JournalError(
                f"the journal {self.path} is not a regular file",
                hint="find out who replaced it; put the journal back, or name another file in golive.yaml",
            )

    def _unreadable(self, error: OSError) -> JournalError:
        return JournalError(
            f"the journal {self.path} cannot be read: {error.strerror or error}",
            hint="let this user read the file, or name another journal in golive.yaml",
        )


def _chain(last: Entry | None, event: str, detail: Mapping[str, Any], at: datetime) -> tuple[Entry, bytes]:
    seq, prev = (last.seq + 1, last.hash) if last else (1, ORIGIN)
    body = canonical.dumps({"at": at, "detail": dict(detail), "event": event, "prev": prev, "seq": seq})
    digest = canonical.sha256(body)
    entry = Entry(seq=seq, at=at, event=event, detail=dict(detail), prev=prev, hash=digest)
    return entry, _close(body, digest) + b"\n"


def _close(body: bytes, digest: str) -> bytes:
    """The record with its digest as last member, where it sorts anyway."""
    return body[:-1] + b',"sha256":"' + digest.encode("ascii") + b'"}'


def _put(fd: int, lines: bytes, at: int, torn: bytes) -> None:
    """The lines on the disk in the place of what was torn, or the file as it was before.

    They are written over the torn bytes and not after cutting them off: so these are lost only when their record is there.
    """
    try:
        done = 0
        while done < len(lines):
            done += os.pwrite(fd, lines[done:], at + done)
        if len(torn) > len(lines):
            os.ftruncate(fd, at + len(lines))
        os.fdatasync(fd)
    except OSError:
        with contextlib.suppress(OSError):
            os.pwrite(fd, torn, at)
        with contextlib.suppress(OSError):
            os.ftruncate(fd, at + len(torn))
        raise


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _utc(now: datetime) -> datetime:
    if now.tzinfo is None:
        raise ValueError("the time of a record needs its zone")
    return now.astimezone(UTC)


def _refuse_floats(value: object) -> None:
    if isinstance(value, float):
        raise TypeError("a record holds no floats: write a Decimal")
    if isinstance(value, Mapping):
        for member in value.values():
            _refuse_floats(member)
    elif isinstance(value, (list, tuple)):
        for member in value:
            _refuse_floats(member)
