"""Alarms: what must wake somebody is an alert the moment it happens, and the way to people is tried every day.

Document 002 (section 3) names three events: a trade that failed, an exchange that cannot be reached, and a critical line in the
log. Each is told once when it begins, not again and again while it lasts.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, final

from examples.desk import clock
from examples.desk.clock import Clock
from examples.desk.office.alerts import Alerts

if TYPE_CHECKING:
    from examples.desk.ledger import Ledger

TRADE, DISCONNECT, CRITICAL_LINE, TEST = "trade-failure", "api-disconnect", "critical-log", "test"
TESTED_EVERY = timedelta(days=1)
_FAILED = "[ORDER_FAILED]"
_log = logging.getLogger("desk.system")


@final
class Alarms(logging.Handler):
    """The alarms of one desk: as a handler of its logs it hears of failed trades and critical lines, by `turn` of the rest."""

    def __init__(self, alerts: Alerts, ledger: Ledger, *, now: Clock) -> None:
        super().__init__(level=logging.ERROR)
        self._alerts = alerts
        self._ledger = ledger
        self._now = now
        self._unreachable: set[str] = set()
        self._halted: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """An alert for a failed trade or a critical line; other errors are anomalies, and can wait for the morning."""
        text = record.getMessage()
        if text.startswith(_FAILED):
            self._alerts.send(TRADE, "warning", text)
        elif record.levelno >= logging.CRITICAL:
            self._alerts.send(CRITICAL_LINE, "critical", text)

    def turn(self, brokers: Mapping[str, Mapping[str, Any]], halted: list[str]) -> None:
        """Look at the exchanges and at the trading threads; tell what has changed for the worse since the last look."""
        unreachable = {name for name, state in brokers.items() if not state["reachable"]}
        for name in sorted(unreachable - self._unreachable):
            self._alerts.send(DISCONNECT, "critical", f"{name} cannot be reached: {brokers[name]['reason']}")
        for account in sorted(set(halted) - self._halted):
            _log.critical("the trading thread of %s does not run", account)
        self._unreachable, self._halted = unreachable, set(halted)
        self._test()

    def _test(self) -> None:
        """Send a test message if the last one that arrived is a day old, and none is on its way."""
        arrived = "SELECT max(created_at) AS at FROM alerts WHERE kind = ? AND (delivered = 1 OR attempts = 0)"
        row = self._ledger.row(arrived, TEST)
        last = row["at"] if row else None
        if last is None or last < clock.iso(self._now() - TESTED_EVERY):
            self._alerts.send(TEST, "info", "This is the daily test of the way from the desk to you.")
