"""Approvals and quorums: who signed what, whether it holds for this report, and what is still missing.

The rows of the table of attacks on envelopes that are not about keys (D1 to D15) stand here, each against approvals.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pytest_golive import canonical
from pytest_golive.approval import Policy, Report, Standing, is_operator, report_of, signoff_of, stand
from pytest_golive.errors import RosterError
from pytest_golive.signing import approval as approvals
from pytest_golive.signing import dsse, roster
from pytest_golive.signing.approval import MEANINGS, Approval
from tests.signing import people
from tests.signing.people import Hand, hand

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
QUORUM = "[quorum.production]\npersons = 2\nroles = {qa = 1, operations = 1}\n"
REPORT = Report(
    evidence="a" * 64,
    presentation="b" * 64,
    environment="production",
    run="0b5dca1dc3c24a31",
    word="GO",
    operators=("olga",),
    signers=("SHA256:session",),
    signoff=None,
)
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of the curve P-256 (SEC 2, section 2.4.2)."""


@dataclass(frozen=True)
class Office:
    """Ann of QA, Ben of operations with a P-256 key, Cat of both, Olga the operator, and what they sign."""

    hands: dict[str, Hand]
    policy: Policy

    def approval(self, person: str, role: str, /, **changes: Any) -> Approval:
        """What this person signs unless it is changed."""
        told = Approval(
            evidence=REPORT.evidence,
            presentation=REPORT.presentation,
            environment="production",
            run=REPORT.run,
            word="GO",
            person=person,
            name=f"{person.title()} Example",
            role=role,
            meaning=MEANINGS["GO"],
            comment="",
            signed_at=NOW - HOUR,
            expires=NOW + HOUR,
        )
        return replace(told, **changes)

    def line(self, person: str, role: str, /, by: str = "", **changes: Any) -> str:
        """The envelope of it, signed by that person or by another."""
        return dsse.sign(approvals.build(self.approval(person, role, **changes)), self.hands[by or person].key)

    def stand(self, *lines: str, report: Report = REPORT, now: datetime = NOW, **policy: Any) -> Standing:
        """How the report stands with these lines."""
        return stand(report, lines, replace(self.policy, **policy), now)

    def reason(self, *lines: str, **more: Any) -> str:
        """Why the one approval that does not hold was rejected."""
        standing = self.stand(*lines, **more)
        assert not standing.approved
        (rejected,) = standing.rejected
        return rejected.reason


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """An office whose quorum for production is one of qa and one of operations, two persons in all."""
    folder: Path = tmp_path_factory.mktemp("office")
    names = {"ann": ["qa"], "ben": ["operations"], "cat": ["qa", "operations"], "olga": ["qa", "risk"], "mallory": []}
    hands = {name: hand(folder, name, p256=name == "ben") for name in names}
    listed = [people.person(name, roles, hands[name].line) for name, roles in names.items() if roles]
    roll = roster.parse(people.roster(*listed, more=QUORUM).encode(), "roster")
    return Office(hands, Policy(environment="production", required=False, roster=roll, at_most=24 * HOUR))


def _missing(standing: Standing) -> list[str]:
    return [one.words for one in standing.missing]


def test_two_persons_in_two_roles_are_the_quorum(office: Office) -> None:
    """D1: Ed25519 and P-256 together approve; each alone leaves a role open, and who could fill it is named."""
    ann, ben = office.line("ann", "qa"), office.line("ben", "operations")
    both = office.stand(ann, ben)
    assert both.approved
    assert both.approved_by == ("ann (qa)", "ben (operations)")
    assert both.line == "approved by Ann Example (qa), Ben Example (operations)"
    assert both == replace(office.stand(ben, ann), believed=both.believed)
    alone = office.stand(ann)
    assert not alone.approved
    assert _missing(alone) == ["one of operations"]
    assert alone.missing[0].candidates == ("Ben Example", "Cat Example")
    assert "--role operations" in alone.next_step
    assert _missing(office.stand()) == ["one of operations", "one of qa"]


def test_one_person_in_two_roles_is_still_one_person(office: Office) -> None:
    """Cat may fill both roles, and a second person is missing then."""
    both = [office.line("cat", "qa"), office.line("cat", "operations")]
    assert _missing(office.stand(*both)) == ["a second person"]
    assert office.stand(*both, office.line("ann", "qa")).approved


