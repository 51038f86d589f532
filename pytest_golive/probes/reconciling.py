"""What the ledger says is held, compared with what the exchange says; the part of the kind ledger that asks somebody else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from pytest_golive import probes
from pytest_golive.errors import MissingExtra, ProbeError
from pytest_golive.expect.grammar import compile_path
from pytest_golive.expect.paths import Missing
from pytest_golive.expect.values import described
from pytest_golive.model import Context
from pytest_golive.probes.agree import Source
from pytest_golive.probes.base import Text
from pytest_golive.redaction import Redactor
from pytest_golive.trading import Unknowable
from pytest_golive.trading.fills import amount
from pytest_golive.trading.profit import Position
from pytest_golive.trading.reconcile import reconcile


class Reconcile(BaseModel):
    """Where the other book is, and which of its assets is which symbol here.

    `{with: {exchange: {…}, value: balances}, assets: {BTCUSDT: BTC}}`
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    with_: Source = Field(alias="with")
    assets: Annotated[dict[Text, Text], Field(min_length=1)]

    def facts(self, positions: Iterable[Position], context: Context) -> dict[str, Any]:
        """`reconciled`, each asset in both books, and the relative `largest_difference`; ProbeError if the other says nothing."""
        ledger = dict.fromkeys(self.assets.values(), Decimal(0))
        for position in positions:
            if position.symbol not in self.assets:
                raise ProbeError(f"the ledger holds {position.symbol}, which assets does not name", hint="name its asset")
            ledger[self.assets[position.symbol]] += position.quantity
        try:
            told = reconcile(ledger, self._there(context, frozenset(ledger)))
        except Unknowable as error:
            raise ProbeError(f"there is no reconciliation: {error}", hint="see what with and value name") from None
        shown = [
            {"asset": e.asset, "ledger": e.ledger, "exchange": e.exchange, "difference": e.difference, "relative": e.relative}
            for e in told
        ]
        return {"reconciled": shown, "largest_difference": told[0].relative}

    def _there(self, context: Context, assets: frozenset[str]) -> dict[str, Decimal]:
        """The amounts of these assets in the other book; an exchange leaves out what it holds none of."""
        try:
            facts = probes.observe(self.with_.probe, context, Redactor()).facts
            book = compile_path(self.with_.value).select(facts)
        except MissingExtra:
            raise
        except ProbeError as error:
            raise ProbeError(f"the other book cannot be read: {error.message}", hint=error.hint) from None
        except Missing as missing:
            raise ProbeError(f"the other book has no {self.with_.value}: {missing}", hint="correct value, or see why") from None
        if not isinstance(book, Mapping) or not book:
            raise ProbeError(f"the other book is {described(book)}, no mapping from asset to amount", hint="correct value")
        amounts = dict.fromkeys(sorted(assets), Decimal(0))
        for asset in amounts.keys() & book.keys():
            number = amount(book[asset])
            if number is None:
                raise ProbeError(f"the other book's {asset} is {described(book[asset])}", hint="value is amounts by asset")
            amounts[asset] = number
        return amounts
