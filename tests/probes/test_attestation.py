"""attestation: statements of people, and every way in which one must not count."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pytest_golive import probes
from pytest_golive.errors import ProbeError
from pytest_golive.model import Context, Facts, Witnesses
from pytest_golive.probes.attestation import Attestation
from pytest_golive.redaction import Redactor
from pytest_golive.signing import attestation, dsse
from pytest_golive.signing.attestation import Attested
from tests.probes.conftest import NOW
from tests.signing.people import Hand, hand, person, roster

FIELDS: dict[str, Any] = {"role": "qa", "look_at": "the plan was walked through", "subjects": ["plan.md"], "valid_for": "30d"}


class Office:
    """A folder with a roster of three persons, a document, and statements."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "attestations"
        self.folder.mkdir()
        (root / "plan.md").write_text("the plan\n")
        self.hands: dict[str, Hand] = {
            name: hand(root, f"{name}.key", p256=name == "bob") for name in ("alice", "bob", "carol", "eve")
        }
        self.enlist()

    def enlist(self, more: str = "") -> None:
        lines = {name: each.line for name, each in self.hands.items()}
        self.write_roster(
            person("alice", ["qa"], lines["alice"], more=more),
            person("bob", ["qa", "operations"], lines["bob"]),
            person("carol", ["risk"], lines["carol"]),
        )

    def write_roster(self, *persons: str) -> None:
        (self.root / "golive.roster.toml").write_text(roster(*persons))

    def probe(self, **fields: Any) -> Attestation:
        return Attestation.model_validate({**FIELDS, **fields}).answering("plan-walked")

    def statement(self, by: str = "alice", **changes: Any) -> Attested:
        whole = Attested(
            item="plan-walked",
            environment="production",
            look_at=FIELDS["look_at"],
            role="qa",
            person=by,
            signed_at=NOW - timedelta(hours=1),
            expires=NOW + timedelta(days=7),
            comment="all seven steps",
            subjects=self.probe().digests(self.root),
        )
        return replace(whole, **changes)

    def signed(self, by: str = "alice", hand_of: str = "", **changes: Any) -> str:
        return dsse.sign(attestation.build(self.statement(by, **changes)), self.hands[hand_of or by].key)

    def keep(self, line: str, name: str = "plan-walked.json") -> None:
        (self.folder / name).write_text(line)

    def look(self, now: datetime = NOW, environment: str = "production", **fields: Any) -> Facts:
        witnesses = Witnesses(
            roster=self.root / "golive.roster.toml", folder=self.folder, environment=environment, beside=(self.folder,)
        )
        context = Context(root=self.root, environ={}, now=lambda: now, deadline=1e12, witnesses=witnesses)
        return probes.observe(self.probe(**fields), context, Redactor()).facts


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """Alice (qa), Bob (qa and operations, P-256) and Carol (risk) on a roster; Eve is not."""
    return Office(tmp_path)


def test_a_statement_is_told_with_who_and_when(office: Office) -> None:
    """A believed statement gives person, role, times, comment, and that nothing changed."""
    office.keep(office.signed())
    facts = office.look()
    assert (facts["count"], facts["persons"], facts["roles"], facts["missing_roles"], facts["changed"]) == (1, 1, ["qa"], [], [])
    assert (facts["person"], facts["name"], facts["role"], facts["comment"]) == (
        "alice",
        "Alice Example",
        "qa",
        "all seven steps",
    )
    assert facts["signed_at"] == "2026-11-21T09:00:00+00:00"
    assert facts["expires"] == "2026-11-28T10:00:00+00:00"


def test_nobody_has_spoken(office: Office) -> None:
    """No statement is a count of zero and a missing role; what could not be compared is absent, so that it cannot pass."""
    facts = office.look()
    assert facts == {"count": 0, "persons": 0, "roles": [], "missing_roles": ["qa"], "statements": []}
    office.folder.rmdir()
    assert office.look()["count"] == 0


def test_two_persons_are_two_and_one_person_twice_is_one(office: Office) -> None:
    """Distinct persons are counted by the roster, however many files there are."""
    office.keep(office.signed("alice"), "plan-walked.qa.alice.json")
    office.keep(office.signed("alice", comment="again"), "plan-walked.qa.copy.json")
    assert (office.look()["count"], office.look()["persons"]) == (1, 1)
    office.keep(office.signed("bob"), "plan-walked.qa.bob.json")
    assert (office.look()["count"], office.look()["persons"]) == (2, 2)


def test_roles_are_told_as_spoken_and_missing(office: Office) -> None:
    """Of several roles each statement speaks for one; one person with two roles is still one person."""
    fields = {"role": None, "roles": ["qa", "operations", "risk"]}
    office.keep(office.signed("bob"), "plan-walked.qa.bob.json")
    office.keep(office.signed("bob", role="operations"), "plan-walked.operations.bob.json")
    facts = office.look(**fields)
    assert (facts["roles"], facts["missing_roles"], facts["persons"], facts["count"]) == (["qa", "operations"], ["risk"], 1, 2)


