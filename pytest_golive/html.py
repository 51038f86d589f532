"""Beside the sign-off page: what pytest-html's own page (`--html`) says of the items, for the engineers who look into a run.

That page is never signed and can run what stands in it, so it is told little, and that in escaped form: severity, verdict and
what to do, in columns of their own, and above the table the decision with a link to the sign-off page. pytest-html writes its
page before anything is decided; so a sentence stands there that says so, and it is replaced once the decision was made and
signed. Only pytest-html's documented hooks are used, and each test id is written again, because pytest-html writes it as HTML.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, final
from urllib.parse import quote

import pytest

from pytest_golive import decision
from pytest_golive.model import Decision, Finding, Item, Outcome, Verdict
from pytest_golive.redaction import Redactor
from pytest_golive.report.words import short, visible

MAX_CELL = 2_000
MAX_LISTED = 200
NOTHING = "–"
UNDECIDED = "Nothing was decided. This page is no sign-off, whatever its rows say."
_OUTCOMES = frozenset({"passed", "failed", "error", "skipped", "xfailed", "xpassed", "rerun"})
"""What pytest-html's page has a filter for; a row of any other outcome would break the session or be hidden."""

_HEADERS = (
    '<th class="sortable" data-column-type="severity">Severity</th>',
    '<th class="sortable" data-column-type="verdict">Verdict</th>',
    "<th>What to do</th>",
)


@final
class Html:
    """What a session adds to pytest-html's page; `page` is its path as `--html` names it, `items` are what must be looked at."""

    def __init__(self, page: str, items: Sequence[Item], *, target: str, redactor: Redactor) -> None:
        self._page = Path.cwd() / Path(os.path.expandvars(page)).expanduser()
        self._items = {item.id: item for item in items}
        self._target = target
        self._redactor = redactor
        self._rows: set[str] = set()
        self._strangers: list[str] = []
        token = secrets.token_hex(16)
        self._gap = (f"<!--golive:{token}-->", f"<!--/golive:{token}-->")

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_report_title(self, report: Any) -> None:
        """Name the page, and put what the environment says into a form that cannot run."""
        report.title = self._plain(f"Go-live run: {self._target}")
        told = getattr(report, "data", {}).get("environment")
        if isinstance(told, Mapping):
            report.set_data("environment", self._environment(told))

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_html_results_table_header(self, cells: list[Any]) -> None:
        """Three columns behind that of the test."""
        at = _behind(cells, 'data-column-type="testId"')
        cells[at:at] = _HEADERS

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_html_results_table_row(self, report: Any, cells: list[Any]) -> None:
        """The cells of one report; an outcome that pytest-html does not know would break it, so it gets no row but is told."""
        name = report.nodeid if report.when == "call" else f"{report.nodeid}::{report.when}"
        packed = getattr(report, "golive", None)
        if packed:
            self._rows.add(packed["item"])
        if _shown_as(report) not in _OUTCOMES:
            self._strangers.append(f"{name}: {report.outcome}")
            cells.clear()
            return
        at = _behind(cells, 'class="col-testId"')
        cells[at - 1] = f'<td class="col-testId">{self._text(name)}</td>'
        told = [self._text(text) for text in (self._told(packed) if packed else (NOTHING,) * 3)]
        columns = ("severity", "verdict", "todo")
        cells[at:at] = [f'<td class="col-{column}">{text}</td>' for column, text in zip(columns, told, strict=True)]

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_html_results_table_html(self, report: Any, data: list[str]) -> None:
        """Spell out what is invisible in the lines under a row of ours."""
        if getattr(report, "golive", None):
            data[:] = [visible(line) for line in data]

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        """Above the table: the place of the decision, and what has no row."""
        begin, end = self._gap
        prefix.append(f'<div class="golive">{begin}<p><strong>{UNDECIDED}</strong></p>{end}</div>')
        self._append_list(prefix, "without a row, because they did not run", [id for id in self._items if id not in self._rows])
        self._append_list(prefix, "without a row, because pytest-html does not know their outcome", self._strangers)

    def pytest_golive_decided(self, decision: Decision, report: Path) -> None:
        """Put the decision, and the way to the page that counts, into the page that pytest-html has written."""
        begin, end = self._gap
        text = self._page.read_text(encoding="utf-8")
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if found and closed:
            self._page.write_text(before + self._decided(decision, report) + after, encoding="utf-8")

    def _decided(self, made: Decision, report: Path) -> str:
        way = os.path.relpath(report, self._page.parent)
        # a colon in the first part of a relative address would make it the name of a protocol
        address = quote(way if way.startswith("..") else f"./{way}")
        reasons = self._text(" ".join(made.reasons))
        return (
            f"<p><strong>{self._text(made.word.value)}</strong> {reasons}</p>"
            f'<p>What people read and sign is the <a href="{escape(address)}">sign-off page</a>; this page is not signed.</p>'
        )

    def _told(self, packed: Mapping[str, str]) -> tuple[str, str, str]:
        """Severity, verdict and what to do of one item, as things stand when its row is made."""
        item, outcome = self._items.get(packed["item"]), Outcome(packed["outcome"])
        if item is None:
            return packed["severity"], outcome.value, packed["fix"]
        finding = Finding(item=item.id, outcome=outcome, reason=packed["reason"])
        verdict = Verdict(packed.get("verdict") or decision.rule(item, finding, None, datetime.now(UTC)).verdict)
        if verdict is Verdict.CLEAR:
            return packed["severity"], verdict.value if outcome is Outcome.PASSED else f"{verdict}: {outcome}", NOTHING
        return packed["severity"], f"{verdict}: {outcome}", packed["fix"]

    def _append_list(self, prefix: list[str], why: str, names: Sequence[str]) -> None:
        if names:
            more = f" … and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
            listed = ", ".join(self._text(name) for name in names[:MAX_LISTED])
            prefix.append(f"<p><strong>{len(names)} {why}:</strong> {listed}{more}</p>")

    def _environment(self, told: Mapping[Any, Any]) -> dict[str, Any]:
        """The table of the environment, whose values pytest-html writes as HTML: without secrets, and escaped."""
        clean: Mapping[Any, Any] = self._redactor.facts(dict(told))
        return {self._plain(str(name)): self._escaped(value) for name, value in clean.items()}

    def _escaped(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {self._text(str(name)): self._text(str(part)) for name, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._text(str(part)) for part in value]
        return self._text(str(value))

    def _text(self, text: str) -> str:
        return escape(self._plain(text))

    def _plain(self, text: str) -> str:
        """The text without secrets, nothing invisible in it, on one line and not endless."""
        return visible(re.sub(r"\s+", " ", short(self._redactor.text(text), MAX_CELL)))


def _shown_as(report: Any) -> str:
    """What pytest-html will call the outcome of this report, by the rules of pytest itself."""
    if report.when in ("setup", "teardown", "collect") and report.outcome == "failed":
        return "error"
    if hasattr(report, "wasxfail"):
        return {"passed": "xpassed", "failed": "xpassed", "skipped": "xfailed"}.get(report.outcome, str(report.outcome))
    return str(report.outcome).lower()


def _behind(cells: Sequence[Any], words: str) -> int:
    """The place behind the cell with these words; behind the second one if nobody has them."""
    return next((at for at, cell in enumerate(cells, 1) if words in str(cell)), min(2, len(cells)))
