"""What the page tells beyond its own run: the difference to the last one, since when, idle waivers, notices, what to do next."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from pytest_golive import report
from tests.report.gallery import PREVIOUS, statements
from tests.report.test_render import first_screen, section, text_of, unopened

Make = Callable[..., dict[str, Any]]
Render = Callable[[dict[str, Any]], str]
NOTHING: dict[str, list[Any]] = {
    name: [] for name in ("newly_failing", "fixed", "still_failing", "added", "removed", "demands", "checklists")
}


@pytest.fixture(scope="module")
def render(sign: Callable[[dict[str, Any]], str]) -> Render:
    """The text of a statement's page."""
    return lambda statement: report.render(sign(statement)).decode("ascii")


@pytest.fixture(scope="module")
def nogo(render: Render) -> str:
    """A page on which something has changed in every way."""
    return render(statements()["no-go"])


def test_every_change_is_told(nogo: str) -> None:
    """New, old and fixed failures, what came, went and asks otherwise, and changed lists stand there with their numbers."""
    seen = text_of(unopened(section(nogo, "previous")))
    for words in (
        "2 Newly failing Every broker is healthy nija-item-7",
        "1 Still failing The ledger agrees with the exchange amarktai-item-23 since 2026-11-19 09:00:00 UTC",
        "3 Fixed",
        "2 Added",
        "1 Removed The old broker is switched off nija-old-broker",
        "1 Asked otherwise The certificate is valid for another month nija-item-8",
        "1 Changed lists amarktai",
    ):
        assert words in seen


def test_the_difference_is_summed_up_on_the_first_screen(nogo: str) -> None:
    """The verdict box says in one line what turned, and leads to the section that tells everything."""
    assert "Since the last report 2 newly failing, 1 still failing, 3 fixed." in first_screen(nogo)


def test_changes_lead_to_their_items(nogo: str) -> None:
    """What is still there is linked, what was removed is not."""
    part = section(nogo, "previous")
    assert '<a href="#item-nija-item-7">Every broker is healthy</a>' in part
    assert "item-nija-old-broker" not in re.findall(r'href="#([^"]*)"', part)


def test_no_difference_is_no_silence(statement: Make, render: Render) -> None:
    """No report before, one that cannot be compared with, and one without a difference are three sentences."""
    none = text_of(section(render(statement()), "previous"))
    assert "No previous report." in none
    lost = statement(previous={**PREVIOUS, "run": "", "lost": "its page is gone"})
    seen = text_of(section(render(lost), "previous"))
    assert "What changed since is not known: its page is gone." in seen
    assert "(run" not in seen
    same = text_of(section(render(statement(previous=PREVIOUS, changes=NOTHING)), "previous"))
    assert "No item fails, passes or asks otherwise than in that run." in same


def test_a_long_group_is_folded_and_counted(statement: Make, item: Make, render: Render) -> None:
    """A group of many is closed, names two hundred, and says how many it does not name."""
    items = [item(f"i{number}") for number in range(250)]
    added = [{"id": one["id"], "title": one["title"]} for one in items]
    page = render(statement("GO", items, previous=PREVIOUS, changes={**NOTHING, "added": added}))
    part = section(page, "previous")
    assert '<details class="change added"><summary><b>250</b> Added</summary>' in part
    assert len(re.findall('href="#item-', part)) == 200
    assert "50 more are in the signed evidence." in part


@pytest.mark.parametrize(
    ("told", "changes", "previous", "words"),
    [
        (None, None, None, "Since This run; there is no earlier one to compare with"),
        ("2026-11-19T09:00:00+00:00", NOTHING, PREVIOUS, "Since 2026-11-19 09:00:00 UTC"),
        (
            None,
            {**NOTHING, "newly_failing": [{"id": "a", "title": "t"}]},
            PREVIOUS,
            "Since New: it was clear in the last signed run",
        ),
        (None, {**NOTHING, "added": [{"id": "a", "title": "t"}]}, PREVIOUS, "Since New: the item was not there"),
        ("2026-11-21T10:00:05+00:00", None, PREVIOUS, "Since New in this run"),
        (None, NOTHING, PREVIOUS, "Since Not known"),
    ],
)
def test_since_when(
    told: str | None, changes: Any, previous: Any, words: str, statement: Make, failed: Make, render: Render
) -> None:
    """A failing card says since when it fails, or that it is new, without a click."""
    page = render(statement("NO-GO", [failed("a", since=told)], changes=changes, previous=previous))
    assert words in text_of(unopened(section(page, "blocking")))


