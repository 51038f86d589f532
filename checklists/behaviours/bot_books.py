"""Are the bots' books right? Everything is added up anew here, from the fills in the database and from the exchange's own word,
and laid beside what the desk says.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from behaviours.ask import get, until
from behaviours.bot_calls import administrator, caller, documents, paper, rows

ZERO = Decimal(0)


def audited(api: str, home: str, mongo_url: str, exchange: str) -> dict[str, Any]:
    """Facts on reconciliation, integrity, equity, unrealized profit and first-in-first-out profit of every user with money."""
    chief = administrator(api, home)
    with documents(mongo_url) as database:
        fills, events, trades = (rows(database, name) for name in ("fills_ledger", "ledger_events", "trades"))
        users = rows(database, "users")
    funded = {event["user"]: ZERO for event in events if event["kind"] == "funding"}
    for event in events:
        if event["kind"] == "funding":
            funded[event["user"]] += event["amount"]
    there = {user["name"]: user["account"] for user in users if user["name"] in funded}
    told = {row["user"]: row for row in chief.get("/api/ledger/reconcile").body["users"]}
    return {
        "users": sorted(there),
        "reconciled": [_reconciled(name, there[name], funded, fills, told, home, exchange) for name in sorted(there)],
        "integrity": _integrity(chief.get("/api/ledger/verify-integrity").body, fills, there, home, exchange),
        "equity": [_equity(api, home, name, funded[name], fills) for name in sorted(there)],
        "fifo": _fifo(fills, trades),
        "marks": _marks(api, home, exchange, fills),
    }


def _reconciled(
    name: str,
    account: str,
    funded: Mapping[str, Decimal],
    fills: Sequence[Mapping[str, Any]],
    told: Mapping[str, Mapping[str, Any]],
    home: str,
    exchange: str,
) -> dict[str, Any]:
    """A user's money and coins by our own sum, and by the exchange's own word."""
    held: dict[str, Decimal] = defaultdict(Decimal, USDT=funded[name])
    for fill in fills:
        if fill["user"] == name:
            sign = 1 if fill["side"] == "BUY" else -1
            held[fill["symbol"].removesuffix("USDT")] += sign * fill["quantity"]
            held["USDT"] -= sign * fill["quantity"] * fill["price"] + fill["fee"]
    there = paper(home, exchange, f"/account/{account}")["balances"]
    worth = {asset: _price(exchange, f"{asset}USDT") if asset != "USDT" else Decimal(1) for asset in {*held, *there}}
    books, real = (sum((side.get(asset, ZERO) * worth[asset] for asset in worth), ZERO) for side in (held, there))
    return {
        "user": name,
        "told": name in told,
        "discrepancy_told": told[name]["discrepancy"] if name in told else Decimal(1),
        "discrepancy": abs(books - real) / real if real else Decimal(1),
        "at_exchange": real,
        "assets_that_differ": sorted(asset for asset in worth if held.get(asset, ZERO) != there.get(asset, ZERO)),
    }


def _integrity(
    told: Mapping[str, Any], fills: Sequence[Mapping[str, Any]], there: Mapping[str, str], home: str, exchange: str
) -> dict[str, Any]:
    """The desk's own verdict, and ours: numbers without gap, no twin, and each fill as the exchange remembers it."""
    numbers = sorted(fill["number"] for fill in fills)
    orders = [fill["order_id"] for fill in fills]
    at_exchange = {
        trade["order_id"]: trade
        for account in there.values()
        for trade in paper(home, exchange, f"/account/{account}/trades")["trades"]
    }
    changed = [
        fill["number"]
        for fill in fills
        if fill["user"] in there
        and any(
            at_exchange.get(fill["order_id"], {}).get(field) != fill[field]
            for field in ("symbol", "side", "quantity", "price", "fee")
        )
    ]
    return {
        "checked_by_the_desk": told["checked"],
        "faults_told": told["faults"],
        "fills": len(fills),
        "gaps": [number for number, expected in zip(numbers, range(1, len(numbers) + 1), strict=True) if number != expected],
        "twins": len(orders) - len(set(orders)),
        "changed": changed,
        "missing": sorted(set(at_exchange) - set(orders)),
        "users_without": [name for name in there if name not in {row["user"] for row in told["users"]}],
    }


