"""The books of this room: accounts, orders, fills, positions, closed trades, rejections and the halt, in the desk's ledger.

Amounts are exact decimals kept as text, times ISO 8601 in UTC. A second process reads the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, final

from examples.desk import clock
from examples.desk.ledger import Ledger

LIVE_ACCOUNT = "live"
PAPER_ACCOUNT = "paper"
PAPER, LIVE = "PAPER", "LIVE"

TABLES = (
    "helios_accounts", "helios_holdings", "helios_prices", "helios_signals", "helios_orders", "helios_fills", "helios_positions",
    "helios_trades", "helios_rejections", "helios_alerts", "helios_samples",
)  # fmt: skip
"""Every table with a column `account`; forgetting a rehearsal empties it from all of them."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS helios_accounts(
  account TEXT PRIMARY KEY, mode TEXT NOT NULL CHECK (mode IN ('PAPER', 'LIVE')), purpose TEXT NOT NULL, opening TEXT NOT NULL,
  terms TEXT NOT NULL DEFAULT '{}', opened_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS helios_holdings(account TEXT, asset TEXT, amount TEXT NOT NULL, PRIMARY KEY (account, asset));
CREATE TABLE IF NOT EXISTS helios_prices(
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, pair TEXT NOT NULL, price TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS helios_signals(
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, pair TEXT NOT NULL, side TEXT NOT NULL, price TEXT NOT NULL,
  reason TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS helios_orders(
  id INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL, account TEXT NOT NULL, mode TEXT NOT NULL, client TEXT NOT NULL,
  pair TEXT NOT NULL, side TEXT NOT NULL CHECK (side IN ('BUY', 'SELL')),
  kind TEXT NOT NULL CHECK (kind IN ('market', 'limit', 'stop-loss', 'take-profit')), quantity TEXT NOT NULL,
  size_zar TEXT NOT NULL, price TEXT, state TEXT NOT NULL, venue_order_id TEXT UNIQUE, filled TEXT NOT NULL DEFAULT '0',
  average TEXT, fee TEXT, reason TEXT NOT NULL DEFAULT '', source TEXT NOT NULL, signal_id INTEGER, stop TEXT, target TEXT,
  activation TEXT NOT NULL DEFAULT '', created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS helios_fills(
  id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, account TEXT NOT NULL, mode TEXT NOT NULL, pair TEXT NOT NULL,
  side TEXT NOT NULL, quantity TEXT NOT NULL, price TEXT NOT NULL, fee TEXT NOT NULL, venue_order_id TEXT NOT NULL,
  at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS helios_positions(
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, mode TEXT NOT NULL, pair TEXT NOT NULL, quantity TEXT NOT NULL,
  entry_price TEXT NOT NULL, stop TEXT, target TEXT, state TEXT NOT NULL CHECK (state IN ('open', 'closed')),
  realized TEXT NOT NULL DEFAULT '0', opened_at TEXT NOT NULL, closed_at TEXT, closed_by TEXT);
CREATE UNIQUE INDEX IF NOT EXISTS helios_one_open ON helios_positions(account, pair) WHERE state = 'open';
CREATE TABLE IF NOT EXISTS helios_lots(
  id INTEGER PRIMARY KEY, position_id INTEGER NOT NULL, fill_id INTEGER NOT NULL, quantity TEXT NOT NULL, price TEXT NOT NULL,
  fee TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS helios_trades(
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, mode TEXT NOT NULL, pair TEXT NOT NULL, position_id INTEGER NOT NULL,
  entry_order_id INTEGER NOT NULL, exit_order_id INTEGER NOT NULL, quantity TEXT NOT NULL, entry_value TEXT NOT NULL,
  exit_value TEXT NOT NULL, fees TEXT NOT NULL, profit TEXT NOT NULL, closed_by TEXT NOT NULL, opened_at TEXT NOT NULL,
  closed_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS helios_rejections(
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, mode TEXT NOT NULL, key TEXT NOT NULL, pair TEXT NOT NULL, side TEXT NOT NULL,
  size_zar TEXT NOT NULL, check_name TEXT NOT NULL, reason TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS helios_alerts(
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, title TEXT NOT NULL, message TEXT NOT NULL, state TEXT NOT NULL,
  at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS helios_samples(
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, realized TEXT NOT NULL, unrealized TEXT NOT NULL, equity TEXT, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS helios_halt(
  id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL CHECK (state IN ('running', 'halted')), reason TEXT NOT NULL,
  told_by TEXT NOT NULL, since TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS helios_mode(
  id INTEGER PRIMARY KEY CHECK (id = 1), forced TEXT NOT NULL CHECK (forced IN ('', 'PAPER')), told_by TEXT NOT NULL,
  since TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS helios_capital(
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, amount TEXT NOT NULL, currency TEXT NOT NULL, venue TEXT NOT NULL,
  at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS helios_prices_of ON helios_prices(account, pair, id);
CREATE INDEX IF NOT EXISTS helios_fills_of ON helios_fills(account, id);
"""


@final
class Books:
    """What is written down here, and read back; each change is made whole or not at all."""

    def __init__(self, ledger: Ledger, *, now: clock.Clock) -> None:
        self.ledger = ledger
        self.now = now
        with ledger.change() as db:
            for statement in _SCHEMA.split(";\n"):
                if statement.strip():
                    db.execute(statement)

    def at(self) -> str:
        """The time now, as the books write it."""
        return clock.iso(self.now())

    def insert(self, table: str, **values: object) -> int:
        """A new row; its id."""
        columns, marks = ", ".join(values), ", ".join("?" * len(values))
        return self.ledger.write(f"INSERT INTO {table}({columns}) VALUES ({marks})", *(_kept(value) for value in values.values()))

    def update(self, table: str, number: int, **values: object) -> None:
        """Change columns of the row with this id."""
        columns = ", ".join(f"{name} = ?" for name in values)
        self.ledger.write(f"UPDATE {table} SET {columns} WHERE id = ?", *(_kept(value) for value in values.values()), number)

    def account(self, name: str) -> Mapping[str, Any] | None:
        """An account by its name."""
        return self.ledger.row("SELECT * FROM helios_accounts WHERE account = ?", name)

    def order(self, key: str) -> Mapping[str, Any] | None:
        """The order of a key."""
        return self.ledger.row("SELECT * FROM helios_orders WHERE key = ?", key)

    def pending(self, account: str | None = None) -> list[dict[str, Any]]:
        """Orders that rest, of one account or of all."""
        where, values = ("AND account = ?", (account,)) if account else ("", ())
        return self.ledger.rows(f"SELECT * FROM helios_orders WHERE state = 'pending' {where} ORDER BY id", *values)

    def positions(self, account: str, *, state: str = "open") -> list[dict[str, Any]]:
        """Positions of an account, the oldest first."""
        return self.ledger.rows("SELECT * FROM helios_positions WHERE account = ? AND state = ? ORDER BY id", account, state)

    def position(self, account: str, pair: str) -> dict[str, Any] | None:
        """The open position of an account in a pair."""
        return self.ledger.row("SELECT * FROM helios_positions WHERE account = ? AND pair = ? AND state = 'open'", account, pair)

    def holding(self, account: str, asset: str) -> Decimal:
        """What a paper account holds of an asset."""
        row = self.ledger.row("SELECT amount FROM helios_holdings WHERE account = ? AND asset = ?", account, asset)
        return Decimal(row["amount"]) if row else Decimal(0)

    def move(self, account: str, asset: str, change: Decimal) -> None:
        """Change what a paper account holds."""
        amount = self.holding(account, asset) + change
        self.ledger.write("INSERT OR REPLACE INTO helios_holdings VALUES (?, ?, ?)", account, asset, str(amount))

    def realized(self, account: str, since: datetime | None = None) -> Decimal:
        """The exact profit of the trades that an account closed, net of fees."""
        return self.ledger.total(
            "SELECT profit FROM helios_trades WHERE account = ? AND closed_at >= ?", account, clock.iso(since) if since else ""
        )

    def open_account(self, name: str, mode: str, *, purpose: str, opening: Decimal, terms: str = "{}") -> None:
        """A new account; a paper account begins with its opening in rand."""
        with self.ledger.change():
            self.insert(
                "helios_accounts", account=name, mode=mode, purpose=purpose, opening=opening, terms=terms, opened_at=self.at()
            )
            if mode == PAPER:
                self.move(name, "ZAR", opening)

    def forget_account(self, name: str) -> None:
        """Take an account out of every book, as if it had never been."""
        with self.ledger.change() as db:
            db.execute(
                "DELETE FROM helios_lots WHERE position_id IN (SELECT id FROM helios_positions WHERE account = ?)", (name,)
            )
            for table in TABLES:
                db.execute(f"DELETE FROM {table} WHERE account = ?", (name,))


def _kept(value: object) -> object:
    if isinstance(value, Decimal):
        return format(value, "f")
    return clock.iso(value) if isinstance(value, datetime) else value
