"""The eight steps back of document 001, walked by `golive rollback` on a desk that trades for real."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.desk import jsontext
from examples.desk.settings import ROOT
from examples.desk.web import call
from pytest_golive.journal import Journal

BOXES = (
    "Marker removed", "activation_enabled is false", "Accounts set to testnet", "Services restarted",
    "Rollback verified at the exchange", "Open positions decided", "This checklist complete", "Incident document begun",
)  # fmt: skip


class Walk:
    """Somebody who walks the plan of the desk."""

    def __init__(self, desk: Any) -> None:
        self.home: Path = desk.desk.home
        keep = {name: value for name, value in os.environ.items() if not name.startswith("GOLIVE")}
        self.environ = {**keep, **desk.desk.variables, "DESK_REPORTS": str(self.home / "reports"), "GOLIVE_OPERATOR": "ada"}
        self.environ |= {"PYTHONPATH": str(ROOT), "GOLIVE_CONFIG": str(self.home / "golive.yaml")}

    def rollback(self, *words: str, answer: str = "") -> tuple[int, str]:
        """The exit status and what was said; with an answer at a terminal, else in a pipe."""
        command = [sys.executable, "-m", "pytest_golive.cli", "rollback", "--yes", *words]
        if not answer:
            done = subprocess.run(
                command, cwd=self.home, env=self.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                check=False,
            )  # fmt: skip
            return done.returncode, done.stdout + done.stderr
        master, slave = pty.openpty()
        process = subprocess.Popen(command, cwd=self.home, env=self.environ, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        said = b""
        with contextlib.suppress(OSError):
            while piece := os.read(master, 4096):
                said += piece
                if said.endswith(b"to go on: "):
                    os.write(master, answer.encode() + b"\n")
        os.close(master)
        return process.wait(120), said.decode()

    def call(self, method: str, target: str, **body: object) -> Any:
        """The desk that runs now, wherever it listens since its restart."""
        api = jsontext.loads((self.home / "deployment/addresses.json").read_text())["api"]
        return call(api, method, target, body=jsontext.dumps(body).encode() if body else b"", timeout=15)[1]

    def order(self) -> dict[str, Any]:
        wish = {"account": "alpha", "symbol": "BTCUSDT", "side": "BUY", "quantity": "0.001", "key": uuid.uuid4().hex}
        told: dict[str, Any] = self.call("POST", "/orders", **wish)
        return told


@pytest.fixture
def walk(start: Callable[..., Any]) -> Iterator[Walk]:
    desk = start()
    desk.activate()
    made = Walk(desk)
    yield made
    with contextlib.suppress(OSError, ValueError):
        pid = int((made.home / "desk.pid").read_text())
        if os.fsencode(made.home) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
            os.kill(pid, signal.SIGTERM)
            end = time.monotonic() + 15
            while (made.home / "desk.pid").exists() and time.monotonic() < end:
                time.sleep(0.02)


def test_the_eight_steps(walk: Walk, eventually: Callable[[Callable[[], object]], None]) -> None:
    """Each step is done and verified on the desk itself; what is not done stops the walk, which goes on there; at the end the
    desk trades with play money only, and the history table of its document has the line.
    """
    eventually(lambda: walk.order()["state"] == "filled")
    eventually(lambda: walk.call("GET", "/positions")["positions"])

    status, said = walk.rollback("--reason", "three red flags at once")
    assert status == 1
    assert [f"step {number} is done and verified" in said for number in (1, 2, 3)] == [True] * 3
    assert "Step 4 of 8: Restart the services" in said
    assert "needs a person at a terminal" in said
    assert walk.order()["state"] == "skipped"
    assert "activation_enabled: false" in (walk.home / "golive.yaml").read_text()
    kept = (walk.home / ".env").read_text().splitlines()
    assert kept.count("DESK_ACCOUNTS=testnet") == 1

    status, said = walk.rollback(answer="yes")
    assert status == 1
    assert "step 4 is done and verified" in said
    assert "step 5 is done and verified" in said
    assert "step 6 is NOT done" in said
    assert "undecided: alpha BTCUSDT" in said
    order = walk.order()
    assert (order["state"], order["environment"]) == ("filled", "testnet")

    for one in walk.call("GET", "/positions")["positions"]:
        walk.call("POST", "/decisions", account=one["account"], symbol=one["symbol"], decision="wait", by="ada")
    status, said = walk.rollback()
    assert status == 1
    assert "step 6 is done and verified" in said
    assert "step 7 is NOT done" in said

    papers = walk.home / "documents/incidents"
    papers.mkdir(parents=True, exist_ok=True)
    lines = [f"- [x] {box} (09:00:0{number} UTC, Ada Nowak)" for number, box in enumerate(BOXES)]
    (papers / "checklist-1.md").write_text("\n".join([*lines[:-1], lines[-1].replace("[x]", "[ ]")]))
    assert "open: Incident document begun" in walk.rollback()[1]
    (papers / "checklist-1.md").write_text("\n".join(lines))
    (papers / "incident-1.md").write_text("# Incident\n\n## Timeline\n\nTODO\n")
    status, said = walk.rollback()
    assert status == 1
    assert "step 7 is done and verified" in said
    assert "step 8 is NOT done" in said
    words = "what happened was written down here in more than eight words by Ada"
    (papers / "incident-1.md").write_text(
        f"# Incident\n\n## Timeline\n{words}\n\n## Root cause\n{words}\n\n## Actions\n{words}\n"
    )
    status, said = walk.rollback("--impact", "none, one position waits")
    assert status == 0, said
    assert "THE ROLLBACK IS OVER" in said

    table = (walk.home / "documents/GO_LIVE_ROLLBACK.md").read_text()
    (row,) = [line for line in table.splitlines() if "three red flags at once" in line]
    assert row.endswith("| none, one position waits | ada |")
    told = [entry.event for entry in Journal(walk.home / "journal.jsonl").entries()]
    assert told[-1] == "rolled-back"
    assert told.count("deactivated") == 1
