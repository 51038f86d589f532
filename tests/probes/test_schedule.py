"""schedule: what a crontab will run, what in it is switched off, and what really ran."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pytest_golive import probes
from pytest_golive.errors import MissingExtra, ProbeError

CRONTAB = """# m h dom mon dow command
SHELL=/bin/bash
MAILTO="ops@example.org"

*/5 * * * * /opt/bot/run.sh --live
# 0 2 * * * /opt/bot/reinvest.sh
#30 3 * * SUN /opt/bot/weekly.sh
@daily /opt/backup.sh
@reboot /opt/bot/start.sh
0 0 30 2 * /opt/never.sh
"""


def crontab(look: Any, tmp_path: Path, text: str = CRONTAB, **fields: Any) -> Any:
    (tmp_path / "crontab").write_text(text)
    return look("schedule", crontab="crontab", **fields)


def test_entries_are_told_with_their_next_and_previous_time(look: Any, tmp_path: Path) -> None:
    """Times are computed from now; what is behind a # is paused; @reboot has no next time."""
    text = CRONTAB.replace("0 0 30 2 * /opt/never.sh\n", "")
    facts = crontab(look, tmp_path, text)
    assert [(entry["line"], entry["command"], entry["paused"]) for entry in facts["entries"]] == [
        (5, "/opt/bot/run.sh --live", False),
        (6, "/opt/bot/reinvest.sh", True),
        (7, "/opt/bot/weekly.sh", True),
        (8, "/opt/backup.sh", False),
        (9, "/opt/bot/start.sh", False),
    ]
    five, _, weekly, daily, reboot = facts["entries"]
    assert (five["next"], five["previous"], five["due_in_seconds"]) == (
        "2026-11-21T10:05:00+00:00",
        "2026-11-21T09:55:00+00:00",
        300,
    )
    assert weekly["next"] == "2026-11-22T03:30:00+00:00"
    assert (daily["next"], daily["previous"]) == ("2026-11-22T00:00:00+00:00", "2026-11-21T00:00:00+00:00")
    assert "next" not in reboot
    assert (facts["active"], facts["paused"], facts["next"]) == (3, 2, "2026-11-21T10:05:00+00:00")
    assert facts["variables"] == ["MAILTO", "SHELL"]


def test_a_command_limits_the_entries(look: Any, tmp_path: Path) -> None:
    """Only what matches counts, so that the bot can be paused while the backup goes on."""
    text = CRONTAB.replace("*/5", "#*/5").replace("0 0 30 2 * /opt/never.sh\n", "")
    facts = crontab(look, tmp_path, text, command=r"/opt/bot/\w+\.sh")
    assert (facts["active"], facts["paused"]) == (1, 3)
    assert crontab(look, tmp_path, text, command="nothing")["entries"] == []


def test_the_time_zone_of_the_crontab_is_kept(look: Any, tmp_path: Path) -> None:
    """CRON_TZ moves the hours, `zone` overrules it, and a zone that does not exist is an error."""
    text = "CRON_TZ=America/New_York\n0 2 * * * x\n"
    assert crontab(look, tmp_path, text)["next"] == "2026-11-22T02:00:00-05:00"
    assert crontab(look, tmp_path, text, zone="UTC")["next"] == "2026-11-22T02:00:00+00:00"
    with pytest.raises(ProbeError, match="is no time zone"):
        crontab(look, tmp_path, "CRON_TZ=Mars/North\n0 2 * * * x\n")


def test_a_system_crontab_has_a_column_for_the_user(look: Any, tmp_path: Path) -> None:
    """With user_column the command begins behind the user."""
    assert crontab(look, tmp_path, "0 2 * * * root /x --y\n", user_column=True)["entries"][0]["command"] == "/x --y"


@pytest.mark.parametrize("line", ["61 * * * * x", "* * * * x", "@often x", "0 2 * *", "nonsense"])
def test_a_line_that_cron_refuses_is_an_error(look: Any, tmp_path: Path, line: str) -> None:
    """Cron would ignore the whole file, so nothing in it may count as scheduled."""
    with pytest.raises(ProbeError, match=r"line 2 of .* is no entry that cron accepts"):
        crontab(look, tmp_path, f"0 1 * * * x\n{line}\n")


def test_a_day_that_never_comes_is_an_error_too(look: Any, tmp_path: Path) -> None:
    """The 30th of February is no schedule."""
    with pytest.raises(ProbeError, match="line 10 of"):
        crontab(look, tmp_path)


def test_a_crontab_that_is_not_there_is_an_error(look: Any) -> None:
    """Nothing is paused by looking in the wrong place."""
    with pytest.raises(ProbeError, match="does not exist"):
        look("schedule", crontab="crontab")


def test_a_program_can_print_the_crontab(look: Any, tmp_path: Path) -> None:
    """`crontab -l` is read; `no crontab for …` is an empty one, every other failure an error."""
    script = tmp_path / "crontab.sh"

    def printing(body: str) -> Any:
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
        return look("schedule", list_=[str(script), "-l"])

    assert printing("echo '0 2 * * * x'")["active"] == 1
    assert printing("echo no crontab for bot >&2; exit 1")["entries"] == []
    with pytest.raises(ProbeError, match=r"failed .exit 1.: not allowed"):
        printing("echo not allowed >&2; exit 1")


