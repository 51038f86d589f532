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

from behaviours.bot_calls import administrator, documents_of, rows

MOMENT = 0.5
"""Seconds between the two looks; a service that is restarted again and again has another process by then."""
_LISTENING = "0A"
_SCHEDULED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+Z \w+ reinvestment by schedule: (\d+) allocations")
_PAUSED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+Z WARNING (\S+) is paused: circuit breaker")
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


def recent_lines(home: str, name: str, last: int, hours: int = 0) -> dict[str, Any]:
    """Facts on the last lines of a log since the desk started, or of so many hours: how many, and which tell of an error."""
    started = time.time() - 3600 * hours if hours else _started(int(Path(home, "desk.pid").read_text(encoding="ascii")))
    lines, dated = [], False
    for line in _written(home, name):
        match = _DATED.match(line)
        if match:
            dated = datetime.fromisoformat(match[1]).replace(tzinfo=UTC).timestamp() >= started - 1
        if dated:
            lines.append(line)
    looked = lines[-last:]
    bad = [line for line in looked if re.search(r"Z (ERROR|CRITICAL|FATAL) |^Traceback|\b(emerg|crit)\b", line)]
    return {"lines": len(looked), "errors": len(bad), "first_errors": [line[:160] for line in bad[:5]]}


def _written(home: str, name: str) -> list[str]:
    """Every line of a log; what was put aside when it was full belongs to it, name.1 being younger than name.2."""
    current = Path(home, "logs", name)
    aside = sorted(current.parent.glob(f"{name}.[0-9]*"), key=lambda path: -int(path.suffix[1:]))
    return [line for path in (*aside, current) for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]


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
    last_due, threshold = next_run.timestamp() - 86_400, status["settings"]["REINVEST_THRESHOLD"]
    runs = [match for match in map(_SCHEDULED.match, _written(home, "system.log")) if match]
    times = [datetime.fromisoformat(match[1]).replace(tzinfo=UTC) for match in runs]
    if times and times[-1].timestamp() >= last_due - 1:
        with documents_of(home) as books:
            events = rows(books, "ledger_events", kind="allocation")
            trades = rows(books, "trades")
            users = [row["name"] for row in rows(books, "users") if row["role"] == "user"]
        kept = [one for one in events if one["by"] == "schedule" and abs((one["at"] - times[-1]).total_seconds()) < 5]
        told["scheduled"] = {
            "ran": True,
            "seconds_after_due": Decimal(f"{times[-1].timestamp() - last_due:.0f}"),
            "promised": int(runs[-1][2]),
            "recorded": len(kept),
            "promised_and_recorded_agree": int(runs[-1][2]) == len(kept),
            "passed_over": [name for name in users if _earned(name, trades, events, times[-1]) >= threshold],
        }
    elif last_due > started:
        told["scheduled"] = {"ran": False}
    return told


def _earned(user: str, trades: list[dict[str, Any]], events: list[dict[str, Any]], at: datetime) -> Decimal:
    """What a user had earned when a cycle ran and nothing of it was given to that user's bots; 0 if something was."""
    given = [one["at"] for one in events if one["user"] == user]
    if any(moment.date() == at.date() for moment in given):
        return Decimal(0)
    since = max((moment for moment in given if moment < at), default=datetime.fromtimestamp(0, UTC))
    return sum((one["profit"] for one in trades if one["user"] == user and since < one["closed_at"] < at), Decimal(0))


def breaker_reviews(home: str) -> dict[str, Any]:
    """Facts on the trips of the last 24 hours and who reviewed them; a trip that was reset with a reason was looked at.

    The log says the same from another side: a bot that was paused by its breaker has a record of that.
    """
    since = datetime.now(UTC).timestamp() - 86_400
    paused = [match for match in map(_PAUSED.match, _written(home, "system.log")) if match]
    logged = {match[2] for match in paused if datetime.fromisoformat(match[1]).replace(tzinfo=UTC).timestamp() > since + 5}
    with documents_of(home) as books:
        there = "circuit_breaker_state" in books.list_collection_names()
        trips = [row for row in rows(books, "circuit_breaker_state") if row["at"].timestamp() > since]
    unreviewed = [row["bot"] for row in trips if not row.get("reset_by") or not str(row.get("reset_reason", "")).strip()]
    return {
        "there": there,
        "looked_at": len(trips),
        "unreviewed": unreviewed,
        "reviewed": len(trips) - len(unreviewed),
        "unrecorded": sorted(logged - {row["bot"] for row in trips}),
    }


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
