"""Is a passing activation the only way from simulation to real orders? Tried on second desks, so that the first stays as it
is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from behaviours.ask import get
from behaviours.scratch import Desk, desk

FORGED = "activated: true\noperator: nobody\nenvironment: production\nallowed_profiles: [micro]\n"
CRITICAL = "scratch-dry-run-off"
"""The critical item of the second desk's list, which dry-run mode makes fail."""


def only_by_activation(checkout: str, home: str) -> dict[str, Any]:
    """Facts on an activation that must be refused, markers that nobody signed, and an activation that passes."""
    with desk(checkout, home, DRY_RUN_MODE="true") as second:
        status, said = second.attempt()
        refused = {"exit": status, "names_the_item": CRITICAL in said, **_went(second)}
    with desk(checkout, home) as second:
        second.marker.touch()
        touched = _went(second)
        second.marker.write_text(FORGED, encoding="ascii")
        forged = _went(second)
        second.marker.unlink()
        status, _ = second.attempt()
        activated = {"exit": status, **_went(second)}
    return {"refused": refused, "touched": touched, "forged": forged, "activated": activated}


def _went(second: Desk) -> dict[str, Any]:
    """Whether a marker is there, the mode that the desk tells, and where an order came to, by its word and the exchange's."""
    mode: Mapping[str, Any] = get(f"{second.api}/mode").body
    key, order = second.order()
    return {
        "marker": second.marker.exists(),
        "mode": mode["mode"],
        "permitted": mode["guard"]["allowed"],
        "order": order["state"],
        "at_exchange": second.at_exchange(key),
    }
