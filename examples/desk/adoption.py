"""Adoption: taking an account on, which means to log in at its exchange and to take what it holds there into the books."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from examples.desk import clock
from examples.desk.broker import Broker
from examples.desk.capital import LIVE
from examples.desk.clock import Clock
from examples.desk.errors import BrokerError
from examples.desk.ledger import Ledger
from examples.desk.positions import Positions
from examples.desk.symbols import SYMBOLS, TESTNET, Account


@final
class Adoption:
    """Who was taken on, and who could not be, with the reason."""

    def __init__(self, ledger: Ledger, positions: Positions, brokers: Mapping[str, Broker], *, now: Clock) -> None:
        self._ledger = ledger
        self._positions = positions
        self._brokers = brokers
        self._now = now

    def adopt(self, account: Account) -> bool:
        """Take the account on and record how that went; holdings that are in the books already stay as they are."""
        environment = TESTNET if account.drill else LIVE
        broker = self._brokers[account.broker]
        at = clock.iso(self._now())
        state, reason = "adopted", ""
        try:
            balances = broker.balances(account.name)
            for symbol in SYMBOLS.values():
                if balances.get(symbol.base):
                    price = broker.price(symbol.name)
                    self._positions.adopt(account.name, environment, symbol.name, balances[symbol.base], price, at)
        except BrokerError as error:
            state, reason = "failed", error.message
        self._ledger.write(
            "INSERT OR REPLACE INTO adoptions VALUES (?, ?, ?, ?, ?)", account.name, account.broker, state, reason, at
        )
        return state == "adopted"

    def forget(self, account: str) -> None:
        """Remove the record of an account that is not ours."""
        self._ledger.write("DELETE FROM adoptions WHERE account = ?", account)

    def records(self) -> list[dict[str, Any]]:
        """All records, by account."""
        return self._ledger.rows("SELECT * FROM adoptions ORDER BY account")
