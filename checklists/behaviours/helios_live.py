"""Tests 6 to 8 of document 004 with real rand: a trade of R200 that its stop closes, a smaller one that its target closes.

What the system says is held against VALR's own word: orders, balances, fees. Nothing is tried while no live trade is permitted,
while trading is halted, or while a position or an order of somebody else is there.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

from behaviours.ask import get, post, until
from behaviours.helios_desk import balances, number, rows, valr

PAIR, ACCOUNT = "BTCZAR", "live"
SIZE, SECOND = Decimal(200), Decimal(100)
SECONDS = 3


def trades(api: str, home: str, venue: str) -> dict[str, Any]:
    """Facts on one BUY of R200 from the order to the profit after its stop, and on a second one that ends at its target."""
    gates, halted = get(f"{api}/api/gates").body["live"], get(f"{api}/api/emergency-stop").body["halted"]
    before = {
        "permitted": gates["permitted"],
        "reason": gates["reason"],
        "connected": gates["connected"],
        "halted": halted,
        "open": len(rows(home, "SELECT 1 FROM helios_positions WHERE account = 'live' AND state = 'open'")),
        "resting": len(valr(venue, home, "/v1/orders/open")),
    }
    if not before["permitted"] or halted or before["open"] or before["resting"]:
        return {"before": before}
    held, known = balances(venue, home), len(valr(venue, home, "/v1/account/tradehistory"))
    stopped = _trade(api, home, venue, SIZE, "stop")
    won = _trade(api, home, venue, SECOND, "target")
    history = valr(venue, home, "/v1/account/tradehistory")
    fresh = history[: len(history) - known]
    after = balances(venue, home)
    profit = sum((one["own_profit"] for one in (stopped, won) if "own_profit" in one), Decimal(0))
    return {
        "before": before,
        "stop": stopped,
        "target": won,
        "valr": {
            "buys_of_200": sum(one["side"] == "buy" and abs(_value(one) - SIZE) < 2 for one in fresh),
            "buys": sum(one["side"] == "buy" for one in fresh),
            "sells": sum(one["side"] == "sell" for one in fresh),
            "foreign": [one["customerOrderId"] for one in fresh if not _ours(one["customerOrderId"], stopped, won)],
        },
        "manual": {**_sources(home, stopped["key"]), "of_this_run": _of(home, stopped["key"], won["key"])},
        "money": {
            "profit": profit,
            "off": after["ZAR"] - held["ZAR"] - profit,
            "coins_left": after.get("BTC", Decimal(0)) - held.get("BTC", Decimal(0)),
        },
        "after": {
            "open": len(rows(home, "SELECT 1 FROM helios_positions WHERE account = 'live' AND state = 'open'")),
            "resting": len(valr(venue, home, "/v1/orders/open")),
        },
        "all": _reconciled(home, venue),
    }


def _sources(home: str, key: str) -> dict[str, int]:
    """How many live entries a person asked for under this activation, and how many a signal did before the first of them."""
    entries = rows(
        home,
        "SELECT source FROM helios_orders WHERE account = 'live' AND side = 'BUY' AND activation ="
        " (SELECT activation FROM helios_orders WHERE key = ?) ORDER BY id",
        key,
    )
    words = [row["source"] for row in entries]
    first = words.index("manual") if "manual" in words else len(words)
    return {"count": words.count("manual"), "automatic_before": words[:first].count("auto")}


def _of(home: str, *keys: str) -> list[str]:
    found = (rows(home, "SELECT source FROM helios_orders WHERE key = ?", key) for key in keys)
    return [one[0]["source"] for one in found if one]


def _ours(key: str, *trades: Mapping[str, Any]) -> bool:
    return any(key.startswith(trade["key"]) for trade in trades)


def _value(trade: Mapping[str, Any]) -> Decimal:
    return Decimal(trade["quantity"]) * Decimal(trade["price"])


def _trade(api: str, home: str, venue: str, size: Decimal, exit_: str) -> dict[str, Any]:
    """One BUY with both exits resting, looked at everywhere, then closed by moving one exit past the market."""
    price = _price(venue, home)
    key = f"golive-{exit_}-{secrets.token_hex(6)}"
    wish = {"account": ACCOUNT, "pair": PAIR, "side": "BUY", "size_zar": str(size), "key": key}
    before = balances(venue, home)
    answer = post(
        f"{api}/api/trades", {**wish, "stop": _cents(price * Decimal("0.98")), "target": _cents(price * Decimal("1.02"))}
    )
    facts: dict[str, Any] = {"key": key, "answer": {"status": answer.status, "state": answer.body.get("state")}}
    if answer.body.get("state") != "filled":
        facts["answer"]["reason"] = answer.body.get("reason", "")
        return facts
    try:
        facts |= _opened(api, home, venue, key, size, before)
    finally:
        moved = _cents(price * (Decimal("1.01") if exit_ == "stop" else Decimal("0.99")))
        post(f"{api}/api/positions/{exit_}", {"account": ACCOUNT, "pair": PAIR, exit_: moved})
        closed = until(_gone(home), SECONDS)
        if not closed:
            post(f"{api}/api/positions/close", {"account": ACCOUNT, "pair": PAIR, "key": f"{key}-by-hand"})
    return {**facts, **_closed(api, home, venue, key, moved=Decimal(moved), by_itself=closed)}


def _opened(api: str, home: str, venue: str, key: str, size: Decimal, before: Mapping[str, Decimal]) -> dict[str, Any]:
    """The order, the position and the resting exits, by the ledger, by the dashboard, and by VALR."""
    order = rows(home, "SELECT * FROM helios_orders WHERE key = ?", key)[0]
    position = rows(home, "SELECT * FROM helios_positions WHERE account = 'live' AND state = 'open' AND pair = ?", PAIR)
    there = valr(venue, home, f"/v1/orders/{PAIR}/customerorderid/{key}")
    told = [one for one in valr(venue, home, "/v1/account/tradehistory") if one["customerOrderId"] == key]
    held, shown = balances(venue, home), get(f"{api}/api/dashboard").body
    got = held.get("BTC", Decimal(0)) - before.get("BTC", Decimal(0))
    price = number(told[0]["price"]) if told else Decimal(0)
    facts: dict[str, Any] = {
        "order": {
            "size_off": abs(number(order["filled"]) * number(order["average"]) - size),
            "client": order["client"],
            "activation": bool(order["activation"]),
            "id_at_valr": there["orderId"] == order["venue_order_id"],
            "status": there["orderStatusType"],
            "side": there["orderSide"],
            "pair": there["currencyPair"],
            "quantity_off": Decimal(there["originalQuantity"]) - number(order["filled"]),
            "price_off": price - number(order["average"]),
            "fee_off": (number(told[0]["fee"]) if told else Decimal(0)) - number(order["fee"]),
            "fills_at_valr": len(told),
        },
        "position": {
            "count": len(position),
            "off_valr": number(position[0]["quantity"]) - got if position else None,
            "off_the_fill": number(position[0]["quantity"]) - number(order["filled"]) if position else None,
        },
        "exits": sorted(one["type"] for one in valr(venue, home, "/v1/orders/open") if one["customerOrderId"].startswith(key)),
        "dashboard": {
            "mode": shown["mode"],
            "positions": len(shown["positions"]),
            "quantity_off": number(shown["positions"][0]["quantity"]) - got if shown["positions"] else None,
            "cash_off": number(shown["pnl"]["cash"]) - held["ZAR"],
            "generated_at": shown["generated_at"],
        },
    }
    return facts


def _closed(api: str, home: str, venue: str, key: str, *, moved: Decimal, by_itself: bool) -> dict[str, Any]:
    """The exit at VALR and the profit that the ledger has of it, beside our own reckoning from VALR's fills."""
    history = [one for one in valr(venue, home, "/v1/account/tradehistory") if one["customerOrderId"].startswith(key)]
    entries, exits = ([one for one in history if one["side"] == side] for side in ("buy", "sell"))
    trade = rows(home, "SELECT t.* FROM helios_trades t JOIN helios_orders o ON o.id = t.entry_order_id WHERE o.key = ?", key)
    facts: dict[str, Any] = {"closed": {"by_its_exit": by_itself, "exits_at_valr": len(exits), "trades": len(trade)}}
    if not entries or not exits or not trade:
        return facts
    there = valr(venue, home, f"/v1/orders/{PAIR}/customerorderid/{exits[0]['customerOrderId']}")
    own = _value(exits[0]) - _value(entries[0]) - Decimal(exits[0]["fee"]) - Decimal(entries[0]["fee"])
    facts["closed"] |= {
        "status": there["orderStatusType"],
        "kind": there["orderType"],
        "closed_by": trade[0]["closed_by"],
        "id_at_valr": bool(rows(home, "SELECT 1 FROM helios_orders WHERE venue_order_id = ?", there["orderId"])),
        "others_left": sum(one["customerOrderId"].startswith(key) for one in valr(venue, home, "/v1/orders/open")),
        "slippage": abs(Decimal(exits[0]["price"]) / Decimal(entries[0]["price"]) - 1),
        "trigger": moved,
    }
    facts["own_profit"] = own
    facts["profit"] = {
        "off": number(trade[0]["profit"]) - own,
        "fees_off": number(trade[0]["fees"]) - Decimal(entries[0]["fee"]) - Decimal(exits[0]["fee"]),
        "fees": number(trade[0]["fees"]),
    }
    return facts


