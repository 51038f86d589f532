"""Rows of a ledger read strictly into fills; whatever is wrong with a row is told, and no flawed row becomes a fill.

A row may come from a CSV file (all text), JSON lines or a database; which of its columns means what is said by a mapping from our
words to its names. Amounts must be plain decimal numbers: no thousands separators, no currency signs, no NaN.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any, Literal, cast, final

REQUIRED = ("at", "symbol", "side", "quantity", "price")
"""What every fill must say."""

OPTIONAL = ("id", "order_id", "fee", "account", "mode", "state")
"""What a fill may say besides."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TOLERANCE = timedelta(seconds=5)
"""How far a clock may run ahead before its times count as of the future."""

Side = Literal["BUY", "SELL"]
Unit = Literal["iso", "s", "ms"]
Flawed = Literal["missing", "unreadable", "zero", "negative", "future", "twice"]

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,2})?\Z")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution: so much of a symbol was bought or sold, at this price, for this fee in the currency of the price.

    `fee` is None if the ledger has no column for it; a ledger that has one and leaves it empty gives no fill.
    """

    row: int
    at: datetime
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal | None = None
    account: str = ""
    id: str = ""
    order_id: str = ""
    mode: str = ""

    def __post_init__(self) -> None:
        if not (self.quantity > 0 and self.price > 0):
            raise ValueError("a fill has a quantity and a price above zero")
        if self.at.tzinfo is None:
            raise ValueError("the time of a fill has a zone")


@final
@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Flaw:
    """What is wrong in one column of one row; rows count from 1."""

    row: int
    column: str
    reason: Flawed
    id: str = ""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The fills in the order of their rows, the flaws, and how many rows there were in each state."""

    rows: int
    fills: tuple[Fill, ...]
    flaws: tuple[Flaw, ...]
    states: Mapping[str, int]

    def flawed(self, reason: Flawed, *columns: str) -> list[Flaw]:
        """The flaws of one kind, of these columns or of all."""
        return [flaw for flaw in self.flaws if flaw.reason == reason and (not columns or flaw.column in columns)]


def read(
    rows: Iterable[Mapping[str, Any]],
    columns: Mapping[str, str],
    *,
    now: datetime,
    unit: Unit = "iso",
    zone: tzinfo = UTC,
    filled: frozenset[str] = frozenset({"filled", "closed"}),
) -> Reading:
    """Read rows by the names in `columns`; a row whose state is not one of `filled` is an order that brought no fill.

    Times without a zone are taken in `zone`; numbers are seconds or milliseconds since 1970 only if `unit` says so. KeyError for
    a row without a named column.
    """
    fills: list[Fill] = []
    flaws: list[Flaw] = []
    states: dict[str, int] = {}
    seen: set[str] = set()
    count = 0
    for count, row in enumerate(rows, 1):
        told = {ours: row[theirs] for ours, theirs in columns.items()}
        if "state" in told:
            state = _text(told["state"]).lower()
            states[state] = states.get(state, 0) + 1
            if state not in filled:
                continue
        reader = _Row(count, told, now=now, unit=unit, zone=zone)
        fill = reader.fill()
        if "id" in told and reader.id:
            if reader.id in seen:
                reader.flaw("id", "twice")
            seen.add(reader.id)
        flaws += reader.flaws
        if fill is not None and not reader.flaws:
            fills.append(fill)
    return Reading(rows=count, fills=tuple(fills), flaws=tuple(flaws), states=states)


class _Row:
    """One row on its way to a fill, and the flaws found on it."""

    def __init__(self, number: int, told: Mapping[str, Any], *, now: datetime, unit: Unit, zone: tzinfo) -> None:
        self._number, self._told, self._now, self._unit, self._zone = number, told, now, unit, zone
        self.id = _text(told.get("id"))
        self.flaws: list[Flaw] = []

    def flaw(self, column: str, reason: Flawed) -> None:
        self.flaws.append(Flaw(row=self._number, column=column, reason=reason, id=self.id))

    def fill(self) -> Fill | None:
        """The fill, or None if the row is flawed; every flaw of the row is noted."""
        at, symbol, side = self._at(), self._text("symbol"), self._side()
        quantity, price = self._amount("quantity"), self._amount("price")
        fee = self._fee() if "fee" in self._told else None
        for name in ("id", "order_id"):
            if name in self._told:
                self._text(name)
        if self.flaws or at is None or side is None or quantity is None or price is None:
            return None
        return Fill(
            row=self._number, at=at, symbol=symbol, side=side, quantity=quantity, price=price, fee=fee,
            account=_text(self._told.get("account")), id=self.id, order_id=_text(self._told.get("order_id")),
            mode=_text(self._told.get("mode")),
        )  # fmt: skip

    def _text(self, column: str) -> str:
        text = _text(self._told[column])
        if not text:
            self.flaw(column, "missing")
        return text

    def _side(self) -> Side | None:
        side = self._text("side").upper()
        if side in ("BUY", "SELL"):
            return cast("Side", side)
        if side:
            self.flaw("side", "unreadable")
        return None

    def _number_in(self, column: str) -> Decimal | None:
        value = self._told[column]
        number = amount(value)
        if number is None:
            self.flaw(column, "unreadable" if _text(value) else "missing")
        return number

    def _amount(self, column: str) -> Decimal | None:
        number = self._number_in(column)
        if number is not None and number <= 0:
            self.flaw(column, "negative" if number < 0 else "zero")
            return None
        return number

    def _fee(self) -> Decimal | None:
        """A fee of zero and a rebate below zero are told by exchanges; that there is no word of a fee is a flaw."""
        return self._number_in("fee")

    def _at(self) -> datetime | None:
        moment = self._moment()
        if moment is not None and moment > self._now + TOLERANCE:
            self.flaw("at", "future")
            return None
        return moment

    def _moment(self) -> datetime | None:
        value = self._told["at"]
        try:
            if isinstance(value, datetime):
                moment = value
            elif self._unit == "iso":
                text = _text(value)
                if not text:
                    self.flaw("at", "missing")
                    return None
                moment = datetime.fromisoformat(text)
            else:
                number = self._number_in("at")
                if number is None:
                    return None
                moment = _EPOCH + timedelta(microseconds=int(number * (10**6 if self._unit == "s" else 1000)))
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=self._zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            moment = _EPOCH
        # nobody traded before computers counted time; a clock that was never set says so
        if moment.year <= _EPOCH.year:
            self.flaw("at", "unreadable")
            return None
        return moment


def amount(value: Any) -> Decimal | None:
    """The exact number that was written, as a number or as plain text; None for anything else."""
    if isinstance(value, str):
        text = value.strip()
        number = Decimal(text) if _NUMBER.match(text) else None
    elif isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        number = Decimal(value)
    else:
        number = None
    return number if number is not None and _plausible(number) else None


def _plausible(number: Decimal) -> bool:
    """Whether this can be an amount: thirty digits before and after the point, so that products of two stay exact."""
    return number.is_finite() and (not number or -30 <= number.adjusted() <= 30)


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
