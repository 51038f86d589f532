"""Performance: the same figures as a public library, and none where there is nothing to know."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_golive.trading import Unknowable, performance
from pytest_golive.trading.profit import Closed
from pytest_golive.trading.reconcile import reconcile

BEGIN = datetime(2026, 11, 1, 12, tzinfo=UTC)

returns = st.integers(-9_000, 20_000).map(lambda n: Decimal(n).scaleb(-5))


def closed(*profits: str | None) -> list[Closed]:
    """One closed trade a day with this profit; None for a day without."""
    return [
        Closed(
            at=BEGIN + timedelta(days=day), opened_at=BEGIN, account="", symbol="BTC", quantity=Decimal(1),
            proceeds=Decimal(1000) + Decimal(profit), cost=Decimal(1000), fees=Decimal(0),
        )
        for day, profit in enumerate(profits)
        if profit is not None
    ]  # fmt: skip


@pytest.fixture(scope="session")
def empyrical() -> Any:
    """The public library that the figures are held against."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import empyrical
    return empyrical


@given(st.lists(returns, min_size=2, max_size=60))
def test_sharpe_and_drawdown_are_empyricals(empyrical: Any, series: list[Decimal]) -> None:
    """Sharpe ratio with 365 days and maximum drawdown agree with empyrical to nine digits."""
    import numpy

    assume(len(set(series)) > 1)
    floats = numpy.array([float(each) for each in series])
    theirs = float(empyrical.sharpe_ratio(floats, annualization=365))
    assert float(performance.sharpe(series)) == pytest.approx(theirs, rel=1e-9, abs=1e-12)
    curve = [Decimal(1000)]
    for each in series:
        curve.append(curve[-1] * (1 + each))
    assert float(performance.max_drawdown(curve)) == pytest.approx(-float(empyrical.max_drawdown(floats)), rel=1e-9, abs=1e-12)


@given(st.lists(returns, min_size=2, max_size=30), st.integers(1, 10**6))
def test_sharpe_has_no_unit(series: list[Decimal], factor: int) -> None:
    """Returns in another unit, and in another order, have the same ratio; turned round it changes its sign."""
    assume(len(set(series)) > 1)
    plain = performance.sharpe(series)
    assert abs(performance.sharpe([each * factor for each in series]) - plain) < Decimal("1e-40")
    assert abs(performance.sharpe(series[::-1]) - plain) < Decimal("1e-40")
    assert abs(performance.sharpe([-each for each in series]) + plain) < Decimal("1e-40")


@given(st.lists(st.integers(-500, 500), min_size=1, max_size=30), st.integers(1, 1000))
def test_drawdown_is_a_fraction(changes: list[int], factor: int) -> None:
    """It lies between 0 and 1 while equity is above zero, is 0 if equity never fell, and has no unit."""
    curve = [Decimal(10**5)]
    for change in changes:
        curve.append(curve[-1] + change)
    fall = performance.max_drawdown(curve)
    assert 0 <= fall < 1
    assert (fall == 0) == (min(changes) >= 0)
    assert abs(performance.max_drawdown([each * factor for each in curve]) - fall) < Decimal("1e-50")


@pytest.mark.parametrize("series", [[], ["0.01"], ["0.01", "0.01", "0.01"], ["0", "0"]])
def test_there_is_no_sharpe_of_nothing(series: list[str]) -> None:
    """Fewer than two days, and days that are all equal, are Unknowable; neither 0 nor infinity."""
    with pytest.raises(Unknowable):
        performance.sharpe([Decimal(each) for each in series])


def test_each_figure_of_no_trade_is_unknowable() -> None:
    """No closed trade: no win rate, no average, no factor, no days."""
    for ask in (performance.win_rate, performance.average, performance.profit_factor):
        with pytest.raises(Unknowable, match="no trade"):
            ask([])
    with pytest.raises(Unknowable, match="no trade"):
        performance.daily(Decimal(1), [])
    with pytest.raises(Unknowable, match="no day"):
        performance.worst_day([])
    with pytest.raises(Unknowable, match="above zero"):
        performance.max_drawdown([])
    with pytest.raises(Unknowable, match="above zero"):
        performance.equity_curve(Decimal(0), [])


