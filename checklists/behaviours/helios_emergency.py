"""A key that VALR refuses, and the way back to PAPER: both walked on a second desk, from a live trade to none."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from behaviours.ask import get, post, until
from behaviours.helios_deploy import processes
from behaviours.helios_desk import rows, valr
from behaviours.scratch import Desk, desk, ended

PAIR = "BTCZAR"
REFUSED = "broker-unhealthy:valr"


def drill(checkout: str, home: str) -> dict[str, Any]:
    """Facts on one second desk: it trades live, VALR refuses its key, it goes back to PAPER by .env and a restart."""
    with desk(checkout, home, DESK_FAULTS="allowed", TRADING_MODE="LIVE", ENABLE_PAPER_TRADING="False") as second:
        _without_switches(second)
        second.activate()
        venue = _venue(second.api)
        before = {"mode": get(f"{second.api}/api/mode/current").body["mode"], "trade": _buy(second.api)["state"]}
        before["exits_at_valr"] = len(valr(venue, second.home, "/v1/orders/open"))
        return {"before": before, "revoked": _revoked(second, venue), **_back_to_paper(second, checkout)}


def _without_switches(second: Desk) -> None:
    """The mode stands in .env alone for the restart, as it does on a server."""
    names = [line.partition("=")[0] for line in Path(second.home, ".env").read_text(encoding="utf-8").splitlines()]
    missing = {"TRADING_MODE": "LIVE", "ENABLE_PAPER_TRADING": "False"}.items()
    with Path(second.home, ".env").open("a", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in missing if name not in names)


def _buy(api: str) -> Mapping[str, Any]:
    price = Decimal(get(f"{_venue(api)}/v1/public/{PAIR}/marketsummary").body["lastTradedPrice"])
    wish = {"account": "live", "pair": PAIR, "side": "BUY", "size_zar": "100", "key": f"golive-{secrets.token_hex(8)}"}
    return post(f"{api}/api/trades", {**wish, "stop": f"{price * 95 / 100:.2f}", "target": f"{price * 105 / 100:.2f}"}).body


def _venue(api: str) -> str:
    return str(next(one["url"] for one in get(f"{api}/venues").body["venues"] if one["venue"] == "valr"))


def _revoked(second: Desk, venue: str) -> dict[str, Any]:
    """One more wish while VALR refuses every signature of the key; what became of it is looked at once it does not."""
    known = len(valr(venue, second.home, "/v1/account/tradehistory"))
    orders = "SELECT count(*) AS n FROM helios_orders WHERE account = 'live'"
    count = rows(second.home, orders)[0]["n"]
    switched = post(f"{second.api}/faults", {"name": REFUSED, "on": True}).status
    try:
        told = _buy(second.api)
        alive = get(f"{second.api}/api/version").status == 200 and second.process.poll() is None
    finally:
        post(f"{second.api}/faults", {"name": REFUSED, "on": False})
    return {
        "switched": switched,
        "state": told.get("state"),
        "check": told.get("check"),
        "orders": rows(second.home, orders)[0]["n"] - count,
        "traded_at_valr": len(valr(venue, second.home, "/v1/account/tradehistory")) - known,
        "still_resting": len(valr(venue, second.home, "/v1/orders/open")),
        "alive": alive,
    }


def _back_to_paper(second: Desk, checkout: str) -> dict[str, Any]:
    path = Path(second.home, ".env")
    before = path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "examples.desk.routing.rollback", "paper", second.home],
        cwd=checkout, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=20,
    )  # fmt: skip
    kept = Path(json.loads(done.stdout)["kept"]) if done.returncode == 0 else path
    old, new = _pairs(before.decode()), _pairs(path.read_text(encoding="utf-8"))
    names = [name for name, _ in new]
    was, now = dict(old), dict(new)
    dotenv = {
        "exit": done.returncode,
        "TRADING_MODE": now.get("TRADING_MODE"),
        "ENABLE_PAPER_TRADING": now.get("ENABLE_PAPER_TRADING"),
        "names_before": len(was),
        "lost": sorted(name for name in was if name not in now),
        "changed": sorted(name for name in now if was.get(name) != now[name]),
        "twice": sorted({name for name in names if names.count(name) > 1}),
        "mode": f"{path.stat().st_mode & 0o777:04o}",
        "kept_as_it_was": kept != path and kept.read_bytes() == before,
        "kept_mode": f"{kept.stat().st_mode & 0o777:04o}",
    }
    first = int(Path(second.home, "desk.pid").read_text(encoding="ascii"))
    ended(second.process)
    gone = until(lambda: not Path(f"/proc/{first}").exists() and not Path(second.home, "desk.pid").exists(), 5)
    switches = ("TRADING_MODE", "ENABLE_PAPER_TRADING")
    environ = {name: value for name, value in second.environ.items() if name not in switches}
    process = subprocess.Popen(
        [sys.executable, "-m", "examples.desk", "serve", "--home", second.home, "--tethered"],
        cwd=checkout, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        api = json.loads(process.stdout.readline())["urls"]["api"]
        pids = processes(b"examples.desk", b"serve", os.fsencode(second.home))
        recorded = int(Path(second.home, "desk.pid").read_text(encoding="ascii"))
        restart = {
            "count": len(pids),
            "another_pid": recorded != first,
            "old_is_gone": gone,
            "recorded": pids == [recorded],
            "after_the_change_seconds": Decimal(
                str(round(Path(second.home, "desk.pid").stat().st_mtime - path.stat().st_mtime, 3))
            ),
        }
        return {"dotenv": dotenv, "restart": restart, "after": _after(api, second.home)}
    finally:
        ended(process)


def _after(api: str, home: str) -> dict[str, Any]:
    """What the new desk says of its mode, and what it makes of a wish for real money."""
    venue = _venue(api)
    known = len(valr(venue, home, "/v1/account/tradehistory"))
    mode, told = get(f"{api}/api/mode/current"), _buy(api)
    return {
        "status": mode.status,
        **{name: mode.body.get(name) for name in ("mode", "agreed", "client")},
        "trade": {"state": told.get("state"), "check": told.get("check")},
        "traded_at_valr": len(valr(venue, home, "/v1/account/tradehistory")) - known,
    }


def _pairs(text: str) -> list[tuple[str, str]]:
    lines = (line.partition("=") for line in text.splitlines() if line[:1] != "#")
    return [(name, value) for name, mark, value in lines if mark]
