"""Tests 1 to 5 of document 004 in PAPER mode: an order from its signal to its profit, both exits, the limits, the emergency stop.

Each runs on a rehearsal of its own on the desk itself, reads the ledger as a second process, and is forgotten afterwards.
"""

from __future__ import annotations

import secrets
from decimal import Decimal
from typing import Any

from behaviours.ask import get, post
from behaviours.helios_desk import FEE, Rehearsal, number, rehearsal, rows, valr

PAIR = "BTCZAR"
CALM = [Decimal(1_000_000)] * 11
DIP = Decimal(985_000)
DRILL = "golive drill "


def order_flow(api: str, home: str, venue: str) -> dict[str, Any]:
    """Facts on test 1: calm prices, a dip, the order that follows, its position and its profit at another price."""
    traded = len(valr(venue, home, "/v1/account/tradehistory"))
    with rehearsal(api, home, 5000) as own:
        own.feed(PAIR, *CALM)
        calm = len(own.rows("signals"))
        own.feed(PAIR, DIP)
        signals, orders, fills = own.rows("signals"), own.rows("orders"), own.rows("fills")
        again = own.buy(PAIR, 250, key=orders[0]["key"]) if orders else None
        positions = own.rows("positions")
        profits = []
        for price in (Decimal(990_000), Decimal(995_000)):
            own.feed(PAIR, price)
            profits.append((price, own.pnl()))
        facts = {
            "signals": {"when_calm": calm, "after_the_dip": len(signals)},
            "orders": {"count": len(orders), "after_sending_it_again": len(own.rows("orders"))},
            "fills": {"count": len(fills)},
            "positions": {"count": len(positions)},
            "valr_trades_of_it": len(valr(venue, home, "/v1/account/tradehistory")) - traded,
        }
        if signals:
            facts["signal"] = {
                "pair": signals[0]["pair"],
                "side": signals[0]["side"],
                "off_the_dip": number(signals[0]["price"]) - DIP,
            }
        if orders and again is not None:
            facts["order"] = {
                **{name: orders[0][name] for name in ("pair", "side", "client", "mode", "state", "venue_order_id")},
                "size_zar": number(orders[0]["size_zar"]),
                "of_the_signal": bool(signals) and orders[0]["signal_id"] == signals[0]["id"],
                "replayed": again.body.get("replayed"),
            }
        if fills and positions:
            facts["position"] = _tracked(fills[0], positions[0])
            facts["pnl"] = _profits(fills[0], profits)
        return facts


def _tracked(fill: Any, position: Any) -> dict[str, Any]:
    """How far the position is from the fill, and the fee from a thousandth."""
    value = number(fill["quantity"]) * number(fill["price"])
    return {
        "state": position["state"],
        "quantity": number(position["quantity"]),
        "quantity_off": number(position["quantity"]) - number(fill["quantity"]),
        "price_off": number(position["entry_price"]) - number(fill["price"]),
        "fee_off": number(fill["fee"]) - (value * FEE).quantize(Decimal("0.00000001")),
        "slippage": number(fill["price"]) / DIP - 1,
    }


def _profits(fill: Any, profits: Any) -> dict[str, Any]:
    """The desk's profit at two prices beside our own reckoning of it."""
    quantity, paid = number(fill["quantity"]), number(fill["quantity"]) * number(fill["price"]) + number(fill["fee"])
    off = [number(told["unrealized"]) - (quantity * price - paid) for price, told in profits]
    return {
        "off": off,
        "moved": number(profits[1][1]["unrealized"]) - number(profits[0][1]["unrealized"]),
        "moved_off": number(profits[1][1]["unrealized"]) - number(profits[0][1]["unrealized"]) - quantity * 5000,
        "checked_at": profits[1][1]["checked_at"],
    }


