"""Is a service really running: who owns its port, since when, is it the same process a moment later, what does its log say?"""

from __future__ import annotations

import os
import re
import subprocess
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from behaviours.bot_calls import administrator, documents_of

MOMENT = 0.5
"""Seconds between the two looks; a service that is restarted again and again has another process by then."""
_LISTENING = "0A"
_SCHEDULED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+Z \w+ reinvestment by schedule: (\d+) allocations")
_DATED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+Z ([A-Z]+) ")


def listener(address: str, home: str) -> dict[str, Any]:
    """Facts on the process that listens where `address` says (a URL, or host and port), seen twice."""
    port = int(urlsplit(address if "//" in address else f"//{address}").port or 0)
    first = _owners(port)
    time.sleep(MOMENT)
    second = _owners(port)
    desk = int(Path(home, "desk.pid").read_text(encoding="ascii"))
    told: dict[str, Any] = {"port": port, "owners": len(second), "same_a_moment_later": bool(first) and first == second}
    if len(second) == 1:
        told |= _process(second[0], desk)
    return told


def recent_lines(home: str, name: str, last: int) -> dict[str, Any]:
    """Facts on the last lines of a log since the desk started: how many, and which of them tell of an error."""
    started = _started(int(Path(home, "desk.pid").read_text(encoding="ascii")))
    lines, dated = [], False
    current = Path(home, "logs", name)
    # what was put aside when the log was full belongs to it: name.1 is younger than name.2
    aside = sorted(current.parent.glob(f"{name}.[0-9]*"), key=lambda path: -int(path.suffix[1:]))
    written = [line for path in (*aside, current) for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    for line in written:
        match = _DATED.match(line)
        if match:
            dated = datetime.fromisoformat(match[1]).replace(tzinfo=UTC).timestamp() >= started - 1
        if dated:
            lines.append(line)
    looked = lines[-last:]
    bad = [line for line in looked if re.search(r"Z (ERROR|CRITICAL|FATAL) |^Traceback|\b(emerg|crit)\b", line)]
    return {"lines": len(looked), "errors": len(bad), "first_errors": [line[:160] for line in bad[:5]]}


def error_rate(api: str) -> dict[str, Any]:
    """Facts on all requests since the desk started, and those that it failed at while nothing was broken on purpose."""
    from behaviours.bot_upkeep import samples

    found = samples(api)
    requests = sum((value for name, _, value in found if name == "bots_http_requests_total"), Decimal(0))
    failed = [value for name, labels, value in found if name == "bots_http_errors_total" and 'drill="false"' in labels]
    told: dict[str, Any] = {"requests": requests, "series": len(failed)}
    if requests and len(failed) == 1:
        told |= {"failed": failed[0], "rate": (failed[0] / requests).quantize(Decimal("0.000001"))}
    return told


def trading_since_release(api: str, home: str) -> dict[str, Any]:
    """Facts on fills since the commit that runs was made, and on bots that are running."""
    moment = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=home, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=10
    ).stdout
    released = datetime.fromtimestamp(int(moment), UTC)
    with documents_of(home) as books:
        fills = [row["at"].replace(tzinfo=UTC) for row in books["fills_ledger"].find({}, {"at": 1})]
        running = books["bots"].count_documents({"status": "running"})
    rates = _rates(api)
    return {
        "released": released.isoformat(),
        "fills": len(fills),
        "since_release": sum(at >= released for at in fills),
        "running_bots": running,
        "fills_in_series": rates,
        "series_equals_ledger": rates == len(fills),
        "in_the_future": sum(at > datetime.now(UTC) for at in fills),
    }


