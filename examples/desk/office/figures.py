"""What the office can say in numbers: activations from the gate's journal, orders that were lost while trading was on, open work.

The journal is the gate's own record; it is read again when it has grown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, final

from examples.desk.ledger import Ledger
from examples.desk.office.lookout import ACTIVATED, DEACTIVATED, FIRST_TRADE, RESUMED
from pytest_golive.errors import JournalError
from pytest_golive.history import Attempt, attempts
from pytest_golive.journal import Entry, Journal

Figure = tuple[str, str, str, list[tuple[Mapping[str, str], Decimal | int]]]
"""Name, kind, meaning and samples of one metric."""

DRILL = "golive-"
"""Orders whose key begins so were sent by a check on purpose; what becomes of them says nothing about the desk."""

_UNPROTECTED = (
    "SELECT count(*) AS n FROM positions p WHERE environment = 'live' AND (SELECT count(DISTINCT kind) FROM protections x"
    " WHERE x.entry_order_id = p.entry_order_id AND x.state = 'open') < 2"
)
_FRACTION = Decimal("0.0001")
_JOURNAL = re.compile(r"^journal: *[\"']?([^\"'#\n]+)", re.MULTILINE)


def journal_of(settings: Path) -> Path:
    """Where the gate of this golive.yaml writes its journal."""
    match = _JOURNAL.search(settings.read_text(encoding="utf-8")) if settings.exists() else None
    return settings.parent / (match[1].strip() if match else "reports/journal.jsonl")


@final
class Figures:
    """The figures of one desk."""

    def __init__(self, ledger: Ledger, settings: Path) -> None:
        self._ledger = ledger
        self._path = journal_of(settings)
        self._seen: tuple[int, int] = (-1, -1)
        self._entries: list[Entry] = []

    def entries(self) -> list[Entry]:
        """The records of the gate's journal; none if there is none yet or it cannot be believed."""
        try:
            status = self._path.stat()
            if self._seen != (status.st_size, status.st_mtime_ns):
                self._entries = list(Journal(self._path).entries())
                self._seen = (status.st_size, status.st_mtime_ns)
        except (OSError, JournalError):
            return []
        return self._entries

    def attempts(self) -> list[Attempt]:
        """Every attempt to activate."""
        return attempts(self.entries(), datetime.now(UTC))

    def spans(self) -> list[tuple[str, str]]:
        """From when until when trading was on, as the lookout saw it; the last end is empty while it is on."""
        found: list[tuple[str, str]] = []
        for row in self._ledger.rows("SELECT at, event FROM activation_events WHERE event != ? ORDER BY id", FIRST_TRADE):
            if row["event"] in (ACTIVATED, RESUMED) and (not found or found[-1][1]):
                found.append((row["at"], ""))
            elif row["event"] == DEACTIVATED and found and not found[-1][1]:
                found[-1] = (found[-1][0], row["at"])
        return found

    def lost(self) -> tuple[int, int]:
        """Real orders that were wanted while trading was on, and those of them that a gate skipped."""
        intended = skipped = 0
        for begin, end in self.spans():
            rows = self._ledger.rows(
                "SELECT state, count(*) AS n FROM orders WHERE environment = 'live' AND substr(idempotency_key, 1, ?) != ?"
                " AND created_at >= ? AND (? = '' OR created_at <= ?) GROUP BY state",
                len(DRILL), DRILL, begin, end, end,
            )  # fmt: skip
            intended += sum(row["n"] for row in rows)
            skipped += sum(row["n"] for row in rows if row["state"] == "skipped")
        return intended, skipped

    def all(self) -> Iterator[Figure]:
        """Every metric of the office."""
        found, entries = self.attempts(), self.entries()
        outcomes = {word: sum(one.outcome == word for one in found) for word in ("activated", "denied", "failed")}
        last = [one for one in found if one.outcome == "activated"][-1:]
        yield (
            "golive_activation_attempts_total", "counter", "Attempts to activate, by outcome.",
            [({"outcome": word}, count) for word, count in outcomes.items()],
        )  # fmt: skip
        tried = sum(outcomes.values())
        if tried:
            ratio = (Decimal(outcomes["activated"]) / tried).quantize(_FRACTION)
            yield "golive_activation_success_ratio", "gauge", "Share of the attempts that activated.", [({}, ratio)]
        yield (
            "golive_deactivations_total", "counter", "Activations that somebody took back.",
            [({}, sum(entry.event == "deactivated" for entry in entries))],
        )  # fmt: skip
        words = [str(entry.detail.get("word", "")) for entry in entries if entry.event == "run" and entry.detail.get("decides")]
        yield (
            "golive_gate_runs_total", "counter", "Whole runs of the gate, by decision.",
            [({"decision": word}, words.count(word)) for word in sorted({*words, "GO"})],
        )  # fmt: skip
        if words:
            ratio = (Decimal(sum(word.startswith("GO") for word in words)) / len(words)).quantize(_FRACTION)
            yield "golive_preflight_pass_ratio", "gauge", "Share of the whole runs of the gate that said GO.", [({}, ratio)]
        spans = self.spans()
        yield (
            "golive_activation_active", "gauge", "Whether an activation is in force.",
            [({}, int(bool(spans) and not spans[-1][1]))],
        )  # fmt: skip
        at = int(datetime.fromisoformat(last[0].at).timestamp()) if last else 0
        yield (
            "golive_activation_time_seconds",
            "gauge",
            "When it was last activated, in seconds since 1970; 0 for never.",
            [({}, at)],
        )
        operator = last[0].operator if last else "nobody"
        yield "golive_activation_operator_info", "gauge", "Who activated last.", [({"operator": operator}, 1)]
        intended, skipped = self.lost()
        yield "golive_orders_intended_total", "counter", "Real orders wanted while trading was on.", [({}, intended)]
        yield "golive_orders_lost_total", "counter", "Real orders skipped while trading was on.", [({}, skipped)]
        ratio = (Decimal(skipped) / intended).quantize(_FRACTION) if intended else Decimal(0)
        yield "golive_order_skip_ratio", "gauge", "Share of real orders skipped while trading was on.", [({}, ratio)]
        yield from self._work()

    def _work(self) -> Iterator[Figure]:
        def count(query: str) -> int:
            row: Mapping[str, Any] = self._ledger.row(query) or {"n": 0}
            return int(row["n"])

        yield (
            "desk_alerts_total", "counter", "Alerts, by whether the mail server accepted them.",
            [({"delivered": word}, count(f"SELECT count(*) AS n FROM alerts WHERE delivered = {number}"))
             for word, number in (("yes", 1), ("no", 0))],
        )  # fmt: skip
        yield (
            "desk_anomalies_open", "gauge", "Anomalies that nobody has looked at.",
            [({}, count("SELECT count(*) AS n FROM anomalies WHERE reviewed_at IS NULL"))],
        )  # fmt: skip
        yield (
            "desk_positions_unprotected", "gauge", "Real positions without both exits at the exchange, by the books.",
            [({}, count(_UNPROTECTED))],
        )  # fmt: skip
