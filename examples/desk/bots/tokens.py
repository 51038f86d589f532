"""Bearer tokens: JSON Web Tokens under HS256 (RFC 7519, RFC 7515), made and read with the standard library.

The algorithm is not taken from the token: what is not HS256 is refused before anything else is looked at.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, final

from examples.desk.errors import DeskError

LIFETIME = timedelta(hours=1)
SHORTEST_SECRET = 32
"""Characters; an HMAC under a short secret can be guessed offline."""

_HEADER = {"alg": "HS256", "typ": "JWT"}


class BadToken(DeskError):
    """A token that is not believed; the message never repeats it."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Who a token speaks for."""

    name: str
    role: str
    expires_at: datetime


def mint(secret: str, *, name: str, role: str, now: datetime, lifetime: timedelta = LIFETIME) -> str:
    """A token for a user; DeskError if the secret is too short to be one."""
    if len(secret) < SHORTEST_SECRET:
        raise DeskError(f"JWT_SECRET has fewer than {SHORTEST_SECRET} characters", hint="openssl rand -hex 32")
    began = int(now.timestamp())
    claims = {"sub": name, "role": role, "iat": began, "exp": began + int(lifetime.total_seconds())}
    text = f"{_packed(_HEADER)}.{_packed(claims)}"
    return f"{text}.{_signature(secret, text)}"


def read(secret: str, token: str, *, now: datetime) -> Bearer:
    """Whom the token names; BadToken if it is not ours, has ended, or is from the future."""
    text, _, mark = token.rpartition(".")
    head, _, body = text.partition(".")
    if len(secret) < SHORTEST_SECRET or not hmac.compare_digest(mark.encode(), _signature(secret, text).encode()):
        raise BadToken("the token was not issued here", hint="log in again")
    header, claims = _unpacked(head), _unpacked(body)
    if header.get("alg") != _HEADER["alg"]:
        raise BadToken("the token is under another algorithm", hint="log in again")
    name, role, began, ends = (claims.get(key) for key in ("sub", "role", "iat", "exp"))
    if not (isinstance(name, str) and isinstance(role, str) and isinstance(began, int) and isinstance(ends, int)):
        raise BadToken("the token lacks a claim", hint="log in again")
    if not began - 5 <= now.timestamp() < ends:
        raise BadToken("the token has ended, or has not begun", hint="log in again; compare the clocks")
    return Bearer(name=name, role=role, expires_at=datetime.fromtimestamp(ends, tz=now.tzinfo))


def signed_here(secret: str, token: str) -> bool:
    """Whether the signature of a token is of this secret; nothing else is looked at."""
    text, _, mark = token.rpartition(".")
    return hmac.compare_digest(mark.encode(), _signature(secret, text).encode())


def claims_of(token: str) -> dict[str, Any]:
    """What a token says, believed or not."""
    return _unpacked(token.split(".")[1] if token.count(".") == 2 else "")


def _packed(value: Any) -> str:
    return _letters(json.dumps(value, separators=(",", ":")).encode())


def _unpacked(text: str) -> dict[str, Any]:
    try:
        value = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        raise BadToken("the token cannot be read", hint="log in again") from None
    return value if isinstance(value, dict) else {}


def _signature(secret: str, text: str) -> str:
    return _letters(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())


def _letters(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
