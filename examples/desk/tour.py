"""The tour: one order goes because of the marker, the next is refused without it, and putting the marker back does not help.

It starts the desk on the home folder that a gate run left behind, and asks the exchange itself, not the desk, what became of
the money.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, final

from examples.desk import jsontext
from examples.desk.broker import Broker
from examples.desk.errors import DeskError
from examples.desk.launch import Desk, launch
from examples.desk.settings import Home, credentials
from examples.desk.web import call

ACCOUNT, BROKER, SYMBOL = "alpha", "coinbase", "BTCUSDT"
QUANTITY = Decimal("0.001")


def tour(home: Path, environ: Mapping[str, str]) -> int:
    """Exit status 0 only if all three orders went as they must; DeskError says which did not."""
    with launch(home, environ) as desk:
        walk = _Walk(desk)
        walk.require_marker()
        walk.with_marker()
        walk.without_marker()
        walk.with_marker_put_back()
    print(
        "\nWhat next:\n"
        "  pytest --golive              activate again: a new run, a new activation\n"
        f"  {home}/golive.yaml  see what an activation demands\n"
        "  python -m examples.desk      look around in the desk, with its dashboard"
    )
    return 0


@final
class _Walk:
    """The three steps, each of which raises a DeskError if it did not go as it must."""

    def __init__(self, desk: Desk) -> None:
        self._api = desk.urls["api"]
        self._home = Home(path=desk.home)
        key, secret = (desk.secrets.get(name, "") for name in credentials(BROKER))
        self._exchange = Broker(BROKER, desk.urls[BROKER], key=key, secret=secret)

    def require_marker(self) -> None:
        """There must be a marker that the guard believes."""
        status, mode = call(self._api, "GET", "/mode")
        if status != 200 or not mode["guard"]["allowed"]:
            reason = mode["guard"]["reason"] if status == 200 else mode
            raise DeskError(f"real trading is not activated: {reason}", hint="run the gate first: pytest --golive")
        print(f"The marker {self._home.marker} permits real orders (activation {mode['guard']['activation']}).\n")

    def with_marker(self) -> None:
        """The first order reaches the exchange, and the balances there move by just what it cost."""
        print(f"1. BUY {SYMBOL} qty={QUANTITY} for {ACCOUNT}, with the marker in place")
        before = self._exchange.balances(ACCOUNT)
        status, order = self._order()
        after = self._exchange.balances(ACCOUNT)
        if status != 200 or order.get("state") != "filled":
            raise DeskError(f"the order did not go: {order.get('reason') or order}", hint="see logs/execution.log")
        cost = order["price"] * order["quantity"] + order["fee"]
        if before["USDT"] - after["USDT"] != cost or after["BTC"] - before["BTC"] != QUANTITY:
            raise DeskError("the exchange's balances did not move by what the order cost", hint="see logs/execution.log")
        print(f"   accepted by {BROKER}: order {order['exchange_order_id']} at {order['price']}, fee {order['fee']}")
        for asset in ("USDT", "BTC"):
            print(f"   {asset:4} at the exchange: {before[asset]} before, {after[asset]} after")

    def without_marker(self) -> None:
        """The next order is skipped, and nothing moves."""
        print(f"\n2. {self._home.marker.name} is removed, and the same order sent again")
        os.rename(self._home.marker, self._aside)
        self._refused("the marker is not there, and yet")

    def with_marker_put_back(self) -> None:
        """The file of before is there again, and the order is still skipped."""
        print("\n3. the very same file is put back, and the same order sent again")
        os.rename(self._aside, self._home.marker)
        reason = self._refused("the marker was taken away and put back, and")
        if "withdrawn" not in reason:
            raise DeskError(
                f"the order was refused for another reason than a spent activation: {reason}", hint="run the gate again"
            )
        print("   The guard saw the marker go: the counter of this activation is burned, and no copy of the file revives it.")

    @property
    def _aside(self) -> Path:
        return self._home.path / "go_live.removed"

    def _refused(self, otherwise: str) -> str:
        """Send an order that must be skipped by the guard, and show the refusal and the log line; gives the reason."""
        before, read = self._exchange.balances(ACCOUNT), self._home.execution_log.stat().st_size
        status, order = self._order()
        if status != 409 or order.get("state") != "skipped" or order.get("gate") != "guard":
            raise DeskError(
                f"{otherwise} the order was not skipped by the guard: {order}", hint="this must never be; do not trade"
            )
        if self._exchange.balances(ACCOUNT) != before:
            raise DeskError(f"{otherwise} the balances at the exchange moved", hint="this must never be; do not trade")
        with self._home.execution_log.open(encoding="utf-8") as file:
            file.seek(read)
            lines = [
                line.strip() for line in file if f"[ORDER_SKIPPED] BUY {SYMBOL} qty={QUANTITY} - GO-LIVE not activated" in line
            ]
        if len(lines) != 1:
            raise DeskError(f"{len(lines)} lines about the skipped order in the log, not one", hint=str(self._home.execution_log))
        print(f"   refused: {order['reason']}\n   {self._home.execution_log.name}: {lines[0]}")
        return str(order["reason"])

    def _order(self) -> tuple[int, Mapping[str, Any]]:
        wish = {"account": ACCOUNT, "symbol": SYMBOL, "side": "BUY", "quantity": QUANTITY}
        status, told = call(self._api, "POST", "/orders", body=jsontext.dumps(wish).encode(), timeout=15)
        return status, told