def test_a_changed_subject_is_told(office: Office) -> None:
    """A document that was edited, removed or added to the list since is named; the expectation judges it."""
    office.keep(office.signed())
    (office.root / "plan.md").write_text("another plan\n")
    assert office.look()["changed"] == ["plan.md"]
    (office.root / "plan.md").unlink()
    assert office.look()["changed"] == ["plan.md"]
    (office.root / "more.md").write_text("more")
    (office.root / "plan.md").write_text("the plan\n")
    assert office.look(subjects=["plan.md", "more.md"])["changed"] == ["more.md"]
    assert office.look(subjects=["plan.md", "never-there.md"])["changed"] == ["never-there.md"]


def test_another_items_file_is_not_this_ones(office: Office) -> None:
    """A longer id that begins alike is another item."""
    office.keep(office.signed(item="plan-walked-twice"), "plan-walked-twice.json")
    assert office.look()["count"] == 0


def _altered(office: Office) -> str:
    envelope = json.loads(office.signed())
    payload = base64.b64decode(envelope["payload"]).replace(b"all seven steps", b"not one of them")
    return json.dumps({**envelope, "payload": base64.b64encode(payload).decode()})


def _unsigned(office: Office) -> str:
    return json.dumps({**json.loads(office.signed()), "signatures": []})


def _twice(office: Office) -> str:
    one, two = json.loads(office.signed("alice")), json.loads(office.signed("alice", hand_of="bob"))
    return json.dumps({**one, "signatures": one["signatures"] + two["signatures"]})


def _relabelled(office: Office) -> str:
    envelope = json.loads(office.signed("eve", hand_of="eve", person="alice"))
    envelope["signatures"][0]["keyid"] = office.hands["alice"].key.fingerprint
    return json.dumps(envelope)


def _foreign(office: Office) -> str:
    return dsse.sign(
        b'{"_type":"https://in-toto.io/Statement/v1","predicateType":"x","predicate":{"schema":1}}', office.hands["alice"].key
    )


def _other_question(office: Office) -> str:
    payload = json.loads(attestation.build(office.statement()))
    payload["subject"][0]["digest"]["sha256"] = "0" * 64
    return dsse.sign(json.dumps(payload).encode(), office.hands["alice"].key)


