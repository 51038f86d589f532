"""The page of the history before its readers: held against axe-core, on a telephone, in the dark, and on paper."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pytest_golive import history
from pytest_golive.journal import Journal
from tests.chromium import Chromium, Tab, chromium
from tests.foreign import javascript

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for all tests of this file."""
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module", params=["full", "empty"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a journal of three months with something of everything and long words, and that of an empty one."""
    folder = tmp_path_factory.mktemp("history")
    journal = Journal(folder / "journal.jsonl")
    for day in range(90 if request.param == "full" else 0):
        at = NOW + timedelta(days=day)
        blocking = [f"item-{day % 7}", "x" * 300] if day % 3 == 0 else []
        word = "NO-GO" if blocking else "GO"
        journal.append("run", {"word": word, "operator": "o" * 200, "decides": day % 10 > 0, "blocking": blocking}, at)
        if day % 4 == 1:
            journal.append("activation-denied", {"reason": "w" * 900, "operator": "ann", "environment": "e" * 90}, at)
        elif not blocking:
            detail = {"activation_id": str(day), "operator": "ann", "environment": "production", "allowed_profiles": ["micro"]}
            journal.append("activated", {**detail, "expires": at + timedelta(hours=30)}, at)
            journal.append("stopped", {}, at + timedelta(hours=2))
    told = history.chronicle(list(journal.entries()), NOW + timedelta(days=90))
    path = folder / "history.html"
    path.write_text(history.as_html(told, ["the clock was set back"], target="Desk", environment="production"), encoding="ascii")
    return path


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)])
def test_axe_finds_nothing(browser: Chromium, page: Path, width: int, dark: bool) -> None:
    """axe-core finds no violation of WCAG 2.2 AA or of its best practices, with everything open."""
    tab = Tab(browser, page, width=width, dark=dark)
    tab.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
    tab.ask((javascript.packages() / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8") + "; 0")
    found, held = tab.ask(
        "axe.run(document).then(found => [found.violations.map(one => [one.id, one.nodes[0].html]), found.passes.length])"
    )
    tab.close()
    assert found == []
    assert held > 15


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_it_is_one_file_that_nothing_sticks_out_of(browser: Chromium, page: Path, width: int) -> None:
    """Without scripts it asks for nothing, breaks no policy, and never scrolls sideways, opened or closed."""
    tab = Tab(browser, page, width=width)
    tab.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert tab.ask("document.documentElement.scrollWidth <= innerWidth")
    assert tab.ask("getComputedStyle(document.querySelector('.rates')).display") == "grid"
    assert [url.partition(":")[0] for url in tab.requests] == ["file"]
    assert not tab.complaints
    tab.close()


def test_pictures_are_drawn_inside_their_frames(browser: Chromium, page: Path) -> None:
    """No mark of a picture lies outside of what the picture shows."""
    tab = Tab(browser, page)
    outside = tab.ask(
        "[...document.querySelectorAll('svg path')].filter(one => {"
        " const b = one.getBBox(), v = one.ownerSVGElement.viewBox.baseVal;"
        " return b.x < 0 || b.y < 0 || b.x + b.width > v.width || b.y + b.height > v.height}).length"
    )
    drawn = tab.ask("document.querySelectorAll('svg path').length")
    tab.close()
    assert outside == 0
    assert (drawn > 9) == (page.stat().st_size > 20_000)


def test_it_can_be_printed(browser: Chromium, page: Path) -> None:
    """On paper every run and every attempt is there, without a click."""
    pypdf = pytest.importorskip("pypdf")
    tab = Tab(browser, page)
    text = "".join(one.extract_text() for one in pypdf.PdfReader(io.BytesIO(tab.pdf())).pages)
    rows = tab.ask("document.querySelectorAll('[aria-labelledby=runs] li').length")
    tab.close()
    assert text.count("NO-GO") >= (30 if rows else 0)
    assert "Activation uptime" in text
