"""What must survive a restart: how far the counters of activations got, and how late it has been.

Three numbers that only go up, so that any two writers agree by taking the larger. A marker whose counter is not above
`burned` never counts again; one below `highest` is an old one put back.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self, final

from pytest_golive.errors import TrustError
from pytest_golive.guard.trusted_file import open_trusted

WALL_STEP = 60
"""Seconds of wall clock after which a later time is written down."""

_LIMIT = 4096
_TEXT = re.compile(rb"schema: 1\nhighest: (\d{1,18})\nburned: (\d{1,18})\nwall: (\d{1,18})\n")
_HINT = "give the guard a state file in a folder that this user can write; do not delete or edit the file"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`highest` counter that was ever honoured, `burned` counter that is spent, latest `wall` time in whole seconds."""

    highest: int = 0
    burned: int = 0
    wall: int = 0

    def joined(self, other: Self) -> Self:
        """The larger of each number."""
        return replace(
            self,
            highest=max(self.highest, other.highest),
            burned=max(self.burned, other.burned),
            wall=max(self.wall, other.wall),
        )


def read(path: str) -> State:
    """The state that was kept; no file yet means the first start. TrustError if it cannot be believed."""
    try:
        fd, _, content = open_trusted(path, "the guard's state", limit=_LIMIT)
    except FileNotFoundError:
        return State()
    except OSError as error:
        raise _unusable(path, error) from error
    os.close(fd)
    match = _TEXT.fullmatch(content)
    if match is None:
        raise TrustError(f"the guard's state is malformed: {path}", hint=_HINT)
    highest, burned, wall = (int(number) for number in match.groups())
    return State(highest=highest, burned=burned, wall=wall)


def raise_to(path: str, floor: State) -> State:
    """Lift the kept state to at least `floor` and give what is kept then; TrustError if that is not possible.

    Counters are on the disk when this returns. A later wall clock alone is written once in WALL_STEP seconds, and not
    forced out.
    """
    with locked(path):
        return raise_locked(path, floor)


def raise_locked(path: str, floor: State) -> State:
    """`raise_to` for a caller that holds the lock."""
    kept = read(path)
    state = kept.joined(floor)
    counters_same = (state.highest, state.burned) == (kept.highest, kept.burned)
    if counters_same and state.wall < kept.wall + WALL_STEP:
        return state
    text = f"schema: 1\nhighest: {state.highest}\nburned: {state.burned}\nwall: {state.wall}\n"
    try:
        replace_file(path, text.encode("ascii"), 0o600, durable=not counters_same)
    except OSError as error:
        raise _unusable(path, error) from error
    return state


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold the lock beside the state file; TrustError if another process keeps it for a tenth of a second."""
    try:
        fd = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        for _ in range(50):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.002)
        else:
            raise TrustError(f"another process keeps the guard's state locked: {path}", hint="find it with fuser")
        yield
    finally:
        os.close(fd)


def replace_file(path: str, content: bytes, mode: int, *, durable: bool = True) -> None:
    """Put a whole new file in the place of `path`: a reader sees the old one or the new one, never a part.

    If anything fails nothing is left behind and the old file stands. `durable` waits until the disk has file and folder.
    """
    draft = f"{path}.{os.getpid()}.{time.monotonic_ns():x}.new"
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        try:
            os.fchmod(fd, mode)
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(fd, rest) :]
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise
    if durable:
        folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _unusable(path: str, error: OSError) -> TrustError:
    return TrustError(f"the guard's state cannot be used: {path}: {error.strerror or error}", hint=_HINT)
