"""The stop: a file whose mere existence forbids every real order, for every process and over every restart.

Making one needs as little as can be: a name in a folder. So a full disk, a file system without links and a folder that is not
there are got round, and what stands at the path already counts as a stop and stays. A second stop leaves its word in the file
of the first, under a lock that taking away holds too; so nobody can take away a stop that he was not shown.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import secrets
import shlex
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import final

from pytest_golive.errors import GoliveError
from pytest_golive.guard import state as states

HEADER = b"""\
# GO-LIVE STOP
# Real trading is stopped while this file exists, whatever stands in it.
# golive status tells why, golive resume --reason '...' takes it away.
"""
UNTOLD = "no reason was given"
MAX_REASON = 2_000
MAX_FILE = 64 * 1024
"""Bytes of a stop file up to which words are added; beyond, only the first and the newest are kept."""

PATIENCE = 2.0
"""Seconds to wait for whoever holds the lock of a stop file; it is held for milliseconds."""

_MARK = b"- {"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What one stop says: who stopped, when and why; `id` tells two that are otherwise equal apart."""

    at: datetime
    operator: str
    reason: str
    id: str = field(default_factory=lambda: secrets.token_hex(8))

    def line(self) -> bytes:
        """The word as one line of the file, which YAML and JSON read."""
        told = {"at": self.at.isoformat(), "by": self.operator, "why": self.reason[:MAX_REASON], "id": self.id}
        return b"- " + json.dumps(told, ensure_ascii=True).encode("ascii") + b"\n"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """What became of one stop file: `made`, or `stood` before, or neither; `note` is what people must know about it."""

    path: Path
    made: bool = False
    stood: bool = False
    note: str = ""

    @property
    def stops(self) -> bool:
        """Whether something stands at the path now."""
        return self.made or self.stood


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A stop that stands: what is at the path, and every word in it; `identity` and `digest` show whether it has changed.

    Without words it was made by hand: then `since` is the time of the file, and `by` its owner's number.
    """

    path: Path
    kind: str
    since: datetime
    by: str
    words: tuple[Word, ...]
    identity: tuple[int, ...]
    digest: str

    @property
    def why(self) -> str:
        """The reason of the first stop."""
        return self.words[0].reason if self.words else "made by hand: the file says nothing"


def stop(files: Sequence[Path], *, reason: str, operator: str, now: datetime) -> tuple[Put, ...]:
    """Put every stop file in place, and tell of each what became of it; raises nothing that a file system can cause.

    When this returns, a guard that looks for one of the files that `stops` refuses the next order. The disk has them too,
    unless a note says otherwise.
    """
    word = Word(at=now.astimezone(UTC), operator=operator or "unknown", reason=reason.strip() or UNTOLD)
    done = []
    for path in dict.fromkeys(files):
        try:
            done.append(_put(path, word))
        except (OSError, ValueError) as error:
            told = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            stands = os.path.lexists(path)
            done.append(
                Put(path=path, stood=stands, note=f"{told}{'; but something stands there, which counts' if stands else ''}")
            )
    return tuple(_synced(one) for one in done)


def look(path: Path) -> Stop | None:
    """What stands at the path of a stop file; None if there is nothing. OSError if that cannot be seen."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    kind, content = _kind(status), b""
    with contextlib.suppress(OSError):
        content = _content(path, kind)
    words = tuple(_words(content))
    if words:
        since, by = words[0].at, words[0].operator
    else:
        since, by = (
            datetime.fromtimestamp(status.st_mtime, UTC).replace(microsecond=0),
            f"the user with the number {status.st_uid}",
        )
    return Stop(
        path=path,
        kind=kind,
        since=since,
        by=by,
        words=words,
        identity=_identity(status),
        digest=hashlib.sha256(content).hexdigest(),
    )


def lift(stops: Sequence[Stop], record: Callable[[], object]) -> None:
    """Take these stops away, if each is still what was seen; GoliveError and nothing taken away if one is not.

    `record` is called when all are known to be unchanged and before the first is gone; what it raises leaves all of them.
    """
    with contextlib.ExitStack() as held:
        for one in sorted(stops, key=lambda seen: str(seen.path)):
            if one.kind != "file":
                # nothing else can be locked, and what cannot be locked could be stopped again between the look and the removal
                told = f"{one.path} is a {one.kind}, and only a file is taken away"
                raise GoliveError(told, hint=f"look at it, then: {by_hand(one)}")
            held.enter_context(_unchanged(one))
        record()
        for one in stops:
            try:
                os.unlink(one.path)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise GoliveError(
                    f"the stop file {one.path} cannot be removed: {error.strerror}",
                    hint=f"real trading stays stopped; as the owner of {one.path.parent}: rm {one.path}",
                ) from error
            with contextlib.suppress(OSError):
                _sync(one.path.parent)


def by_hand(seen: Stop) -> str:
    """The command that takes this stop away by hand."""
    return f"{'rmdir' if seen.kind == 'folder' else 'rm'} -- {shlex.quote(str(seen.path))}"


def _put(path: Path, word: Word) -> Put:
    note = ""
    if not os.path.lexists(path.parent):
        path.parent.mkdir(parents=True)
        note = f"the folder {path.parent} was not there and was made: if something is to be mounted there, stop again afterwards"
    draft = path.with_name(f"{path.name}.{os.getpid()}.{word.id}.new")
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if _is_made(path, draft, HEADER + word.line()):
            return Put(path=path, made=True, note=note)
        added = _added(path, word)
        if added is not None:
            return added
    raise OSError(errno.EBUSY, "it is made and taken away again and again")


