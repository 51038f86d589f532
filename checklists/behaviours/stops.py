"""Do the three ways to stop trading stop it? Tried for real, on the desk itself or on a second one in a folder of its own."""

from __future__ import annotations

import os
import re
import secrets
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from behaviours.ask import environment_of, get, post, signed, until
from behaviours.scratch import Desk, desk, restarted

STARTS = r"self_heal|examples\.desk|systemctl (?:re)?start"
"""What a job is called that would start the desk again."""

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
    """Facts on a second desk that trades for real, and is started again in dry-run mode with its marker still in place."""
    with desk(checkout, home) as second:
        second.activate()
        key, order = second.order()
        before = {"state": order["state"], "at_exchange": second.at_exchange(key)}
        with restarted(second, checkout, DRY_RUN_MODE="true") as third:
            mode = get(f"{third.api}/mode").body["mode"]
            key, order = third.order()
            return {
                "before": before,
                "mode": mode,
                "marker": third.marker.exists(),
                "order": {"state": order["state"], "reason": order["reason"]},
                "status_at_exchange": third.at_exchange(key),
            }


def kill_process(checkout: str, home: str) -> dict[str, Any]:
    """Facts on the pid and the jobs of the desk itself, and on a second, live one that is killed by its recorded pid."""
    own = int(Path(home, "desk.pid").read_text(encoding="ascii"))
    crontab = [line.strip() for line in Path(home, "crontab").read_text(encoding="utf-8").splitlines()]
    jobs = [line for line in crontab if line and not line.startswith("#")]
    itself = {
        "pid_is_the_desk": b"examples.desk" in Path(f"/proc/{own}/cmdline").read_bytes(),
        "jobs": len(jobs),
        "jobs_that_start_it": [line for line in jobs if re.search(STARTS, line)],
    }
    with desk(checkout, home) as second:
        second.activate()
        _, first = second.order()
        recorded = int(Path(second.home, "desk.pid").read_text(encoding="ascii"))
        command = Path(f"/proc/{recorded}/cmdline").read_bytes()
        os.kill(recorded, signal.SIGKILL)
        gone = until(lambda: second.process.poll() is not None and not _answers(second), 10)
        came_back = until(lambda: _answers(second), 2)
        return {
            "itself": itself,
            "before": first["state"],
            "pid_is_the_desk": recorded == second.process.pid and b"examples.desk" in command,
            "gone": gone,
            "restarted": came_back,
            "order_after": _order_after(second),
        }


def _order_after(second: Desk) -> str:
    try:
        return str(second.order()[1]["state"])
    except OSError:
        return "refused"


def _answers(second: Desk) -> bool:
    try:
        return get(f"{second.api}/mode").status == 200
    except OSError:
        return False
