"""The guard's answer, and how it is told: a reason, and one log line that an order cannot forge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from pytest_golive.errors import GoliveError


@final
@dataclass(frozen=True, slots=True)
class Permission:
    """The guard's answer; it is true in a condition only if the order may go.

    `reason` says why not and is empty if allowed; `activation` is the id of the activation that permits.
    """

    allowed: bool
    reason: str
    activation: str

    def __bool__(self) -> bool:
        return self.allowed

    def skip_line(self, order: object | None) -> str:
        """One log line that tells which order was skipped, and why."""
        if order is None:
            return f"[ORDER_SKIPPED] GO-LIVE not activated ({self.reason})"
        what = f"{word(order, 'side')} {word(order, 'symbol')} qty={word(order, 'quantity')}"
        return f"[ORDER_SKIPPED] {what} - GO-LIVE not activated ({self.reason})"


def reason_of(error: Exception) -> str:
    try:
        return error.message if isinstance(error, GoliveError) else f"the guard failed: {type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - an exception may fail to tell itself
        return f"the guard failed: {type(error).__name__}"


def word(order: object, name: str) -> str:
    """An attribute of an order as one printable word for a log; a question mark if it cannot be had."""
    try:
        text = str(getattr(order, name))
    except Exception:  # noqa: BLE001 - an order is somebody else's object
        return "?"
    return "".join(letter if letter.isprintable() else "?" for letter in text[:100]) or "?"