def runs(look: Any, tmp_path: Path, *lines: str, **fields: Any) -> Any:
    (tmp_path / "runs").write_text("".join(f"{line}\n" for line in lines))
    return look("schedule", runs="runs", **fields)


def test_past_runs_tell_the_last_one_and_the_longest_gap(look: Any, tmp_path: Path) -> None:
    """The time since the last run is a gap as well: a job that stopped is not regular."""
    facts = runs(look, tmp_path, "2026-11-21T05:00:00Z start", "2026-11-21T06:30:00.123Z start", "2026-11-21T07:00:00Z start")
    assert facts["runs"] == 3
    assert (facts["last_run"], facts["last_run_age_seconds"]) == ("2026-11-21T07:00:00+00:00", 10_800)
    assert (facts["longest_gap_seconds"], facts["gap_from"]) == (10_800, "2026-11-21T07:00:00+00:00")


def test_a_period_counts_its_edges(look: Any, tmp_path: Path) -> None:
    """With `since` the time before the first run counts, older runs do not, and the expected number is told."""
    facts = runs(look, tmp_path, "2026-11-20T08:00:00Z", "2026-11-21T07:00:00Z", "2026-11-21T09:30:00Z", since="6h", every="30m")
    assert (facts["runs"], facts["recent"], facts["expected"]) == (3, 2, 12)
    assert facts["longest_gap_seconds"] == 3 * 3600
    assert facts["gap_from"] == "2026-11-21T04:00:00+00:00"


def test_json_lines_are_read_by_field(look: Any, tmp_path: Path) -> None:
    """A nested field, seconds since 1970, and one of the usual names; a broken line is undated."""
    line = json.dumps({"job": {"done": 1_795_255_200}, "at": "2026-11-21T01:00:00Z"})
    assert runs(look, tmp_path, line, "{broken", at="job.done")["last_run"] == "2026-11-21T10:00:00+00:00"
    facts = runs(look, tmp_path, line, "{broken")
    assert (facts["last_run"], facts["undated"]) == ("2026-11-21T01:00:00+00:00", 1)


def test_a_pattern_and_a_zone_find_the_time(look: Any, tmp_path: Path) -> None:
    """A time without a zone is in the zone that was said; `matching` leaves other lines out."""
    lines = ("check done (2026-11-21 10:30:00)", "2026-11-21T09:59:00Z noise")
    facts = runs(look, tmp_path, *lines, at=r"\((.*?)\)", matching="check", zone="Europe/Berlin")
    assert (facts["last_run"], facts["runs"], facts["last_run_age_seconds"]) == ("2026-11-21T10:30:00+01:00", 1, 1800)


def test_a_run_in_the_future_closes_no_gap(look: Any, tmp_path: Path) -> None:
    """It is counted by itself and is not the last run."""
    facts = runs(look, tmp_path, "2026-11-21T06:00:00Z", "2026-11-21T11:00:00Z")
    assert (facts["runs"], facts["future"], facts["last_run_age_seconds"]) == (1, 1, 4 * 3600)
    assert facts["longest_gap_seconds"] == 4 * 3600


def test_no_run_has_no_last_run(look: Any, tmp_path: Path) -> None:
    """An empty log is a fact; lines of which none has a time are an error; so is a log that is not there."""
    assert runs(look, tmp_path, since="1d", every="1h") == {
        "path": str(tmp_path / "runs"),
        "runs": 0,
        "undated": 0,
        "future": 0,
        "recent": 0,
        "expected": 24,
    }
    with pytest.raises(ProbeError, match="has a time that can be read"):
        runs(look, tmp_path, "hello")
    with pytest.raises(ProbeError, match="does not exist"):
        look("schedule", runs="gone")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"crontab": "a", "runs": "b"},
        {"runs": "b", "command": "x"},
        {"crontab": "a", "since": "1h"},
        {"runs": "b", "every": "1h"},
        {"runs": "b", "at": "no group: .*"},
        {"runs": "b", "at": "("},
        {"crontab": "a", "zone": "Mars/North"},
    ],
)
def test_what_cannot_be_asked_together_is_refused(fields: dict[str, Any]) -> None:
    """Keys without a meaning are faults of the list."""
    with pytest.raises(ValidationError):
        probes.kind("schedule").model_validate(fields)


def test_a_missing_library_says_how_to_install_it(look: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without cronsim a crontab cannot be read; past runs can."""
    monkeypatch.setitem(sys.modules, "cronsim", None)
    with pytest.raises(MissingExtra, match=r"pip install 'pytest-golive\[schedule\]'"):
        crontab(look, tmp_path)
    assert runs(look, tmp_path, "2026-11-21T06:00:00Z")["runs"] == 1


def test_a_long_line_is_read_in_time(look: Any, tmp_path: Path) -> None:
    """Spaces in the middle of an entry, or of a setting, take time that grows with their number only."""
    (tmp_path / "cron").write_text("NAME=a" + " " * 80_000 + "b\n* * * * * a" + " " * 80_000 + "b\n")
    assert look("schedule", 8.0, crontab="cron")["active"] == 1
