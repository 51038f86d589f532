"""The ladder: a larger profile is allowed by what was shown, by the time that passed, and by people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_golive import events, ladder
from pytest_golive.journal import Entry
from pytest_golive.ladder import Past, Rung
from pytest_golive.model import Checklist, Departure, Item, Phase, Place, Severity, Source

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
RUNG = Rung(profile="small", capital="R5,000", needs=("week-*",), live_for=timedelta(days=7), calm_for=timedelta(days=3))
LONG = Past(live=timedelta(days=8), calm=None)


def entries(*told: tuple[str, float, Mapping[str, Any]]) -> Sequence[Entry]:
    """Records at so many hours after the beginning."""
    return [
        Entry(seq=seq, at=BEGAN + hours * HOUR, event=event, detail=detail, prev="", hash="")
        for seq, (event, hours, detail) in enumerate(told, 1)
    ]


def until(hours: float) -> Mapping[str, Any]:
    return {"expires": (BEGAN + hours * HOUR).isoformat()}


@pytest.mark.parametrize(
    ("told", "live", "calm"),
    [
        ((), 0, None),
        (((events.ACTIVATED, 0, until(12)),), 10, None),
        (((events.ACTIVATED, 0, until(4)),), 4, None),
        (((events.ACTIVATED, 0, until(12)), (events.ACTIVATED, 3, until(5))), 5, None),
        (((events.ACTIVATED, 0, until(12)), (events.DEACTIVATED, 2, {"stood": True})), 2, 8),
        (((events.ACTIVATED, 0, until(1)), (events.DEACTIVATED, 2, {"stood": False})), 1, None),
        (((events.ACTIVATED, 0, until(12)), (events.FAILED, 0, {})), 0, None),
        (((events.ACTIVATED, 0, until(12)), (events.STOPPED, 6, {}), (events.RESUMED, 7, {})), 6, 4),
        (
            ((events.ACTIVATED, 0, until(2)), (events.RESUMED, 3, {}), (events.ACTIVATED, 4, until(5)), (events.STOPPED, 6, {})),
            3,
            4,
        ),
    ],
)
def test_only_permitted_time_counts(told: Any, live: float, calm: float | None) -> None:
    """An activation counts until it is taken back, replaced, stopped or over; a marker that was never written not at all."""
    found = ladder.past(entries(*told), BEGAN + 10 * HOUR, "production")
    assert found == Past(live=live * HOUR, calm=None if calm is None else calm * HOUR)


def test_another_environment_and_a_broken_glass_earn_nothing() -> None:
    """Time in staging carries nothing in production, nor does an hour that two people granted without a passing run."""
    staging, glass = {"environment": "staging"}, {"activation_id": "x", "environment": "production"}
    told = entries(
        (events.ACTIVATED, 0, {**staging, **until(9), "allowed_profiles": ["large"]}),
        (events.STOPPED, 4, staging),
        (events.BREAK_GLASS, 5, glass),
        (events.ACTIVATED, 5, {**glass, **until(6), "allowed_profiles": ["medium"]}),
        (events.ACTIVATED, 7, {"environment": "production", **until(8), "allowed_profiles": ["micro", "small"]}),
    )
    assert ladder.past(told, BEGAN + 10 * HOUR, "production") == Past(live=HOUR, calm=None)
    assert ladder.past(told, BEGAN + 10 * HOUR, "staging").live == 4 * HOUR
    assert ladder.permitted(told, "production") == {"micro", "small"}


def seen(outcome: str = "passed", severity: str = "critical") -> Mapping[str, Any]:
    return {"outcome": outcome, "severity": severity}


@pytest.mark.parametrize(
    ("items", "before", "told"),
    [
        ({}, LONG, "no item of the evidence answers that"),
        ({"other": seen()}, LONG, "no item of the evidence answers that"),
        ({"week-1": seen(), "week-2": seen("failed")}, LONG, "stands on week-2, which did not pass"),
        ({"week-1": seen("not-applicable")}, LONG, "did not pass"),
        ({"week-1": seen(severity="warning")}, LONG, "as a critical item"),
        (
            {"week-1": seen()},
            Past(live=timedelta(days=6), calm=None),
            "needs 7.0 days of permitted trading, and there were 6.0 days",
        ),
        ({"week-1": seen()}, Past(live=timedelta(days=8), calm=timedelta(days=1)), "the last one was 1.0 days ago"),
        ({"week-1": seen()}, LONG, ""),
        ({"week-1": seen()}, Past(live=timedelta(days=7), calm=timedelta(days=3)), ""),
    ],
)
def test_a_rung_stands_on_everything_that_it_names(items: Any, before: Past, told: str) -> None:
    """Each criterion passed as a critical item, and the history is long enough; the first thing that is missing is named."""
    said = ladder.unmet(RUNG, items, before)
    assert told in said
    assert bool(said) == bool(told)


def test_the_rungs_above_the_lowest_stand_in_their_order() -> None:
    """Those of the profiles that may be used, from the lower to the higher; micro and the undeclared have none."""
    declared: dict[str, Any] = {
        name: SimpleNamespace(capital=capital, needs=[f"{name}-*"], live_for=3600.0, calm_for=60.0)
        for name, capital in (("large", "L"), ("small", "S"), ("micro", "M"))
    }
    hour, minute = timedelta(hours=1), timedelta(minutes=1)
    assert ladder.rungs(declared, ["large", "medium", "micro", "small"]) == (
        Rung(profile="small", capital="S", needs=("small-*",), live_for=hour, calm_for=minute),
        Rung(profile="large", capital="L", needs=("large-*",), live_for=hour, calm_for=minute),
    )
    assert ladder.rungs(declared, ["micro"]) == ()


@pytest.mark.parametrize(
    ("profiles", "height"), [([], -1), (["unheard-of"], -1), (["micro"], 0), (["large", "micro", "unheard-of"], 3)]
)
def test_the_highest_profile_is_told_by_its_height(profiles: list[str], height: int) -> None:
    """No profile, and none that is known, is below the lowest."""
    assert ladder.highest(profiles) == height


def line(identity: str, severity: Severity = Severity.WARNING, phase: Phase = Phase.MONITORING) -> Item:
    nothing: Any = None
    return Item(
        id=identity,
        declared=identity,
        title=identity,
        severity=severity,
        phase=phase,
        owner="o",
        source=Source(document="000", section="1"),
        why="w",
        fix="f",
        kind="env",
        probe=nothing,
        expect=nothing,
        checklist="c",
        place=Place(file="c.yaml", line=1),
        timeout=1.0,
    )


def test_the_criteria_of_a_rung_gate_as_critical_items_and_the_page_is_told() -> None:
    """What answers a pattern gates, under the first profile that stands on it; every other item stays as it is."""
    before = Departure(item="x", what="is disabled", reason="because")
    week, other = line("week-1"), line("other")
    mixed = Checklist(name="m", title="m", owner="o", path="m", sha256="1", items=(other, week), departures=(before,))
    plain = Checklist(name="p", title="p", owner="o", path="p", sha256="2", items=(other,))
    medium = Rung(profile="medium", capital="", needs=("none", "week-1"), live_for=HOUR, calm_for=HOUR)
    assert ladder.answering(mixed.items, RUNG) == (week,)
    assert ladder.answering(mixed.items, medium) == (week,)
    found, same = ladder.gated([mixed, plain], [RUNG, medium])
    assert same is plain
    assert [(one.id, one.severity, one.phase) for one in found.items] == [
        ("other", Severity.WARNING, Phase.MONITORING),
        ("week-1", Severity.CRITICAL, Phase.PRE_DEPLOY),
    ]
    told = Departure(item="week-1", what="gates as a critical item", reason="the profile small stands on it")
    assert found.departures == (before, told)
    assert ladder.gated([mixed], []) == (mixed,)
