"""Backups of the document store: taken through its own protocol, and restored only into a database that was empty.

A restore never drops anything: a name that holds documents is refused. So a rehearsal cannot hurt the books, and a true rollback
restores beside them and then points MONGO_URL at the restored name.
"""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, final

from bson import json_util

from examples.desk.clock import iso
from examples.desk.errors import DeskError

SUFFIX = ".jsonl.gz"
KEPT = 7
"""Backups that stay; older ones go when a new one stands."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """One backup: where it stands, its digest, and how many documents of each collection are in it."""

    path: Path
    sha256: str
    counts: Mapping[str, int]
    at: datetime


def take(database: Any, folder: Path, *, now: datetime) -> Backup:
    """Write every collection of the database into one new file of `folder`; readable by its owner alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    counts: dict[str, int] = {}
    lines = [json_util.dumps({"database": database.name, "at": iso(now)})]
    # as the store keeps them: the desk's own codec would make amounts of what JSON has no word for
    kept = database.client.get_database(database.name)
    for name in sorted(kept.list_collection_names()):
        documents = list(kept[name].find())
        counts[name] = len(documents)
        lines += [json_util.dumps({"collection": name, "document": document}) for document in documents]
    lines.append(json_util.dumps({"counts": counts}))
    content = gzip.compress("\n".join(lines).encode() + b"\n", mtime=0)
    path = folder / f"{database.name}-{now.strftime('%Y%m%dT%H%M%S.%fZ')}{SUFFIX}"
    draft = path.with_suffix(".draft")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.rename(path)
    for old in newest_first(folder)[KEPT:]:
        old.unlink()
    return Backup(path=path, sha256=hashlib.sha256(content).hexdigest(), counts=counts, at=now)


def newest_first(folder: Path) -> list[Path]:
    """The backups in the folder; their names sort by time."""
    return sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.name, reverse=True)


def restore(path: Path, database: Any) -> Mapping[str, int]:
    """Bring the backup's documents into `database`, and count what is there then.

    DeskError if the database holds anything already, or the file is cut off.
    """
    lines = [json_util.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    if not lines or "counts" not in lines[-1]:
        raise DeskError(f"{path} ends before its counts", hint="take the backup before this one")
    if any(database[name].count_documents({}) for name in database.list_collection_names()):
        raise DeskError(f"the database {database.name} is not empty", hint="restore into a new name; nothing is ever dropped")
    documents: dict[str, list[Any]] = {name: [] for name in lines[-1]["counts"]}
    for line in lines[1:-1]:
        documents[line["collection"]].append(line["document"])
    for name, found in documents.items():
        if found:
            database[name].insert_many(found)
    return {name: database[name].count_documents({}) for name in documents}