def test_the_same_approval_twice_counts_once(office: Office, tmp_path: Path) -> None:
    """D3: another key id over the same signature is another line and the same person."""
    ann = office.line("ann", "qa")
    again = json.loads(ann)
    again["signatures"][0]["keyid"] = office.hands["cat"].key.fingerprint
    plain = json.loads(ann)
    plain["signatures"][0]["keyid"] = ""
    standing = office.stand(ann, json.dumps(plain))
    assert not standing.approved
    assert _missing(standing) == ["one of operations"]
    assert "does not verify" in office.reason(ann, json.dumps(again))


def test_an_ecdsa_signature_in_its_other_form_is_no_second_person(office: Office) -> None:
    """D15: (r, n - s) verifies too, and is the same approval by the same person."""
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

    ben = office.line("ben", "operations")
    other = json.loads(ben)
    r, s = decode_dss_signature(base64.b64decode(other["signatures"][0]["sig"]))
    other["signatures"][0]["sig"] = base64.b64encode(encode_dss_signature(r, ORDER - s)).decode()
    standing = office.stand(ben, json.dumps(other))
    assert [one.person.id for one in standing.believed] == ["ben", "ben"]
    assert _missing(standing) == ["one of qa"]


def test_two_keys_of_one_person_are_one_person(office: Office, tmp_path: Path) -> None:
    """D11: whoever holds two keys counts once."""
    first, second = hand(tmp_path, "first"), hand(tmp_path, "second")
    text = people.roster(
        people.person("dan", ["qa", "operations"], first.line, second.line),
        people.person("ann", ["qa"], office.hands["ann"].line),
        more=QUORUM,
    )
    told = office.approval("dan", "qa"), office.approval("dan", "operations")
    lines = [dsse.sign(approvals.build(each), key.key) for each, key in zip(told, (first, second), strict=True)]
    standing = office.stand(*lines, roster=roster.parse(text.encode(), "roster"))
    assert len(standing.believed) == 2
    assert _missing(standing) == ["a second person"]


def test_a_key_of_two_persons_makes_no_roster(office: Office) -> None:
    """D10: two names over one key would let one person be two; such a roster is refused whole."""
    line = office.hands["ann"].line
    text = people.roster(people.person("ann", ["qa"], line), people.person("anna", ["operations"], line), more=QUORUM)
    with pytest.raises(RosterError, match="listed for two persons"):
        roster.parse(text.encode(), "roster")


def _altered(line: str, change: Callable[[dict[str, Any]], None]) -> str:
    envelope = json.loads(line)
    change(envelope)
    return json.dumps(envelope)


def _payload(change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    def altered(envelope: dict[str, Any]) -> None:
        statement = json.loads(base64.b64decode(envelope["payload"]))
        change(statement)
        envelope["payload"] = base64.b64encode(canonical.dumps(statement)).decode()

    return altered


def _swapped(envelope: dict[str, Any]) -> None:
    body = base64.b64decode(envelope["payload"]).decode()
    envelope["payload"], envelope["payloadType"] = base64.b64encode(envelope["payloadType"].encode()).decode(), body


def _shifted(envelope: dict[str, Any]) -> None:
    body = base64.b64decode(envelope["payload"])
    envelope["payloadType"] += " 1 " + body[:1].decode()
    envelope["payload"] = base64.b64encode(body[1:]).decode()


def _malleated(envelope: dict[str, Any]) -> None:
    order = 2**252 + 27742317777372353535851937790883648493  # RFC 8032, section 5.1
    raw = base64.b64decode(envelope["signatures"][0]["sig"])
    s = int.from_bytes(raw[32:], "little") + order
    envelope["signatures"][0]["sig"] = base64.b64encode(raw[:32] + s.to_bytes(32, "little")).decode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda e: e["signatures"].append(dict(e["signatures"][0])), "several keys", id="D2-key-id-twice"),
        pytest.param(_payload(lambda s: s["predicate"].update(role="operations")), "does not verify", id="D5-payload"),
        pytest.param(_payload(lambda s: s["predicate"].update(comment="x")), "does not verify", id="D5-comment"),
        pytest.param(lambda e: e.update(payloadType="application/json"), "payload type", id="D6-type"),
        pytest.param(_swapped, "payload type", id="D7-swapped"),
        pytest.param(_shifted, "payload type", id="D8-boundary"),
        pytest.param(_malleated, "does not verify", id="D14-s-plus-l"),
        pytest.param(lambda e: e.update(signatures=[]), "no signatures", id="no-signature"),
        pytest.param(lambda e: e["signatures"][0].update(sig="!"), "base64", id="no-base64"),
    ],
)
def test_an_altered_envelope_is_rejected_and_told(office: Office, change: Any, words: str) -> None:
    """Each way of altering an envelope is a reason, and the report is not approved although the quorum would stand without it."""
    good = [office.line("ann", "qa"), office.line("ben", "operations")]
    bad = _altered(office.line("cat", "qa"), change)
    assert words in office.reason(*good, bad)
    assert office.stand(*good).approved


