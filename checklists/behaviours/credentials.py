"""Are the broker's credentials real: set, no placeholders, accepted by the exchange, and is a wrong one refused?"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from behaviours.ask import environment_of, get, looks_like_a_placeholder, signed


def authenticated_call(broker: str, exchanges: Mapping[str, str], home: str, api: str) -> dict[str, Any]:
    """Facts on both variables, on a read-only call with them and with another secret, and the desk's own word; no value."""
    environ = environment_of(f"{home}/desk.pid")
    names = [f"{broker.upper()}_API_KEY", f"{broker.upper()}_API_SECRET"]
    key, secret = (environ.get(name, "") for name in names)
    return {
        "variables": [
            {"name": name, "set": bool(environ.get(name)), "placeholder": looks_like_a_placeholder(environ.get(name, ""))}
            for name in names
        ],
        "call": _accounts(exchanges[broker], broker, api, key, secret),
        "wrong_secret": _accounts(exchanges[broker], broker, api, key, secret[::-1] + "x"),
        "desk": _told(f"{api}/brokers/{broker}/health"),
    }


def _told(url: str) -> dict[str, Any]:
    answer = get(url)
    names = ("state", "reachable", "authenticated", "reason", "checked_at")
    return {"status": answer.status, **{name: answer.body[name] for name in names if name in answer.body}}


def connectivity(broker: str, exchanges: Mapping[str, str], home: str, api: str) -> dict[str, Any]:
    """Facts on the public clock of the exchange and on an authenticated read."""
    environ = environment_of(f"{home}/desk.pid")
    ping = get(f"{exchanges[broker]}/time")
    skew = datetime.fromisoformat(ping.body["time"]) - datetime.fromtimestamp(time.time(), UTC) if ping.status == 200 else None
    told: dict[str, Any] = {"status": ping.status}
    if skew is not None:
        told["clock_skew_seconds"] = Decimal(f"{skew.total_seconds():.3f}")
    key, secret = environ.get(f"{broker.upper()}_API_KEY", ""), environ.get(f"{broker.upper()}_API_SECRET", "")
    return {"ping": told, "call": _accounts(exchanges[broker], broker, api, key, secret)}


def _accounts(exchange: str, broker: str, api: str, key: str, secret: str) -> dict[str, Any]:
    """Reads every account of the desk at this broker from the exchange itself."""
    accounts = [one["account"] for one in get(f"{api}/accounts").body["accounts"] if one["broker"] == broker]
    answers = [signed(exchange, f"/account/{account}", key, secret) for account in accounts]
    statuses = sorted({answer.status for answer in answers})
    read = [answer for answer in answers if answer.status == 200 and answer.body.get("balances")]
    return {"status": statuses[-1] if statuses else 0, "accounts": len(read), "asked": len(accounts)}
