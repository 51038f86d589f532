"""Activation: five checks in their order, the first no ends it, and only then a marker."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pytest_golive import canonical, hours
from pytest_golive.activation import Activation, Deactivation, Denied, activate, deactivate
from pytest_golive.approval import Policy, Signatures
from pytest_golive.errors import ActivationDenied, GoliveError, JournalError, Misuse, TrustError
from pytest_golive.guard import Guard
from pytest_golive.guard.marker import parse
from pytest_golive.guard.state import State, raise_to, read
from pytest_golive.journal import Entry, Journal
from pytest_golive.signing import dsse
from pytest_golive.signing import roster as rosters
from pytest_golive.signing.approval import MEANINGS, Approval, build
from pytest_golive.signing.keys import SessionKey
from tests.signing.people import Hand, hand, person, roster

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
NAMES = [
    "activation_enabled",
    "preflight",
    "risk_state",
    "ess_inactive",
    "testnet_history",
    "quorum",
    "profiles",
    "activation_items",
]
NOTHING_ASKED = Policy(environment="production", required=False, roster=None, at_most=24 * HOUR)
MANIFEST = {"commit": "c0ffee", "dirty": False, "config": "d" * 64, "environment": "production"}


def item(identity: str, **changes: Any) -> dict[str, Any]:
    """A passed critical item of the activation phase."""
    return {
        "id": identity,
        "declared": identity,
        "severity": "critical",
        "phase": "activation",
        "outcome": "passed",
        "reason": "",
        "fix": f"mend {identity}",
        "checks": [],
        "evidence": {"facts": {}},
        **changes,
    }


def check(path: str, found: str, met: bool = True) -> dict[str, Any]:
    """One line of an expectation."""
    wanted = f"at least {found}" if found.isdigit() and path != "status" else f"= {found}"
    return {"path": path, "wanted": wanted, "found": found, "met": met}


RISK = item("risk", checks=[check("body.state", "OK")])
ESS = item("ess")
TESTNET = item("testnet", checks=[check("status", "200"), check("body.trades", "4")])


def statement(*items: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The statement of a run that permits, with parts of its `golive` extension or predicate changed."""
    predicate = {"result": "PASSED", "failedTests": []}
    golive: dict[str, Any] = {
        "schema": 1,
        "target": {"environment": "production"},
        "decision": {"word": "GO", "at": NOW, "valid_until": NOW + 12 * HOUR},
        "run": {"partial": [], "phases": ["pre-deploy", "sign-off"], "gates": True},
        "manifest": MANIFEST,
        "items": list(items),
    }
    for name, value in changes.items():
        where = predicate if name in predicate else golive
        where[name] = {**where[name], **value} if isinstance(value, dict) else value
    subject = [{"name": "release-manifest.json", "digest": {"sha256": canonical.digest(golive["manifest"])}}]
    return {"subject": subject, "predicate": {**predicate, "golive": golive}}


