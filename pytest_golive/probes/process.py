"""A program run within a deadline: no input, bounded output, and nothing of its process group left behind.

A pipe that nobody empties stops the program; a grandchild that keeps the pipe open stops the reader. So output is read
while the program runs, the reader follows the program and not the pipe, and at the end the whole group is killed: first
asked, then forced.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

from pytest_golive.errors import ProbeError

GRACE = 2.0
"""Seconds between asking a group to end and forcing it."""

_LINGER = 0.2
_TICK = 0.05


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a program did, and how it had to be ended.

    `exit` is negative for a signal; `overrun` says that it was asked to end, `forced` that it had to be killed, `left_behind`
    that something of its group held a pipe open after it. `outputs` are the bytes of standard output, standard error, and then
    of each further pipe; `cut` tells how many bytes were left out of each.
    """

    exit: int
    outputs: tuple[bytes, ...]
    cut: tuple[int, ...]
    seconds: float
    overrun: bool
    forced: bool
    left_behind: bool


@final
@dataclass(slots=True)
class _Stream:
    limit: int
    kept: bytearray = field(default_factory=bytearray)
    dropped: int = 0

    def take(self, part: bytes) -> None:
        room = self.limit - len(self.kept)
        self.kept += part[:room]
        self.dropped += max(0, len(part) - room)


_groups: set[int] = set()
_lock = threading.Lock()


def run(
    argv: Sequence[str],
    *,
    cwd: str,
    env: Mapping[str, str],
    deadline: float,
    limit: int,
    pass_fds: Sequence[int] = (),
    listen: Sequence[int] = (),
) -> Ran:
    """Run a program until `deadline` (of `time.monotonic()`); `ProbeError` if it cannot be started.

    At most `limit` bytes of each output are kept. `pass_fds` are handed to the program and closed here; `listen` are read
    like its outputs, and stay the caller's to close.
    """
    process = _started(argv, cwd, env, pass_fds)
    started = time.monotonic()
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        readers = (process.stdout.fileno(), process.stderr.fileno(), *listen)
        streams = {reader: _Stream(limit) for reader in readers}
        ended, open_pipes = _follow(process.pid, streams, deadline)
        overrun, forced = not ended, False
        if overrun:
            _signal(process.pid, signal.SIGTERM)
            ended, open_pipes = _follow(process.pid, streams, time.monotonic() + GRACE)
            forced = not ended
        _signal(process.pid, signal.SIGKILL)
        if forced:
            _follow(process.pid, streams, time.monotonic() + GRACE)
        seconds = time.monotonic() - started
        return Ran(
            exit=process.wait(),
            outputs=tuple(bytes(stream.kept) for stream in streams.values()),
            cut=tuple(stream.dropped for stream in streams.values()),
            seconds=seconds,
            overrun=overrun,
            forced=forced,
            left_behind=open_pipes,
        )
    finally:
        if process.returncode is None:
            _signal(process.pid, signal.SIGKILL)
        with _lock:
            _groups.discard(process.pid)
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _started(argv: Sequence[str], cwd: str, env: Mapping[str, str], pass_fds: Sequence[int]) -> subprocess.Popen[bytes]:
    try:
        if not os.path.isdir(cwd):
            raise ProbeError(f"the folder {cwd} does not exist", hint="correct cwd, or create the folder")
        with _lock:
            process = subprocess.Popen(
                list(argv),
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                pass_fds=tuple(pass_fds),
            )
            _groups.add(process.pid)
    except FileNotFoundError:
        raise ProbeError(f"the program {argv[0]} was not found", hint="install it, or write its absolute path") from None
    except PermissionError:
        raise ProbeError(f"{argv[0]} may not be executed", hint="make it executable, or name its interpreter") from None
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ProbeError(f"{argv[0]} cannot be started: {reason}", hint="see whether it is a program of this machine") from None
    finally:
        for handle in pass_fds:
            os.close(handle)
    return process


def _follow(pid: int, streams: Mapping[int, _Stream], until: float) -> tuple[bool, bool]:
    """Read until the program has ended or the time is over: whether it ended, and whether a pipe is still open."""
    with selectors.DefaultSelector() as selector:
        for reader in streams:
            selector.register(reader, selectors.EVENT_READ)
        watch = _watch(pid)
        if watch is not None:
            selector.register(watch, selectors.EVENT_READ)
        try:
            ended = False
            while True:
                now = time.monotonic()
                if not ended and _has_ended(pid):
                    ended, until = True, now + _LINGER
                    if watch is not None:
                        selector.unregister(watch)
                pipes = len(selector.get_map()) - (watch is not None and not ended)
                if now >= until or (ended and not pipes):
                    return ended, pipes > 0
                waits = until - now if ended or watch is not None else min(until - now, _TICK)
                for key, _ in selector.select(waits):
                    if key.fd != watch and not _take(key.fd, streams[key.fd]):
                        selector.unregister(key.fd)
        finally:
            if watch is not None:
                os.close(watch)


def _take(reader: int, stream: _Stream) -> bool:
    part = os.read(reader, 65_536)
    stream.take(part)
    return bool(part)


def _watch(pid: int) -> int | None:
    """A descriptor that becomes readable when the program ends, where the kernel has one."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def _has_ended(pid: int) -> bool:
    """Whether the program has ended; it is not reaped, so that its group keeps its number until the group has been killed."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if group in _groups:
            os.killpg(group, number)


def _end_all() -> None:
    """At the end of this process no program goes on: each is asked, so that a drill can undo what it did, then forced."""
    with _lock:
        groups = list(_groups)
    for group in groups:
        _signal(group, signal.SIGTERM)
    until = time.monotonic() + GRACE
    while groups and time.monotonic() < until:
        groups = [group for group in groups if group in _groups and not _has_ended(group)]
        time.sleep(_TICK)
    for group in list(_groups):
        _signal(group, signal.SIGKILL)


atexit.register(_end_all)
