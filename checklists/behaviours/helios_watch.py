"""The time after going live: what went wrong, whether somebody wrote it down, how reliable the system was, live beside paper."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from behaviours.helios_desk import number, rows

FOLDER = "records/helios"
PULSE = Decimal(20)
"""Seconds that one line of health stands for."""

GRACE = timedelta(minutes=10)
"""How long an error may go without an entry in the list of issues."""

_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (\w+) ")


def trouble(home: str) -> dict[str, Any]:
    """Facts on errors, crashes and ends that nobody planned, in the log of a day and in the records of a week."""
    now = datetime.now(UTC)
    day, week = now - timedelta(hours=24), now - timedelta(days=7)
    lines = [match for match in map(_STAMP.match, _lines(Path(home, "logs/system.log"))) if match and _at(match[1]) >= day]
    errors = [match.string for match in lines if match[2] in ("ERROR", "CRITICAL")]
    known = {row["text"] for row in rows(home, "SELECT text FROM anomalies")}
    open_ = rows(home, "SELECT id, at, source, text FROM anomalies WHERE reviewed_at IS NULL ORDER BY id")
    return {
        "lines": len(lines),
        "errors": len(errors),
        "newest": lines[-1][1] if lines else None,
        "not_kept": [text[:160] for text in errors if not any(one and one[:80] in text for one in known)],
        "unreviewed": [f"{row['at']} {row['source']}: {row['text'][:120]}" for row in open_ if _at(row["at"]) >= week],
        "tracebacks": sum("Traceback (most recent call last)" in line for line in _lines(Path(home, "logs/stderr.log"))),
        **_ends(home, week),
    }


def _ends(home: str, since: datetime) -> dict[str, Any]:
    """Starts of the desk since then, and those before which it had not said that it would end."""
    starts, unplanned, last = 0, [], "stop"
    for one in _records(Path(home, "records/samples.jsonl")):
        if one["event"] == "start" and _at(one["at"]) >= since:
            starts += 1
            if last != "stop":
                unplanned.append(one["at"])
        last = one["event"]
    return {"starts": starts, "unplanned_ends": unplanned}


def reliability(home: str) -> dict[str, Any]:
    """Facts on the part of thirty days in which trading in rand was healthy; what a drill broke on purpose is left out."""
    since = datetime.now(UTC) - timedelta(days=30)
    seen = [one for one in _records(Path(home, FOLDER, "health.jsonl")) if _at(one["at"]) >= since]
    counted = [one for one in seen if one["drill"] is False]
    bad = [one for one in counted if one["healthy"] is not True]
    down, last = Decimal(0), None
    for one in _records(Path(home, "records/samples.jsonl")):
        if one["event"] == "start" and last is not None and last["event"] != "stop" and _at(one["at"]) >= since:
            down += Decimal(str((_at(one["at"]) - _at(last["at"])).total_seconds()))
        last = one
    facts: dict[str, Any] = {
        "looks": len(counted),
        "left_out": len(seen) - len(counted),
        "ill": len(bad),
        "reasons": sorted({reason for one in bad for reason in one["reasons"]}),
        "down_seconds": down,
        "newest": seen[-1]["at"] if seen else None,
    }
    if counted:
        whole = len(counted) * PULSE + down
        facts["reliability"] = ((len(counted) - len(bad)) * PULSE / whole).quantize(Decimal("0.000001"))
    return facts


def issues(home: str) -> dict[str, Any]:
    """Facts on the list of issues beside every error of a week and every alert that did not go."""
    now = datetime.now(UTC)
    path = Path(home, FOLDER, "ISSUES.md")
    text = path.read_text(encoding="utf-8")
    entries = re.findall(r"^- (\S+) \[([a-z]+-\d+)\] (.{3,})$", text, re.MULTILINE)
    named = {name for _, name, _ in entries}
    wanted = [(f"anomaly-{row['id']}", row["at"]) for row in rows(home, "SELECT id, at FROM anomalies")]
    wanted += [
        (f"alert-{row['id']}", row["at"])
        for row in rows(home, "SELECT id, at FROM helios_alerts WHERE account = 'live' AND state != 'sent'")
    ]
    due = [name for name, at in wanted if now - timedelta(days=7) <= _at(at) <= now - GRACE]
    return {
        "titled": text.startswith("# Issues"),
        "entries": len(entries),
        "due": len(due),
        "missing": [name for name in due if name not in named],
        "placeholders": re.findall(r"\[[A-Z][A-Za-z ]+\]|\bTBD\b|<[a-z-]+>", text),
        "checks": len(list(_records(Path(home, FOLDER, "log_checks.jsonl")))),
    }


def comparison(home: str) -> dict[str, Any]:
    """Facts on the comparison of live with paper that was written down, beside the same figures from the rows themselves."""
    path = Path(home, FOLDER, "performance.json")
    told = json.loads(path.read_text(encoding="utf-8"))
    begin, end = told["from"], told["until"]
    facts: dict[str, Any] = {"until": end, "days": (_at(end) - _at(begin)).days}
    for account in ("live", "paper"):
        own = _performance(account, home, begin, end)
        wanted = ("trades", "won", "profit", "return", "fees", "slippage")
        facts[account] = {
            "told": {name: number(told[account][name]) for name in wanted if name in told[account]},
            "own": own,
            "differing": [name for name in wanted if name not in told[account] or number(told[account][name]) != own.get(name)],
        }
    if "return" in facts["live"]["own"] and "return" in facts["paper"]["own"]:
        facts["return_difference"] = facts["live"]["own"]["return"] - facts["paper"]["own"]["return"]
        facts["win_rate_difference"] = (_rate(facts["live"]["own"]) - _rate(facts["paper"]["own"])).quantize(Decimal("0.0001"))
    return facts


def _performance(account: str, home: str, begin: str, end: str) -> dict[str, Decimal]:
    found = [
        row
        for row in rows(
            home,
            "SELECT t.*, o.key, s.price AS signal_price FROM helios_trades t JOIN helios_orders o ON o.id = t.entry_order_id"
            " LEFT JOIN helios_signals s ON s.id = o.signal_id WHERE t.account = ?", account,
        )
        if begin <= row["closed_at"] < end and not row["key"].startswith("golive-")
    ]  # fmt: skip
    profits, put_in = [number(row["profit"]) for row in found], sum((number(row["entry_value"]) for row in found), Decimal(0))
    told = {"trades": Decimal(len(profits)), "won": Decimal(sum(profit > 0 for profit in profits))}
    if put_in > 0:
        eight = Decimal("0.00000001")
        told["profit"] = sum(profits, Decimal(0)).quantize(eight)
        told["return"] = (sum(profits, Decimal(0)) / put_in).quantize(eight)
        told["fees"] = (sum((number(row["fees"]) for row in found), Decimal(0)) / put_in).quantize(eight)
    slips = [
        number(row["entry_value"]) / number(row["quantity"]) / number(row["signal_price"]) - 1
        for row in found
        if row["signal_price"]
    ]
    if slips:
        told["slippage"] = (sum(slips, Decimal(0)) / len(slips)).quantize(Decimal("0.00000001"))
    return told


def _rate(figures: Mapping[str, Decimal]) -> Decimal:
    return figures["won"] / figures["trades"]


def _lines(path: Path) -> Sequence[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []


def _records(path: Path) -> Iterator[Mapping[str, Any]]:
    return (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())


def _at(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
