"""The pilot: weeks of trading with small amounts at VALR that lie behind the desk, really traded there.

The strategy runs over a seeded price walk, through the gates, by the live client; VALR fills its orders and its resting exits.
Two clocks are simulated, that of the books and that of the venue, which a lever sets back for as long as the run lasts. So both
sides have the same weeks, each from what it saw itself, and statistics of live trading come from trades that took place.
"""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any, final

from examples.desk import clock
from examples.desk.ledger import Ledger
from examples.desk.routing import records
from examples.desk.routing.books import LIVE, LIVE_ACCOUNT, Books
from examples.desk.routing.clients import VALRTradingClient
from examples.desk.routing.engine import Engine, Way
from examples.desk.routing.execution import LOGGER, MonitoredExecution
from examples.desk.routing.market import WINDOW, MemoryMarket, signal
from examples.desk.routing.safety import LiveSafetyGates, RiskLimits
from examples.desk.routing.stop import Halt
from examples.desk.symbols import RAND_SYMBOLS

PAIR = "BTCZAR"
DAYS = 36
STEP = timedelta(hours=2)
STALE = timedelta(days=2)
SEED = 112
SWITCH, ON = "DESK_PAST", "traded"
"""Only a desk that is started with this variable at this value has a past; one that needs none is up sooner."""

_MIDDLE = float(RAND_SYMBOLS[PAIR].listed)
_LIMITS = RiskLimits(
    position_zar=Decimal(250), portfolio_risk_pct=Decimal(10), daily_loss_zar=Decimal(500), open_positions=Decimal(3)
)

Steer = Callable[..., None]
"""Moves the venue: `at` is its time (empty: the real one), `price_factor` and `symbol` its price."""


def ensure(ledger: Ledger, live: VALRTradingClient, steer: Steer, now: datetime) -> int:
    """Trade what is missing of the last weeks up to the midnight before `now`; how many days that were."""
    end = datetime.combine(now.astimezone(UTC).date(), time(0), UTC)
    row = ledger.row("SELECT max(at) AS last FROM helios_fills WHERE account = ?", LIVE_ACCOUNT)
    begin = end - DAYS * timedelta(days=1)
    if row and row["last"]:
        last = datetime.fromisoformat(row["last"])
        if end - last < STALE:
            return 0
        begin = max(begin, datetime.combine(last.astimezone(UTC).date() + timedelta(days=1), time(0), UTC))
    _Season(ledger, live, steer, begin, end).run()
    return (end - begin).days


def prices(seed: int = SEED) -> list[Decimal]:
    """The walk of all days: a price that wanders and is drawn back to its middle."""
    rng, found, price = random.Random(seed), [], _MIDDLE
    for _ in range(int(DAYS * timedelta(days=1) / STEP)):
        price += 0.15 * (_MIDDLE - price) + rng.gauss(0.0, 0.0095) * _MIDDLE
        found.append(Decimal(f"{price:.2f}"))
    return found


@final
class _Season:
    """One run from a midnight to a midnight."""

    def __init__(self, ledger: Ledger, live: VALRTradingClient, steer: Steer, begin: datetime, end: datetime) -> None:
        self._moment = begin
        self._end = end
        self._over = False
        self._live = live
        self._steer = steer
        self._books = Books(ledger, now=lambda: self._moment)
        self._market = MemoryMarket()
        self._recent: deque[Decimal] = deque(maxlen=WINDOW)
        self._engine = Engine(
            self._books,
            ways=self._way,
            market=self._market,
            gates=LiveSafetyGates(_LIMITS),
            execution=MonitoredExecution(self._books, None),
            halt=Halt(self._books),
        )

    def run(self) -> None:
        """Trade; the venue is in the present again afterwards, whatever happened."""
        walk = prices()[-int((self._end - self._moment) / STEP) :]
        with _dated(lambda: self._moment):
            try:
                self._steer(at=clock.iso(self._moment))
                records.starting_capital(self._books, self._live.cash(LIVE_ACCOUNT))
                for price in walk:
                    if self._over:
                        break
                    self._moment += STEP
                    self._turn(price)
                self._close()
            finally:
                self._steer(at="", price_factor="1", symbol=PAIR)

    def _turn(self, price: Decimal) -> None:
        """One price: an exit that it reaches, or the entry that the strategy makes of it."""
        held = self._books.position(LIVE_ACCOUNT, PAIR)
        if held is not None:
            self._seen(price)
            if price <= Decimal(held["stop"]) or price >= Decimal(held["target"]):
                self._move(price)
                self._engine.reconcile(LIVE_ACCOUNT)
        elif signal([*self._recent, price][-WINDOW:]) is not None:
            self._move(price)
            self._recent.append(price)
            told = self._engine.feed(LIVE_ACCOUNT, PAIR, price)
            order = (told["signal"] or {}).get("order")
            if order is None or order["state"] != "filled":
                # somebody has halted trading, or VALR does not fill: then these weeks stay without trades
                self._over = True
        else:
            self._seen(price)

    def _seen(self, price: Decimal) -> None:
        self._recent.append(price)
        self._market.feed(LIVE_ACCOUNT, PAIR, price)

    def _move(self, price: Decimal) -> None:
        factor = price / RAND_SYMBOLS[PAIR].listed
        self._steer(at=clock.iso(self._moment), price_factor=f"{factor:.8f}", symbol=PAIR)

    def _close(self) -> None:
        if self._books.position(LIVE_ACCOUNT, PAIR):
            self._steer(at=clock.iso(self._moment))
            self._engine.close(LIVE_ACCOUNT, PAIR, source="end of pilot", key=f"pilot-end-{self._books.at()}")

    def _way(self, account: Mapping[str, Any]) -> Way:
        return Way(
            path=LIVE,
            client=self._live,
            trader=lambda: self._live,
            confirm_live=lambda trade: "",
            connected=self._live.connected,
            resting_exits=True,
        )


@contextmanager
def _dated(now: Callable[[], datetime]) -> Iterator[None]:
    """Lines of the trading log carry the time of the run."""

    def date(record: logging.LogRecord) -> bool:
        record.created = now().timestamp()
        record.msecs = 0.0
        return True

    log = logging.getLogger(LOGGER)
    log.addFilter(date)
    try:
        yield
    finally:
        log.removeFilter(date)
