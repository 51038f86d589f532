"""Is profit put back as it should be? A user made for it earns on a paper market that rises for a moment; then the cycle is run
twice, and what it gave is added up from the fills.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from behaviours.bot_calls import administrator, bot, dismissed, documents, drill_user, rows

SIZES = ("0.5", "0.4", "0.3", "0.2")
"""What each bot buys; one bot more than may be given to."""
RISE = "1.02"


def reinvested(api: str, home: str, mongo_url: str) -> dict[str, Any]:
    """Facts on a cycle that was triggered by hand, on one that was triggered again, and on who was given what."""
    chief = administrator(api, home)
    with documents(mongo_url) as database, drill_user(chief, funding="200000") as user:
        bots = [bot(user, capital="40000") for _ in SIZES]
        idle = chief.send("/api/admin/reinvest/trigger", {"user": user.name}).body["users"][0]
        try:
            bought = [user.order(name, "BUY", size)["state"] for name, size in zip(bots, SIZES, strict=True)]
            chief.send("/api/admin/paper-market", {"factor": RISE})
            sold = [user.order(name, "SELL", size)["state"] for name, size in zip(bots, SIZES, strict=True)]
        finally:
            market = chief.send("/api/admin/paper-market", {"factor": 1}).status
        capital = {one["name"]: one["capital"] for one in user.get("/api/bots").body["bots"]}
        answers = [chief.send("/api/admin/reinvest/trigger", {"user": user.name}) for _ in range(2)]
        first, second = (answer.body["users"][0] for answer in answers)
        events = rows(database, "ledger_events", kind="allocation", user=user.name)
        earned: dict[str, Decimal] = defaultdict(Decimal)
        for fill in rows(database, "fills_ledger", user=user.name):
            sign = 1 if fill["side"] == "SELL" else -1
            earned[fill["bot"]] += sign * fill["price"] * fill["quantity"] - fill["fee"]
        grown = {one["name"]: one["capital"] - capital[one["name"]] for one in user.get("/api/bots").body["bots"]}
        as_user = user.send("/api/admin/reinvest/trigger", {"user": user.name}).status
    settings = chief.get("/api/admin/reinvest/status").body["settings"]
    profit, given = sum(earned.values(), Decimal(0)), sum((event["amount"] for event in events), Decimal(0))
    best = sorted(earned, key=lambda name: -earned[name])[: settings["REINVEST_TOP_N"]]
    return {
        "orders": [*bought, *sold],
        "without_profit": idle["outcome"],
        "statuses": [answer.status for answer in answers],
        "outcomes": [first["outcome"], second["outcome"]],
        "second_gave": len(second["allocations"]),
        "as_user": as_user,
        "profit": profit,
        "told_profit": first["profit"],
        "above_threshold": profit - settings["REINVEST_THRESHOLD"],
        "events": len(events),
        "top_n": settings["REINVEST_TOP_N"],
        "receivers_beyond_the_best": sorted({event["bot"] for event in events} - set(best)),
        "best_left_out": sorted(set(best) - {event["bot"] for event in events}),
        "given": given,
        "difference": abs(given - profit * settings["REINVEST_PERCENTAGE"] / 100),
        "least": min((event["amount"] for event in events), default=Decimal(0)),
        "capital_unlike_event": sorted(event["bot"] for event in events if grown.get(event["bot"]) != event["amount"]),
        "market_restored": market,
        "restored": dismissed(chief, user.name),
    }
