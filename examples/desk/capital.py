"""Capital: a fifth of each account is never promised, and every position and every order under way has its reservation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import final

from examples.desk import clock
from examples.desk.broker import Broker
from examples.desk.clock import Clock
from examples.desk.ledger import Ledger
from examples.desk.symbols import ACCOUNTS, CASH, SYMBOLS, TESTNET, Account
from examples.desk.venues import FEE, SLIPPAGE

LIVE = "live"
"""The environment of real money; the other is the testnet."""

_FRACTION = Decimal("0.0001")
_CENT = Decimal("0.01")
_RESERVED = "SELECT amount FROM reservations WHERE account = ? AND environment = ?"


class CapitalRefused(Exception):
    """A reservation would promise more than the account may promise."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What an account has at its exchange and what of it is promised; `buffer` is the unpromised fraction."""

    account: str
    environment: str
    total: Decimal
    reserved: Decimal
    positions: Decimal
    buffer: Decimal
    available: Decimal


@final
class Capital:
    """Reservations in the ledger, held against the balances that the exchange tells."""

    def __init__(self, ledger: Ledger, brokers: Mapping[str, Broker], *, buffer: Decimal, now: Clock) -> None:
        self._ledger = ledger
        self._brokers = brokers
        self._buffer = buffer
        self._now = now

    def venue(self, account: Account, environment: str) -> Broker:
        """Where the account trades in this environment."""
        return self._brokers[TESTNET if environment == TESTNET else account.broker]

    def standing(self, name: str, environment: str | None = None) -> Standing:
        """The account's capital now, asked of the exchange; BrokerError if it cannot be told."""
        account = ACCOUNTS[name]
        environment = environment or (TESTNET if account.drill else LIVE)
        broker = self.venue(account, environment)
        balances = broker.balances(name)
        positions = sum(
            (balances[symbol.base] * broker.price(symbol.name) for symbol in SYMBOLS.values() if balances.get(symbol.base)),
            Decimal(0),
        )
        total = (balances.get(CASH, Decimal(0)) + positions).quantize(_CENT, rounding=ROUND_DOWN)
        reserved = self._ledger.total(_RESERVED, name, environment)
        return Standing(
            account=name,
            environment=environment,
            total=total,
            reserved=reserved.quantize(_CENT),
            positions=positions.quantize(_CENT),
            buffer=(1 - reserved / total).quantize(_FRACTION, rounding=ROUND_DOWN) if total > 0 else Decimal(0),
            available=(total * (1 - self._buffer) - reserved).quantize(_CENT, rounding=ROUND_DOWN),
        )

    def reserve(self, name: str, environment: str, symbol: str, quantity: Decimal, reference: str) -> None:
        """Promise what a purchase will cost at most; CapitalRefused if the buffer would not hold."""
        standing = self.standing(name, environment)
        price = self.venue(ACCOUNTS[name], environment).price(symbol)
        cost = (price * quantity * (1 + SLIPPAGE * 2) * (1 + FEE)).quantize(_CENT)
        with self._ledger.change():
            # read again inside the change, so that no two orders are promised the same money
            reserved = self._ledger.total(_RESERVED, name, environment)
            limit = standing.total * (1 - self._buffer)
            if reserved + cost > limit:
                raise CapitalRefused(
                    f"{reserved + cost:.2f} of {standing.total} would be promised, and {self._buffer * 100:.0f} % stay free"
                )
            self._ledger.write(
                "INSERT INTO reservations(account, environment, symbol, purpose, reference, amount, at)"
                " VALUES (?,?,?,'order',?,?,?)",
                name, environment, symbol, reference, str(cost), clock.iso(self._now()),
            )  # fmt: skip

    def release(self, reference: str) -> None:
        """Take back the promise of an order that is over."""
        self._ledger.write("DELETE FROM reservations WHERE purpose = 'order' AND reference = ?", reference)

    def cover(self, name: str, environment: str, symbol: str, cost: Decimal) -> None:
        """Let the position's one reservation be just its cost; none if the position is closed."""
        reference = f"{environment}:{name}:{symbol}"
        with self._ledger.change():
            self._ledger.write("DELETE FROM reservations WHERE reference = ?", reference)
            if cost > 0:
                self._ledger.write(
                    "INSERT INTO reservations(account, environment, symbol, purpose, reference, amount, at)"
                    " VALUES (?,?,?,'position',?,?,?)",
                    name, environment, symbol, reference, str(cost), clock.iso(self._now()),
                )  # fmt: skip
