"""The decision: GO only from a whole set of declared items of which none is in doubt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_golive.decision import UNSEEN, decide, worst
from pytest_golive.model import (
    Finding,
    Item,
    Outcome,
    Phase,
    Place,
    Severity,
    Source,
    Verdict,
    Waiver,
    Word,
)

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
GATE = (Phase.PRE_DEPLOY, Phase.SIGN_OFF)
BAD = [outcome for outcome in Outcome if outcome not in (Outcome.PASSED, Outcome.NOT_APPLICABLE)]


def item(identity: str, severity: Severity = Severity.CRITICAL, phase: Phase = Phase.PRE_DEPLOY) -> Item:
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


def found(**outcomes: Outcome) -> dict[str, Finding]:
    return {name: Finding(item=name, outcome=outcome) for name, outcome in outcomes.items()}


def word(items: list[Item], findings: dict[str, Finding], **more: Any) -> Word:
    return decide(items, findings, phases=GATE, now=NOW, **more).word


def test_all_passed_is_go() -> None:
    """Every declared item passed: GO."""
    assert word([item("a"), item("b", Severity.WARNING)], found(a=Outcome.PASSED, b=Outcome.PASSED)) is Word.GO


def test_nothing_declared_is_incomplete() -> None:
    """No item at all proves nothing."""
    assert word([], {}) is Word.INCOMPLETE


def test_only_warnings_is_incomplete() -> None:
    """A set without a critical item could never block, so it proves nothing."""
    assert word([item("a", Severity.WARNING)], found(a=Outcome.PASSED)) is Word.INCOMPLETE


def test_only_other_phases_is_incomplete() -> None:
    """Items of phases that do not gate say nothing about the gate."""
    assert word([item("a", phase=Phase.ROLLBACK)], found(a=Outcome.PASSED)) is Word.INCOMPLETE


@pytest.mark.parametrize("outcome", BAD)
def test_a_critical_item_in_doubt_blocks(outcome: Outcome) -> None:
    """Failed, error, blocked and not-run say NO-GO when the item is critical; what is only pending, that nobody knows yet."""
    says = Word.INCOMPLETE if outcome is Outcome.PENDING else Word.NO_GO
    assert word([item("a"), item("b")], found(a=outcome, b=Outcome.PASSED)) is says


def test_pending_hides_no_failure() -> None:
    """An item that waits for its window takes nothing from one that failed."""
    assert word([item("a"), item("b")], found(a=Outcome.PENDING, b=Outcome.FAILED)) is Word.NO_GO
    assert word([item("a"), item("b", Severity.WARNING)], found(a=Outcome.PASSED, b=Outcome.PENDING)) is Word.GO_WITH_WARNINGS


@pytest.mark.parametrize("outcome", BAD)
def test_a_warning_in_doubt_is_told(outcome: Outcome) -> None:
    """A warning that is not passed never blocks and never disappears."""
    items = [item("a"), item("b", Severity.WARNING)]
    decision = decide(items, found(a=Outcome.PASSED, b=outcome), phases=GATE, now=NOW)
    assert decision.word is Word.GO_WITH_WARNINGS
    assert decision.rulings[1].verdict is Verdict.WARNED


def test_an_item_without_a_finding_makes_it_incomplete() -> None:
    """What was declared and not seen counts, even where everything seen has passed or failed."""
    assert word([item("a"), item("b")], found(a=Outcome.PASSED)) is Word.INCOMPLETE
    assert word([item("a"), item("b")], found(a=Outcome.FAILED)) is Word.INCOMPLETE
    assert word([item("a"), item("b", Severity.WARNING)], found(a=Outcome.PASSED)) is Word.INCOMPLETE


def test_a_partial_session_is_incomplete() -> None:
    """A phrase that says why the session was not whole is enough."""
    decision = decide([item("a")], found(a=Outcome.PASSED), phases=GATE, now=NOW, partial=["interrupted"])
    assert decision.word is Word.INCOMPLETE
    assert decision.reasons[0] == "Partial run: interrupted."


def test_a_finding_of_an_undeclared_item_does_not_count() -> None:
    """Only declared items are ruled on."""
    assert len(decide([item("a")], found(a=Outcome.PASSED, z=Outcome.FAILED), phases=GATE, now=NOW).rulings) == 1


def waiver(until: datetime) -> Waiver:
    return Waiver(item="a", reason="TICKET-1", until=until, approved_by=("risk",))


def test_a_waiver_covers_a_failure_until_it_expires() -> None:
    """A failed item with a waiver that still holds does not block; at its end it blocks again."""
    items, findings = [item("a"), item("b")], found(a=Outcome.FAILED, b=Outcome.PASSED)
    assert word(items, findings, waivers=[waiver(NOW + timedelta(seconds=1))]) is Word.GO_WITH_WARNINGS
    assert word(items, findings, waivers=[waiver(NOW)]) is Word.NO_GO


@pytest.mark.parametrize("outcome", [o for o in BAD if o is not Outcome.FAILED])
def test_a_waiver_never_covers_what_was_not_seen(outcome: Outcome) -> None:
    """An error, a blocked or a missing check cannot be waived: nobody knows what would be waived."""
    says = word([item("a")], found(a=outcome), waivers=[waiver(NOW + timedelta(days=1))])
    assert says is (Word.INCOMPLETE if outcome is Outcome.PENDING else Word.NO_GO)


def test_the_numbers_of_the_reasons_add_up() -> None:
    """The counts in the sentences are those of all gating items together."""
    items = [item("a"), item("b"), item("c", Severity.WARNING), item("d"), item("e")]
    findings = found(a=Outcome.FAILED, b=Outcome.ERROR, c=Outcome.FAILED, d=Outcome.NOT_APPLICABLE, e=Outcome.PASSED)
    assert decide(items, findings, phases=GATE, now=NOW).reasons == (
        "1 critical item fails.",
        "1 critical item could not be checked.",
        "1 warning.",
        "1 not applicable.",
        "1 of 5 items pass.",
    )


def test_the_worst_sight_stands() -> None:
    """Of several sights of one item the worst one counts, whatever came last."""
    sights = [Finding(item="a", outcome=outcome) for outcome in (Outcome.FAILED, Outcome.PASSED, Outcome.NOT_RUN)]
    assert worst(sights).outcome is Outcome.FAILED


outcomes = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(list(Outcome)), max_size=6)
severities = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(list(Severity)), min_size=1, max_size=6)
RANK = [Word.GO, Word.GO_WITH_WARNINGS, Word.NO_GO, Word.INCOMPLETE]


@given(severities, outcomes)
def test_adding_a_failed_critical_item_never_helps(declared: dict[str, Severity], seen: dict[str, Outcome]) -> None:
    """One more critical item that failed never leads to a word that permits."""
    items = [item(name, severity) for name, severity in declared.items()]
    assert not word([*items, item("z")], {**found(**seen), **found(z=Outcome.FAILED)}).permits


@given(severities, outcomes, st.data())
def test_removing_a_finding_never_helps(declared: dict[str, Severity], seen: dict[str, Outcome], data: st.DataObject) -> None:
    """A lost finding never makes the word better."""
    items = [item(name, severity) for name, severity in declared.items()]
    before = word(items, found(**seen))
    lost = data.draw(st.sampled_from(sorted(declared)))
    after = word(items, found(**{name: outcome for name, outcome in seen.items() if name != lost}))
    assert RANK.index(after) >= RANK.index(before)


@given(severities, outcomes)
def test_go_means_that_every_critical_item_is_clear(declared: dict[str, Severity], seen: dict[str, Outcome]) -> None:
    """If the word permits, every declared item was seen and every critical one is passed or not applicable."""
    items = [item(name, severity) for name, severity in declared.items()]
    if word(items, found(**seen)).permits:
        assert set(declared) <= set(seen)
        for name, severity in declared.items():
            assert severity is Severity.WARNING or seen[name] in (Outcome.PASSED, Outcome.NOT_APPLICABLE)


def test_an_item_of_another_phase_hides_none_that_gates() -> None:
    """What stands after it in the list is judged all the same."""
    declared = [item("late", phase=Phase.ROLLBACK), item("a"), item("later", phase=Phase.MONITORING), item("b")]
    decision = decide(declared, found(late=Outcome.PASSED, a=Outcome.PASSED, b=Outcome.FAILED), phases=GATE, now=NOW)
    assert (decision.word, decision.at) == (Word.NO_GO, NOW)
    assert [ruling.item.id for ruling in decision.rulings] == ["a", "b"]
    assert [(ruling.item.id, ruling.verdict, ruling.finding) for ruling in decision.aside] == [
        ("late", Verdict.CLEAR, Finding(item="late", outcome=Outcome.PASSED)),
        ("later", Verdict.BLOCKING, Finding(item="later", outcome=Outcome.NOT_RUN, reason="belongs to the phase monitoring")),
    ]


def test_nobody_waives_an_item_that_does_not_gate() -> None:
    """A waiver turns aside what would block, and nothing else."""
    waiver = Waiver(item="late", reason="r", until=NOW + timedelta(days=1), approved_by=("ann",))
    decision = decide([item("late", phase=Phase.ROLLBACK)], found(late=Outcome.FAILED), phases=GATE, now=NOW, waivers=[waiver])
    assert [ruling.verdict for ruling in decision.aside] == [Verdict.BLOCKING]


def test_a_waived_failure_carries_its_waiver() -> None:
    """Whoever reads the decision sees who accepted it."""
    waiver = Waiver(item="a", reason="r", until=NOW + timedelta(days=1), approved_by=("ann",))
    decision = decide([item("a"), item("b")], found(a=Outcome.FAILED, b=Outcome.PASSED), phases=GATE, now=NOW, waivers=[waiver])
    assert [(ruling.verdict, ruling.waiver) for ruling in decision.rulings] == [(Verdict.WAIVED, waiver), (Verdict.CLEAR, None)]
    assert decision.reasons == ("1 waived.", "1 of 2 items pass.")


def test_a_declared_item_that_nobody_saw_has_a_finding_that_says_so() -> None:
    """Each of them stands among the rulings as not run, and blocks."""
    decision = decide([item("a"), item("b"), item("c")], found(b=Outcome.PASSED), phases=GATE, now=NOW)
    unseen = [Finding(item=name, outcome=Outcome.NOT_RUN, reason=UNSEEN) for name in ("a", "c")]
    assert [ruling.finding for ruling in decision.rulings if ruling.verdict is Verdict.BLOCKING] == unseen
    assert decision.word is Word.INCOMPLETE


@pytest.mark.parametrize(
    ("declared", "seen", "partial", "reasons"),
    [
        ("", {}, (), ("No item is declared for the gating phases.",)),
        ("", {}, ("-k a",), ("Partial run: -k a.", "No item is declared for the gating phases.")),
        ("w", {"i0": "passed"}, (), ("No critical item is declared for the gating phases.", "1 of 1 item pass.")),
        ("c", {}, (), ("1 item did not run in this session.", "0 of 1 item pass.")),
        ("ccw", {"i0": "passed"}, (), ("2 items did not run in this session.", "1 of 3 items pass.")),
        ("cc", {"i0": "failed", "i1": "failed"}, (), ("2 critical items fail.", "0 of 2 items pass.")),
        (
            "ccccccc",
            {f"i{place}": str(outcome) for place, outcome in enumerate(Outcome)},
            (),
            (
                "1 critical item fails.",
                "1 critical item could not be checked.",
                "1 critical item is blocked.",
                "1 critical item is pending.",
                "1 critical item was not run.",
                "1 not applicable.",
                "1 of 7 items pass.",
            ),
        ),
        (
            "cccccccccc",
            {f"i{place}": ("error", "blocked", "pending", "not-run", "not-applicable")[place % 5] for place in range(10)},
            (),
            (
                "2 critical items could not be checked.",
                "2 critical items are blocked.",
                "2 critical items are pending.",
                "2 critical items were not run.",
                "2 not applicable.",
                "0 of 10 items pass.",
            ),
        ),
        ("cww", {"i0": "passed", "i1": "failed", "i2": "error"}, (), ("2 warnings.", "1 of 3 items pass.")),
        ("cw", {"i0": "passed", "i1": "blocked"}, (), ("1 warning.", "1 of 2 items pass.")),
    ],
)
def test_the_reasons_are_told_in_words(
    declared: str, seen: dict[str, str], partial: tuple[str, ...], reasons: tuple[str, ...]
) -> None:
    """What was declared, what was not seen, what is wrong, and how many pass: in this order, one and many."""
    severities = {"c": Severity.CRITICAL, "w": Severity.WARNING}
    items = [item(f"i{place}", severities[letter]) for place, letter in enumerate(declared)]
    findings = found(**{name: Outcome(outcome) for name, outcome in seen.items()})
    assert decide(items, findings, phases=GATE, now=NOW, partial=partial).reasons == reasons
