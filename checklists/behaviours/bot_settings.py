"""Does the running desk go by what its .env says? File, environment of the process and API are read apart and compared.

Of what may be secret, or hold a secret, only numbers and yes or no come out.
"""

from __future__ import annotations

import secrets
import socket
from collections import Counter
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from behaviours.ask import ask, environment_of, looks_like_a_placeholder
from behaviours.bot_calls import caller, documents


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


def store_address(home: str, looked_at: str) -> dict[str, Any]:
    """Facts on MONGO_URL as the desk's process has it, but for the value, which may hold a password.

    `looked_at` is where the other items look; what they find in another store would prove nothing.
    """
    told = environment_of(f"{home}/desk.pid").get("MONGO_URL", "")
    try:
        parts = urlsplit(told)
        port = parts.port or 27_017
    except ValueError:
        return {"set": bool(told), "parses": False}
    return {
        "set": bool(told),
        "parses": True,
        "scheme": parts.scheme,
        "host": parts.hostname or "",
        "port": port,
        "database": parts.path.strip("/"),
        "is_where_items_look": (parts.hostname, port) == (urlsplit(looked_at).hostname, urlsplit(looked_at).port or 27_017),
        "placeholder": looks_like_a_placeholder(parts.hostname or "") or bool(set("<>[]{}") & set(told)),
    }


def store_round_trip(home: str) -> dict[str, Any]:
    """Facts on a document of our own, written, read and removed by the address that the desk itself uses."""
    url = environment_of(f"{home}/desk.pid")["MONGO_URL"]
    mark = {"golive_probe": secrets.token_hex(12)}
    with documents(url) as database:
        probe = database["golive_probe"]
        ping = int(database.command("ping")["ok"])
        try:
            probe.insert_one(dict(mark))
            found = len(list(probe.find(mark)))
        finally:
            removed = probe.delete_many(mark).deleted_count
        left = len(list(probe.find(mark)))
        database.drop_collection("golive_probe")
    return {"ping": ping, "database": database.name, "found": found, "removed": removed, "left": left}


def mail_server(home: str) -> dict[str, Any]:
    """Facts on SMTP_HOST and SMTP_PORT as the desk's process has them, and on who greets there."""
    environ = environment_of(f"{home}/desk.pid")
    host, port = environ.get("SMTP_HOST", ""), environ.get("SMTP_PORT", "")
    facts: dict[str, Any] = {"host_set": bool(host), "host": host, "port_set": bool(port), "port_is_number": port.isdecimal()}
    if not (host and port.isdecimal()):
        return facts
    facts["port"] = int(port)
    try:
        with socket.create_connection((host, int(port)), timeout=5) as line:
            line.settimeout(5)
            facts |= {"connected": True, "greeting": line.makefile("rb").readline().decode("ascii", "replace").strip()}
    except OSError as error:
        facts |= {"connected": False, "reason": type(error).__name__}
    return facts


def model_key(home: str, model: str) -> dict[str, Any]:
    """Facts on OPENAI_API_KEY, and on what the provider says to a call with it and to one with another."""
    key = environment_of(f"{home}/desk.pid").get("OPENAI_API_KEY", "")
    facts = {"set": bool(key), "length": len(key), "placeholder": looks_like_a_placeholder(key)}
    answers = [ask("GET", f"{model}/v1/models", headers={"Authorization": f"Bearer {sent}"}) for sent in (key, "sk-" + "0" * 48)]
    models = [row["id"] for row in answers[0].body.get("data", [])]
    return {**facts, "status": answers[0].status, "status_of_another": answers[1].status, "models": models}
