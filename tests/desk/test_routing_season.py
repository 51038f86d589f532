"""The pilot at VALR: its weeks are in both books, dated by the run and not by the clock, and are not traded twice."""

from __future__ import annotations

import itertools
import logging
import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from examples.desk.broker import Broker
from examples.desk.errors import BrokerError
from examples.desk.ledger import Ledger
from examples.desk.neighbours import Neighbours
from examples.desk.routing import season
from examples.desk.routing.books import LIVE, LIVE_ACCOUNT, Books
from examples.desk.routing.clients import VALRTradingClient
from examples.desk.routing.valr import Valr
from examples.desk.symbols import HELIOS, VALR

NOW = datetime(2026, 5, 4, 15, 30, tzinfo=UTC)
MIDNIGHT = "2026-05-04T00:00:00.000+00:00"


class Pilot:
    """A ledger, VALR, and the run between them."""

    def __init__(self, home: Path) -> None:
        environ = {**os.environ, "VALR_API_KEY": secrets.token_hex(8), "VALR_API_SECRET": secrets.token_hex(16)}
        self.neighbours = Neighbours(home / "exchanges", environ)
        broker = Broker(VALR, self.neighbours.addresses[VALR], key=environ["VALR_API_KEY"], secret=environ["VALR_API_SECRET"])
        self.venue = Valr(broker, HELIOS.name)
        self.ledger = Ledger(home / "ledger.sqlite")
        Books(self.ledger, now=lambda: NOW).open_account(LIVE_ACCOUNT, LIVE, purpose="test", opening=Decimal(0))
        self.live = VALRTradingClient(self.venue)

    def run(self, now: datetime = NOW) -> int:
        """The days that were traded."""
        return season.ensure(self.ledger, self.live, self.steer, now)

    def steer(self, **wish: object) -> None:
        """The lever at VALR."""
        self.neighbours.steer(VALR, **wish)

    def close(self) -> None:
        """End both."""
        self.ledger.close()
        self.neighbours.close()


@pytest.fixture(scope="module")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pilot]:
    """The weeks, traded once."""
    logging.getLogger("desk.helios").setLevel(logging.CRITICAL + 1)
    made = Pilot(tmp_path_factory.mktemp("pilot"))
    try:
        assert made.run() == season.DAYS
        yield made
    finally:
        made.close()
        logging.getLogger("desk.helios").setLevel(logging.NOTSET)


def test_both_books_have_the_same_fills_at_the_same_times(pilot: Pilot) -> None:
    """VALR filled each of them within the weeks of the run; none is dated by the clock of the test."""
    here = pilot.ledger.rows("SELECT venue_order_id, quantity, price, fee, at FROM helios_fills ORDER BY id")
    there = {fill["order_id"]: fill for fill in pilot.venue.fills()}
    assert len(here) == len(there) >= 50
    for row in here:
        fill = there[row["venue_order_id"]]
        assert [Decimal(row[name]) for name in ("quantity", "price", "fee")] == [
            fill[name] for name in ("quantity", "price", "fee")
        ]
        assert row["at"] == fill["at"] <= MIDNIGHT


def test_the_balance_is_the_capital_and_the_profit(pilot: Pilot) -> None:
    """The capital was written down before the first trade, and nothing is left in coins."""
    (capital,) = pilot.ledger.rows("SELECT * FROM helios_capital")
    (first,) = pilot.ledger.rows("SELECT min(at) AS at FROM helios_fills")
    profit = pilot.ledger.total("SELECT profit FROM helios_trades WHERE account = 'live'")
    assert capital["at"] < first["at"]
    assert pilot.venue.balances()["ZAR"] == Decimal(capital["amount"]) + profit
    assert pilot.venue.balances()["BTC"] == 0


def test_some_trades_lose_and_no_three_days_in_a_row(pilot: Pilot) -> None:
    """A history in which everything is won proves no metric; one with a red flag would not be there."""
    rows = pilot.ledger.rows("SELECT substr(closed_at, 1, 10) AS day, profit FROM helios_trades ORDER BY closed_at")
    assert 0 < sum(Decimal(row["profit"]) < 0 for row in rows) < len(rows) * 2 / 5
    days = [sum(Decimal(row["profit"]) for row in group) for _, group in itertools.groupby(rows, lambda row: row["day"])]
    runs = [len(list(group)) for lost, group in itertools.groupby(days, lambda profit: profit < 0) if lost]
    assert max(runs) <= 2


def test_the_venue_is_in_the_present_again(pilot: Pilot) -> None:
    """What is placed after the run is dated by the clock."""
    order = {"pair": season.PAIR, "side": "BUY", "kind": "limit", "size_zar": "50", "price": "500000", "quantity": "0",
             "key": "test-present"}  # fmt: skip
    pilot.venue.place(order)
    (resting,) = pilot.venue.open_orders()
    pilot.venue.cancel(season.PAIR, "test-present")
    assert datetime.now(UTC) - datetime.fromisoformat(resting["at"]) < timedelta(minutes=1)


def test_recent_weeks_are_not_traded_again(pilot: Pilot) -> None:
    """A second start finds them."""
    before = len(pilot.venue.fills())
    assert pilot.run() == 0
    assert len(pilot.venue.fills()) == before


def test_a_venue_that_refuses_leaves_the_lever_undone(pilot: Pilot, tmp_path: Path) -> None:
    """An interrupted run is told, and the clock and the price of the venue are real again."""
    pulled: list[dict[str, object]] = []
    ledger = Ledger(tmp_path / "ledger.sqlite")
    try:
        Books(ledger, now=lambda: NOW).open_account(LIVE_ACCOUNT, LIVE, purpose="test", opening=Decimal(0))
        with pytest.raises(BrokerError):
            season.ensure(ledger, VALRTradingClient(None), lambda **wish: pulled.append(wish), NOW)
    finally:
        ledger.close()
    assert pulled[-1] == {"at": "", "price_factor": "1", "symbol": season.PAIR}
