"""What an activation demands, check by check: at the edges, and in the words in which each says yes or no."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pytest_golive import events
from pytest_golive.activation import Activation
from pytest_golive.approval import Policy
from pytest_golive.guard.marker import parse
from pytest_golive.ladder import Rung
from pytest_golive.preconditions import FUTURE, Refusal
from pytest_golive.signing import roster as rosters
from tests.signing.people import hand, person, roster
from tests.test_activation import ESS, HOUR, MANIFEST, NOW, RISK, TESTNET, Place, check, item, statement

TICK = timedelta(microseconds=1)
AGAIN = "run pytest --golive again, and activate from its result"
SMALL = Rung(profile="small", capital="", needs=("week-*",), live_for=2 * HOUR, calm_for=HOUR)
WEEK = item("week-1", phase="pre-deploy")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty place."""
    return Place(tmp_path)


def _ready(place: Place, *items: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"readiness": place.sign(statement(*items, **changes))}


def _run(place: Place, *items: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"evidence": place.sign(statement(*items, **changes))}


def _line(done: Activation, name: str) -> str:
    (line,) = (one.line for one in done.checks if one.name == name)
    return line


def test_every_yes_says_what_was_seen(place: Place) -> None:
    """The lines of an activation, whole, as people read them."""
    others = [item("x"), item("y"), item("w", severity="warning"), item("late", phase="monitoring")]
    done = place.activate(**_ready(place, RISK, ESS, TESTNET, *others))
    assert [line.line for line in done.checks] == [
        "activation_enabled is true",
        f"the gate run said GO at {NOW.isoformat()}",
        "the risk state is OK",
        "the emergency stop system is inactive",
        "at least 3 trades on the testnet",
        "no quorum is demanded for production",
        "no profile above the lowest",
        "2 further critical items of the activation phase passed",
    ]


def test_what_is_not_required_says_that_it_was_skipped(place: Place) -> None:
    """The line of a check that the settings switched off names the setting."""
    done = place.activate(
        readiness=None,
        answers={},
        required_preflight=False,
        require_risk_state="",
        require_ess_inactive=False,
        require_testnet_history=False,
    )
    assert [line.line for line in done.checks] == [
        "activation_enabled is true",
        "skipped: required_preflight is false",
        "skipped: require_risk_state is empty",
        "skipped: require_ess_inactive is false",
        "skipped: require_testnet_history is false",
        "no quorum is demanded for production",
        "no profile above the lowest",
        "no further items of the activation phase",
    ]


