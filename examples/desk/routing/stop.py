"""The emergency stop: first nothing new may begin, then everything that rests is cancelled, and it stays so until released.

It is a row of the ledger, so a restart changes nothing about it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

from examples.desk.routing.books import Books
from examples.desk.routing.clients import CANCELLED


@final
class Halt:
    """Whether trading is halted, since when, why and by whom."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def state(self) -> dict[str, Any]:
        """The state as it stands in the ledger."""
        row = self._books.ledger.row("SELECT * FROM helios_halt WHERE id = 1")
        found = row or {"state": "running", "reason": "", "told_by": "", "since": ""}
        return {"halted": found["state"] != "running", **{name: found[name] for name in ("state", "reason", "told_by", "since")}}

    @property
    def halted(self) -> bool:
        """Whether trading is halted now."""
        return bool(self.state()["halted"])

    def trip(self, reason: str, told_by: str) -> dict[str, Any]:
        """Halt. It waits for nobody: whatever hangs, from now on nothing new begins."""
        self._write("halted", reason, told_by)
        return self.state()

    def clear(self, reason: str, cancel: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
        """Cancel every pending order; what could not be cancelled is told, and stays pending."""
        cancelled, left = [], []
        for order in self._books.pending():
            if cancel(order):
                self._books.update(
                    "helios_orders", order["id"], state=CANCELLED, reason=f"emergency stop: {reason}", updated_at=self._books.at()
                )
                cancelled.append(order["key"])
            else:
                left.append(order["key"])
        return {**self.state(), "cancelled": cancelled, "not_cancelled": left}

    def release(self, reason: str, told_by: str) -> dict[str, Any]:
        """Let trading begin again."""
        self._write("running", reason, told_by)
        return self.state()

    def _write(self, state: str, reason: str, told_by: str) -> None:
        self._books.ledger.write(
            "INSERT OR REPLACE INTO helios_halt VALUES (1, ?, ?, ?, ?)", state, reason, told_by, self._books.at()
        )
