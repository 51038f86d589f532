"""The page in a real browser: what it looks like, what it loads, how it is printed."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_golive import report
from tests.chromium import Chromium, Tab, chromium

Open = Callable[..., Tab]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for all tests of this file."""
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def show(browser: Chromium, tmp_path: Path, sign: Callable[[dict[str, Any]], str]) -> Open:
    """Open the page of a statement."""

    def opened(statement: dict[str, Any], *, width: int = 1280, height: int = 900, dark: bool = False, fragment: str = "") -> Tab:
        path = tmp_path / "report.html"
        path.write_bytes(report.render(sign(statement)))
        return Tab(browser, path, width=width, height=height, dark=dark, fragment=fragment)

    return opened


@pytest.fixture(scope="module")
def nogo(
    statement: Callable[..., dict[str, Any]], item: Callable[..., dict[str, Any]], failed: Callable[..., dict[str, Any]]
) -> dict[str, Any]:
    """A page with long words in it, enough items to fill groups, and something in most sections."""
    items = [item(f"ok-{number}") for number in range(230)]
    items[3] = failed("broken-1", title="x" * 400, fix="https://desk.example/" + "y" * 300)
    items[5] = failed(
        "old-2", severity="warning", checks=[{"path": "p" * 200, "wanted": "w" * 300, "found": "f" * 300, "met": False}]
    )
    items[7] = item("unseen-3", outcome="error", verdict="blocking", reason="refused", checks=[], evidence=None)
    items[9] = item("absent-4", outcome="not-applicable", reason="no account", checks=[], evidence=None)
    items[11] = item("loop[coin base]", kind="attestation")
    made = statement("NO-GO", items)
    made["predicate"]["golive"]["manifest"]["dirty"] = True
    return made


