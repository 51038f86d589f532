"""While an item is watched, red is red and green is pending."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pytest_golive.model import Evidence, Finding, Outcome
from pytest_golive.trial.windows import watched

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = 86400.0
SEEN = Evidence(facts={"a": 1}, began=NOW, seconds=0.0)


def finding(outcome: Outcome, evidence: Evidence | None = SEEN) -> Finding:
    return Finding(item="a", outcome=outcome, reason="why", evidence=evidence)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_without_an_activation_everything_is_pending(outcome: Outcome) -> None:
    """Nothing is being watched before there is an activation, so nothing can be said."""
    assert watched(finding(outcome), DAY, None, NOW).outcome is Outcome.PENDING


@pytest.mark.parametrize(
    ("outcome", "evidence", "means"),
    [
        (Outcome.PASSED, SEEN, Outcome.PENDING),
        (Outcome.FAILED, SEEN, Outcome.FAILED),
        (Outcome.ERROR, SEEN, Outcome.PENDING),
        (Outcome.ERROR, None, Outcome.ERROR),
        (Outcome.BLOCKED, None, Outcome.BLOCKED),
        (Outcome.NOT_RUN, None, Outcome.NOT_RUN),
    ],
)
def test_inside_the_window_only_green_waits(outcome: Outcome, evidence: Evidence | None, means: Outcome) -> None:
    """A failure is told at once, what passes or has too little to be judged waits, what could not be seen is an error."""
    seen = watched(finding(outcome, evidence), DAY, NOW - timedelta(hours=23), NOW)
    assert seen.outcome is means
    assert ("closes in 1" in seen.reason) is (means is Outcome.PENDING)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_after_the_window_it_is_judged(outcome: Outcome) -> None:
    """From the moment the window closes the finding stands as it is."""
    seen = finding(outcome)
    assert watched(seen, DAY, NOW - timedelta(days=1), NOW) is seen
    almost = watched(finding(Outcome.PASSED), DAY, NOW - timedelta(days=1) + timedelta(microseconds=1), NOW)
    assert almost.outcome is Outcome.PENDING


def test_an_activation_in_the_future_opens_no_window() -> None:
    """A clock that was set back does not close a window early."""
    assert watched(finding(Outcome.PASSED), DAY, NOW + timedelta(hours=1), NOW).outcome is Outcome.PENDING
