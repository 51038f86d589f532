"""A waiver's envelope: who signed it, in which words, and every way in which it must not count."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pytest_golive.errors import WaiverRejected
from pytest_golive.signing import dsse
from pytest_golive.signing.roster import Roster, parse
from pytest_golive.signing.waiver import Waived, build, holds, open_waiver
from tests.signing.people import Hand, hand, person, roster

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
DAY = timedelta(days=1)


class Office:
    """Alice and Carol of risk and Bob of QA on a roster; Eve is on none."""

    def __init__(self, root: Path) -> None:
        self.hands: dict[str, Hand] = {name: hand(root, name, p256=name == "bob") for name in ("alice", "bob", "carol", "eve")}

    def roll(self, more: str = "") -> Roster:
        lines = {name: each.line for name, each in self.hands.items()}
        persons = [
            person("alice", ["risk"], lines["alice"], more=more),
            person("bob", ["qa"], lines["bob"]),
            person("carol", ["risk"], lines["carol"]),
        ]
        return parse(roster(*persons).encode(), "golive.roster.toml")

    def waived(self, **changes: Any) -> Waived:
        whole = Waived(
            item="one",
            environment="production",
            demand="d" * 64,
            severity="critical",
            reason="TICKET-42",
            person="alice",
            name="Alice Example",
            role="risk",
            signed_at=NOW - DAY,
            until=NOW + 7 * DAY,
        )
        return replace(whole, **changes)

    def signed(self, by: str = "alice", **changes: Any) -> bytes:
        return dsse.sign(build(self.waived(**changes)), self.hands[by].key).encode()

    def judge(
        self, line: bytes, *, now: datetime = NOW, roll: Roster | None = None, roles: tuple[str, ...] = ("risk",)
    ) -> Waived:
        waived, signed = open_waiver(line, roll or self.roll())
        holds(waived, signed, environment="production", roles=roles, at_most=30 * DAY, now=NOW)
        return waived


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """The office."""
    return Office(tmp_path)


def test_a_good_waiver_is_read_as_it_was_signed(office: Office) -> None:
    """Item, demand, reason, person and times come back as they were."""
    assert office.judge(office.signed()) == office.waived()


def test_the_bytes_are_an_in_toto_statement(office: Office) -> None:
    """Its subject is the demand, its predicate the words of the contract."""
    statement = json.loads(build(office.waived()))
    assert statement["predicateType"] == "urn:pytest-golive:waiver:v0.1"
    assert statement["subject"] == [{"name": "question", "digest": {"sha256": "d" * 64}}]
    assert set(statement["predicate"]) == {
        "schema", "item", "environment", "severity", "reason", "person", "name", "role", "signed_at", "until",
    }  # fmt: skip


def _altered(office: Office) -> bytes:
    envelope = json.loads(office.signed())
    body = json.loads(base64.b64decode(envelope["payload"]))
    body["predicate"]["until"] = (NOW + 20 * DAY).isoformat()
    envelope["payload"] = base64.b64encode(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).decode()
    return json.dumps(envelope).encode()


def _rewritten(office: Office) -> bytes:
    body = json.loads(build(office.waived()))
    return dsse.sign(json.dumps(body, indent=1).encode(), office.hands["alice"].key).encode()


def _foreign(office: Office) -> bytes:
    body = json.loads(build(office.waived()))
    body["predicateType"] = "urn:pytest-golive:attestation:v0.1"
    payload = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    return dsse.sign(payload, office.hands["alice"].key).encode()


def _more(office: Office) -> bytes:
    body = json.loads(build(office.waived()))
    body["predicate"]["covers"] = ["error"]
    payload = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    return dsse.sign(payload, office.hands["alice"].key).encode()


def _twice(office: Office) -> bytes:
    one, two = (json.loads(office.signed(by)) for by in ("alice", "carol"))
    return json.dumps({**one, "signatures": one["signatures"] + two["signatures"]}).encode()


ATTACKS: dict[str, tuple[Callable[[Office], bytes], str]] = {
    "altered": (_altered, "altered after it was signed"),
    "written otherwise": (_rewritten, "no waiver of an item"),
    "another kind of statement": (_foreign, "no waiver of an item"),
    "a field that widens it": (_more, "no waiver of an item"),
    "unsigned": (lambda office: json.dumps({**json.loads(office.signed()), "signatures": []}).encode(), "no signatures"),
    "two signers": (_twice, "several keys"),
    "stranger": (lambda office: office.signed("eve"), "not on the roster"),
    "signed by another": (lambda office: office.signed("carol"), "names 'alice', but carol signed it"),
    "another name": (lambda office: office.signed(name="The Board"), "the roster calls alice 'Alice Example'"),
    "role not held": (lambda office: office.signed(role="qa"), "may not waive here"),
    "role that may not": (
        lambda office: office.signed("bob", person="bob", name="Bob Example", role="qa"),
        "may not waive here; who may: risk",
    ),
    "another environment": (lambda office: office.signed(environment="staging"), "meant for the environment 'staging'"),
    "dated ahead": (lambda office: office.signed(signed_at=NOW + timedelta(minutes=1)), "still to come"),
    "expired": (lambda office: office.signed(until=NOW), "expired at"),
    "ends before it begins": (lambda office: office.signed(until=NOW - 2 * DAY), "before it was signed"),
    "lives too long": (lambda office: office.signed(until=NOW + 30 * DAY), "longer than the 30 days"),
    "no reason": (lambda office: office.signed(reason="  "), "no waiver of an item"),
    "a reason that steers a terminal": (lambda office: office.signed(reason="\x1b[2Jok"), "no waiver of an item"),
    "an item that steers a terminal": (lambda office: office.signed(item="one\x1b[2J"), "no waiver of an item"),
    "no time zone": (lambda office: office.signed(until=(NOW + DAY).replace(tzinfo=None)), "no waiver of an item"),
    "not an envelope": (lambda _: b"yes, waived", "not"),
    "empty": (lambda _: b"", "not"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_what_cannot_be_believed_is_refused(office: Office, name: str) -> None:
    """Each attack is refused with its own reason."""
    make, words = ATTACKS[name]
    with pytest.raises(WaiverRejected, match=words):
        office.judge(make(office))


def test_a_role_that_may_but_is_not_held_is_refused(office: Office) -> None:
    """The roster says which roles a person holds, not the waiver."""
    with pytest.raises(WaiverRejected, match="does not hold the role 'qa'"):
        office.judge(office.signed(role="qa"), roles=("risk", "qa"))


def test_where_nobody_may_waive_nothing_holds(office: Office) -> None:
    """Without any role that may, the refusal says how to name one."""
    with pytest.raises(WaiverRejected, match="nobody may waive here"):
        office.judge(office.signed(), roles=())


@pytest.mark.parametrize("more", [", valid_until = 2026-11-21T09:00:00Z", ", valid_from = 2026-11-21T09:00:00Z"])
def test_a_key_counts_when_it_was_signed_and_now(office: Office, more: str) -> None:
    """A key that has ended since, or had not begun then, does not count."""
    with pytest.raises(WaiverRejected, match="does not count at"):
        office.judge(office.signed(), roll=office.roll(more))
