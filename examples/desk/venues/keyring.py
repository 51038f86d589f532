"""The keys of a venue: what each may do, and whether a call was really signed with it, is fresh, and was not made before."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from collections.abc import Callable
from typing import final

from examples.desk.web import Refused, Request

READ, TRADE, WITHDRAW = "read", "trade", "withdraw"
PERMISSIONS = (READ, TRADE, WITHDRAW)
WINDOW = 5.0
"""Seconds by which a signed request may be old."""


def signature(secret: str, timestamp: str, nonce: str, method: str, target: str, body: bytes) -> str:
    """The hexadecimal HMAC-SHA256 that a private call of the generic API carries."""
    text = f"{timestamp}\n{nonce}\n{method}\n{target}\n".encode() + body
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


@final
class Keyring:
    """The one key of a venue; a drill changes what it may do, or closes the door for it."""

    def __init__(self, key: str, secret: str) -> None:
        self.secret = secret
        self.permissions: frozenset[str] = frozenset({READ, TRADE})
        self.strange = ""
        """A permission that nobody has heard of, as venues add one from time to time."""
        self.open = True
        self._key = key
        self._lock = threading.Lock()
        self._used: dict[str, float] = {}

    def admit(self, key: str, once: str | None, need: str, *, signed: Callable[[], bool]) -> None:
        """Let a call in; Refused 401 if it is not proven, was made before, or the key is shut out, 403 if it may not do this.

        `once` must differ from call to call; None is for venues that know no nonce, only time stamps. `need` is a permission, or
        empty for a call that every key may make.
        """
        known = bool(self._key and self.secret) and hmac.compare_digest(key.encode(), self._key.encode())
        if not known or not signed():
            raise Refused(401, "unauthorized: unknown key or wrong signature")
        if once is not None:
            self._use_up(once)
        if not self.open:
            raise Refused(401, "unauthorized: authentication is closed")
        if need and need not in self.permissions:
            raise Refused(403, f"this key may not {need}")

    def _use_up(self, once: str) -> None:
        with self._lock:
            now = time.monotonic()
            self._used = {used: at for used, at in self._used.items() if at > now - 2 * WINDOW}
            if not once or once in self._used:
                raise Refused(401, "unauthorized: the nonce was used before")
            self._used[once] = now

    def admit_generic(self, request: Request, need: str) -> None:
        """Let a call of the generic API in."""
        headers = request.headers
        stamp, nonce = headers.get("x-timestamp", ""), headers.get("x-nonce", "")
        right = signature(self.secret, stamp, nonce, request.method, request.target, request.body)
        self.admit(
            headers.get("x-key", ""),
            nonce,
            need,
            signed=lambda: same(right, headers.get("x-signature", "")) and fresh(stamp),
        )


def same(right: str, told: str) -> bool:
    """Whether two signatures are the same, told in a time that gives nothing away."""
    return hmac.compare_digest(right.encode(), told.encode())


def fresh(milliseconds: str) -> bool:
    """Whether a time stamp is within the window; Refused 401 if not, as that is worth its own sentence."""
    if not (milliseconds.isascii() and milliseconds.isdecimal()) or not abs(time.time() - int(milliseconds) / 1000) < WINDOW:
        raise Refused(401, "unauthorized: the time stamp is out of the window")
    return True
