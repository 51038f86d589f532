"""API keys of exchanges, kept so that a copy of the database opens none of them.

They are sealed by AES-256-GCM (NIST SP 800-38D) under a key that lies in the home folder, in a file of its own, and never in the
database. Whose key it is and for which exchange is sealed with it: one moved to another user does not open.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from examples.desk.bots.store import Store, whole
from examples.desk.clock import Clock
from examples.desk.errors import DeskError

_NONCE, _KEY = 12, 32
_LONGEST = 200


@final
class Vault:
    """The collection api_keys, and the file that opens it."""

    def __init__(self, store: Store, path: Path, *, now: Clock) -> None:
        self._store = store
        self._path = path
        self._now = now

    def keep(self, user: str, exchange: str, key: str, secret: str) -> Mapping[str, Any]:
        """Seal a key and its secret; what was kept for this user and exchange before is replaced."""
        if not 8 <= len(key) <= _LONGEST or not 8 <= len(secret) <= _LONGEST:
            raise DeskError(f"a key and its secret have 8 to {_LONGEST} characters", hint="copy both from the exchange")
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE)
        sealed = nonce + AESGCM(self._opener()).encrypt(nonce, f"{key}\n{secret}".encode(), _bound(user, exchange))
        row = {
            "user": user,
            "exchange": exchange,
            "sealed": base64.urlsafe_b64encode(sealed).decode(),
            "created_at": whole(self._now()),
        }
        self._store.remove("api_keys", user=user, exchange=exchange)
        self._store.add("api_keys", row)
        return {name: row[name] for name in ("user", "exchange", "created_at")}

    def open(self, user: str, exchange: str) -> tuple[str, str]:
        """Key and secret; DeskError if there are none, or if they were not sealed here for this user."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        row = self._store.one("api_keys", user=user, exchange=exchange)
        if row is None:
            raise DeskError(f"there is no key of {user} for {exchange}", hint="POST /api/keys")
        sealed = base64.urlsafe_b64decode(row["sealed"])
        try:
            text = AESGCM(self._opener()).decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound(user, exchange))
        except InvalidTag:
            raise DeskError(f"the key of {user} for {exchange} does not open", hint="store it again") from None
        key, _, secret = text.decode().partition("\n")
        return key, secret

    def all_of(self, user: str) -> list[Mapping[str, Any]]:
        """For which exchanges a user has keys; nothing of the keys themselves."""
        rows = self._store.all("api_keys", user=user)
        return [{name: row[name] for name in ("user", "exchange", "created_at")} for row in rows]

    def forget(self, user: str, exchange: str) -> bool:
        """Remove a key; whether there was one."""
        return self._store.remove("api_keys", user=user, exchange=exchange) > 0

    def _opener(self) -> bytes:
        """The key of the vault; made when there is none."""
        try:
            with open(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(os.urandom(_KEY))
        except FileExistsError:
            pass
        content = self._path.read_bytes()
        if len(content) != _KEY:
            raise DeskError(f"{self._path} is no key of {_KEY} bytes", hint="bring it back from where it is kept safe")
        return content


def _bound(user: str, exchange: str) -> bytes:
    return f"{user}\n{exchange}".encode()
