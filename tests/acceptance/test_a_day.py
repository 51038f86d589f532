"""The scripted day on the embedded desk: approved, traded, red flag, revoked, rolled back, explained, approved again, traded.

With `-s` the transcript is printed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from pytest_golive.journal import Journal

ROOT = Path(__file__).parents[2]


def test_a_day_from_the_first_approval_to_the_second_activation(tmp_path: Path) -> None:
    """Orders go only while an approved activation stands; the journal has the whole day in its order,
    with the cause of the red flag.
    """
    home = tmp_path / "desk"
    (tmp_path / "home").mkdir()
    keep = {name: os.environ[name] for name in ("PATH", "LANG", "VIRTUAL_ENV") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "examples.desk", "--home", str(home), "day"],
        cwd=ROOT, env={**keep, "HOME": str(tmp_path / "home")}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=280, check=False,
    )  # fmt: skip
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr

    told = [(entry.event, entry.detail) for entry in Journal(home / "journal.jsonl").entries()]
    assert [event for event, _ in told if event not in ("run", "refusal-changed", "rollback-step")] == [
        "approved", "approved", "activated", "deactivated", "rollback-begun", "deactivated", "approved", "approved", "activated",
    ]  # fmt: skip
    assert [detail["word"] for event, detail in told if event == "run"] == ["GO", "NO-GO", "GO"]
    first = next(detail for event, detail in told if event == "deactivated")
    assert first["operator"] == "golive watch"
    assert first["reason"].startswith("nija-trading-threads failed")
    steps = [detail["id"] for event, detail in told if event == "rollback-step" and detail["state"] == "done"]
    assert steps == ["flag", "config", "testnet", "verify"]
    assert [detail["approved_by"] for event, detail in told if event == "activated"] == [
        ["demo-ada (operations)", "demo-ben (risk)"]
    ] * 2

    log = (home / "logs" / "execution.log").read_text()
    assert re.findall(r"\[ORDER_(\w+)\] BUY BTCUSDT qty=0\.001\b", log) == ["FILLED", "SKIPPED", "SKIPPED", "FILLED"]