@dataclass
class Place:
    """A folder to activate in."""

    folder: Path
    signer: SessionKey = field(default_factory=lambda: SessionKey(Ed25519PrivateKey.generate()))

    @property
    def marker(self) -> Path:
        return self.folder / "go_live.active"

    @property
    def state(self) -> Path:
        return self.folder / "guard.state"

    @property
    def journal(self) -> Journal:
        return Journal(self.folder / "journal.jsonl")

    def events(self) -> list[str]:
        return [entry.event for entry in self.journal.entries()]

    def sign(self, said: dict[str, Any]) -> str:
        return dsse.sign(canonical.dumps(said), self.signer)

    def activate(self, **changes: Any) -> Activation:
        return activate(
            **{
                "evidence": self.sign(statement()),
                "readiness": self.sign(statement(RISK, ESS, TESTNET)),
                "keys": [self.signer.public],
                "signer": self.signer,
                "journal": self.journal,
                "marker": self.marker,
                "state": self.state,
                "environment": "production",
                "operator": "ann",
                "allowed_profiles": ["micro"],
                "default_profile": "micro",
                "activation_enabled": True,
                "required_preflight": True,
                "require_risk_state": "OK",
                "require_ess_inactive": True,
                "require_testnet_history": True,
                "min_testnet_trades": 3,
                "answers": {"risk_state": "risk", "ess_inactive": "ess", "testnet_history": "testnet"},
                "valid_for": 12 * HOUR,
                "max_age": HOUR,
                "now": NOW,
                "policy": NOTHING_ASKED,
                **changes,
            }
        )

    def denied(self, **changes: Any) -> Denied:
        with pytest.raises(ActivationDenied) as caught:
            self.activate(**changes)
        assert isinstance(caught.value, Denied)
        return caught.value

    def deactivate(self) -> Deactivation:
        return deactivate(marker=self.marker, state=self.state, journal=self.journal, reason="enough", operator="bob", now=NOW)

    def guard(self) -> Guard:
        return Guard(
            self.marker,
            environment="production",
            keys=[self.signer.public],
            state=self.state,
            wall=lambda: NOW.timestamp() + 1,
            boottime=lambda: 1.0,
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty place."""
    return Place(tmp_path)


def test_all_yes_writes_the_marker(place: Place) -> None:
    """When every check says yes the marker stands, verifies, and names what it rests on."""
    evidence = place.sign(statement())
    done = place.activate(evidence=evidence)
    marker = parse(place.marker.read_bytes(), [place.signer.public])
    assert (marker.activation_id, marker.counter, marker.expires) == (done.activation_id, 1, NOW + 12 * HOUR)
    assert (marker.operator, marker.environment, marker.allowed_profiles) == ("ann", "production", ("micro",))
    assert (marker.commit, marker.config) == ("c0ffee", "d" * 64)
    assert marker.manifest == canonical.digest(MANIFEST)
    assert marker.report == dsse.payload_digest(evidence)
    assert place.guard().allows().activation == done.activation_id


def waived(until: datetime) -> dict[str, Any]:
    """A failed item that a waiver excuses until then."""
    return item("excused", phase="pre-deploy", outcome="failed", waiver={"until": until})


def test_an_activation_ends_with_the_waivers_it_rests_on(place: Place) -> None:
    """The marker lives no longer than the first waiver that the run needed."""
    done = place.activate(evidence=place.sign(statement(waived(NOW + 2 * HOUR), item("two", waiver=None))))
    assert done.expires == NOW + 2 * HOUR
    assert parse(place.marker.read_bytes(), [place.signer.public]).expires == NOW + 2 * HOUR


def test_a_waiver_that_has_ended_since_the_run_denies(place: Place) -> None:
    """What was accepted until a moment is not accepted after it, however fresh the run is."""
    denied = place.denied(evidence=place.sign(statement(waived(NOW))))
    assert "rested on a waiver of excused, which ended" in denied.message
    assert not place.marker.exists()


def test_each_check_has_its_line_in_order(place: Place) -> None:
    """The checks of document 001 are told in its order, each with a line for people."""
    done = place.activate()
    assert [line.name for line in done.checks] == NAMES
    assert all(line.ok and line.line for line in done.checks)


def test_the_journal_knows_before_the_marker_does(place: Place) -> None:
    """The marker names the journal record of its own activation, and that record names counter and evidence."""
    done = place.activate()
    marker = parse(place.marker.read_bytes(), [place.signer.public])
    (entry,) = place.journal.entries()
    assert (entry.event, entry.hash) == ("activated", marker.journal_head)
    assert entry.detail["counter"] == done.counter
    assert entry.detail["evidence"] == marker.report
    assert entry.detail["operator"] == "ann"


def test_anybody_may_read_the_marker_and_only_the_owner_write_it(place: Place) -> None:
    """The marker is 0644 whatever the umask is."""
    old = os.umask(0o077)
    try:
        place.activate()
    finally:
        os.umask(old)
    assert stat.S_IMODE(place.marker.stat().st_mode) == 0o644


DENIALS: dict[str, tuple[str, Callable[[Place], dict[str, Any]], str]] = {
    "flag": ("activation_enabled", lambda _: {"activation_enabled": False}, "activation_enabled is false"),
    "no-go": ("preflight", lambda p: _evidence(p, decision={"word": "NO-GO"}), "said NO-GO"),
    "incomplete": ("preflight", lambda p: _evidence(p, decision={"word": "INCOMPLETE"}), "said INCOMPLETE"),
    "unknown word": ("preflight", lambda p: _evidence(p, decision={"word": "go"}), "said go"),
    "failed result": ("preflight", lambda p: _evidence(p, result="FAILED"), "result is FAILED"),
    "failed items": ("preflight", lambda p: _evidence(p, failedTests=["x"]), "items failed: x"),
    "partial": ("preflight", lambda p: _evidence(p, run={"partial": ["deselected by -k: 7"]}), "deselected by -k: 7"),
    "other phase": (
        "preflight",
        lambda p: _evidence(p, run={"phases": ["rollback"], "gates": False}),
        "judged only the phase rollback",
    ),
    "no word on phases": ("preflight", lambda p: _evidence(p, run={"gates": None}), "opens no gate"),
    "staging": ("preflight", lambda p: _evidence(p, **STAGING), "about staging"),
    "too old": ("preflight", lambda p: _evidence(p, decision={"at": NOW - HOUR - timedelta(seconds=1)}), "too old"),
    "outlived": ("preflight", lambda p: _evidence(p, decision={"valid_until": NOW}), "too old"),
    "future": ("preflight", lambda p: _evidence(p, decision={"at": NOW + timedelta(minutes=1)}), "in the future"),
    "no zone": ("preflight", lambda p: _evidence(p, decision={"at": "2026-11-21T10:00:00"}), "not a statement"),
    "schema": ("preflight", lambda p: _evidence(p, schema=2), "not a statement"),
    "not signed": ("preflight", lambda _: {"evidence": "{}"}, "cannot be believed"),
    "stranger": ("preflight", lambda p: {"evidence": Place(p.folder).sign(statement())}, "cannot be believed"),
    "not JSON": ("preflight", lambda p: {"evidence": dsse.sign(b"hello", p.signer)}, "cannot be believed"),
    "list": ("preflight", lambda p: {"evidence": dsse.sign(b"[]", p.signer)}, "not a statement"),
    "empty": ("preflight", lambda p: {"evidence": dsse.sign(b"{}", p.signer)}, "not a statement"),
    "other manifest": ("preflight", lambda p: {"evidence": p.sign({**statement(), "subject": OTHER})}, "not a statement"),
    "not looked": ("risk_state", lambda _: {"readiness": None}, "were not looked at"),
    "readiness of a stranger": ("risk_state", lambda p: {"readiness": Place(p.folder).sign(statement(RISK))}, "believed"),
    "readiness of staging": ("risk_state", lambda p: _ready(p, RISK, ESS, TESTNET, **STAGING), "about staging"),
    "readiness too old": ("risk_state", lambda p: _ready(p, RISK, ESS, decision={"at": NOW - 2 * HOUR}), "too old"),
    "changed since": ("risk_state", lambda p: _ready(p, RISK, ESS, manifest={"commit": "beef"}), "not what the gate run tested"),
    "malformed item": ("risk_state", lambda p: _ready(p, {"id": "risk"}), "not a statement"),
    "no risk answer": ("risk_state", lambda _: {"answers": {}}, "no item answers it"),
    "risk not declared": ("risk_state", lambda p: _ready(p, ESS, TESTNET), "risk, which answers require_risk_state, was not"),
    "risk failed": ("risk_state", lambda p: _ready(p, {**RISK, "outcome": "failed", "reason": "CRITICAL"}), "failed: CRITICAL"),
    "risk error": ("risk_state", lambda p: _ready(p, {**RISK, "outcome": "error"}), "could not be checked"),
    "risk waived": ("risk_state", lambda p: _ready(p, {**RISK, "outcome": "not-applicable"}), "does not apply"),
    "risk unseen": ("risk_state", lambda p: _ready(p, {**RISK, "checks": []}), "without seeing the risk state OK"),
    "risk unmet": ("risk_state", lambda p: _ready(p, {**RISK, "checks": [check("s", "OK", False)]}), "without seeing"),
    "risk without evidence": ("risk_state", lambda p: _ready(p, {**RISK, "evidence": None}), "without evidence"),
    "no ess answer": ("ess_inactive", lambda _: {"answers": {"risk_state": "risk"}}, "no item answers it"),
    "ess active": ("ess_inactive", lambda p: _ready(p, RISK, {**ESS, "outcome": "failed"}), "ess failed"),
    "ess not run": ("ess_inactive", lambda p: _ready(p, RISK, {**ESS, "outcome": "not-run"}), "ess was not run"),
    "no trades": ("testnet_history", lambda p: _ready(p, RISK, ESS, {**TESTNET, "outcome": "failed"}), "testnet failed"),
    "too few trades": ("testnet_history", lambda _: {"min_testnet_trades": 5}, "saw 4 testnet trades, and 5"),
    "other item": ("activation_items", lambda p: _ready(p, RISK, ESS, TESTNET, item("x", outcome="blocked")), "x is blocked"),
    "one of several": (
        "risk_state",
        lambda p: _ready(p, item("risk[a]", declared="risk"), item("risk[b]", declared="risk", outcome="failed")),
        "risk[b] failed",
    ),
}
STAGING: dict[str, Any] = {"target": {"environment": "staging"}, "manifest": {"environment": "staging"}}
OTHER = [{"name": "release-manifest.json", "digest": {"sha256": "0" * 64}}]


def _evidence(place: Place, **changes: Any) -> dict[str, Any]:
    return {"evidence": place.sign(statement(**changes))}


def _ready(place: Place, *items: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"readiness": place.sign(statement(*items, **changes))}


@pytest.mark.parametrize("case", DENIALS)
def test_the_first_no_denies_and_writes_nothing(place: Place, case: str) -> None:
    """A denial tells the one reason, stops at the check that said no, journals it, and leaves no marker."""
    name, change, reason = DENIALS[case]
    denied = place.denied(**change(place))
    assert reason in denied.message
    assert denied.hint
    assert [(line.name, line.ok) for line in denied.checks] == [
        *((earlier, True) for earlier in NAMES[: NAMES.index(name)]),
        (name, False),
    ]
    assert not place.marker.exists()
    (entry,) = place.journal.entries()
    assert entry.event == "activation-denied"
    assert entry.detail["check"] == name
    assert reason in entry.detail["reason"]


def test_warnings_do_not_deny(place: Place) -> None:
    """GO WITH WARNINGS activates, and so does a failed item that is no more than a warning or belongs to a later phase."""
    others = [item("w", severity="warning", outcome="failed"), item("late", phase="monitoring", outcome="failed")]
    done = place.activate(
        **_evidence(place, decision={"word": "GO WITH WARNINGS"}, result="WARNED"),
        **_ready(place, RISK, ESS, TESTNET, *others),
    )
    assert place.marker.exists()
    assert "GO WITH WARNINGS" in done.checks[1].line


def test_one_statement_may_answer_both(place: Place) -> None:
    """A run that judged the activation items too is evidence and readiness in one."""
    line = place.sign(statement(RISK, ESS, TESTNET))
    assert place.activate(evidence=line, readiness=line).counter == 1


def test_switched_off_checks_are_skipped_and_said(place: Place) -> None:
    """What the settings do not require is not asked, and its line says that it was skipped."""
    done = place.activate(
        readiness=None,
        answers={},
        required_preflight=False,
        require_risk_state="",
        require_ess_inactive=False,
        require_testnet_history=False,
        **_evidence(place, decision={"word": "NO-GO"}),
    )
    assert [line.line.startswith("skipped: ") for line in done.checks] == [False, True, True, True, True, False, False, False]


def test_even_without_preflight_the_evidence_is_signed(place: Place) -> None:
    """The marker names its evidence, so evidence that nobody signed is refused although its verdict is not asked for."""
    assert "cannot be believed" in place.denied(required_preflight=False, evidence="{}").message


def test_a_word_in_the_facts_is_no_risk_state(place: Place) -> None:
    """Only a met check that demanded the required word answers: an HTTP reason phrase says OK as well."""
    answered = item("risk", evidence={"facts": {"reason": "OK", "body": {"state": "OK"}}}, checks=[check("status", "200")])
    assert "without seeing" in place.denied(**_ready(place, answered, ESS, TESTNET)).message


def test_history_without_a_number_is_no_history(place: Place) -> None:
    """An item that counted nothing proves no trades."""
    silent = item("testnet", checks=[check("body.state", "yes")])
    assert "saw 0 testnet trades" in place.denied(**_ready(place, RISK, ESS, silent)).message


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """Ann of QA and Ben of operations, whose approvals production demands."""
    folder = tmp_path_factory.mktemp("office")
    hands = {"ann": hand(folder, "ann"), "ben": hand(folder, "ben")}
    listed = [person("ann", ["qa"], hands["ann"].line), person("ben", ["operations"], hands["ben"].line)]
    asked = "[quorum.production]\nroles = {qa = 1, operations = 1}\n"
    return Office(hands, rosters.parse(roster(*listed, more=asked).encode(), "roster"))


@dataclass
class Office:
    """Who approves, and what they sign over an evidence."""

    hands: dict[str, Hand]
    roster: rosters.Roster

    @property
    def policy(self) -> Policy:
        return Policy(environment="production", required=True, roster=self.roster, at_most=24 * HOUR)

    def signatures(self, evidence: str, **changes: Any) -> Signatures:
        lines = []
        for who, role in (("ann", "qa"), ("ben", "operations")):
            made = Approval(
                **{
                    "evidence": dsse.payload_digest(evidence),
                    "presentation": "b" * 64,
                    "environment": "production",
                    "run": RUN_ID,
                    "word": "GO",
                    "person": who,
                    "name": f"{who.title()} Example",
                    "role": role,
                    "meaning": MEANINGS["GO"],
                    "comment": "",
                    "signed_at": NOW - timedelta(minutes=5),
                    "expires": NOW + HOUR,
                    **changes,
                }
            )
            lines.append(dsse.sign(build(made), self.hands[who].key))
        return Signatures(lines=tuple(lines), presentation="b" * 64)


RUN_ID = "0b5dca1dc3c24a31"
RUN = {"id": RUN_ID, "operator": "olga", "partial": [], "phases": ["pre-deploy"], "gates": True}


def test_a_quorum_is_asked_after_the_five_checks(place: Place, office: Office) -> None:
    """With both approvals the marker names people and roster; the line of the check names them too."""
    evidence = place.sign(statement(run=RUN))
    done = place.activate(evidence=evidence, policy=office.policy, signatures=office.signatures(evidence))
    marker = parse(place.marker.read_bytes(), [place.signer.public])
    assert (marker.approved_by, marker.roster) == (("ann (qa)", "ben (operations)"), office.roster.sha256)
    assert done.checks[5] == ("quorum", True, "approved by Ann Example (qa), Ben Example (operations)")
    (entry,) = place.journal.entries()
    assert entry.detail["approved_by"] == ["ann (qa)", "ben (operations)"]


def _moved(place: Place, office: Office, evidence: str) -> Signatures:
    return office.signatures(place.sign(statement(run={**RUN, "id": "another"})))


def _stripped(place: Place, office: Office, evidence: str) -> Signatures:
    return replace(office.signatures(evidence), lines=office.signatures(evidence).lines[:1])


def _other_page(place: Place, office: Office, evidence: str) -> Signatures:
    return replace(office.signatures(evidence), presentation="c" * 64)


def _of_staging(place: Place, office: Office, evidence: str) -> Signatures:
    return office.signatures(evidence, environment="staging")


def _expired(place: Place, office: Office, evidence: str) -> Signatures:
    return office.signatures(evidence, expires=NOW)


QUORUMS: dict[str, tuple[Callable[[Place, Office, str], Signatures], str]] = {
    "none": (lambda *_: Signatures(), "missing one of operations, one of qa"),
    "stripped": (_stripped, "missing one of operations"),
    "moved from another report": (_moved, "over the evidence"),
    "over another page": (_other_page, "over the page with the digest"),
    "given for staging": (_of_staging, "for the environment 'staging'"),
    "expired": (_expired, "it expired at"),
}


@pytest.mark.parametrize("case", QUORUMS)
def test_approvals_that_are_not_of_this_report_open_nothing(place: Place, office: Office, case: str) -> None:
    """However the approvals came there: the quorum denies, is told and journalled, and no marker stands."""
    change, words = QUORUMS[case]
    evidence = place.sign(statement(run=RUN))
    denied = place.denied(evidence=evidence, policy=office.policy, signatures=change(place, office, evidence))
    assert words in denied.message
    assert denied.checks[-1].name == "quorum"
    assert "golive approve" in denied.hint
    assert not place.marker.exists()
    (entry,) = place.journal.entries()
    assert (entry.event, entry.detail["check"]) == ("activation-denied", "quorum")


def test_an_old_marker_is_not_made_younger_by_its_approvals(place: Place, office: Office) -> None:
    """The same approvals activate again only after a counter that is higher, and not once they have expired."""
    evidence = place.sign(statement(run=RUN))
    signatures = office.signatures(evidence)
    place.activate(evidence=evidence, policy=office.policy, signatures=signatures)
    old = place.marker.read_bytes()
    place.deactivate()
    place.marker.write_bytes(old)
    assert not place.guard().allows().allowed
    done = place.activate(evidence=evidence, policy=office.policy, signatures=signatures)
    assert done.counter == 2
    later = {"now": NOW + HOUR, "max_age": 2 * HOUR, **_ready(place, RISK, ESS, TESTNET, decision={"at": NOW + HOUR})}
    assert "it expired at" in place.denied(evidence=evidence, policy=office.policy, signatures=signatures, **later).message


@pytest.mark.parametrize("name", ["commit", "dirty", "config", "place"])
def test_what_was_tested_is_what_is_activated(place: Place, name: str) -> None:
    """Another commit, other changes or other settings since the run are named; another place only where it may be another."""
    evidence = _evidence(place, manifest={**MANIFEST, "place": "here"})
    ready = _ready(place, RISK, ESS, TESTNET, manifest={**MANIFEST, "place": "here", name: "else"})
    told = place.denied(**evidence, **ready).message
    assert "not what the gate run tested" in told
    assert name in told.partition("different since then: ")[2]
    if name == "place":
        assert place.activate(**evidence, **ready, any_place=True).counter == 1
    else:
        assert "not what the gate run tested" in place.denied(**evidence, **ready, any_place=True).message


def test_a_roster_that_changed_is_no_change_of_the_release(place: Place) -> None:
    """Its digest stands in the manifest and is told by the quorum; it does not make another release."""
    manifests = [{**MANIFEST, "roster": digest} for digest in ("1" * 64, "2" * 64)]
    evidence, ready = _evidence(place, manifest=manifests[0]), _ready(place, RISK, ESS, TESTNET, manifest=manifests[1])
    assert place.activate(**evidence, **ready).counter == 1


def test_a_denial_leaves_an_existing_marker_alone(place: Place) -> None:
    """A denied second activation neither removes nor changes the marker of the first."""
    place.activate()
    before = place.marker.read_bytes()
    place.denied(activation_enabled=False)
    assert place.marker.read_bytes() == before
    assert place.guard().allows()


def test_counters_only_go_up(place: Place) -> None:
    """Each activation has a higher counter than all before: by the state, by the journal, or by the marker that stands."""
    assert [place.activate().counter, place.activate().counter] == [1, 2]
    place.journal.path.unlink()
    assert place.activate().counter == 3
    raise_to(str(place.state), State(highest=3, burned=40))
    assert place.activate().counter == 41
    raise_to(str(place.state), State(highest=50))
    assert place.activate().counter == 51


def test_a_running_guard_takes_the_new_activation(place: Place) -> None:
    """A guard goes over from one activation to the next without a refusal in between."""
    place.activate()
    guard = place.guard()
    assert guard.allows()
    second = place.activate()
    assert guard.allows().activation == second.activation_id


@pytest.mark.parametrize(
    "changes", [{"default_profile": "large"}, {"valid_for": timedelta(0)}, {"operator": " "}, {"allowed_profiles": []}]
)
def test_settings_that_contradict_themselves_are_a_misuse(place: Place, changes: dict[str, Any]) -> None:
    """A default profile that is not allowed, a validity of nothing or a nameless operator is refused at once."""
    with pytest.raises(Misuse) as caught:
        place.activate(**changes)
    assert caught.value.hint
    assert os.listdir(place.folder) == []


def test_an_operator_cannot_write_into_the_marker(place: Place) -> None:
    """Line breaks, quotes and letters beyond ASCII in a name become question marks."""
    place.activate(operator='Žofie"\nallowed_profiles: [large]\\')
    marker = parse(place.marker.read_bytes(), [place.signer.public])
    assert marker.operator == "?ofie??allowed_profiles: [large]?"
    assert marker.allowed_profiles == ("micro",)


@pytest.mark.parametrize("in_its_place", [True, False], ids=["folder in its place", "no folder"])
def test_a_marker_that_cannot_be_written_is_told(place: Place, in_its_place: bool) -> None:
    """If the marker cannot be put in place the error has a hint, nothing half-written is left, and the journal says so."""
    folder = place.folder / "live"
    if in_its_place:
        (folder / "go_live.active").mkdir(parents=True)
    before = sorted(folder.rglob("*"))
    with pytest.raises(GoliveError, match="cannot be written") as caught:
        place.activate(marker=folder / "go_live.active")
    assert caught.value.hint
    assert sorted(folder.rglob("*")) == before
    assert place.events() == ["activated", "activation-failed"]


def test_without_a_journal_there_is_no_activation(place: Place) -> None:
    """If the journal cannot be written no marker is."""
    place.journal.path.mkdir()
    with pytest.raises(JournalError):
        place.activate()
    assert not place.marker.exists()


def test_without_a_journal_a_denial_still_denies(place: Place) -> None:
    """A denial that cannot be written down stays a denial, and says so."""
    place.journal.path.mkdir()
    denied = place.denied(activation_enabled=False)
    assert "activation_enabled is false" in denied.message
    assert "could not be written down" in denied.message


def test_a_broken_journal_stops_activations(place: Place) -> None:
    """Whoever altered the journal does not get a marker."""
    place.activate()
    place.marker.unlink()
    place.journal.path.write_bytes(place.journal.path.read_bytes().replace(b'"ann"', b'"bob"'))
    with pytest.raises(JournalError, match="altered"):
        place.activate()
    assert not place.marker.exists()


def test_a_state_that_cannot_be_believed_stops_activations(place: Place) -> None:
    """Without the guard's memory nobody knows which counters are spent, so there is no marker."""
    place.state.write_text("nonsense")
    with pytest.raises(TrustError, match="malformed"):
        place.activate()
    assert not place.marker.exists()


def test_a_long_journal_is_read_before_the_memory_is_locked(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """While an activation renews another, the guard of a trading process can use its memory, however long the journal is."""
    place.activate()
    for _ in range(40):
        place.journal.append("run", {"word": "GO"}, NOW)
    waiting: list[bool] = []
    really = Journal._parse

    def noted(self: Journal, line: bytes, where: str) -> Entry:
        with open(f"{place.state}.lock", "rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                waiting.append(False)
            except BlockingIOError:
                waiting.append(True)
        return really(self, line, where)

    monkeypatch.setattr(Journal, "_parse", noted)
    assert place.activate().counter == 2
    assert len(waiting) > 40
    assert sum(waiting) < 10


def test_an_overtaken_marker_that_is_put_back_counts_for_no_guard(place: Place) -> None:
    """After a renewal the marker before permits nothing, though no guard has asked in between."""
    place.activate()
    old = place.marker.read_bytes()
    assert place.activate().counter == 2
    place.marker.write_bytes(old)
    assert "activation 1 was overtaken by activation 2" in place.guard().allows().reason


def test_a_broken_journal_leaves_the_seen_counter_spent(place: Place) -> None:
    """Where the journal cannot be read, what the guard has honoured is spent all the same: the same file permits nothing."""
    place.activate()
    assert place.guard().allows().allowed
    content = place.marker.read_bytes()
    written = place.journal.path.read_bytes()
    place.journal.path.write_bytes(written.replace(b'"production"', b'"productioN"', 1))
    assert place.journal.path.read_bytes() != written
    with pytest.raises(GoliveError, match="was altered"):
        place.deactivate()
    assert not place.marker.exists()
    assert read(str(place.state)).burned == 1
    place.marker.write_bytes(content)
    place.marker.chmod(0o644)
    assert "does not revive" in place.guard().allows().reason


def test_a_locked_journal_keeps_the_marker_no_longer_than_its_patience(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written down in time is tried again after the marker is gone, not before."""
    place.activate()
    journal = Journal(place.journal.path, patience=0.05)
    stood: list[bool] = []
    really = Journal.append

    def noted(self: Journal, event: str, detail: Any, now: datetime) -> Entry:
        stood.append(place.marker.exists())
        return really(self, event, detail, now)

    monkeypatch.setattr(Journal, "append", noted)
    with place.journal.path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(GoliveError, match="is gone, but its withdrawal could not be written down"):
            deactivate(marker=place.marker, state=place.state, journal=journal, reason="enough", operator="bob", now=NOW)
    assert stood == [False]


def test_deactivation_spends_the_counter_and_removes_the_marker(place: Place) -> None:
    """After a deactivation the marker is gone, and the same file put back permits nothing, even for a fresh guard."""
    place.activate()
    content = place.marker.read_bytes()
    done = place.deactivate()
    assert (done.counter, done.removed, place.marker.exists()) == (1, True, False)
    assert read(str(place.state)).burned == 1
    place.marker.write_bytes(content)
    place.marker.chmod(0o644)
    assert "does not revive" in place.guard().allows().reason
    entry = list(place.journal.entries())[-1]
    assert (entry.event, entry.detail["reason"], entry.detail["operator"]) == ("deactivated", "enough", "bob")


def test_a_new_activation_follows_a_deactivation(place: Place) -> None:
    """Trading comes back by activating again, not otherwise."""
    place.activate()
    guard = place.guard()
    assert guard.allows()
    place.deactivate()
    assert not guard.allows()
    assert place.activate().counter == 2
    assert guard.allows()


def test_deactivation_without_a_marker_is_fine(place: Place) -> None:
    """To stop what does not run is no error, and is written down."""
    done = place.deactivate()
    assert (done.counter, done.removed) == (0, False)
    assert place.events() == ["deactivated"]


def test_deactivation_comes_in_the_safe_order(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """State and journal know of the withdrawal before the marker is removed."""
    place.activate()
    seen: list[Any] = []
    real = os.unlink

    def unlink(path: Any) -> None:
        if Path(path) == place.marker:
            seen.extend([read(str(place.state)).burned, place.events()[-1]])
        real(path)

    monkeypatch.setattr(os, "unlink", unlink)
    place.deactivate()
    assert seen == [1, "deactivated"]


@pytest.mark.parametrize("broken", ["journal", "state"])
def test_a_stop_is_not_held_up_by_a_full_disk(place: Place, broken: str) -> None:
    """The marker goes even if its withdrawal cannot be written down, and the error says what is missing."""
    place.activate()
    if broken == "journal":
        place.journal.path.unlink()
        place.journal.path.mkdir()
    else:
        place.state.unlink()
        place.state.mkdir()
    with pytest.raises(GoliveError, match="is gone, but") as caught:
        place.deactivate()
    assert caught.value.hint
    assert not place.marker.exists()


def test_a_marker_that_cannot_be_removed_is_told(place: Place) -> None:
    """If the marker stays, the error says that trading may still be on, and what to do at once."""
    place.marker.mkdir()
    with pytest.raises(GoliveError, match="cannot be removed") as caught:
        place.deactivate()
    assert "stop file" in caught.value.hint


def test_the_release_wing_does_without_the_trial_wing() -> None:
    """Importing activation brings in no part of the trial wing, neither pytest nor yaml."""
    code = "import sys, pytest_golive.activation; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    parts = ("checklist", "probes", "trial", "decision", "report", "nodes", "plugin", "config")
    assert "pytest_golive.activation" in loaded
    assert not loaded & {"pytest", "yaml", "requests", "jinja2", "pydantic", *(f"pytest_golive.{part}" for part in parts)}


def test_outside_of_the_windows_nothing_is_activated(place: Place) -> None:
    """The activation is denied with the window as its reason, in the journal too, and no marker is written."""
    denied = place.denied(windows=(hours.parse("mon-fri 08:00-18:00 UTC"),))
    assert "outside of the activation windows" in denied.message
    assert [(line.name, line.ok) for line in denied.checks][-1] == ("window", False)
    assert not place.marker.exists()
    assert place.events() == ["activation-denied"]
    done = place.activate(windows=(hours.parse("sat 08:00-18:00 UTC"),))
    assert place.marker.exists()
    assert [(line.name, line.ok) for line in done.checks][-1] == ("window", True)
