"""Does the panel show this very server, fresh; are the limits that were set in force; is the process there to be ended?"""

from __future__ import annotations

import os
import re
import urllib.request
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from behaviours.ask import environment_of, get, until
from behaviours.helios_desk import number

LIMITS = ("MAX_POSITION_SIZE_ZAR", "MAX_PORTFOLIO_RISK_PCT", "MAX_DAILY_LOSS_ZAR", "MAX_OPEN_POSITIONS")


def dashboard(api: str, home: str) -> dict[str, Any]:
    """Facts on the page, its button, and its data asked twice; and whether it is the server that it should be."""
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{api}/dashboard.html", timeout=5) as response:
        status, text = response.status, response.read().decode()
    first, second = get(f"{api}/api/dashboard"), {}
    until(lambda: second.update(get(f"{api}/api/dashboard").body) or second["generated_at"] != first.body["generated_at"], 2)
    version, mode = get(f"{api}/api/version").body, get(f"{api}/api/mode/current").body
    pid = int(Path(home, "desk.pid").read_text(encoding="ascii"))
    return {
        "page": {
            "status": status,
            "button": "EMERGENCY STOP" in text and 'data-post="/api/emergency-stop"' in text,
            "data_from": re.findall(r'data-api="([^"]*)"', text),
            "foreign_addresses": [found for found in re.findall(r"https?://[^'\"\s<)]+", text) if not found.startswith(api)],
            "shows_the_instance": version["instance"] in text,
        },
        "data": {
            "status": first.status,
            "generated_at": second.get("generated_at"),
            "advanced_seconds": _between(first.body["generated_at"], second["generated_at"]),
            "refresh_seconds": first.body["refresh_seconds"],
        },
        "server": {
            "same_instance": first.body["instance"] == version["instance"] == mode["instance"],
            "same_mode": first.body["mode"] == mode["mode"],
            "same_commit": bool(version["commit"]) and first.body["commit"] == version["commit"],
            "home_of_the_process": os.path.samefile(os.path.dirname(first.body["pid_file"]), home),
            "listens": _listens(pid, api),
        },
    }


def _between(first: str, second: str) -> Decimal:
    seconds = (datetime.fromisoformat(second) - datetime.fromisoformat(first)).total_seconds()
    return Decimal(f"{seconds:.3f}")


def _listens(pid: int, api: str) -> bool:
    """Whether the port of the address is one that this process has open, as the kernel tells it."""
    port = f"{int(api.rpartition(':')[2]):04X}"
    nodes = {
        fields[9]
        for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
        if (fields := line.split())[1].endswith(f":{port}") and fields[3] == "0A"
    }
    held = (os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd") if entry.is_symlink())
    return any(link == f"socket:[{node}]" for link in held for node in nodes)


def limits(api: str, home: str) -> dict[str, Any]:
    """Facts on the limits as the process was told them and as its gates have them."""
    environ, force = environment_of(f"{home}/desk.pid"), get(f"{api}/api/gates").body["limits"]
    told = {name: number(environ[name]) for name in LIMITS if environ.get(name)}
    return {
        "told": told,
        "in_force": {name: number(force[name]) for name in LIMITS if force.get(name) is not None},
        "differing": [name for name in LIMITS if told.get(name) is None or number(force.get(name)) != told[name]],
    }


def process(home: str) -> dict[str, Any]:
    """Facts on the manual stop: the recorded process is the desk, it lives, and we may signal it (signal 0 changes nothing)."""
    path = Path(home, "desk.pid")
    pid = int(path.read_text(encoding="ascii"))
    try:
        os.kill(pid, 0)
        may = True
    except OSError:
        may = False
    command = Path(f"/proc/{pid}/cmdline")
    words = command.read_bytes().split(b"\0") if command.exists() else []
    return {
        "pid": pid,
        "may_signal": may,
        "is_the_desk": b"examples.desk" in words and b"serve" in words,
        "of_this_home": os.fsencode(home) in words,
    }


def keys(home: str) -> dict[str, Any]:
    """Facts on the lines that switch to live: where each variable stands in .env, and which of them the process has."""
    names = ("TRADING_MODE", "ENABLE_PAPER_TRADING", *LIMITS)
    secret = ("VALR_API_KEY", "VALR_API_SECRET")
    lines = [line.partition("=") for line in Path(home, ".env").read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    environ = environment_of(f"{home}/desk.pid")
    values = {name: value for name, mark, value in lines if mark}
    return {
        "count": {name: sum(one == name for one, mark, _ in lines if mark) for name in names},
        "TRADING_MODE": values.get("TRADING_MODE"),
        "ENABLE_PAPER_TRADING": values.get("ENABLE_PAPER_TRADING"),
        "other_than_the_process": [name for name in names if values.get(name) != environ.get(name)],
        "keys_in_the_process": [name for name in secret if len(environ.get(name, "")) >= 16],
        "malformed": [name for name, mark, _ in lines if name.strip() and not mark],
        "mode": f"{Path(home, '.env').stat().st_mode & 0o777:04o}",
    }
