"""pytest-html's page beside the sign-off page: what its JSON holds, and what a real browser makes of it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.chromium import Chromium, Tab, chromium

Make = Callable[..., str]

pytest.importorskip("pytest_html")

TAGS = "</td></script><img src=x onerror=document.title='ran'><b>"
EVIL = TAGS + "\u202e"
QUOTED = json.dumps(TAGS)

BUSY = """
import os
import pytest

EVIL = "</td></script><img src=x onerror=document.title='ran'><b>\\u202e"

def pytest_metadata(metadata):
    metadata["Branch"] = EVIL
    metadata["Tools"] = {EVIL: EVIL}
    metadata["API_TOKEN"] = "s3cr3t-value-of-a-token"

@pytest.fixture(autouse=True)
def trouble(request):
    print(EVIL)
    if "skipped" in request.node.name:
        pytest.skip(EVIL)
    if "unprepared" in request.node.name:
        raise RuntimeError(EVIL)
    yield
    if "untidy" in request.node.name:
        raise RuntimeError(EVIL)

if hasattr(pytest, "Subtests"):
    @pytest.fixture(autouse=True)
    def parts(request, subtests):
        if "parts" in request.node.name:
            with subtests.test(EVIL):
                assert not EVIL

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if "stranger" in item.name and report.when == "call":
        report.outcome = EVIL
    return report
"""

UNREADABLE = """
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    if "main" in report.nodeid:
        report.outcome, report.longrepr, report.result = "failed", "<b>", []
    return report