def _gone(home: str) -> Callable[[], bool]:
    return lambda: not rows(home, "SELECT 1 FROM helios_positions WHERE account = 'live' AND state = 'open'")


def _price(venue: str, home: str) -> Decimal:
    return Decimal(valr(venue, home, f"/v1/public/{PAIR}/marketsummary")["lastTradedPrice"])


def _cents(price: Decimal) -> str:
    return str(price.quantize(Decimal("0.01")))


def _reconciled(home: str, venue: str) -> dict[str, Any]:
    """All live fills so far: ledger and VALR side by side, their fees, and the balance that must follow from both."""
    there = {one["customerOrderId"]: one for one in valr(venue, home, "/v1/account/tradehistory")}
    here = {
        row["key"]: row
        for row in rows(
            home,
            "SELECT o.key, f.side, f.quantity, f.price, f.fee FROM helios_fills f JOIN helios_orders o ON o.id = f.order_id"
            " WHERE f.account = 'live'",
        )
    }
    pairs = [(here[key], there[key]) for key in here if key in there]
    held, start = balances(venue, home), rows(home, "SELECT * FROM helios_capital WHERE account = 'live' ORDER BY id")
    profit = sum(
        (number(row["profit"]) for row in rows(home, "SELECT profit FROM helios_trades WHERE account = 'live'")), Decimal(0)
    )
    lots = rows(
        home,
        "SELECT l.quantity, l.price, l.fee FROM helios_lots l JOIN helios_positions p ON p.id = l.position_id"
        " WHERE p.account = 'live' AND p.state = 'open'",
    )
    bound = sum((number(lot["quantity"]) * number(lot["price"]) + number(lot["fee"]) for lot in lots), Decimal(0))
    return {
        "fills": len(here),
        "missing_here": [key for key in there if key not in here],
        "missing_there": [key for key in here if key not in there],
        "different": [
            one["key"] for one, other in pairs
            if any(number(one[name]) != Decimal(other[name]) for name in ("quantity", "price", "fee"))
            or one["side"].lower() != other["side"]
        ],
        "without_fee": [key for key, row in here.items() if number(row["fee"]) <= 0],
        "fees": {
            "here": sum((number(row["fee"]) for row in here.values()), Decimal(0)),
            "off": sum((number(row["fee"]) for row in here.values()), Decimal(0))
            - sum((Decimal(one["fee"]) for one in there.values()), Decimal(0)),
        },
        "start": {"records": len(start), "amount": number(start[0]["amount"]) if start else None},
        "profit": profit,
        "balance": held["ZAR"],
        "off": held["ZAR"] - number(start[0]["amount"]) - profit + bound if start else None,
    }  # fmt: skip


