"""The checks before a live trade and the watch around it, tried on the live path with nobody's money.

A rehearsal on the live path brings its own mode switches, permission and connection; the gates, the log and the alert are
the ones that a trade for real money meets.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from behaviours.ask import Answer, get, post
from behaviours.helios_desk import LIVE_SWITCHES, Rehearsal, lines, mails, number, rehearsal, rows

PAIR = "BTCZAR"
GOOD: Mapping[str, Any] = {"path": "LIVE", "environ": LIVE_SWITCHES, "permitted": True, "connected": True}


def _told(answer: Answer) -> dict[str, Any]:
    return {
        "status": answer.status,
        "state": answer.body.get("state"),
        "check": answer.body.get("check"),
        "reason": answer.body.get("reason"),
    }


def _sent(own: Rehearsal) -> int:
    """Orders, fills and lines of the log: all that a submission would have left."""
    return len(own.rows("orders")) + len(own.rows("fills")) + len(lines(own.home, own.account))


def live_path(api: str, home: str) -> dict[str, Any]:
    """Facts on each check of a live trade: one trade that passes, and one that fails just this check."""
    with rehearsal(api, home, 2000, **GOOD) as own:
        own.feed(PAIR, 1_000_000)
        passed = own.buy(PAIR, 200, stop=980_000)
        facts: dict[str, Any] = {
            "gates": get(f"{api}/api/gates").body["gates"],
            "all_is_well": {
                "state": passed.body["state"],
                "orders": len(own.rows("orders")),
                "path": own.rows("orders")[0]["mode"],
            },
            "mode": [_unconfirmed(api, home, name, change) for name, change in _DOUBTS.items()],
            "connection": _one(api, home, {"connected": False}),
            "on_paper": _one(api, home, {"path": "PAPER", "permitted": False, "environ": {}}),
        }
    facts["size"] = _sizes(api, home)
    facts["daily_loss"] = _loss(api, home)
    return facts


_DOUBTS: Mapping[str, Mapping[str, Any]] = {
    "switches_disagree": {"environ": {**LIVE_SWITCHES, "ENABLE_PAPER_TRADING": "True"}},
    "paper": {"environ": {"TRADING_MODE": "PAPER", "ENABLE_PAPER_TRADING": "True"}},
    "missing": {"environ": {}},
    "misspelt": {"environ": {**LIVE_SWITCHES, "TRADING_MODE": "live "}},
    "no_permission": {"permitted": False},
}


def _one(api: str, home: str, change: Mapping[str, Any]) -> dict[str, Any]:
    with rehearsal(api, home, 2000, **{**GOOD, **change}) as own:
        own.feed(PAIR, 1_000_000)
        return {**_told(own.buy(PAIR, 200, stop=980_000)), "sent": _sent(own)}


def _unconfirmed(api: str, home: str, name: str, change: Mapping[str, Any]) -> dict[str, Any]:
    return {"doubt": name, **_one(api, home, change)}


def _sizes(api: str, home: str) -> dict[str, Any]:
    """A size at the limit, and those that must not pass."""
    limit = number(get(f"{api}/api/gates").body["limits"]["MAX_POSITION_SIZE_ZAR"])
    with rehearsal(api, home, 5000, **GOOD) as own:
        own.feed(PAIR, 1_000_000)
        wrong = {
            "a_cent_more": limit + Decimal("0.01"),
            "negative": -limit,
            "zero": 0,
            "not_a_number": "NaN",
            "infinite": "Infinity",
        }
        refused = [{"tried": name, **_told(own.buy(PAIR, size, stop=980_000))} for name, size in wrong.items()]
        sent = _sent(own)
        return {"limit": limit, "refused": refused, "sent": sent, "at_the_limit": _told(own.buy(PAIR, limit, stop=980_000))}


def _loss(api: str, home: str) -> dict[str, Any]:
    """Trades until the day's loss has reached its limit, and the one after."""
    found = get(f"{api}/api/gates").body["limits"]
    size, most = number(found["MAX_POSITION_SIZE_ZAR"]), number(found["MAX_DAILY_LOSS_ZAR"])
    with rehearsal(api, home, 20_000, **GOOD) as own:
        accepted = 0
        for _ in range(int(most / size) + 1):
            own.feed(PAIR, 1_000_000)
            accepted += own.buy(PAIR, size, stop=980_000).body["state"] == "filled"
            own.feed(PAIR, 10)
        own.feed(PAIR, 1_000_000)
        lost, sent = -sum((number(row["profit"]) for row in own.rows("trades")), Decimal(0)), _sent(own)
        last = _told(own.buy(PAIR, size, stop=980_000))
        return {"accepted": accepted, "beyond_the_limit": lost - most, "last": last, "sent_by_it": _sent(own) - sent}


