"""Pages with approvals that somebody changed: every row of the table of tampering, and pages and approvals that were moved.

Each row names the answer that says no; where a defence of its own is meant, the others are seen to hold.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pytest_golive import approving, canonical, report, verifying
from pytest_golive.approval import Policy, signoff_of
from pytest_golive.errors import ApprovalRejected, GoliveError, Misuse, ReportRejected
from pytest_golive.journal import Journal
from pytest_golive.signing import dsse, roster
from pytest_golive.signing.keys import SessionKey
from pytest_golive.verifying import Examined
from tests.report.conftest import make_failed, make_item, make_statement
from tests.signing import people
from tests.signing.people import Hand, hand

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
QUORUM = "[quorum.production]\npersons = 2\nroles = {qa = 1, operations = 1}\n"
SPEAK = [("ann", "qa"), ("ben", "operations")]


@dataclass(frozen=True)
class Desk:
    """The session key, people, their roster, and pages that they approve."""

    key: SessionKey
    hands: dict[str, Hand]
    policy: Policy

    def statement(self, word: str = "GO", **changes: Any) -> dict[str, Any]:
        items = [make_item("one"), make_failed("two", severity="warning")] if word == "GO WITH WARNINGS" else [make_item("one")]
        made = make_statement(word, items, **{"signoff": signoff_of(self.policy), **changes})
        made["subject"][0]["digest"]["sha256"] = canonical.digest(made["predicate"]["golive"]["manifest"])
        return made

    def page(self, *speakers: tuple[str, str], statement: dict[str, Any] | None = None) -> bytes:
        """A page with the approvals of these persons in these roles."""
        page = report.render(dsse.sign(canonical.dumps(statement or self.statement()), self.key))
        for who, role in speakers:
            page = report.render(report.extract(page).envelope, [*report.extract(page).approvals, self.line(page, who, role)])
        return page

    def line(self, page: bytes, who: str, role: str, **more: Any) -> str:
        """The approval of a page by one person."""
        signer = self.hands[who].key
        return approving.seal(self.draft(page, who, role, **more), signer=signer)

    def draft(self, page: bytes, who: str, role: str, **more: Any) -> Any:
        opened = approving.open_page(page, [self.key.public], self.policy, NOW)
        told = {"policy": self.policy, "comment": "", "valid_for": None, "now": NOW, **more}
        return approving.draft(opened, signer=self.hands[who].key, role=role, **told)

    def examine(self, page: bytes, now: datetime = NOW, **policy: Any) -> Examined:
        return verifying.examine(page, [self.key.public], replace(self.policy, **policy), now)

    def noes(self, page: bytes, **more: Any) -> list[str]:
        """The answers that say no."""
        found = self.examine(page, **more)
        noes = [answer.name for answer in found.answers if not answer.ok]
        assert bool(noes) is not found.holds
        assert bool(noes) is bool(found.hint)
        return noes


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, key: SessionKey) -> Desk:
    """Ann of QA and Ben of operations are the quorum; Cat of QA too is on the roster; Ada ran the gate."""
    folder = tmp_path_factory.mktemp("desk")
    roles = {"ann": ["qa"], "ben": ["operations"], "cat": ["qa"]}
    hands = {name: hand(folder, name) for name in (*roles, "mallory")}
    listed = [people.person(name, held, hands[name].line) for name, held in roles.items()]
    roll = roster.parse(people.roster(*listed, more=QUORUM).encode(), "roster")
    policy = Policy(environment="production", required=False, roster=roll, at_most=timedelta(hours=24))
    return Desk(key, hands, policy)


@pytest.fixture(scope="module")
def page(desk: Desk) -> bytes:
    """A page that both have approved."""
    return desk.page(*SPEAK)


REGION = b"<!--golive:approvals-->\n"
TAMPERING: dict[str, Callable[[bytes], bytes]] = {
    "H1 an item is shown as another": lambda page: page.replace(b"Dry run is switched off", b"Dry run is switched on!", 1),
    "H2 style in the approvals": lambda page: page.replace(REGION, REGION + b"<style>.no{display:none}</style>\n"),
    "H3 script in the approvals": lambda page: page.replace(REGION, REGION + b"<script>alert(1)</script>\n"),
    "H3 a row in the approvals": lambda page: page.replace(b"Ann Example", b"Ann Director", 1),
    "H6 junk after the end": lambda page: page + b"<p>approved</p>\n",
    "H7 no policy of the page": lambda page: page.replace(b"Content-Security-Policy", b"Content-Security-Nothing"),
}


@pytest.mark.parametrize("row", TAMPERING)
def test_what_was_not_signed_is_seen_by_rendering_again(desk: Desk, page: bytes, row: str) -> None:
    """H1, H2, H3, H6, H7: signatures and quorum hold, and the bytes do not."""
    altered = TAMPERING[row](page)
    assert altered != page
    noes = desk.noes(altered)
    # outside of the approvals the digest that people signed tells as well
    assert set(noes) <= {"digests", "quorum", "page"}
    assert "page" in noes
    if row.startswith(("H2", "H3")):
        assert noes == ["page"]


def test_two_pieces_of_evidence_are_no_page(desk: Desk, page: bytes) -> None:
    """H4: whoever could choose between two would choose."""
    second = page.replace(
        b"</body>", b'<script type="application/vnd.in-toto+dsse" id="golive-evidence">\n{}\n</script>\n</body>'
    )
    with pytest.raises(ReportRejected, match="more than one"):
        desk.examine(second)


def test_a_page_that_lied_before_its_first_approval_is_seen(desk: Desk) -> None:
    """H5: the approvals sign the lie's own digest, and still the page is not what its evidence renders to."""
    lie = desk.page().replace(b"Dry run is switched off", b"Dry run is switched on!", 1)
    honest = desk.draft(desk.page(), "ann", "qa")
    over_the_lie = replace(honest, presentation=report.presentation(lie))
    lines = [
        approving.seal(replace(over_the_lie, person=who, name=f"{who.title()} Example", role=role), signer=desk.hands[who].key)
        for who, role in SPEAK
    ]
    empty = b'id="golive-approvals">\n'
    lie = lie.replace(empty, empty + "".join(f"{line}\n" for line in lines).encode())
    found = desk.examine(lie)
    assert [answer.name for answer in found.answers if answer.ok] == ["signature", "digests", "quorum"]
    assert not found.holds
    with pytest.raises(ReportRejected):
        approving.open_page(lie, [desk.key.public], desk.policy, NOW)