def test_a_member_twice_is_rejected(office: Office) -> None:
    """D13: an envelope with two payloads has two readings, and so none."""
    line = office.line("ann", "qa")
    assert "twice" in office.reason(line[:-1] + ',"payload":"e30="}')


def test_an_unknown_signer_is_rejected(office: Office) -> None:
    """D4: Mallory signs as Ann, or as nobody on the roster."""
    assert "not on the roster" in office.reason(office.line("ann", "qa", by="mallory"))
    assert "not on the roster" in office.reason(office.line("mallory", "qa"))


def test_a_signature_over_the_bare_body_is_none(office: Office) -> None:
    """D9: what is signed is type and body with their lengths, not the body alone."""
    key = office.hands["ann"].key
    payload = approvals.build(office.approval("ann", "qa"))
    envelope = json.loads(dsse.sign(payload, key))
    envelope["signatures"][0]["sig"] = base64.b64encode(key.sign(payload)).decode()
    assert "does not verify" in office.reason(json.dumps(envelope))


def test_an_approval_without_a_key_id_is_believed(office: Office) -> None:
    """D12: the key id is optional and decides nothing."""
    envelope = json.loads(office.line("ann", "qa"))
    del envelope["signatures"][0]["keyid"]
    assert [one.who for one in office.stand(json.dumps(envelope)).believed] == ["Ann Example (qa)"]


def test_an_approval_under_a_false_key_id_is_rejected(office: Office) -> None:
    """A page shows the key id, so that one of a key which nobody has is no approval, although the signature verifies."""
    envelope = json.loads(office.line("ann", "qa"))
    envelope["signatures"][0]["keyid"] = "SHA256:a-key-of-the-board"
    assert "it names another key than SHA256:" in office.reason(json.dumps(envelope))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"person": "cat", "name": "Cat Example"}, "names 'cat', but ann signed it"),
        ({"name": "Ann Director"}, "the roster calls ann 'Ann Example'"),
        ({"role": "operations"}, "does not hold the role 'operations'"),
        ({"role": "risk"}, "does not hold the role 'risk'"),
        ({"environment": "staging"}, "for the environment 'staging'"),
        ({"evidence": "c" * 64}, "it was given over the evidence 'cccc"),
        ({"presentation": "c" * 64}, "it was given over the page with the digest 'cccc"),
        ({"run": "another"}, "for the run 'another'"),
        ({"word": "GO WITH WARNINGS", "meaning": MEANINGS["GO WITH WARNINGS"]}, "it was given for the decision 'GO WITH"),
        ({"meaning": "I have seen this report."}, "does not approve a GO"),
        ({"signed_at": NOW + timedelta(seconds=6)}, "still to come"),
        ({"expires": NOW}, "it expired at"),
        ({"expires": NOW - 2 * HOUR}, "before it was signed"),
        ({"expires": NOW + 24 * HOUR}, "longer than the 1 day that an approval may have"),
    ],
)
def test_what_was_signed_otherwise_does_not_hold(office: Office, changes: dict[str, Any], words: str) -> None:
    """A true signature under anything but an approval of this report, in a held role, at its time, is told and counts nothing."""
    line = office.line("ann", "qa", **changes)
    assert words in office.reason(line, office.line("cat", "qa"), office.line("ben", "operations"))


