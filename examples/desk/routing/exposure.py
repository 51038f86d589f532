"""What an account has lost today, and what it would lose if every stop were hit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

from examples.desk.routing.books import Books
from examples.desk.routing.safety import Trade


def daily_loss(books: Books, account: str) -> Decimal:
    """What the trades closed since midnight UTC have lost together; zero if they have not."""
    midnight = datetime.combine(books.now().astimezone(UTC).date(), time(0), UTC)
    return max(Decimal(0), -books.realized(account, midnight))


def risk_pct(standing: Mapping[str, Any], trade: Trade, price: Decimal) -> Decimal:
    """The loss down to every stop, that of the trade included, in percent of the equity; all of it where nothing is left."""
    held = (_at_risk(one["quantity"], one["entry_price"], one["stop"]) for one in standing["positions"])
    risk = sum(held, _at_risk(trade.size_zar / price, price, trade.stop))
    return risk / standing["equity"] * 100 if standing["equity"] > 0 else Decimal(100)


def _at_risk(quantity: Any, entry: Any, stop: Any) -> Decimal:
    """What a position loses down to its stop; all of it without one."""
    size, price = Decimal(quantity), Decimal(entry)
    return max(Decimal(0), size * (price - (Decimal(0) if stop is None else Decimal(stop))))
