"""A list of the documents bound to a second target that answers differently, by an overlay: nothing of it is copied."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pytest_golive import yaml12

NIJA = Path(__file__).parents[2] / "checklists" / "nija.yaml"


class Target(ThreadingHTTPServer):
    """A second target, which names things otherwise than the desk."""

    alive = True

    def answer(self, path: str) -> dict[str, Any] | None:
        now = datetime.now(UTC).isoformat()
        if path == "/status":
            venues = {"kraken": "up", "coinbase": "up"}
            return {"venues": [{"id": name, "condition": condition, "seen": now} for name, condition in venues.items()]}
        if path == "/workers":
            return {"workers": [{"name": "scanner", "running": self.alive}, {"name": "orders", "running": True}], "at": now}
        return None


class Answers(BaseHTTPRequestHandler):
    """One answer as JSON."""

    def do_GET(self) -> None:
        target = self.server
        assert isinstance(target, Target)
        body = target.answer(self.path)
        content = json.dumps(body or {"error": "unknown"}).encode()
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def target() -> Iterator[Target]:
    """The second target on a free port of loopback."""
    with Target(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


KEPT = {
    "nija-dashboard-brokers-green": {
        "http": {"url": "${api}/status"},
        "expect": {
            "status": 200,
            "error_key": False,
            "body.venues": {"len": 2},
            "body.venues[*].condition": {"all": "up"},
            "body.venues[*].seen": {"all": {"age": {"le": "30s"}}},
        },
        "reason": "this target calls its brokers venues",
    },
    "nija-trading-threads": {
        "http": {"url": "${api}/workers"},
        "expect": {"status": 200, "body.workers[*].running": {"all": True}, "body.at": {"age": {"le": "30s"}}},
        "reason": "this target has workers",
    },
}


@pytest.fixture
def bound(project: Any, target: Target) -> Any:
    """A project whose only list is an overlay of nija.yaml, bound to the second target."""
    raw = yaml12.load(NIJA.read_bytes(), NIJA.name)
    declared = [item["id"] for item in raw["items"]]
    disabled = {identity: "the second target has no such thing" for identity in declared if identity not in KEPT}
    (project.root / "checklists" / "main.yaml").unlink()
    overlay = {"version": 1, "extends": [str(NIJA)], "override": KEPT, "disable": disabled}
    project.write("checklists/second.yaml", json.dumps(overlay, indent=1))
    port = target.server_address[1]
    project.settings(
        f"target:\n  name: The second target\n  variables:\n    api: http://127.0.0.1:{port}\n    brokers: [kraken, coinbase]\n"
    )
    return project


def test_a_list_is_bound_to_a_second_target(bound: Any, target: Target) -> None:
    """The items that stay pass on other addresses and other answers, and every departure is told in all three places."""
    done = bound.gate()
    assert (done.status, done.word) == (0, "GO"), done.text
    assert {item["id"] for item in done.summary["items"]} == set(KEPT)
    told = {each["item"]: each for each in done.summary["departures"]}
    assert told["nija-trading-threads"]["reason"] == "this target has workers"
    assert told["nija-broker-health"] == {
        "checklist": "nija",
        "item": "nija-broker-health",
        "what": "disabled",
        "reason": "the second target has no such thing",
    }
    assert "disabled: the second target has no such thing" in done.out
    (page,) = bound.reports()
    text = page.read_text()
    assert "<code>nija-broker-health</code>: the second target has no such thing" in text
    assert bound.golive("verify", str(page)).status == 0


def test_the_second_target_can_turn_it_red(bound: Any, target: Target) -> None:
    """What is asked of the second target is really seen there."""
    target.alive = False
    done = bound.gate()
    assert (done.status, done.word) == (1, "NO-GO")
    assert done.outcome("nija-trading-threads") == "failed"
    assert done.outcome("nija-dashboard-brokers-green") == "passed"


def test_a_change_of_the_base_is_a_change_of_the_list(bound: Any, tmp_path: Path) -> None:
    """The digest that is signed covers the base: a run with another base is not the same evidence."""
    copy = tmp_path / "nija.yaml"
    copy.write_bytes(NIJA.read_bytes())
    overlay = bound.root / "checklists" / "second.yaml"
    overlay.write_text(overlay.read_text().replace(str(NIJA), str(copy)))
    one = bound.gate("--co")
    copy.write_bytes(NIJA.read_bytes().replace(b"nija-trading-threads", b"nija-trading-thraeds"))
    two = bound.gate("--co")
    assert one.status != 4
    assert "override: no list that is extended declares 'nija-trading-threads' - did you mean 'nija-trading-thraeds'?" in two.text
