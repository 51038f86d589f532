"""Does the running desk go by what its .env says? File, environment of the process and API are read apart and compared."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from behaviours.ask import ask, environment_of
from behaviours.bot_calls import caller


def held_against_file(api: str, home: str, user: str, env_file: str) -> dict[str, Any]:
    """Facts on each limit that the API tells: whether file and process say the same, once and as a number."""
    answer = caller(api, home, user, "user").get("/api/limits/config")
    served = answer.body["limits"]
    lines = [line.partition("=") for line in Path(env_file).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    counts = Counter(name for name, sign, _ in lines if sign)
    told = {name: value for name, _, value in lines}
    process = environment_of(f"{home}/desk.pid")
    return {
        "status": answer.status,
        "stranger": ask("GET", f"{api}/api/limits/config").status,
        "limits": len(served),
        "not_in_file": sorted(name for name in served if counts[name] != 1),
        "unlike_file": sorted(name for name, value in served.items() if name in told and _number(told[name]) != value),
        "not_in_process": sorted(name for name in served if name not in process),
        "unlike_process": sorted(name for name, value in served.items() if name in process and _number(process[name]) != value),
        "bot_over_user": served["MAX_TRADES_PER_BOT_DAILY"] - served["MAX_TRADES_PER_USER_DAILY"],
        "loss_over_drawdown": served["MAX_DAILY_LOSS_PERCENT"] - served["MAX_DRAWDOWN_PERCENT"],
    }


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
