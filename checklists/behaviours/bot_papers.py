"""What the bots' documents say, held against what the desk itself tells: addresses, limits, commands."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from behaviours.ask import environment_of, get

SECTION_7 = (
    "GET /api/health/ping",
    "GET /api/portfolio/summary",
    "GET /api/profits",
    "GET /api/countdown/status",
    "GET /api/ledger/reconcile",
    "GET /api/ledger/verify-integrity",
    "GET /api/limits/config",
    "GET /api/limits/usage",
    "GET /api/circuit-breaker/status",
    "POST /api/reports/daily/send-test",
)
"""The addresses that section 7 of the document calls."""

LIMITS = (
    "BURST_LIMIT_ORDERS_PER_EXCHANGE",
    "BURST_LIMIT_WINDOW_SECONDS",
    "MAX_TRADES_PER_BOT_DAILY",
    "MAX_TRADES_PER_USER_DAILY",
)

_ADDRESS = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`?\s]*)[^`]*`")
_HEADING = re.compile(r"(#{1,6}) +(.*?) *#*")
_PLACEHOLDER = re.compile(r"\[[A-Z][A-Za-z ]*\](?!\()|<[a-z][a-z-]*>|/path/to|_{4,}|\bTODO\b|\bTBD\b|X{3,}|YYYY|your-")
_STEP = re.compile(r"\d+\. ")


def api_readme(api: str, path: str) -> dict[str, Any]:
    """Facts on the README of the API beside the description that the API gives of itself."""
    described = get(f"{api}/api/openapi.json").body["paths"]
    told = {f"{method.upper()} {address}": entry for address, methods in described.items() for method, entry in methods.items()}
    text = Path(path).read_text(encoding="utf-8")
    written = {f"{method} {address}" for method, address in _ADDRESS.findall(text)}
    sections = _sections(text)
    access = sections.get("authentication", "")
    admin = sorted(address for address, entry in told.items() if entry["x-role"] == "admin")
    requests, answers, invalid = _examples(sections.get("examples", ""))
    return {
        "addresses": len(told),
        "unwritten": sorted(told.keys() - written),
        "unknown": sorted(written - told.keys()),
        "of_section_7": [address for address in SECTION_7 if address in told],
        "missing_of_section_7": [address for address in SECTION_7 if address not in written],
        "requests": requests,
        "answers": answers,
        "invalid_examples": invalid,
        "authentication": {
            "bearer": "Authorization: Bearer" in access,
            "admin_addresses": len(admin),
            "admin_unwritten": [address for address in admin if f"`{address}`" not in access],
        },
        "error_codes": sorted({int(code) for code in re.findall(r"^\| (\d{3}) \| \S", sections.get("error codes", ""), re.M)}),
    }


def written_limits(home: str, path: str) -> dict[str, Any]:
    """Facts on the limits in the README beside those in the environment of the process that keeps them."""
    environ = environment_of(f"{home}/desk.pid")
    section = _sections(Path(path).read_text(encoding="utf-8")).get("rate limits", "")
    limits = []
    for name in LIMITS:
        found = re.findall(rf"^\| `{name}` \| (\d+) \|", section, re.M)
        limits.append({"name": name, "written": int(found[0]) if len(found) == 1 else 0, "goes_by": int(environ[name])})
    return {"limits": limits, "differing": [one["name"] for one in limits if one["written"] != one["goes_by"]]}


def procedure(path: str, section: str) -> dict[str, Any]:
    """Facts on the numbered steps of one section: which of them name a command, and what was never filled in."""
    text = _sections(Path(path).read_text(encoding="utf-8")).get(section.lower())
    if text is None:
        return {"found": False}
    steps = _steps(text)
    commands = [re.findall(r"`([^`]+)`", step) for step in steps]
    return {
        "found": True,
        "steps": len(steps),
        "titles": [step[:60] for step in steps],
        "steps_without_command": [step[:60] for step, found in zip(steps, commands, strict=True) if not found],
        "commands": sum(map(len, commands)),
        "placeholders": _placeholders(text),
    }


def go_live_day(path: str) -> dict[str, Any]:
    """Facts on the day of the go-live that is written down, and on how far away it is."""
    text = Path(path).read_text(encoding="utf-8")
    written = re.findall(r"^\*\*Go-Live Date\*\*:[ \t]*(.*?)[ \t]*$", text, re.M)
    told: dict[str, Any] = {"written": written, "is_date": False, "placeholders": _placeholders(text)}
    if len(written) == 1 and re.fullmatch(r"\d{4}-\d\d-\d\d", written[0]):
        try:
            day = date.fromisoformat(written[0])
        except ValueError:
            return told
        told |= {"is_date": True, "days_from_today": (day - datetime.now(UTC).date()).days}
    return told


def _sections(text: str) -> Mapping[str, str]:
    """The text below each heading, by the heading in small letters; a fence hides what looks like a heading in it."""
    found: dict[str, list[str]] = {}
    name, fenced = "", False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        match = None if fenced else _HEADING.fullmatch(line)
        if match:
            name = match[2].lower()
            found[name] = []
        elif name:
            found[name].append(line)
    return {title: "\n".join(lines) for title, lines in found.items()}


def _steps(text: str) -> Sequence[str]:
    steps: list[str] = []
    for line in text.splitlines():
        if _STEP.match(line):
            steps.append(line)
        elif steps and line.startswith("   "):
            steps[-1] += " " + line.strip()
    return steps


def _examples(text: str) -> tuple[int, int, list[str]]:
    """Requests and answers among the fenced JSON of the section, and those that do not parse."""
    requests = answers = 0
    invalid = []
    for before, block in re.findall(r"(Request|Answer)[^\n]*\n+```json\n(.*?)```", text, re.S):
        requests, answers = requests + (before == "Request"), answers + (before == "Answer")
        try:
            json.loads(block)
        except ValueError:
            invalid.append(block.strip()[:60])
    return requests, answers, invalid


def _placeholders(text: str) -> list[str]:
    return [match[0] for match in _PLACEHOLDER.finditer(text)]
