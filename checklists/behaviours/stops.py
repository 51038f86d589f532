"""Do the three ways to stop trading stop it? Tried for real, on the desk itself or on a second one in a folder of its own."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from behaviours.ask import environment_of, get, post, signed, until
from behaviours.scratch import Desk, desk

TEXT = "golive drill: the stop file is tried and removed again\n"


def stop_file(api: str, home: str, exchanges: Mapping[str, str]) -> dict[str, Any]:
    """Facts on an order while the stop file is there; somebody else's stop file is left alone, and then nothing is tried."""
    path = Path(home, "EMERGENCY_STOP")
    before = {"stop_present": os.path.lexists(path)}
    if before["stop_present"]:
        return {"before": before}
    try:
        with path.open("x", encoding="ascii") as stream:
            stream.write(TEXT)
        key = f"golive-{secrets.token_hex(8)}"
        answer = post(f"{api}/orders", {"account": "alpha", "symbol": "BTCUSDT", "side": "BUY", "quantity": "0.0001", "key": key})
        seen = get(f"{api}/mode").body["stop_file"]["present"]
        environ = environment_of(f"{home}/desk.pid")
        at_exchange = signed(exchanges["coinbase"], f"/orders/{key}", environ["COINBASE_API_KEY"], environ["COINBASE_API_SECRET"])
    finally:
        if path.is_file() and path.read_text(encoding="ascii", errors="replace") == TEXT:
            path.unlink()
    return {
        "before": before,
        "stopped": {
            "state": answer.body["state"],
            "gate": answer.body["gate"],
            "seen_by_the_desk": seen,
            "status_at_exchange": at_exchange.status,
        },
        "after": {"stop_present": os.path.lexists(path), "seen_by_the_desk": get(f"{api}/mode").body["stop_file"]["present"]},
    }


def dry_run(checkout: str, home: str) -> dict[str, Any]:
    """Facts on a second desk in dry-run mode: its order is simulated and never sent."""
    with desk(checkout, home, DRY_RUN_MODE="true") as second:
        mode = get(f"{second.api}/mode").body["mode"]
        key, order = second.order()
        return {"mode": mode, "order": {"state": order["state"]}, "status_at_exchange": second.at_exchange(key)}


def kill_process(checkout: str, home: str) -> dict[str, Any]:
    """Facts on a second, live desk that is killed by its recorded pid: it is gone, stays gone, and sends nothing more."""
    with desk(checkout, home) as second:
        second.activate()
        _, first = second.order()
        recorded = int(Path(second.home, "desk.pid").read_text(encoding="ascii"))
        command = Path(f"/proc/{recorded}/cmdline").read_bytes()
        os.kill(recorded, signal.SIGKILL)
        gone = until(lambda: second.process.poll() is not None and not _answers(second), 10)
        restarted = until(lambda: _answers(second), 2)
        return {
            "live_before": first["state"] == "filled",
            "pid_is_the_desk": recorded == second.process.pid and b"examples.desk" in command,
            "gone": gone,
            "restarted": restarted,
        }


def _answers(second: Desk) -> bool:
    try:
        return get(f"{second.api}/mode").status == 200
    except OSError:
        return False