NOES: dict[str, tuple[Any, str, str]] = {
    "flag": (
        lambda _: {"activation_enabled": False},
        "activation_enabled is false in golive.yaml",
        "set activation_enabled: true by hand when you mean to trade",
    ),
    "word": (
        lambda p: _run(p, decision={"word": "NO-GO"}),
        "the gate run said NO-GO",
        "mend what its report names, and run pytest --golive again",
    ),
    "failed": (
        lambda p: _run(p, failedTests=list("abcdef")),
        "the gate run says GO although items failed: a, b, c, d, e",
        AGAIN,
    ),
    "result": (lambda p: _run(p, result="FAILED"), "the gate run says GO although its result is FAILED", AGAIN),
    "phases": (
        lambda p: _run(p, run={"phases": ["rollback", "monitoring"], "gates": False}),
        "the run judged only the phase rollback, monitoring, which opens no gate",
        "run pytest --golive",
    ),
    "partial": (
        lambda p: _run(p, run={"partial": ["-k", "-m"]}),
        "the gate run was partial: -k",
        "run all of it: pytest --golive",
    ),
    "old run": (lambda _: {"now": NOW + HOUR + TICK}, f"the gate run is too old: it is of {NOW.isoformat()}", AGAIN),
    "run of tomorrow": (
        lambda p: _run(p, decision={"at": NOW + FUTURE + TICK}),
        f"the gate run is dated in the future: {(NOW + FUTURE + TICK).isoformat()}",
        "set the clocks right",
    ),
    "run elsewhere": (
        lambda p: _run(p, target={"environment": "staging"}, manifest={"environment": "staging"}),
        "the gate run is about staging, and this is production",
        "run the gate for this one",
    ),
    "waiver": (
        lambda p: _run(p, item("x", waiver={"until": NOW})),
        f"the gate run rested on a waiver of x, which ended at {NOW.isoformat()}",
        AGAIN,
    ),
    "old readiness": (
        lambda p: _ready(p, RISK, decision={"at": NOW - 2 * HOUR}),
        f"what was seen at the activation is too old: it is of {(NOW - 2 * HOUR).isoformat()}",
        AGAIN,
    ),
    "not looked": (lambda _: {"readiness": None}, "the items of the activation phase were not looked at", AGAIN),
    "no answer": (
        lambda _: {"answers": {}},
        "require_risk_state is set, but no item answers it",
        "name one under activation.answers.risk_state in golive.yaml",
    ),
    "no ess answer": (
        lambda _: {"answers": {"risk_state": "risk"}},
        "require_ess_inactive is set, but no item answers it",
        "name one under activation.answers.ess_inactive in golive.yaml",
    ),
    "no history answer": (
        lambda _: {"answers": {"risk_state": "risk", "ess_inactive": "ess"}},
        "require_testnet_history is set, but no item answers it",
        "name one under activation.answers.testnet_history in golive.yaml",
    ),
    "undeclared": (
        lambda p: _ready(p, ESS),
        "risk, which answers require_risk_state, was not looked at",
        "declare it with phase: activation",
    ),
    "unseen": (
        lambda p: _ready(p, {**RISK, "checks": []}),
        "risk passed without seeing the risk state OK",
        "let the item expect that state",
    ),
    "no evidence": (lambda p: _ready(p, {**RISK, "evidence": None}), "risk passed without evidence", AGAIN),
    "few trades": (
        lambda _: {"min_testnet_trades": 5},
        "testnet saw 4 testnet trades, and 5 are required",
        "trade on the testnet first, and let the item expect at least as many trades as the settings do",
    ),
    "failed with a reason": (lambda p: _ready(p, item("risk", outcome="failed", reason="hot")), "risk failed: hot", "mend risk"),
    "error": (lambda p: _ready(p, item("risk", outcome="error")), "risk could not be checked", "mend risk"),
    "blocked": (lambda p: _ready(p, item("risk", outcome="blocked")), "risk is blocked", "mend risk"),
    "pending": (lambda p: _ready(p, item("risk", outcome="pending")), "risk is pending", "mend risk"),
    "not run": (lambda p: _ready(p, item("risk", outcome="not-run")), "risk was not run", "mend risk"),
    "not applicable": (lambda p: _ready(p, item("risk", outcome="not-applicable")), "risk does not apply", "mend risk"),
    "unheard of": (lambda p: _ready(p, item("risk", outcome="PASSED")), "risk is not passed", "mend risk"),
}


@pytest.mark.parametrize("case", NOES)
def test_every_no_says_why_and_what_to_do(place: Place, case: str) -> None:
    """The reason of a denial and its hint, whole, as people read them."""
    change, reason, hint = NOES[case]
    denied = place.denied(**change(place))
    assert (denied.message, denied.hint) == (reason, hint)
    assert denied.checks[-1].line == reason


def test_a_refusal_reads_as_its_reason() -> None:
    """In a traceback too."""
    assert str(Refusal("because", "do this")) == "because"


MALFORMED: dict[str, dict[str, Any]] = {
    "an item twice": {"items": [RISK, RISK]},
    "the manifest of another environment": {"manifest": {**MANIFEST, "environment": "staging"}},
    "a check without what was wanted": {"items": [{**RISK, "checks": [{"path": "a", "found": "b", "met": True}]}]},
    "a check that is no table": {"items": [{**RISK, "checks": ["met"]}]},
    "evidence without facts": {"items": [{**RISK, "evidence": {}}]},
    "evidence that is a number": {"items": [{**RISK, "evidence": 7}]},
    "a fix that is none": {"items": [{**RISK, "fix": None}]},
    "an outcome that is no text": {"items": [{**RISK, "outcome": ["passed"]}]},
    "a waiver without its zone": {"items": [{**RISK, "waiver": {"until": "2026-11-22T10:00:00"}}]},
    "a version to come": {"schema": 2},
}


