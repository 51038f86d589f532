"""Does a failing account stay alone, and does its circuit breaker trip and close again? Tried on drill accounts, on the
testnet.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from behaviours.ask import get, post, until

SYMBOL, QUANTITY = "BTCUSDT", "0.0001"
MANY = 12


def failure_stays_with_its_account(api: str, account: str) -> dict[str, Any]:
    """Facts on one account whose orders fail at the exchange, and on every other account meanwhile."""
    before = _accounts(api)
    try:
        _inject(api, account, MANY)
        for _ in range(before[account]["breaker"]["threshold"]):
            _order(api, account, "BUY")
        during = _accounts(api)
        neighbours = [_neighbour(api, name, before[name], during[name]) for name in before if name != account]
        failing = {"state": during[account]["state"], "reason": during[account]["breaker"]["reason"]}
    finally:
        restored = _restore(api, account)
    return {"failing": failing, "neighbours": neighbours, "restored": restored}


def breaker_trips_and_recovers(api: str, account: str) -> dict[str, Any]:
    """Facts on a breaker: after how many failures it trips, what happens to an order then, and whether it closes by itself."""
    breaker = _accounts(api)[account]["breaker"]
    threshold = breaker["threshold"]
    tripped_after = 0
    try:
        _inject(api, account, threshold)
        while _accounts(api)[account]["state"] != "quarantined" and tripped_after < threshold + 3:
            _order(api, account, "BUY")
            tripped_after += 1
        while_open = _order(api, account, "BUY")
        recovered = until(lambda: _accounts(api)[account]["state"] == "active", 15)
        after = _order(api, account, "BUY")
        if after["state"] == "filled":
            _order(api, account, "SELL")
    finally:
        restored = _restore(api, account)
    return {
        "configured": threshold >= 1 and breaker["cool_down_seconds"] > 0,
        "threshold": threshold,
        "tripped_after": tripped_after,
        "order_while_open": while_open["state"],
        "gate_while_open": while_open["gate"],
        "recovered": recovered,
        "order_after_recovery": after["state"],
        "restored": restored,
    }


def _neighbour(api: str, name: str, before: Mapping[str, Any], during: Mapping[str, Any]) -> dict[str, Any]:
    bought = _order(api, name, "BUY")
    if bought["state"] == "filled":
        _order(api, name, "SELL")
    return {
        "account": name,
        "state": during["state"],
        "breaker_failures": during["breaker"]["failures"],
        "order_filled": bought["state"] == "filled",
        "capital_untouched": before["balances"] is not None and before["balances"] == during["balances"],
    }


def _accounts(api: str) -> dict[str, Mapping[str, Any]]:
    return {one["account"]: one for one in get(f"{api}/accounts").body["accounts"]}


def _inject(api: str, account: str, failures: int) -> None:
    answer = post(f"{api}/accounts/{account}/faults", {"failures": failures})
    if answer.status != 200:
        raise RuntimeError(f"no failures can be injected into {account}: {answer.status} {answer.body.get('error', '')}")


def _order(api: str, account: str, side: str) -> Mapping[str, Any]:
    wish = {"account": account, "symbol": SYMBOL, "side": side, "quantity": QUANTITY, "testnet": True}
    return post(f"{api}/orders", {**wish, "key": f"golive-{secrets.token_hex(8)}"}).body


def _restore(api: str, account: str) -> bool:
    """Take back what was injected, and wait until the account trades again."""
    _inject(api, account, 0)
    return until(lambda: _accounts(api)[account]["state"] == "active", 15)
