"""A larger profile: refused without criteria, gating with them, activated only on a page that the quorum approved."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_golive.journal import Journal
from tests.acceptance.conftest import OPEN, item
from tests.signing.people import hand, person, roster

LADDER = 'profiles: {small: {capital: "R5,000", needs: [week-*]}}\n'
SMALL = "allowed_profiles: [micro, small]\n" + LADDER
CRITERION = item(
    "week-won",
    severity="warning",
    phase="monitoring",
    probe="file: {path: week.json, format: json}",
    expect="expect: {value.won: {ge: 6}}",
)


@pytest.fixture
def desk(project: Any) -> Any:
    """A project with a list whose criterion is a warning of the monitoring phase, met."""
    project.settings(OPEN + LADDER)
    project.checklist(item("one"), CRITERION)
    project.write("week.json", '{"won": 7}')
    return project


def quorum(project: Any) -> Any:
    """A roster on which Ann of QA alone is the quorum; her key."""
    ann = hand(project.root, "ann")
    more = "[quorum.production]\nroles = {qa = 1}\n"
    project.write("golive.roster.toml", roster(person("ann", ["qa"], ann.line), more=more))
    return ann


def test_the_ladder_tells_how_far_the_next_profile_is(desk: Any) -> None:
    """Each criterion with its outcome; exit 0 and the next step once all are met, 1 before."""
    done = desk.golive("profile")
    assert done.status == 0, done.text
    assert "micro                            allowed, the default" in done.out
    assert "small   R5,000                   not allowed" in done.out
    assert "PASSED   Item week-won  [week-won]" in done.out
    assert "allowed_profiles: [micro, small]" in done.out
    desk.write("week.json", '{"won": 5}')
    done = desk.golive("profile")
    assert done.status == 1
    assert "FAILED   Item week-won  [week-won]: value.won: wanted at least 6, found 5" in done.out
    desk.settings(OPEN + "profiles: {small: {needs: [week-*], live_for: 7d}}\n")
    desk.write("week.json", '{"won": 7}')
    done = desk.golive("profile")
    assert done.status == 1
    assert "NOT YET  small needs 7.0 days of permitted trading, and there were 0.0 days" in done.out


def test_a_larger_profile_without_criteria_is_a_faulty_setting(desk: Any) -> None:
    """Nothing may be allowed that stands on nothing."""
    desk.settings(OPEN + "allowed_profiles: [micro, small]\n")
    done = desk.gate()
    assert done.status == 4
    assert "small is allowed, and nothing says what it stands on" in done.text


def test_its_criteria_gate_while_it_is_allowed(desk: Any) -> None:
    """The warning of another phase blocks as a critical item, and the page says why; micro alone is not held up by it."""
    desk.write("week.json", '{"won": 5}')
    assert desk.gate("--golive-no-marker").word == "GO"
    desk.settings(OPEN + SMALL)
    assert desk.gate().word == "NO-GO"
    assert "the profile small stands on it" in desk.reports()[-1].read_text()


def test_a_promotion_needs_people(desk: Any) -> None:
    """Where nobody has to approve, a passing run does not promote; with a quorum its approval does, and the guard enforces it."""
    desk.settings(OPEN + SMALL)
    done = desk.gate()
    assert "small is a promotion, and nobody has to approve it here" in done.text
    assert not desk.marker.exists()
    ann = quorum(desk)
    assert desk.gate().status == 0
    assert not desk.marker.exists()
    page = str(desk.reports()[-1])
    assert desk.golive("approve", page, "--role", "qa", "--key", str(ann.path), "--yes").status == 0
    done = desk.golive("activate", page, "--yes")
    assert done.status == 0, done.text
    assert 'allowed_profiles: ["micro", "small"]' in desk.marker.read_text()
    (promoted,) = [e.detail for e in Journal(desk.root / "reports/journal.jsonl").entries() if e.event == "promoted"]
    assert (promoted["profile"], promoted["approved_by"]) == ("small", ["ann (qa)"])


def test_the_whitelist_is_the_markers(desk: Any) -> None:
    """A service that runs a profile which the marker does not name is refused, whatever golive.yaml says by then."""
    assert desk.gate().word == "GO"
    desk.settings(OPEN + SMALL + "default_profile: small\n")
    done = desk.golive("guard")
    assert done.status == 1
