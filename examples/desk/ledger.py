"""The ledger: every intent, fill, position, reservation and state of the desk, in one SQLite file that others may read.

Write-ahead logging lets a second process read while the desk writes. Amounts are exact decimals kept as text, times are
ISO 8601 in UTC.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, final

_SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts(
  account TEXT PRIMARY KEY, broker TEXT NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('live', 'drill')), profile TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS adoptions(
  account TEXT PRIMARY KEY, broker TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('adopted', 'failed')),
  reason TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders(
  id INTEGER PRIMARY KEY, idempotency_key TEXT UNIQUE NOT NULL, account TEXT NOT NULL, environment TEXT NOT NULL,
  symbol TEXT NOT NULL, side TEXT NOT NULL CHECK (side IN ('BUY', 'SELL')), quantity TEXT NOT NULL,
  state TEXT NOT NULL, gate TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '', exchange_order_id TEXT UNIQUE,
  price TEXT, fee TEXT, activation TEXT NOT NULL DEFAULT '', created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS skips(
  id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, account TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL,
  quantity TEXT NOT NULL, gate TEXT NOT NULL, reason TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS positions(
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, environment TEXT NOT NULL, symbol TEXT NOT NULL, quantity TEXT NOT NULL,
  cost TEXT NOT NULL, bought TEXT NOT NULL, entry_value TEXT NOT NULL, exit_value TEXT NOT NULL, fees TEXT NOT NULL,
  entry_order_id TEXT UNIQUE NOT NULL, opened_at TEXT NOT NULL,
  UNIQUE (account, environment, symbol));
CREATE TABLE IF NOT EXISTS reservations(
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, environment TEXT NOT NULL, symbol TEXT NOT NULL,
  purpose TEXT NOT NULL CHECK (purpose IN ('position', 'order')), reference TEXT UNIQUE NOT NULL, amount TEXT NOT NULL,
  at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trades(
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, environment TEXT NOT NULL, symbol TEXT NOT NULL, quantity TEXT NOT NULL,
  entry_order_id TEXT UNIQUE NOT NULL, exit_order_id TEXT UNIQUE NOT NULL, entry_value TEXT NOT NULL, exit_value TEXT NOT NULL,
  fees TEXT NOT NULL, profit TEXT NOT NULL, state TEXT NOT NULL, opened_at TEXT NOT NULL, closed_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS breakers(
  account TEXT PRIMARY KEY, state TEXT NOT NULL CHECK (state IN ('closed', 'open', 'half-open')), failures INTEGER NOT NULL,
  reason TEXT NOT NULL, opened_at TEXT, trips INTEGER NOT NULL, recoveries INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS emergency_stop(
  id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL CHECK (state IN ('inactive', 'active')), reason TEXT NOT NULL,
  since TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS high_water(account TEXT PRIMARY KEY, equity TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS faults(name TEXT PRIMARY KEY, at TEXT NOT NULL);
"""


@final
class Ledger:
    """One connection that the desk's threads share, one at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=5)
        self._db.row_factory = sqlite3.Row
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _SCHEMA)

    def close(self) -> None:
        """Close the file; what was committed stays."""
        with self._lock:
            self._db.close()

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """The rows of a query, as mappings from column to value."""
        with self._lock:
            return [dict(row) for row in self._db.execute(query, values).fetchall()]

    def row(self, query: str, *values: object) -> dict[str, Any] | None:
        """The first row of a query, if there is one."""
        with self._lock:
            row = self._db.execute(query, values).fetchone()
        return None if row is None else dict(row)

    def total(self, query: str, *values: object) -> Decimal:
        """The exact sum of the amounts in a query's only column; SQLite itself would add binary floats."""
        with self._lock:
            return sum((Decimal(row[0]) for row in self._db.execute(query, values)), Decimal(0))

    @contextlib.contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Changes that are all made or not at all; a change within a change is part of the outer one."""
        with self._lock:
            if self._db.in_transaction:
                yield self._db
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def write(self, statement: str, *values: object) -> int:
        """One change; gives the id of the row that was inserted, if any."""
        with self.change() as db:
            return db.execute(statement, values).lastrowid or 0
