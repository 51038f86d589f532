"""What was written down, recomputed: the paper run from its own rows, the description of the system from what was deployed."""

from __future__ import annotations

import json
import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from behaviours.helios_desk import number, rows

SECTIONS = ("Mode", "Version", "Balance", "Open positions")


def paper_run(home: str) -> dict[str, Any]:
    """Facts on the paper run: its trades, what they cost and brought, and how real its fills were."""
    trades = rows(home, "SELECT * FROM helios_trades WHERE account = 'paper' ORDER BY closed_at")
    fills = rows(home, "SELECT fee FROM helios_fills WHERE account = 'paper'")
    states = rows(home, "SELECT state FROM helios_orders WHERE account = 'paper'")
    account = rows(home, "SELECT opening FROM helios_accounts WHERE account = 'paper'")
    cash = rows(home, "SELECT amount FROM helios_holdings WHERE account = 'paper' AND asset = 'ZAR'")
    held = rows(home, "SELECT 1 FROM helios_positions WHERE account = 'paper' AND state = 'open'")
    profits = [number(trade["profit"]) for trade in trades]
    facts: dict[str, Any] = {
        "trades": len(trades),
        "losing_trades": sum(profit < 0 for profit in profits),
        "fills": len(fills),
        "without_fee": sum(number(fill["fee"]) <= 0 for fill in fills),
        "partly_filled": sum(row["state"] == "partial" for row in states),
        "failed_orders": sum(row["state"] == "failed" for row in states),
        "open_positions": len(held),
        "crashes": _crashes(home),
    }
    if not trades or not account or not cash:
        return facts
    first, last = (datetime.fromisoformat(trades[index]["closed_at"]) for index in (0, -1))
    equity = number(account[0]["opening"]) + sum(profits, Decimal(0))
    return {
        **facts,
        "equity": equity.quantize(Decimal("0.01")),
        "win_rate": (Decimal(sum(profit > 0 for profit in profits)) / len(profits)).quantize(Decimal("0.0001")),
        "cash_off": number(cash[0]["amount"]) - equity,
        "days": (last - first).days,
        "last_at": trades[-1]["closed_at"],
    }


def _crashes(home: str) -> list[str]:
    """Failed turns of the trading worker, and what Python itself had to say."""
    told = []
    for name, words in (("system.log", ("helios: a turn failed",)), ("stderr.log", ("Traceback", "Fatal"))):
        path = Path(home, "logs", name)
        if path.exists():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            told += [f"{name}: {line[:160]}" for line in lines if any(word in line for word in words)]
    return told[:20]


def system_state(home: str) -> dict[str, Any]:
    """Facts on the description of the system: its sections, and whether it is of the version that was deployed last."""
    text = Path(home, "records/helios/SYSTEM_STATE.md").read_text(encoding="utf-8")
    deployed = json.loads(Path(home, "records/helios/DEPLOYED.json").read_text(encoding="utf-8"))
    sections = dict(re.findall(r"^## (.+)\n+((?:(?!^## ).*\n?)*)", text, re.MULTILINE))
    written = re.search(r"\bWritten on (20\d\d-\d\d-\d\d)\b", text)
    facts: dict[str, Any] = {
        "missing_sections": [name for name in SECTIONS if not re.search(r"\w{3}", sections.get(name, ""))],
        "names_the_commit": deployed["commit"] in text,
        "names_the_mode": bool(re.search(r"\b(LIVE|PAPER)\b", sections.get("Mode", ""))),
        "placeholders": re.findall(r"\[[A-Z][^\]]*\]|YYYY\S*|<[a-z-]+>|your-\S+", text),
    }
    if written:
        day = datetime.fromisoformat(deployed["deployed_at"]).date()
        facts["days_before_the_deployment"] = (day - date.fromisoformat(written[1])).days
    return facts
