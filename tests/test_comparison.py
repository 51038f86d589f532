"""The difference of a run to the one before it: every item stands where it belongs, and nothing is guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_golive import canonical, comparison, earlier, report, statement
from pytest_golive.comparison import Comparison, Earlier, compare
from pytest_golive.decision import decide
from pytest_golive.journal import Journal
from pytest_golive.manifest import Manifest
from pytest_golive.model import Checklist, Decision, Finding, Item, Outcome, Phase, Severity
from pytest_golive.signing import dsse
from pytest_golive.worktree import Tree
from tests.signing.people import hand
from tests.test_decision import GATE, NOW, item

HOUR = timedelta(hours=1)


def listed(*items: Item, sha256: str = "1" * 64) -> tuple[Checklist, ...]:
    return (Checklist(name="c", title="C", owner="o", path="c.yaml", sha256=sha256, items=items),)


def judged(at: datetime, **outcomes: Outcome) -> Decision:
    """A run over one critical item for each outcome."""
    found = {name: Finding(item=name, outcome=outcome, reason="seen") for name, outcome in outcomes.items()}
    return decide([replace(item(name), demand=f"{name:0>64}") for name in outcomes], found, phases=GATE, now=at)


def signed(decision: Decision, compared: Comparison | None = None, **more: Any) -> Mapping[str, Any]:
    """The statement about a decision, read back."""
    return dsse.strict_json(payload(decision, compared, **more))


def payload(decision: Decision, compared: Comparison | None = None, checklists: Any = None, phases: Any = GATE) -> bytes:
    lists = checklists or listed(*(ruling.item for ruling in decision.rulings))
    run = statement.RunRecord(
        id="0123456789abcdef",
        operator="alice",
        host="desk",
        began=decision.at - HOUR,
        ended=decision.at,
        valid_until=decision.at + HOUR,
        wall_seconds=1.0,
        sum_seconds=1.0,
        command="pytest --golive",
        phases=phases,
        versions={"pytest-golive": "0", "pytest": "0", "python": "0"},
        gates=True,
    )
    manifest = Manifest(
        tree=Tree(), environment="production", config="", resolved="", place="", checklists={"c": "1" * 64}, code={}
    )
    target = statement.TargetRecord(name="desk", environment="production", demo=True)
    return statement.build(
        decision,
        checklists=lists,
        manifest=manifest,
        target=target,
        run=run,
        journal_head="0" * 64,
        since=compared.since if compared else None,
    )


def before(decision: Decision, compared: Comparison | None = None, **more: Any) -> Earlier:
    return Earlier(word=decision.word, at=decision.at, evidence="e" * 64, statement=signed(decision, compared, **more))


def against(now: Decision, then: Earlier | None, phases: Any = GATE) -> Comparison:
    return compare(now, listed(*(ruling.item for ruling in now.rulings)), phases, then)


def ids(entries: Any) -> list[str]:
    return [entry["id"] for entry in entries]


def test_the_first_run_has_nothing_before_it() -> None:
    """Without an earlier run there are no changes, and what fails fails since now."""
    compared = against(judged(NOW, a=Outcome.FAILED, b=Outcome.PASSED), None)
    assert (compared.previous, compared.changes, compared.since) == (None, None, {"a": NOW.isoformat()})


def test_each_item_stands_where_it_belongs() -> None:
    """New failures, what was fixed, what fails still, what came and what went; each with its title."""
    then = judged(NOW - HOUR, a=Outcome.PASSED, b=Outcome.FAILED, c=Outcome.ERROR, d=Outcome.PASSED, gone=Outcome.PASSED)
    now = judged(NOW, a=Outcome.FAILED, b=Outcome.PASSED, c=Outcome.FAILED, d=Outcome.PASSED, fresh=Outcome.BLOCKED)
    compared = against(now, before(then))
    assert compared.changes is not None
    assert compared.changes["newly_failing"] == [{"id": "a", "title": "a"}, {"id": "fresh", "title": "fresh"}]
    assert ids(compared.changes["fixed"]) == ["b"]
    assert compared.changes["still_failing"] == [{"id": "c", "title": "c", "since": (NOW - HOUR).isoformat()}]
    assert (ids(compared.changes["added"]), ids(compared.changes["removed"])) == (["fresh"], ["gone"])
    assert compared.changes["demands"] == compared.changes["checklists"] == []
    assert compared.previous == {
        "word": "NO-GO",
        "run": "0123456789abcdef",
        "at": (NOW - HOUR).isoformat(),
        "evidence": "e" * 64,
    }


def test_since_is_carried_from_run_to_run() -> None:
    """An unbroken row of failures keeps its beginning; a run in which the item was clear breaks the row."""
    first = judged(NOW - 4 * HOUR, a=Outcome.FAILED)
    second = judged(NOW - 3 * HOUR, a=Outcome.ERROR)
    between = against(second, before(first))
    third = judged(NOW - 2 * HOUR, a=Outcome.FAILED)
    compared = against(third, before(second, between))
    assert compared.since == {"a": (NOW - 4 * HOUR).isoformat()}
    clear = judged(NOW - HOUR, a=Outcome.PASSED)
    broken = against(clear, before(third, compared))
    assert broken.since == {}
    assert against(judged(NOW, a=Outcome.FAILED), before(clear, broken)).since == {"a": NOW.isoformat()}


def test_what_did_not_run_is_no_difference() -> None:
    """A selected run names no new failure for what it left out, and keeps since when that had failed."""
    then = before(judged(NOW - HOUR, a=Outcome.PASSED, b=Outcome.FAILED))
    now = decide([item("a"), item("b")], {}, phases=GATE, now=NOW)
    compared = against(now, then)
    assert compared.changes is not None
    assert not any(compared.changes[key] for key in ("newly_failing", "fixed", "still_failing", "added", "removed"))
    assert compared.since == {"b": (NOW - HOUR).isoformat()}


def test_a_changed_demand_and_a_changed_list_are_named() -> None:
    """Another bound in an item, or other bytes of its list, are told also where the verdict stayed the same."""
    then = before(judged(NOW - HOUR, a=Outcome.PASSED, b=Outcome.PASSED))
    now = judged(NOW, a=Outcome.PASSED, b=Outcome.PASSED)
    other = replace(now.rulings[0], item=replace(now.rulings[0].item, demand="f" * 64))
    now = replace(now, rulings=(other, now.rulings[1]))
    compared = compare(now, listed(*(ruling.item for ruling in now.rulings), sha256="2" * 64), GATE, then)
    assert compared.changes is not None
    assert (ids(compared.changes["demands"]), compared.changes["checklists"]) == (["a"], ["c"])


def test_a_statement_that_names_no_demand_says_nothing_of_demands() -> None:
    """What an older statement did not record is not called changed."""
    then = judged(NOW - HOUR, a=Outcome.PASSED)
    old = dict(signed(then))
    del old["predicate"]["golive"]["items"][0]["demand"], old["predicate"]["golive"]["items"][0]["since"]
    compared = against(judged(NOW, a=Outcome.PASSED), replace(before(then), statement=old))
    assert compared.changes is not None
    assert compared.changes["demands"] == []


def test_another_phase_is_compared_with_nothing() -> None:
    """A run of other phases asks other questions."""
    then = before(judged(NOW - HOUR, a=Outcome.PASSED))
    assert against(judged(NOW, a=Outcome.FAILED), then, phases=(Phase.MONITORING,)) == Comparison()


def test_a_lost_report_is_said_and_nothing_is_guessed() -> None:
    """Without the statement there are neither changes nor a beginning of any row."""
    lost = Earlier(word="NO-GO", at=NOW - HOUR, evidence="e" * 64, lost="its page is gone")
    compared = against(judged(NOW, a=Outcome.FAILED), lost)
    assert (compared.changes, compared.since) == (None, {})
    assert compared.previous is not None
    assert compared.previous["lost"] == "its page is gone"
    assert comparison.in_words(compared) == "Not compared with the last report (NO-GO, 2026-11-21T09:00:00Z): its page is gone."


def test_the_difference_in_one_line() -> None:
    """The line counts what is new, what is fixed, what is left, and what came or went if anything did."""
    then = before(judged(NOW - HOUR, a=Outcome.PASSED, b=Outcome.FAILED, c=Outcome.FAILED))
    compared = against(judged(NOW, a=Outcome.FAILED, b=Outcome.PASSED, c=Outcome.FAILED, d=Outcome.PASSED), then)
    line = "Since the last report (NO-GO, 2026-11-21T09:00:00Z): 1 new failure, 1 fixed, 1 still failing, 1 item added."
    assert comparison.in_words(compared) == line
    assert comparison.in_words(against(judged(NOW, a=Outcome.PASSED), None)) == ""


OUTCOMES = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from(list(Outcome)), max_size=8)


@given(OUTCOMES, OUTCOMES)
def test_every_change_is_counted_once(then: dict[str, Outcome], now: dict[str, Outcome]) -> None:
    """Each present item stands in exactly one of: new, fixed, still, clear in both; since is told of all that are not clear."""
    told = judged(NOW, **now)
    compared = against(told, before(judged(NOW - HOUR, **then)))
    assert compared.changes is not None
    failing = {ruling.item.id for ruling in told.rulings if ruling.verdict != "clear"}
    new, fixed, still = (ids(compared.changes[key]) for key in ("newly_failing", "fixed", "still_failing"))
    assert sorted(new + still) == sorted(failing) == sorted(compared.since)
    assert not set(fixed) & failing
    assert set(ids(compared.changes["added"])) == set(now) - set(then)
    assert set(ids(compared.changes["removed"])) == set(then) - set(now)


# The run before, from journal and page.


class Desk:
    """A journal, and the page of one run that it names."""

    def __init__(self, root: Path) -> None:
        self.key = hand(root, "session").key
        self.journal = Journal(root / "journal.jsonl")
        self.page = root / "report.html"

    def ran(self, at: datetime = NOW, *, decides: bool = True, **detail: Any) -> None:
        body = payload(judged(at, a=Outcome.FAILED))
        self.page.write_bytes(report.render(dsse.sign(body, self.key)))
        told = {"word": "NO-GO", "report": str(self.page), "evidence": canonical.sha256(body), "decides": decides}
        self.journal.append("run", {**told, **detail}, at)

    def newest(self, target: str = "desk", environment: str = "production") -> Earlier | None:
        return earlier.newest(self.journal.entries(), [self.key.public], target=target, environment=environment)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk at which one run has decided."""
    made = Desk(tmp_path)
    made.ran()
    return made