def exit_at(api: str, home: str, kind: str) -> dict[str, Any]:
    """Facts on tests 2 and 3: a position with both exits, a price short of the exit, and one beyond it."""
    short, beyond = {"stop-loss": (981_000, 979_000), "take-profit": (1_019_000, 1_021_000)}[kind]
    with rehearsal(api, home, 2000, follows=False) as own:
        own.feed(PAIR, 1_000_000)
        opened = own.buy(PAIR, 200, stop=980_000, target=1_020_000)
        registered = own.rows("positions", "AND state = 'open'")
        own.feed(PAIR, short)
        waiting = own.rows("positions", "AND state = 'open'")
        cycle = own.feed(PAIR, beyond)[0]
        positions, trades, fills = own.rows("positions"), own.rows("trades"), own.rows("fills")
        held = rows(home, "SELECT amount FROM helios_holdings WHERE account = ? AND asset = 'BTC'", own.account)
        cash = rows(home, "SELECT amount FROM helios_holdings WHERE account = ? AND asset = 'ZAR'", own.account)
        told = own.pnl()
    facts: dict[str, Any] = {
        "opened": {"status": opened.status, "state": opened.body.get("state"), "positions": len(registered)},
        "short_of_it": {"open": len(waiting)},
        "fired": {"closed_by": cycle["closed_by"], "positions": len(positions)},
        "remainder": number(held[0]["amount"]) if held else None,
        "trades": {"count": len(trades)},
        "fills": {"count": len(fills)},
    }
    if registered:
        facts["registered"] = {"stop": number(registered[0]["stop"]), "target": number(registered[0]["target"])}
    if positions:
        facts["closed"] = {name: positions[0][name] for name in ("state", "closed_by")} | {
            "quantity": number(positions[0]["quantity"])
        }
    if len(fills) == 2 and trades and cash:
        own_profit = _value(fills[1]) - _value(fills[0]) - number(fills[0]["fee"]) - number(fills[1]["fee"])
        facts["pnl"] = {
            "profit": number(trades[0]["profit"]),
            "off": number(trades[0]["profit"]) - own_profit,
            "told_off": number(told["realized"]) - own_profit,
            "cash_off": number(cash[0]["amount"]) - 2000 - own_profit,
            "closed_by": trades[0]["closed_by"],
            "exit_off_the_price": _value(fills[1]) / number(fills[1]["quantity"]) / beyond - 1,
        }
    return facts


def _value(fill: Any) -> Decimal:
    return number(fill["quantity"]) * number(fill["price"])


def limits(api: str, home: str) -> dict[str, Any]:
    """Facts on test 4: each limit just met and just passed, and what every refused trade left behind."""
    most = {name: number(value) for name, value in get(f"{api}/api/gates").body["limits"].items()}
    size = most["MAX_POSITION_SIZE_ZAR"]
    facts: dict[str, Any] = {"limits": most}
    with rehearsal(api, home, 5000, follows=False) as own:
        own.feed(PAIR, 1_000_000)
        above = {
            "a_cent_more": own.buy(PAIR, size + Decimal("0.01"), stop=985_000),
            "ten_times": own.buy(PAIR, size * 10, stop=985_000),
            "negative": own.buy(PAIR, -size, stop=985_000),
            "nothing": own.buy(PAIR, 0, stop=985_000),
            "not_a_number": own.buy(PAIR, "NaN", stop=985_000),
        }
        facts["size"] = {
            "refused": _refused(above),
            "behind": _left(own),
            "at_the_limit": own.buy(PAIR, size, stop=985_000).body["state"],
        }
    with rehearsal(api, home, 1000, follows=False) as own:
        own.feed(PAIR, 1_000_000)
        wide = own.buy(PAIR, size, stop=500_000)
        facts["risk"] = {"refused": _refused({"wide_stop": wide, "no_stop": own.buy(PAIR, size)}), "behind": _left(own)}
        facts["risk"]["within"] = own.buy(PAIR, size, stop=985_000).body["state"]
    with rehearsal(api, home, 5000, follows=False) as own:
        pairs = [f"PAIR{number}ZAR" for number in range(int(most["MAX_OPEN_POSITIONS"]) + 1)]
        for pair in pairs:
            own.feed(pair, 1000)
        opened = [own.buy(pair, 100, stop=990) for pair in pairs]
        facts["open"] = {
            "accepted": sum(one.body["state"] == "filled" for one in opened[:-1]),
            "refused": _refused({"one_more": opened[-1]}),
            "behind": {
                "positions": len(own.rows("positions")),
                "orders": len(own.rows("orders")),
                "rejections": len(own.rows("rejections")),
            },
        }
    facts["loss"] = _losses(api, home, size, most["MAX_DAILY_LOSS_ZAR"])
    return facts


def _losses(api: str, home: str, size: Decimal, most: Decimal) -> dict[str, Any]:
    """Lose almost all of a position again and again, until the day's loss has reached its limit; then ask for one more."""
    with rehearsal(api, home, 20_000, follows=False) as own:
        rounds, states = int(most / size) + 2, []
        for _ in range(rounds):
            own.feed(PAIR, 1_000_000)
            before = -sum((number(trade["profit"]) for trade in own.rows("trades")), Decimal(0))
            answer = own.buy(PAIR, size, stop=985_000)
            states.append({"loss_before": before, "state": answer.body["state"], "check": answer.body.get("check", "")})
            if answer.body["state"] != "filled":
                break
            own.feed(PAIR, 10)
        lost = -sum((number(trade["profit"]) for trade in own.rows("trades")), Decimal(0))
        below = [one["state"] for one in states if one["loss_before"] < most]
        return {
            "lost": lost,
            "beyond_the_limit": lost - most,
            "below_the_limit": below,
            "at_the_limit": [one for one in states if one["loss_before"] >= most],
            "rejections": [row["check_name"] for row in own.rows("rejections")],
            "open": len(own.rows("positions", "AND state = 'open'")),
        }


def _refused(answers: Any) -> list[dict[str, Any]]:
    return [
        {
            "tried": name,
            "status": one.status,
            "state": one.body.get("state"),
            "check": one.body.get("check"),
            "reason": one.body.get("reason"),
        }
        for name, one in answers.items()
    ]