def _equity(api: str, home: str, name: str, funding: Decimal, fills: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Equity as the desk says it, and as it must be at the marks that the desk names."""
    told = caller(api, home, name, "user").get("/api/portfolio/summary").body
    realized, fees, lots = _matched([fill for fill in fills if fill["user"] == name])
    marks = {symbol: mark["price"] for symbol, mark in told["marks"].items()}
    unrealized = _gain(lots, marks)
    equity = funding + realized + unrealized - fees
    return {
        "user": name,
        "told": told["equity"],
        "ours": equity,
        "difference": abs(told["equity"] - equity),
        "funding": told["funding"],
        "checked_at": told["checked_at"],
    }


def _fifo(fills: Sequence[Mapping[str, Any]], trades: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each bot the profit of its closed trades as the desk keeps it, and as first in, first out makes it."""
    found = []
    for bot in sorted({fill["bot"] for fill in fills if fill["side"] == "SELL"}):
        mine = [fill for fill in fills if fill["bot"] == bot]
        realized, _, lots = _matched(mine)
        # the fee of a purchase belongs to what of it was sold; the rest waits with the lot
        closed = sum((fill["fee"] for fill in mine), ZERO) - sum((lot.fee for lot in lots), ZERO)
        kept = [trade for trade in trades if trade["bot"] == bot]
        told = sum((trade["profit"] for trade in kept), ZERO)
        found.append(
            {
                "bot": bot,
                "trades": len(kept),
                "trades_missing": sum(fill["side"] == "SELL" for fill in mine) - len(kept),
                "told": told,
                "ours": realized - closed,
                "difference": abs(told - (realized - closed)),
            }
        )
    return found


def _marks(api: str, home: str, exchange: str, fills: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Unrealized profit at two moments between which the market has moved, with the marks it was reckoned from."""
    user = next(name for name in sorted({fill["user"] for fill in fills}) if not name.startswith("drill-"))
    who = caller(api, home, user, "user")
    *_, lots = _matched([fill for fill in fills if fill["user"] == user])
    symbol = next((lot.symbol for lot in lots), "")
    if not symbol:
        return {"held": 0}
    first = _look(who, lots, symbol, exchange)
    moved = until(lambda: _price(exchange, symbol) != first["mark"], 5)
    second = _look(who, lots, symbol, exchange)
    return {
        "held": len(lots),
        "symbol": symbol,
        "market_moved": moved,
        "mark_moved": first["mark"] != second["mark"],
        "unrealized_moved": first["told"] != second["told"],
        "looks": [first, second],
    }


def _look(who: Any, lots: Sequence[Lot], symbol: str, exchange: str) -> dict[str, Any]:
    before = _price(exchange, symbol)
    told = who.get("/api/portfolio/summary").body
    after = _price(exchange, symbol)
    marks = {name: mark["price"] for name, mark in told["marks"].items()}
    ours = _gain(lots, marks)
    return {
        "mark": marks[symbol],
        "marked_at": told["marks"][symbol]["at"],
        "off_market": min(abs(marks[symbol] - before), abs(marks[symbol] - after)) / after,
        "told": told["unrealized"],
        "difference": abs(told["unrealized"] - ours),
    }


@dataclass
class Lot:
    """What is left of a purchase, and of its fee."""

    bot: str
    symbol: str
    left: Decimal
    price: Decimal
    fee: Decimal


def _matched(fills: Sequence[Mapping[str, Any]]) -> tuple[Decimal, Decimal, list[Lot]]:
    """Realized profit before fees, all fees, and the lots that are left."""
    realized = fees = ZERO
    lots: dict[tuple[str, str], deque[Lot]] = defaultdict(deque)
    for fill in sorted(fills, key=lambda fill: fill["number"]):
        queue, left = lots[fill["bot"], fill["symbol"]], fill["quantity"]
        fees += fill["fee"]
        if fill["side"] == "BUY":
            queue.append(Lot(fill["bot"], fill["symbol"], left, fill["price"], fill["fee"]))
            continue
        while left:
            lot = queue[0]
            taken = min(left, lot.left)
            realized += taken * (fill["price"] - lot.price)
            lot.fee -= lot.fee * taken / lot.left
            lot.left -= taken
            left -= taken
            if not lot.left:
                queue.popleft()
    return realized, fees, [lot for queue in lots.values() for lot in queue]


def _gain(lots: Sequence[Lot], marks: Mapping[str, Decimal]) -> Decimal:
    return sum(((marks[lot.symbol] - lot.price) * lot.left for lot in lots), ZERO)


def _price(exchange: str, symbol: str) -> Decimal:
    return Decimal(get(f"{exchange}/ticker/{symbol}").body["price"])