def _is_made(path: Path, draft: Path, content: bytes) -> bool:
    """Whether the file was made here, with all its content at once if the disk allows, and else empty; False if one stood."""
    try:
        try:
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            try:
                os.fchmod(fd, 0o644)
                if os.write(fd, content) != len(content):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(fd)
            os.link(draft, path)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(draft)
    except FileExistsError:
        return False
    except OSError:
        # an empty file stops as well as a full one
        return _is_made_bare(path, content)
    return True


def _is_made_bare(path: Path, content: bytes) -> bool:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return False
    with contextlib.suppress(OSError):
        os.fchmod(fd, 0o644)
        os.write(fd, content)
    os.close(fd)
    return True


def _added(path: Path, word: Word) -> Put | None:
    """The word beside those that stand there already; None if what stood there is gone."""
    try:
        kind = _kind(os.lstat(path))
        if kind == "link" and not os.path.exists(path):
            # the guard sees a link that leads nowhere, but other programs may not; a file in its place is seen by all
            states.replace_file(str(path), HEADER + word.line(), 0o644)
            return Put(path=path, made=True, note="it was a link that leads nowhere; a file stands there now")
        if kind != "file":
            _touched(path)
            return Put(path=path, stood=True, note=f"it is a {kind}; what this stop says could not be written into it")
        with _locked(path) as fd:
            try:
                states.replace_file(str(path), _joined(os.pread(fd, MAX_FILE + 1, 0), word), 0o644)
            except OSError:
                _touched(path)
                raise
        return Put(path=path, stood=True)
    except (FileNotFoundError, _Changed):
        return None
    except OSError as error:
        _touched(path)
        return Put(path=path, stood=True, note=f"its reason could not be added: {error.strerror or error}")


def _touched(path: Path) -> None:
    """Give what stands there a newer time, which is a word too: whoever takes a stop away compares it with what he was shown."""
    with contextlib.suppress(OSError):
        os.utime(path, follow_symlinks=False)


def _joined(old: bytes, word: Word) -> bytes:
    if len(old) + len(word.line()) > MAX_FILE:
        first = next(iter(_words(old)), None)
        old = HEADER + (first.line() if first else b"")
    return old + (b"" if old.endswith(b"\n") or not old else b"\n") + word.line()


class _Changed(Exception):
    """What stands at the path is not what was opened."""


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The file at the path, opened and locked; _Changed if it is another one by then, BlockingIOError if somebody keeps it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _Changed from None
    try:
        end = time.monotonic() + PATIENCE / 2
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise BlockingIOError(errno.EAGAIN, "somebody keeps it locked") from None
                time.sleep(0.002)
        try:
            same = os.path.samestat(os.fstat(fd), os.lstat(path))
        except FileNotFoundError:
            same = False
        if not same:
            raise _Changed
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _unchanged(seen: Stop) -> Iterator[None]:
    """Hold what stands at the path, if it still is what was seen; GoliveError otherwise."""
    refusal = GoliveError(
        f"{seen.path} is not what it was a moment ago: somebody stopped again, or took the stop away",
        hint="nothing was taken away; read golive status, then resume again",
    )
    try:
        with _locked(seen.path):
            now = look(seen.path)
            if now is None or (now.identity, now.digest) != (seen.identity, seen.digest):
                raise refusal
            yield
    except _Changed:
        raise refusal from None
    except BlockingIOError as error:
        raise GoliveError(
            f"{seen.path}: {error.strerror}", hint=f"nothing was taken away; see who holds it: fuser {seen.path}"
        ) from None


def _synced(one: Put) -> Put:
    """The same, once the disk has it; a disk that fails is told, and undoes nothing."""
    if not one.stops:
        return one
    try:
        if one.path.is_file() and not one.path.is_symlink():
            _sync(one.path)
        _sync(one.path.parent)
    except OSError as error:
        told = f"the disk did not confirm it ({error.strerror}): it may be gone after a crash of the machine"
        return Put(path=one.path, made=one.made, stood=one.stood, note="; ".join(part for part in (one.note, told) if part))
    return one


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _content(path: Path, kind: str) -> bytes:
    if kind != "file":
        return b""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.pread(fd, MAX_FILE + 1, 0)
    finally:
        os.close(fd)


def _words(content: bytes) -> Iterator[Word]:
    """The words that can be read; a line that is none of ours is passed over, because the file stops without any."""
    for line in content.splitlines():
        if not line.startswith(_MARK):
            continue
        try:
            told = json.loads(line[2:])
            at = datetime.fromisoformat(told["at"])
            yield Word(at=at.astimezone(UTC), operator=str(told["by"]), reason=str(told["why"]), id=str(told["id"]))
        except (ValueError, LookupError, TypeError, RecursionError, OverflowError):
            continue


def _kind(status: os.stat_result) -> str:
    for asked, word in ((stat.S_ISREG, "file"), (stat.S_ISLNK, "link"), (stat.S_ISDIR, "folder")):
        if asked(status.st_mode):
            return word
    return "device or pipe"


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns)
