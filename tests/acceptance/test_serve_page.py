"""The status page before its readers: a desk that is live and well, and one in trouble, in a browser as on a telephone."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.acceptance.conftest import OPEN, Project, a_project, item
from tests.chromium import Chromium, Tab, chromium
from tests.foreign import javascript
from tests.serving import TOKEN, Served, served
from tests.signing.people import hand, person, roster

PICTURES = os.environ.get("GOLIVE_STATUS_PICTURES", "")
"""A folder for pictures, from which those of docs/serve.md were made; without it none is kept."""

SETTINGS = """\
target: {name: Harbour trading desk}
mode:
  DRY_RUN_MODE: {live: "false", safe: "true"}
  LIVE_CAPITAL_VERIFIED: {live: "true", safe: "false"}
activation: {valid_for: 12h}
watch: {phases: [monitoring], every: 10m}
serve: {brokers: [broker-*, venue-kraken], orders_log: desk.log}
"""
QUORUM = "[quorum.production]\npersons = 2\nroles = {qa = 1, operations = 1}\n"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for all tests of this file."""
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def well(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A desk whose run two persons approved, activated, watched, with two brokers up and few skipped orders."""
    if not shutil.which("ssh-keygen"):
        pytest.skip("ssh-keygen is not installed (Debian: openssh-client)")
    folder = Path(PICTURES, "desk") if PICTURES else tmp_path_factory.mktemp("desk")
    folder.mkdir(exist_ok=True)
    made = a_project(folder)
    made.environ.update(DRY_RUN_MODE="false", LIVE_CAPITAL_VERIFIED="true")
    made.settings(OPEN + SETTINGS)
    broker = {"phase": "monitoring", "fix": "look at the broker's own status page, then restart its connection"}
    made.checklist(
        item("capital-buffer", title="A fifth of the capital is kept back"),
        item("isolation", title="One account's failure stays its own"),
        item("venue-kraken", title="Kraken answers and trades"),
        item(
            "broker-coinbase",
            title="Coinbase answers and trades",
            probe="file: {path: coinbase.json, format: json}",
            expect="expect: {value.state: healthy}",
            **broker,
        ),
        item(
            "daily-loss",
            title="The loss of the day is within its limit",
            phase="monitoring",
            probe="file: {path: loss.json, format: json}",
            expect='expect: {value.day: {le: "500"}}',
            fix="close the positions, and find out why",
        ),
    )
    made.write("coinbase.json", '{"state": "healthy"}')
    made.write("loss.json", '{"day": 20}')
    hands = {name: hand(folder, name) for name in ("Ann", "Ben")}
    made.write(
        "golive.roster.toml",
        roster(person("ann", ["qa"], hands["Ann"].line), person("ben", ["operations"], hands["Ben"].line), more=QUORUM),
    )
    assert made.gate().status == 0
    page = str(made.reports()[-1])
    for who, role in (("Ann", "qa"), ("Ben", "operations")):
        done = made.golive(
            "approve", page, "--role", role, "--key", str(hands[who].path), "--comment", "read and agreed", "--yes"
        )
        assert done.status == 0, done.text
    done = made.golive("activate", page, "--yes")
    assert done.status == 0, done.text
    assert made.golive("watch", "--rounds", "1").status == 0
    skips(made, [(50, "marker not found"), (49, "marker not found"), (48, "stop file present")])
    return made


@pytest.fixture(scope="module")
def green(well: Project) -> Iterator[Served]:
    """Its status page."""
    with served(well.root, {**well.environ, "GOLIVE_SERVE_TOKEN": TOKEN}) as started:
        yield started


@pytest.fixture(scope="module")
def red(well: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The status page of the same desk after a bad hour: a NO-GO, a red flag, a broker down, a stop."""
    folder = Path(PICTURES, "trouble") if PICTURES else tmp_path_factory.mktemp("trouble")
    shutil.copytree(well.root.parent, folder, dirs_exist_ok=True)
    made = Project(root=folder / "project", environ={**well.environ, "HOME": str(folder / "home"), "READY": "no"})
    made.write("coinbase.json", '{"state": "degraded"}')
    made.write("loss.json", '{"day": 740}')
    assert made.golive("watch", "--rounds", "1").status == 1
    assert made.gate().status == 1
    made.golive("stop", "--reason", "the loss of the day is beyond its limit", "--operator", "Ben")
    ago = [
        (60 * hour + minute, "the marker was withdrawn" if hour < 3 else "EMERGENCY_STOP is present")
        for hour in range(14)
        for minute in range(1, 40 - 2 * hour)
    ]
    skips(made, ago)
    with served(made.root, {**made.environ, "GOLIVE_SERVE_TOKEN": TOKEN}) as started:
        yield started


def skips(project: Project, ago: list[tuple[int, str]]) -> None:
    """Write the log of a service that skipped an order so many minutes ago, for such a reason."""
    now = datetime.now(UTC)
    skipped = "WARNING [ORDER_SKIPPED] BUY BTCUSDT qty=0.001 - GO-LIVE not activated"
    times = [(now - timedelta(minutes=minutes), why) for minutes, why in sorted(ago, reverse=True)]
    lines = [f"{at.isoformat()} {skipped} ({why})\n" for at, why in times]
    project.write("desk.log", "".join(lines))


@pytest.fixture(scope="module", params=["green", "red"])
def shown(request: pytest.FixtureRequest) -> tuple[str, Served]:
    """Both pages, one after the other, by name."""
    return request.param, request.getfixturevalue(request.param)


def test_green_is_green(green: Served) -> None:
    """Nothing is red: live, approved by both, watched, both brokers up, and every line can be read."""
    told = json.loads(green.get("/status.json")[2])
    assert told["alarms"] == []
    assert told["tone"] == "live"
    assert [one["state"] for one in told["brokers"]] == ["up", "up"]
    assert [one["who"] for one in told["approvals"]["stand"]] == ["Ann Example (qa)", "Ben Example (operations)"]
    assert told["skipped"]["reasons"] == [{"reason": "marker not found", "count": 2}, {"reason": "stop file present", "count": 1}]


def test_red_is_red(red: Served) -> None:
    """Everything that is wrong is named above all else: stop, NO-GO with what to do, watch, brokers."""
    told = json.loads(red.get("/status.json")[2])
    assert told["tone"] == "stopped"
    for words in ("Stopped since", "says NO-GO", "The watch sees 2 not clear", "2 brokers are down"):
        assert any(words in line for line in told["alarms"]), (words, told["alarms"])
    assert {one["id"] for one in told["report"]["red"]} >= {"capital-buffer", "isolation"}
    assert told["report"]["red"][0]["fix"] == "set READY=yes"


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)])
@pytest.mark.parametrize("path", ["/?hold", "/stop"])
def test_axe_finds_nothing(browser: Chromium, shown: tuple[str, Served], path: str, width: int, dark: bool) -> None:
    """axe-core finds no violation of WCAG 2.2 AA or of its best practices, and nothing sticks out sideways."""
    tab = Tab(browser, shown[1].origin + path, width=width, dark=dark)
    tab.ask((javascript.packages() / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8") + "; 0")
    found, held = tab.ask(
        "axe.run(document).then(found => [found.violations.map(one => [one.id, one.nodes[0].html]), found.passes.length])"
    )
    fits = tab.ask("document.documentElement.scrollWidth <= innerWidth")
    title = tab.ask("document.querySelector('h1').innerText.split('\\n')[0]")
    tab.close()
    # an error page would be accessible too
    assert title == ("Stop all real trading?" if path == "/stop" else {"green": "LIVE", "red": "STOPPED"}[shown[0]])
    assert found == []
    assert held > 10
    assert fits


def test_the_browser_has_nothing_to_complain_of(browser: Chromium, shown: tuple[str, Served]) -> None:
    """The page asks for nothing else, breaks no policy of its own, is styled, and no text became a script or a picture."""
    tab = Tab(browser, shown[1].origin + "/?hold")
    assert tab.ask("getComputedStyle(document.querySelector('.rooms')).display") == "grid"
    assert tab.ask("document.querySelectorAll('script, img').length") == 0
    # the browser asks for an icon by itself, which is not there
    assert [url for url in tab.requests if not url.endswith(("/?hold", "/favicon.ico"))] == []
    assert [one for one in tab.complaints if "favicon" not in str(one)] == []
    tab.close()


def test_it_renews_itself(browser: Chromium, green: Served) -> None:
    """Without any script the browser asks again after five seconds, and holds still where that was asked."""
    tab = Tab(browser, green.origin + "/", scripts=False)
    browser.events.clear()
    browser.wait(tab.session, "Page.loadEventFired")
    again = tab.requests
    tab.close()
    assert f"{green.origin}/" in again
    assert "refresh" not in green.get("/?hold")[1]


def test_the_stop_works_without_a_script(browser: Chromium, green: Served, well: Project) -> None:
    """A person types the token into the confirmation page and presses the button; that stops, in a browser without scripts."""
    stop = well.root / "EMERGENCY_STOP"
    tab = Tab(browser, green.origin + "/stop", scripts=False)
    tab.ask(f"document.querySelector('#reason').value = 'pressed'; document.querySelector('#token').value = '{TOKEN}'; 0")
    browser.events.clear()
    tab.ask("document.querySelector('button').click(); 0")
    browser.wait(tab.session, "Page.loadEventFired")
    said = tab.ask("document.body.innerText")
    tab.close()
    try:
        assert "Real trading is stopped" in said
        assert stop.exists()
    finally:
        stop.unlink()


def test_pictures(browser: Chromium, shown: tuple[str, Served]) -> None:
    """Each page can be taken as a picture; those in docs/ were made by this test."""
    name, server = shown
    tab = Tab(browser, server.origin + "/?hold", width=1180, height=1200)
    for view in ({"width": 1180, "height": 1200}, {"width": 1180, "height": 1200, "dark": True}, {"width": 390, "height": 2600}):
        tab.view(**view)
        picture = base64.b64decode(tab.call("Page.captureScreenshot", format="png", captureBeyondViewport=bool(PICTURES))["data"])
        assert picture.startswith(b"\x89PNG")
        if PICTURES:
            Path(PICTURES, f"{name}-{view['width']}{'-dark' if view.get('dark') else ''}.png").write_bytes(picture)
    tab.close()
