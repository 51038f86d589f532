"""The words of the journal: each step that is recorded has one name, and all of them stand here.

A reader that counts activations and a writer that misspells one would agree about nothing, and nobody would notice. So whoever
appends a record names a constant of this room, which a test holds them to.
"""

from __future__ import annotations

from collections.abc import Mapping

RUN = "run"
APPROVED = "approved"
ATTESTED = "attested"
WAIVED = "waived"
ACTIVATED = "activated"
DENIED = "activation-denied"
FAILED = "activation-failed"
DEACTIVATED = "deactivated"
REFUSAL_CHANGED = "refusal-changed"
STOPPED = "stopped"
ORDERS_CANCELLED = "orders-cancelled"
RESUMED = "resumed"
ROLLBACK_BEGUN = "rollback-begun"
ROLLBACK_STEP = "rollback-step"
ROLLED_BACK = "rolled-back"
BREAK_GLASS = "break-glass"
REVIEWED = "break-glass-reviewed"
PROMOTED = "promoted"
EXPIRING = "expiring"
NOTIFICATION_FAILED = "notification-failed"
RECOVERED = "recovered-torn-tail"

EVENTS: Mapping[str, str] = {
    RUN: "the gate came to a decision",
    APPROVED: "a person signed a report",
    ATTESTED: "a person signed a statement about an item",
    WAIVED: "a person signed an exception for an item",
    ACTIVATED: "an activation was about to get its marker",
    DENIED: "an activation was asked for and refused",
    FAILED: "an activation was granted, and its marker could not be written",
    DEACTIVATED: "a marker was taken back, by a person or by the gate",
    REFUSAL_CHANGED: "the guard began or ceased to refuse, or refuses for another reason",
    STOPPED: "a stop file was put in place",
    ORDERS_CANCELLED: "after a stop the target was told to cancel its open orders, and did or did not",
    RESUMED: "a person on the roster took a stop away",
    ROLLBACK_BEGUN: "somebody began to walk the way back",
    ROLLBACK_STEP: "a step of a rollback was begun, was done and verified, or was not",
    ROLLED_BACK: "a rollback came to its end",
    BREAK_GLASS: "two persons activated for a short time without a passing run",
    REVIEWED: "a person looked at a broken glass and said so",
    PROMOTED: "a quorum agreed to a larger profile",
    EXPIRING: "an activation is about to expire, and nothing has renewed it",
    NOTIFICATION_FAILED: "somebody should have been told, and could not be",
    RECOVERED: "a record that a crash had cut short was removed",
}
"""Each event and what it means, in the order in which a release meets them."""

NO_GO = "no-go"
"""A `run` that said NO-GO, as people name it when they ask to be told."""

ANNOUNCED: Mapping[str, str] = {
    ACTIVATED: "REAL TRADING ENABLED",
    DENIED: "activation denied",
    DEACTIVATED: "REAL TRADING DISABLED",
    STOPPED: "STOPPED",
    RESUMED: "resumed",
    EXPIRING: "the activation is about to expire",
    BREAK_GLASS: "GLASS BROKEN: activated without a passing run",
    ROLLED_BACK: "rolled back",
    NO_GO: "NO-GO",
}
"""What can be announced, and how its message begins."""
