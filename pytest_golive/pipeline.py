"""What a run says to the system that runs it: GitHub's annotations and step summary, GitLab's code quality. Pure.

The decision always comes first and by itself, because such systems show only so many lines and take an empty list for a clean
one. Whatever people or targets wrote is escaped for the reader at hand: to GitHub a line that begins with `::` is a command,
however far it is indented, and so is `##[` anywhere in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_golive.model import Ruling, Verdict, Word
from pytest_golive.report.words import inert

if TYPE_CHECKING:
    from pytest_golive.closing import Closed

SHOWN_BY_GITHUB = 10
"""Annotations of one type that GitHub keeps of one step."""

MAX_SUMMARY = 200_000
"""Bytes of a step summary; GitHub drops one of more than a megabyte whole."""

MAX_TEXT = 600
_CHECK = "golive"
_WORDS = {Word.GO: "notice", Word.GO_WITH_WARNINGS: "warning"}
_SPECIAL = re.compile(r"[^\w\s.,-]")
_FAILING = (Verdict.BLOCKING, Verdict.WARNED)


def commands(closed: Closed, *, root: Path, workspace: Path, errors: bool = True) -> Iterator[str]:
    """One line for GitHub for the decision, then one for each failing item at its line of the checklist, blocking ones first.

    `errors` is false if somebody else annotates the failing tests already.
    """
    decision = closed.decision
    told = [" ".join(decision.reasons), *filter(None, (closed.denied, closed.trouble))]
    kind = "error" if closed.denied or closed.trouble else _WORDS.get(decision.word, "error")
    yield _command(kind, " ".join(told), title=f"go-live: {decision.word}")
    said = {"error": int(kind == "error"), "warning": int(kind == "warning")}
    for ruling in _failing(decision.rulings):
        kind = "error" if ruling.verdict is Verdict.BLOCKING else "warning"
        said[kind] += 1
        if said[kind] <= SHOWN_BY_GITHUB and (errors or kind == "warning"):
            yield _command(kind, _why(ruling), title=ruling.item.title, place=_place(ruling, root, workspace))


def step_summary(closed: Closed, *, report: str) -> str:
    """Markdown for a step's page: the decision, and a table of the failing items, as far as there is room."""
    decision = closed.decision
    lines = [f"## go-live: {decision.word}", "", _markdown(" ".join(decision.reasons)), ""]
    lines += [f"**Not activated:** {_markdown(closed.denied)}", ""] if closed.denied else []
    lines += [f"**Trouble:** {_markdown(closed.trouble)}", ""] if closed.trouble else []
    lines += [f"Sign-off page: <code>{_markdown(report)}</code>" if report else "No sign-off page was written.", ""]
    failing = _failing(decision.rulings)
    if failing:
        lines += ["| verdict | item | found | what to do |", "| --- | --- | --- | --- |"]
    room = MAX_SUMMARY - sum(len(line.encode()) + 1 for line in lines)
    for number, ruling in enumerate(failing):
        item = ruling.item
        cells = (f"{ruling.verdict}: {ruling.finding.outcome}", f"{item.title} [{item.id}]", ruling.finding.reason, item.fix)
        row = f"| {' | '.join(map(_markdown, cells))} |"
        room -= len(row.encode()) + 1
        if room < 100:
            lines += ["", f"… and {len(failing) - number} more; the sign-off page has all of them"]
            break
        lines.append(row)
    return "\n".join(lines) + "\n"


def code_quality(closed: Closed, *, settings: Path, root: Path) -> str:
    """GitLab's code quality report: the decision unless it permits, then every item that is not clear."""
    decision = closed.decision
    found: list[dict[str, object]] = []
    if not decision.word.permits or closed.denied or closed.trouble:
        told = " ".join([*decision.reasons, *filter(None, (closed.denied, closed.trouble))])
        found.append(_quality("decision", f"{decision.word}: {told}", "blocker", _relative(settings, root), 1))
    for ruling in decision.rulings:
        if ruling.verdict is not Verdict.CLEAR:
            item = ruling.item
            severity = {Verdict.BLOCKING: "blocker", Verdict.WARNED: "minor"}.get(ruling.verdict, "info")
            told = f"{ruling.verdict}: {item.title}: {ruling.finding.reason}"
            found.append(_quality(f"item:{item.id}", told, severity, _relative(root / item.place.file, root), item.place.line))
    return json.dumps(found, indent=1, ensure_ascii=True) + "\n"


def is_code_quality(content: str) -> bool:
    """Whether a file's content is a code quality report of ours, that may be written over."""
    try:
        entries = json.loads(content or "[]")
        return isinstance(entries, list) and all(entry["check_name"].startswith(_CHECK) for entry in entries)
    except (ValueError, LookupError, TypeError, AttributeError):
        return False


def _quality(name: str, description: str, severity: str, path: str, line: int) -> dict[str, object]:
    """One entry; its fingerprint comes from what it is about and not from its line, so that it stays the same when lines move."""
    return {
        "description": _cut(description),
        "check_name": f"{_CHECK}:{name}",
        "fingerprint": hashlib.sha256(f"{_CHECK}:{name}".encode()).hexdigest(),
        "severity": severity,
        "location": {"path": path, "lines": {"begin": line}},
    }


def _failing(rulings: Sequence[Ruling]) -> list[Ruling]:
    return sorted((one for one in rulings if one.verdict in _FAILING), key=lambda one: _FAILING.index(one.verdict))


def _why(ruling: Ruling) -> str:
    return f"{ruling.finding.outcome}: {ruling.finding.reason}\nfix: {ruling.item.fix}"


def _place(ruling: Ruling, root: Path, workspace: Path) -> tuple[str, int]:
    return _relative(root / ruling.item.place.file, workspace), ruling.item.place.line


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(path, folder)


def _command(kind: str, text: str, *, title: str, place: tuple[str, int] | None = None) -> str:
    """A workflow command of GitHub; its escapes keep the text on its one line and the properties in their places."""
    properties = [f"file={_property(place[0])}", f"line={place[1]}"] if place else []
    return f"::{kind} {','.join([*properties, f'title={_property(_cut(title))}'])}::{_data(_cut(text))}"


def _data(text: str) -> str:
    return inert(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _markdown(text: str) -> str:
    """Text as text: on one line, with every sign that Markdown or HTML might read as its own written as a character reference."""
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", " ".join(_cut(text).split())).replace("_", "&#95;")


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"