def test_an_approval_that_was_stripped_is_missing(desk: Desk, page: bytes) -> None:
    """H8: the rest of the page is in order, and the quorum is open."""
    found = report.extract(page)
    stripped = report.render(found.envelope, found.approvals[:1])
    assert desk.noes(stripped) == ["quorum"]
    standing = desk.examine(stripped).standing
    assert standing is not None
    assert [one.words for one in standing.missing] in (["one of qa"], ["one of operations"])


def test_approvals_of_another_report_are_none_of_this_one(desk: Desk, page: bytes) -> None:
    """H9: they were given over another evidence and another page; all three of the others say so."""
    other = desk.page(statement=desk.statement(journal_head="0" * 64))
    lines = "".join(f"{line}\n" for line in report.extract(page).approvals).encode()
    moved = other.replace(b'id="golive-approvals">\n', b'id="golive-approvals">\n' + lines)
    assert desk.noes(moved) == ["digests", "quorum", "page"]
    standing = desk.examine(moved).standing
    assert standing is not None
    assert all("over the evidence" in one.reason for one in standing.rejected)


def test_damage_of_the_way_is_no_forgery_and_no_page(desk: Desk, page: bytes) -> None:
    """H10, H11: only the bytes differ, what differs is said, and the repaired page is the page; nothing else is repaired."""
    for damaged in (page.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + page, b"\xef\xbb\xbf" + page.replace(b"\n", b"\r\n")):
        assert desk.noes(damaged) == ["page"]
        assert "transport-damaged, evidence intact" in desk.examine(damaged).answers[-1].line
        assert "golive repair" in desk.examine(damaged).hint
        assert verifying.repaired(damaged, [desk.key.public]) == page
        with pytest.raises(ReportRejected):
            verifying.repaired(damaged.replace(b"Dry run", b"Wet run"), [desk.key.public])
    with pytest.raises(Misuse, match="nothing to repair"):
        verifying.repaired(page, [desk.key.public])


