"""The courier: letters to addresses that Apprise knows, delivered side by side by a process that ends when its time is over.

A delivery that hangs cannot be ended in one's own process: Apprise's threads are waited for when an interpreter ends, and a stop
must not wait for an address that drips a byte a second. What the courier is told reaches it by a pipe, as addresses carry tokens.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import NamedTuple

from pytest_golive.errors import MissingExtra

STARTING = 5.0
"""Seconds that the courier's process may need besides, to load Apprise on a busy machine."""

Send = Callable[[str, str, str], bool]
"""Address, title and body to whether it was delivered."""


class Letter(NamedTuple):
    """What goes to one address."""

    address: str
    title: str
    body: str


def deliver(letters: Sequence[Letter], send: Send, within: float) -> dict[int, str]:
    """Why each letter did not arrive, by its number, empty if it did; one that is missing had no answer in time."""
    ends: dict[int, str] = {}

    def post(number: int) -> None:
        try:
            ends[number] = "" if send(*letters[number]) else "it was refused, or could not be reached"
        except Exception as error:  # noqa: BLE001 - whatever a delivery service does, the others are told as well
            ends[number] = f"its delivery ended with {type(error).__name__}"

    threads = [threading.Thread(target=post, args=(number,), daemon=True) for number in range(len(letters))]
    deadline = time.monotonic() + within
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(ends)


def dispatch(letters: Sequence[Letter], within: float) -> Mapping[int, str]:
    """The same, by Apprise in a process of its own, which is killed if it does not end; MissingExtra without Apprise."""
    if find_spec("apprise") is None:
        raise MissingExtra("apprise", "notify")
    asked = json.dumps({"within": within, "letters": letters})
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            input=asked,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=within + STARTING,
            check=False,
        )
        told = json.loads(done.stdout)
        return {int(number): str(why) for number, why in told.items()}
    except subprocess.TimeoutExpired:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        return dict.fromkeys(range(len(letters)), f"the courier failed: {type(error).__name__}")


def _apprise(address: str, title: str, body: str) -> bool:
    import apprise

    post = apprise.Apprise()
    return post.add(address) and bool(post.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT))


def main() -> None:
    """Deliver what standard input asks for, write what became of it, and end without waiting for what still hangs."""
    asked = json.load(sys.stdin)
    import apprise  # noqa: F401 - its loading is not the letters' time

    told = deliver([Letter(*letter) for letter in asked["letters"]], _apprise, asked["within"])
    os.write(1, json.dumps(told).encode())
    os._exit(0)


if __name__ == "__main__":
    main()
