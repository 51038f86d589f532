"""What a new user does on the first day, done by one: sign up, run a bot, trade, look at the portfolio, get a mail."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from behaviours.ask import until
from behaviours.bot_calls import administrator, bot, dismissed, documents_of, drill_user
from behaviours.bot_drills import mails

MONEY, QUANTITY = "1000", "0.0001"
NAMES = ("funding", "realized", "fees", "unrealized", "equity")


def first_day(api: str, home: str) -> dict[str, Any]:
    """Facts on a user, a bot, its trades, its figures recomputed from the fills, and a mail; only the fills stay."""
    admin = administrator(api, home)
    with drill_user(admin, funding=MONEY) as user:
        me = user.get("/api/auth/me").body
        name = bot(user, capital="400", start=False)
        started = user.send(f"/api/bots/{name}/start").body["status"]
        orders = [user.order(name, side, QUANTITY) for side in ("BUY", "BUY", "SELL")]
        told = user.get("/api/portfolio/summary").body
        with documents_of(home) as books:
            fills = list(books["fills_ledger"].find({"user": user.name}, {"_id": 0}).sort("number", 1))
            database = books["bots"].find_one({"name": name})["status"]
        marks = {symbol: Decimal(str(mark["price"])) for symbol, mark in told["marks"].items()}
        own = _recomputed(fills, marks)
        report = admin.send("/api/reports/daily/send-test").body
        identity = str(report.get("server_said", "")).rpartition(" ")[2]
        came = until(lambda: any(user.name in one["text"] for one in mails(home)), 5)
    return {
        "user": {"name_matches": me["name"] == user.name, "role": me["role"]},
        "bot": {"started": started, "database": database},
        "orders": [order["state"] for order in orders],
        "fills": len(fills),
        "fills_without_fee": sum(_number(fill["fee"]) <= 0 for fill in fills),
        "figures": {name: Decimal(str(told[name])) for name in NAMES},
        "differing": [name for name in NAMES if Decimal(str(told[name])) != own[name]],
        "mail": {"accepted": bool(identity) and report.get("accepted") is True, "came": came},
        "removed": dismissed(admin, user.name),
    }


def _recomputed(fills: Iterable[Mapping[str, Any]], marks: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Profit by first in, first out, from the fills alone; written anew here, so that it can differ."""
    lots: deque[list[Decimal]] = deque()
    realized, fees = Decimal(0), Decimal(0)
    symbol = ""
    for fill in fills:
        price, quantity = _number(fill["price"]), _number(fill["quantity"])
        fees += _number(fill["fee"])
        symbol = fill["symbol"]
        if fill["side"] == "BUY":
            lots.append([quantity, price])
            continue
        while quantity > 0:
            taken = min(quantity, lots[0][0])
            realized += taken * (price - lots[0][1])
            quantity -= taken
            lots[0][0] -= taken
            if not lots[0][0]:
                lots.popleft()
    unrealized = sum((left * (marks[symbol] - price) for left, price in lots), Decimal(0))
    funding = Decimal(MONEY)
    equity = funding + realized + unrealized - fees
    return {"funding": funding, "realized": realized, "fees": fees, "unrealized": unrealized, "equity": equity}


def _number(value: Any) -> Decimal:
    return Decimal(str(value))
