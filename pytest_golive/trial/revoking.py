"""What a machine found against what a person has stated: the machine's no stands, and its silence is never agreement.

A person attests what no machine can see; but where a check can contradict the statement, a signature must not outlive the
contradiction. Pure: a finding and those that may revoke it in, the finding that stands out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pytest_golive.model import Check, Finding, Outcome

PATH = "revoked_by"


def revoked(finding: Finding, seen: Mapping[str, Finding]) -> Finding:
    """The finding of an attestation in the light of the items that revoke it, by id.

    One that failed voids the statement: failed, and by what. One that did not pass otherwise leaves it open: blocked, or pending
    while all that is missing is time. What is an error already stays one, because then nobody knows what was stated.
    """
    if finding.outcome is Outcome.ERROR:
        return finding
    against = [(name, one) for name, one in seen.items() if one.outcome is Outcome.FAILED]
    silent = [(name, one) for name, one in seen.items() if one.outcome not in (Outcome.FAILED, Outcome.PASSED)]
    checks = (*finding.checks, *(_check(name, one) for name, one in (*against, *silent)))
    if against:
        name, one = against[0]
        told = f"void, because {name} failed: {one.reason}"
        return replace(finding, outcome=Outcome.FAILED, reason=told, checks=checks)
    if silent and finding.outcome in (Outcome.PASSED, Outcome.NOT_APPLICABLE):
        name, one = next((pair for pair in silent if pair[1].outcome is not Outcome.PENDING), silent[0])
        outcome = Outcome.PENDING if one.outcome is Outcome.PENDING else Outcome.BLOCKED
        told = f"nobody knows whether it still holds: {name}, which could revoke it, is {one.outcome}"
        return replace(finding, outcome=outcome, reason=told, checks=checks)
    return finding


def _check(name: str, one: Finding) -> Check:
    met = False if one.outcome is Outcome.FAILED else None
    return Check(path=PATH, wanted=f"{name} passed", found=f"{one.outcome}: {one.reason}", met=met)
