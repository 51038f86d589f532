"""The capital at VALR beside what was written down of it, and a smallest order that is placed, seen there, and taken back."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from behaviours.ask import Answer, ask, environment_of
from behaviours.helios_desk import balances, number, rows, valr

PAIR = "BTCZAR"


def capital(home: str, venue: str) -> dict[str, Any]:
    """Facts on every rand that the key can reach, and on the record of the capital to begin with, in file and ledger."""
    held = balances(venue, home)
    worth = held.get("ZAR", Decimal(0))
    unpriced = []
    for asset, amount in held.items():
        if asset != "ZAR" and amount:
            try:
                worth += amount * Decimal(valr(venue, home, f"/v1/public/{asset}ZAR/marketsummary")["lastTradedPrice"])
            except RuntimeError:
                unpriced.append(asset)
    file = json.loads(Path(home, "records/helios/STARTING_CAPITAL.json").read_text(encoding="utf-8"), parse_float=Decimal)
    books = rows(home, "SELECT * FROM helios_capital WHERE account = 'live' ORDER BY id")
    profit = sum(
        (number(row["profit"]) for row in rows(home, "SELECT profit FROM helios_trades WHERE account = 'live'")), Decimal(0)
    )
    open_ = rows(home, "SELECT 1 FROM helios_positions WHERE account = 'live' AND state = 'open'")
    return {
        "worth": worth,
        "unpriced": unpriced,
        "record": {
            "amount": number(file["amount"]),
            "currency": file["currency"],
            "recorded_at": file["recorded_at"],
            "same_in_the_ledger": bool(books) and number(books[0]["amount"]) == number(file["amount"]),
        },
        "profit_since": profit,
        "open_positions": len(open_),
        "off": worth - number(file["amount"]) - profit,
    }


def smallest_order(home: str, venue: str) -> dict[str, Any]:
    """Facts on a limit order of the least size, far below the market: taken, resting at VALR, cancelled, gone; nothing traded."""
    before, known = balances(venue, home), len(valr(venue, home, "/v1/account/tradehistory"))
    price = Decimal(valr(venue, home, f"/v1/public/{PAIR}/marketsummary")["lastTradedPrice"])
    key = f"golive-order-{secrets.token_hex(6)}"
    wish = {
        "side": "BUY", "pair": PAIR, "quantity": "0.000020", "price": str((price / 2).quantize(Decimal(1))),
        "customerOrderId": key, "timeInForce": "GTC", "postOnly": False,
    }  # fmt: skip
    placed = _signed(home, venue, "POST", "/v1/orders/limit", wish)
    try:
        resting = [one for one in valr(venue, home, "/v1/orders/open") if one["customerOrderId"] == key]
    finally:
        cancelled = _signed(home, venue, "DELETE", "/v1/orders/order", {"customerOrderId": key, "pair": PAIR})
    left = [one for one in valr(venue, home, "/v1/orders/open") if one["customerOrderId"] == key]
    after = balances(venue, home)
    return {
        "placed": {"status": placed.status, "has_an_id": bool(placed.body.get("id"))},
        "resting": len(resting),
        "below_the_market": Decimal(wish["price"]) / price,
        "cancelled": {"status": cancelled.status},
        "left": len(left),
        "traded": len(valr(venue, home, "/v1/account/tradehistory")) - known,
        "balance_off": after["ZAR"] - before["ZAR"],
    }


def _signed(home: str, venue: str, verb: str, path: str, wish: Any) -> Answer:
    environ = environment_of(f"{home}/desk.pid")
    body, stamp = json.dumps(wish), str(time.time_ns() // 1_000_000)
    text = f"{stamp}{verb}{path}{body}".encode()
    mark = hmac.new(environ.get("VALR_API_SECRET", "").encode(), text, hashlib.sha512).hexdigest()
    headers = {"X-VALR-API-KEY": environ.get("VALR_API_KEY", ""), "X-VALR-TIMESTAMP": stamp, "X-VALR-SIGNATURE": mark}
    return ask(verb, venue + path, body.encode(), headers)
