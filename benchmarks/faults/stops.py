"""Eight processes that stop, resume and order at once; no order may be permitted after a stop has returned."""

from __future__ import annotations

import bisect
import json
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from benchmarks.faults.scene import MEMORY, Scene

STOPPERS = 2
ORDERERS = 6
THREADS = 2


@final
@dataclass(frozen=True, slots=True)
class Stopped:
    """How many stops there were, how many orders were permitted in all, and how many of them while a stop stood."""

    stops: int
    orders: int
    late: int


def _child(work: Callable[[], Any]) -> tuple[int, int]:
    """A process that does the work and sends what it has to tell; its id and the pipe."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(told)
            with os.fdopen(tell, "w", encoding="ascii") as out:
                json.dump(work(), out)
            status = 0
        finally:
            os._exit(status)
    os.close(tell)
    return pid, told


def _stop(path: Path, until: float, seed: int) -> list[tuple[int, int]]:
    """Stop and resume; from when to when, in nanoseconds of the monotonic clock, the stop stood for certain."""
    chance = random.Random(seed)
    stood = []
    while time.monotonic() < until:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        returned = time.monotonic_ns()
        time.sleep(chance.random() * 0.004)
        resumed = time.monotonic_ns()
        path.unlink()
        stood.append((returned, resumed))
        time.sleep(0.002 + chance.random() * 0.006)
    return stood


def _order(scene: Scene, stops: list[Path], until: float) -> list[tuple[int, int]]:
    """Order in several threads that share one guard; the beginning and the end of each question that was answered with yes."""
    guard = scene.guard(*stops)
    seen: list[tuple[int, int]] = []

    def burst() -> None:
        while time.monotonic() < until:
            began = time.monotonic_ns()
            allowed = guard.allows().allowed
            if allowed:
                seen.append((began, time.monotonic_ns()))

    threads = [threading.Thread(target=burst) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


def stop(seconds: float, seed: int = 7) -> Stopped:
    """Let them all run for so long."""
    with tempfile.TemporaryDirectory(prefix="golive-stop-", dir=MEMORY) as name:
        folder = Path(name)
        scene = Scene(folder)
        scene.activate(1)
        (folder / "stops").mkdir()
        paths = [folder / "STOP", folder / "stops" / "STOP"][:STOPPERS]
        until = time.monotonic() + seconds
        running = [_child(lambda path=path, at=at: _stop(path, until, seed + at)) for at, path in enumerate(paths)]
        running += [_child(lambda: _order(scene, paths, until)) for _ in range(ORDERERS)]
        told = []
        for pid, pipe in running:
            with os.fdopen(pipe, encoding="ascii") as out:
                told.append(json.load(out))
            os.waitpid(pid, 0)
    stood = told[:STOPPERS]
    orders = [order for one in told[STOPPERS:] for order in one]
    begins = [[returned for returned, _ in one] for one in stood]
    late = 0
    for began, ended in orders:
        for begin, spans in zip(begins, stood, strict=True):
            at = bisect.bisect_right(begin, began) - 1
            late += at >= 0 and ended <= spans[at][1]
    return Stopped(sum(map(len, stood)), len(orders), late)
