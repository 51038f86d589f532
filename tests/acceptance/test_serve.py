"""The status page as people and programs meet it: a process of its own, a real port, a project that the gate has activated."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_golive.journal import Journal
from tests.acceptance.conftest import Project
from tests.serving import TOKEN, Served, served, served_by

SECRET = "hunter2-hunter2-hunter2"
DOCUMENT = Path(__file__).parents[2] / "docs" / "serve.md"


@pytest.fixture
def page(live: Project) -> Iterator[Served]:
    """The status page of an activated project, with an emergency stop."""
    with served(live.root, {**live.environ, "GOLIVE_SERVE_TOKEN": TOKEN, "API_SECRET": SECRET}) as started:
        yield started


def test_it_tells_how_things_stand(page: Served, live: Project) -> None:
    """Page, JSON, metrics and health speak of the same activation; the page renews itself and needs no script."""
    status, headers, text = page.get("/")
    assert status == 200
    assert headers["refresh"].startswith("5")
    assert ">LIVE</span>" in text
    assert "In force" in text
    assert "<script" not in text
    told = json.loads(page.get("/status.json")[2])
    assert told["guard"] == {"mode": "LIVE", "permitted": True, "reason": "", "switches": []}
    assert told["report"]["word"] == "GO"
    assert told["journal"]["head"] == Journal(live.root / "reports/journal.jsonl").head()[1]
    assert "golive_marker_permitted 1.0" in page.get("/metrics")[2]
    assert json.loads(page.get("/healthz")[2])["ok"] is True


def test_the_button_stops(page: Served, live: Project) -> None:
    """The confirmed form makes the stop file with reason and name, the next look says STOPPED, and the page worked once."""
    once = page.once()
    status, _, text = page.stop(once=once, reason="orders run <wild>")
    assert status == 200, text
    assert "Real trading is stopped" in text
    assert (live.root / "EMERGENCY_STOP").exists()
    assert live.golive("guard").status == 1
    newest = next(e for e in reversed(list(Journal(live.root / "reports/journal.jsonl").entries())) if e.event == "stopped")
    assert (newest.detail["reason"], newest.detail["operator"]) == ("orders run <wild>", "bob")
    shown = page.get("/")[2]
    assert ">STOPPED</span>" in shown
    assert "orders run &lt;wild&gt;" in shown
    (live.root / "EMERGENCY_STOP").unlink()
    assert page.stop(once=once)[0] == 403
    assert not (live.root / "EMERGENCY_STOP").exists()


def test_the_log_has_one_line_for_each_request(page: Served, live: Project) -> None:
    """What was asked is logged without its query, and no secret ever is."""
    page.get("/stop?token=" + TOKEN)
    page.stop(once=page.once(), token=TOKEN + "x")
    page.get(f"/{SECRET}")
    log = page.end()
    assert len(log) == 4
    assert '"GET /stop" 200' in log[0]
    assert '"POST /stop" 403' in log[2]
    assert '"GET /[redacted]" 404' in log[3]
    assert TOKEN not in "\n".join(log)


def test_elsewhere_needs_a_proxy(live: Project, tmp_path: Path) -> None:
    """An address that other machines reach is refused with the reason, and so is a token that can be guessed."""
    done = live.golive("serve", "--host", "0.0.0.0", "--port", "0")
    assert done.status == 1
    assert "neither TLS nor a login" in done.err
    done = live.golive("serve", "--port", "0", env={"GOLIVE_SERVE_TOKEN": "short"})
    assert done.status == 1
    assert "could be guessed" in done.err
    assert "short" not in done.err.replace("shorter", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_well(live: Project, number: int) -> None:
    """Ctrl-C and SIGTERM are the ordinary end, without a traceback, also while a client says nothing."""
    with served(live.root, live.environ) as started, socket.create_connection(("127.0.0.1", started.port)):
        assert started.get("/healthz")[0] == 200
        assert not any("Traceback" in line for line in started.end(number))


def test_a_port_that_is_taken_is_told(page: Served, live: Project) -> None:
    """A second server on the same port ends with one line."""
    done = live.golive("serve", "--port", str(page.port))
    assert done.status == 1
    assert "cannot be listened on" in done.err
    assert "Traceback" not in done.err


def test_every_command_of_the_document(live: Project, tmp_path: Path) -> None:
    """docs/serve.md: its server starts as it is written, its three questions are answered, and so does the one behind a proxy."""
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    start, ask, proxied = re.findall(r"^```sh\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, words in (("golive", "-m pytest_golive.cli"), ("python", "")):
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (folder / name).chmod(0o755)
    environ = {**live.environ, "PATH": f"{folder}:{live.environ['PATH']}"}
    for script, armed in ((start, True), (proxied, False)):
        lines = script.replace("8420", "0").strip().splitlines()
        # the shell becomes the server, so that the signal reaches it
        command = "\n".join([*lines[:-1], f"exec {lines[-1]}"])
        with served_by(["bash", "-euc", command], live.root, environ) as started:
            assert (started.get("/stop")[0] == 200) is armed
            asked = subprocess.run(
                ["bash", "-euc", ask.replace("8420", str(started.port))],
                env=environ, capture_output=True, text=True, check=False, timeout=60,
            )  # fmt: skip
            assert asked.returncode == 0, asked.stderr
            assert '"ok": true' in asked.stdout
            assert '"tone": "live-alarm"' in asked.stdout
            assert "golive_marker_permitted 1.0" in asked.stdout
