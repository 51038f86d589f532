"""Do the four gates hold? Tried with orders of users made for it, and looked up in the database and at the paper exchange."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from behaviours.bot_calls import Caller, administrator, bot, dismissed, documents, drill_user, paper, rows

STEP = "0.0001"
LIMIT = 2
"""Orders a day for a bot of the drill; its user has one more."""


def gates(api: str, home: str, mongo_url: str, exchange: str) -> dict[str, Any]:
    """Facts on each gate: what it let through, what it held back, with which words, and what the exchange has of it."""
    chief = administrator(api, home)
    with documents(mongo_url) as database:
        with drill_user(chief, funding="2000") as user:
            facts = {
                "passed": _passed(user, database, home, exchange),
                "fee_coverage": _fee_coverage(user, chief),
                "breaker": _breaker(user, chief, database),
            }
        with drill_user(chief, funding="2000", max_trades_daily=LIMIT + 1) as other:
            facts["limiter"] = _limiter(other)
        gone = {"users": [dismissed(chief, who.name) for who in (user, other)]}
    return {**facts, "restored": all(gone["users"])}


def _passed(user: Caller, database: Any, home: str, exchange: str) -> dict[str, Any]:
    """One order that may go, sent twice at once and once more: what each was told, and how often it was carried out."""
    name, key = bot(user, capital="200"), f"golive-{secrets.token_hex(8)}"
    with ThreadPoolExecutor(2) as both:
        twins = list(both.map(lambda _: user.order(name, "BUY", STEP, key=key), range(2)))
    third = user.order(name, "BUY", STEP, key=key)
    other = user.order(name, "BUY", "0.0002", key=key)
    stored = rows(database, "pending_orders", idempotency_key=key)
    account = rows(database, "users", name=user.name)[0]["account"]
    there = [trade for trade in paper(home, exchange, f"/account/{account}/trades")["trades"] if trade["client_order_id"] == key]
    return {
        "state": third["state"],
        "gates": [record["gate"] for record in third["gates"]],
        "gates_passed": [record["passed"] for record in third["gates"]],
        "recorded": [len(row["gates"]) for row in stored],
        "replays": [*sorted(twin["replayed"] for twin in twins), third["replayed"]],
        "order_ids": len({answer["order_id"] for answer in (*twins, third)}),
        "other_contents_refused": bool(other.get("error")),
        "in_database": len(stored),
        "fills": len(rows(database, "fills_ledger", key=key)),
        "at_exchange": len(there),
    }


def _fee_coverage(user: Caller, chief: Caller) -> dict[str, Any]:
    """Orders that promise just too little, and just enough."""
    name = bot(user, capital="200")
    needed = chief.get("/api/limits/config").body["required_edge_bps"]
    poor = user.order(name, "BUY", STEP, edge=str(needed - 1))
    rich = user.order(name, "BUY", STEP, edge=str(needed))
    limits = chief.get("/api/limits/config").body["limits"]
    parts = sum(limits[name] for name in ("MIN_EDGE_BPS", "SAFETY_MARGIN_BPS", "SLIPPAGE_BUFFER_BPS"))
    return {"needed": needed, "above_the_settings": needed - parts, "poor": _told(poor), "rich": _told(rich)}


def _limiter(user: Caller) -> dict[str, Any]:
    """One order more than a bot may send, and one more than its user may."""
    first, second = bot(user, capital="200", max_trades_daily=LIMIT), bot(user, capital="200")
    of_bot = [_told(user.order(first, "BUY", STEP)) for _ in range(LIMIT + 1)]
    of_user = [_told(user.order(second, "BUY", STEP)) for _ in range(2)]
    return {
        "bot": {"filled": sum(one["state"] == "filled" for one in of_bot), "last": of_bot[-1]},
        "user": {"filled": sum(one["state"] == "filled" for one in of_bot + of_user), "last": of_user[-1]},
    }


def _breaker(user: Caller, chief: Caller, database: Any) -> dict[str, Any]:
    """Losses in a row until the breaker trips; what the bot is then, wherever it is told, and its next order."""
    name = bot(user, capital="200")
    limit = chief.get("/api/limits/config").body["limits"]["MAX_CONSECUTIVE_LOSSES"]
    before = user.get(f"/api/bots/{name}").body["status"]
    user.order(name, "BUY", f"0.000{limit}")
    losses = 0
    while user.get(f"/api/bots/{name}").body["status"] == "running" and losses < limit:
        user.order(name, "SELL", STEP)
        losses += 1
    refused = user.order(name, "BUY", STEP)
    paused = user.get(f"/api/bots/{name}").body
    too_early = user.send(f"/api/bots/{name}/resume", {"reason": "drill"}).status
    trips = rows(database, "circuit_breaker_state", bot=name)
    told = {
        "before": before,
        "losses": losses,
        "limit": limit,
        "status": paused["status"],
        "reason": paused["reason"],
        "status_in_database": rows(database, "bots", name=name)[0]["status"],
        "next_order": _told(refused),
        "tripped": name in user.get("/api/circuit-breaker/status").body["tripped"],
        "resume_while_open": too_early,
        "trips": [{"rule": trip["rule"], "state": trip["state"], "value": trip["value"]} for trip in trips],
        "alerts": len(rows(database, "alerts", bot=name)),
    }
    reset = user.send(f"/api/bots/{name}/breaker/reset", {"reason": "the drill is over"}).status
    return {**told, "reset": reset, "resumed": user.send(f"/api/bots/{name}/resume", {"reason": "drill"}).status}


def _told(order: Mapping[str, Any]) -> dict[str, Any]:
    return {name: order.get(name, "") for name in ("state", "gate", "reason")}


def written_once(api: str, home: str, mongo_url: str, exchange: str) -> dict[str, Any]:
    """Facts on funding and on a fill of a user made for it: each is one document, and the fill withstands an administrator."""
    chief = administrator(api, home)
    with documents(mongo_url) as database:
        there = database.list_collection_names()
        with drill_user(chief, funding="200") as user:
            account = rows(database, "users", name=user.name)[0]["account"]
            funded = paper(home, exchange, f"/account/{account}")["balances"]
            events = rows(database, "ledger_events", user=user.name)
            user.order(bot(user, capital="100"), "BUY", STEP)
            before = rows(database, "fills_ledger", user=user.name)
            number = before[0]["number"] if before else 0
            deleted = chief.send(f"/api/ledger/fills/{number}", method="DELETE").status
            changed = chief.send(f"/api/ledger/fills/{number}", {"price": 1}, method="PUT").status
            after = rows(database, "fills_ledger", user=user.name)
        numbers = [row["number"] for row in rows(database, "fills_ledger")]
    return {
        "exists": "fills_ledger" in there,
        "events_exists": "ledger_events" in there,
        "funding_events": sum(event["kind"] == "funding" for event in events),
        "funding_amount": sum(event["amount"] for event in events),
        "funding_at_exchange": funded.get("USDT") == 200,
        "before": len(before),
        "delete_status": deleted,
        "change_status": changed,
        "unchanged": before == after,
        "numbers_unique": len(numbers) == len(set(numbers)) > 0,
        "restored": dismissed(chief, user.name),
    }