def test_the_newest_deciding_run_is_read_from_its_page(desk: Desk) -> None:
    """Runs that decided nothing, and other events, are passed over."""
    desk.ran(NOW + HOUR)
    desk.journal.append("run", {"word": "GO", "report": "nowhere", "evidence": "", "decides": False}, NOW + 2 * HOUR)
    desk.journal.append("attested", {}, NOW + 2 * HOUR)
    found = desk.newest()
    assert found is not None
    assert (found.at, found.lost) == (NOW + HOUR, "")
    assert found.statement is not None
    assert found.statement["predicate"]["golive"]["decision"]["word"] == "NO-GO"


def test_a_run_of_another_place_is_not_the_one_before(desk: Desk) -> None:
    """Target and environment must be the same, by the journal and by the statement."""
    assert desk.newest(target="other") is None
    assert desk.newest(environment="staging") is None
    desk.ran(NOW + HOUR, environment="staging", target="desk")
    found = desk.newest()
    assert found is not None
    assert found.at == NOW


def test_a_page_that_is_gone_is_said(desk: Desk) -> None:
    """The journal still knows the run."""
    desk.page.unlink()
    found = desk.newest()
    assert found is not None
    assert (found.statement, found.word) == (None, "NO-GO")
    assert "is gone" in found.lost


