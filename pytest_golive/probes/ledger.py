"""Trades as somebody wrote them down: are the rows sound, and what do they add up to?

An integrity check that says five of five over an empty ledger proves nothing, and profit computed over rows that are broken is a
wish. So an empty ledger tells `count: 0` and no figure, and a flawed one tells its flaws and no figure.
"""

from __future__ import annotations

import decimal
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, field_validator, model_validator

from pytest_golive import probes
from pytest_golive.errors import ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.probes import paths
from pytest_golive.probes.base import Duration, Names, Pattern, ProbeModel, Size, Text
from pytest_golive.probes.reconciling import Reconcile
from pytest_golive.probes.rows import csv_rows, jsonl_rows
from pytest_golive.probes.sql import Sql
from pytest_golive.trading import Unknowable, performance, profit
from pytest_golive.trading.fills import OPTIONAL, REQUIRED, Fill, Flaw, Reading, read

PAPER = r"(?i)^(?:paper|sim|mock|fake|test|demo|dry)|(?:^|[_-])(?:paper|sim|mock|fake|dry[_-]?run)(?:[_-]|$)"
"""What order ids of trades that never were look like."""

_SHOWN = 100
_READABLE = decimal.Context(prec=28)
"""Digits of a figure that are told; more are nobody's money."""


