"""What this place demands of people before it activates: the settings and the roster file to a `Policy`.

A roster that is not there demands nothing by itself, because most who try the gate have none; one that is there and cannot be
read is a doubt, and so a no. Where approvals must never be forgotten, golive.yaml says so itself (`signoff: {required: true}`).
"""

from __future__ import annotations

import os
from datetime import timedelta

from pytest_golive.approval import Policy
from pytest_golive.config import Settings
from pytest_golive.errors import RosterError
from pytest_golive.signing import roster


def policy_of(settings: Settings) -> Policy:
    """The policy of these settings; what is wrong with the roster is part of it."""
    path = settings.resolve(settings.roster)
    at_most = timedelta(seconds=settings.signoff.max_approval)
    found, trouble, hint = None, "", ""
    if os.path.lexists(path) or settings.signoff.required:
        try:
            found = roster.read(path)
        except RosterError as error:
            trouble, hint = f"the roster cannot be used: {error.faults[0]}", error.hint
    return Policy(
        environment=settings.environment,
        required=settings.signoff.required,
        roster=found,
        at_most=at_most,
        trouble=trouble,
        hint=hint,
    )
