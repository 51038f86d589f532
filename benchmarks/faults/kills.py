"""Processes that are killed in every step of an activation and of a deactivation; what they leave is held against the journal."""

from __future__ import annotations

import fcntl
import itertools
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

from benchmarks.faults.scene import MEMORY, Scene
from pytest_golive.errors import GoliveError, MarkerRejected
from pytest_golive.guard import kernel
from pytest_golive.guard.marker import parse

_STEPS: dict[str, Any] = {
    **dict.fromkeys(("open", "write", "pwrite", "ftruncate", "fchmod", "fsync", "fdatasync", "close", "rename", "unlink"), os),
    "flock": fcntl,
}
_MOMENTS = ("before", "half", "after")
_MOST = 32
"""More steps than any of them takes; a process that is not killed in one of them ends by itself and does not count."""
ACTIONS = ("activate", "activate over another", "deactivate")


@final
@dataclass(slots=True)
class Killed:
    """How many processes were killed, in how many different steps, and what was wrong with what they left."""

    kills: int = 0
    steps: set[tuple[str, str, int]] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _fuse(step: int, moment: str) -> None:
    """Let this process die in its `step`-th call into the system: before it, after it, or with half of it written."""
    count = itertools.count()

    def fused(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if next(count) != step:
                return real(*arguments, **named)
            if moment == "half" and name in ("write", "pwrite"):
                real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2], *arguments[2:])
            elif moment != "before":
                real(*arguments, **named)
            _die()
            return None

        return call

    for name, module in _STEPS.items():
        setattr(module, name, fused(name, getattr(module, name)))


def _moments(count: int, seed: int) -> Iterator[tuple[str, int | None, str, float]]:
    """Every step of every action before, in the middle and after, in an order by chance; and as many moments by chance."""
    chance = random.Random(seed)
    every = list(itertools.product(ACTIONS, range(_MOST), _MOMENTS))
    while count > 0:
        chance.shuffle(every)
        for action, step, moment in every:
            for wanted in (step, None):
                killed = yield action, wanted, moment, chance.random() * 0.004
                count -= bool(killed)
            if count <= 0:
                return


def kill(count: int, seed: int = 7) -> Killed:
    """Kill at least `count` processes."""
    # the guards here live for one question, and to close a watch takes longer than to kill a process
    local, kernel.LOCAL = kernel.LOCAL, frozenset()
    try:
        return _kill(count, seed)
    finally:
        kernel.LOCAL = local


def _kill(count: int, seed: int) -> Killed:
    told = Killed()
    moments = _moments(count, seed)
    turn: Any = next(moments)
    while turn is not None:
        action, step, moment, delay = turn
        with tempfile.TemporaryDirectory(prefix="golive-kill-", dir=MEMORY) as folder:
            died = _one(Scene(Path(folder)), action, step, moment, delay, told)
        told.kills += died
        if died and step is not None:
            told.steps.add((action, moment, step))
        try:
            turn = moments.send(died)
        except StopIteration:
            turn = None
    return told


def _one(scene: Scene, action: str, step: int | None, moment: str, delay: float, told: Killed) -> bool:
    before = b""
    if action != "activate":
        scene.activate(1)
        before = scene.marker.read_bytes()
        if not scene.guard().allows():
            told.wrong.append("a whole marker was refused")
    ready, begin = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if step is not None:
                _fuse(step, moment)
            os.writev(begin, [b"x"])
            scene.deactivate() if action == "deactivate" else scene.activate(2)
        finally:
            os._exit(0)
    os.close(begin)
    os.read(ready, 1)
    os.close(ready)
    if step is None:
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
    died = os.WIFSIGNALED(os.waitpid(child, 0)[1])
    where = f"{action}, {moment} step {step}" if step is not None else f"{action}, {delay * 1000:.2f} ms"
    told.wrong += [f"{where}: {what}" for what in _left(scene, before, withdrawn=action == "deactivate")]
    return died


def _left(scene: Scene, before: bytes, *, withdrawn: bool) -> Iterator[str]:
    """What is wrong with what a killed process left behind."""
    content = scene.marker.read_bytes() if scene.marker.exists() else b""
    allowed = scene.guard().allows()
    scene.journal.mend(datetime.now(UTC))
    journalled = {entry.detail.get("activation_id"): entry for entry in scene.journal.entries() if entry.event == "activated"}
    if content:
        try:
            marker = parse(content, [scene.signer.public])
        except MarkerRejected as error:
            yield f"a marker that is none: {error.message}"
            return
        if marker.activation_id not in journalled or marker.journal_head != journalled[marker.activation_id].hash:
            yield "a marker that the journal does not know"
        if withdrawn and content != before:
            yield "a withdrawal wrote a marker"
        if not withdrawn and not allowed:
            yield f"a whole marker is refused: {allowed.reason}"
    elif allowed:
        yield "an order may go without a marker"
    elif before and not withdrawn:
        yield "the marker that stood is gone"
    elif before:
        scene.put(before)
        if scene.guard().allows():
            yield "a withdrawn marker that was put back counts"
    # whatever was left behind, the next activation must go through and count
    try:
        scene.activate(3)
    except GoliveError as error:
        yield f"the next activation fails: {error.message}"
    if not scene.guard().allows():
        yield "the next activation does not count"
