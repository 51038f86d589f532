"""Rules that look again and again, and raise an alert once when something begins to be wrong, and once when it is over.

A rule that cannot look is itself a reason for an alert: what nobody can see is not known to be well.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, final

from examples.desk.clock import Clock

_log = logging.getLogger("desk.system")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing to watch: `look` gives what is wrong, or an empty text; `limit` says in words where wrong begins."""

    name: str
    limit: str
    look: Callable[[], str]


@final
class Watch:
    """Turns through its rules; `alert` is called with the rule's name and what is wrong, or what is over."""

    def __init__(self, rules: Sequence[Rule], *, alert: Callable[[str, str], None], now: Clock) -> None:
        self._rules = rules
        self._alert = alert
        self._now = now
        self._lock = threading.Lock()
        self._firing: dict[str, str] = {}
        self._looked: dict[str, datetime] = {}

    def turn(self) -> None:
        """Look at each rule once."""
        for rule in self._rules:
            wrong = _seen(rule)
            with self._lock:
                before = self._firing.get(rule.name, "")
                self._looked[rule.name] = self._now()
            if bool(wrong) != bool(before):
                self._tell(rule, wrong, before)
            with self._lock:
                self._firing[rule.name] = wrong

    def rules(self) -> list[Mapping[str, Any]]:
        """Each rule with what is wrong now."""
        with self._lock:
            return [
                {
                    "name": rule.name,
                    "limit": rule.limit,
                    "firing": bool(self._firing.get(rule.name)),
                    "reason": self._firing.get(rule.name, ""),
                    "looked_at": self._looked.get(rule.name),
                }
                for rule in self._rules
            ]

    def _tell(self, rule: Rule, wrong: str, before: str) -> None:
        (_log.warning if wrong else _log.info)("alert %s: %s", rule.name, wrong or f"over ({before})")
        self._alert(rule.name, wrong or f"over: {before}")


def _seen(rule: Rule) -> str:
    try:
        return rule.look()
    except Exception as error:  # noqa: BLE001 - whatever stops a rule from looking is told as wrong
        return f"it cannot be looked at: {type(error).__name__}"
