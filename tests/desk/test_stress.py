"""The stress scenarios: they run for real, and their exit status says what happened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from examples.desk import stress


def test_every_scenario_passes_on_a_sound_desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All scenarios pass, are counted in the last line, and leave nothing behind."""
    assert stress.main(["--home", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    summary = json.loads(lines[-1])
    assert (summary["scenarios"], summary["passed"], summary["failed"]) == (5, 5, 0)
    assert [line.split()[0] for line in lines[:5]] == ["PASSED"] * 5
    assert list(tmp_path.iterdir()) == []


def test_a_scenario_that_fails_is_told_and_makes_the_exit_status_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One failure among the scenarios is a failure of the whole, and the others still run."""

    def broken(desk: Any) -> str:
        raise stress.Failed("the desk did not mend")

    def sound(desk: Any) -> str:
        return "fine"

    assert stress.run(tmp_path, {"broken": broken, "sound": sound}) == 1
    out = capsys.readouterr().out
    assert "FAILED broken: the desk did not mend" in out
    assert "PASSED sound: fine" in out
    assert json.loads(out.splitlines()[-1])["failures"] == ["broken"]


def test_no_scenario_is_no_pass(tmp_path: Path) -> None:
    """An empty set of scenarios proves nothing and does not end with 0."""
    assert stress.run(tmp_path, {}) == 1
