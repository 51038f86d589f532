"""Signed calls to the exchange that change nothing, for whoever has to look: balances, trades, and whether the key is known."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import secrets
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SECONDS = 5.0


class KrakenError(Exception):
    """The exchange did not answer, or did not accept the call; `credentials` if it was the key that it refused."""

    def __init__(self, message: str, *, credentials: bool = False) -> None:
        super().__init__(message)
        self.credentials = credentials


def signature(secret: str, stamp: str, nonce: str, target: str) -> str:
    """What a private GET carries to show that its sender has the secret."""
    return hmac.new(secret.encode(), f"{stamp}\n{nonce}\nGET\n{target}\n".encode(), hashlib.sha256).hexdigest()


class KrakenClient:
    """The exchange under one key."""

    def __init__(self, url: str, key: str, secret: str) -> None:
        self._address = urlsplit(url).netloc
        self._key = key
        self._secret = secret

    def balances(self, account: str) -> Mapping[str, Decimal]:
        """What the exchange holds for an account, by asset."""
        found = self._get(f"/account/{account}")["balances"]
        return {asset: Decimal(amount) for asset, amount in found.items()}

    def trades(self, account: str) -> list[dict[str, Any]]:
        """What the account traded there, the latest first."""
        found: list[dict[str, Any]] = self._get(f"/account/{account}/trades")["trades"]
        return found

    def _get(self, target: str) -> Mapping[str, Any]:
        if not self._key or not self._secret:
            raise KrakenError("no key and secret in the environment", credentials=True)
        stamp, nonce = str(time.time_ns() // 1_000_000), secrets.token_hex(8)
        headers = {
            "X-Key": self._key,
            "X-Timestamp": stamp,
            "X-Nonce": nonce,
            "X-Signature": signature(self._secret, stamp, nonce, target),
        }
        connection = http.client.HTTPConnection(self._address, timeout=SECONDS)
        try:
            connection.request("GET", target, headers=headers)
            answer = connection.getresponse()
            told = json.loads(answer.read(), parse_float=Decimal)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise KrakenError(f"the exchange cannot be asked: {type(error).__name__}") from error
        finally:
            connection.close()
        if answer.status != 200 or not isinstance(told, dict) or told.get("error"):
            reason = told.get("error", "") if isinstance(told, dict) else ""
            raise KrakenError(f"refused with {answer.status}: {reason}", credentials=answer.status in (401, 403))
        return told


def environment_of(pid_file: Path) -> Mapping[str, str]:
    """The environment of the process that trades, so that the keys are looked at where they are used and stand nowhere else."""
    pid = int(pid_file.read_text(encoding="ascii").strip())
    raw = Path(f"/proc/{pid}/environ").read_bytes()
    pairs = (entry.partition(b"=") for entry in raw.split(b"\0") if entry)
    return {name.decode(): value.decode("utf-8", "replace") for name, _, value in pairs}
