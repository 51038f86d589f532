"""Whole processes under the clock: from start to exit, with the peak of memory that the kernel counted.

Contenders take turns, so that a machine that gets slower or faster meanwhile does so for all of them; only medians are compared.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

Command = Sequence[str | Path]


class Broken(Exception):
    """A contender did not do the work that it was measured for, so its time means nothing."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One process that ended: seconds on the clock and on the processors, peak of resident memory in KiB, status, output."""

    wall: float
    cpu: float
    peak_kib: int
    status: int
    out: str


def _nothing() -> None:
    """What most contenders need before a run."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A command that is measured; `check` raises `Broken` unless the work was done, `most` bounds the runs of a slow one."""

    name: str
    command: Command
    cwd: Path
    environ: Mapping[str, str]
    check: Callable[[Run], None]
    prepare: Callable[[], None] = _nothing
    most: int = 1_000
    timeout: float = 600.0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The runs of one contender."""

    name: str
    walls: tuple[float, ...]
    cpus: tuple[float, ...]
    peaks_kib: tuple[int, ...]

    @property
    def wall(self) -> float:
        """The median time in seconds."""
        return statistics.median(self.walls)

    @property
    def peak_mib(self) -> float:
        """The median of the peaks of memory, in MiB."""
        return statistics.median(self.peaks_kib) / 1024

    def line(self) -> str:
        """One line of the table."""
        low, high = min(self.walls), max(self.walls)
        cpu = statistics.median(self.cpus)
        runs = f"{len(self.walls)} run{'' if len(self.walls) == 1 else 's'}"
        return (
            f"  {self.name:34} {self.wall:8.3f} s  ({low:.3f} to {high:.3f}, {runs})  cpu {cpu:7.3f} s  {self.peak_mib:6.0f} MiB"
        )


def run(command: Command, *, cwd: Path, environ: Mapping[str, str], timeout: float = 600.0) -> Run:
    """Run one process to its end; it is killed after `timeout` seconds.

    The peak that the kernel tells of a child is at least what its parent held when it started it; a benchmark is a small process.
    """
    with tempfile.TemporaryFile() as out:
        began = time.perf_counter()
        child = subprocess.Popen(
            command, cwd=cwd, env=dict(environ), stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
        late = threading.Timer(timeout, _kill, [child.pid])
        late.start()
        try:
            _, status, usage = os.wait4(child.pid, 0)
            wall = time.perf_counter() - began
        except BaseException:
            _kill(child.pid)
            child.wait()
            raise
        finally:
            late.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read().decode("utf-8", "replace")
    return Run(wall=wall, cpu=usage.ru_utime + usage.ru_stime, peak_kib=usage.ru_maxrss, status=child.returncode, out=text)


def _kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def round_robin(contenders: Sequence[Contender], runs: int) -> dict[str, Measured]:
    """Every contender `runs` times, in turn; `Broken` as soon as one of them did not do its work."""
    seen: dict[str, list[Run]] = {contender.name: [] for contender in contenders}
    for turn in range(runs):
        for contender in contenders:
            if turn >= contender.most:
                continue
            contender.prepare()
            done = run(contender.command, cwd=contender.cwd, environ=contender.environ, timeout=contender.timeout)
            try:
                contender.check(done)
            except Broken as broken:
                raise Broken(f"{contender.name}: {broken}\n{done.out[-3000:]}") from None
            seen[contender.name].append(done)
            print(f"  . {contender.name} {done.wall:.3f} s", file=sys.stderr, flush=True)
    return {
        name: Measured(
            name=name,
            walls=tuple(done.wall for done in all_),
            cpus=tuple(done.cpu for done in all_),
            peaks_kib=tuple(done.peak_kib for done in all_),
        )
        for name, all_ in seen.items()
    }
