"""Faults of the bot at Kraken that are more than a line in a table."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from examples.desk.drill.breaks import Bench
    from examples.desk.service import Service

HALTED = "bot-keeping-halted"


def halt_keeping(desk: Service, subject: str) -> None:
    """Nobody reconciles the bot's books any more, nor puts its logs aside."""
    desk.keeping.worker.halt()


def start_keeping(desk: Service, subject: str) -> None:
    """The bot's books are kept again."""
    desk.keeping.worker.start()


@contextlib.contextmanager
def env_file_touched(bench: Bench) -> Iterator[None]:
    """Somebody saved .env after the desk was started."""
    path = bench.home / ".env"
    before = path.stat()
    os.utime(path, (time.time() + 5, time.time() + 5))
    try:
        yield
    finally:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@contextlib.contextmanager
def client_changed(bench: Bench) -> Iterator[None]:
    """Somebody changed the client of the exchange, and not its tests."""
    path = bench.home / "bot" / "crypto_trading_bot" / "kraken_client.py"
    before, text = path.stat(), path.read_bytes()
    path.write_bytes(text + b"# changed after the tests\n")
    os.utime(path, (time.time() + 5, time.time() + 5))
    try:
        yield
    finally:
        path.write_bytes(text)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@contextlib.contextmanager
def no_log_archive(bench: Bench) -> Iterator[None]:
    """The archives of logs are gone, and nobody makes new ones."""
    with _halted(bench):
        moved = [(path, path.with_name(f"aside-{path.name}")) for path in (bench.home / "backups").glob("logs-*.tar.gz")]
        for path, aside in moved:
            path.rename(aside)
        try:
            yield
        finally:
            for path, aside in moved:
                aside.rename(path)


@contextlib.contextmanager
def no_reconciliation(bench: Bench) -> Iterator[None]:
    """The last reconciliation is an hour old."""
    with _halted(bench), _report(bench) as report:
        report["checked_at"] = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        _write(bench, report)
        yield


@contextlib.contextmanager
def recent_unmatched_trade(bench: Bench) -> Iterator[None]:
    """The last reconciliation found a trade of three days ago that the books do not know."""
    with _halted(bench), _report(bench) as report:
        at = (datetime.now(UTC) - timedelta(days=3)).isoformat()
        report["legacy_unmatched"] = [{"account": "beta", "order": "KR-unknown", "at": at}]
        report["checked_at"] = datetime.now(UTC).isoformat()
        _write(bench, report)
        yield


@contextlib.contextmanager
def too_much_at_the_exchange(bench: Bench) -> Iterator[None]:
    """Somebody paid 90,000 into an account of the bot, at the exchange itself."""
    with contextlib.closing(
        sqlite3.connect(bench.home / "exchanges" / "kraken.sqlite", timeout=10, isolation_level=None)
    ) as store:
        change = "UPDATE balances SET amount = CAST(amount AS REAL) + ? WHERE account = 'beta' AND asset = 'USDT'"
        before = store.execute("SELECT amount FROM balances WHERE account = 'beta' AND asset = 'USDT'").fetchone()[0]
        store.execute(change, (90_000,))
        try:
            yield
        finally:
            store.execute("UPDATE balances SET amount = ? WHERE account = 'beta' AND asset = 'USDT'", (before,))


@contextlib.contextmanager
def no_test_message(bench: Bench) -> Iterator[None]:
    """The mail server is down, and no test message has arrived."""
    from examples.desk.drill.breaks import BREAKS

    put_away = [
        (path, path.with_suffix(".aside")) for path in (bench.home / "mail").glob("*.eml") if b"] INFO test" in path.read_bytes()
    ]
    undelivered = {"tables": ["alerts"], "run": ["UPDATE alerts SET delivered = 0, attempts = 3 WHERE kind = 'test'"]}
    with BREAKS["desk"](bench, "mail-down"), BREAKS["rows"](bench, undelivered):
        for path, aside in put_away:
            path.rename(aside)
        try:
            yield
        finally:
            for path, aside in put_away:
                aside.rename(path)


@contextlib.contextmanager
def _halted(bench: Bench) -> Iterator[None]:
    bench.switch(HALTED, on=True)
    try:
        yield
    finally:
        bench.switch(HALTED, on=False)


@contextlib.contextmanager
def _report(bench: Bench) -> Iterator[dict[str, object]]:
    path = _path(bench)
    before = path.read_bytes()
    try:
        yield json.loads(before)
    finally:
        path.write_bytes(before)


def _write(bench: Bench, report: dict[str, object]) -> None:
    _path(bench).write_text(json.dumps(report), encoding="ascii")


def _path(bench: Bench) -> Path:
    return bench.home / "logs" / "reconciliation.json"
