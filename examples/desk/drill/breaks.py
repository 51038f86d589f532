"""Ways to break a desk for real, each undone when its context ends: words in a table, so that a fault is read in one line.

A break changes what the desk does, holds or was started with, never what an item is told. Paths are relative to the desk's home.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from examples.desk.errors import DeskError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Bench(Protocol):
    """The desk that is broken."""

    @property
    def home(self) -> Path: ...
    @property
    def variables(self) -> Mapping[str, str]: ...
    def switch(self, fault: str, *, on: bool) -> None: ...
    def start_with(self, environ: Mapping[str, str]) -> None: ...


Break = Callable[[Bench, Any], AbstractContextManager[None]]


@contextlib.contextmanager
def _desk(bench: Bench, name: str) -> Iterator[None]:
    """A fault that the running desk knows by name."""
    bench.switch(name, on=True)
    try:
        yield
    finally:
        bench.switch(name, on=False)


@contextlib.contextmanager
def _restart(bench: Bench, variables: Mapping[str, str | None]) -> Iterator[None]:
    """The desk, started anew with other variables in its environment; the next fault starts it as it was."""
    bench.start_with({name: "" if value is None else str(value) for name, value in variables.items()})
    try:
        yield
    finally:
        bench.start_with({})


@contextlib.contextmanager
def _kept(path: Path) -> Iterator[bytes]:
    """The bytes of a file, which are there again afterwards with the same mode and times."""
    before, looked = path.read_bytes(), path.stat()
    try:
        yield before
    finally:
        path.write_bytes(before)
        path.chmod(looked.st_mode & 0o7777)
        os.utime(path, ns=(looked.st_atime_ns, looked.st_mtime_ns))


@contextlib.contextmanager
def _dotenv(bench: Bench, variables: Mapping[str, str | None]) -> Iterator[None]:
    """Lines of the desk's .env that say something else, or that are gone (null)."""
    path = bench.home / ".env"
    with _kept(path) as before:
        text = before.decode()
        for name, value in variables.items():
            line = "" if value is None else f"{name}={value}\n"
            text, count = re.subn(rf"^{re.escape(name)}=.*\n?", lambda _, line=line: line, text, flags=re.MULTILINE)  # type: ignore[misc]
            text += line if not count else ""
            if not count and value is None:
                raise DeskError(f"{name} does not stand in {path}, so it cannot be taken out")
        path.write_text(text, encoding="utf-8")
        yield


@contextlib.contextmanager
def _text(bench: Bench, what: Mapping[str, str]) -> Iterator[None]:
    """A file in which a pattern is replaced; one that is not found breaks nothing, and is an error."""
    path = bench.home / what["path"]
    with _kept(path) as before:
        text, count = re.subn(what["replace"], what["by"], before.decode(), flags=re.MULTILINE)
        if not count:
            raise DeskError(f"{what['replace']!r} is not found in {path}")
        path.write_text(text, encoding="utf-8")
        yield


@contextlib.contextmanager
def _append(bench: Bench, what: Mapping[str, str]) -> Iterator[None]:
    """Text at the end of a file, cut off again without touching what was written since."""
    path = bench.home / what["path"]
    with path.open("a", encoding="utf-8") as stream:
        stream.write(what["text"])
    try:
        yield
    finally:
        path.write_text(path.read_text(encoding="utf-8").replace(what["text"], "", 1), encoding="utf-8")


@contextlib.contextmanager
def _write(bench: Bench, what: Mapping[str, str]) -> Iterator[None]:
    """A file with other contents, or a file where there was none."""
    path = bench.home / what["path"]
    if path.exists():
        with _kept(path):
            path.write_text(what["text"], encoding="utf-8")
            yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(what["text"], encoding="utf-8")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _gone(bench: Bench, name: str) -> Iterator[None]:
    """A file or folder that is not there."""
    path = bench.home / name
    aside = path.with_name(f"{path.name}.drill-aside")
    path.rename(aside)
    try:
        yield
    finally:
        aside.rename(path)


@contextlib.contextmanager
def _mode(bench: Bench, what: Mapping[str, str]) -> Iterator[None]:
    """A file with other permissions, written in octal."""
    path = bench.home / what["path"]
    before = path.stat().st_mode & 0o7777
    path.chmod(int(what["mode"], 8))
    try:
        yield
    finally:
        path.chmod(before)


