"""Faults of trading in rand that need more than a word: money that comes from elsewhere."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
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
