"""How well it went: figures over closed trades, each with its formula, each Unknowable where the trades do not determine it.

Equity is the opening equity and the realized profit since; what is open stands at its cost. The days are calendar days of one
zone, from the day of the first closed trade to that of the last, each of them, because such markets do not close: a day
without a trade has the return 0.

========================  ==============================================================================================
win rate                  trades with profit > 0, divided by all closed trades
average                   Σ profit / closed trades
profit factor             Σ profits / |Σ losses|
return of a day d         r_d = profit of d / equity at the start of d
Sharpe ratio              mean(r) / s(r) · √365, s with n − 1; no risk-free rate is taken off
maximum drawdown          max over all trades t of (highest equity up to t − equity after t) / highest equity up to t
========================  ==============================================================================================

Sources: W. F. Sharpe, "The Sharpe Ratio", The Journal of Portfolio Management 21(1), 1994 (the ratio of past returns, annualised
by the square root of time); M. Magdon-Ismail and A. Atiya, "Maximum Drawdown", Risk 17(10), 2004 (the largest loss from a peak).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta, tzinfo
from decimal import Decimal, localcontext
from typing import final

from pytest_golive.trading import EXACT, Unknowable
from pytest_golive.trading.profit import Closed, realized

DAYS_IN_A_YEAR = 365
"""Markets that never close have 365 days; an exchange with trading days has about 252, and another figure."""

MOST_DAYS = 36_525
"""A century; more days mean a wrong date."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One calendar day: the equity it began with, what its trades brought, and how many there were."""

    day: date
    start: Decimal
    profit: Decimal
    trades: int

    @property
    def fraction(self) -> Decimal:
        """The day's return; Unknowable once nothing is left to have a return on."""
        if self.start <= 0:
            raise Unknowable(f"the equity is used up before {self.day}")
        return EXACT.divide(self.profit, self.start)


def win_rate(closed: Sequence[Closed]) -> Decimal:
    """The fraction of closed trades that brought more than nothing."""
    return EXACT.divide(Decimal(sum(trade.profit > 0 for trade in _some(closed))), Decimal(len(closed)))


def average(closed: Sequence[Closed]) -> Decimal:
    """The mean profit of a closed trade."""
    return EXACT.divide(realized(_some(closed)), Decimal(len(closed)))


def profit_factor(closed: Sequence[Closed]) -> Decimal:
    """What was won for each unit that was lost; Unknowable if nothing was lost."""
    with localcontext(EXACT):
        profits = [trade.profit for trade in _some(closed)]
        lost = -sum((each for each in profits if each < 0), Decimal(0))
        if not lost:
            raise Unknowable("no trade lost anything")
        return sum((each for each in profits if each > 0), Decimal(0)) / lost


def equity_curve(opening: Decimal, closed: Sequence[Closed]) -> list[Decimal]:
    """The equity before the first trade and after each."""
    if not opening > 0:
        raise Unknowable("the opening equity is not above zero")
    curve = [opening]
    with localcontext(EXACT):
        for trade in closed:
            curve.append(curve[-1] + trade.profit)
    return curve


def max_drawdown(curve: Sequence[Decimal]) -> Decimal:
    """The largest fall from a peak as a fraction of that peak: 0.25 after 100, 120, 90; 0 if it never fell."""
    if not curve or not curve[0] > 0:
        raise Unknowable("an equity curve begins above zero")
    peak, worst = curve[0], Decimal(0)
    for equity in curve:
        peak = max(peak, equity)
        worst = max(worst, EXACT.divide(EXACT.subtract(peak, equity), peak))
    return worst


def daily(opening: Decimal, closed: Sequence[Closed], zone: tzinfo = UTC) -> list[Day]:
    """Every calendar day from the first closed trade to the last."""
    trades: dict[date, list[Closed]] = {}
    for trade in _some(closed):
        trades.setdefault(trade.at.astimezone(zone).date(), []).append(trade)
    first, last = min(trades), max(trades)
    if (last - first).days > MOST_DAYS:
        raise Unknowable(f"the trades lie more than a century apart, {first} and {last}")
    days: list[Day] = []
    equity = opening
    with localcontext(EXACT):
        for offset in range((last - first).days + 1):
            day = first + timedelta(days=offset)
            of_day = trades.get(day, [])
            profit = realized(of_day)
            days.append(Day(day=day, start=equity, profit=profit, trades=len(of_day)))
            equity += profit
    return days


def sharpe(returns: Sequence[Decimal]) -> Decimal:
    """The annualised Sharpe ratio of daily returns; Unknowable for fewer than two days, and if all days are equal."""
    if len(returns) < 2:
        raise Unknowable("a Sharpe ratio needs the returns of at least two days")
    if len(set(returns)) == 1:
        raise Unknowable("all days have the same return, so nothing is known of the risk")
    with localcontext(EXACT):
        mean = sum(returns, Decimal(0)) / len(returns)
        variance = sum(((each - mean) ** 2 for each in returns), Decimal(0)) / (len(returns) - 1)
        return mean / variance.sqrt() * Decimal(DAYS_IN_A_YEAR).sqrt()


def losing_runs(days: Sequence[Day]) -> tuple[int, int]:
    """The longest run of losing days, and the one that lasts to the end; days without a trade neither end nor lengthen one."""
    longest = current = 0
    for day in days:
        if day.trades:
            current = current + 1 if day.profit < 0 else 0
            longest = max(longest, current)
    return longest, current


def worst_day(days: Sequence[Day]) -> Day:
    """The day with the lowest return."""
    if not days:
        raise Unknowable("there is no day with a closed trade")
    return min(days, key=lambda day: day.fraction)


def _some(closed: Sequence[Closed]) -> Sequence[Closed]:
    if not closed:
        raise Unknowable("no trade is closed")
    return closed
