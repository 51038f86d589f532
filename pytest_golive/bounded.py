"""A command of the operator's own, run as a list of words, never by a shell, and ended with all its children when its time is up.

What a command that ended well left running goes on: a step that restarts a service starts one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

KEPT = 64 * 1024
"""Bytes of what a command says that are kept, from its beginning; the rest is read and dropped, so that it never blocks."""

_GRACE = 0.5
_PIECE = 8192


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended: its exit status, None if it could not be started or was ended by force; and what it said."""

    exit: int | None
    said: str
    trouble: str = ""

    @property
    def good(self) -> bool:
        """Whether it ended by itself, and well."""
        return self.exit == 0 and not self.trouble


def run(words: Sequence[str], *, folder: Path, environ: Mapping[str, str], seconds: float) -> Ended:
    """Run the command in `folder` and wait at most `seconds` for it; whatever goes wrong stands in `trouble`."""
    if not words or not all(words):
        return Ended(exit=None, said="", trouble="the command has an empty word: a variable of it is not set")
    try:
        process = subprocess.Popen(
            list(words),
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Ended(exit=None, said="", trouble=f"{words[0]} could not be started: {told}")
    kept = bytearray()
    reader = threading.Thread(target=_drained, args=(process, kept), daemon=True)
    reader.start()
    trouble = ""
    try:
        process.wait(seconds)
    except BaseException as error:
        # its process group is its own, and the leader was not waited for yet, so the number is still theirs
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        trouble = f"it did not end within {seconds:g} s and was ended by force"
    finally:
        reader.join(_GRACE)
    said = bytes(kept).decode("utf-8", "replace")
    status = None if trouble else process.returncode
    if status is not None and status < 0:
        trouble = f"it was ended by the signal {-status}"
    return Ended(exit=status, said=said, trouble=trouble)


def _drained(process: subprocess.Popen[bytes], kept: bytearray) -> None:
    assert process.stdout is not None
    with process.stdout as pipe, contextlib.suppress(OSError, ValueError):
        while piece := os.read(pipe.fileno(), _PIECE):
            kept += piece[: max(0, KEPT - len(kept))]
