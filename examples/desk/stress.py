"""Stress scenarios, really run against a scratch desk in this process: what breaks must break as it should, and mend again.

`python -m examples.desk.stress` prints one line for each scenario, the counts, and a summary in JSON as the last line. The
scratch desk lives in a folder of its own and is removed. Exit status 0 only if every scenario passed.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

from examples.desk import clock, jsontext
from examples.desk.errors import DeskError
from examples.desk.gates import Intent
from examples.desk.home import prepare
from examples.desk.service import Service
from examples.desk.settings import SECRETS, load, read_dotenv
from examples.desk.symbols import BROKERS, TESTNET

PATIENCE = 10.0
"""Seconds that something may take to mend."""


class Failed(Exception):
    """A scenario did not go as it must."""


def burst(desk: Service) -> str:
    """Sixty orders at once, a third of them sent twice: each is filled once, and books and exchange agree to the last digit."""
    account, key = "drill-a", secrets.token_hex(4)
    before = desk.brokers[TESTNET].balances(account)
    wishes = [_wish(account, key=f"{key}-{number % 40}") for number in range(60)]
    with ThreadPoolExecutor(12) as pool:
        orders = list(pool.map(desk.submit, wishes))
    filled = {order["exchange_order_id"]: order for order in orders if order["state"] == "filled"}
    _require(len(filled) == 40, f"{len(filled)} of 40 orders were filled")
    after = desk.brokers[TESTNET].balances(account)
    cost = sum((order["price"] * order["quantity"] + order["fee"] for order in filled.values()), Decimal(0))
    _require(before["USDT"] - after["USDT"] == cost, "the exchange took another amount than the books have")
    _require(
        desk.positions.held(account, TESTNET, "BTCUSDT") == after["BTC"], "the books hold another position than the exchange"
    )
    return "60 intents, 40 orders, books and exchange agree"


def exchange_outage(desk: Service) -> str:
    """The exchange is down: nothing is booked, the account is quarantined, and it recovers when the exchange is back."""
    account = "drill-b"
    held = desk.positions.held(account, TESTNET, "BTCUSDT")
    reserved = desk.ledger.total("SELECT amount FROM reservations WHERE account = ?", account)
    desk.neighbours.steer(TESTNET, outage=True)
    try:
        states = {desk.submit(_wish(account))["state"] for _ in range(3)}
        _require("filled" not in states, "an order was filled while the exchange was down")
        _require(desk.positions.held(account, TESTNET, "BTCUSDT") == held, "a position moved while the exchange was down")
        _require(
            desk.ledger.total("SELECT amount FROM reservations WHERE account = ?", account) == reserved,
            "capital stays promised to orders that never arrived",
        )
        _require(desk.isolation.breaker(account)["state"] != "closed", "the account was not quarantined")
    finally:
        desk.neighbours.steer(TESTNET, outage=False)
    _await(lambda: desk.submit(_wish(account))["state"] == "filled", "no order was filled after the outage")
    return "nothing booked while it was down, orders filled after"


def breaker_trip(desk: Service) -> str:
    """Failures of one account quarantine that account alone, and it recovers by itself."""
    sick, sound = "drill-a", "drill-b"
    trips = desk.isolation.breaker(sick)["trips"]
    desk.neighbours.steer(TESTNET, refuse=sick, failures=desk.isolation.failures)
    for _ in range(desk.isolation.failures):
        _require(desk.submit(_wish(sick))["state"] == "failed", "an order that the exchange refused did not fail")
    _require(desk.isolation.breaker(sick)["trips"] == trips + 1, "the breaker did not trip")
    _require(desk.submit(_wish(sound))["state"] == "filled", "the failures of one account stopped another")
    _require(desk.isolation.breaker(sound)["state"] == "closed", "the breaker of another account tripped too")
    _await(lambda: desk.isolation.breaker(sick)["state"] == "closed", "the account did not recover")
    _require(desk.submit(_wish(sick))["state"] == "filled", "the recovered account does not trade")
    return "one account quarantined and recovered, the other kept trading"


def price_gap(desk: Service) -> str:
    """Prices crash: the exits that rest at the exchanges fill, the books follow, and no new real position may be opened."""
    _require(desk.risk.assess().state == "OK", "the risk state was not OK before")
    held = "SELECT * FROM positions WHERE environment = 'live'"
    _require(len(desk.ledger.rows(held)) > 0, "there was no position to lose")
    _await(lambda: len(desk.clerk.protection.standing()) == 2 * len(desk.ledger.rows(held)), "the exits do not rest")
    for broker in BROKERS:
        desk.neighbours.steer(broker, price_factor="0.02")
    try:
        found = desk.risk.assess()
        _require(found.state == "CRITICAL", f"the risk state is {found.state} after a crash")
        order = desk.submit(_wish("gamma"))
        _require((order["state"], order["gate"]) == ("rejected", "risk"), "a real order passed the risk gate in a crash")
        _await(lambda: not desk.ledger.rows(held), "the stop-losses did not close the positions")
    finally:
        for broker in BROKERS:
            desk.neighbours.steer(broker, price_factor="1")
    _require(not desk.clerk.protection.standing(), "exits of closed positions still rest")
    return "CRITICAL in the crash, new risk refused, every stop-loss filled and booked"


def no_marker(desk: Service) -> str:
    """Without a marker a burst of real orders reaches no exchange."""
    before = {name: desk.brokers[name].balances(account) for name, account in (("coinbase", "alpha"), ("kraken", "gamma"))}
    with ThreadPoolExecutor(8) as pool:
        orders = list(pool.map(desk.submit, [_wish(account) for account in ("alpha", "gamma") for _ in range(10)]))
    _require(all((order["state"], order["gate"]) == ("skipped", "guard") for order in orders), "an order passed the guard")
    after = {name: desk.brokers[name].balances(account) for name, account in (("coinbase", "alpha"), ("kraken", "gamma"))}
    _require(before == after, "balances at an exchange moved")
    return "20 intents, all refused by the guard, no balance moved"


SCENARIOS: Mapping[str, Callable[[Service], str]] = {
    "burst": burst,
    "exchange-outage": exchange_outage,
    "breaker-trip": breaker_trip,
    "no-marker": no_marker,
    # last, because the stop-losses leave a desk without positions and with a real drawdown
    "price-gap": price_gap,
}


def run(
    folder: Path | None = None,
    scenarios: Mapping[str, Callable[[Service], str]] = SCENARIOS,
    *,
    limits: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Run the scenarios one by one on a new desk under `folder` (or among the temporary files); 0 if all passed, else 1.

    `limits` are variables of the desk over its own, so that the limits that are tried are those that somebody trades with.
    """
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="stress-", dir=folder) as scratch:
        desk = _scratch_desk(Path(scratch), limits)
        try:
            desk.start()
            for name, scenario in scenarios.items():
                began = time.monotonic()
                try:
                    word, told = "PASSED", scenario(desk)
                except Exception as error:  # noqa: BLE001 - a scenario that ends in any exception has failed
                    word, told = "FAILED", str(error) or type(error).__name__
                    failed.append(name)
                print(f"{word} {name}: {told} ({time.monotonic() - began:.2f} s)", flush=True)
        finally:
            desk.stop()
    summary: Mapping[str, Any] = {
        "scenarios": len(scenarios),
        "passed": len(scenarios) - len(failed),
        "failed": len(failed),
        "names": list(scenarios),
        "failures": failed,
        "at": clock.now(),
    }
    print(" ".join(f"{name}={summary[name]}" for name in ("scenarios", "passed", "failed")))
    print(jsontext.dumps(summary), flush=True)
    return 0 if scenarios and not failed else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m examples.desk.stress", description="Stress scenarios on a scratch desk.")
    parser.add_argument(
        "--home", type=Path, help="folder under which the scratch desk lives for a moment (default: temporary files)"
    )
    parser.add_argument("--limits", type=Path, metavar="FILE", help="a .env whose DESK_ variables the scratch desk gets")
    told = parser.parse_args(arguments)
    folder: Path | None = told.home
    try:
        limits = {name: value for name, value in read_dotenv(told.limits).items() if _limit(name)} if told.limits else {}
        if folder is not None:
            folder = folder.absolute()
            folder.mkdir(parents=True, exist_ok=True)
        return run(folder, limits=limits)
    except (DeskError, OSError) as error:
        print(f"stress: {error}", file=sys.stderr)
        return 1


def _limit(name: str) -> bool:
    return name.startswith(("DESK_BREAKER_", "DESK_CAPITAL_", "DESK_MAX_", "DESK_WARN_", "DESK_ROLLBACK_"))


def _scratch_desk(home: Path, limits: Mapping[str, str]) -> Service:
    prepare(home)
    environ = {"PATH": os.environ.get("PATH", os.defpath), **limits, **{name: secrets.token_hex(20) for name in SECRETS}}
    return Service(load(home, environ))


def _wish(account: str, *, key: str = "") -> Intent:
    return Intent(account=account, symbol="BTCUSDT", side="BUY", quantity=Decimal("0.0001"), key=key)


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise Failed(otherwise)


def _await(condition: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise Failed(otherwise)
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
