"""The first trade after an activation: a small real order, seen at the exchange, in the books and in the log, and sold again."""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from behaviours.ask import environment_of, get, post, signed, until
from behaviours.office import exits, operational_log

ACCOUNT, BROKER, SYMBOL, QUANTITY = "gamma", "kraken", "BTCUSDT", "0.0001"


def made(api: str, home: str, exchanges: Mapping[str, str]) -> dict[str, Any]:
    """Facts on a purchase for real money: the exchange's word, position and exits there, the ledger, the log; then sold again."""
    environ = environment_of(f"{home}/desk.pid")
    key, secret = environ["KRAKEN_API_KEY"], environ["KRAKEN_API_SECRET"]
    before = _held(exchanges, key, secret)
    number = f"first-{secrets.token_hex(8)}"
    wish = {"account": ACCOUNT, "symbol": SYMBOL, "quantity": QUANTITY}
    intended = Decimal(str(get(f"{exchanges[BROKER]}/ticker/{SYMBOL}").body["price"]))
    began = time.monotonic()
    order = post(f"{api}/orders", {**wish, "side": "BUY", "key": number}).body
    latency = int((time.monotonic() - began) * 1000)
    filled = order["state"] == "filled"
    try:
        found = signed(exchanges[BROKER], f"/orders/{number}", key, secret)
        until(lambda: not filled or all(one["protected"] for one in exits(api, home, exchanges)["positions"]), 5)
        seen = exits(api, home, exchanges)
        until(lambda: operational_log(home).get("last_activation", {}).get("first_trade", 0) > 0, 2 if filled else 0)
        row = _row(home, number)
        log = operational_log(home)
    finally:
        if filled:
            sold = post(f"{api}/orders", {**wish, "side": "SELL", "key": f"{number}-back"}).body["state"]
            until(lambda: all(one["protected"] for one in exits(api, home, exchanges)["positions"]), 5)
        else:
            sold = "nothing to sell"
    return {
        "order": {"state": order["state"], "gate": order["gate"], "reason": order["reason"]},
        "exchange": {"status": found.status, "state": found.body.get("status", ""), "order_id": found.body.get("order_id", "")},
        "ledger": row,
        **({"fill": _fill(row, found.body, intended, latency)} if filled else {}),
        "positions": seen["positions"],
        "unknown_to_the_desk": seen["unknown_to_the_desk"],
        "own_position": [one for one in seen["positions"] if one["account"] == ACCOUNT and one["symbol"] == SYMBOL],
        "log": log.get("last_activation", {"activated": 0, "first_trade": 0}),
        "sold_again": sold,
        "restored": _held(exchanges, key, secret) == before,
    }


def _fill(row: Mapping[str, Any], there: Mapping[str, Any], intended: Decimal, latency: int) -> dict[str, Any]:
    """How far the fill was from the price just before it, how long it took, what it cost, by the books and by the exchange."""
    price, fee = Decimal(row["price"]), Decimal(row["fee"])
    return {
        "intended": intended,
        "price": price,
        "slippage": (price / intended - 1).quantize(Decimal("0.000001")),
        "price_difference_to_exchange": abs(price - Decimal(str(there["price"]))),
        "fee_share": (fee / (price * Decimal(QUANTITY))).quantize(Decimal("0.000001")),
        "latency_ms": latency,
    }


def _held(exchanges: Mapping[str, str], key: str, secret: str) -> Decimal:
    return Decimal(str(signed(exchanges[BROKER], f"/account/{ACCOUNT}", key, secret).body["balances"].get("BTC", 0)))


def _row(home: str, number: str) -> dict[str, Any]:
    database = sqlite3.connect(f"file:{Path(home, 'ledger.sqlite')}?mode=ro", uri=True, timeout=5)
    try:
        names = ("state", "environment", "exchange_order_id", "activation", "price", "fee")
        query = f"SELECT {', '.join(names)} FROM orders WHERE idempotency_key = ?"  # noqa: S608 - the names stand above
        row = database.execute(query, (number,)).fetchone()
    finally:
        database.close()
    return dict(zip(names, row, strict=True)) if row else {}