def test_a_known_history() -> None:
    """Worked by hand: 1000, then +100, −55, a day off, −104.5, 0, +9.5."""
    trades = closed("100", "-55", None, "-104.5", "0", "9.5")
    assert performance.win_rate(trades) == Decimal("0.4")
    assert performance.average(trades) == Decimal(-10)
    assert performance.profit_factor(closed("30", "-10", "-5", "0")) == 2
    curve = performance.equity_curve(Decimal(1000), trades)
    assert curve[-1] == Decimal(950)
    assert performance.max_drawdown(curve) == Decimal("0.145")
    days = performance.daily(Decimal(1000), trades)
    assert [day.trades for day in days] == [1, 1, 0, 1, 1, 1]
    assert [day.profit for day in days][2] == 0
    assert performance.losing_runs(days) == (2, 0)
    worst = performance.worst_day(days)
    assert (str(worst.day), worst.profit, worst.fraction) == ("2026-11-04", Decimal("-104.5"), Decimal("-0.1"))


def test_a_run_that_lasts_is_told() -> None:
    """Losing days at the end are the current run; a day off neither ends nor lengthens it, a day of zero ends it."""
    assert performance.losing_runs(performance.daily(Decimal(1000), closed("-1", "1", "-1", None, "-1"))) == (2, 2)
    assert performance.losing_runs(performance.daily(Decimal(1000), closed("-1", "0", "-1"))) == (1, 1)
    assert performance.losing_runs([]) == (0, 0)


def test_a_day_is_one_of_its_zone() -> None:
    """Half past eleven at night in UTC is the next day in Berlin."""
    late = [Closed(
        at=datetime(2026, 11, 1, 23, 30, tzinfo=UTC), opened_at=BEGIN, account="", symbol="X", quantity=Decimal(1),
        proceeds=Decimal(2), cost=Decimal(1), fees=Decimal(0),
    )]  # fmt: skip
    assert str(performance.daily(Decimal(9), late)[0].day) == "2026-11-01"
    assert str(performance.daily(Decimal(9), late, ZoneInfo("Europe/Berlin"))[0].day) == "2026-11-02"


def test_a_ruined_account_has_no_returns() -> None:
    """Once the equity is used up a day's return is Unknowable, not a division by zero or a gain on a debt."""
    days = performance.daily(Decimal(100), closed("-100", "50"))
    assert days[0].fraction == -1
    with pytest.raises(Unknowable, match="used up"):
        _ = days[1].fraction


def test_books_are_compared_asset_by_asset() -> None:
    """An asset that only one side knows is off by everything; two zeros agree; an empty book is no agreement."""
    ledger = {"BTC": Decimal("1.00"), "ETH": Decimal(0), "USDT": Decimal(500)}
    exchange = {"BTC": Decimal("0.99"), "ETH": Decimal(0), "DOGE": Decimal(7), "USDT": Decimal(500)}
    told = {each.asset: each.relative for each in reconcile(ledger, exchange)}
    assert told == {"DOGE": 1, "BTC": Decimal("0.01"), "ETH": 0, "USDT": 0}
    assert next(iter(told)) == "DOGE"
    for one, two in (({}, exchange), (ledger, {})):
        with pytest.raises(Unknowable, match="names no asset"):
            reconcile(one, two)


@given(st.dictionaries(st.sampled_from("ABCD"), st.decimals("-1000", "1000", places=3), min_size=1), st.data())
def test_reconciliation_is_symmetric(ledger: dict[str, Decimal], data: st.DataObject) -> None:
    """Whoever is named first, the relative difference is the same, and a book agrees with itself."""
    exchange = data.draw(st.dictionaries(st.sampled_from("ABCD"), st.decimals("-1000", "1000", places=3), min_size=1))
    one = {each.asset: each.relative for each in reconcile(ledger, exchange)}
    assert one == {each.asset: each.relative for each in reconcile(exchange, ledger)}
    assert all(each.relative == 0 for each in reconcile(ledger, ledger))
