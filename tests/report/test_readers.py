"""Every kind of page before its readers: held against axe-core, on a phone, in the dark, on paper, without scripts."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pytest_golive.signing.keys import SessionKey
from tests.chromium import Chromium, Tab, chromium
from tests.foreign import javascript
from tests.report import gallery

PAGES = ("go", "go-with-warnings-signed", "no-go", "incomplete")
FORMS: dict[str, dict[str, Any]] = {"light": {}, "dark": {"dark": True}, "phone": {"width": 390, "height": 800}}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OPEN_ALL = "document.querySelectorAll('details').forEach(one => one.open = true)"


class Opened(NamedTuple):
    """A page of the gallery, and the tab that it is open in."""

    page: str
    tab: Tab


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, key: SessionKey) -> Path:
    """A page of each kind, as files."""
    made = tmp_path_factory.mktemp("pages")
    for name, page in gallery.pages(key).items():
        (made / f"{name}.html").write_bytes(page)
    return made


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for all tests of this file."""
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module", params=PAGES)
def opened(request: pytest.FixtureRequest, browser: Chromium, folder: Path) -> Iterator[Opened]:
    """One page after the other, each opened once."""
    tab = Tab(browser, folder / f"{request.param}.html")
    yield Opened(request.param, tab)
    tab.close()


def ids(name: str) -> list[str]:
    """The ids of the items that this page is about."""
    statement = gallery.statements()[name.removesuffix("-signed")]
    return [item["id"] for item in statement["predicate"]["golive"]["items"]]


def violations(tab: Tab) -> list[str]:
    """What axe-core finds, as rule and place."""
    if not tab.ask("'axe' in window"):
        tab.ask((javascript.packages() / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8") + "; 0")
    options = json.dumps({"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]})
    found = tab.ask(f"axe.run(document, {options})")
    assert len(found["passes"]) > 20
    return [f"{one['id']}: {node['target']} {node['failureSummary']}" for one in found["violations"] for node in one["nodes"]]


@pytest.mark.parametrize("form", FORMS)
def test_axe_finds_nothing(opened: Opened, form: str) -> None:
    """axe-core finds no violation of WCAG 2.2 AA or of its best practices, as the page is opened and with everything open."""
    opened.tab.view(**FORMS[form])
    if form == "light":
        assert violations(opened.tab) == []
    opened.tab.ask(OPEN_ALL)
    assert violations(opened.tab) == []


def test_no_sideways_scroll_on_a_phone(opened: Opened) -> None:
    """At 390 pixels nothing sticks out sideways, with everything open."""
    opened.tab.view(**FORMS["phone"])
    opened.tab.ask(OPEN_ALL)
    assert opened.tab.ask("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("opened", ["go-with-warnings-signed", "no-go"], indirect=True)
def test_paper_holds_every_item(opened: Opened) -> None:
    """The printed page has every id and the word, although everything was closed on screen."""
    pypdf = pytest.importorskip("pypdf")
    opened.tab.view()
    opened.tab.ask(OPEN_ALL.replace("true", "false"))
    text = "".join("".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(opened.tab.pdf())).pages).split())
    assert [one for one in ids(opened.page) if one not in text] == []
    word = opened.tab.ask("document.querySelector('.word').innerText")
    assert opened.page.startswith(word.lower().replace(" ", "-"))
    assert "".join(word.split()) in text
    assert ("AdaLovelace" in text) is opened.page.endswith("-signed")


def test_every_item_can_be_linked_to(opened: Opened) -> None:
    """Whatever was closed around an item, following its link shows it, without a script of ours."""
    opened.tab.view()
    opened.tab.ask(OPEN_ALL.replace("true", "false"))
    opened.tab.ask("document.querySelectorAll('details.fold').forEach(one => one.open = false)")
    for name in ids(opened.page)[::13]:
        opened.tab.ask(f"location.hash = '#item-{name}'")
        top, bottom = opened.tab.ask(
            "(box => [box.top, box.bottom])(document.querySelector(':target > *').getBoundingClientRect())"
        )
        assert bottom > top
        assert 0 <= top < 900


@pytest.mark.parametrize("name", PAGES)
def test_the_page_needs_no_script_and_asks_nobody(name: str, browser: Chromium, folder: Path) -> None:
    """With scripts switched off each item is there once, and nothing but the file is asked for or forbidden."""
    tab = Tab(browser, folder / f"{name}.html", scripts=False)
    assert sorted(tab.ask("[...document.querySelectorAll('[id^=\"item-\"]')].map(one => one.id.slice(5))")) == sorted(ids(name))
    tab.ask(OPEN_ALL)
    tab.pdf()
    assert tab.requests == [(folder / f"{name}.html").as_uri()]
    assert not tab.complaints
    tab.close()
