"""Isolation: each account has a circuit breaker of its own, so that the failures of one never reach another.

So many failures in a row open it: the account is in quarantine. After a cool-down one probe order on the testnet decides
whether it closes again (recovery) or stays open for another cool-down.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, final

from examples.desk import clock
from examples.desk.clock import Clock
from examples.desk.ledger import Ledger

_BREAKER = "SELECT * FROM breakers WHERE account = ?"


@final
class Isolation:
    """The breakers of all accounts, kept in the ledger so that a restart does not free anybody."""

    def __init__(self, ledger: Ledger, *, failures: int, cool_down: Decimal, now: Clock) -> None:
        self.failures = failures
        self.cool_down = cool_down
        self._ledger = ledger
        self._now = now
        self.shared = False
        """Whether one breaker stands for all accounts: a fault of drills."""

    def watch(self, account: str) -> None:
        """Give the account a breaker; one that was half-open when the desk ended is open."""
        with self._ledger.change() as db:
            db.execute("INSERT OR IGNORE INTO breakers VALUES (?, 'closed', 0, '', NULL, 0, 0)", (account,))
            db.execute("UPDATE breakers SET state = 'open' WHERE account = ? AND state = 'half-open'", (account,))

    def breaker(self, account: str) -> dict[str, Any]:
        """State, failures in a row, times and counts of the account's breaker."""
        row = self._ledger.row(_BREAKER, account)
        if row is None:
            raise LookupError(f"{account} has no breaker")
        return {
            **{name: value for name, value in row.items() if name != "account"},
            "threshold": self.failures,
            "cool_down_seconds": self.cool_down,
        }

    def refusal(self, account: str) -> str:
        """Why the account may not trade; empty if it may."""
        row = self._ledger.row(_BREAKER, account)
        if row is None:
            return "the account has no breaker"
        return "" if row["state"] == "closed" else f"{account} is in quarantine: {row['reason']}"

    def succeeded(self, account: str) -> None:
        """An order of the account went well."""
        self._ledger.write("UPDATE breakers SET failures = 0 WHERE account = ? AND state = 'closed'", account)

    def failed(self, account: str, reason: str) -> None:
        """An order of the account failed at its exchange; the last of several in a row opens the breaker."""
        with self._ledger.change() as db:
            db.execute("UPDATE breakers SET failures = failures + 1, reason = ? WHERE account = ?", (reason, account))
            tripped = db.execute(
                "UPDATE breakers SET state = 'open', trips = trips + 1, opened_at = ?"
                " WHERE account = ? AND state = 'closed' AND failures >= ?",
                (clock.iso(self._now()), account, self.failures),
            )
            if self.shared and tripped.rowcount:
                db.execute("UPDATE breakers SET state = 'open', opened_at = ? WHERE state = 'closed'", (clock.iso(self._now()),))

    def recover(self, account: str, probe: Callable[[], str]) -> None:
        """Once the cool-down is over, let a probe decide; it gives why it failed, or an empty text."""
        row = self._ledger.row(_BREAKER, account)
        if row is None or row["state"] != "open":
            return
        if self._now() < datetime.fromisoformat(row["opened_at"]) + timedelta(seconds=float(self.cool_down)):
            return
        self._ledger.write("UPDATE breakers SET state = 'half-open' WHERE account = ?", account)
        try:
            reason = probe()
        except Exception as error:  # noqa: BLE001 - a probe that fails in any way has failed
            reason = f"{type(error).__name__}: {error}"
        if reason:
            self._ledger.write(
                "UPDATE breakers SET state = 'open', opened_at = ?, reason = ? WHERE account = ?",
                clock.iso(self._now()), reason, account,
            )  # fmt: skip
        else:
            self._ledger.write(
                "UPDATE breakers SET state = 'closed', failures = 0, reason = '', recoveries = recoveries + 1 WHERE account = ?",
                account,
            )