def test_another_statement_of_the_same_person_is_no_approval(office: Office) -> None:
    """What was signed as something else, or carries more than an approval, approves nothing."""
    statement = json.loads(approvals.build(office.approval("ann", "qa")))
    others = [
        {**statement, "predicateType": "urn:pytest-golive:attestation:v0.1"},
        {**statement, "subject": statement["subject"][:1]},
        {**statement, "subject": [*statement["subject"], statement["subject"][0]]},
        {**statement, "predicate": {**statement["predicate"], "schema": True}},
        {**statement, "predicate": {**statement["predicate"], "but": "only for staging"}},
        {**statement, "predicate": {**statement["predicate"], "signed_at": "0001-01-01T00:00:00+14:00"}},
        {**statement, "predicate": {**statement["predicate"], "comment": None}},
        [statement],
    ]
    for other in others:
        line = dsse.sign(canonical.dumps(other), office.hands["ann"].key)
        assert office.reason(line) == "what was signed is no approval of a report", other


def test_a_key_counts_only_while_it_is_valid(office: Office) -> None:
    """A key that was over when it signed, or is over by now, approves nothing."""
    lines = [office.line("ann", "qa"), office.line("ben", "operations")]
    for more in (', valid_until = "T"', ', valid_from = "T"'):
        moment = (NOW - timedelta(minutes=1)).isoformat()
        text = people.roster(
            people.person("ann", ["qa"], office.hands["ann"].line, more=more.replace('"T"', moment)),
            people.person("ben", ["operations"], office.hands["ben"].line),
            more=QUORUM,
        )
        assert "does not count at" in office.reason(*lines, roster=roster.parse(text.encode(), "roster"))


SPELLINGS = [
    *(
        "ann",
        "Ann Example",
        "ANN",
        "ann-ci",
        "ann@example.org",
        "Ann Example <x@example.org>",
        "x <ann@example.org>",
        "ann (ops)",
    ),
    *("x <ann@example.org>", "ann (ops)", "CORP\\ann", "ann\u200b", "\uff21\uff4e\uff4e", "Ann.Example", "ann_ci@host"),
]


@pytest.mark.parametrize("operator", SPELLINGS)
def test_the_operator_of_the_run_does_not_count(office: Office, operator: str) -> None:
    """Under whichever of their names, who ran the gate is no approver of it, and is told so."""
    text = people.roster(
        people.person("ann", ["qa"], office.hands["ann"].line) + 'logins = ["ann-ci"]\n',
        people.person("ben", ["operations"], office.hands["ben"].line),
        people.person("cat", ["qa"], office.hands["cat"].line),
        more=QUORUM,
    )
    roll = roster.parse(text.encode(), "roster")
    lines = [office.line("ann", "qa"), office.line("ben", "operations")]
    report = replace(REPORT, operators=(operator,))
    standing = office.stand(*lines, report=report, roster=roll)
    assert _missing(standing) == ["one of qa"]
    assert standing.missing[0].candidates == ("Cat Example",)
    assert [one.aside for one in standing.believed] == ["the operator of the run does not count", ""]
    counting = roster.parse(text.replace("persons = 2", "persons = 2\noperator_counts = true").encode(), "roster")
    assert office.stand(*lines, report=report, roster=counting).approved


def test_who_holds_the_key_of_the_run_is_its_operator(office: Office) -> None:
    """Another name does not help: the key that signed the evidence tells who ran it."""
    report = replace(REPORT, signers=(office.hands["ann"].key.fingerprint,))
    assert _missing(office.stand(office.line("ann", "qa"), office.line("ben", "operations"), report=report)) == ["one of qa"]


def test_a_role_that_nobody_asked_for_makes_a_person(office: Office) -> None:
    """Olga of risk fills no role of the quorum, and she is a person."""
    report = replace(REPORT, operators=("someone",))
    lines = [office.line("cat", "qa"), office.line("cat", "operations"), office.line("olga", "risk")]
    assert office.stand(*lines, report=report).approved


def test_an_expired_quorum_stood_while_it_stood(office: Office) -> None:
    """Years later the page is judged as of a moment that is named, and as of today it is a no."""
    lines = [office.line("ann", "qa"), office.line("ben", "operations")]
    assert office.stand(*lines).approved
    later = office.stand(*lines, now=NOW + 400 * 24 * HOUR)
    assert [one.reason for one in later.rejected] == [f"it expired at {(NOW + HOUR).isoformat()}"] * 2


