"""A headless Chromium, spoken to over a pipe in its own protocol: nothing to install, nothing that asks the network."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

NAMES = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT = 60.0

_FRAME = "new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))"
_LOADED = """new Promise(done => {
  const look = () => {
    const at = performance.getEntriesByType('navigation')[0].loadEventEnd;
    at ? done(at) : setTimeout(look);
  };
  look();
})"""
_NODES = "document.getElementsByTagName('*').length"
_UNFOLD = """(async () => {
  const began = performance.now();
  const fold = document.querySelector('#passed details');
  if (!fold) return null;
  fold.open = true;
  await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - began;
})()"""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """One load of a page: milliseconds to the load event, to the next frame, and to unfold the passed items; its elements."""

    load: float
    interactive: float
    unfold: float
    nodes: int


def found() -> str | None:
    """The path of a Chromium of this machine, if there is one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@final
class Browser:
    """The browser's end of the pipe."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing
        self._buffer = b""
        self._number = 0

    def load(self, page: Path) -> Loaded:
        """Load a page in a tab of its own."""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._ask("Page.enable", session)
        self._ask("Page.navigate", session, url=page.as_uri())
        load = self._evaluate(session, _LOADED)
        seen = Loaded(
            load=load,
            interactive=self._evaluate(session, _FRAME),
            nodes=self._evaluate(session, _NODES),
            unfold=self._evaluate(session, _UNFOLD) or 0.0,
        )
        self._ask("Target.closeTarget", targetId=target)
        return seen

    def _evaluate(self, session: str, expression: str) -> Any:
        result = self._ask("Runtime.evaluate", session, expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"the browser says: {result['exceptionDetails']['text']}")
        return result["result"].get("value")

    def _ask(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + TIMEOUT
        while True:
            answer = self._next(end)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def _next(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._reading], [], [], left)[0]:
                raise RuntimeError(f"the browser did not answer within {TIMEOUT:g} s")
            part = os.read(self._reading, 1 << 16)
            if not part:
                raise RuntimeError("the browser ended")
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\0")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def browser(path: str) -> Iterator[Browser]:
    """A browser with a profile of its own, ended with all its processes."""
    to_read, to_write = os.pipe(), os.pipe()
    # the browser wants its ends as descriptors 3 and 4, so ours must not be among those
    ours = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (*to_read, *to_write)]
    for end in (*to_read, *to_write):
        os.close(end)
    child_reads, we_write, we_read, child_writes = ours
    with tempfile.TemporaryDirectory(prefix="golive-bench-", ignore_cleanup_errors=True) as profile:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe"]
        quiet = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        child = os.posix_spawn(
            path,
            [path, *options, f"--user-data-dir={profile}", "about:blank"],
            {**os.environ, "HOME": profile},
            file_actions=[
                *((os.POSIX_SPAWN_DUP2, quiet, standard) for standard in (0, 1, 2)),
                (os.POSIX_SPAWN_DUP2, child_reads, 3),
                (os.POSIX_SPAWN_DUP2, child_writes, 4),
            ],
            setpgroup=0,
        )
        for end in (child_reads, child_writes, quiet):
            os.close(end)
        try:
            yield Browser(we_read, we_write)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(we_read)
            os.close(we_write)