def test_idle_waivers_are_told(nogo: str) -> None:
    """A waiver that excused nothing stands there with why, until when and by whom."""
    seen = text_of(section(nogo, "idle-waivers"))
    assert "nija-item-3 the item passes without it The desk was being moved. Until 2026-11-30 00:00:00 UTC , by Bob Risk." in seen


def test_who_signed_a_waiver(nogo: str) -> None:
    """A waived card says in which role and when its waiver was signed, and the digest of what was."""
    seen = text_of(unopened(section(nogo, "waived")))
    assert f"Approved by Bob Risk, risk, signed 2026-11-20 15:00:00 UTC sha256:{'b' * 64}" in seen


def test_notices_stand_above_the_reasons(nogo: str) -> None:
    """A notice is in the verdict box, before the reasons, with who, when and why."""
    seen = first_screen(nogo)
    notice = "BREAK GLASS: an activation without its quorum is in force since 2026-11-20 23:10:00 UTC , by Cleo Ops: The exchange"
    assert 0 < seen.index(notice) < seen.index("2 critical items fail.")


def test_what_to_do_next(statement: Make, failed: Make, item: Make, render: Render) -> None:
    """The verdict box says what to do: begin with what blocks, run the whole gate, or read on and sign."""
    assert "Next Read what is below, then sign, or see who has signed ." in first_screen(render(statement()))
    unseen = item("u", outcome="error", verdict="blocking", reason="refused", checks=[], evidence=None)
    stopped = statement("NO-GO", [failed("w", severity="warning", title="Only a warning"), unseen, failed("b"), failed("c")])
    assert "Next Put right: Every broker is healthy and 2 more, then run the gate again." in first_screen(render(stopped))
    unrun = item("n", outcome="not-run", verdict="blocking", reason="did not run", checks=[], evidence=None)
    partial = statement("INCOMPLETE", [unrun, item("a")])
    partial["predicate"]["golive"]["run"]["partial"] = ["deselected by -k: 1"]
    assert "Next Run the whole gate." in first_screen(render(partial))
    rehearsal = statement()
    rehearsal["predicate"]["golive"]["run"]["gates"] = False
    assert "Next Nothing to sign: this run opens no gate." in first_screen(render(rehearsal))


def test_the_state_of_the_sign_off_is_not_in_the_locked_part(sign: Callable[[dict[str, Any]], str]) -> None:
    """Outside the approvals region nothing speaks of who has signed: it would change with every approval."""
    page = report.render(sign(statements()["go"])).decode("ascii")
    outside = re.sub(r"(?s)<!--golive:approvals-->.*<!--/golive:approvals-->", "", page)
    assert "Not signed" in page
    assert "Not signed" not in text_of(outside)
    assert 'href="#sign-off"' in outside


def test_hostile_words_are_text(statement: Make, failed: Make, render: Render) -> None:
    """What other runs, waivers and notices say is escaped, and what cannot be seen is spelled out."""
    evil = "</script><img src=x onerror=alert(1)>\u202e\x00"
    named = [{"id": evil, "title": evil, "since": "2026-11-19T09:00:00+00:00"}]
    page = render(
        statement(
            "NO-GO",
            [failed("a")],
            previous={**PREVIOUS, "word": evil, "run": evil, "lost": evil},
            changes={**NOTHING, "removed": named, "still_failing": named, "checklists": [evil]},
            idle_waivers=[
                {"item": evil, "reason": evil, "until": "2026-11-30T00:00:00+00:00", "approved_by": [evil], "why": evil}
            ],
            notices=[{"what": evil, "at": "2026-11-20T23:10:00+00:00", "by": evil, "reason": evil}],
        )
    )
    assert "<img" not in page
    assert page.count("<script") == 2
    assert "\\u202e\\u0000" in page