def watched(api: str, home: str) -> dict[str, Any]:
    """Facts on what a trade on the live path leaves in the log and sends to people, and on every fill of real money so far."""
    with rehearsal(api, home, 2000, **GOOD) as own:
        own.feed(PAIR, 1_000_000)
        own.buy(PAIR, 200, stop=980_000)
        own.close(PAIR)
        orders, fills, alerts = own.rows("orders"), own.rows("fills"), own.rows("alerts")
        told = [_lines_of(home, order) for order in orders]
        facts = {
            "trades": len(fills),
            "orders": told,
            "alerts": [{"title": one["title"], "state": one["state"], **_fields(one["message"])} for one in alerts],
            "mails": [_mailed(home, str(order["key"])) for order in orders],
        }
    live = rows(
        home, "SELECT o.* FROM helios_orders o WHERE o.mode = 'LIVE' AND o.account = 'live' AND o.state IN ('filled', 'partial')"
    )
    seen = [_lines_of(home, order) for order in live]
    facts["live"] = {
        "fills": len(seen),
        "without_before": [one["key"] for one in seen if one["before"] != 1],
        "without_after": [one["key"] for one in seen if one["after"] != 1],
    }
    return facts


def _lines_of(home: str, order: Mapping[str, Any]) -> dict[str, Any]:
    """The lines of one order, by its key, and whether they stand around the time at which it was filled."""
    key = f"key={order['key']} "
    before = lines(home, "CRITICAL", "LIVE TRADE EXECUTION:", key)
    after = lines(home, "CRITICAL", "LIVE TRADE EXECUTED:", key)
    filled = rows(home, "SELECT at FROM helios_fills WHERE order_id = ?", order["id"])
    facts: dict[str, Any] = {
        "key": order["key"],
        "before": len(before),
        "after": len(after),
        "confirmed_with_its_id": sum(str(order["venue_order_id"]) in line for line in after),
    }
    if before and after and filled:
        at = datetime.fromisoformat(filled[0]["at"])
        facts["before_its_fill"] = _time(before[0]) <= at
        facts["after_the_line_before"] = _time(before[0]) <= _time(after[0])
    return facts


def _mailed(home: str, key: str) -> dict[str, Any]:
    """The mail about an order, as it lies in the mailbox: its subject, and what it says of the trade."""
    found = mails(home, f"Key: {key}", 4)
    facts: dict[str, Any] = {"count": len(found)}
    if found:
        text = " ".join(found[0].get_content().split())
        facts |= {"subject": found[0]["Subject"], "recipient": found[0]["X-Envelope-To"], **_fields(text)}
    return facts


def test_alert(api: str, home: str) -> dict[str, Any]:
    """Facts on an alert that is only tried: written down, sent, and found in the mailbox of those who are to be reached."""
    word = f"golive-{secrets.token_hex(6)}"
    answer = post(f"{api}/api/alerts/test", {"by": "golive", "text": word})
    found = mails(home, word, 4)
    written = rows(home, "SELECT channel, delivered, error FROM alerts WHERE text LIKE ?", f"%{word}%")
    facts: dict[str, Any] = {"status": answer.status, "mails": len(found), "written": written}
    if found:
        facts |= {name: found[0][header] for name, header in (("subject", "Subject"), ("recipient", "X-Envelope-To"))}
    return facts


def _time(line: str) -> datetime:
    return datetime.fromisoformat(line.split(" ", 1)[0])


def _fields(message: str) -> dict[str, str]:
    """`Pair: …, Side: …, Size: …` of an alert."""
    pairs = (part.partition(": ") for part in message.split(", "))
    return {name.lower(): value for name, _, value in pairs if name in ("Pair", "Side", "Size")}
