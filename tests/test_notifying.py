"""Telling people: what was journalled goes out, within its time, and what does not arrive is told and recorded."""

from __future__ import annotations

import _thread
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pytest_golive import config, events
from pytest_golive.courier import Send, deliver
from pytest_golive.errors import ConfigError
from pytest_golive.journal import Journal
from pytest_golive.notifying import Announcer, Deliver

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOTIFY = "notify: {to: {office: NOTIFY_OFFICE, phone: NOTIFY_PHONE}, within: 5s}\n"


class Inbox(BaseHTTPRequestHandler):
    """A webhook that keeps what it is sent."""

    got: list[Mapping[str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.got.append(body)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    got: list[Mapping[str, Any]] = []
    server = HTTPServer(("127.0.0.1", 0), type("Mine", (Inbox,), {"got": got}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"json://127.0.0.1:{server.server_port}/hook", got
    server.shutdown()
    thread.join()
    server.server_close()


def announcer(tmp_path: Path, environ: Mapping[str, str], text: str = NOTIFY) -> tuple[Announcer, Journal]:
    path = tmp_path / "golive.yaml"
    path.write_text(f"target: {{name: Desk}}\n{text}")
    told = Announcer(config.load(path, {}), environ)
    return told, Journal(tmp_path / "journal.jsonl", told.hear)


def by(send: Send) -> Deliver:
    """Letters delivered in this process, by this function."""
    return lambda letters, within: deliver(letters, send, within)


def recorded(journal: Journal) -> list[Mapping[str, Any]]:
    return [entry.detail for entry in journal.entries() if entry.event == events.NOTIFICATION_FAILED]


def test_a_record_reaches_everybody_over_a_real_socket(tmp_path: Path, webhook: Any) -> None:
    """What the journal records arrives at each address, with the reason and who did it."""
    address, got = webhook
    told, journal = announcer(tmp_path, {"NOTIFY_OFFICE": address, "NOTIFY_PHONE": address})
    journal.append(events.STOPPED, {"reason": "fees look wrong", "operator": "alice"}, NOW)
    assert told.send(journal, NOW) == ()
    assert [each["title"] for each in got] == ["STOPPED: Desk, production"] * 2
    assert "reason: fees look wrong\noperator: alice" in got[0]["message"]
    assert recorded(journal) == []


def test_only_what_is_asked_for_is_announced(tmp_path: Path) -> None:
    """A NO-GO is told, a GO is not; an event outside of `on` stays in the journal."""
    told, journal = announcer(tmp_path, {"NOTIFY_OFFICE": "x"}, "notify: {to: {office: NOTIFY_OFFICE}, on: [no-go, activated]}\n")
    sent: list[str] = []
    for event, detail in (
        (events.RUN, {"word": "GO"}),
        (events.RUN, {"word": "NO-GO", "reasons": ["1 critical item fails."]}),
        (events.STOPPED, {"reason": "no"}),
        (events.ACTIVATED, {}),
    ):
        journal.append(event, detail, NOW)
    told.send(journal, NOW, by(lambda _address, title, _body: not sent.append(title)))
    assert sorted(sent) == ["NO-GO: Desk, production", "REAL TRADING ENABLED: Desk, production"]


def test_what_does_not_arrive_is_told_and_recorded(tmp_path: Path) -> None:
    """An address that is not set, a refusal and an exception are each named; the others still get their message."""
    told, journal = announcer(
        tmp_path, {"NOTIFY_PHONE": "y", "NOTIFY_BELL": "z"}, NOTIFY.replace("to: {", "to: {bell: NOTIFY_BELL, ")
    )
    journal.append(events.DEACTIVATED, {"reason": "why"}, NOW)

    def refuse(address: str, _title: str, _body: str) -> bool:
        if address == "z":
            raise ValueError("secret-token-in-here")
        return False

    said = told.send(journal, NOW, by(refuse))
    assert said == (
        "bell was not told of deactivated: its delivery ended with ValueError",
        "office was not told of deactivated: the variable NOTIFY_OFFICE is not set",
        "phone was not told of deactivated: it was refused, or could not be reached",
    )
    assert [(each["to"], each["about"]) for each in recorded(journal)] == [
        (name, "deactivated") for name in ("bell", "office", "phone")
    ]


def test_a_silent_address_holds_nothing_up(tmp_path: Path) -> None:
    """Telling ends when its time is over, and says who did not answer."""
    told, journal = announcer(tmp_path, {"NOTIFY_OFFICE": "x"}, "notify: {to: {office: NOTIFY_OFFICE}, within: 20ms}\n")
    journal.append(events.STOPPED, {"reason": "no"}, NOW)
    waiting = threading.Event()
    try:
        said = told.send(journal, NOW, by(lambda *_: waiting.wait(30)))
    finally:
        waiting.set()
    assert said == ("office was not told of stopped: no answer within 0.02 s",)


class Drip(BaseHTTPRequestHandler):
    """A webhook that takes the message and answers a header at a time, for ever."""

    over: threading.Event

    def do_POST(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not self.over.wait(0.2):
            try:
                self.wfile.write(b"X-Slow: 1\r\n")
            except OSError:
                return

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


def test_an_address_that_drips_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    """The command ends although the delivery never does, and says that nobody answered."""
    over = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Mine", (Drip,), {"over": over}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    (tmp_path / "golive.yaml").write_text("notify: {to: {office: NOTIFY_OFFICE}, within: 1s}\n")
    environ = {**os.environ, "NOTIFY_OFFICE": f"json://127.0.0.1:{server.server_port}/"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest_golive.cli", "stop", "--reason", "no"],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()
    assert done.returncode == 0, done.stderr
    assert "office was not told of stopped: no answer within 1 s" in done.stdout + done.stderr
    assert (tmp_path / "EMERGENCY_STOP").exists()


def test_an_interrupt_ends_the_telling_and_nothing_else(tmp_path: Path) -> None:
    """What is told was done before: whoever interrupts here must not be told that it was not done."""
    told, journal = announcer(tmp_path, {"NOTIFY_OFFICE": "x"}, "notify: {to: {office: NOTIFY_OFFICE}, within: 30s}\n")
    journal.append(events.ACTIVATED, {"activation_id": "a"}, NOW)
    waiting = threading.Event()

    def interrupted(*_: str) -> bool:
        _thread.interrupt_main()
        return waiting.wait(30)

    try:
        said = told.send(journal, NOW, by(interrupted))
    finally:
        waiting.set()
    assert said == ("office was not told of activated: interrupted before it answered",)


def test_no_secret_leaves_with_a_message(tmp_path: Path) -> None:
    """A reason that repeats a secret of the environment goes out without it."""
    told, journal = announcer(tmp_path, {"NOTIFY_OFFICE": "x", "API_SECRET": "hunter2-hunter2"})
    journal.append(events.STOPPED, {"reason": "the key hunter2-hunter2 leaked"}, NOW)
    bodies: list[str] = []
    told.send(journal, NOW, by(lambda _address, _title, body: not bodies.append(body)))
    assert bodies
    assert not any("hunter2" in body for body in bodies)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("notify: {to: {office: 'slack://token/token'}}\n", "name the environment variable"),
        ("notify: {on: [activate]}\n", "did you mean 'activated'"),
        ("notify: {within: 10}\n", "a duration needs a unit"),
    ],
)
def test_settings_that_tell_nobody_are_refused(tmp_path: Path, text: str, told: str) -> None:
    """An address in the settings, a misspelt event and a time without a unit are faults."""
    with pytest.raises(ConfigError) as error:
        announcer(tmp_path, {}, text)
    assert told in str(error.value)
