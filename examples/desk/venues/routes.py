"""What the desk's API tells of the venues, and the lever by which a drill moves a price there."""

from __future__ import annotations

from typing import Any

from examples.desk import clock
from examples.desk.errors import BrokerError, DeskError
from examples.desk.service import Service
from examples.desk.symbols import OPENING, TESTNET, VALR, traded
from examples.desk.web import Answer, Refused, Request, Routes, answer

MOVABLE = (TESTNET, VALR)
"""Where a price may be moved without faults being allowed: no account of the order pipeline has real money there."""


def routes(desk: Service) -> Routes:
    """The addresses under /venues."""

    def venues(request: Request) -> Answer:
        return answer({"venues": [_venue(desk, name) for name in desk.brokers], "checked_at": clock.now()})

    def orders(request: Request, venue: str) -> Answer:
        broker = desk.brokers[_known(desk, venue)]
        try:
            found = [order for account in OPENING[venue] for order in broker.open_orders(account)]
        except BrokerError as error:
            raise Refused(502, f"{venue} cannot be asked: {error.message}") from error
        return answer({"venue": venue, "orders": found, "checked_at": clock.now()})

    def price(request: Request, venue: str) -> Answer:
        _known(desk, venue)
        if venue not in MOVABLE and not desk.settings.faults_allowed:
            raise Refused(403, f"prices of {venue} move only on a desk that was started with faults")
        wish = request.json()
        symbol = str(wish.get("symbol", ""))
        if symbol not in traded(venue):
            raise Refused(400, f"symbol is one of {', '.join(traded(venue))}")
        try:
            desk.neighbours.steer(venue, price_factor=str(wish.get("factor", "")), symbol=symbol)
        except DeskError as error:
            raise Refused(400, str(error)) from error
        return answer({"venue": venue, "symbol": symbol, "price": desk.brokers[venue].price(symbol), "checked_at": clock.now()})

    return (
        ("GET", "/venues", venues),
        ("GET", "/venues/{venue}/orders", orders),
        ("POST", "/venues/{venue}/price", price),
    )


def _venue(desk: Service, name: str) -> dict[str, Any]:
    return {
        "venue": name,
        "url": desk.brokers[name].url,
        "accounts": list(OPENING[name]),
        "symbols": list(traded(name)),
        "state": desk.broker_health[name].state()["state"],
    }


def _known(desk: Service, venue: str) -> str:
    if venue not in desk.brokers:
        raise Refused(404, f"no venue {venue}; there are {', '.join(desk.brokers)}")
    return venue
