"""Faults of trading in rand that need more than a word: money from elsewhere, backups, a second desk."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from examples.desk.drill.breaks import Bench

DEPOSIT = Decimal(5000)


@contextlib.contextmanager
def too_much_capital(bench: Bench) -> Iterator[None]:
    """Somebody pays R5,000 into the account at VALR, and takes it out again."""
    _pay(bench, DEPOSIT)
    try:
        yield
    finally:
        _pay(bench, -DEPOSIT)


def _pay(bench: Bench, amount: Decimal) -> None:
    with contextlib.closing(sqlite3.connect(bench.home / "exchanges" / "valr.sqlite", timeout=10, isolation_level=None)) as store:
        store.execute("BEGIN IMMEDIATE")
        ((held,),) = store.execute("SELECT amount FROM balances WHERE account = 'helios' AND asset = 'ZAR'").fetchall()
        store.execute("UPDATE balances SET amount = ? WHERE account = 'helios' AND asset = 'ZAR'", (str(Decimal(held) + amount),))
        store.execute("COMMIT")


@contextlib.contextmanager
def backup_damaged(bench: Bench) -> Iterator[None]:
    """A file of the newest backup is not what it was when the backup was made."""
    path = _backup(bench) / "main.py"
    before = path.read_bytes()
    path.write_bytes(before + b"# changed\n")
    try:
        yield
    finally:
        path.write_bytes(before)


@contextlib.contextmanager
def backup_live(bench: Bench) -> Iterator[None]:
    """The newest backup is whole, but it was made of a version that traded live."""
    backup = _backup(bench)
    kept = {path: path.read_bytes() for path in (backup / ".env", backup / "MANIFEST.json")}
    text = kept[backup / ".env"].decode()
    live = text.replace("TRADING_MODE=PAPER", "TRADING_MODE=LIVE").replace(
        "ENABLE_PAPER_TRADING=True", "ENABLE_PAPER_TRADING=False"
    )
    told = json.loads(kept[backup / "MANIFEST.json"])
    told["files"][".env"] = hashlib.sha256(live.encode()).hexdigest()
    (backup / ".env").write_text(live, encoding="utf-8")
    (backup / "MANIFEST.json").write_text(json.dumps(told), encoding="utf-8")
    try:
        yield
    finally:
        for path, content in kept.items():
            path.write_bytes(content)


@contextlib.contextmanager
def two_desks(bench: Bench) -> Iterator[None]:
    """A second process that was started as this folder's desk; it does nothing, and ends with the fault."""
    words = [sys.executable, "-c", "import sys; sys.stdin.read()", "examples.desk", "serve", str(bench.home)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)


def _backup(bench: Bench) -> Path:
    return max((bench.home / "deployment").glob("backup_*"))
