"""The office's documents come into the home once, stay as people edited them, and have a history with a remote."""

from __future__ import annotations

import subprocess
from datetime import date
from pathlib import Path

import pytest

from examples.desk.home import prepare
from examples.desk.office.papers import SHIPPED, Papers

DAY = date(2026, 3, 10)


def _git(home: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=home, check=True, capture_output=True, text=True).stdout.strip()


def test_every_document_comes_with_its_day(tmp_path: Path) -> None:
    """All shipped documents are there, no token is left, and the day of the review is the day they were brought in."""
    written, notes = Papers(tmp_path, DAY).bring()
    assert written
    assert notes == []
    names = {path.relative_to(SHIPPED) for path in SHIPPED.rglob("*.md")}
    assert {path.relative_to(tmp_path / "documents") for path in (tmp_path / "documents").rglob("*.md")} == names
    texts = [path.read_text() for path in (tmp_path / "documents").rglob("*.md")]
    assert not [text for text in texts if "@today@" in text or "@rehearsed@" in text]
    assert "Reviewed: 2026-03-10" in (tmp_path / "documents" / "OPERATOR_MANUAL.md").read_text()


def test_the_second_time_nothing_is_written(tmp_path: Path) -> None:
    """What is there and of age is left alone, so that a kept home starts quickly."""
    Papers(tmp_path, DAY).bring()
    assert Papers(tmp_path, date(2026, 4, 10)).bring() == (False, [])


def test_papers_of_sixty_days_ago_are_reviewed(tmp_path: Path) -> None:
    """After sixty days the documents are brought in anew, with the day of today."""
    Papers(tmp_path, DAY).bring()
    assert Papers(tmp_path, date(2026, 5, 9)).bring()[0]
    assert "Reviewed: 2026-05-09" in (tmp_path / "documents" / "OPERATOR_MANUAL.md").read_text()


def test_what_a_person_edited_stays(tmp_path: Path) -> None:
    """An edited document is not overwritten, even when the shipped one has changed, and a note says so."""
    Papers(tmp_path, DAY).bring()
    manual = tmp_path / "documents" / "OPERATOR_MANUAL.md"
    manual.write_text("ours\n")
    written, notes = Papers(tmp_path, date(2026, 6, 1)).bring()
    assert manual.read_text() == "ours\n"
    assert [note for note in notes if "OPERATOR_MANUAL.md was edited" in note]
    assert written


def test_a_missing_document_comes_back(tmp_path: Path) -> None:
    """A document that was removed is written again."""
    Papers(tmp_path, DAY).bring()
    (tmp_path / "documents" / "GO_LIVE_ROLLBACK.md").unlink()
    assert Papers(tmp_path, DAY).bring() == (True, [])
    assert (tmp_path / "documents" / "GO_LIVE_ROLLBACK.md").is_file()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    assert prepare(tmp_path / "home") == ()
    return tmp_path / "home"


def test_the_state_is_committed_tagged_and_pushed(home: Path) -> None:
    """Commit and tag of the settings and documents are at the remote too."""
    assert _git(home, "rev-parse", "HEAD") == _git(home / "remote.git", "rev-parse", "main")
    assert _git(home, "rev-parse", "v1.0.0^{commit}") == _git(home / "remote.git", "rev-parse", "v1.0.0^{commit}")
    tracked = _git(home, "ls-files").splitlines()
    assert "documents/OPERATOR_MANUAL.md" in tracked
    assert ".env" not in tracked


def test_only_the_switch_is_uncommitted(home: Path) -> None:
    """What is committed has the activation off; the working copy differs by that one line."""
    assert "activation_enabled: false" in _git(home, "show", "HEAD:golive.yaml")
    assert _git(home, "status", "--porcelain") == "M golive.yaml"


def test_a_new_document_is_a_new_state(home: Path) -> None:
    """A document that came back after it was deleted in git is committed and pushed as a state of its own."""
    _git(home, "rm", "-q", "documents/GO_LIVE_ROLLBACK.md")
    _git(home, "-c", "user.name=x", "-c", "user.email=x@y.invalid", "commit", "-q", "-m", "gone")
    assert prepare(home) == ()
    assert _git(home, "rev-parse", "HEAD") == _git(home / "remote.git", "rev-parse", "v1.0.3^{commit}")
    assert "documents/GO_LIVE_ROLLBACK.md" in _git(home, "ls-files")
