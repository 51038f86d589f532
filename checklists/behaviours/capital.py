"""How much of each account's capital is left unreserved, by the exchange's word on balances and the ledger's on reservations."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from behaviours.ask import environment_of, get, signed


def buffers(home: str, api: str, exchanges: Mapping[str, str]) -> dict[str, Any]:
    """For each account that trades real money: total as the exchange tells it, reserved as the ledger has it, and the buffer
    1 - reserved / total.
    """
    environ = environment_of(f"{home}/desk.pid")
    reserved = _reserved(f"{home}/ledger.sqlite")
    told = []
    for account in get(f"{api}/accounts").body["accounts"]:
        if account["kind"] != "live":
            continue
        name, broker = account["account"], account["broker"]
        key, secret = environ[f"{broker.upper()}_API_KEY"], environ[f"{broker.upper()}_API_SECRET"]
        balances = signed(exchanges[broker], f"/account/{name}", key, secret).body["balances"]
        total = sum((_worth(exchanges[broker], asset, Decimal(str(amount))) for asset, amount in balances.items()), Decimal(0))
        held = reserved.get(name, Decimal(0))
        buffer = (1 - held / total).quantize(Decimal("0.0001")) if total > 0 else Decimal(0)
        told.append({"account": name, "total": total.quantize(Decimal("0.01")), "reserved": held, "buffer": buffer})
    return {"accounts": told}


def _reserved(ledger: str) -> dict[str, Decimal]:
    database = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=5)
    try:
        rows = database.execute("SELECT account, amount FROM reservations").fetchall()
    finally:
        database.close()
    sums: dict[str, Decimal] = {}
    for account, amount in rows:
        sums[account] = sums.get(account, Decimal(0)) + Decimal(str(amount))
    return sums


def _worth(exchange: str, asset: str, amount: Decimal) -> Decimal:
    """The worth of an amount in USDT at the exchange's price of now."""
    if asset in ("USDT", "USD") or amount == 0:
        return amount
    return amount * Decimal(str(get(f"{exchange}/ticker/{asset}USDT").body["price"]))
