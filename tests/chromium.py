"""A headless Chromium, spoken to over two pipes in its own protocol, and the tabs that tests open in it.

A hundred lines of our own instead of a driver: a driver speaks the same protocol, brings a browser of its own or asks for one,
and could not look into a page whose content policy forbids scripts any better than this.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)


class Chromium:
    """A headless browser that is spoken to over two pipes, in its own debugging protocol."""

    def __init__(self, program: str, profile: Path) -> None:
        down_read, self._down = os.pipe()
        self._up, up_write = os.pipe()
        # the browser reads commands from descriptor 3 and answers on descriptor 4
        shell = f'exec "$@" 3<&{down_read} 4>&{up_write}'
        self._process = subprocess.Popen(
            ["bash", "-c", shell, "bash", program, *FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(down_read, up_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(down_read)
        os.close(up_write)
        self._numbers = itertools.count(1)
        self._buffer = b""
        self._ready = selectors.DefaultSelector()
        self._ready.register(self._up, selectors.EVENT_READ)
        self.events: list[dict[str, Any]] = []

    def close(self) -> None:
        """End the browser and everything that it started."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=20)
        self._ready.close()
        os.close(self._down)
        os.close(self._up)

    def _message(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not self._ready.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError("the browser did not answer in time")
            chunk = os.read(self._up, 1 << 20)
            if not chunk:
                raise ConnectionError("the browser has gone away")
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        decoded: dict[str, Any] = json.loads(message)
        return decoded

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """The result of one command; events that come meanwhile are kept."""
        number = next(self._numbers)
        command = {"id": number, "method": method, "params": params, **({"sessionId": session} if session else {})}
        text = json.dumps(command).encode() + b"\0"
        while text:
            text = text[os.write(self._down, text) :]
        deadline = time.monotonic() + 60
        while (message := self._message(deadline)).get("id") != number:
            self.events.append(message)
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']}")
        result: dict[str, Any] = message["result"]
        return result

    def wait(self, session: str, method: str) -> None:
        """Wait until an event of this name has come from the tab."""
        deadline = time.monotonic() + 60
        while not any(event.get("sessionId") == session and event["method"] == method for event in self.events):
            self.events.append(self._message(deadline))


class Tab:
    """One page, a file or an address, opened at a given size and in a given colour scheme."""

    def __init__(
        self,
        browser: Chromium,
        path: Path | str,
        *,
        width: int = 1280,
        height: int = 900,
        dark: bool = False,
        fragment: str = "",
        scripts: bool = True,
    ) -> None:
        self._browser = browser
        self._target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call("Network.enable")
        self.call("Runtime.enable")
        self.call("Log.enable")
        if not scripts:
            self.call("Emulation.setScriptExecutionDisabled", value=True)
        self.view(width=width, height=height, dark=dark)
        self.call("Page.navigate", url=(path if isinstance(path, str) else path.as_uri()) + fragment)
        browser.wait(self.session, "Page.loadEventFired")

    def view(self, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Show the page at another size or in another colour scheme."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        scheme = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of one command to this tab."""
        return self._browser.call(method, self.session, **params)

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression, which the debugger may run although the page itself may not."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def pdf(self) -> bytes:
        """The page as it is printed on A4, without backgrounds."""
        return base64.b64decode(self.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=False)["data"])

    @property
    def requests(self) -> list[str]:
        """The addresses that the page has asked for, but for what it carries itself."""
        urls = [event["params"]["request"]["url"] for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return [url for url in urls if not url.startswith("data:")]

    @property
    def complaints(self) -> list[dict[str, Any]]:
        """What the browser held against the page: broken scripts, and whatever its content policy forbade."""
        return [event["params"] for event in self.events if event["method"] in ("Runtime.exceptionThrown", "Log.entryAdded")]

    def close(self) -> None:
        """Close the tab, and forget what it told."""
        self._browser.call("Target.closeTarget", targetId=self._target)
        self._browser.events = [event for event in self._browser.events if event.get("sessionId") != self.session]

    @property
    def events(self) -> list[dict[str, Any]]:
        """What this tab has told so far."""
        return [event for event in self._browser.events if event.get("sessionId") == self.session]


@contextmanager
def chromium(profile: Path) -> Iterator[Chromium]:
    """A browser that is ended with the block; the test is skipped where none is installed."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"none of {', '.join(NAMES)} is installed")
    browser = Chromium(program, profile)
    try:
        yield browser
    finally:
        browser.close()
