"""What every personal statement must stand: the checks at their edges, and the words of their refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pytest_golive import canonical
from pytest_golive.errors import ApprovalRejected, StatementRejected
from pytest_golive.signing import dsse, personal, roster
from pytest_golive.signing.personal import MALFORMED, Signed
from pytest_golive.signing.roster import Roster
from tests.signing import people
from tests.signing.people import Hand, hand

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
KIND = "urn:pytest-golive:test:v0.1"
AGAIN = "say it again"


@dataclass(frozen=True)
class Office:
    """Ann of qa and risk, Ben of operations until noon, and Mallory whom the roster does not know."""

    hands: dict[str, Hand]
    roll: Roster

    def signed(self, line: bytes) -> Signed:
        return personal.signed_by(line, self.roll, AGAIN, ApprovalRejected)

    def line(self, name: str, change: Callable[[dict[str, Any]], None] | None = None) -> bytes:
        """An envelope of this person over two words, changed afterwards."""
        envelope = json.loads(dsse.sign(canonical.dumps({"said": "yes"}), self.hands[name].key))
        if change:
            change(envelope)
        return json.dumps(envelope).encode()


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """Three persons, two of them on the roster."""
    folder: Path = tmp_path_factory.mktemp("office")
    hands = {name: hand(folder, name) for name in ("ann", "ben", "mallory")}
    listed = [
        people.person("ann", ["qa", "risk"], hands["ann"].line),
        people.person("ben", ["operations"], hands["ben"].line, more=", valid_until = 2026-11-21T12:00:00Z"),
    ]
    return Office(hands, roster.parse(people.roster(*listed).encode(), "roster"))


def refused(act: Callable[[], Any], kind: type[StatementRejected] = ApprovalRejected) -> tuple[str, str]:
    """What a refusal says, and what it says to do."""
    with pytest.raises(kind) as caught:
        act()
    return caught.value.message, caught.value.hint


def test_a_time_holds_at_its_edges_and_not_a_tick_beyond(office: Office) -> None:
    """Dated now or just as much ahead as is allowed, and living just as long as is allowed, is timely."""
    signed = office.signed(office.line("ann"))

    def timely(start: timedelta, end: timedelta, **more: Any) -> None:
        signed.timely(NOW + start, NOW + end, NOW, at_most=HOUR, limit="a word has", **more)

    none = timedelta(0)
    timely(none, HOUR)
    timely(none, TICK)
    timely(-HOUR + TICK, TICK)
    timely(TICK, HOUR, ahead=TICK)
    clock = f"set the clock right, then {AGAIN}"
    assert refused(lambda: timely(TICK, HOUR)) == (f"it is dated {(NOW + TICK).isoformat()}, which is still to come", clock)
    assert refused(lambda: timely(2 * TICK, HOUR, ahead=TICK))[1] == clock
    assert refused(lambda: timely(-HOUR, none)) == (f"it expired at {NOW.isoformat()}", AGAIN)
    assert refused(lambda: timely(none, none)) == (f"it expires at {NOW.isoformat()}, before it was signed", AGAIN)
    ends = (NOW + HOUR + TICK).isoformat()
    assert refused(lambda: timely(none, HOUR + TICK)) == (
        f"it claims to hold until {ends}, longer than the 1:00:00 that a word has",
        AGAIN,
    )


def test_a_refusal_says_who_and_what_to_do(office: Office) -> None:
    """Another person, another name, a role that is not held, a key that has run out: each in its words."""
    ann, ben = office.signed(office.line("ann")), office.signed(office.line("ben"))
    ann.named("ann")
    ann.named("ann", "Ann Example")
    ann.holds("risk", "")
    ben.key_counts(NOW - TICK)
    assert refused(lambda: ann.named("ben")) == ("it names 'ben', but ann signed it", AGAIN)
    assert refused(lambda: ann.named("ann", "A")) == ("it gives the name 'A', and the roster calls ann 'Ann Example'", AGAIN)
    assert refused(lambda: ann.holds("operations", "ask Ben")) == ("ann does not hold the role 'operations'", "ask Ben")
    assert refused(lambda: ben.key_counts(NOW - TICK, NOW)) == (
        f"the key {office.hands['ben'].key.fingerprint} of ben does not count at {NOW.isoformat()}",
        f"see valid_from, valid_until and revoked on the roster; then {AGAIN}",
    )


def _name(keyid: str) -> Callable[[dict[str, Any]], None]:
    return lambda envelope: envelope["signatures"][0].update(keyid=keyid)


def _spoil(envelope: dict[str, Any]) -> None:
    envelope["payload"] = "e30="


def _twice(envelope: dict[str, Any]) -> None:
    envelope["signatures"] *= 2


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("ann", _spoil, "its signature does not verify: it was altered after it was signed"),
        ("ann", _twice, "several keys signed it; a statement is one person's"),
        ("ann", _name("SHA256:other"), "it names another key than {ann}, which signed it"),
        ("mallory", None, "the key {mallory} is not on the roster"),
        ("mallory", _name(""), "the key that signed it is not on the roster"),
        ("mallory", _name("k" * 80), "the key " + "k" * 80 + " is not on the roster"),
        ("mallory", _name("k" * 81), "the key that signed it is not on the roster"),
        ("mallory", _name("k\x1b[2J"), "the key that signed it is not on the roster"),
    ],
)
def test_whoever_signed_wrongly_is_told_so(office: Office, name: str, change: Any, told: str) -> None:
    """One key of one person signs; a key id is shown only where it can be, and never one that would write on a terminal."""
    names = {who: held.key.fingerprint for who, held in office.hands.items()}
    assert refused(lambda: office.signed(office.line(name, change))) == (told.format(**names), AGAIN)


def test_an_envelope_that_is_none_is_told_in_its_own_words(office: Office) -> None:
    """What is wrong with the envelope itself is not taken for an unknown key."""
    message, hint = refused(lambda: office.signed(b"{"))
    assert "roster" not in message
    assert hint == AGAIN


def _statement(**changes: Any) -> bytes:
    said = {
        "_type": personal.STATEMENT_TYPE,
        "predicateType": KIND,
        "subject": [{"name": "a", "digest": {"sha256": "1"}}, {"name": "b", "digest": {"gitCommit": "2"}}],
        "predicate": {"schema": 1, "said": "yes"},
    }
    return json.dumps(said | changes).encode()


def test_a_statement_gives_its_predicate_and_its_subjects() -> None:
    """Both kinds of digest are read, each under the name of its subject."""
    assert personal.fields(_statement(), KIND) == (
        {"schema": 1, "said": "yes"},
        {"a": {"sha256": "1"}, "b": {"gitCommit": "2"}},
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"predicateType": "urn:pytest-golive:other:v0.1"},
        {"predicate": {"schema": 2}},
        {"predicate": {"schema": True}},
        {"predicate": {}},
        {"predicate": None},
        {"subject": None},
        {"subject": [{"name": "a", "digest": {"sha256": "1"}}] * 2},
        {"subject": [{"name": "a", "digest": {}}]},
        {"subject": [{"name": "a", "digest": {"md5": "1"}}]},
        {"subject": [{"name": "a", "digest": {"sha256": 1}}]},
        {"subject": [{"name": "a", "digest": {"sha256": "1", "gitCommit": "2"}}]},
        {"subject": [{"name": "a", "digest": {"sha256": "1", "md5": "2"}}]},
        {"subject": [{"name": "a", "digest": "1"}]},
        {"subject": [{"name": "a", "digest": ["sha256"]}]},
    ],
)
def test_a_statement_of_another_shape_is_none(changes: dict[str, Any]) -> None:
    """Another kind, a schema that only looks like 1, and a subject without its one digest are each refused."""
    with pytest.raises(MALFORMED):
        personal.fields(_statement(**changes), KIND)


def test_a_moment_has_its_zone_and_is_given_in_utc() -> None:
    """Whatever zone it was written in; without one it is no moment, and neither is a number."""
    found = personal.moment("2026-11-21T14:00:00+02:00")
    assert found == NOW
    assert found.tzinfo is UTC
    for text in ("2026-11-21T12:00:00", "noon", 7, None):
        with pytest.raises(MALFORMED):
            personal.moment(text)


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (timedelta(days=2), "2 days"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=1, hours=2), "1 day, 2:00:00"),
        (HOUR, "1:00:00"),
        (timedelta(0), "0:00:00"),
    ],
)
def test_a_length_is_told_in_days_where_it_is_whole_days(time: timedelta, words: str) -> None:
    """A limit of a day and a half is not told as one of a day."""
    assert personal.length(time) == words


def test_who_would_sign_speaks_in_a_role_that_is_held_and_asked_for(office: Office) -> None:
    """The role that is named, else the first of those that will do; the order is that of the act, not of the person."""

    def speak(name: str, roles: list[str], role: str | None = None, now: datetime = NOW) -> tuple[str, str]:
        person, chosen = personal.speaker(office.roll, office.hands[name].key, roles, role, now, "open the door")
        return person.id, chosen

    assert speak("ann", ["operations", "risk", "qa"]) == ("ann", "risk")
    assert speak("ann", ["risk", "qa"], "qa") == ("ann", "qa")
    assert speak("ben", ["operations"], now=NOW - TICK) == ("ben", "operations")
    cases: list[tuple[Callable[[], Any], str, str]] = [
        (
            lambda: speak("ann", ["operations", "night"]),
            "ann holds qa, risk, and none of these may not open the door",
            "let somebody do it who holds one of: operations, night",
        ),
        (
            lambda: speak("ann", ["risk"], "qa"),
            "ann holds qa, risk, and qa may not open the door",
            "let somebody do it who holds one of: risk",
        ),
        (
            lambda: speak("ann", ["operations"], "operations"),
            "ann holds qa, risk, and operations may not open the door",
            "let somebody do it who holds one of: operations",
        ),
        (
            lambda: speak("ben", ["operations"]),
            f"the key {office.hands['ben'].key.fingerprint} of ben does not count at {NOW.isoformat()}",
            "see valid_from, valid_until and revoked on the roster",
        ),
        (
            lambda: speak("mallory", ["qa"]),
            f"your key {office.hands['mallory'].key.fingerprint} is not on the roster",
            "name another key with --key PATH, or let somebody add yours: golive roster add",
        ),
    ]
    for act, message, hint in cases:
        assert refused(act, StatementRejected) == (message, hint)
