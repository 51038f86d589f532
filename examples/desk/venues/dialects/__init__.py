"""How each venue speaks: its own paths, signatures, words and errors, in front of the same engine."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from examples.desk.symbols import VALR
from examples.desk.web import Routes

if TYPE_CHECKING:
    from examples.desk.venues.exchange import Exchange

DIALECTS = {VALR: "valr"}
"""Venue -> module in this folder."""


def dialect(exchange: Exchange) -> Routes:
    """The addresses that the venue has beside those of the generic API."""
    if exchange.name not in DIALECTS:
        return ()
    module = importlib.import_module(f"{__name__}.{DIALECTS[exchange.name]}")
    return cast("Routes", module.routes(exchange))
