"""What a call of the guard costs, beside the calls that a service would write instead; prints JSON.

The marker is a real one, signed by a key that the guard trusts; a stop file and a mode switch are asked for as well. The
arguments are the number of paced calls of each measurement, and how often it is made.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pytest_golive.guard import Guard, kernel
from pytest_golive.guard.marker import Marker, render
from pytest_golive.signing.keys import session_key

LOOPS = 15
CALLS = 10_000
Call = Callable[[], object]


def nanoseconds(call: Call) -> float:
    """The mean of one loop of calls."""
    began = time.perf_counter_ns()
    for _ in range(CALLS):
        call()
    return (time.perf_counter_ns() - began) / CALLS


def paced(call: Call, threads: int, calls: int) -> list[float]:
    """Microseconds of each of `calls` calls, about one a millisecond, beside so many threads that do nothing but compute."""
    stop = False

    def compute() -> None:
        number = 1
        while not stop:
            number = number * 48271 % 2147483647

    beside = [threading.Thread(target=compute, daemon=True) for _ in range(threads)]
    for thread in beside:
        thread.start()
    seen: list[float] = []
    for _ in range(calls):
        time.sleep(0.001)
        began = time.perf_counter_ns()
        call()
        seen.append((time.perf_counter_ns() - began) / 1000)
    stop = True
    for thread in beside:
        thread.join()
    return sorted(seen)


def main(calls: int, rounds: int) -> None:
    """Measure everything in a folder that is thrown away."""
    with tempfile.TemporaryDirectory(prefix="golive-bench-") as name:
        folder = Path(name)
        os.chdir(folder)
        signer = session_key(folder / "key" / "session.key")
        now = datetime.now(UTC)
        marker = Marker(
            timestamp=now,
            operator="benchmark",
            environment="production",
            allowed_profiles=("micro",),
            activation_id="0" * 32,
            counter=1,
            not_before=now,
            expires=now + timedelta(hours=1),
        )
        path = folder / "go_live.active"
        path.write_bytes(render(marker, signer))
        os.environ["TRADING_MODE"] = "live"
        bare = Guard(path, environment="production", keys=[signer.public], state=folder / "bare.state")
        guard = Guard(
            path,
            environment="production",
            keys=[signer.public],
            state=folder / "guard.state",
            stop_files=[folder / "EMERGENCY_STOP"],
            switches={"TRADING_MODE": "live"},
        )
        # what the guard does where the kernel announces nothing: another system, or a file system that is not known to be local
        local, kernel.LOCAL = kernel.LOCAL, frozenset()
        named = Guard(
            path,
            environment="production",
            keys=[signer.public],
            state=folder / "named.state",
            stop_files=[folder / "EMERGENCY_STOP"],
            switches={"TRADING_MODE": "live"},
        )
        asked = named.allows()
        kernel.LOCAL = local
        if not asked or named.watched or not guard.allows() or not bare.allows():
            raise SystemExit(f"the guard does not allow: {guard.allows().reason}")
        text, kept = str(path), Path("go_live.active")
        contenders: dict[str, Call] = {
            "guard.allows": guard.allows,
            "guard.allows, no stop file, no switch": bare.allows,
            "guard.allows, every path by name": named.allows,
            "os.stat": lambda: os.stat(text),
            "Path.exists, made each time": lambda: Path("go_live.active").exists(),
            "Path.exists, kept": kept.exists,
        }
        quiet: dict[str, list[float]] = {contender: [] for contender in contenders}
        for _ in range(LOOPS):
            for contender, call in contenders.items():
                quiet[contender].append(nanoseconds(call))
        beside: dict[str, Call] = {"nothing": lambda: None, "guard.allows": guard.allows, "os.stat": contenders["os.stat"]}
        busy: dict[str, dict[int, list[list[float]]]] = {name: {0: [], 1: [], 2: []} for name in beside}
        for turn in range(rounds):
            for name, call in beside.items():
                # a rival that stalls for milliseconds shows it in one round
                if turn and name == "os.stat":
                    continue
                for threads, seen in busy[name].items():
                    seen.append(paced(call, threads, calls))
        if not guard.allows():
            raise SystemExit("the guard stopped allowing while it was measured")
        path.unlink()
        if guard.allows():
            raise SystemExit("the guard allows an order although the marker is gone")
        print(json.dumps({"quiet": quiet, "busy": busy, "watched": guard.watched}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
