"""The checks before a live trade: each refuses what it should, in its order, and lets the rest pass."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from examples.desk.routing.safety import LiveSafetyGates, RiskLimits, SafetyError, Standing, Trade

LIMITS = RiskLimits(
    position_zar=Decimal(250), portfolio_risk_pct=Decimal(10), daily_loss_zar=Decimal(500), open_positions=Decimal(3)
)
TRADE = Trade(account="live", pair="BTCZAR", side="BUY", size_zar=Decimal(200), key="one")
GOOD = Standing(
    mode="LIVE",
    confirm_live=str,
    connected=lambda: True,
    daily_loss=lambda: Decimal(0),
    risk_pct_with=lambda trade: Decimal(1),
    open_pairs=frozenset,
)


def refused(trade: Trade, standing: Standing, limits: RiskLimits = LIMITS) -> str:
    """The name of the check that refuses the trade."""
    with pytest.raises(SafetyError) as told:
        LiveSafetyGates(limits).validate_trade_before_execution(trade, standing)
    return told.value.check


def test_a_trade_within_everything_passes() -> None:
    """True comes back, and nothing is raised."""
    assert LiveSafetyGates(LIMITS).validate_trade_before_execution(TRADE, GOOD) is True


def test_live_must_be_confirmed() -> None:
    """A reason against live mode refuses the trade, in the words of the plan."""
    with pytest.raises(SafetyError, match="LIVE mode not explicitly enabled: no marker"):
        LiveSafetyGates(LIMITS).validate_trade_before_execution(TRADE, replace(GOOD, confirm_live=lambda: "no marker"))


def test_live_checks_are_asked_in_live_mode_only() -> None:
    """In PAPER mode nobody asks for the confirmation."""

    def never() -> str:
        raise AssertionError("asked in PAPER mode")

    assert LiveSafetyGates(LIMITS).validate_trade_before_execution(TRADE, replace(GOOD, mode="PAPER", confirm_live=never))


@pytest.mark.parametrize("size", ["250.01", "2500", "0", "-1", "NaN", "Infinity", "-Infinity"])
def test_a_size_out_of_bounds_is_refused(size: str) -> None:
    """Beyond the limit, nothing, less than nothing, and what is no number."""
    assert refused(replace(TRADE, size_zar=Decimal(size)), GOOD) == "size"


def test_a_size_at_the_limit_passes() -> None:
    """The limit itself is within the limit."""
    assert LiveSafetyGates(LIMITS).validate_trade_before_execution(replace(TRADE, size_zar=Decimal(250)), GOOD)


@pytest.mark.parametrize("loss", ["500", "500.01", "10000"])
def test_a_loss_at_the_limit_refuses(loss: str) -> None:
    """The day ends when the limit is reached, not when it is passed."""
    assert refused(TRADE, replace(GOOD, daily_loss=lambda: Decimal(loss))) == "daily-loss"


def test_a_loss_below_the_limit_passes() -> None:
    """One cent below, trading goes on."""
    assert LiveSafetyGates(LIMITS).validate_trade_before_execution(TRADE, replace(GOOD, daily_loss=lambda: Decimal("499.99")))


def test_without_a_connection_nothing_goes() -> None:
    """Entries and exits alike need the venue."""
    off = replace(GOOD, connected=lambda: False)
    assert refused(TRADE, off) == "connection"
    assert refused(replace(TRADE, side="SELL", quantity=Decimal(1)), off) == "connection"


def test_the_risk_of_all_positions_is_bounded() -> None:
    """Ten percent pass, a little more does not."""
    assert LiveSafetyGates(LIMITS).validate_trade_before_execution(TRADE, replace(GOOD, risk_pct_with=lambda trade: Decimal(10)))
    assert refused(TRADE, replace(GOOD, risk_pct_with=lambda trade: Decimal("10.01"))) == "portfolio-risk"


def test_a_fourth_position_is_refused_and_a_third_is_not() -> None:
    """The pair of the trade counts once, whether it is held already or not."""
    two, three = frozenset({"A", "B"}), frozenset({"A", "B", "C"})
    assert LiveSafetyGates(LIMITS).validate_trade_before_execution(TRADE, replace(GOOD, open_pairs=lambda: two))
    assert refused(TRADE, replace(GOOD, open_pairs=lambda: three)) == "open-positions"
    assert LiveSafetyGates(LIMITS).validate_trade_before_execution(
        replace(TRADE, pair="A"), replace(GOOD, open_pairs=lambda: three)
    )


def test_an_exit_passes_every_limit() -> None:
    """A limit never keeps a position open."""
    worst = replace(GOOD, daily_loss=lambda: Decimal(9999), risk_pct_with=lambda trade: Decimal(99))
    exit_ = replace(TRADE, side="SELL", size_zar=Decimal(9999), quantity=Decimal(1))
    assert LiveSafetyGates(LIMITS).validate_trade_before_execution(exit_, worst)


@pytest.mark.parametrize(
    ("missing", "check"),
    [
        ("position_zar", "size"),
        ("daily_loss_zar", "daily-loss"),
        ("portfolio_risk_pct", "portfolio-risk"),
        ("open_positions", "open-positions"),
    ],
)
def test_a_limit_that_is_not_set_refuses(missing: str, check: str) -> None:
    """No limit is not the same as no bound."""
    assert refused(TRADE, GOOD, replace(LIMITS, **{missing: None})) == check


@pytest.mark.parametrize("text", ["", "abc", "0", "-5", "NaN", "Infinity", "1,000"])
def test_a_limit_that_is_no_positive_number_is_none(text: str) -> None:
    """What cannot be read as a bound is no bound."""
    assert RiskLimits.of({"MAX_POSITION_SIZE_ZAR": text}).position_zar is None


def test_the_first_failing_check_is_told() -> None:
    """Mode comes before size, size before loss, loss before connection."""
    bad = replace(GOOD, confirm_live=lambda: "no", daily_loss=lambda: Decimal(999), connected=lambda: False)
    wide = replace(TRADE, size_zar=Decimal(999))
    assert refused(wide, bad) == "mode"
    assert refused(wide, replace(bad, confirm_live=str)) == "size"
    assert refused(TRADE, replace(bad, confirm_live=str)) == "daily-loss"
    assert refused(TRADE, replace(bad, confirm_live=str, daily_loss=lambda: Decimal(0))) == "connection"