def test_what_is_demanded_cannot_be_talked_away(office: Office) -> None:
    """Required, evidence that was made under a quorum, and a roster in doubt each make a no of what is missing."""
    none = office.stand(roster=None)
    assert (none.approved, none.demanded) == (True, False)
    assert "no quorum is demanded for production" in none.line
    signoff = signoff_of(office.policy)
    assert signoff is not None
    empty = roster.parse(people.roster(people.person("ann", ["qa"], office.hands["ann"].line)).encode(), "roster")
    for standing in (
        office.stand(roster=None, required=True),
        office.stand(roster=None, trouble="the roster cannot be used: line 3", hint="mend it"),
        office.stand(roster=None, report=replace(REPORT, signoff=signoff)),
        office.stand(roster=empty, required=True),
        office.stand(roster=empty, report=replace(REPORT, signoff=signoff)),
        office.stand(roster=None).__class__(demanded=True, trouble="x"),
        office.stand(office.line("ann", "qa"), roster=None),
    ):
        assert not standing.approved
        assert standing.trouble
    assert (
        office.stand(trouble="the roster cannot be used: line 3", hint="mend it").trouble == "the roster cannot be used: line 3"
    )
    for malformed in ({}, [], {**signoff, "persons": True}, {**signoff, "roles": {"qa": "1"}}):
        assert office.stand(report=replace(REPORT, signoff=malformed)).trouble == "the quorum in the evidence is malformed"


def test_a_roster_that_was_weakened_does_not_weaken_the_run(office: Office) -> None:
    """Judged is the present roster by the stricter of both quorums, and the change is told."""
    signoff = signoff_of(office.policy)
    assert signoff is not None
    weak = [people.person(name, ["qa", "operations"], office.hands[name].line) for name in ("ann", "ben")]
    roll = roster.parse(people.roster(*weak, more="[quorum.production]\npersons = 1\n").encode(), "roster")
    report = replace(REPORT, signoff=signoff)
    standing = office.stand(office.line("ann", "qa"), report=report, roster=roll)
    assert _missing(standing) == ["one of operations"]
    both = office.stand(office.line("ann", "qa"), office.line("ben", "operations"), report=report, roster=roll)
    assert both.approved
    changed = "the roster was changed since the run, and this is judged by the present one and by the quorum of then"
    assert both.line == f"approved by Ann Example (qa), Ben Example (operations); {changed}"
    assert "changed" not in office.stand(office.line("ann", "qa"), report=report).line


def test_each_number_of_the_stricter_quorum_counts(office: Office) -> None:
    """Fewer persons, and an operator who counts, are weaker: then and now must both be met."""
    signoff = signoff_of(office.policy)
    assert signoff is not None
    listed = [people.person(name, ["qa", "operations"], office.hands[name].line) for name in ("ann", "ben")]
    fewer = "[quorum.production]\npersons = 1\nroles = {qa = 1, operations = 1}\n"
    both = [office.line("ann", "qa"), office.line("ann", "operations")]
    for more, words in ((fewer, ["a second person"]), (fewer + "operator_counts = true\n", ["a second person"])):
        roll = roster.parse(people.roster(*listed, more=more).encode(), "roster")
        standing = office.stand(*both, report=replace(REPORT, signoff=signoff), roster=roll)
        assert _missing(standing) == words
    operated = replace(REPORT, signoff={**signoff, "persons": 1}, operators=("ann",))
    standing = office.stand(*both, report=operated, roster=roll)
    assert _missing(standing) == ["one of operations", "one of qa"]


def test_two_of_a_role_are_two_persons(office: Office) -> None:
    """One approval in two writings fills one place of two."""
    text = people.roster(
        *(people.person(name, ["qa"], office.hands[name].line) for name in ("ann", "cat")),
        more="[quorum.production]\nroles = {qa = 2}\n",
    )
    roll = roster.parse(text.encode(), "roster")
    plain = json.loads(office.line("ann", "qa"))
    del plain["signatures"][0]["keyid"]
    assert _missing(office.stand(office.line("ann", "qa"), json.dumps(plain), roster=roll)) == ["one of qa"]
    assert office.stand(office.line("ann", "qa"), office.line("cat", "qa"), roster=roll).approved


def test_a_report_of_another_environment_counts_for_nothing(office: Office) -> None:
    """Staging's page, with staging's approvals, opens nothing in production."""
    standing = office.stand(report=replace(REPORT, environment="staging"))
    assert not standing.approved
    assert standing.trouble == "the report is about staging, and this is production"