def _left(own: Rehearsal) -> dict[str, int]:
    """What stands in the ledger of refused trades: rejections, and neither orders nor positions."""
    return {name: len(own.rows(name)) for name in ("rejections", "orders", "fills", "positions")}


def emergency_stop(api: str, home: str) -> dict[str, Any]:
    """Facts on test 5: resting orders, the stop by the dashboard's own address, signals after it, a restart, and the release.

    A stop that somebody else tripped, and orders that rest for real money, are left alone; then nothing is tried. A stop that an
    interrupted drill left behind is our own, and is released first.
    """
    left_over = get(f"{api}/api/emergency-stop").body
    if left_over["halted"] and str(left_over["reason"]).startswith(DRILL):
        _release(api, home, str(left_over["reason"]))
    resting = "SELECT count(*) AS n FROM helios_orders WHERE state = 'pending'"
    before = {"halted": get(f"{api}/api/emergency-stop").body["halted"], "pending": rows(home, resting)[0]["n"]}
    if before["halted"] or before["pending"]:
        return {"before": before}
    reason = f"{DRILL}{secrets.token_hex(6)}"
    with rehearsal(api, home, 5000) as own:
        own.feed("ETHZAR", 50_000)
        held = own.buy("ETHZAR", 100, stop=49_500)
        own.feed(PAIR, 1_000_000)
        limits = [own.buy(PAIR, 100, limit=price, stop=890_000) for price in (900_000, 905_000)]
        pending = len(own.rows("orders", "AND state = 'pending'"))
        kept = own.rows("positions", "AND state = 'open'")
        try:
            answer = post(f"{api}/api/emergency-stop", {"reason": reason, "by": "golive"})
            stopped = {
                "status": answer.status,
                "not_cancelled": answer.body.get("not_cancelled"),
                "in_the_ledger": [row["state"] for row in rows(home, "SELECT state FROM helios_halt WHERE reason = ?", reason)],
                "dashboard_says": get(f"{api}/api/dashboard").body["halted"],
                "pending": rows(home, resting)[0]["n"],
                "limit_orders": [row["state"] for row in own.rows("orders", "AND kind = 'limit'")],
            }
            after = _after_the_stop(own)
            restarted = _restarted(own, kept, str(held.body["key"]))
        finally:
            released = _release(api, home, reason)
        going = own.buy("SOLZAR", 100, stop=990) if own.feed("SOLZAR", 1000) else None
        return {
            "before": before,
            "prepared": {"position": held.body["state"], "limits": [one.body["state"] for one in limits], "pending": pending},
            "stopped": stopped,
            "after": after,
            "restarted": restarted,
            "released": {**released, "trade": going.body["state"] if going else None},
        }


def _after_the_stop(own: Rehearsal) -> dict[str, Any]:
    """Signals of several cycles and a wish by hand, none of which may become an order."""
    orders = len(own.rows("orders"))
    own.feed(PAIR, *CALM)
    cycles = own.feed(PAIR, DIP, DIP - 15_000, DIP - 30_000)
    manual = own.buy(PAIR, 100, stop=900_000)
    return {
        "signals": sum(cycle["signal"] is not None for cycle in cycles),
        "new_orders": len(own.rows("orders")) - orders,
        "manual": {"status": manual.status, "check": manual.body.get("check")},
        "rejections": sorted({row["check_name"] for row in own.rows("rejections")}),
    }


def _restarted(own: Rehearsal, kept: Any, key: str) -> dict[str, Any]:
    """A new engine: still halted, positions as they were, an order that was sent before is not sent twice."""
    first = get(f"{own.api}/api/version").body["instance"]
    second = post(f"{own.api}/api/engine/restart", {}).body
    orders = len(own.rows("orders"))
    again = own.buy("ETHZAR", 100, stop=49_500, key=key)
    new = own.buy("SOLZAR", 100, stop=990)
    now = own.rows("positions", "AND state = 'open'")
    same = ("id", "pair", "quantity", "entry_price", "stop")
    return {
        "another_instance": second["instance"] != first,
        "halted": second["halted"],
        "positions": len(now),
        "positions_as_before": [[row[name] for name in same] for row in now] == [[row[name] for name in same] for row in kept],
        "replayed": again.body.get("replayed"),
        "refused": new.body.get("check"),
        "new_orders": len(own.rows("orders")) - orders,
    }


def _release(api: str, home: str, reason: str) -> dict[str, Any]:
    """Undo our own stop; somebody else's stays."""
    ours = rows(home, "SELECT 1 FROM helios_halt WHERE state = 'halted' AND reason = ?", reason)
    if ours:
        post(f"{api}/api/emergency-stop/release", {"reason": f"{reason} is over", "by": "golive"})
    return {"was_ours": bool(ours), "halted": get(f"{api}/api/emergency-stop").body["halted"]}
