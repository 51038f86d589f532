"""The terms under which bots trade: the variables of document 003, read once at the start, each with its unit and its bounds.

A value that cannot be meant ends the start: a drawdown of 20 instead of 0.20 would stop nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import time
from decimal import Decimal, InvalidOperation
from typing import Any, final

from examples.desk.errors import DeskError

DEFAULTS: Mapping[str, str] = {
    "MAX_TRADES_PER_BOT_DAILY": "50",
    "MAX_TRADES_PER_USER_DAILY": "500",
    "BURST_LIMIT_ORDERS_PER_EXCHANGE": "10",
    "BURST_LIMIT_WINDOW_SECONDS": "10",
    "MAX_DRAWDOWN_PERCENT": "0.20",
    "MAX_DAILY_LOSS_PERCENT": "0.10",
    "MAX_CONSECUTIVE_LOSSES": "5",
    "MAX_ERRORS_PER_HOUR": "10",
    "MIN_EDGE_BPS": "10.0",
    "SAFETY_MARGIN_BPS": "5.0",
    "SLIPPAGE_BUFFER_BPS": "10.0",
    "REINVEST_THRESHOLD": "500",
    "REINVEST_TOP_N": "3",
    "REINVEST_PERCENTAGE": "80",
    "DAILY_REINVEST_TIME": "02:00",
    "DAILY_REPORT_TIME": "08:00",
}
"""What document 003 says of a variable that is not set."""

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Limits of all bots. Fractions are fractions of capital, `*_bps` hundredths of a percent, times of day UTC."""

    max_trades_per_bot: int
    max_trades_per_user: int
    burst_orders: int
    burst_seconds: int
    max_drawdown: Decimal
    max_daily_loss: Decimal
    max_consecutive_losses: int
    max_errors_per_hour: int
    min_edge_bps: Decimal
    safety_margin_bps: Decimal
    slippage_buffer_bps: Decimal
    reinvest_threshold: Decimal
    reinvest_top: int
    reinvest_percentage: Decimal
    reinvest_at: time
    report_at: time

    def named(self) -> dict[str, Any]:
        """The terms under the names of their variables, as the API tells them."""
        told = {name: getattr(self, field) for name, (field, _) in _VARIABLES.items()}
        return {name: value.strftime("%H:%M") if isinstance(value, time) else value for name, value in told.items()}


def load(environ: Mapping[str, str]) -> Terms:
    """The terms in these variables; DeskError for one that cannot be meant."""
    terms = Terms(**{field: read(environ, name) for name, (field, read) in _VARIABLES.items()})
    if terms.max_trades_per_bot > terms.max_trades_per_user:
        raise DeskError(
            "MAX_TRADES_PER_BOT_DAILY is above MAX_TRADES_PER_USER_DAILY", hint="a bot cannot trade more than its user"
        )
    if terms.max_daily_loss > terms.max_drawdown:
        raise DeskError("MAX_DAILY_LOSS_PERCENT is above MAX_DRAWDOWN_PERCENT", hint="the day's limit must be reached first")
    return terms


_Reader = Callable[[Mapping[str, str], str], Any]


def seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    """How often the desk does something, or how long it waits; 0.1 to 60 seconds. DeskError for anything else."""
    text = environ.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 60:
        raise DeskError(f"{name} is {text!r}", hint="seconds from 0.1 to 60")
    return value


def _text(environ: Mapping[str, str], name: str) -> str:
    text = environ.get(name, DEFAULTS[name])
    if not text:
        raise DeskError(f"{name} is empty", hint=f"for instance {name}={DEFAULTS[name]}")
    return text


def _whole(least: int, most: int) -> _Reader:
    def read(environ: Mapping[str, str], name: str) -> int:
        text = _text(environ, name)
        if not re.fullmatch(r"\d{1,9}", text) or not least <= int(text) <= most:
            raise DeskError(f"{name}={text} is not a whole number from {least} to {most}", hint="correct it in .env")
        return int(text)

    return read


def _number(least: str, most: str, *, above: bool = False) -> _Reader:
    low, high = Decimal(least), Decimal(most)

    def read(environ: Mapping[str, str], name: str) -> Decimal:
        text = _text(environ, name)
        try:
            number = Decimal(text)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or not low <= number <= high or (above and number == low):
            raise DeskError(
                f"{name}={text} is not a number {'above' if above else 'from'} {least}, up to {most}", hint="mind the unit"
            )
        return number

    return read


def _time_of_day(environ: Mapping[str, str], name: str) -> time:
    text = _text(environ, name)
    match = _TIME.fullmatch(text)
    if match is None:
        raise DeskError(f"{name}={text} is not a time of day such as 02:00", hint="24 hours, UTC, no quotes")
    return time(int(match[1]), int(match[2]))


_VARIABLES: Mapping[str, tuple[str, _Reader]] = {
    "MAX_TRADES_PER_BOT_DAILY": ("max_trades_per_bot", _whole(1, 10_000)),
    "MAX_TRADES_PER_USER_DAILY": ("max_trades_per_user", _whole(1, 100_000)),
    "BURST_LIMIT_ORDERS_PER_EXCHANGE": ("burst_orders", _whole(1, 1_000)),
    "BURST_LIMIT_WINDOW_SECONDS": ("burst_seconds", _whole(1, 3_600)),
    "MAX_DRAWDOWN_PERCENT": ("max_drawdown", _number("0", "0.99", above=True)),
    "MAX_DAILY_LOSS_PERCENT": ("max_daily_loss", _number("0", "0.99", above=True)),
    "MAX_CONSECUTIVE_LOSSES": ("max_consecutive_losses", _whole(1, 100)),
    "MAX_ERRORS_PER_HOUR": ("max_errors_per_hour", _whole(1, 1_000)),
    "MIN_EDGE_BPS": ("min_edge_bps", _number("0", "1000", above=True)),
    "SAFETY_MARGIN_BPS": ("safety_margin_bps", _number("0", "1000")),
    "SLIPPAGE_BUFFER_BPS": ("slippage_buffer_bps", _number("0", "1000")),
    "REINVEST_THRESHOLD": ("reinvest_threshold", _number("0", "1000000000")),
    "REINVEST_TOP_N": ("reinvest_top", _whole(1, 100)),
    "REINVEST_PERCENTAGE": ("reinvest_percentage", _number("1", "100")),
    "DAILY_REINVEST_TIME": ("reinvest_at", _time_of_day),
    "DAILY_REPORT_TIME": ("report_at", _time_of_day),
}
"""Every variable of the terms: the field it becomes, and how it is read."""
