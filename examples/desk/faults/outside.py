"""Faults of the world outside: the exchanges and the cache really behave so, whoever asks them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from examples.desk.venues import SLIPPAGE
from examples.desk.venues.keyring import READ, TRADE, WITHDRAW

if TYPE_CHECKING:
    from examples.desk.service import Service

STRANGE = "Delegate"
"""A permission that no exchange has today."""


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


def allow_withdrawals(desk: Service, venue: str) -> None:
    """The key may also send money away."""
    desk.neighbours.steer(venue, permissions=[READ, TRADE, WITHDRAW])


def forbid_trading(desk: Service, venue: str) -> None:
    """The key may only look; the exchange refuses its orders."""
    desk.neighbours.steer(venue, permissions=[READ])


def usual_permissions(desk: Service, venue: str) -> None:
    """The key may look and trade, no more."""
    desk.neighbours.steer(venue, permissions=[READ, TRADE])


def grant_strange_permission(desk: Service, venue: str) -> None:
    """The exchange tells of a permission that did not exist when the gate was written."""
    desk.neighbours.steer(venue, strange_permission=STRANGE)


def take_strange_permission(desk: Service, venue: str) -> None:
    """The exchange tells of known permissions only."""
    desk.neighbours.steer(venue, strange_permission="")


def empty_book(desk: Service, venue: str) -> None:
    """Nobody bids or asks: the order books of the exchange are empty."""
    desk.neighbours.steer(venue, book_empty=True)


def fill_book(desk: Service, venue: str) -> None:
    """The makers are back."""
    desk.neighbours.steer(venue, book_empty=False)


def hide_balances(desk: Service, venue: str) -> None:
    """The exchange answers, but tells no balance of anybody."""
    desk.neighbours.steer(venue, balances_missing=True)


def show_balances(desk: Service, venue: str) -> None:
    """The exchange tells what everybody holds."""
    desk.neighbours.steer(venue, balances_missing=False)


def thin_market(desk: Service, venue: str) -> None:
    """Market orders are filled almost one percent worse than the price, as in a market in which nobody stands."""
    desk.neighbours.steer(venue, slippage="0.008")


def deep_market(desk: Service, venue: str) -> None:
    """Market orders are filled near the price again."""
    desk.neighbours.steer(venue, slippage=str(SLIPPAGE))


def take_cache_down(desk: Service, subject: str) -> None:
    """Nobody listens on the cache's port."""
    desk.neighbours.steer("cache", up=False)


def bring_cache_up(desk: Service, subject: str) -> None:
    """The cache listens on the same port again."""
    desk.neighbours.steer("cache", up=True)


def take_docstore_down(desk: Service, subject: str) -> None:
    """Nobody listens on the document store's port, and whoever was connected is hung up on."""
    desk.neighbours.steer("docstore", up=False)


def bring_docstore_up(desk: Service, subject: str) -> None:
    """The document store listens on the same port again, with all that was in it."""
    desk.neighbours.steer("docstore", up=True)


def close_post(desk: Service, subject: str) -> None:
    """Nobody listens on the mail server's port."""
    desk.neighbours.steer("mail", up=False)


def open_post(desk: Service, subject: str) -> None:
    """The mail server listens on the same port again."""
    desk.neighbours.steer("mail", up=True)


def refuse_mail(desk: Service, subject: str) -> None:
    """The mail server takes no recipient."""
    desk.neighbours.steer("mail", refuse=True)


def accept_mail(desk: Service, subject: str) -> None:
    """The mail server takes recipients again."""
    desk.neighbours.steer("mail", refuse=False)


def close_management(desk: Service, subject: str) -> None:
    """Nobody listens on the management port."""
    desk.neighbours.steer("ssh", up=False)


def open_management(desk: Service, subject: str) -> None:
    """The management port greets again."""
    desk.neighbours.steer("ssh", up=True)


def age_docstore(desk: Service, subject: str) -> None:
    """The document store is of an old version."""
    desk.neighbours.steer("docstore", up=True, old=True)


def renew_docstore(desk: Service, subject: str) -> None:
    """The document store is of its own version again."""
    desk.neighbours.steer("docstore", up=True, old=False)


def change_mail_password(desk: Service, subject: str) -> None:
    """The mail provider has another password for our account."""
    desk.neighbours.steer("mail", other_password=True)


def change_mail_password_back(desk: Service, subject: str) -> None:
    """The mail provider has our password again."""
    desk.neighbours.steer("mail", other_password=False)
