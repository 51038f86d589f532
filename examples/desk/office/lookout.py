"""The lookout: sees real trading being switched on and off, whoever did it and however, and remembers it.

It asks the guard, as every order does, and compares the answer with the last one that it wrote down, which survives a restart
of the desk. The end of an activation is dated by the last moment at which trading was still permitted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, final

from examples.desk import clock
from examples.desk.clock import Clock
from examples.desk.ledger import Ledger

ACTIVATED, SUSPENDED, RESUMED, DEACTIVATED = "activated", "suspended", "resumed", "deactivated"
FIRST_TRADE = "first-trade"

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS activation_events(id INTEGER PRIMARY KEY, at TEXT NOT NULL, event TEXT NOT NULL,"
    " activation TEXT NOT NULL, reason TEXT NOT NULL)"
)
_LAST = "SELECT * FROM activation_events WHERE event != 'first-trade' ORDER BY id DESC LIMIT 1"
_UNSEEN = (
    "SELECT activation, created_at, updated_at FROM orders WHERE activation NOT IN ('', ?)"
    " AND activation NOT IN (SELECT activation FROM activation_events) ORDER BY id LIMIT 1"
)


class Permission(Protocol):
    """What the guard answers."""

    @property
    def allowed(self) -> bool: ...
    @property
    def reason(self) -> str: ...
    @property
    def activation(self) -> str: ...


@final
class Lookout:
    """Watches one guard; `tell` hears of each change: its word, the activation and the reason."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        ask: Callable[[], Permission],
        marker: Path,
        tell: Callable[[str, str, str], None],
        now: Clock,
    ) -> None:
        self._ledger = ledger
        self._ask = ask
        self._marker = marker
        self._tell = tell
        self._now = now
        self._permitted_at = ""
        ledger.write(_SCHEMA)

    def turn(self) -> None:
        """Look once; write down and tell what has changed since the last look."""
        permission = self._ask()
        self._missed(permission.activation)
        last = self._ledger.row(_LAST) or {"event": DEACTIVATED, "activation": "", "at": ""}
        at = clock.iso(self._now())
        event, activation = _change(last, permission, marker=os.path.lexists(self._marker))
        ends = event in (SUSPENDED, DEACTIVATED)
        if event:
            self._ledger.write(
                "INSERT INTO activation_events(at, event, activation, reason) VALUES (?,?,?,?)",
                (self._permitted_at or at) if ends else at, event, activation, permission.reason,
            )  # fmt: skip
            self._tell(event, activation, permission.reason)
        if permission.allowed:
            self._permitted_at = at
            self._first_trade(permission.activation)

    def _missed(self, current: str) -> None:
        """Write down and tell an activation that came and went between two looks, of which only its orders know."""
        order = self._ledger.row(_UNSEEN, current)
        if order:
            self._ledger.write(
                "INSERT INTO activation_events(at, event, activation, reason) VALUES (?,?,?,'')",
                order["created_at"], ACTIVATED, order["activation"],
            )  # fmt: skip
            self._permitted_at = order["updated_at"]
            self._tell(ACTIVATED, order["activation"], "")

    def _first_trade(self, activation: str) -> None:
        """Write down and tell the first real order that was filled under this activation."""
        order = self._ledger.row(
            "SELECT * FROM orders WHERE activation = ? AND state = 'filled' AND NOT EXISTS"
            " (SELECT 1 FROM activation_events WHERE event = ? AND activation = ?) ORDER BY id LIMIT 1",
            activation, FIRST_TRADE, activation,
        )  # fmt: skip
        if order:
            told = f"{order['side']} {order['symbol']} qty={order['quantity']} {order['account']} {order['exchange_order_id']}"
            self._ledger.write(
                "INSERT INTO activation_events(at, event, activation, reason) VALUES (?,?,?,?)",
                order["updated_at"], FIRST_TRADE, activation, told,
            )  # fmt: skip
            self._tell(FIRST_TRADE, activation, told)

    def standing(self) -> Mapping[str, Any]:
        """The last event; deactivated if there never was one."""
        return self._ledger.row(_LAST) or {"event": DEACTIVATED, "activation": "", "at": "", "reason": ""}

    def events(self) -> list[dict[str, Any]]:
        """All events, the first one first."""
        return self._ledger.rows("SELECT * FROM activation_events ORDER BY id")


def _change(last: Mapping[str, Any], permission: Permission, *, marker: bool) -> tuple[str, str]:
    """What happened since `last`, and to which activation; empty if nothing."""
    on = last["event"] in (ACTIVATED, RESUMED)
    if permission.allowed:
        if last["event"] == SUSPENDED and last["activation"] == permission.activation:
            return RESUMED, permission.activation
        if not on or last["activation"] != permission.activation:
            return ACTIVATED, permission.activation
        return "", ""
    # a stop file or a switch holds trading up while the marker still stands; whatever else it is ends the activation
    held_up = marker and not permission.reason.startswith(("the marker", "the activation", "activation "))
    if on:
        return (SUSPENDED if held_up else DEACTIVATED), last["activation"]
    if last["event"] == SUSPENDED and not held_up:
        return DEACTIVATED, last["activation"]
    return "", ""
