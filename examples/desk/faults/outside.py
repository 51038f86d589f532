"""Faults of the world outside: the exchanges and the cache really behave so, whoever asks them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from examples.desk.symbols import BROKERS

if TYPE_CHECKING:
    from examples.desk.service import Service

CRASH = Decimal("0.02")
"""What is left of every price in a crash."""


def close_authentication(desk: Service, broker: str) -> None:
    """The exchange refuses every signature."""
    desk.neighbours.steer(broker, authenticate=False)


def open_authentication(desk: Service, broker: str) -> None:
    """The exchange accepts good signatures again."""
    desk.neighbours.steer(broker, authenticate=True)


def begin_outage(desk: Service, broker: str) -> None:
    """The exchange answers 503 to everything."""
    desk.neighbours.steer(broker, outage=True)


def end_outage(desk: Service, broker: str) -> None:
    """The exchange is back."""
    desk.neighbours.steer(broker, outage=False)


def take_cache_down(desk: Service, subject: str) -> None:
    """Nobody listens on the cache's port."""
    desk.neighbours.steer("cache", up=False)


def bring_cache_up(desk: Service, subject: str) -> None:
    """The cache listens on the same port again."""
    desk.neighbours.steer("cache", up=True)


def drop_prices(desk: Service, subject: str) -> None:
    """A crash on all exchanges: the equity falls past the limit, and the risk state follows from that."""
    for broker in BROKERS:
        desk.neighbours.steer(broker, price_factor=str(CRASH))


def lift_prices(desk: Service, subject: str) -> None:
    """The prices are back where they were."""
    for broker in BROKERS:
        desk.neighbours.steer(broker, price_factor="1")