def reinvestment_run(api: str, home: str) -> dict[str, Any]:
    """Facts on the last scheduled reinvestment; what was not due yet since the desk is up is not told."""
    status = administrator(api, home).get("/api/admin/reinvest/status").body
    next_run = datetime.fromisoformat(status["next_run"])
    told: dict[str, Any] = {"running": status["running"], "seconds_until_next_run": status["seconds_until_next_run"]}
    started = _started(int(Path(home, "desk.pid").read_text(encoding="ascii")))
    last_due = next_run.timestamp() - 86_400
    lines = Path(home, "logs", "system.log").read_text(encoding="utf-8", errors="replace").splitlines()
    runs = [match for match in map(_SCHEDULED.match, lines) if match]
    times = [datetime.fromisoformat(match[1]).replace(tzinfo=UTC) for match in runs]
    if times and times[-1].timestamp() >= last_due - 1:
        with documents_of(home) as books:
            events = list(books["ledger_events"].find({"kind": "allocation", "by": "schedule"}, {"at": 1}))
        kept = [event for event in events if abs((event["at"].replace(tzinfo=UTC) - times[-1]).total_seconds()) < 5]
        told["scheduled"] = {
            "ran": True,
            "seconds_after_due": Decimal(f"{times[-1].timestamp() - last_due:.0f}"),
            "promised": int(runs[-1][2]),
            "recorded": len(kept),
            "promised_and_recorded_agree": int(runs[-1][2]) == len(kept),
        }
    elif last_due > started:
        told["scheduled"] = {"ran": False}
    return told


def breaker_reviews(home: str) -> dict[str, Any]:
    """Facts on the trips of the last 24 hours and who reviewed them; a trip that was reset with a reason was looked at."""
    since = datetime.now(UTC).timestamp() - 86_400
    with documents_of(home) as books:
        rows = [
            row
            for row in books["circuit_breaker_state"].find({}, {"_id": 0})
            if row["at"].replace(tzinfo=UTC).timestamp() > since
        ]
    unreviewed = [row["bot"] for row in rows if not row.get("reset_by") or not str(row.get("reset_reason", "")).strip()]
    return {"looked_at": len(rows), "unreviewed": unreviewed, "reviewed": len(rows) - len(unreviewed)}


def resources(api: str, home: str) -> dict[str, Any]:
    """Facts on processor, memory and disk: the desk's own figures beside those of the kernel."""
    from behaviours.bot_upkeep import samples

    values = {name: value for name, _, value in samples(api)}
    pid = int(Path(home, "desk.pid").read_text(encoding="ascii"))
    seconds = Decimal(f"{time.time() - _started(pid):.1f}")
    used = sum(map(int, Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[11:13]))
    cpu = Decimal(used) / os.sysconf("SC_CLK_TCK")
    resident = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    told = values["process_resident_memory_bytes"]
    return {
        "up_seconds": seconds,
        "processor_share": (cpu / seconds).quantize(Decimal("0.001")),
        "memory_bytes": resident,
        "memory_differs": (abs(told - resident) / resident).quantize(Decimal("0.01")),
        "disk_free_share": (values["desk_disk_free_bytes"] / values["desk_disk_total_bytes"]).quantize(Decimal("0.001")),
    }


def _rates(api: str) -> Decimal:
    from behaviours.bot_upkeep import samples

    found = [value for name, _, value in samples(api) if name == "bots_fills_total"]
    return sum(found, Decimal(0)) if found else Decimal(-1)


def _owners(port: int) -> list[int]:
    """The processes that hold a listening socket on this port of this machine."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if words[3] == _LISTENING and int(words[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{words[9]}]")
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and inodes & _sockets(entry):
            found.add(int(entry.name))
    return sorted(found)


def _sockets(process: Path) -> set[str]:
    try:
        return {os.readlink(entry) for entry in (process / "fd").iterdir()}
    except OSError:
        return set()


def _process(pid: int, desk: int) -> dict[str, Any]:
    words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    modules = re.findall(r"-m (\S+)", command)
    return {
        "module": modules[0] if modules else "",
        "state": words[0],
        "up_seconds": Decimal(f"{time.time() - _started(pid):.1f}"),
        "is_recorded": pid == desk,
        "child_of_recorded": int(words[1]) == desk,
    }


def _started(pid: int) -> float:
    """When a process began, in seconds since 1970."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19])
    booted = next(
        int(line.split()[1]) for line in Path("/proc/stat").read_text(encoding="ascii").splitlines() if line[:5] == "btime"
    )
    return booted + ticks / os.sysconf("SC_CLK_TCK")
