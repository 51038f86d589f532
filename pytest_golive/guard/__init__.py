"""The guard: may this order go to the real market?

This is the only room that a trading process imports, so it needs the standard library and cryptography alone::

    guard = Guard("/srv/desk/go_live.active", environment="production", keys=[key], state="/var/lib/desk/guard.state")
    permission = guard.allows(order)
    if not permission.allowed:
        continue
"""

from __future__ import annotations

from pytest_golive.guard.guard import Guard
from pytest_golive.guard.machine import machine_host
from pytest_golive.guard.permission import Permission

__all__ = ["Guard", "Permission", "machine_host"]
