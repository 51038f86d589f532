"""The history of activations is a view of the journal: nothing left out, nothing told that did not happen."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pytest_golive import history
from pytest_golive.journal import Journal

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def activated(journal: Journal, name: str, operator: str, minutes: int) -> None:
    at = NOW + timedelta(minutes=minutes)
    detail = {"activation_id": name, "operator": operator, "environment": "production", "allowed_profiles": ["micro"]}
    journal.append("activated", {**detail, "expires": at + 12 * HOUR}, at)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Denied, activated, deactivated, activated, overtaken: four attempts, and a run between them."""
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("activation-denied", {"check": "preflight", "reason": "too old", "operator": "ann"}, NOW)
    activated(journal, "a", "ann", 0)
    journal.append("deactivated", {"operator": "bob", "reason": "enough"}, NOW + timedelta(minutes=10))
    journal.append("run", {"word": "GO"}, NOW + timedelta(minutes=15))
    activated(journal, "b", "bob", 20)
    activated(journal, "c", "bob", 30)
    return journal


def test_each_attempt_stands_once(journal: Journal) -> None:
    """Outcome, operator, end and duration of each attempt follow from the records."""
    found = history.attempts(journal.entries(), NOW + HOUR)
    assert [(row.outcome, row.operator, row.ended, row.seconds) for row in found] == [
        ("denied", "ann", "", None),
        ("activated", "ann", "deactivated", 600),
        ("activated", "bob", "overtaken", 600),
        ("activated", "bob", "", None),
    ]
    assert found[0].reason
    assert len({row.seq for row in found}) == 4


def test_an_activation_that_ran_out_has_expired(journal: Journal) -> None:
    """What nobody ended ends by itself when its time is over."""
    last = history.attempts(journal.entries(), NOW + timedelta(days=30))[-1]
    assert last.ended == "expired"
    assert last.ended_at == last.expires


def test_an_activation_without_a_marker_has_failed(journal: Journal) -> None:
    """A marker that could not be written is one attempt, failed, with the reason."""
    activated(journal, "d", "ann", 40)
    journal.append("activation-failed", {"activation_id": "d", "reason": "the disk is full"}, NOW + timedelta(minutes=40))
    last = history.attempts(journal.entries(), NOW + HOUR)[-1]
    assert (last.activation_id, last.outcome, last.reason, last.ended) == ("d", "failed", "the disk is full", "")
    assert len(history.attempts(journal.entries(), NOW + HOUR)) == 5


def test_the_analysis_counts_what_is_there(journal: Journal) -> None:
    """Sums by outcome, operator and end, and the time in all."""
    told = history.analysis(history.attempts(journal.entries(), NOW + HOUR))
    assert told["attempts"] == 4
    assert told["outcomes"] == {"activated": 3, "denied": 1}
    assert told["operators"] == {"ann": 2, "bob": 2}
    assert told["ends"] == {"deactivated": 1, "overtaken": 1, "standing": 1}
    assert told["seconds_active"] == 1200


def test_the_csv_has_as_many_rows_as_the_journal_attempts(journal: Journal) -> None:
    """A reader of comma-separated values gets every field back."""
    found = history.attempts(journal.entries(), NOW + HOUR)
    rows = list(csv.DictReader(io.StringIO(history.as_csv(found))))
    assert [row["operator"] for row in rows] == [row.operator for row in found]
    assert {row["outcome"] for row in rows} == {"denied", "activated"}


def test_an_empty_journal_has_no_attempts(tmp_path: Path) -> None:
    """Nothing happened, so nothing is told, and the analysis divides by nothing."""
    found = history.attempts(Journal(tmp_path / "journal.jsonl").entries(), NOW)
    assert found == []
    assert history.analysis(found)["longest_seconds"] == 0


def test_the_command_writes_it_for_other_programs(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    """`golive history --as json` and `--as csv` tell every attempt of the journal that golive.yaml names."""
    from pytest_golive.cli import main

    settings = journal.path.parent / "golive.yaml"
    settings.write_text("version: 1\njournal: journal.jsonl\n")
    assert main(["history", "--config", str(settings), "--as", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["attempts"]) == 4
    assert main(["history", "--config", str(settings), "--as", "csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5
    assert main(["history", "--config", str(settings)]) == 0
    assert "4 attempts" in capsys.readouterr().out
