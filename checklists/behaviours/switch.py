"""Is a passing activation the only way from simulation to real orders? Tried on second desks, so that the first stays as it
is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from behaviours.scratch import Desk, desk


def only_by_activation(checkout: str, home: str) -> dict[str, Any]:
    """Facts on an activation that must be refused, a marker that is only touched, and an activation that passes."""
    with desk(checkout, home, DRY_RUN_MODE="true") as second:
        status = second.activate()
        key, order = second.order()
        refused = {"exit": status, "marker": second.marker.exists(), **_went(second, key, order)}
    with desk(checkout, home) as second:
        second.marker.touch()
        key, order = second.order()
        touched = _went(second, key, order)
        second.marker.unlink()
        status = second.activate()
        key, order = second.order()
        activated = {"exit": status, "marker": second.marker.exists(), **_went(second, key, order)}
    return {"refused": refused, "touched": touched, "activated": activated}


def _went(second: Desk, key: str, order: Mapping[str, Any]) -> dict[str, Any]:
    """Where an order came to, by the desk's word and by the exchange's."""
    return {"order": order["state"], "at_exchange": second.at_exchange(key)}