@contextlib.contextmanager
def _age(bench: Bench, what: Mapping[str, str]) -> Iterator[None]:
    """A file, or every file of a folder, that was last written long ago."""
    root = bench.home / what["path"]
    back = int(what["by"][:-1]) * _UNITS[what["by"][-1]]
    looked = {path: path.stat() for path in ([root] if root.is_file() else sorted(root.rglob("*")))}
    then = time.time() - back
    for path in looked:
        os.utime(path, (then, then))
    try:
        yield
    finally:
        for path, before in looked.items():
            if path.exists():
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@contextlib.contextmanager
def _rows(bench: Bench, what: Mapping[str, Any]) -> Iterator[None]:
    """Rows of the ledger that somebody changed; afterwards just these are as they were."""
    tables: Sequence[str] = what["tables"]
    with contextlib.closing(sqlite3.connect(bench.home / "ledger.sqlite", timeout=20, isolation_level=None)) as ledger:
        ledger.execute("BEGIN IMMEDIATE")
        before = {table: _all(ledger, table) for table in tables}
        for statement in what["run"]:
            ledger.execute(statement)
        after = {table: _all(ledger, table) for table in tables}
        ledger.execute("COMMIT")
        if before == after:
            raise DeskError(f"the statements changed nothing in {', '.join(tables)}", hint="see the rows that are there")
        try:
            yield
        finally:
            ledger.execute("BEGIN IMMEDIATE")
            for table in tables:
                _put_back(ledger, table, before[table], after[table])
            ledger.execute("COMMIT")


Rows = Mapping[int, tuple[Any, ...]]


def _all(ledger: sqlite3.Connection, table: str) -> Rows:
    return {row[0]: row[1:] for row in ledger.execute(f"SELECT rowid, * FROM {table}")}


def _put_back(ledger: sqlite3.Connection, table: str, before: Rows, after: Rows) -> None:
    different = [number for number in {*before, *after} if before.get(number) != after.get(number)]
    ledger.executemany(f"DELETE FROM {table} WHERE rowid = ?", [(number,) for number in different])
    for number in sorted(different):
        if number in before:
            row = before[number]
            ledger.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)


@contextlib.contextmanager
def _git(bench: Bench, what: Mapping[str, Any]) -> Iterator[None]:
    """Git commands in a repository, and those that undo them."""
    folder = bench.home / what.get("path", ".")
    for words in what["do"]:
        _run_git(folder, words)
    try:
        yield
    finally:
        for words in what["undo"]:
            _run_git(folder, words)


def _run_git(folder: Path, words: Sequence[str]) -> None:
    identity = ("-c", "user.name=Demo Drill", "-c", "user.email=drill@desk.invalid", "-c", "commit.gpgsign=false")
    environ = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C",
    }
    done = subprocess.run(
        ["git", *identity, *words], cwd=folder, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20
    )
    if done.returncode:
        raise DeskError(f"git {' '.join(words)} in {folder}: {done.stderr.strip()}")


@contextlib.contextmanager
def _mongo(bench: Bench, what: Mapping[str, Any]) -> Iterator[None]:
    """Documents that say something else, or that are gone."""
    import pymongo

    with pymongo.MongoClient(bench.variables["DESK_MONGO_URL"], serverSelectionTimeoutMS=5000) as client:
        database = client.get_default_database(default="desk")
        collection = database[what["collection"]]
        where: Mapping[str, Any] = what.get("where", {})
        before = list(collection.find(where))
        if not before:
            raise DeskError(f"no document of {what['collection']} is like {where}")
        numbers = [document["_id"] for document in before]
        for number in numbers:
            if what.get("delete"):
                collection.delete_one({"_id": number})
            else:
                collection.update_one({"_id": number}, {"$set": what["set"]})
        try:
            yield
        finally:
            for document in before:
                collection.replace_one({"_id": document["_id"]}, document, upsert=True)


def _special(bench: Bench, name: str) -> AbstractContextManager[None]:
    """A context manager of its own, for what has no word."""
    module, _, function = name.partition(":")
    made: AbstractContextManager[None] = getattr(importlib.import_module(module), function)(bench)
    return made


BREAKS: Mapping[str, Break] = {
    "desk": _desk,
    "restart": _restart,
    "dotenv": _dotenv,
    "text": _text,
    "append": _append,
    "write": _write,
    "gone": _gone,
    "mode": _mode,
    "age": _age,
    "rows": _rows,
    "git": _git,
    "mongo": _mongo,
    "special": _special,
}
"""Every way to break something, by its word."""
