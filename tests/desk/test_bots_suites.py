"""The suites that document 003 wants to be run: they pass, as the desk brings them into its home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from examples.desk.home import prepare
from examples.desk.settings import ROOT

SUITES = ("adaptive_trading_verification", "ledger_phase1", "order_pipeline_phase2", "bot_lifecycle")


def _run(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "DESK_ROOT": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *words],
        cwd=home / "backend",
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backend") / "home"
    prepare(folder)
    return folder


def test_all_four_suites_pass(home: Path) -> None:
    """Run from the backend folder of a new home, every suite is there and passes without a skip."""
    done = _run(home, *(f"tests/test_{name}.py" for name in SUITES))
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
    assert "skipped" not in done.stdout


def test_a_suite_notices_costs_that_were_lowered(home: Path) -> None:
    """A .env that asks for no edge turns the suite of the pipeline red."""
    dotenv = home / ".env"
    before = dotenv.read_text(encoding="utf-8")
    dotenv.write_text(before.replace("MIN_EDGE_BPS=10.0", "MIN_EDGE_BPS=0.1"), encoding="utf-8")
    try:
        done = _run(home, "tests/test_order_pipeline_phase2.py", "-k", "costs")
    finally:
        dotenv.write_text(before, encoding="utf-8")
    assert done.returncode == 1, done.stdout