ATTACKS: dict[str, tuple[Callable[[Office], str], str]] = {
    "unsigned": (_unsigned, "no signatures"),
    "altered": (_altered, "altered"),
    "no envelope": (lambda _: "yes, I looked", "not"),
    "empty": (lambda _: "", "not"),
    "member twice": (lambda office: office.signed()[:-1] + ',"payload":"e30="}', "twice"),
    "key not on the roster": (lambda office: office.signed("eve"), "is not on the roster"),
    "foreign key under a known key id": (_relabelled, "altered"),
    "signed by another person": (lambda office: office.signed("alice", hand_of="bob"), "names 'alice', but bob signed"),
    "two signers": (_twice, "several keys"),
    "role not asked": (lambda office: office.signed("bob", role="operations"), "does not ask"),
    "role not held": (lambda office: office.signed("carol"), "does not hold the role 'qa'"),
    "expired": (lambda office: office.signed(expires=NOW - timedelta(seconds=1)), "expired"),
    "expires now": (lambda office: office.signed(expires=NOW), "expired"),
    "future-dated": (lambda office: office.signed(signed_at=NOW + timedelta(minutes=1)), "still to come"),
    "expires before it was signed": (lambda office: office.signed(expires=NOW - timedelta(hours=2)), "before it was signed"),
    "lives too long": (lambda office: office.signed(expires=NOW + timedelta(days=30)), "longer than the 30 days"),
    "another item": (lambda office: office.signed(item="other"), "about the item 'other'"),
    "another environment": (lambda office: office.signed(environment="staging"), "meant for the environment 'staging'"),
    "another wording": (lambda office: office.signed(look_at="something easier"), "worded differently"),
    "another kind of statement": (_foreign, "no statement of a person"),
    "question exchanged": (_other_question, "no statement of a person"),
    "huge": (lambda office: office.signed() + " " * 300_000, "more than"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_what_cannot_be_believed_is_an_error(office: Office, name: str) -> None:
    """A statement that is not to be believed is never passed over: it is an error with a hint, also beside a good one."""
    make, words = ATTACKS[name]
    office.keep(office.signed(), "plan-walked.good.json")
    office.keep(make(office), "plan-walked.bad.json")
    with pytest.raises(ProbeError, match=words) as caught:
        office.look()
    assert caught.value.hint


def test_a_key_counts_only_while_it_is_valid(office: Office) -> None:
    """A key that had ended when the statement was signed, or has ended since, does not count."""
    office.keep(office.signed())
    office.enlist(more=", valid_until = 2026-11-21T09:30:00Z")
    with pytest.raises(ProbeError, match="does not count at"):
        office.look()
    office.enlist(more=", valid_from = 2026-11-21T09:30:00Z")
    with pytest.raises(ProbeError, match="does not count at"):
        office.look()


def test_a_person_who_left_no_longer_counts(office: Office) -> None:
    """Taken off the roster, a key answers for nothing any more."""
    office.keep(office.signed())
    office.write_roster(person("bob", ["qa"], office.hands["bob"].line))
    with pytest.raises(ProbeError, match="is not on the roster"):
        office.look()


def test_without_a_good_roster_nothing_can_be_told(office: Office) -> None:
    """A roster that is missing or faulty is an error, even where nobody has spoken."""
    office.write_roster(person("alice", ["boss"], office.hands["alice"].line))
    with pytest.raises(ProbeError, match="roster cannot be used"):
        office.look()
    (office.root / "golive.roster.toml").unlink()
    with pytest.raises(ProbeError, match="does not exist"):
        office.look()


def test_a_role_that_the_roster_does_not_know_is_an_error(office: Office) -> None:
    """A misspelt role would wait for somebody who does not exist."""
    with pytest.raises(ProbeError, match="knows no role 'quality'"):
        office.look(role="quality")


def test_statements_in_a_place_that_cannot_be_read_are_an_error(office: Office) -> None:
    """Not to be able to look is not the same as nobody having spoken."""
    office.folder.rmdir()
    office.folder.write_text("a file")
    with pytest.raises(ProbeError, match="cannot be looked at"):
        office.look()


def test_the_commit_is_bound_if_asked(office: Office, tmp_path: Path) -> None:
    """With `commit: true` the statement is about one commit; without a repository that is an error."""
    with pytest.raises(ProbeError, match="tells no commit"):
        office.probe(commit=True).digests(office.root)
    office.keep(office.signed(subjects={**office.probe().digests(office.root), "git": {"gitCommit": "0" * 40}}))
    assert office.look()["changed"] == []
    with pytest.raises(ProbeError, match="tells no commit"):
        office.look(commit=True)


@pytest.fixture
def committed(office: Office) -> Callable[..., str]:
    """The office's folder as a git repository; tells what a git command says in it."""

    def git(*words: str) -> str:
        who = ["-c", "user.name=t", "-c", "user.email=t@t.invalid", "-c", "commit.gpgsign=false"]
        return subprocess.run(["git", *who, *words], cwd=office.root, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "all")
    return git


def test_a_tree_that_differs_from_its_commit_is_not_what_was_signed_for(office: Office, committed: Callable[..., str]) -> None:
    """A file that is edited, or new, makes the commit a changed subject, until it is put away."""
    digests = office.probe(commit=True).digests(office.root)
    assert digests["git"] == {"gitCommit": committed("rev-parse", "HEAD")}
    office.keep(office.signed(subjects=digests))
    assert office.look(commit=True)["changed"] == []
    (office.root / "strategy.py").write_text("trade = all_of_it")
    assert office.look(commit=True)["changed"] == ["git"]
    (office.root / "strategy.py").unlink()
    committed("commit", "-q", "--allow-empty", "-m", "another")
    assert office.look(commit=True)["changed"] == ["git"]


def test_nobody_signs_for_a_commit_beside_which_something_else_lies(office: Office, committed: Callable[..., str]) -> None:
    """To attest a commit from a tree that differs from it is refused; what the gate itself leaves behind is no difference."""
    probe = office.probe(commit=True)
    (office.root / "attestations" / "other.json").write_text("{}")
    with pytest.raises(ProbeError, match="differs from its commit"):
        probe.digests(office.root)
    assert probe.digests(office.root, (office.folder,))["git"] == {"gitCommit": committed("rev-parse", "HEAD")}


def test_equal_questions_of_two_items_are_two_looks() -> None:
    """Items that ask the same are still answered each by its own statements."""
    probe = Attestation.model_validate(FIELDS)
    assert probes.likeness(probe.answering("one")) != probes.likeness(probe.answering("two"))


@pytest.mark.parametrize("item", ["list[a/b]", "list[../x]", "list[a.b]"])
def test_an_instance_cannot_lead_out_of_the_folder(office: Office, item: str) -> None:
    """Whatever a `for_each` value holds, its statements lie in the one folder, under a name of their own."""
    from pytest_golive.probes.attestation import stem_of

    assert "/" not in stem_of(item)
    assert "." not in stem_of(item)


@pytest.mark.parametrize(
    "fields",
    [
        {"role": None},
        {"roles": ["qa"]},
        {"role": None, "roles": []},
        {"role": None, "roles": ["qa", "qa"]},
        {"subjects": ["plan.md", "plan.md"]},
        {"subjects": ["git"]},
        {"valid_for": "0s"},
        {"valid_for": 30},
        {"look_at": " "},
        {"revoked_by": ["one", "one"]},
        {"revoked_by": "one"},
    ],
)
def test_a_question_that_asks_nobody_is_refused(fields: dict[str, Any]) -> None:
    """Neither role nor roles, both, twice the same, or no lifetime are faults of the checklist."""
    with pytest.raises(ValidationError):
        Attestation.model_validate({**FIELDS, **fields})
