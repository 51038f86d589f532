"""How each venue speaks: its own paths, signatures, words and errors, in front of the same engine."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from examples.desk.symbols import TESTNET, VALR
from examples.desk.web import Routes

if TYPE_CHECKING:
    from examples.desk.venues.exchange import Exchange

DIALECTS = {"kraken": "kraken", "coinbase": "coinbase", TESTNET: "binance", VALR: "valr"}
"""Venue -> module in this folder."""


def texts(value: Any) -> Any:
    """The value with each amount as a text, which is how all of these venues send them."""
    if isinstance(value, Mapping):
        return {name: texts(part) for name, part in value.items()}
    if isinstance(value, list):
        return [texts(part) for part in value]
    return format(value, "f") if isinstance(value, Decimal) else value


def dialect(exchange: Exchange) -> Routes:
    """The addresses that the venue has beside those of the generic API."""
    module = importlib.import_module(f"{__name__}.{DIALECTS[exchange.name]}")
    return cast("Routes", module.routes(exchange))
