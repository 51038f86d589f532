"""A paper run of some weeks, really run: the strategy over a seeded price walk, filled by the paper client, into the books.

The clock is simulated and ends at the time of the run, so that the ledger's statistics come from trades that took place, with
fees, slippage, partial fills and failures, and not from figures that somebody wrote down.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from examples.desk.ledger import Ledger
from examples.desk.routing.books import PAPER, PAPER_ACCOUNT, Books
from examples.desk.routing.clients import PaperTradingClient, Terms
from examples.desk.routing.engine import Engine, Way
from examples.desk.routing.execution import MonitoredExecution
from examples.desk.routing.market import MemoryMarket
from examples.desk.routing.safety import LiveSafetyGates, RiskLimits
from examples.desk.routing.stop import Halt

PAIR = "BTCZAR"
OPENING = Decimal(100_000)
DAYS = 45
STEP = timedelta(minutes=30)
STALE = timedelta(days=5)
SEED = 148

_MIDDLE = 1_150_000.0
_LIMITS = RiskLimits(
    position_zar=Decimal(10_000), portfolio_risk_pct=Decimal(10), daily_loss_zar=Decimal(2000), open_positions=Decimal(3)
)


def ensure(ledger: Ledger, now: datetime) -> bool:
    """Run anew unless the newest paper trade is recent; whether it ran."""
    row = ledger.row("SELECT max(closed_at) AS last FROM helios_trades WHERE account = ?", PAPER_ACCOUNT)
    if row and row["last"] and now - datetime.fromisoformat(row["last"]) < STALE:
        return False
    run(ledger, now)
    return True


def run(ledger: Ledger, end: datetime, *, seed: int = SEED) -> None:
    """The paper account's run that ends with the day before `end`; an older one goes."""
    # days begin at midnight, so that the same seed has the same losing days whenever it is run
    clock = _Clock(datetime.combine(end.astimezone(UTC).date(), time(0), UTC) - DAYS * timedelta(days=1))
    with ledger.change():
        books = Books(ledger, now=clock)
        books.forget_account(PAPER_ACCOUNT)
        books.open_account(PAPER_ACCOUNT, PAPER, purpose="paper run", opening=OPENING)
        engine = _engine(books, random.Random(seed))
        for price in _walk(random.Random(seed), int(DAYS * timedelta(days=1) / STEP)):
            clock.moment += STEP
            engine.feed(PAPER_ACCOUNT, PAIR, price)
        if books.position(PAPER_ACCOUNT, PAIR):
            engine.close(PAPER_ACCOUNT, PAIR, source="end of run", key=f"paper-run-end-{books.at()}")


class _Clock:
    """A clock that the run moves."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment


def _engine(books: Books, rng: random.Random) -> Engine:
    market = MemoryMarket()
    client = PaperTradingClient(books, market.last, terms=lambda account: Terms(), rng=rng)

    def way(account: Mapping[str, Any]) -> Way:
        return Way(
            path=PAPER,
            client=client,
            trader=lambda: client,
            confirm_live=lambda trade: "this is paper",
            connected=client.connected,
        )

    return Engine(
        books, ways=way, market=market, gates=LiveSafetyGates(_LIMITS), execution=MonitoredExecution(books, _nobody, quiet=True),
        halt=Halt(books),
    )  # fmt: skip


def _nobody(title: str, message: str) -> None:
    raise AssertionError("a paper trade sends no alert")


def _walk(rng: random.Random, steps: int) -> list[Decimal]:
    """A price that wanders and is drawn back to its middle, as one does in a quiet market."""
    prices, price = [], _MIDDLE
    for _ in range(steps):
        price += 0.06 * (_MIDDLE - price) + rng.gauss(0.0, 0.006) * _MIDDLE
        prices.append(Decimal(f"{price:.2f}"))
    return prices
