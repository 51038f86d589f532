"""How far a rollback came, by the journal alone, and the table of all that came to their end.

There is no second file that could say something else: a step is done if a record says so for the very step of the plan.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import final

from pytest_golive import events
from pytest_golive.guard import state as states
from pytest_golive.journal import Entry

COLUMNS = ("Date", "Time", "Trigger", "Duration", "Impact", "Resolved By")
"""The columns of document 001, line 248."""

BEGUN, DONE, FAILED = "begun", "done", "failed"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A rollback that has begun: who, when, why, and what became of each step, by the step's digest."""

    id: str
    began: datetime
    operator: str
    reason: str
    steps: dict[str, str]

    def done(self, digest: str) -> bool:
        """Whether this very step was done and verified."""
        return self.steps.get(digest) == DONE


def open_one(entries: Iterable[Entry]) -> Story | None:
    """The rollback that began last and has not ended; None if there is none.

    An activation ends it: whoever went live again has undone its steps, and none of them may pass for done.
    """
    story: Story | None = None
    for entry in entries:
        detail = entry.detail
        if entry.event == events.ROLLBACK_BEGUN:
            story = Story(
                id=str(detail.get("rollback")), began=entry.at, operator=str(detail.get("operator")),
                reason=str(detail.get("reason")), steps={},
            )  # fmt: skip
        elif entry.event == events.ACTIVATED:
            story = None
        elif story is None or detail.get("rollback") != story.id:
            continue
        elif entry.event == events.ROLLBACK_STEP:
            story.steps[str(detail.get("digest"))] = str(detail.get("state"))
        elif entry.event == events.ROLLED_BACK:
            story = None
    return story


def row(*, began: datetime, ended: datetime, trigger: str, impact: str, resolved_by: str) -> str:
    """One line of the table; what people wrote cannot leave its cell."""
    at = began.astimezone(UTC)
    cells = (f"{at:%Y-%m-%d}", f"{at:%H:%M} UTC", trigger, duration(began, ended), impact, resolved_by)
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def duration(began: datetime, ended: datetime) -> str:
    """A length of time in minutes, or in hours and minutes; less than a minute is told as such."""
    minutes = int((ended - began).total_seconds()) // 60
    if minutes < 1:
        return "under a minute"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{minutes} min"


def entered(text: str, line: str) -> str:
    """The Markdown with the line at the end of the history table, which is begun if there is none; once is enough."""
    lines = text.splitlines()
    if line in lines:
        return text
    head = next((number for number, one in enumerate(lines) if _cells(one) == [name.lower() for name in COLUMNS]), None)
    if head is None:
        table = ["| " + " | ".join(COLUMNS) + " |", "|" + "|".join("------" for _ in COLUMNS) + "|", line]
        body = [*lines, ""] if lines else ["# Rollback history", ""]
        return "\n".join([*body, *table]) + "\n"
    end = head + 1
    while end < len(lines) and lines[end].lstrip().startswith("|"):
        end += 1
    # a template's row is there to be filled: the first rollback takes its place
    rows = [one for one in lines[head + 2 : end] if any(_cells(one)) and "template" not in one.lower()]
    return "\n".join([*lines[: head + 2], *rows, line, *lines[end:]]) + "\n"


def enter(path: Path, line: str) -> None:
    """Put the line into the table of this file, whole or not at all. OSError if that cannot be done."""
    try:
        text = path.read_text(encoding="utf-8")
        mode = path.stat().st_mode & 0o777
    except FileNotFoundError:
        text, mode = "", 0o644
    changed = entered(text, line)
    if changed != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        states.replace_file(os.path.realpath(path), changed.encode("utf-8"), mode)


def _cells(line: str) -> list[str]:
    return [cell.strip().lower() for cell in line.strip().strip("|").split("|")] if line.strip().startswith("|") else []


def _cell(text: str) -> str:
    flat = re.sub(r"\s+", " ", "".join(letter if letter.isprintable() else " " for letter in text)).strip()
    return re.sub(r"([\\|<>`\[\]!])", r"\\\1", flat) or "-"
