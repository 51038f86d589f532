"""Which waivers hold, how long a row of them may be, and that none of them makes a pass of what was not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_golive import waiving
from pytest_golive.decision import decide
from pytest_golive.model import Decision, Finding, Item, Outcome, Phase, Severity, Verdict, Waiver, Word
from pytest_golive.signing import dsse
from pytest_golive.signing.roster import parse
from pytest_golive.signing.waiver import Waived, build
from pytest_golive.waiving import Rules, Span, Waivers, beginning, judge, settle
from tests.signing.people import hand, person, roster
from tests.test_decision import GATE, NOW
from tests.test_decision import item as plain

DAY = timedelta(days=1)
DEMAND = "d" * 64


def item(identity: str = "one", **changes: Any) -> Item:
    return replace(plain(identity), demand=DEMAND, **changes)


class Office:
    """Alice and Carol of risk, who may waive."""

    def __init__(self, root: Path) -> None:
        self.hands = {name: hand(root, name) for name in ("alice", "carol")}
        persons = [person(name, ["risk"], each.line) for name, each in self.hands.items()]
        self.roster = parse(roster(*persons).encode(), "golive.roster.toml")
        self.rules = Rules(environment="production", roles=("risk",), at_most=30 * DAY, phases=GATE, operators=("dora",))

    def signed(self, by: str = "alice", **changes: Any) -> bytes:
        waived = Waived(
            item="one", environment="production", demand=DEMAND, severity="critical", reason="TICKET-42", person=by,
            name=f"{by.title()} Example", role="risk", signed_at=NOW - DAY, until=NOW + 7 * DAY,
        )  # fmt: skip
        return dsse.sign(build(replace(waived, **changes)), self.hands[by].key).encode()

    def judge(
        self, *lines: bytes | str, items: Sequence[Item] | None = (item(),), earlier: Sequence[Span] = (), **rules: Any
    ) -> Waivers:
        files = {f"one.{number}.json": line for number, line in enumerate(lines)}
        return judge(files, items, self.roster, replace(self.rules, **rules), earlier, NOW)

    def why(self, *lines: bytes | str, **more: Any) -> str:
        held = self.judge(*lines, **more)
        assert held.granted == ()
        (one,) = held.idle
        return one.why


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """The office."""
    return Office(tmp_path)


def test_a_good_waiver_is_granted_with_who_and_what(office: Office) -> None:
    """The granted waiver names person, role, times and the digest of what was signed."""
    line = office.signed()
    (one,) = office.judge(line).granted
    assert one == Waiver(
        item="one",
        reason="TICKET-42",
        until=NOW + 7 * DAY,
        approved_by=("Alice Example",),
        role="risk",
        signed_at=NOW - DAY,
        statement=dsse.payload_digest(line),
    )


def test_several_persons_waive_together(office: Office) -> None:
    """The one that holds longest stands, with the names of all; a copy of a file counts once."""
    long, short = office.signed("carol", until=NOW + 9 * DAY), office.signed()
    (one,) = office.judge(short, long, long).granted
    assert (one.approved_by, one.until) == (("Carol Example", "Alice Example"), NOW + 9 * DAY)


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([], "unmatched: no list declares this item"),
        ([item("won")], "unmatched: no list declares this item - did you mean 'won'?"),
        ([item("one[a]", declared="one")], "unmatched: no list declares this item"),
        ([item(phase=Phase.ROLLBACK)], "not believed: it belongs to the phase rollback, which does not gate"),
        ([item(kind="attestation")], "not believed: a person must sign for it"),
        ([replace(item(), demand="e" * 64)], "not believed: what the item demands has changed since"),
    ],
)
def test_what_is_not_the_waived_item_is_not_excused(office: Office, items: list[Item], words: str) -> None:
    """An item that is gone, is another, or may not be waived, is told."""
    assert office.why(office.signed(), items=items).startswith(words)


def test_a_warning_that_became_critical_is_not_excused(office: Office) -> None:
    """Who accepted a warning has not accepted a critical failure; the other way round it holds."""
    assert "signed for a warning, and the item is critical now" in office.why(office.signed(severity="warning"))
    assert office.judge(office.signed(), items=[item(severity=Severity.WARNING)]).granted


def test_an_expired_waiver_is_told_as_that(office: Office) -> None:
    """Its end is exclusive: at that very moment it is over."""
    assert office.why(office.signed(until=NOW)).startswith("expired at ")


def test_the_operator_does_not_waive_for_their_own_run(office: Office) -> None:
    """By name, in any writing, or by the key that signs the evidence; unless the quorum lets the operator count."""
    assert "their own run" in office.why(office.signed(), operators=("ALICE",))
    assert "their own run" in office.why(office.signed(), operators=("alice  example",))
    assert "their own run" in office.why(office.signed(), signers=(office.hands["alice"].key.fingerprint,))
    assert office.judge(office.signed(), operators=("alice",), operator_counts=True).granted


def test_a_file_that_says_nothing_is_told_by_its_name(office: Office) -> None:
    """Nothing of what is not believed is handed out, and what steers a terminal is not shown."""
    held = judge({"o%1Bne%5Ba%5D.json": b"{}"}, None, office.roster, office.rules, (), NOW)
    (one,) = held.idle
    assert (one.item, one.reason, one.until, one.approved_by) == ("o?ne[a]", "", None, ())
    assert office.why("it is a pipe").endswith("it is a pipe")


# Successive waivers.


def span(begin: float, end: float, item: str = "one") -> Span:
    """A waiver from so many days to so many days, counted from now."""
    return Span(item=item, signed_at=NOW + begin * DAY, until=NOW + end * DAY)


@pytest.mark.parametrize(
    ("row", "begins"),
    [
        ([], 0),
        ([span(-10, 5)], -10),
        ([span(-10, -1)], -10),
        ([span(-10, -6.9)], -10),
        ([span(-10, -7)], 0),
        ([span(-10, 5, item="other")], 0),
        ([span(-30, -20), span(-18, -3)], -30),
        ([span(-30, -26), span(-18, -3)], -18),
        ([span(-18, -3), span(-30, 1)], -30),
        ([span(-5, 20), span(1, 30)], -5),
    ],
)
def test_where_a_row_of_waivers_begins(row: list[Span], begins: float) -> None:
    """A pause of less than a week breaks no row; the order of the records does not matter."""
    assert beginning("one", NOW, row) == NOW + begins * DAY
    assert beginning("one", NOW, row[::-1]) == NOW + begins * DAY


def test_renewing_does_not_prolong(office: Office) -> None:
    """What the journal or another person's file tells of earlier waivers counts; the cap is over all of them together."""
    assert office.judge(office.signed(until=NOW + 20 * DAY), earlier=[span(-10, 0)]).granted
    assert "longer than 30 days" in office.why(office.signed(until=NOW + 20.1 * DAY), earlier=[span(-10, 0)])
    first, second = office.signed(signed_at=NOW - 20 * DAY, until=NOW + DAY), office.signed("carol", until=NOW + 11 * DAY)
    assert [one.approved_by for one in office.judge(first, second).granted] == [("Alice Example",)]


