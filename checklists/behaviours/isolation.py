"""Does a failing account stay alone, and does its circuit breaker trip and close again? Tried on drill accounts, on the
testnet.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from behaviours.ask import environment_of, get, post, signed, until

SYMBOL, QUANTITY = "BTCUSDT", "0.0001"
MANY = 12


def failure_stays_with_its_account(api: str, home: str, exchanges: Mapping[str, str], account: str) -> dict[str, Any]:
    """Facts on one account whose orders fail at the exchange, and on every other account meanwhile, there and at the desk."""
    environ = environment_of(f"{home}/desk.pid")
    before = _accounts(api)
    holdings = {name: _holdings(exchanges, environ, one) for name, one in before.items()}
    try:
        _inject(api, account, MANY)
        for _ in range(before[account]["breaker"]["threshold"]):
            _order(api, account, "BUY")
        refused = _order(api, account, "BUY")
        during = _accounts(api)
        neighbours = []
        for name, one in during.items():
            if name != account:
                moved = _differing(holdings[name], _holdings(exchanges, environ, one))
                neighbours.append({**_neighbour(api, exchanges, environ, name, one), "assets_that_moved": moved})
        failing = {
            "state": during[account]["state"],
            "reason": during[account]["breaker"]["reason"],
            "order": refused["state"],
            "gate": refused["gate"],
        }
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
        state = _accounts(api)[account]["state"]
        while_open = _order(api, account, "BUY")
        recovered = until(lambda: _accounts(api)[account]["state"] == "active", 15)
        after = _order(api, account, "BUY")
        if after["state"] == "filled":
            _order(api, account, "SELL")
        counted = _accounts(api)[account]["breaker"]
    finally:
        restored = _restore(api, account)
    return {
        "threshold": threshold,
        "cool_down_seconds": breaker["cool_down_seconds"],
        "tripped_after": tripped_after,
        "failures_beyond_threshold": tripped_after - threshold,
        "state_then": state,
        "order_while_open": while_open["state"],
        "gate_while_open": while_open["gate"],
        "recovered": recovered,
        "trips": counted["trips"] - breaker["trips"],
        "recoveries": counted["recoveries"] - breaker["recoveries"],
        "order_after_recovery": after["state"],
        "restored": restored,
    }


def _neighbour(
    api: str, exchanges: Mapping[str, str], environ: Mapping[str, str], name: str, during: Mapping[str, Any]
) -> dict[str, Any]:
    """A neighbour's breaker, and whether its order is at the testnet, by the testnet's own word."""
    key = f"golive-{secrets.token_hex(8)}"
    bought = _order(api, name, "BUY", key)
    found = signed(exchanges["testnet"], f"/orders/{key}", environ["TESTNET_API_KEY"], environ["TESTNET_API_SECRET"])
    if bought["state"] == "filled":
        _order(api, name, "SELL")
    return {
        "account": name,
        "state": during["state"],
        "breaker_failures": during["breaker"]["failures"],
        "order": bought["state"],
        "order_at_testnet": found.status,
    }


def _holdings(exchanges: Mapping[str, str], environ: Mapping[str, str], account: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the account's own exchange says that it holds."""
    venue = account["broker"]
    key, secret = (environ[f"{venue.upper()}_API_{part}"] for part in ("KEY", "SECRET"))
    balances: Mapping[str, Any] = signed(exchanges[venue], f"/account/{account['account']}", key, secret).body["balances"]
    return balances


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> int:
    """How many assets are not as they were; -1 if there was nothing to compare."""
    return sum(before.get(asset) != after.get(asset) for asset in {*before, *after}) if before else -1


def _accounts(api: str) -> dict[str, Mapping[str, Any]]:
    return {one["account"]: one for one in get(f"{api}/accounts").body["accounts"]}


def _inject(api: str, account: str, failures: int) -> None:
    answer = post(f"{api}/accounts/{account}/faults", {"failures": failures})
    if answer.status != 200:
        raise RuntimeError(f"no failures can be injected into {account}: {answer.status} {answer.body.get('error', '')}")


def _order(api: str, account: str, side: str, key: str = "") -> Mapping[str, Any]:
    wish = {"account": account, "symbol": SYMBOL, "side": side, "quantity": QUANTITY, "testnet": True}
    answer = post(f"{api}/orders", {**wish, "key": key or f"golive-{secrets.token_hex(8)}"})
    return answer.body if "state" in answer.body else {"state": str(answer.body.get("error", answer.status)), "gate": ""}


def _restore(api: str, account: str) -> bool:
    """Take back what was injected, and wait until the account trades again."""
    _inject(api, account, 0)
    return until(lambda: _accounts(api)[account]["state"] == "active", 15)
