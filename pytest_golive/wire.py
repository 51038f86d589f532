"""A finding as plain values on a test report, so that it travels from a pytest-xdist worker to the controller.

execnet carries only builtin types, so Decimal and datetime go as canonical JSON and are read back here.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from pytest_golive import canonical
from pytest_golive.model import Attempt, Check, Evidence, Finding, Item, Outcome


def pack(item: Item, finding: Finding, *, whole: bool) -> dict[str, str]:
    """What stands on `report.golive`; with `whole`, everything that the controller needs to decide."""
    packed = {
        "item": item.id,
        "severity": item.severity.value,
        "outcome": finding.outcome.value,
        "reason": finding.reason,
        "fix": item.fix,
    }
    if whole:
        packed["finding"] = canonical.dumps(_fields(finding)).decode("ascii")
    return packed


def unpack(packed: dict[str, str]) -> Finding:
    """The finding that a worker packed."""
    fields: dict[str, Any] = json.loads(packed["finding"], object_hook=canonical.revived)
    evidence = fields["evidence"]
    return Finding(
        item=fields["item"],
        outcome=Outcome(fields["outcome"]),
        reason=fields["reason"],
        checks=tuple(Check(**check) for check in fields["checks"]),
        evidence=evidence
        and Evidence(
            facts=evidence["facts"],
            began=datetime.fromisoformat(evidence["began"]),
            seconds=float(evidence["seconds"]),
            attempts=evidence["attempts"],
            history=tuple(
                Attempt(at=datetime.fromisoformat(at), outcome=Outcome(outcome), reason=reason)
                for at, outcome, reason in evidence["history"]
            ),
        ),
    )


def _fields(finding: Finding) -> dict[str, Any]:
    evidence = finding.evidence
    return {
        "item": finding.item,
        "outcome": finding.outcome.value,
        "reason": finding.reason,
        "checks": [{"path": c.path, "wanted": c.wanted, "found": c.found, "met": c.met} for c in finding.checks],
        "evidence": evidence
        and {
            "facts": evidence.facts,
            "began": evidence.began,
            "seconds": str(evidence.seconds),
            "attempts": evidence.attempts,
            "history": [[attempt.at, attempt.outcome.value, attempt.reason] for attempt in evidence.history],
        },
    }
