"""The street as a child process: started with the desk, ended with it, and steered by it in drills."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import final

from examples.desk import jsontext
from examples.desk.errors import DeskError
from examples.desk.settings import BOT_SECRETS, POST_PORT, ROOT, SECRETS, SMTP_PASSWORD, SMTP_USER
from examples.desk.street import CONTROL
from examples.desk.web import call

STORES = ("cache", "docstore", "mail", "ssh")
"""Neighbours without an HTTP door of their own; the lever moves them."""


@final
class Neighbours:
    """The process of the exchanges and the stores; it ends when its standard input does, so also when this process dies."""

    def __init__(self, store: Path, environ: Mapping[str, str]) -> None:
        self._control = secrets.token_hex(16)
        self._addresses: Mapping[str, str] = {}
        inherited = {name: value for name, value in os.environ.items() if name not in (*SECRETS, *BOT_SECRETS)}
        credentials = {name: environ.get(name, "") for name in SECRETS} | {"MONGO_URL": environ.get("MONGO_URL", "")}
        post = {name: environ[name] for name in (SMTP_USER, SMTP_PASSWORD, POST_PORT, "OPENAI_API_KEY") if name in environ}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "examples.desk.street", "--store", str(store)],
            cwd=ROOT,
            env={**inherited, **credentials, **post, CONTROL: self._control},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    @property
    def addresses(self) -> Mapping[str, str]:
        """Where everything listens; waits until it does. DeskError if it does not come up."""
        if not self._addresses:
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
            if not line:
                raise DeskError(f"the exchanges did not start (exit status {self._process.wait(5)})", hint="see the lines above")
            self._addresses = jsontext.loads(line)
        return self._addresses

    def steer(self, venue: str, **wish: object) -> None:
        """Pull the drill's lever at an exchange, or at a store; DeskError if it does not move."""
        url, target = (self.addresses["lever"], f"/{venue}") if venue in STORES else (self.addresses[venue], "/control")
        status, told = call(url, "POST", target, body=jsontext.dumps(wish).encode(), headers={"X-Control": self._control})
        if status != 200:
            raise DeskError(f"{venue} cannot be steered: {told}")

    def close(self) -> None:
        """Let the child end; by force after two seconds."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
