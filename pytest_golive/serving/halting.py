"""The one thing that the status page can do: stop. A token proves who may; another, which works once, that the page itself asks.

The one-time token is signed and dated instead of stored, so that asking for many of them pushes nobody else's out; only those
that stopped are remembered, and the operator's token stands before that. A wrong token locks nobody out: a lock would be a way to
keep others from stopping. So the operator's token has to be long.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from pytest_golive.errors import Misuse

TOKEN = "GOLIVE_SERVE_TOKEN"  # noqa: S105 - the name of the variable, not its value
SHORTEST = 16
LIVES = 900
"""Seconds that a confirmation page may be looked at."""
STOPPING = 90.0
"""Seconds that a stop may take, its cancelling of orders included."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """What `golive stop` said, in lines, and whether it said that everything is stopped."""

    good: bool
    said: tuple[str, ...]


@final
class Halt:
    """The emergency stop behind its two tokens; without the operator's token nobody can use it.

    Misuse for an operator's token that can be guessed.
    """

    def __init__(self, config: Path, environ: Mapping[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config.absolute()
        self._token = environ.get(TOKEN, "")
        self._environ = {name: value for name, value in environ.items() if name != TOKEN}
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._spent: dict[str, float] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Lock()
        if self._token and len(self._token) < SHORTEST:
            raise Misuse(
                f"{TOKEN} has fewer than {SHORTEST} characters and could be guessed",
                hint="make one with: python -c 'import secrets; print(secrets.token_urlsafe(24))'",
            )

    @property
    def armed(self) -> bool:
        """Whether there is an operator's token, and so a button."""
        return bool(self._token)

    def once(self) -> str:
        """A token for one confirmation page."""
        body = f"{int(self._clock() * 1000) + LIVES * 1000}.{secrets.token_hex(16)}"
        return f"{body}.{self._mac(body)}"

    def refuses(self, once: str, token: str) -> str:
        """Why these two tokens do not stop, or an empty text; the one-time token is spent by a yes."""
        if not self.armed:
            return f"there is no emergency stop here: {TOKEN} is not set"
        right = hmac.compare_digest(_digest(token), _digest(self._token))
        body, _, mac = once.rpartition(".")
        genuine = hmac.compare_digest(_digest(mac), _digest(self._mac(body)))
        now = self._clock()
        if not genuine or not now * 1000 < int(body.partition(".")[0]):
            return "this confirmation page is not one of this server, or it is too old: open it again"
        if not right:
            return "the operator's token is wrong; nothing was stopped"
        with self._lock:
            self._spent = {one: until for one, until in self._spent.items() if until > now}
            if once in self._spent:
                return "this confirmation page has stopped already: open it again to stop once more"
            self._spent[once] = now + LIVES
        return ""

    def stop(self, reason: str, operator: str) -> Stopped:
        """`golive stop` in a process and a session of its own, so that neither this server's end nor a Ctrl-C takes it along."""
        command = [sys.executable, "-m", "pytest_golive.cli", "stop", "--config", str(self._config)]
        words = [f"--reason={reason}", f"--operator={operator}"]
        with self._stopping:
            try:
                done = subprocess.run(
                    [*command, *words],
                    env=self._environ,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    timeout=STOPPING,
                    check=False,
                    start_new_session=True,
                )
            except subprocess.TimeoutExpired as late:
                return Stopped(good=False, said=(*_lines(late.output or b""), f"it took longer than {STOPPING:g} s"))
            except OSError as error:
                return Stopped(good=False, said=(f"golive stop cannot be started: {error.strerror}",))
        return Stopped(good=done.returncode == 0, said=_lines(done.stdout))

    def rest(self, seconds: float) -> None:
        """Wait for a stop that is under way, at most so long."""
        if self._stopping.acquire(timeout=seconds):
            self._stopping.release()

    def _mac(self, body: str) -> str:
        return hmac.new(self._key, body.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def operator_of(text: str) -> str:
    """Who says to stop; the name that was typed, or that it came from the page."""
    return " ".join(text.split())[:100] or "status page"


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _lines(said: bytes) -> tuple[str, ...]:
    text = said.decode("utf-8", "replace")
    return tuple(line.rstrip() for line in text.splitlines() if line.strip("= \t"))[:40]