def first_day(api: str, home: str, venue: str) -> dict[str, Any]:
    """Facts on the running operation: samples of the profit since this process began, the capital, and what went wrong."""
    version = get(f"{api}/api/version").body
    since = version["started_at"]
    samples = rows(home, "SELECT * FROM helios_samples WHERE account = 'live' AND at >= ? ORDER BY id", since)
    times = [_seconds(one["at"]) for one in samples]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    facts: dict[str, Any] = {
        "since": since,
        "samples": len(samples),
        "longest_gap_seconds": max(gaps, default=Decimal(0)),
        "balance": balances(venue, home)["ZAR"],
        "crashes": _crashes(home, since),
    }
    if samples:
        facts |= {"newest": samples[-1]["at"], "most_equity": max(number(one["equity"]) for one in samples)}
    return facts


def _seconds(at: str) -> Decimal:
    return Decimal(str(round(datetime.fromisoformat(at).timestamp(), 3)))


def _crashes(home: str, since: str) -> list[str]:
    """Lines of the system log since then that tell of a failed turn or an error."""
    with open(f"{home}/logs/system.log", encoding="utf-8") as log:
        found = [line.rstrip("\n") for line in log if line[:19] >= since[:19] and (" ERROR " in line or " CRITICAL " in line)]
    return [line[:200] for line in found[:20]]


def funding(home: str, venue: str) -> dict[str, Any]:
    """Facts on the capital and its steps: what VALR holds, what the ledger has of money that was added, by step."""
    records = rows(home, "SELECT amount, currency, at FROM helios_capital WHERE account = 'live' ORDER BY id")
    amounts = [number(row["amount"]) for row in records]
    steps = [(later - earlier, row["at"]) for (earlier, later), row in zip(pairwise(amounts), records[1:], strict=True)]
    first = rows(home, "SELECT min(at) AS at FROM helios_fills WHERE account = 'live'")[0]["at"]
    return {
        "balance": balances(venue, home)["ZAR"],
        "records": len(records),
        "amounts": amounts,
        "largest_step": max((step for step, _ in steps), default=Decimal(0)),
        "unwatched_steps": [at for _, at in steps if not _watched(home, at)],
        "raised_too_early_above_1000": _early(records, Decimal(1000), first, 86_400),
        "raised_too_early_above_5000": _early(records, Decimal(5000), first, 7 * 86_400),
    }


def _early(records: Any, above: Decimal, first: str | None, seconds: int) -> list[str]:
    """Times at which the capital was raised above an amount before trading had gone on for so long."""
    raised = [row["at"] for row in records if number(row["amount"]) > above]
    return [at for at in raised if first is None or _seconds(at) - _seconds(first) < seconds]


def _watched(home: str, at: str) -> bool:
    """Whether the profit was sampled in the hour before."""
    samples = rows(home, "SELECT at FROM helios_samples WHERE account = 'live' AND at <= ? ORDER BY id DESC LIMIT 1", at)
    return bool(samples) and _seconds(at) - _seconds(samples[0]["at"]) < 3600
