"""Where the pages of runs lie: each in a folder of its own, named by its time and its word, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from pytest_golive import report
from pytest_golive.errors import GoliveError
from pytest_golive.model import Decision


def write(reports: Path, decision: Decision, envelope: str) -> Path:
    """Render the page of a signed decision and put it into a folder that nothing else has; where it is."""
    stamp = decision.at.strftime("%Y%m%dT%H%M%SZ")
    word = decision.word.value.lower().replace(" ", "-")
    page = report.render(envelope)
    for attempt in range(100):
        folder = reports / (f"{stamp}-{word}" + (f"-{attempt}" if attempt else ""))
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        path = folder / "report.html"
        _write(path, page)
        return path
    raise GoliveError(f"{reports} holds too many reports of this second", hint="run again")


def make_writable(folder: Path) -> None:
    """Make the folder, and see that a file can be put into it; GoliveError otherwise, before anything was run."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _trial_file(folder):
            pass
    except OSError as error:
        raise GoliveError(
            f"{folder}: reports cannot be written here: {error.strerror}",
            hint="make the folder writable, or set reports: in golive.yaml",
        ) from None


@contextlib.contextmanager
def _trial_file(folder: Path) -> Iterator[None]:
    path = folder / f".golive-{secrets.token_hex(4)}"
    path.touch(exist_ok=False)
    try:
        yield
    finally:
        path.unlink()


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_suffix(".part")
    try:
        with temporary.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
