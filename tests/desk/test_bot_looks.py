"""What the looks of document 003 make of files: packed secrets, logs that were put aside, a day that is none."""

from __future__ import annotations

import gzip
import os
import subprocess
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

SECRET = "9f8e7d6c5b4a39281706"


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """A module of checklists/behaviours, imported as the gate does."""
    import importlib

    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "checklists"))
    return lambda name: importlib.import_module(f"behaviours.{name}")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home folder with a process that has one secret and some logs."""
    (tmp_path / "logs").mkdir()
    tmp_path.chmod(0o700)
    environ = {"TESTNET_API_SECRET": SECRET, "PATH": os.environ["PATH"]}
    process = subprocess.Popen(["sleep", "60"], env=environ, stdin=subprocess.DEVNULL)
    try:
        (tmp_path / "desk.pid").write_text(f"{process.pid}\n")
        yield tmp_path
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zlib.compress], ids=["plain", "gzip", "as git does"])
def test_a_secret_is_found_however_it_is_packed(
    look: Callable[[str], ModuleType], home: Path, pack: Callable[[bytes], bytes]
) -> None:
    """A file that holds a secret of the process is named, without the secret."""
    (home / "handover").write_bytes(pack(f"key = {SECRET}\n".encode()))
    told = look("bot_access").at_rest(str(home))
    assert told["hits"] == [{"file": "handover", "of": "TESTNET_API_SECRET"}]
    assert SECRET not in str(told)


def test_a_home_without_the_secret_has_no_hits(look: Callable[[str], ModuleType], home: Path) -> None:
    """What is searched and clean is counted, so that nothing searched is not taken for clean."""
    (home / "handover").write_text("ask the vault")
    told = look("bot_access").at_rest(str(home))
    assert (told["hits"], told["searched_for"], told["files"]) == ([], 1, 2)


@pytest.mark.parametrize(("folder", "file", "open_"), [(0o700, 0o644, False), (0o755, 0o600, False), (0o755, 0o644, True)])
def test_a_file_is_open_if_every_step_to_it_is(
    look: Callable[[str], ModuleType], home: Path, folder: int, file: int, open_: bool
) -> None:
    """Others can read a kept file if home, folder and file all let them; one closed door is enough."""
    (home / "backups").mkdir()
    backup = home / "backups" / "newest"
    backup.write_text("rows")
    for path, mode in ((backup, file), (home / "backups", 0o755), (home, folder)):
        path.chmod(mode)
    told = look("bot_access").at_rest(str(home))
    assert told["kept"] == ["backups/newest"]
    assert told["kept_open_to_others"] == (["backups/newest"] if open_ else [])


def test_an_error_in_a_log_that_was_put_aside_is_seen(look: Callable[[str], ModuleType], home: Path) -> None:
    """Rotation does not hide an error of the last hours; one of the day before yesterday does not count."""
    now = datetime.now(UTC)

    def line(hours: int, level: str) -> str:
        return f"{(now - timedelta(hours=hours)).strftime('%Y-%m-%dT%H:%M:%S')}.000Z {level} desk: something\n"

    (home / "logs" / "system.log").write_text(line(1, "INFO"))
    (home / "logs" / "system.log.1").write_text(line(5, "ERROR"))
    (home / "logs" / "system.log.2").write_text(line(50, "ERROR"))
    told = look("bot_services").recent_lines(str(home), "system.log", 1000, 24)
    assert (told["lines"], told["errors"]) == (2, 1)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        (str(datetime.now(UTC).date() + timedelta(days=3)), 3),
        ("2026-02-31", None),
        ("_____________", None),
        ("", None),
        ("soon", None),
    ],
)
def test_only_a_day_is_a_day(look: Callable[[str], ModuleType], tmp_path: Path, text: str, days: int | None) -> None:
    """A go-live date that is no date tells no number of days."""
    paper = tmp_path / "go-live.md"
    paper.write_text(f"# Go-live\n\n**Go-Live Date**: {text}\n")
    told = look("bot_papers").go_live_day(str(paper))
    assert (told["is_date"], told.get("days_from_today")) == (days is not None, days)