def test_a_page_of_a_newer_template_is_one_clear_no(desk: Desk) -> None:
    """Who signed it may well be trusted; what it shows cannot be held against anything here."""
    newer = desk.statement(template=99)
    made = desk.page().replace(
        report.extract(desk.page()).envelope.encode(), dsse.sign(canonical.dumps(newer), desk.key).encode()
    )
    found = desk.examine(made)
    assert [answer.name for answer in found.answers if answer.ok] == ["signature", "digests"]
    assert "template 99, which is not known here" in found.answers[-1].line


def test_a_stranger_signed_it(desk: Desk, page: bytes) -> None:
    """Without a trusted signature nothing else is worth looking at, and nothing else is said to hold."""
    found = verifying.examine(page, [desk.hands["mallory"].key.public], desk.policy, NOW)
    assert [answer.ok for answer in found.answers] == [False] * 4
    assert (found.golive, found.standing) == ({}, None)


def test_the_manifest_is_the_one_that_is_named(desk: Desk) -> None:
    """A statement whose first subject is another manifest speaks of two releases."""
    other = desk.statement()
    other["subject"][0]["digest"]["sha256"] = "0" * 64
    assert "digests" in desk.noes(desk.page(*SPEAK, statement=other))


def test_a_good_page_holds_and_is_over_when_its_approvals_are(desk: Desk, page: bytes) -> None:
    """All four hold now; a day later two approvals have expired; as of then it held."""
    assert desk.noes(page) == []
    assert desk.noes(page, now=NOW + timedelta(days=2)) == ["quorum"]
    assert desk.noes(page, environment="staging") == ["quorum"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"word": "NO-GO"}, "a NO-GO cannot be approved"),
        ({"word": "INCOMPLETE"}, "an INCOMPLETE cannot be approved"),
        ({"run": {"gates": False}}, "a run that opens no gate cannot be approved"),
        ({"decision": {"valid_until": NOW.isoformat()}}, "and that is over"),
        ({"decision": {"at": (NOW + timedelta(minutes=1)).isoformat()}}, "dated in the future"),
        ({"target": {"environment": "staging"}}, "about staging, and this is production"),
        ({"run": {"operator": "ann"}}, "the operator of the run does not count"),
        ({"run": {"login": "Ann Example"}}, "the operator of the run does not count"),
    ],
)
def test_what_must_not_be_approved_cannot_be(desk: Desk, changes: dict[str, Any], words: str) -> None:
    """A refusal comes before anything is signed, with what to do."""
    made = desk.statement(changes.pop("word", "GO"))
    for name, change in changes.items():
        made["predicate"]["golive"][name] |= change
    with pytest.raises(GoliveError, match=words) as caught:
        desk.draft(desk.page(statement=made), "ann", "qa")
    assert caught.value.hint


def test_warnings_are_accepted_in_so_many_words(desk: Desk) -> None:
    """What is signed says that the warnings were seen; the words of a plain GO do not approve them."""
    page = desk.page(statement=desk.statement("GO WITH WARNINGS"))
    made = desk.draft(page, "ann", "qa")
    assert made.meaning == "I approve this release and accept the warnings listed."
    plain = approving.seal(replace(made, meaning="I approve this release."), signer=desk.hands["ann"].key)
    standing = desk.examine(report.render(report.extract(page).envelope, [plain])).standing
    assert standing is not None
    assert "does not approve a GO WITH WARNINGS" in standing.rejected[0].reason


def test_nothing_is_written_if_anything_fails(desk: Desk, tmp_path: Path) -> None:
    """A journal that cannot be written, a page that became another, a line that would not be believed: the file stays."""
    path = tmp_path / "report.html"
    page = desk.page()
    path.write_bytes(page)
    made = desk.draft(page, "ann", "qa")
    line = approving.seal(made, signer=desk.hands["ann"].key)
    forged = approving.seal(made, signer=desk.hands["mallory"].key)
    (tmp_path / "folder").mkdir()
    good = Journal(tmp_path / "journal.jsonl")

    def put(line: str, journal: Journal = good, now: datetime = NOW) -> None:
        more = {"keys": [desk.key.public], "policy": desk.policy, "journal": journal, "now": now}
        approving.put(path, made, line, **more)

    late = NOW + timedelta(hours=11)
    for refused in (lambda: put(line, Journal(tmp_path / "folder")), lambda: put(forged), lambda: put(line, now=late)):
        with pytest.raises(GoliveError):
            refused()
        assert path.read_bytes() == page
    other = desk.page(statement=desk.statement(journal_head="1" * 64))
    path.write_bytes(other)
    with pytest.raises(ReportRejected, match="another report"):
        put(line)
    assert path.read_bytes() == other
    assert not list(good.entries())
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder", "report.html"]
    path.write_bytes(page)
    put(line)
    (entry,) = good.entries()
    assert (entry.event, entry.detail["person"], entry.detail["approval"]) == ("approved", "ann", dsse.payload_digest(line))


