"""Asking a target over HTTP, with the standard library alone, so that a check starts at once."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

SECONDS = 5
PLACEHOLDERS = ("changeme", "change-me", "your-", "xxx", "todo", "test", "example", "placeholder", "<")


@dataclass(frozen=True)
class Answer:
    """A status and a JSON body; the body is empty where there was none."""

    status: int
    body: Mapping[str, Any]


def ask(method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
    """One call; an HTTP error is an answer like any other, a broken connection is raised."""
    content = None if body is None else (body if isinstance(body, bytes) else json.dumps(body).encode())
    sent = {"Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(url, data=content, method=method, headers=sent)  # noqa: S310 - the list names the address
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=SECONDS) as response:
            return Answer(response.status, _parsed(response.read()))
    except urllib.error.HTTPError as error:
        return Answer(error.code, _parsed(error.read()))


def get(url: str) -> Answer:
    """What the target tells at `url`."""
    return ask("GET", url)


def post(url: str, body: Mapping[str, Any]) -> Answer:
    """What the target answers to `body`."""
    return ask("POST", url, body)


def until(wanted: Callable[[], bool], seconds: float) -> bool:
    """Whether it came true within `seconds`."""
    end = time.monotonic() + seconds
    while not wanted():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def signed(url: str, target: str, key: str, secret: str) -> Answer:
    """A read-only call that an exchange accepts only with the right key and secret."""
    stamp, nonce = str(time.time_ns() // 1_000_000), secrets.token_hex(8)
    text = f"{stamp}\n{nonce}\nGET\n{target}\n".encode()
    mark = hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
    return ask("GET", url + target, headers={"X-Key": key, "X-Timestamp": stamp, "X-Nonce": nonce, "X-Signature": mark})


def environment_of(pid_file: str) -> Mapping[str, str]:
    """The environment of the process whose pid stands in `pid_file`: what the process that trades was started with."""
    pid = int(Path(pid_file).read_text(encoding="ascii").strip())
    raw = Path(f"/proc/{pid}/environ").read_bytes()
    pairs = (entry.partition(b"=") for entry in raw.split(b"\0") if entry)
    return {name.decode(): value.decode("utf-8", "replace") for name, _, value in pairs}


def looks_like_a_placeholder(value: str) -> bool:
    """Whether somebody forgot to fill this in."""
    lowered = value.lower()
    return any(lowered.startswith(word) for word in PLACEHOLDERS) or len(set(value)) < 4


def _parsed(content: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(content, parse_float=Decimal)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {"list": value}