"""


def page(project: Any, name: str = "plain.html") -> tuple[dict[str, Any], str]:
    """The data of a page of pytest-html, and its whole text."""
    text = (project.root / name).read_text(encoding="utf-8")
    (blob,) = re.findall(r'data-jsonblob="(.*?)"', text)
    data: dict[str, Any] = json.loads(html.unescape(blob))
    return data, text


def rows(data: dict[str, Any]) -> dict[str, list[str]]:
    """The texts of the cells by the last part of the test's id."""
    found = {}
    for tests in data["tests"].values():
        for test in tests:
            cells = [html.unescape(re.sub(r"<[^>]*>", "", cell)) for cell in test["resultsTableRow"]]
            found[cells[1].partition("::")[2]] = [cells[0], *cells[2:5]]
    return found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for all tests of this file."""
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def poisoned(project: Any, make_item: Make) -> Any:
    """A project with an item of every outcome, and hostile text wherever people and targets can write."""
    evil: dict[str, Any] = {"title": QUOTED, "fix": QUOTED}
    project.settings(f"target: {{variables: {{brokers: [{QUOTED}, kraken]}}}}\n")
    project.write("conftest.py", BUSY)
    project.checklist(
        make_item("passes", **evil),
        make_item("fails", probe="env: {name: POISON}", **evil),
        make_item("lost", probe="command: {run: [no-such-program]}", expect="expect: {exit: 0}", **evil),
        make_item("hangs-on", extra="requires: [fails]", **evil),
        make_item("warns", severity="warning", probe="env: {name: POISON}", **evil),
        make_item("skipped", **evil),
        make_item("unprepared", **evil),
        make_item("untidy", **evil),
        make_item("parts", **evil),
        make_item("stranger", **evil),
        make_item("broker", extra='for_each: {broker: "${brokers}"}', **evil),
    )
    return project


def test_every_outcome_has_its_row_and_nothing_runs(poisoned: Any, browser: Chromium) -> None:
    """Severity, verdict and fix of every outcome stand in the page, what has no row is named, and hostile text is text there."""
    run = poisoned.gate("--html=plain.html", "--self-contained-html", "-p", "no:rerunfailures", env={"POISON": EVIL})
    assert run.word == "NO-GO"
    data, text = page(poisoned)
    critical = {
        "passes": ["Passed", "critical", "clear", "–"],
        "fails": ["Failed", "critical", "blocking: failed", TAGS],
        "lost": ["Failed", "critical", "blocking: error", TAGS],
        "hangs-on": ["Failed", "critical", "blocking: blocked", TAGS],
        "skipped::setup": ["Skipped", "critical", "blocking: not-run", TAGS],
        "unprepared::setup": ["Error", "critical", "blocking: error", TAGS],
        "untidy::teardown": ["Error", "critical", "blocking: error", TAGS],
        "warns": ["XFailed", "warning", "warned: failed", TAGS],
        f"broker[{TAGS}]": ["Passed", "critical", "clear", "–"],
        "broker[kraken]": ["Passed", "critical", "clear", "–"],
    }
    seen = rows(data)
    assert {name: row for name, row in seen.items() if name in critical} == critical
    assert "1 without a row, because pytest-html does not know their outcome:</strong> checklists/main.yaml::stranger: " in text
    assert "because they did not run" not in text
    assert "s3cr3t" not in text
    assert data["environment"]["API_TOKEN"] == "[redacted]"
    tab = Tab(browser, poisoned.root / "plain.html")
    assert tab.ask("document.title") == "Go-live run: unnamed target"
    assert tab.ask("document.querySelectorAll('[onerror], td b, p b').length") == 0
    assert not tab.complaints
    assert tab.ask("document.querySelectorAll('tbody.results-table-row').length") == sum(map(len, data["tests"].values()))
    shown = tab.ask("document.body.innerText")
    assert TAGS + "\\u202e" in shown
    assert "\u202e" not in shown
    assert "\u202e" not in run.out.partition("= go-live =")[2]
    tab.close()


@pytest.mark.parametrize("form", [[], ["--self-contained-html"]], ids=["folder", "one-file"])
def test_the_decision_and_the_way_to_the_sign_off_page(form: list[str], project: Any, browser: Chromium) -> None:
    """Above the table stands what was decided, with a link that leads from this page to the sign-off page."""
    project.gate("--html=out of/the way/plain.html", *form, env={"READY": "no"})
    _, text = page(project, "out of/the way/plain.html")
    assert "Nothing was decided" not in text
    tab = Tab(browser, project.root / "out of/the way/plain.html")
    (report,) = project.reports()
    assert tab.ask("document.querySelector('.golive').innerText").startswith("NO-GO 2 critical items fail. 1 warning.")
    assert tab.ask("document.querySelector('.golive a').href") == report.as_uri()
    assert not tab.complaints
    tab.close()


def test_a_run_that_is_cut_short_says_what_has_no_row(project: Any) -> None:
    """Items that -x left out are named, and the decision beside them is INCOMPLETE."""
    project.gate("--html=plain.html", "-x", env={"READY": "no"})
    data, text = page(project)
    assert list(rows(data)) == ["one"]
    assert "<strong>2 without a row, because they did not run:</strong> two, three" in text
    assert "<strong>INCOMPLETE</strong>" in text


def test_a_run_without_a_decision_says_so(project: Any) -> None:
    """A session that breaks before anything is signed leaves the sentence that nothing was decided, and never a verdict."""
    project.write("conftest.py", "def pytest_sessionfinish(session):\n    raise SystemExit(0)\n")
    run = project.gate("--html=plain.html")
    assert run.status != 0
    text = (project.root / "plain.html").read_text(encoding="utf-8") if (project.root / "plain.html").exists() else ""
    assert "<strong>GO" not in text
    project.write("conftest.py", "")
    project.gate("--html=plain.html", "--co")
    _, text = page(project)
    assert "Nothing was decided. This page is no sign-off" in text
    assert "<strong>GO" not in text


def test_a_broken_collection_and_a_broken_run_have_a_page(project: Any) -> None:
    """A collection error is a row of its own; an error inside pytest ends with a page and no GO."""
    project.write("conftest.py", UNREADABLE)
    assert project.gate("--html=plain.html").status != 0
    data, text = page(project)
    assert "<strong>INCOMPLETE</strong>" in text
    assert rows(data) == {"collect": ["Error", "–", "–", "–"]}
    project.write("conftest.py", "def pytest_runtest_logreport(report):\n    raise RuntimeError('<b>')\n")
    assert project.gate("--html=plain.html").status == 3
    _, text = page(project)
    assert "<strong>INCOMPLETE</strong>" in text


def test_workers_and_reruns(project: Any) -> None:
    """The rows are the same whether workers or the controller ran the items, and a rerun has a row of its own."""
    project.gate("--html=plain.html", env={"READY": "no"})
    alone = rows(page(project)[0])
    pytest.importorskip("xdist")
    project.gate("--html=plain.html", "-n2", env={"READY": "no"})
    assert rows(page(project)[0]) == alone
    pytest.importorskip("pytest_rerunfailures")
    assert project.gate("--html=plain.html", "--reruns=1", env={"READY": "no"}).word == "NO-GO"
    results = [test["resultsTableRow"][0] for tests in page(project)[0]["tests"].values() for test in tests]
    assert sum("Rerun" in result for result in results) >= 2


def test_without_the_gate_the_page_is_as_ever(project: Any) -> None:
    """A plain pytest run of the same project gets pytest-html's page as it is."""
    project.write("test_it.py", "def test_it():\n    pass\n")
    project.pytest("--html=plain.html", "test_it.py")
    data, text = page(project)
    assert "Severity" not in text
    assert len(next(iter(data["tests"].values()))[0]["resultsTableRow"]) == 4
