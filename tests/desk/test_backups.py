"""Backups of the document store, taken and restored through its own protocol on a server of its own."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from examples.desk import docstore, jsontext
from examples.desk.bots import backups, operations
from examples.desk.docstore.server import DocumentServer
from examples.desk.errors import DeskError

NOW = datetime(2026, 3, 1, 1, 0, tzinfo=UTC)
FILL = {"number": 1, "price": Decimal("61000.10"), "at": NOW}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    server = DocumentServer(tmp_path / "documents.sqlite")
    yield f"mongodb://{server.address}/"
    server.close()


@pytest.fixture
def database(url: str) -> Iterator[Any]:
    found = docstore.connect(url)
    found["fills_ledger"].insert_many([dict(FILL), {**FILL, "number": 2}])
    found.create_collection("alerts")
    yield found
    found.client.close()


def other(database: Any, name: str) -> Any:
    return database.client.get_database(name, codec_options=database.codec_options)


def test_what_is_restored_is_what_was_backed_up(database: Any, tmp_path: Path) -> None:
    """Every collection with every document, amounts exact and times with their zone; the file is its owner's alone."""
    taken = backups.take(database, tmp_path / "backups", now=NOW)
    assert taken.counts == {"alerts": 0, "fills_ledger": 2}
    assert stat.S_IMODE(taken.path.stat().st_mode) == 0o600
    into = other(database, "rehearsal")
    assert backups.restore(taken.path, into) == taken.counts
    assert into["fills_ledger"].find_one({"number": 1}, {"_id": 0}) == FILL


def test_a_restore_never_touches_a_database_that_holds_something(database: Any, tmp_path: Path) -> None:
    """The desk's own database is refused, and is as it was."""
    taken = backups.take(database, tmp_path, now=NOW)
    with pytest.raises(DeskError, match="not empty"):
        backups.restore(taken.path, database)
    assert database["fills_ledger"].count_documents({}) == 2


def test_a_backup_that_was_cut_off_is_refused(database: Any, tmp_path: Path) -> None:
    """Without its last line nobody knows what is missing."""
    import gzip

    taken = backups.take(database, tmp_path, now=NOW)
    lines = gzip.decompress(taken.path.read_bytes()).splitlines(keepends=True)
    taken.path.write_bytes(gzip.compress(b"".join(lines[:-1])))
    with pytest.raises(DeskError, match="ends before"):
        backups.restore(taken.path, other(database, "rehearsal"))


def test_only_so_many_backups_stay(database: Any, tmp_path: Path) -> None:
    """The oldest go, the newest stays first."""
    for day in range(backups.KEPT + 2):
        newest = backups.take(database, tmp_path, now=NOW + timedelta(days=day)).path
    found = backups.newest_first(tmp_path)
    assert len(found) == backups.KEPT
    assert found[0] == newest


def test_the_commands_of_the_manual_do_it(database: Any, url: str, tmp_path: Path, capsys: Any) -> None:
    """Backup, then restore of the newest into an empty database: exit status 0 and equal counts; a second time 1."""
    assert operations.main(["backup", "--home", str(tmp_path), "--url", url]) == 0
    backup = jsontext.loads(capsys.readouterr().out)
    words = ["restore", "--home", str(tmp_path), "--newest", "--into", "restored", "--url", url]
    assert operations.main(words) == 0
    assert jsontext.loads(capsys.readouterr().out)["counts"] == backup["counts"]
    assert operations.main(words) == 1
    assert "not empty" in capsys.readouterr().err
