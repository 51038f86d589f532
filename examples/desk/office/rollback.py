"""Automatic rollback: when the breakers of several accounts are open at once, real trading is taken back without a person.

One account in quarantine is that account's trouble; several at a time are the desk's. The marker is taken back as
`golive deactivate` does it, with its counter burned and a record in the journal.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import final

from examples.desk.clock import Clock
from pytest_golive import activation
from pytest_golive.errors import GoliveError
from pytest_golive.journal import Journal

OPERATOR = "automatic rollback"

_log = logging.getLogger("desk.system")


@final
class AutomaticRollback:
    """Watches the breakers; `quarantined` names the accounts whose breaker is not closed, `told` hears of a rollback."""

    def __init__(
        self,
        *,
        quarantined: Callable[[], Sequence[str]],
        limit: int,
        marker: Path,
        state: Path,
        journal: Path,
        told: Callable[[str], None],
        now: Clock,
    ) -> None:
        self._quarantined = quarantined
        self._limit = limit
        self._marker = marker
        self._state = state
        self._journal = journal
        self._told = told
        self._now = now

    def turn(self) -> None:
        """Look once, and take the marker back if that must be."""
        names = self._quarantined()
        if len(names) < self._limit or not os.path.lexists(self._marker):
            return
        reason = f"the circuit breakers of {', '.join(names)} are open at once"
        try:
            activation.deactivate(
                marker=self._marker,
                state=self._state,
                journal=Journal(self._journal),
                reason=reason,
                operator=OPERATOR,
                now=self._now(),
            )
        except GoliveError as error:
            _log.warning("automatic rollback: %s", error.message)
        self._told(reason)