def test_a_quorum_of_roles_is_one_of_different_people_unless_it_says_otherwise(office: Office) -> None:
    """Without `persons` one each of qa and operations are two people."""
    listed = [people.person("cat", ["qa", "operations"], office.hands["cat"].line)]
    asked = "[quorum.production]\nroles = {qa = 1, operations = 1}\n"
    with pytest.raises(RosterError, match="2 persons of 1"):
        roster.parse(people.roster(*listed, more=asked).encode(), "roster")
    roll = roster.parse(people.roster(*listed, more=asked + "persons = 1\n").encode(), "roster")
    assert office.stand(office.line("cat", "qa"), office.line("cat", "operations"), roster=roll).approved


def test_a_clock_that_ticks_ahead_is_borne_for_five_seconds(office: Office) -> None:
    """An approval that is dated five seconds ahead holds, and one a tick later does not."""
    assert office.stand(office.line("ann", "qa", signed_at=NOW + approvals.AHEAD)).believed
    late = NOW + approvals.AHEAD + timedelta(microseconds=1)
    assert "still to come" in office.reason(office.line("ann", "qa", signed_at=late))
    assert timedelta(seconds=5) == approvals.AHEAD


def test_a_roster_that_was_tightened_since_the_run_holds(office: Office) -> None:
    """More of a role, a role more, and an operator who no longer counts are demanded although the run was made under less."""
    listed = [people.person(name, ["qa", "operations"], office.hands[name].line) for name in ("ann", "cat", "ben")]
    lines = [office.line("ann", "qa"), office.line("ben", "operations")]

    def under(now: str, then: str, *operators: str) -> Standing:
        run, here = (
            roster.parse(people.roster(*listed, more=f"[quorum.production]\n{more}").encode(), "roster") for more in (then, now)
        )
        report = replace(REPORT, signoff=signoff_of(replace(office.policy, roster=run)), operators=operators)
        return office.stand(*lines, report=report, roster=here)

    assert under("persons = 2\n", "persons = 1\n").approved
    assert _missing(under("persons = 3\n", "persons = 1\n")) == ["a third person"]
    assert _missing(under("persons = 2\nroles = {qa = 2}\n", "persons = 2\nroles = {qa = 1}\n")) == ["one of qa"]
    assert _missing(under("persons = 2\nroles = {qa = 1}\n", "persons = 2\nroles = {qa = 2}\n")) == ["one of qa"]
    assert _missing(under("persons = 2\nroles = {qa = 2}\n", "persons = 2\n")) == ["one of qa"]
    both, neither = "persons = 2\noperator_counts = true\n", "persons = 2\n"
    assert under(both, both, "ann").approved
    assert _missing(under(both, neither, "ann")) == ["a second person"]
    assert _missing(under(neither, both, "ann")) == ["a second person"]


def test_none_of_a_role_is_none_of_it(office: Office) -> None:
    """A role that one of both quorums names with nought is not demanded by the other, which does not name it."""
    assert office.policy.roster is not None
    lines = [office.line("ann", "qa"), office.line("ben", "operations")]
    signoff = signoff_of(office.policy) or {}
    more = {"qa": 1, "operations": 1, "risk": 0}
    assert office.stand(*lines, report=replace(REPORT, signoff={**signoff, "roles": more})).approved
    roll = replace(office.policy.roster, quorums={"production": roster.Quorum(persons=2, roles=more)})
    assert office.stand(*lines, report=replace(REPORT, signoff=signoff), roster=roll).approved


@pytest.mark.parametrize("said", [1, "yes", None])
def test_an_operator_counts_only_by_a_plain_true(office: Office, said: object) -> None:
    """What the evidence says of the operator otherwise than by true is a no."""
    listed = [people.person(name, ["qa"], office.hands[name].line) for name in ("ann", "cat")]
    more = "[quorum.production]\npersons = 1\noperator_counts = true\n"
    roll = roster.parse(people.roster(*listed, more=more).encode(), "roster")
    signoff = {**(signoff_of(replace(office.policy, roster=roll)) or {}), "operator_counts": said}
    report = replace(REPORT, signoff=signoff, operators=("ann",))
    assert _missing(office.stand(office.line("ann", "qa"), report=report, roster=roll)) == ["a first person"]


