"""Deployments and the ways back: a backup is whole or is refused, and the way to PAPER loses no line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from examples.desk.routing import deployment, repository, rollback

NOW = datetime(2026, 5, 4, 15, 30, tzinfo=UTC)
DOTENV = "# limits\nTRADING_MODE=LIVE\nMAX_OPEN_POSITIONS=3\nENABLE_PAPER_TRADING=False\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a repository and one deployment."""
    (tmp_path / ".env").write_text(DOTENV)
    assert repository.bring(tmp_path, NOW) == ()
    assert deployment.bring(tmp_path, NOW) == ()
    return tmp_path


def test_a_deployment_backs_up_the_version_before(home: Path) -> None:
    """The backup is another commit than the one that is installed, in PAPER, and for its owner only."""
    told = deployment.recorded(home)
    backup = Path(told["backup"])
    assert backup.name == "backup_20260504_153000"
    assert (home / "deployment" / "current" / "COMMIT").read_text().strip() == told["commit"] != told["previous"]
    assert "TRADING_MODE=PAPER" in (backup / ".env").read_text()
    assert "TRADING_MODE=LIVE" in (home / "deployment" / "current" / ".env").read_text()
    assert all(not path.stat().st_mode & 0o077 for path in (backup, *backup.rglob("*")))


def test_the_same_commit_is_deployed_once(home: Path) -> None:
    """A second start makes no second backup."""
    assert deployment.bring(home, NOW + timedelta(hours=1)) == ()
    assert len(list((home / "deployment").glob("backup_*"))) == 1


def test_a_version_before_that_cannot_be_run_is_no_way_back(tmp_path: Path) -> None:
    """A home whose backup holds no program deploys anew, so that there is something to go back to."""
    (tmp_path / ".env").write_text(DOTENV)
    repository.bring(tmp_path, NOW)
    deployment.bring(tmp_path, NOW)
    (Path(deployment.recorded(tmp_path)["backup"]) / "main.py").unlink()
    assert deployment.bring(tmp_path, NOW + timedelta(hours=1)) == ()
    backup = Path(deployment.recorded(tmp_path)["backup"])
    assert backup.name == "backup_20260504_163000"
    assert (backup / "main.py").is_file()
    assert "TRADING_MODE=PAPER" in (backup / ".env").read_text()


def test_a_home_without_a_repository_has_no_deployment(tmp_path: Path) -> None:
    """Nothing is recorded as deployed, so nothing is installed."""
    assert deployment.bring(tmp_path, NOW) == ()
    assert not (tmp_path / "deployment").exists()


def test_a_whole_backup_is_restored_with_its_dotfiles(home: Path) -> None:
    """What was installed lies beside it afterwards."""
    place, backup = home / "deployment" / "current", Path(deployment.recorded(home)["backup"])
    told = rollback.restore(backup, place)
    assert (place / ".env").read_bytes() == (backup / ".env").read_bytes()
    assert (place / "COMMIT").read_text().strip() == deployment.recorded(home)["previous"] == told["commit"]
    assert not (place / "MANIFEST.json").exists()
    assert Path(str(told["aside"]), "main.py").exists()


@pytest.mark.parametrize("harm", ["changed", "gone", "empty", "no manifest"])
def test_a_backup_that_is_not_whole_is_refused_and_changes_nothing(home: Path, harm: str) -> None:
    """The install stays as it is, to the byte."""
    place, backup = home / "deployment" / "current", Path(deployment.recorded(home)["backup"])
    if harm == "changed":
        (backup / "main.py").write_text("print('something else')\n")
    elif harm == "gone":
        (backup / ".env").unlink()
    elif harm == "empty":
        (backup / "MANIFEST.json").write_text(json.dumps({"commit": "0" * 40, "files": {}}))
    else:
        (backup / "MANIFEST.json").unlink()
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    with pytest.raises(rollback.RollbackError):
        rollback.restore(backup, place)
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before
    assert rollback.main(["restore", str(backup), str(place)]) == 1


def test_the_way_to_paper_changes_two_lines_and_keeps_the_file(tmp_path: Path) -> None:
    """Comments, order and every other setting stay; what was there before lies beside it, for its owner only."""
    (tmp_path / ".env").write_text(DOTENV)
    kept = rollback.to_paper(tmp_path)
    assert (tmp_path / ".env").read_text() == DOTENV.replace("=LIVE", "=PAPER").replace("=False", "=True")
    assert kept.read_text() == DOTENV
    assert {path.stat().st_mode & 0o777 for path in (kept, tmp_path / ".env")} == {0o600}


def test_switches_that_are_missing_are_added(tmp_path: Path) -> None:
    """A file without them is PAPER afterwards too."""
    (tmp_path / ".env").write_text("MAX_OPEN_POSITIONS=3\n")
    rollback.to_paper(tmp_path)
    assert (tmp_path / ".env").read_text() == "MAX_OPEN_POSITIONS=3\nTRADING_MODE=PAPER\nENABLE_PAPER_TRADING=True\n"


def test_no_file_is_no_way_back(tmp_path: Path) -> None:
    """Nothing is made up where there was nothing."""
    assert rollback.main(["paper", str(tmp_path)]) == 1
    assert list(tmp_path.iterdir()) == []