def test_whoever_keeps_the_folder_is_not_waited_for_without_end(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that hangs is told after a while, and nothing is written past it."""
    path = tmp_path / "report.html"
    path.write_bytes(desk.page())
    made = desk.draft(desk.page(), "ann", "qa")
    line = approving.seal(made, signer=desk.hands["ann"].key)
    monkeypatch.setattr(approving, "PATIENCE", 0.0)
    other = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    journal = Journal(tmp_path / "journal.jsonl")
    try:
        with pytest.raises(GoliveError, match=r"keeps .* locked"):
            approving.put(path, made, line, keys=[desk.key.public], policy=desk.policy, journal=journal, now=NOW)
    finally:
        os.close(other)
    assert path.read_bytes() == desk.page()
    assert not journal.path.exists()


def test_a_forged_later_date_does_not_take_the_place_of_a_true_one(desk: Desk, page: bytes) -> None:
    """Merging believes before it chooses: the forged line is refused or dropped, and the true one stands."""
    later = replace(desk.draft(desk.page(), "ann", "qa"), signed_at=NOW + timedelta(seconds=3), comment="forged")
    forged = approving.seal(later, signer=desk.hands["mallory"].key)
    found = report.extract(page)
    bad = report.render(found.envelope, [*found.approvals, forged])
    assert desk.noes(bad) == ["quorum"]
    merged, whole, left = approving.merge([bad, page], [desk.key.public], desk.policy, NOW)
    assert merged == page
    assert whole.standing.approved
    assert [one.reason.split(" ", 1)[0] for one in left] == ["its"] or "not on the roster" in left[0].reason
    with pytest.raises(ReportRejected, match="does not hold"):
        approving.merge([bad], [desk.key.public], desk.policy, NOW)


def test_different_reports_do_not_merge(desk: Desk, page: bytes) -> None:
    """Copies of one report are those of one evidence; another run is another report."""
    other = desk.page(statement=desk.statement(journal_head="0" * 64))
    with pytest.raises(ReportRejected, match="different reports"):
        approving.merge([page, other], [desk.key.public], desk.policy, NOW)


def test_a_role_that_is_not_held_and_a_key_of_nobody_are_refused(desk: Desk) -> None:
    """The refusal names the roles that are held, or that the key is on no roster."""
    with pytest.raises(ApprovalRejected, match="does not hold the role 'operations'") as caught:
        desk.draft(desk.page(), "ann", "operations")
    assert "you hold: qa" in caught.value.hint
    with pytest.raises(ApprovalRejected, match="not on the roster"):
        desk.draft(desk.page(), "mallory", "qa")


def test_a_key_that_is_over_is_told_before_anybody_signs(desk: Desk) -> None:
    """Named or found: whoever signs with a revoked key is not asked first and refused afterwards."""
    line = people.person("ann", ["qa"], desk.hands["ann"].line, more=f", revoked = {(NOW - timedelta(hours=1)).isoformat()}")
    text = people.roster(line, people.person("ben", ["qa", "operations"], desk.hands["ben"].line))
    over = replace(desk, policy=replace(desk.policy, roster=roster.parse(text.encode(), "roster")))
    with pytest.raises(ApprovalRejected, match="does not count: revoked at") as refused:
        over.draft(desk.page(), "ann", "qa")
    assert "--key" in refused.value.hint


def test_an_approval_counts_whatever_json_a_page_could_hold(desk: Desk, page: bytes) -> None:
    """What is no approval at all in the list of approvals is a no of three answers and never a crash."""
    for junk in ("{}", "[]", "null", '{"payload":"e30="}', json.dumps({"payload": "!", "signatures": []})):
        spoilt = page.replace(b'id="golive-approvals">\n', b'id="golive-approvals">\n' + junk.encode() + b"\n")
        assert desk.noes(spoilt) == ["digests", "quorum", "page"]