def test_what_is_missing_is_counted_in_words_and_names_who_could_sign(office: Office) -> None:
    """Persons beyond the roles one by one, each with those who have not signed; large numbers in digits."""
    listed = [people.person(name, ["qa"], office.hands[name].line) for name in ("ann", "ben", "cat")]
    roll = roster.parse(people.roster(*listed, more="[quorum.production]\npersons = 2\n").encode(), "roster")
    standing = office.stand(office.line("ann", "qa"), roster=roll)
    (one,) = standing.missing
    assert (one.role, one.words, one.candidates) == ("", "a second person", ("Ben Example", "Cat Example"))
    assert standing.line == "the quorum of production is open: missing a second person"
    assert standing.next_step == "golive approve REPORT --role ROLE"
    asked = replace(roll, quorums={"production": roster.Quorum(persons=6, roles={})})
    ordinals = ["a first person", "a second person", "a third person", "a fourth person", "a fifth person", "one more person"]
    assert _missing(office.stand(roster=asked)) == ordinals
    for count, words in ((2, "two of qa"), (5, "five of qa"), (6, "6 of qa"), (7, "7 of qa")):
        asked = replace(roll, quorums={"production": roster.Quorum(persons=1, roles={"qa": count})})
        assert _missing(office.stand(roster=asked)) == [words]


def test_what_stands_in_the_way_is_told_with_what_to_do(office: Office) -> None:
    """A trouble keeps its hint, whether approvals are demanded, and where; and nobody is counted beside it."""
    ann = office.line("ann", "qa")
    elsewhere = office.stand(ann, report=replace(REPORT, environment="staging"))
    told = "the report is about staging, and this is production"
    hint = "run the gate for this environment, or name its settings with --config"
    assert elsewhere == Standing(demanded=True, environment="production", trouble=told, hint=hint)
    assert (elsewhere.line, elsewhere.next_step) == (told, hint)
    doubt = office.stand(ann, roster=None, trouble="it cannot be read", hint="mend it")
    assert doubt == Standing(demanded=True, environment="production", trouble="it cannot be read", hint="mend it")
    hint = "put the roster where golive.yaml names it (roster:)"
    carried = office.stand(ann, roster=None)
    told = "the page carries approvals, and there is no roster here"
    assert carried == Standing(demanded=False, environment="production", trouble=told, hint=hint)
    absent = office.stand(ann, roster=None, required=True)
    told = "approvals are demanded, and there is no roster here"
    assert absent == Standing(demanded=True, environment="production", trouble=told, hint=hint)
    assert office.policy.roster is not None
    unasked = office.stand(required=True, roster=replace(office.policy.roster, quorums={}))
    told = "approvals are demanded, and the roster names no quorum for production"
    hint = "write a table [quorum.production] into the roster"
    assert unasked == Standing(demanded=True, environment="production", trouble=told, hint=hint)
    malformed = office.stand(report=replace(REPORT, signoff={}))
    assert malformed.next_step == "run pytest --golive again"


def test_a_rejected_approval_is_shown_as_what_it_claims(office: Office) -> None:
    """Person, role and line as they stand there, and what to do; a claim that is no name is not repeated."""
    line = office.line("ann", "operations")
    (one,) = office.stand(line).rejected
    assert (one.person, one.role, one.line) == ("ann", "operations", line)
    assert one.who == "ann (operations)"
    assert one.hint == (
        "let somebody with that role approve, or correct the roster;"
        " or leave it out, which is told: golive merge REPORT --drop-rejected"
    )
    assert office.stand(line).next_step == one.hint
    assert office.stand(line).line == f"the approval of ann (operations) does not hold: {one.reason}"
    (other,) = office.stand(office.line("ann", "qa", meaning="no")).rejected
    assert other.hint.startswith("approve again, which replaces it: golive approve REPORT --role qa; or")
    for junk in ("{}", "\udcff", dsse.sign(canonical.dumps({"predicate": {}}), office.hands["ann"].key)):
        (none,) = office.stand(junk).rejected
        assert (none.person, none.role, none.who, none.line) == ("", "", "somebody (no role)", junk)
        assert "golive approve REPORT --role ROLE;" in none.hint


