"""Eight processes that stop, resume and order at once: what the guard says agrees with who stopped and who took it away."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pytest_golive import stopping
from pytest_golive.errors import GoliveError
from pytest_golive.guard import Guard
from pytest_golive.guard.marker import render
from pytest_golive.signing.keys import SessionKey, session_key
from tests.guard.conftest import make_marker

SECONDS = 3.0


class Diary:
    """What one process did, one line each, with times of the clock that all processes share."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("a", buffering=1)

    def note(self, what: str, began: int) -> None:
        self._stream.write(f"{what} {began} {time.monotonic_ns()}\n")

    def close(self) -> None:
        self._stream.close()


def stopper(folder: Path, diary: Diary, number: int) -> None:
    began = time.monotonic_ns()
    (put,) = stopping.stop([folder / "STOP"], reason=f"by {number}", operator="x", now=datetime.now(UTC))
    assert put.stops
    diary.note("stopped", began)
    time.sleep(0.005 * number)


def resumer(folder: Path, diary: Diary, number: int) -> None:
    seen = stopping.look(folder / "STOP")
    began = time.monotonic_ns()
    if seen is not None:
        try:
            stopping.lift([seen], lambda: None)
        except GoliveError:
            return
        diary.note("lifted", began)
    time.sleep(0.001 * number)


def run(turn: Callable[[Path, Diary, int], None], folder: Path, number: int) -> None:
    diary = Diary(folder / f"diary.{number}")
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        turn(folder, diary, number)
    diary.close()


def order(folder: Path, number: int, key: SessionKey) -> None:
    guard = Guard(
        folder / "go.active", environment="production", keys=[key.public], state=folder / "state", stop_files=[folder / "STOP"]
    )
    diary = Diary(folder / f"diary.{number}")
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        began = time.monotonic_ns()
        allowed = guard.allows().allowed
        diary.note("allowed" if allowed else "refused", began)
        time.sleep(0.0005)
    diary.close()


def read(folder: Path, what: str) -> list[tuple[int, int]]:
    lines: Iterable[str] = (line for path in folder.glob("diary.*") for line in path.read_text().splitlines())
    return sorted((int(began), int(ended)) for word, began, ended in map(str.split, lines) if word == what)


def test_no_order_goes_between_a_stop_and_whoever_takes_it_away(tmp_path: Path) -> None:
    """An order that is asked for after a stop returned is allowed only if somebody took a stop away after that one had begun."""
    key = session_key(tmp_path / "key")
    now = datetime.now(UTC)
    marker = make_marker(timestamp=now, not_before=now - timedelta(seconds=1), expires=now + timedelta(hours=1))
    (tmp_path / "go.active").write_bytes(render(marker, key))
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=run, args=(stopper, tmp_path, number)) for number in (1, 2, 3)]
    workers += [context.Process(target=run, args=(resumer, tmp_path, number)) for number in (4, 5)]
    workers += [context.Process(target=order, args=(tmp_path, number, key)) for number in (6, 7, 8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 8
    stopped, lifted = read(tmp_path, "stopped"), read(tmp_path, "lifted")
    allowed, refused = read(tmp_path, "allowed"), read(tmp_path, "refused")
    assert min(len(stopped), len(lifted), len(allowed), len(refused)) > 10, "everybody had a say"
    wrong = []
    for began, ended in allowed:
        # the latest stop that had returned before the order was asked for; it may have been taken away as soon as it was made
        latest = max((start for start, finished in stopped if finished < began), default=None)
        if latest is not None and not any(finished > latest and start < ended for start, finished in lifted):
            wrong.append((latest, began, ended))
    assert wrong == []