def test_a_page_of_another_run_is_said(desk: Desk) -> None:
    """A good page that holds another statement than the journal names is not compared with."""
    body = payload(judged(NOW, a=Outcome.PASSED))
    desk.page.write_bytes(report.render(dsse.sign(body, desk.key)))
    found = desk.newest()
    assert found is not None
    assert found.statement is None
    assert "another statement" in found.lost


def test_an_altered_page_and_a_foreign_key_are_said(desk: Desk, tmp_path: Path) -> None:
    """Neither bytes that were changed nor a signature by anybody count."""
    whole = desk.page.read_bytes()
    desk.page.write_bytes(whole[: len(whole) // 2])
    found = desk.newest()
    assert found is not None
    assert "not to be believed" in found.lost
    desk.page.write_bytes(whole)
    stranger = hand(tmp_path, "stranger").key.public
    told = earlier.newest(desk.journal.entries(), [stranger], target="desk", environment="production")
    assert told is not None
    assert told.statement is None
    assert "not to be believed" in told.lost


def test_a_statement_of_another_shape_is_said(desk: Desk) -> None:
    """What is signed, but does not have the parts that are compared, is lost too."""
    line = dsse.sign(b'{"predicate":{"golive":{"items":[]}}}', desk.key)
    page = desk.page.read_text()
    start = page.index('<script type="application/vnd.in-toto+dsse"')
    begin, end = page.index("\n", start) + 1, page.index("\n</script>", start)
    desk.page.write_text(page[:begin] + line + page[end:])
    desk.journal.append(
        "run",
        {"word": "GO", "report": str(desk.page), "evidence": dsse.payload_digest(line), "decides": True},
        NOW + HOUR,
    )
    found = desk.newest()
    assert found is not None
    assert "another shape" in found.lost


def test_a_severe_list_does_not_matter_for_the_words() -> None:
    """Warnings count as failures do: what is not clear, is told."""
    told = decide(
        [item("a"), item("w", Severity.WARNING)],
        {"a": Finding(item="a", outcome=Outcome.PASSED), "w": Finding(item="w", outcome=Outcome.FAILED)},
        phases=GATE,
        now=NOW.astimezone(UTC),
    )
    assert list(against(told, None).since) == ["w"]