@pytest.mark.parametrize("name", ["Ann", "../x", "a" * 65, "", 7, None, ["ann"], "a\n"])
def test_a_claim_that_is_no_name_is_empty(office: Office, name: object) -> None:
    """Only what could stand on a roster is repeated, whatever an envelope says, and each of both for itself."""
    key = office.hands["mallory"].key
    said = [{"person": name, "role": "qa"}, {"person": "ann", "role": name}, {"person": "ann", "role": "qa"}]
    lines = [dsse.sign(canonical.dumps({"predicate": fields}), key) for fields in said]
    assert [approvals.claimed(line) for line in lines] == [("", "qa"), ("ann", ""), ("ann", "qa")]


def test_a_believed_approval_comes_with_its_line_and_its_key(office: Office) -> None:
    """The page shows which key signed which line."""
    line = office.line("ann", "qa")
    (one,) = office.stand(line).believed
    assert (one.line, one.key, one.person.id, one.aside) == (line, office.hands["ann"].key.public, "ann", "")


def test_without_a_demand_people_may_approve_and_the_line_says_that_none_was_asked(office: Office) -> None:
    """A roster without a quorum for this place: approvals are believed, and nothing is missing."""
    assert office.policy.roster is not None
    roll = replace(office.policy.roster, quorums={})
    standing = office.stand(office.line("ann", "qa"), roster=roll)
    assert (standing.approved, standing.demanded, standing.approved_by) == (True, False, ("ann (qa)",))
    assert (standing.line, standing.next_step) == ("no quorum is demanded for production", "")


def test_what_a_run_says_of_the_quorum_that_will_be_asked(office: Office) -> None:
    """The roster's digest and its numbers; one person where a quorum is demanded and none is named; nothing where none is."""
    assert office.policy.roster is not None
    roll, empty = office.policy.roster, replace(office.policy.roster, quorums={})
    told = {"persons": 2, "roles": {"qa": 1, "operations": 1}, "operator_counts": False}
    assert signoff_of(office.policy) == {"roster": roll.sha256, **told}
    one = {"persons": 1, "roles": {}, "operator_counts": False}
    assert signoff_of(replace(office.policy, roster=None, required=True)) == {"roster": "", **one}
    assert signoff_of(replace(office.policy, roster=empty, required=True)) == {"roster": roll.sha256, **one}
    assert signoff_of(replace(office.policy, roster=None, trouble="it cannot be read")) == {"roster": "", **one}
    assert signoff_of(replace(office.policy, roster=empty)) is None


@pytest.mark.parametrize(
    ("run", "operators"),
    [
        ({"id": "r", "operator": "olga", "login": "root"}, ("olga", "root")),
        ({"id": "r", "operator": "", "login": "root"}, ("root",)),
        ({"id": "r", "operator": 7}, ("7",)),
        ({"id": "r"}, ()),
    ],
)
def test_a_report_is_what_its_evidence_tells(run: dict[str, Any], operators: tuple[str, ...]) -> None:
    """Environment, word, run, quorum of then, and under which names it was run."""
    golive = {"target": {"environment": "e"}, "decision": {"word": "GO"}, "run": run, "signoff": {"persons": 1}}

    def read(golive: dict[str, Any]) -> Report:
        return report_of({"predicate": {"golive": golive}}, evidence="1", presentation="2", signers=["k"])

    told = Report(
        evidence="1",
        presentation="2",
        environment="e",
        run="r",
        word="GO",
        operators=operators,
        signers=("k",),
        signoff={"persons": 1},
    )
    assert read(golive) == told
    del golive["signoff"]
    assert read(golive) == replace(told, signoff=None)
    assert read({**golive, "run": {}}).run == ""


@pytest.mark.parametrize("operator", ["ann@host@example.org", "  Ann   Example ", "ANN EXAMPLE"])
def test_blanks_letters_and_hosts_make_nobody_somebody_else(office: Office, operator: str) -> None:
    """However the name of the operator is written, it is the person's."""
    standing = office.stand(office.line("ann", "qa"), report=replace(REPORT, operators=(operator,)))
    assert [one.aside for one in standing.believed] == ["the operator of the run does not count"]
    assert standing.approved_by == ()


def test_a_name_without_a_letter_names_nobody(office: Office) -> None:
    """Who is written on the roster in signs alone is not taken for an operator who is."""
    assert office.policy.roster is not None
    ann = next(one for one in office.policy.roster.persons if one.id == "ann")
    assert not is_operator(replace(ann, name="* * *"), replace(REPORT, operators=("@example.org", "--")))
