"""The items of the activation phase, judged at the moment of activation, in the order in which they are declared.

Document 001 (section STEP 3) enforces its checks in order: the first that says no ends the judging, and what comes after it is
not asked any more. Looking goes ahead of judging: what only reads starts side by side, so that an activation takes as long as
its longest look; what acts is begun when its turn comes, and never after a no.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_golive import decision
from pytest_golive.model import Checklist, Decision, Finding, Outcome, Phase, Severity
from pytest_golive.trial import Surroundings, Trial

PHASES = (Phase.ACTIVATION,)


def look(checklists: Sequence[Checklist], surroundings: Surroundings) -> Decision:
    """The decision over the activation items; items after the first critical one that is not passed are not run."""
    items = [item for one in checklists for item in one.items]
    trial = Trial(items, surroundings)
    findings: dict[str, Finding] = {}
    stopped_by = ""
    try:
        trial.begin(item.id for item in items if item.phase in PHASES)
        for item in items:
            if item.phase not in PHASES:
                continue
            if stopped_by:
                reason = f"not asked, because {stopped_by} said no"
                findings[item.id] = Finding(item=item.id, outcome=Outcome.NOT_RUN, reason=reason)
                continue
            findings[item.id] = trial.finding(item.id)
            if item.severity is Severity.CRITICAL and findings[item.id].outcome is not Outcome.PASSED:
                stopped_by = item.id
    finally:
        trial.close()
    judged = [item for item in items if item.phase in PHASES]
    return decision.decide(judged, findings, phases=PHASES, now=surroundings.now())
