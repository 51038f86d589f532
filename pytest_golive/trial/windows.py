"""What a look means while an item is watched: green is not proven before its window has closed.

Documents 003 (section "First 24 hours") and 004 (section "Monitoring") watch a service for an hour, a day, a week, a month
after it went live. A red look is red at once; a green one only says *so far*.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from pytest_golive.model import Finding, Outcome
from pytest_golive.quantities import spoken


def watched(finding: Finding, window: float, activated: datetime | None, now: datetime) -> Finding:
    """The finding as it stands in a window of that many seconds since the activation (None: there is none in force).

    What was seen but cannot be judged yet (a ratio over too few days) is pending too; what could not be seen at all is an error.
    """
    whole = spoken(Decimal(str(window)))
    if activated is None:
        return replace(
            finding, outcome=Outcome.PENDING, reason=f"is watched for {whole} after an activation, and none is in force"
        )
    left = activated + timedelta(seconds=window) - now
    if left <= timedelta(0):
        return finding
    until = f"the window of {whole} closes in {spoken(Decimal(int(left.total_seconds()) + 1))}"
    if finding.outcome is Outcome.PASSED:
        return replace(finding, outcome=Outcome.PENDING, reason=f"passes so far; {until}")
    if finding.outcome is Outcome.ERROR and finding.evidence is not None:
        return replace(finding, outcome=Outcome.PENDING, reason=f"{finding.reason}; {until}")
    return finding