@pytest.mark.parametrize("case", MALFORMED)
def test_what_the_gate_would_not_write_is_no_statement(place: Place, case: str) -> None:
    """A true signature over a doubtful shape is a no, in the evidence and in what was seen at the activation alike."""
    line = place.sign(statement(RISK, **MALFORMED[case]))
    told = "is not a statement of this version of the gate"
    denied = place.denied(evidence=line)
    assert (denied.message, denied.hint) == (f"the evidence of the gate run {told}", AGAIN)
    denied = place.denied(readiness=line)
    assert (denied.message, denied.hint) == (f"what was seen at the activation {told}", AGAIN)


def test_a_gate_is_open_only_by_a_plain_true(place: Place) -> None:
    """Evidence that says of its gates anything but true opens none."""
    for said in (1, "true", [True]):
        assert "opens no gate" in place.denied(**_run(place, run={"gates": said})).message


def test_evidence_is_fresh_up_to_its_last_moment(place: Place) -> None:
    """Just as old, just as far ahead and just within what it says of itself is fresh; a tick more is not."""
    ready = _ready(place, RISK, ESS, TESTNET, decision={"at": NOW})
    assert place.activate(**_run(place, decision={"at": NOW - HOUR}), **ready).counter == 1
    assert place.activate(**_run(place, decision={"at": NOW + FUTURE}), **ready).counter == 2
    assert place.activate(**_run(place, decision={"valid_until": NOW + TICK}), **ready).counter == 3
    for decision in ({"at": NOW - HOUR - TICK}, {"valid_until": NOW}, {"at": NOW + FUTURE + TICK}):
        place.denied(**_run(place, decision=decision), **ready)


@pytest.mark.parametrize(
    ("checks", "seen"),
    [
        ([("at least 3", "3", True)], 3),
        ([("length at least 3", "length 4", True)], 4),
        ([("at least 3", "5", True), ("at least 1", "2", True)], 5),
        ([("at least 3", "5", False)], 0),
        ([("= 5", "5", True)], 0),
        ([("at least 3", "5 trades", True)], 0),
        ([("at least 3", "-5", True)], 0),
        ([("at least 3", "5000000000", True)], 0),
        ([], 0),
    ],
)
def test_trades_are_counted_where_a_met_check_demanded_a_least_number(
    place: Place, checks: list[tuple[str, str, bool]], seen: int
) -> None:
    """Just as many as are required is enough, and what merely looks like a number is none."""
    told = [{"path": "n", "wanted": wanted, "found": found, "met": met} for wanted, found, met in checks]
    ready = _ready(place, RISK, ESS, item("testnet", checks=told))
    if seen:
        assert (
            _line(place.activate(**ready, min_testnet_trades=seen), "testnet_history") == f"at least {seen} trades on the testnet"
        )
    assert f"saw {seen} testnet trades" in place.denied(**ready, min_testnet_trades=seen + 1).message


@pytest.mark.parametrize(
    ("wanted", "found", "met"), [("= OK", "CRITICAL", True), ("one of OK, CRITICAL", "OK", True), ("= OK", "OK", False)]
)
def test_the_risk_state_is_seen_only_where_it_was_demanded_and_found(place: Place, wanted: str, found: str, met: bool) -> None:
    """A check that demanded it and found another, found it and would have taken another, or was not met has not seen it."""
    seen = item("risk", checks=[{"path": "state", "wanted": wanted, "found": found, "met": met}])
    assert "without seeing" in place.denied(**_ready(place, seen, ESS, TESTNET)).message


def test_each_instance_of_an_answer_must_have_seen_it(place: Place) -> None:
    """One instance that saw the state does not speak for another that did not."""
    seen = item("risk[a]", declared="risk", checks=[check("s", "OK")])
    blind = item("risk[b]", declared="risk")
    assert "risk[b] passed without seeing" in place.denied(**_ready(place, seen, blind, ESS, TESTNET)).message


