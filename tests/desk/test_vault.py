"""The vault of exchange keys, on a document store of its own: what a copy of the database tells, and what opens it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from examples.desk import docstore
from examples.desk.bots.store import Store
from examples.desk.bots.vault import Vault
from examples.desk.docstore.server import DocumentServer
from examples.desk.errors import DeskError

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEY, SECRET = "a-key-of-an-exchange", "and-the-secret-of-it"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    server = DocumentServer(tmp_path / "documents.sqlite")
    database = docstore.connect(f"mongodb://{server.address}/")
    found = Store(database)
    found.prepare()
    yield found
    database.client.close()
    server.close()


def vault(store: Store, path: Path) -> Vault:
    return Vault(store, path, now=lambda: NOW)


def test_the_database_tells_nothing_of_a_key_and_the_vault_all_of_it(store: Store, tmp_path: Path) -> None:
    """Neither key nor secret stands in the document; both come back; the file that opens it is its owner's alone."""
    kept = vault(store, tmp_path / "vault.key")
    kept.keep("anna", "kraken", KEY, SECRET)
    row: Any = store.one("api_keys", user="anna")
    assert KEY not in repr(row)
    assert SECRET not in repr(row)
    assert kept.open("anna", "kraken") == (KEY, SECRET)
    assert (tmp_path / "vault.key").stat().st_mode & 0o777 == 0o600


def test_a_key_that_was_moved_to_somebody_else_does_not_open(store: Store, tmp_path: Path) -> None:
    """Whose key it is is sealed with it."""
    kept = vault(store, tmp_path / "vault.key")
    kept.keep("anna", "kraken", KEY, SECRET)
    store.change("api_keys", {"user": "anna"}, user="ben")
    with pytest.raises(DeskError, match="does not open"):
        kept.open("ben", "kraken")


def test_another_vault_opens_nothing(store: Store, tmp_path: Path) -> None:
    """The database beside another key file is as good as noise."""
    vault(store, tmp_path / "vault.key").keep("anna", "kraken", KEY, SECRET)
    with pytest.raises(DeskError, match="does not open"):
        vault(store, tmp_path / "other.key").open("anna", "kraken")


def test_the_same_key_is_never_sealed_alike_and_stands_once(store: Store, tmp_path: Path) -> None:
    """Stored twice, it replaces itself, and looks different."""
    kept = vault(store, tmp_path / "vault.key")
    seals = set()
    for _ in range(2):
        kept.keep("anna", "kraken", KEY, SECRET)
        (row,) = store.all("api_keys")
        seals.add(row["sealed"])
    assert len(seals) == 2
    assert kept.forget("anna", "kraken")
    assert kept.all_of("anna") == []
