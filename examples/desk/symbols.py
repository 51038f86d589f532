"""What is traded, and who trades it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import final


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """A pair: `base` is bought and sold for `quote`, in multiples of `step`."""

    name: str
    base: str
    quote: str
    listed: Decimal
    step: Decimal


SYMBOLS: Mapping[str, Symbol] = {
    symbol.name: symbol
    for symbol in (
        Symbol(name="BTCUSDT", base="BTC", quote="USDT", listed=Decimal(60000), step=Decimal("0.0001")),
        Symbol(name="ETHUSDT", base="ETH", quote="USDT", listed=Decimal(3000), step=Decimal("0.001")),
    )
}
CASH = "USDT"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account at a broker; that of a drill account is the testnet, and it never trades anywhere else."""

    name: str
    broker: str
    drill: bool = False
    profile: str = "micro"


BROKERS = ("coinbase", "kraken")
TESTNET = "testnet"
VALR = "valr"
VENUES = (*BROKERS, TESTNET, VALR)
"""Every exchange of the street: those of the order pipeline, the testnet, and the one that is paid in rand."""

RAND = "ZAR"
RAND_SYMBOLS: Mapping[str, Symbol] = {
    symbol.name: symbol
    for symbol in (
        Symbol(name="BTCZAR", base="BTC", quote=RAND, listed=Decimal(1_080_000), step=Decimal("0.000001")),
        Symbol(name="ETHZAR", base="ETH", quote=RAND, listed=Decimal(54_000), step=Decimal("0.00001")),
    )
}
"""What VALR trades; the order pipeline reckons in dollars and does not know them."""

ACCOUNTS: Mapping[str, Account] = {
    account.name: account
    for account in (
        Account(name="alpha", broker="coinbase"),
        Account(name="beta", broker="kraken"),
        Account(name="gamma", broker="kraken"),
        Account(name="drill-a", broker=TESTNET, drill=True),
        Account(name="drill-b", broker=TESTNET, drill=True),
    )
}

HELIOS = Account(name="helios", broker=VALR)
"""The account at VALR; it is not among those of the order pipeline, as its money is rand."""


def traded(venue: str) -> Mapping[str, Symbol]:
    """What is traded at a venue."""
    return RAND_SYMBOLS if venue == VALR else SYMBOLS


OPENING: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "coinbase": {"alpha": {"USDT": "6000", "BTC": "0.1"}},
    "kraken": {"beta": {"USDT": "5000", "ETH": "1.5"}, "gamma": {"USDT": "8000"}},
    TESTNET: {name: {"USDT": "10000"} for name in ACCOUNTS},
    VALR: {HELIOS.name: {RAND: "800"}},
}
"""What the exchanges hold for each account when they first open."""
