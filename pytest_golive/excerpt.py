"""The journal for other programs: its records as JSON lines or as comma-separated values, without a secret in them.

What was written was redacted when it was written; what became known as a secret since then is taken out here. A record that loses
something by it keeps its digest and says that it was changed, so that nobody takes it for the line in the journal.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pytest_golive import canonical
from pytest_golive.journal import Entry
from pytest_golive.redaction import Redactor

COLUMNS = ("seq", "at", "event", "operator", "reason", "detail", "redacted", "prev", "sha256")

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet compute a cell instead of showing it."""


def since(entries: Iterable[Entry], moment: datetime | None) -> list[Entry]:
    """The records from the first one that is not older than `moment` on; what follows it is given whatever its clock said."""
    found: list[Entry] = []
    for entry in entries:
        if found or moment is None or entry.at >= moment:
            found.append(entry)
    return found


def clean(entries: Iterable[Entry], redactor: Redactor) -> list[Entry]:
    """The records without what is known to be a secret now; each keeps the digest of what stands in the journal."""
    return [replace(entry, detail=detail) for entry, detail, _ in _clean(entries, redactor)]


def as_jsonl(entries: Iterable[Entry], redactor: Redactor) -> str:
    """One canonical JSON object to a line: as in the journal, and `redacted` as one member more."""
    lines = (
        canonical.dumps(
            {
                "at": entry.at,
                "detail": detail,
                "event": entry.event,
                "prev": entry.prev,
                "redacted": changed,
                "seq": entry.seq,
                "sha256": entry.hash,
            }
        ).decode("ascii")
        for entry, detail, changed in _clean(entries, redactor)
    )
    return "".join(f"{line}\n" for line in lines)


def as_csv(entries: Iterable[Entry], redactor: Redactor) -> str:
    """A line of names and one line to a record, which no spreadsheet takes for a formula."""
    rows = (
        {
            "seq": entry.seq,
            "at": entry.at.isoformat(),
            "event": entry.event,
            "operator": detail.get("operator") or detail.get("person") or "",
            "reason": detail.get("reason") or "",
            "detail": canonical.dumps(detail).decode("ascii"),
            "redacted": "yes" if changed else "",
            "prev": entry.prev,
            "sha256": entry.hash,
        }
        for entry, detail, changed in _clean(entries, redactor)
    )
    return table(COLUMNS, rows)


def table(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Comma-separated values with a line of names; a text that begins like a formula gets a quote in front."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(row[name]) for name in names} for row in rows)
    return stream.getvalue()


def _printable(text: str) -> str:
    """The text with control and direction characters spelled out, so that no terminal obeys them."""
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in text)


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    shown = _printable(value)
    return f"'{shown}" if value.startswith(_FORMULA) else shown


def _clean(entries: Iterable[Entry], redactor: Redactor) -> Iterable[tuple[Entry, dict[str, Any], bool]]:
    for entry in entries:
        detail = redactor.facts(entry.detail)
        yield entry, detail, detail != entry.detail
