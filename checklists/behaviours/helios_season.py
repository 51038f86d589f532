"""Weeks of live trading, looked at from both sides: what the ledger of the desk has, and what VALR has for the same time.

Orders whose key begins with golive- were sent by checks on purpose. They must agree with VALR like any other, but say nothing
about the strategy, so they are left out of its figures.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from behaviours.helios_desk import balances, number, rows, valr

CHECKS = "golive-"
HANGING = timedelta(seconds=60)
"""How old an order may be whose end nobody has seen."""

_FILLS = (
    "SELECT o.key, f.at, f.pair, f.side, f.quantity, f.price, f.fee FROM helios_fills f JOIN helios_orders o ON o.id = f.order_id"
    " WHERE f.account = 'live' ORDER BY f.id"
)
_TRADES = (
    "SELECT t.*, o.key FROM helios_trades t JOIN helios_orders o ON o.id = t.entry_order_id WHERE t.account = ?"
    " ORDER BY t.closed_at"
)


def agreement(home: str, venue: str) -> dict[str, Any]:
    """Facts on every live order and rand: of the last seven days by order, of all time by balance."""
    now = datetime.now(UTC)
    week = now - timedelta(days=7)
    there = list(reversed(valr(venue, home, "/v1/account/tradehistory")))
    here = rows(home, _FILLS)
    ours = {row["key"]: row for row in here}
    theirs = {trade["customerOrderId"]: trade for trade in there}
    orders = rows(home, "SELECT * FROM helios_orders WHERE account = 'live' ORDER BY id")
    fresh = [order for order in orders if _at(order["created_at"]) >= week]
    resting = {order["customerOrderId"] for order in valr(venue, home, "/v1/orders/open")}
    facts: dict[str, Any] = {
        "fills": len(here),
        "fills_at_valr": len(there),
        "missing_here": [key for key in theirs if key not in ours],
        "missing_there": [key for key in ours if key not in theirs],
        "different": [key for key, row in ours.items() if key in theirs and not _same(row, theirs[key])],
        "without_fee": [key for key, row in ours.items() if number(row["fee"]) <= 0],
        "fees_off": _sum(row["fee"] for row in here) - _sum(trade["fee"] for trade in there),
        "balance": _balance(home, venue),
        "week": _week(home, there, week),
    }
    if fresh:
        facts["orders"] = {
            "count": len(fresh),
            "filled": sum(order["state"] == "filled" for order in fresh),
            "cancelled": sum(order["state"] == "cancelled" for order in fresh),
            "not_executed": [_name(order) for order in fresh if _failed(order)],
            "hanging": [_name(order) for order in fresh if _hangs(order, now)],
            "rests_only_here": [_name(order) for order in fresh if order["state"] == "pending" and order["key"] not in resting],
            "rests_only_there": sorted(resting - {order["key"] for order in orders if order["state"] == "pending"}),
        }
    return facts


def _failed(order: Mapping[str, Any]) -> bool:
    return order["state"] in ("failed", "partial") and not order["key"].startswith(CHECKS)


def _hangs(order: Mapping[str, Any], now: datetime) -> bool:
    """Whether its end is not known for too long; an exit may rest for as long as its position is open."""
    return order["state"] in ("sent", "unknown") and now - _at(order["updated_at"]) > HANGING


def _name(order: Mapping[str, Any]) -> str:
    return f"{order['key']}: {order['state']} {order['reason']}".strip()


def _same(row: Mapping[str, Any], trade: Mapping[str, Any]) -> bool:
    amounts = all(number(row[name]) == Decimal(trade[name]) for name in ("quantity", "price", "fee"))
    return amounts and row["side"].lower() == trade["side"] and row["pair"] == trade["currencyPair"]


def _balance(home: str, venue: str) -> dict[str, Any]:
    """The rand at VALR beside the capital at the beginning, later deposits, and the profit since."""
    records = rows(home, "SELECT amount FROM helios_capital WHERE account = 'live' ORDER BY id")
    profit = _sum(row["profit"] for row in rows(home, "SELECT profit FROM helios_trades WHERE account = 'live'"))
    lots = rows(
        home,
        "SELECT l.quantity, l.price, l.fee FROM helios_lots l JOIN helios_positions p ON p.id = l.position_id"
        " WHERE p.account = 'live' AND p.state = 'open'",
    )
    bound = sum((number(lot["quantity"]) * number(lot["price"]) + number(lot["fee"]) for lot in lots), Decimal(0))
    told = balances(venue, home).get("ZAR")
    facts: dict[str, Any] = {"records": len(records), "profit": profit}
    if records and told is not None:
        start = number(records[0]["amount"])
        facts |= {"start": start, "told": told, "off": told - start - profit + bound}
        if told > 0:
            facts["off_fraction"] = abs(facts["off"] / told).quantize(Decimal("0.000001"))
    return facts


def _week(home: str, there: Sequence[Mapping[str, Any]], since: datetime) -> dict[str, Any]:
    """The profit of the exits of the last seven days: the ledger's, and ours from VALR's fills, the oldest lots first."""
    system = [row for row in rows(home, _TRADES, "live") if _at(row["closed_at"]) >= since]
    lots: dict[str, deque[list[Decimal]]] = {}
    profit, exits = Decimal(0), 0
    for trade in there:
        quantity, price, fee = (Decimal(trade[name]) for name in ("quantity", "price", "fee"))
        held = lots.setdefault(trade["currencyPair"], deque())
        if trade["side"] == "buy":
            held.append([quantity, (quantity * price + fee) / quantity])
            continue
        gain = quantity * price - fee
        while quantity > 0 and held:
            part = min(quantity, held[0][0])
            gain -= part * held[0][1]
            quantity -= part
            held[0][0] -= part
            if held[0][0] == 0:
                held.popleft()
        if _at(trade["tradedAt"]) >= since:
            profit, exits = profit + gain, exits + 1
    told = _sum(row["profit"] for row in system)
    return {"exits": len({row["exit_order_id"] for row in system}), "exits_at_valr": exits, "system": told,
            "valr": profit.quantize(Decimal("0.00000001")), "off": (told - profit).quantize(Decimal("0.00000001"))}  # fmt: skip


def figures(home: str) -> dict[str, Any]:
    """Facts on the strategy's live trades by calendar month and by week, and on the capital that was put under it."""
    trades = [row for row in rows(home, _TRADES, "live") if not row["key"].startswith(CHECKS)]
    today = datetime.now(UTC).date()
    months: dict[str, list[Decimal]] = {}
    for row in trades:
        months.setdefault(row["closed_at"][:7], []).append(number(row["profit"]))
    weeks = []
    for back in range(4):
        end = datetime.now(UTC) - timedelta(days=7 * back)
        profits = [number(row["profit"]) for row in trades if end - timedelta(days=7) <= _at(row["closed_at"]) < end]
        weeks.append({"days_back": 7 * back, "trades": len(profits), "profit": sum(profits, Decimal(0))})
    return {
        "trades": len(trades),
        "last_at": trades[-1]["closed_at"] if trades else None,
        "months": [
            {"month": month, "trades": len(profits), "profit": sum(profits, Decimal(0)), "over": month < today.isoformat()[:7]}
            for month, profits in sorted(months.items())
        ],
        "weeks": weeks,
        "raises": _raises(home, trades),
    }


def _raises(home: str, trades: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Every time that capital was added: by how much, and what the strategy had earned since the time before."""
    records = rows(home, "SELECT amount, at FROM helios_capital WHERE account = 'live' ORDER BY id")
    steps = []
    for before, after in pairwise(records):
        earned = _sum(row["profit"] for row in trades if before["at"] <= row["closed_at"] < after["at"])
        steps.append({"at": after["at"], "by": number(after["amount"]) - number(before["amount"]), "earned_before": earned})
    return {
        "records": len(records),
        "capital": number(records[-1]["amount"]) if records else None,
        "steps": len(steps),
        "without_profit": [step["at"] for step in steps if step["by"] > 0 and step["earned_before"] <= 0],
        "largest": max((step["by"] for step in steps), default=Decimal(0)),
    }


def _sum(values: Iterable[object]) -> Decimal:
    return sum((number(value) for value in values), Decimal(0))


def _at(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