def test_no_sideways_scroll_on_a_phone(nogo: dict[str, Any], show: Open) -> None:
    """At 390 pixels, and at 320 as under large zoom, nothing sticks out sideways, opened or closed."""
    for width in (390, 320):
        tab = show(nogo, width=width, height=800)
        assert tab.ask("document.documentElement.scrollWidth") == width
        tab.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert tab.ask("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 800)])
@pytest.mark.parametrize("word", ["GO", "INCOMPLETE"])
def test_first_screen(
    word: str, width: int, height: int, statement: Callable[..., dict[str, Any]], item: Callable[..., dict[str, Any]], show: Open
) -> None:
    """The word, the reasons and every fact of the verdict box are on the first screen of a desk and of a phone."""
    made = statement(word, [item(f"i{number}") for number in range(30)])
    if word == "INCOMPLETE":
        made["predicate"]["golive"]["run"]["partial"] = ["deselected by -k: 7"]
    tab = show(made, width=width, height=height)
    assert tab.ask("document.querySelector('.word').innerText") == word
    assert tab.ask("document.title").startswith(word)
    shown = ".word, .judged > *, .verdict dd, .counts b"
    bottoms = tab.ask(f"[...document.querySelectorAll('{shown}')].map(one => one.getBoundingClientRect().bottom)")
    assert len(bottoms) > 12
    assert max(bottoms) <= height


def test_dark_scheme(nogo: dict[str, Any], show: Open) -> None:
    """A reader who prefers dark gets light text on dark ground, and the other way round."""

    def brightness(dark: bool) -> list[int]:
        tab = show(nogo, dark=dark)
        style = "getComputedStyle(document.body)"
        return [sum(tab.ask(f"{style}.{name}.match(/\\d+/g).map(Number)")[:3]) for name in ("color", "backgroundColor")]

    (light_ink, light_ground), (dark_ink, dark_ground) = brightness(False), brightness(True)
    assert light_ink < 150 < 600 < light_ground
    assert dark_ground < 150 < 600 < dark_ink


def test_style_applies_and_nothing_is_asked_for(nogo: dict[str, Any], show: Open) -> None:
    """The policy lets the style through, nothing violates it, and no request is made but for the file itself."""
    tab = show(nogo)
    assert tab.ask("getComputedStyle(document.querySelector('.band')).display") == "flex"
    assert [url.partition(":")[0] for url in tab.requests] == ["file"]
    assert not tab.complaints


def test_every_item_has_one_node(nogo: dict[str, Any], show: Open) -> None:
    """A browser sees as many item nodes as there are items."""
    tab = show(nogo)
    assert tab.ask("document.querySelectorAll('[id^=\"item-\"]').length") == 230
    assert tab.ask(
        "new Set([...document.querySelectorAll('[id]')].map(one => one.id)).size == document.querySelectorAll('[id]').length"
    )


@pytest.mark.parametrize("name", ["ok-200", "absent-4", "broken-1", "loop[coin%20base]"])
def test_a_link_to_an_item_shows_it(name: str, nogo: dict[str, Any], show: Open) -> None:
    """Opening the page at an item opens the sections around it and brings it on screen."""
    tab = show(nogo, fragment=f"#item-{name}")
    assert tab.ask("document.querySelector(':target').id") == f"item-{name}"
    top, bottom = tab.ask("(box => [box.top, box.bottom])(document.querySelector(':target > *').getBoundingClientRect())")
    assert bottom > top
    assert 0 <= top < 900


def test_hostile_text_runs_nothing(
    statement: Callable[..., dict[str, Any]], failed: Callable[..., dict[str, Any]], show: Open
) -> None:
    """Text that wants to be a script or a tag is shown as text, in every place of a card."""
    evil = "</style></script><script>document.title='GO'</script><img src=x onerror=\"document.title='GO'\">"
    poisoned = failed("a", **dict.fromkeys(("title", "reason", "why", "fix", "owner", "place", "kind"), evil))
    tab = show(statement("NO-GO", [poisoned]))
    assert tab.ask("document.title").startswith("NO-GO")
    assert tab.ask("document.querySelectorAll('img').length") == 0
    assert evil in tab.ask("document.querySelector('.card h3').textContent")


def test_everything_is_reached_by_keyboard(nogo: dict[str, Any], show: Open) -> None:
    """The skip link is the first stop and becomes visible, and every stop is large enough to hit."""
    tab = show(nogo)
    for kind in ("keyDown", "keyUp"):
        tab.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
    assert tab.ask("document.activeElement.className") == "skip"
    assert tab.ask("document.activeElement.getBoundingClientRect().left") >= 0
    tab.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
    heights = tab.ask("[...document.querySelectorAll('summary, .counts a')].map(one => one.getBoundingClientRect().height)")
    assert min(heights) >= 24


def test_print_holds_every_item_and_its_evidence(nogo: dict[str, Any], show: Open) -> None:
    """The printed page has every id, the word, the digests of failing evidence and "Not signed", without opening anything."""
    pypdf = pytest.importorskip("pypdf")
    tab = show(nogo)
    pdf = tab.pdf()
    text = "".join("".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages).split())
    items = nogo["predicate"]["golive"]["items"]
    assert [one["id"] for one in items if one["id"].replace(" ", "") not in text] == []
    assert text.count('{"seconds":0.20,"value":"false"}') == sum(one["evidence"] is not None for one in items)
    assert items[3]["evidence"]["sha256"] in text
    assert "NO-GO" in text
    assert "Notsigned" in text


def test_a_link_to_a_far_card_shows_it(
    statement: Callable[..., dict[str, Any]], failed: Callable[..., dict[str, Any]], show: Open
) -> None:
    """A card that the browser has not laid out yet is found and brought on screen."""
    tab = show(statement("NO-GO", [failed(f"b-{number}") for number in range(80)]), fragment="#item-b-70")
    assert tab.ask("document.querySelector(':target').id") == "item-b-70"
    top = tab.ask("document.querySelector(':target h3').getBoundingClientRect().top")
    assert 0 <= top < 900