_SCALAR = {"type": ["string", "number", "boolean"]}
Kept = Annotated[
    tuple[str | int | Decimal | bool, ...],
    Field(strict=False, min_length=1),
    WithJsonSchema({"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR, "minItems": 1}]}),
]
"""What a column may hold for its row to be kept: a value, or a list of values."""


class Columns(BaseModel):
    """Which column of the ledger means what; a column that is not named here is not looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    at: Text
    symbol: Text
    side: Text
    quantity: Text
    price: Text
    id: Text | None = None
    order_id: Text | None = None
    fee: Text | None = None
    account: Text | None = None
    mode: Text | None = None
    state: Text | None = None

    def named(self) -> dict[str, str]:
        """Our words and the ledger's, of those that are named."""
        return {word: name for word in (*REQUIRED, *OPTIONAL) if (name := getattr(self, word)) is not None}


class Ledger(ProbeModel):
    """What do the trades add up to, and are they sound?

    ```yaml
    ledger:
      csv: trades.csv                       # or jsonl: PATH, or sql: {url, query}
      columns: {at: time, symbol: pair, side: side, quantity: qty, price: price, fee: fee, order_id: exchange_id, mode: mode}
      where: {mode: paper}
      last: 7d
      opening: "10000"
    expect: {count: {ge: 50}, flaws: {len: 0}, duplicates: {len: 0}, realized: {gt: 0}, max_drawdown: {lt: "0.10"}}
    ```

    Exactly one of `csv` (with a header line), `jsonl` and `sql` (the keys of the kind sql). `columns` needs at, symbol, side
    (buy or sell), quantity and price; id, order_id, fee, account, mode and state are optional, and a fact that needs one of
    them is absent without it. `where` keeps the rows whose column is the value, or one of a list, compared as text. `last`, or
    `since` and `until` (ISO times), is the window of what is counted and judged; profit is matched over the whole ledger all
    the same, because a sale of today closes a purchase of last week. `at_unit` is iso, s or ms; times without zone are in
    `zone` (UTC), whose calendar days are the days. With `columns.state`, rows in a state other than `filled` (filled,
    closed) are orders without a fill. Order ids that match `paper` in rows whose mode is one of `live` (or in all rows if no
    mode is named) are paper trades told as live. `opening` is the equity before the first row of the ledger. `reconcile` compares
    what is open with another book: `with` is a kind and the path of its amounts by asset, `assets` says which asset is which
    symbol: `{with: {exchange: {…}, value: balances}, assets: {BTCUSDT: BTC}}`.

    Facts: of the rows `rows` (after where), `count` and `fills` (fills in the window), `flaws` (list of `row`, `column`,
    `reason`, `id`) and out of them `nulls` (missing or unreadable), `zero`, `negative`, `future`, `missing_fees`, `repeated`
    (an id that was there before); `duplicates` (order ids of more than one row), `paper_ids`, `unmatched` (sales of what was
    not held: shorts are refused), `states` and `fill_rate` (with columns.state); `first_at`, `last_at`, `span_days`,
    `active_days` of the fills in the window.

    Of the arithmetic, absent if there is any flaw or unmatched sale, and each absent if it cannot be known (`unknown` says
    why): `closed`, `gross`, `realized` (first in, first out, net of fees), `fees`, `wins`, `losses`, `win_rate`, `average`,
    `profit_factor`, `open` (positions), `trades` (the newest 100); and with `opening`: `equity`, `max_drawdown` (a fraction),
    `sharpe` (daily, times the root of 365), `days`, `losing_days` (longest run), `losing_now`, `worst_day` (`day`, `profit`,
    `fraction`). With `reconcile`: `reconciled` (`asset`, `ledger`, `exchange`, `difference`, `relative`) and
    `largest_difference`, relative to the larger amount. Formulas stand in `pytest_golive/trading/`.
    """

    word: ClassVar[str] = "ledger"

    csv: Text | None = None
    jsonl: Text | None = None
    sql: Sql | None = None
    columns: Columns
    where: dict[Text, Kept] = Field(default_factory=dict)
    last: Duration | None = None
    since: Text | None = None
    until: Text | None = None
    opening: Decimal | int | Text | None = None
    at_unit: Literal["iso", "s", "ms"] = "iso"
    zone: Text = "UTC"
    filled: Names = ("filled", "closed")
    live: Names = ("live", "real", "production")
    paper: Pattern = PAPER
    reconcile: Reconcile | None = None
    max_bytes: Size = 50_000_000

    def beside(self, folder: Path) -> Ledger:
        """This ledger, its other book told in which folder the checklist lies."""
        if self.reconcile is None:
            return self
        probe = probes.bound(self.reconcile.with_.probe, folder=folder, item="")
        other = self.reconcile.with_.model_copy(update={"probe": probe})
        return self.model_copy(update={"reconcile": self.reconcile.model_copy(update={"with_": other})})

    @model_validator(mode="before")
    @classmethod
    def _one_value_is_a_list(cls, written: Any) -> Any:
        if isinstance(written, Mapping) and isinstance(written.get("where"), Mapping):
            where = {name: value if isinstance(value, (list, tuple)) else [value] for name, value in written["where"].items()}
            return {**written, "where": where}
        return written

    @model_validator(mode="after")
    def _one_source_one_window(self) -> Ledger:
        if sum(source is not None for source in (self.csv, self.jsonl, self.sql)) != 1:
            raise ValueError("write exactly one of csv, jsonl and sql")
        if self.last is not None and (self.since or self.until):
            raise ValueError("write either last, or since and until")
        return self

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ValueError, OSError, KeyError):
            raise ValueError(f"{zone!r} is not a time zone, such as UTC or Europe/Berlin") from None
        return zone

    @field_validator("since", "until")
    @classmethod
    def _is_a_time(cls, text: str | None) -> str | None:
        if text is not None:
            datetime.fromisoformat(text)
        return text

    @field_validator("opening")
    @classmethod
    def _is_money(cls, opening: Decimal | int | str | None) -> Decimal | None:
        if opening is None:
            return None
        try:
            amount = Decimal(opening)
        except ArithmeticError:
            raise ValueError("must be a number") from None
        if not (amount.is_finite() and amount > 0):
            raise ValueError("must be above zero")
        return amount

    def secrets(self, context: Context) -> Iterable[str]:
        asked = [self.sql] if self.sql is not None else []
        other = [self.reconcile.with_.probe] if self.reconcile is not None else []
        return [value for probe in (*asked, *other) for value in probe.secrets(context)]

    def look(self, context: Context) -> Facts:
        now, zone = context.now(), ZoneInfo(self.zone)
        found = read(
            self._meant(self._rows(context)),
            self.columns.named(),
            now=now,
            unit=self.at_unit,
            zone=zone,
            filled=frozenset(word.lower() for word in self.filled),
        )
        begin, end = self._window(now, zone)
        fills = [fill for fill in found.fills if begin <= fill.at <= end]
        facts = {"rows": found.rows, "count": len(fills), "fills": len(fills)} | self._soundness(found) | _span(fills, zone)
        books = profit.fifo(found.fills)
        facts["unmatched"] = [
            {"row": each.fill.row, "symbol": each.fill.symbol, "quantity": each.quantity} for each in books.unmatched[:_SHOWN]
        ]
        if found.flaws or books.unmatched:
            return facts
        if self.reconcile is not None:
            facts |= self.reconcile.facts(books.open, context)
        if not fills:
            return facts
        return facts | self._figures(books, fills, (begin, end), zone)

    def _meant(self, rows: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """The rows that `where` keeps, each with every column that is asked for; one that no row has is a slip of the pen."""
        columns = {*self.where, *self.columns.named().values()}
        there = {name for row in rows for name in row}
        if rows and not columns <= there:
            unknown = ", ".join(sorted(columns - there))
            raise ProbeError(f"the ledger has no column {unknown}", hint=f"there are {', '.join(sorted(there)[:20])}")
        for row in rows:
            whole: dict[str, Any] = {**dict.fromkeys(columns), **row}
            if all(str(whole[name]).strip() in map(str, values) for name, values in self.where.items()):
                yield whole

    def _window(self, now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
        begin, end = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
        if self.last is not None:
            return now - timedelta(seconds=self.last), end
        if self.since:
            begin = _zoned(self.since, zone)
        if self.until:
            end = _zoned(self.until, zone)
        return begin, end

    def _soundness(self, found: Reading) -> dict[str, Any]:
        """What is wrong with the rows, by its kind; facts only on columns that are named."""
        facts: dict[str, Any] = {
            "flaws": _told(found.flaws),
            "nulls": _told([*found.flawed("missing", *REQUIRED, "id", "order_id"), *found.flawed("unreadable")]),
            "zero": _told(found.flawed("zero")),
            "negative": _told(found.flawed("negative")),
            "future": _told(found.flawed("future")),
        }
        if self.columns.id is not None:
            facts["repeated"] = _told(found.flawed("twice"))
        if self.columns.fee is not None:
            facts["missing_fees"] = _told(found.flawed("missing", "fee"))
        if self.columns.order_id is not None:
            ids = Counter(fill.order_id for fill in found.fills)
            paper, live = re.compile(self.paper), {word.lower() for word in self.live}
            told_as_live = [fill for fill in found.fills if self.columns.mode is None or fill.mode.lower() in live]
            facts["duplicates"] = sorted(each for each, number in ids.items() if number > 1)[:_SHOWN]
            facts["paper_ids"] = [fill.order_id for fill in told_as_live if paper.search(fill.order_id)][:_SHOWN]
        if self.columns.state is not None:
            facts["states"] = dict(sorted(found.states.items()))
            if found.rows:
                filled = sum(number for state, number in found.states.items() if state in {word.lower() for word in self.filled})
                facts["fill_rate"] = Decimal(filled) / Decimal(found.rows)
        return facts

    def _figures(
        self, books: profit.Books, fills: list[Fill], window: tuple[datetime, datetime], zone: ZoneInfo
    ) -> dict[str, Any]:
        begin, end = window
        before = [trade for trade in books.closed if trade.at < begin]
        closed = [trade for trade in books.closed if begin <= trade.at <= end]
        facts: dict[str, Any] = {"closed": len(closed), "open": [_position(each) for each in books.open]}
        unknown: dict[str, str] = {}

        def tell(name: str, figure: Callable[[], Any]) -> None:
            try:
                value = figure()
                facts[name] = _READABLE.plus(value) if isinstance(value, Decimal) else value
            except Unknowable as error:
                unknown[name] = str(error)

        tell("gross", lambda: sum((trade.gross for trade in closed), Decimal(0)))
        tell("realized", lambda: profit.realized(closed))
        tell("fees", lambda: profit.fees(fills))
        tell("wins", lambda: sum(trade.profit > 0 for trade in closed))
        tell("losses", lambda: sum(trade.profit < 0 for trade in closed))
        tell("win_rate", lambda: performance.win_rate(closed))
        tell("average", lambda: performance.average(closed))
        tell("profit_factor", lambda: performance.profit_factor(closed))
        tell("trades", lambda: [_trade(each) for each in closed[-_SHOWN:]])
        if self.opening is not None:
            opening = Decimal(self.opening)
            tell("equity", lambda: performance.equity_curve(opening, [*before, *closed])[-1])
            tell("max_drawdown", lambda: performance.max_drawdown(performance.equity_curve(_begun(opening, before), closed)))
            tell("sharpe", lambda: performance.sharpe([day.fraction for day in _days(opening, before, closed, zone)]))
            tell("days", lambda: len(_days(opening, before, closed, zone)))
            tell("losing_days", lambda: performance.losing_runs(_days(opening, before, closed, zone))[0])
            tell("losing_now", lambda: performance.losing_runs(_days(opening, before, closed, zone))[1])
            tell("worst_day", lambda: _worst(performance.worst_day(_days(opening, before, closed, zone))))
        return facts | ({"unknown": unknown} if unknown else {})

    def _rows(self, context: Context) -> list[Mapping[str, Any]]:
        if self.sql is not None:
            facts = self.sql.look(context)
            if facts["truncated"]:
                raise ProbeError(
                    f"the ledger has more than {self.sql.limit} rows", hint="raise limit in sql, or narrow the query"
                )
            rows: list[Mapping[str, Any]] = list(facts["rows"])
            return rows
        path = paths.absolute(context.root, self.csv or self.jsonl or "")
        try:
            text = paths.read(path, self.max_bytes).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ProbeError(f"{path} is not UTF-8", hint="see what writes it") from None
        return list(csv_rows(path, text) if self.csv is not None else jsonl_rows(path, text))


def _zoned(text: str, zone: ZoneInfo) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _told(flaws: Iterable[Flaw]) -> list[dict[str, Any]]:
    return [{"row": each.row, "column": each.column, "reason": each.reason, "id": each.id} for each in sorted(flaws)[:_SHOWN]]


def _span(fills: list[Fill], zone: ZoneInfo) -> dict[str, Any]:
    if not fills:
        return {}
    first, last = min(fill.at for fill in fills), max(fill.at for fill in fills)
    return {
        "first_at": first.isoformat(),
        "last_at": last.isoformat(),
        "span_days": Decimal(str(round((last - first) / timedelta(days=1), 6))),
        "active_days": len({fill.at.astimezone(zone).date() for fill in fills}),
    }


def _begun(opening: Decimal, before: list[profit.Closed]) -> Decimal:
    """The equity with which the window begins."""
    return performance.equity_curve(opening, before)[-1]


def _days(opening: Decimal, before: list[profit.Closed], closed: list[profit.Closed], zone: ZoneInfo) -> list[performance.Day]:
    return performance.daily(_begun(opening, before), closed, zone)


def _position(each: profit.Position) -> dict[str, Any]:
    return {
        "account": each.account,
        "symbol": each.symbol,
        "quantity": each.quantity,
        "cost": each.cost,
        "opened_at": each.opened_at.isoformat(),
    }


def _trade(each: profit.Closed) -> dict[str, Any]:
    return {
        "account": each.account,
        "symbol": each.symbol,
        "quantity": each.quantity,
        "opened_at": each.opened_at.isoformat(),
        "closed_at": each.at.isoformat(),
        "profit": each.profit,
    }


def _worst(day: performance.Day) -> dict[str, Any]:
    return {"day": day.day.isoformat(), "profit": day.profit, "fraction": _READABLE.plus(day.fraction)}