def test_changes_since_the_run_are_named_one_by_one(place: Place) -> None:
    """Each difference by its name, what was added and what was taken away; the roster is none, wherever the place is."""
    run = _run(place, manifest={**MANIFEST, "place": "here", "roster": "1" * 64})
    ready = _ready(
        place, RISK, ESS, TESTNET, manifest={**MANIFEST, "place": "there", "roster": "2" * 64, "lock": "x", "commit": "b"}
    )
    assert "different since then: commit, lock, the machine or the folder (place)" in place.denied(**run, **ready).message
    assert "different since then: commit, lock" in place.denied(**run, **ready, any_place=True).message
    same = _ready(place, RISK, ESS, TESTNET, manifest={**MANIFEST, "place": "there", "roster": "2" * 64})
    assert place.activate(**run, **same, any_place=True).counter == 1


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    """A place where a promotion has to be approved: by anybody of qa, and the operator counts."""
    ann = hand(tmp_path, "ann")
    asked = "[quorum.production]\npersons = 1\noperator_counts = true\n"
    roll = rosters.parse(roster(person("ann", ["qa"], ann.line), more=asked).encode(), "roster")
    return Policy(environment="production", required=False, roster=roll, at_most=24 * HOUR)


def _live(place: Place, hours: float) -> None:
    began = NOW - hours * HOUR
    place.journal.append(events.ACTIVATED, {"activation_id": "1", "counter": 1, "expires": NOW.isoformat()}, began)


def _approved(monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_golive import approval

    monkeypatch.setattr(approval, "stand", lambda *_: approval.Standing(demanded=True, environment="production"))


def _climb(**changes: Any) -> dict[str, Any]:
    return {"allowed_profiles": ["micro", "small"], "rungs": (SMALL,), **changes}


def test_a_profile_is_earned_by_criteria_history_and_people(
    place: Place, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all three it is allowed and told; each is asked for by itself."""
    _approved(monkeypatch)
    _live(place, 3)
    run = _run(place, WEEK)
    medium = replace(SMALL, profile="medium")
    both = _climb(policy=policy, allowed_profiles=["micro", "small", "medium"], rungs=(SMALL, medium))
    keep = "out of allowed_profiles until then; golive profile tells how far it is"
    cases: list[tuple[dict[str, Any], str, str]] = [
        (
            {**run, **_climb(policy=policy, rungs=())},
            "nothing says what the profile small stands on",
            "name its criteria under profiles.small.needs",
        ),
        (
            {**run, **_climb()},
            "small is a promotion, and nobody has to approve it here",
            "name a quorum for production on the roster, and let it approve the page",
        ),
        (
            _climb(policy=policy),
            "small stands on week-*, and no item of the evidence answers that",
            f"keep small {keep}",
        ),
        (
            {**run, **_climb(policy=policy, rungs=(replace(SMALL, live_for=96 * HOUR),))},
            "small needs 4.0 days of permitted trading, and there were 0.1 days",
            f"keep small {keep}",
        ),
        (
            {**run, **both, "rungs": (SMALL, replace(medium, needs=("month",)))},
            "medium stands on month, and no item of the evidence answers that",
            f"keep medium {keep}",
        ),
        (
            {**run, **_climb(policy=policy, allowed_profiles=["micro", "unheard-of"])},
            "nothing says what the profile unheard-of stands on",
            "name its criteria under profiles.unheard-of.needs",
        ),
    ]
    for changes, reason, hint in cases:
        denied = place.denied(**changes)
        assert (denied.message, denied.hint, denied.checks[-1].name) == (reason, hint, "profiles")
    assert _line(place.activate(**run, **both), "profiles") == "small has been earned, medium has been earned"


def test_times_are_read_alike_in_every_zone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that lives in another zone than the evidence judges the same moment."""
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
        at = {"at": "2026-11-21T13:00:00+01:00", "valid_until": noon + HOUR}
        done = place.activate(now=noon, **_run(place, decision=at), **_ready(place, RISK, ESS, TESTNET, decision=at))
        assert done.expires == noon + 12 * HOUR
        assert parse(place.marker.read_bytes(), [place.signer.public]).not_before == noon
    finally:
        monkeypatch.undo()
        time.tzset()