@given(st.lists(st.tuples(st.integers(-60, 30), st.integers(1, 30)), max_size=8))
def test_a_row_holds_everything_that_touches_it(before: list[tuple[int, int]]) -> None:
    """The beginning is never after any waiver that lasts into the row, and no waiver bridges to before it."""
    row = [span(begin, begin + length) for begin, length in before]
    start = beginning("one", NOW, row)
    assert start <= NOW
    assert all(one.signed_at >= start for one in row if one.until + waiving.PAUSE > start)


# The folder.


def settings(tmp_path: Path) -> Any:
    from pytest_golive import config

    (tmp_path / "golive.yaml").write_text("version: 1\nsignoff: {waiver_roles: [risk]}\n")
    return config.load(tmp_path / "golive.yaml")


def look(tmp_path: Path) -> Waivers:
    return waiving.look(settings(tmp_path), [item()], NOW)


def test_no_folder_is_no_waiver_and_no_trouble(tmp_path: Path) -> None:
    """Where nobody waives anything no roster is needed."""
    assert look(tmp_path) == Waivers()
    (tmp_path / "waivers").mkdir()
    (tmp_path / "waivers" / "README.md").write_text("nothing")
    assert look(tmp_path) == Waivers()


def test_waivers_without_a_roster_or_a_journal_are_told(tmp_path: Path, office: Office) -> None:
    """Whose waivers count nobody knows without a roster, and how long they go on nobody knows without the journal."""
    (tmp_path / "waivers").mkdir()
    (tmp_path / "waivers" / "one.alice.json").write_bytes(office.signed())
    assert "roster" in look(tmp_path).idle[0].why
    persons = [person(name, ["risk"], each.line) for name, each in office.hands.items()]
    (tmp_path / "golive.roster.toml").write_text(roster(*persons))
    assert look(tmp_path).granted
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "journal.jsonl").write_text("{}\n")
    (tmp_path / "reports" / "journal.jsonl").chmod(0o600)
    held = look(tmp_path)
    assert held.granted == ()
    assert "journal" in held.idle[0].why


