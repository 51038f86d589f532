"""The desk's side of the bot: its tree in the home folder, its books, its reconciliation, and what is put aside of it."""

from __future__ import annotations

import csv
import hashlib
import json
import logging
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, final

from examples.desk.broker import Broker
from examples.desk.clock import Clock
from examples.desk.errors import BrokerError
from examples.desk.kraken_bot.crypto_trading_bot import books, paper
from examples.desk.kraken_bot.crypto_trading_bot.kraken_client import KrakenError
from examples.desk.kraken_bot.crypto_trading_bot.reconcile import settled
from examples.desk.kraken_bot.crypto_trading_bot.risk_guard import RiskGuard
from examples.desk.kraken_bot.crypto_trading_bot.strategy import Reversion
from examples.desk.worker import Worker

SHIPPED = Path(__file__).resolve().parent
TREE = ("crypto_trading_bot", "bot", "scripts", "config", "strategies", "tests")
EVERY = 2.0
"""Seconds between two reconciliations."""

KEPT = 5
_MEMORY = ".shipped"
_log = logging.getLogger("desk.system")


def bring(home: Path) -> None:
    """The bot's tree in the home folder: made when it is missing, and made anew when the shipped one has changed."""
    folder = home / "bot"
    files = sorted(path for part in TREE for path in (SHIPPED / part).rglob("*") if path.is_file() and path.suffix != ".pyc")
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    memory = folder / _MEMORY
    if memory.exists() and memory.read_text(encoding="ascii") == digest:
        return
    for path in files:
        there = folder / path.relative_to(SHIPPED)
        there.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy(path, there)
    memory.write_text(digest, encoding="ascii")


@final
class Keeping:
    """Keeps the bot's books of one home folder in order while the desk runs."""

    def __init__(self, home: Path, ledger: Path, exchange: Broker, *, now: Clock) -> None:
        self._home = home
        self._ledger = ledger
        self._exchange = _Asked(exchange)
        self._now = now
        self.worker = Worker("kraken-bot", self._turn, every=EVERY, now=now)

    def start(self) -> None:
        """Make the paper run if there is none, put settings and logs aside, reconcile, and go on doing so."""
        bring(self._home)
        with closing(sqlite3.connect(self._ledger, timeout=10)) as connection, connection:
            connection.executescript(books.SCHEMA)
            if connection.execute("SELECT count(*) FROM bot_trades").fetchone()[0] == 0:
                self._make_books(connection)
        self._put_settings_aside()
        self._turn()
        self.worker.start()

    def figures(self) -> Mapping[str, Decimal]:
        """Number of trades, profit in percent, and deepest fall as a fraction, from the books as they are now."""
        trades = books.closed_trades(self._ledger)
        return {
            "trades": Decimal(len(books.current(trades))),
            "roi": books.roi(trades).quantize(Decimal("0.0001")),
            "drawdown": books.max_drawdown(trades).quantize(Decimal("0.0001")),
        }

    def _make_books(self, connection: sqlite3.Connection) -> None:
        bot = self._home / "bot"
        strategy = Reversion.read(bot / "strategies" / "reversion.toml")
        paper.run(connection, strategy, RiskGuard.read(bot / "config" / "risk.toml"), self._now())
        with (SHIPPED / "legacy_trades.csv").open(encoding="ascii", newline="") as stream:
            for row in csv.DictReader(stream):
                connection.execute(
                    "INSERT INTO bot_trades VALUES (?, 'legacy', ?, ?, ?, ?, ?, ?, '0', ?, ?)", tuple(row.values())
                )

    def _turn(self) -> None:
        report = settled(self._ledger, self._exchange)
        _replace(self._home / "logs" / "reconciliation.json", json.dumps(report, indent=1).encode())
        self._put_logs_aside()

    def _put_settings_aside(self) -> None:
        """A copy of .env, strategies and thresholds, with the digest of each, if the newest copy is not the same."""
        names = [
            ".env",
            *(
                str(path.relative_to(self._home))
                for part in ("config", "strategies")
                for path in sorted((self._home / "bot" / part).iterdir())
            ),
        ]
        digests = {name: hashlib.sha256((self._home / name).read_bytes()).hexdigest() for name in names}
        folder = self._home / "backups"
        newest = max(folder.glob("config-*"), default=None)
        if newest is not None and json.loads((newest / "manifest.json").read_text(encoding="ascii"))["files"] == digests:
            return
        made = folder / f"config-{_stamp(self._now())}"
        for name in names:
            there = made / name
            there.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(self._home / name, there)
            there.chmod(0o600)
        (made / "manifest.json").write_text(json.dumps({"made_at": self._now().isoformat(), "files": digests}), encoding="ascii")
        for old in sorted(folder.glob("config-*"))[:-KEPT]:
            shutil.rmtree(old)

    def _put_logs_aside(self) -> None:
        """An archive of logs and reports, made when there is a trade that the newest one does not know."""
        folder = self._home / "backups"
        folder.mkdir(mode=0o700, exist_ok=True)
        newest = max(folder.glob("logs-*.tar.gz"), default=None)
        with closing(sqlite3.connect(self._ledger, timeout=10)) as connection:
            last = connection.execute("SELECT max(updated_at) FROM orders WHERE state = 'filled'").fetchone()[0] or ""
        mark = folder / ".last-trade"
        if newest is not None and mark.exists() and mark.read_text(encoding="ascii") == last:
            return
        made = folder / f"logs-{_stamp(self._now())}.tar.gz"
        draft = made.with_suffix(".part")
        with tarfile.open(draft, "w:gz", compresslevel=1) as archive:
            for path in sorted((self._home / "logs").iterdir()):
                archive.add(path, arcname=path.name)
        draft.rename(made)
        mark.write_text(last, encoding="ascii")
        for old in sorted(folder.glob("logs-*.tar.gz"))[:-KEPT]:
            old.unlink()


@final
class _Asked:
    """The desk's broker in the words of the bot."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def balances(self, account: str) -> Mapping[str, Decimal]:
        try:
            return self._broker.balances(account)
        except BrokerError as error:
            raise KrakenError(error.message, credentials=error.status in (401, 403)) from error

    def trades(self, account: str) -> list[dict[str, Any]]:
        try:
            return [dict(trade) for trade in self._broker.fills(account)]
        except BrokerError as error:
            raise KrakenError(error.message, credentials=error.status in (401, 403)) from error


def _stamp(now: datetime) -> str:
    return now.strftime("%Y%m%dT%H%M%S%fZ")


def _replace(path: Path, content: bytes) -> None:
    draft = path.with_suffix(".part")
    draft.write_bytes(content)
    os.replace(draft, path)
