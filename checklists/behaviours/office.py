"""What the office of the desk has written down, and what it should have: read from its files, its ledger and the exchanges."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from behaviours.ask import environment_of, get, signed

_CONTACT = re.compile(r"^\|(?P<cells>[^|\n]+(?:\|[^|\n]+){4})\|$", re.MULTILINE)
_REVIEWED = re.compile(r"Reviewed: (\d{4}-\d\d-\d\d)")
_PLACEHOLDER = re.compile(r"(?i)\b(?:todo|tbd|contact info|your-|example\.com|xxx)|\[[^\]]*\]|<[^>]*>|(\d)\1{5}")
_ENTRY = re.compile(r"- (?P<time>\d\d:\d\d:\d\d) UTC \[(?P<kind>[a-z-]+)\] (?P<text>.+) \((?P<by>[^()]+)\)")
_GAP = 60


def services(api: str, home: str, services: list[str]) -> dict[str, Any]:
    """Facts on every backend service that there should be, and on the process that runs them."""
    told = get(f"{api}/health")
    pid = int(Path(home, "desk.pid").read_text(encoding="ascii"))
    command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    found = {name: get(f"{api}/services/{name}/health") for name in services}
    return {
        "asked": len(found),
        "missing": sorted(set(services) - set(told.body.get("services", {}))),
        "services": [
            {"name": name, "status": one.status, "state": one.body.get("state", ""), "workers": one.body.get("workers", 0)}
            for name, one in found.items()
        ],
        "overall": told.body.get("state", ""),
        "process": {"alive": os.path.exists(f"/proc/{pid}"), "is_the_desk": b"examples.desk" in command},
    }


def contacts(manual: str) -> dict[str, Any]:
    """Facts on the table of emergency contacts in the operator manual, and on the day it was last looked through."""
    text = Path(manual).read_text(encoding="utf-8")
    section = text.split("### Emergency contacts", 1)[1].split("\n## ", 1)[0] if "### Emergency contacts" in text else ""
    rows = [[cell.strip() for cell in match["cells"].split("|")] for match in _CONTACT.finditer(section)]
    people = [dict(zip(("role", "name", "phone", "mail", "within"), row, strict=True)) for row in rows[1:] if "---" not in row[0]]
    reviewed = _REVIEWED.search(section)
    return {
        "contacts": people,
        "placeholders": [match[0] for match in _PLACEHOLDER.finditer(section)],
        **({"reviewed_at": f"{reviewed[1]}T00:00:00+00:00"} if reviewed else {}),
    }


def operational_log(home: str) -> dict[str, Any]:
    """Facts on the operational log: its pages, what stands on that of today, and what was written under each activation."""
    path = Path(home, "records", "operational_log.md")
    if not path.exists():
        return {"exists": False, "folder": path.parent.is_dir()}
    pages: dict[str, list[Mapping[str, str]]] = {}
    day = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            day = line[3:].strip()
            pages[day] = []
        elif match := _ENTRY.fullmatch(line):
            pages[day].append(match.groupdict())
    today = datetime.now(UTC).date().isoformat()
    entries = [entry for page in pages.values() for entry in page]
    with _ledger(home) as ledger:
        traded = ledger.execute(
            "SELECT activation, min(updated_at) FROM orders WHERE environment = 'live' AND state = 'filled' AND activation != ''"
            " AND activation IN (SELECT activation FROM activation_events) GROUP BY activation ORDER BY 2 DESC LIMIT 1"
        ).fetchone()
    told: dict[str, Any] = {
        "exists": True,
        "writable": os.access(path, os.W_OK),
        "days": list(pages),
        "today": [entry["kind"] for entry in pages.get(today, [])],
        "has_today": today in pages,
        "without_person": sum(not entry["by"].strip() for entry in entries),
    }
    if traded:
        told["last_activation"] = {
            "activated": sum(entry["kind"] == "activated" and traded[0] in entry["text"] for entry in entries),
            "first_trade": sum(entry["kind"] == "first-trade" and traded[0] in entry["text"] for entry in entries),
        }
    return told


def before_activation(home: str) -> dict[str, Any]:
    """Facts on the switch in what is deployed, and on a marker that nobody's activation accounts for."""
    done = subprocess.run(
        ["git", "-C", home, "show", "HEAD:golive.yaml"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    marker = Path(home, "go_live.active")
    text = marker.read_text(encoding="utf-8", errors="replace") if marker.is_file() else ""
    named = re.search(r'^activation_id: "?([0-9a-f]+)"?$', text, re.MULTILINE)
    journal = Path(home, "journal.jsonl")
    lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
    activations = [one["detail"]["activation_id"] for one in map(json.loads, lines) if one["event"] == "activated"]
    return {
        "deployed": re.findall(r"^activation_enabled: *(\S+)", done.stdout, re.MULTILINE),
        "marker": os.path.lexists(marker),
        "unaccounted_marker": os.path.lexists(marker) and (named is None or named[1] not in activations),
    }


def dashboard(api: str, title: str) -> dict[str, Any]:
    """Facts on a Grafana dashboard: found by its title, and what each query of each of its panels gives now."""
    from urllib.parse import quote

    found = [one for one in get(f"{api}/grafana/api/search?query={quote(title)}").body["list"] if one["title"] == title]
    if not found:
        return {"found": 0}
    model = get(f"{api}/grafana/api/dashboards/uid/{found[0]['uid']}").body["dashboard"]
    panels = []
    for panel in model["panels"]:
        queries = []
        for target in panel["targets"]:
            answer = get(f"{api}/api/v1/query?query={quote(target['expr'])}").body
            result = answer.get("data", {}).get("result", [])
            queries.append({"query": target["expr"], "status": answer.get("status", ""), "series": len(result)})
        panels.append({"title": panel["title"], "queries": queries})
    return {
        "found": len(found),
        "panels": panels,
        "queries": [query for panel in panels for query in panel["queries"]],
        "golive": [query["query"] for panel in panels if panel["title"] == "GO-LIVE status" for query in panel["queries"]],
        "skips": [query["query"] for panel in panels if panel["title"] == "Order skip events" for query in panel["queries"]],
    }


def exits(api: str, home: str, exchanges: Mapping[str, str]) -> dict[str, Any]:
    """Facts on each open real position: what its own exchange holds, and the stop-loss and take-profit that rest there."""
    environ = environment_of(f"{home}/desk.pid")
    accounts = [one for one in get(f"{api}/accounts").body["accounts"] if one["kind"] == "live"]
    held = [one for one in get(f"{api}/positions").body["positions"] if one["environment"] == "live"]
    positions, unknown = [], []
    for account in accounts:
        name, broker = account["account"], account["broker"]
        key, secret = environ[f"{broker.upper()}_API_KEY"], environ[f"{broker.upper()}_API_SECRET"]
        balances = signed(exchanges[broker], f"/account/{name}", key, secret).body["balances"]
        orders = signed(exchanges[broker], f"/account/{name}/orders", key, secret).body["orders"]
        own = {one["symbol"]: Decimal(str(one["quantity"])) for one in held if one["account"] == name}
        there = {f"{asset}USDT": Decimal(str(amount)) for asset, amount in balances.items() if asset != "USDT" and amount}
        unknown += [f"{name} {symbol}" for symbol in sorted(set(there) - set(own))]
        for symbol, quantity in own.items():
            resting = [one for one in orders if one["symbol"] == symbol and one["side"] == "SELL"]
            positions.append(
                {
                    "account": name,
                    "symbol": symbol,
                    "quantity": quantity,
                    "at_exchange": there.get(symbol, Decimal(0)),
                    "difference": abs(quantity - there.get(symbol, Decimal(0))),
                    "stop_loss": sum(
                        (Decimal(str(one["quantity"])) for one in resting if one["type"] == "stop-loss"), Decimal(0)
                    ),
                    "take_profit": sum(
                        (Decimal(str(one["quantity"])) for one in resting if one["type"] == "take-profit"), Decimal(0)
                    ),
                }
            )
    for one in positions:
        one["protected"] = one["stop_loss"] == one["take_profit"] == one["quantity"]
    return {"accounts": len(accounts), "positions": positions, "unknown_to_the_desk": unknown}


def preflight_today(home: str) -> dict[str, Any]:
    """Facts on the preflight runs of today, and on real orders that were filled before the first that passed."""
    today = datetime.now(UTC).date().isoformat()
    path = Path(home, "records", "preflight.jsonl")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    runs = [run for run in map(json.loads, lines) if "passed" in run and run["at"].startswith(today)]
    good = [run for run in runs if run["exit"] == 0 and run["passed"] == 6]
    with _ledger(home) as ledger:
        first = ledger.execute(
            "SELECT min(created_at) FROM orders WHERE environment = 'live' AND state = 'filled' AND created_at >= ?", (today,)
        ).fetchone()[0]
    told: dict[str, Any] = {"today": len(runs), "passed_today": len(good)}
    if runs:
        told["last"] = {"exit": runs[-1]["exit"], "passed": runs[-1]["passed"], "at": runs[-1]["at"]}
    if good:
        told["first_passed_at"] = good[0]["at"]
        told["orders_before"] = bool(first and first < good[0]["at"])
    return told


def watch(home: str, api: str) -> dict[str, Any]:
    """Facts on the samples that the desk took since it was last activated: emergency stop, permission, and gaps in between.

    A stop of the desk that wrote its line is no gap. A sample that a drill spoilt is told apart by what the desk says now.
    """
    with _ledger(home) as ledger:
        events = ledger.execute("SELECT at, event FROM activation_events WHERE event != 'first-trade' ORDER BY id").fetchall()
    began = max((at for at, event in events if event == "activated"), default="")
    lines = [json.loads(line) for line in Path(home, "records", "samples.jsonl").read_text(encoding="utf-8").splitlines()]
    since = (_moment(began) - timedelta(seconds=_GAP)).isoformat() if began else "9999"
    chosen = [line for line in lines if line["at"] >= since]
    off = [(at, _next(events, at)) for at, event in events if event in ("suspended", "deactivated")]
    samples = [line for line in chosen if line["event"] == "sample"]
    longest, unclean = _gaps(lines, since)
    ess = get(f"{api}/ess").body
    return {
        "activations": sum(event == "activated" for _, event in events),
        "samples": len(samples),
        "ess_active": sum(line["ess"] != "inactive" and not line.get("drill") for line in samples),
        "ess_now": ess["state"],
        "not_permitted": [
            line["at"]
            for line in samples
            if not line["permitted"] and line["at"] >= began and not any(start <= line["at"] <= end for start, end in off)
        ],
        "permitted_now": get(f"{api}/mode").body["guard"]["allowed"],
        "longest_gap_seconds": longest,
        "unclean_ends": unclean,
    }


def monitoring(home: str) -> dict[str, Any]:
    """Facts on the half-hourly monitoring: whether its line is in the crontab, its runs, and the longest time without one."""
    path = Path(home, "records", "monitoring.jsonl")
    runs = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    samples = [json.loads(line) for line in Path(home, "records", "samples.jsonl").read_text(encoding="utf-8").splitlines()]
    begun = max((line["at"] for line in samples if line["event"] == "start"), default="")
    recent = [begun, *(run["at"] for run in runs if run["at"] > begun), datetime.now(UTC).isoformat()] if begun else []
    gaps = [(_moment(later) - _moment(earlier)).total_seconds() for earlier, later in itertools.pairwise(recent)]
    crontab = Path(home, "crontab")
    text = crontab.read_text(encoding="utf-8") if crontab.exists() else ""
    return {
        "scheduled": re.findall(r"^(\S+ \S+ \S+ \S+ \S+) +office +monitoring$", text, re.MULTILINE),
        "runs": len(runs),
        "failed": sum(run["exit"] != 0 for run in runs if run["at"] >= begun),
        "longest_gap_seconds": int(max(gaps, default=10**9)),
        **({"last_run": runs[-1]["at"]} if runs else {}),
    }


def reviews(home: str) -> dict[str, Any]:
    """Facts on each real position of the ledger, open or closed: by when it was reviewed, and with which verdict."""
    with _ledger(home) as ledger:
        opened = ledger.execute(
            "SELECT entry_order_id, opened_at FROM positions WHERE environment = 'live' UNION"
            " SELECT entry_order_id, opened_at FROM trades WHERE environment = 'live'"
        ).fetchall()
        found = {row[0]: row[1:] for row in ledger.execute("SELECT entry_order_id, reviewed_at, verdict FROM reviews")}
    now = datetime.now(UTC)
    due = [(entry, at) for entry, at in opened if entry in found or now - _moment(at) > timedelta(minutes=1)]
    late = [int((_moment(found[entry][0]) - _moment(at)).total_seconds()) for entry, at in due if entry in found]
    return {
        "positions": len(due),
        "unreviewed": sorted(entry for entry, _ in due if entry not in found),
        "slowest_seconds": max(late, default=0),
        "earliest_seconds": min(late, default=0),
        "bad": sorted(entry for entry, _ in due if entry in found and found[entry][1] != "good"),
    }


def anomalies(home: str) -> dict[str, Any]:
    """Facts on anomalies that nobody has looked at, on errors of the log that are not among them, and on the last look."""
    with _ledger(home) as ledger:
        open_ = ledger.execute("SELECT at, source, text FROM anomalies WHERE reviewed_at IS NULL").fetchall()
        known = {row[0] for row in ledger.execute("SELECT text FROM anomalies")}
    log = Path(home, "logs", "system.log").read_text(encoding="utf-8").splitlines()
    errors = [match[1] for line in log if (match := re.match(r"\S+Z (?:ERROR|CRITICAL) (.*)", line))]
    samples = Path(home, "records", "samples.jsonl").read_text(encoding="utf-8").splitlines()
    looked = [json.loads(line)["at"] for line in samples if '"sample"' in line]
    return {
        "open": [{"at": at, "source": source, "text": text} for at, source, text in open_],
        "unnoticed": [text for text in errors if text[:500] not in known],
        "log_lines": len(log),
        **({"looked_at": looked[-1]} if looked else {}),
    }


def history(home: str, config: str) -> dict[str, Any]:
    """Facts on `golive history` of this target, beside the journal counted without it."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest_golive.cli", "history", "--config", config, "--as", "json"],
        cwd=home, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    journal = Path(home, "journal.jsonl")
    records = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()] if journal.exists() else []
    counted = {word: sum(one["event"] == word for one in records) for word in ("activated", "activation-denied", "deactivated")}
    told = json.loads(done.stdout) if done.returncode == 0 else {"attempts": [], "analysis": {}}
    return {
        "exit": done.returncode,
        "journal": counted,
        "attempts": len(told["attempts"]),
        "expected": counted["activated"] + counted["activation-denied"],
        "difference": abs(len(told["attempts"]) - counted["activated"] - counted["activation-denied"]),
        "without_operator": sum(not one["operator"] for one in told["attempts"]),
        "without_outcome": sum(one["outcome"] not in ("activated", "denied", "failed") for one in told["attempts"]),
        "unended": sum(one["outcome"] == "activated" and not one["ended"] for one in told["attempts"]),
        "analysis": sorted(told["analysis"]),
    }


def _gaps(lines: list[Mapping[str, Any]], since: str) -> tuple[int, int]:
    """The longest time between two lines while the desk ran, in seconds, and how often it ended without saying so."""
    longest, unclean = 0.0, 0
    for earlier, later in itertools.pairwise(lines):
        if later["at"] < since:
            continue
        if later["event"] == "start":
            unclean += earlier["event"] != "stop"
        else:
            longest = max(longest, (_moment(later["at"]) - _moment(earlier["at"])).total_seconds())
    if lines and lines[-1]["event"] != "stop":
        longest = max(longest, (datetime.now(UTC) - _moment(lines[-1]["at"])).total_seconds())
    return int(longest), unclean


def _next(events: list[tuple[str, str]], at: str) -> str:
    return min((other for other, event in events if other > at and event in ("activated", "resumed")), default="9999")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@contextlib.contextmanager
def _ledger(home: str) -> Any:
    database = sqlite3.connect(f"file:{home}/ledger.sqlite?mode=ro", uri=True, timeout=5)
    try:
        yield database
    finally:
        database.close()