def test_a_folder_that_cannot_be_looked_at_is_told(tmp_path: Path) -> None:
    """A file in its place, or a pipe in it, is neither waited for nor passed over."""
    (tmp_path / "waivers").write_text("a file")
    assert look(tmp_path).idle[0].why.startswith("not believed: ")


# What became of them.


def granted(identity: str, until: datetime = NOW + DAY) -> Waiver:
    return Waiver(item=identity, reason="TICKET-42", until=until, approved_by=("Alice Example",))


def settled(outcome: Outcome, severity: Severity = Severity.CRITICAL) -> Decision:
    items = [item(), item("other")]
    seen = {"one": Finding(item="one", outcome=outcome), "other": Finding(item="other", outcome=Outcome.PASSED)}
    items[0] = replace(items[0], severity=severity)
    decided = decide(items, seen, phases=GATE, now=NOW, waivers=[granted("one")])
    return settle(decided, Waivers(granted=(granted("one"),)))


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_waiver_that_excused_nothing_says_why(outcome: Outcome) -> None:
    """Used where the item failed; unused where it is clear; told to waive nothing where nobody could see."""
    idle = [one.why for one in settled(outcome).idle]
    if outcome is Outcome.FAILED:
        assert idle == []
    elif outcome in (Outcome.PASSED, Outcome.NOT_APPLICABLE):
        assert idle == [f"unused: the item is {outcome}; take the waiver away"]
    else:
        assert idle == [f"waives nothing: the item is {outcome}, and only a failure can be waived"]


def test_a_waived_failure_is_never_a_plain_go() -> None:
    """Whoever approves must see that somebody accepted a failure, of a warning too."""
    assert settled(Outcome.FAILED).word is Word.GO_WITH_WARNINGS
    assert settled(Outcome.FAILED, Severity.WARNING).word is Word.GO_WITH_WARNINGS


NAMES = st.sampled_from("abcd")


@given(
    outcomes=st.dictionaries(NAMES, st.sampled_from(list(Outcome)), min_size=1),
    waived=st.lists(st.tuples(NAMES, st.integers(-2, 40)), max_size=8),
    partial=st.booleans(),
)
def test_no_set_of_waivers_permits_what_was_not_seen(
    outcomes: dict[str, Outcome], waived: list[tuple[str, int]], partial: bool
) -> None:
    """Only failed items are ever waived, only while a waiver lasts, and nothing else changes its verdict or the word."""
    items = [item(name) for name in "abcd"]
    seen = {name: Finding(item=name, outcome=outcome) for name, outcome in outcomes.items()}
    waivers = [granted(name, NOW + days * DAY) for name, days in waived]
    more: dict[str, Any] = {"phases": GATE, "now": NOW, "partial": ("cut short",) if partial else ()}
    with_, without = decide(items, seen, waivers=waivers, **more), decide(items, seen, **more)
    lasting = {one.item for one in waivers if one.until > NOW}
    for one, other in zip(with_.rulings, without.rulings, strict=True):
        assert one.finding == other.finding
        if one.verdict is not other.verdict:
            assert (one.verdict, one.finding.outcome, one.item.id in lasting) == (Verdict.WAIVED, Outcome.FAILED, True)
    unseen = [one for one in with_.rulings if one.finding.outcome not in (Outcome.PASSED, Outcome.NOT_APPLICABLE, Outcome.FAILED)]
    if unseen or partial:
        assert not with_.word.permits
    if with_.word is Word.GO:
        assert without.word is Word.GO
