"""The roster: who may sign, and everything that makes a roster one that nobody should trust."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pytest_golive.errors import RosterError
from pytest_golive.signing.roster import Roster, parse, read
from tests.signing.people import hand, person, roster, rsa_line

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
SMALL_ORDER = "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32)).decode()


def _read(text: str) -> Roster:
    return parse(text.encode(), "golive.roster.toml")


def _faults(text: str) -> str:
    with pytest.raises(RosterError) as caught:
        _read(text)
    assert caught.value.hint
    return str(caught.value)


def test_a_roster_tells_persons_roles_keys_and_quorum(tmp_path: Path) -> None:
    """Persons, their roles and both kinds of key, validity and the quorum come out as they stand there."""
    alice, bob = hand(tmp_path, "a"), hand(tmp_path, "b", p256=True)
    file = tmp_path / "golive.roster.toml"
    file.write_text(
        roster(
            person("alice", ["qa"], alice.line, more=", valid_from = 2026-01-01T00:00:00Z, valid_until = 2027-01-01T00:00:00Z"),
            person("bob", ["operations", "risk"], bob.line),
            more="[quorum.production]\npersons = 2\nroles = {qa = 1, operations = 1}\n",
        )
    )
    told = read(file)
    assert [one.id for one in told.persons] == ["alice", "bob"]
    assert told.persons[1].roles == ("operations", "risk")
    assert told.quorums["production"].persons == 2
    assert told.quorums["production"].roles == {"qa": 1, "operations": 1}
    assert not told.quorums["production"].operator_counts
    held = told.holder(alice.key.public)
    assert held is not None
    assert held[0].id == "alice"
    assert held[1].valid_at(NOW)
    assert not held[1].valid_at(datetime(2027, 1, 1, tzinfo=UTC))
    assert not held[1].valid_at(datetime(2025, 12, 31, tzinfo=UTC))
    assert told.holder(hand(tmp_path, "c").key.public) is None


def test_one_key_for_two_persons_is_refused(tmp_path: Path) -> None:
    """A person under two names would be a quorum of one: the key is told, and both names."""
    key = hand(tmp_path, "k")
    told = _faults(roster(person("alice", ["qa"], key.line + " a@x"), person("bob", ["risk"], key.line + " b@y")))
    assert "listed for two persons, alice and bob" in told
    assert key.key.fingerprint in told


def test_a_key_twice_for_one_person_is_refused(tmp_path: Path) -> None:
    """The same key twice is a slip of the hand that hides which validity counts."""
    key = hand(tmp_path, "k")
    assert "stands there twice" in _faults(roster(person("alice", ["qa"], key.line, key.line)))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (SMALL_ORDER, "small order"),
        ("ssh-dss AAAA", "not accepted"),
        ("ecdsa-sha2-nistp521 AAAA", "not accepted"),
        ("sk-ssh-ed25519@openssh.com AAAA", "does not hold one sk-ssh-ed25519"),
        ("ssh-ed25519 !!!", "not base64"),
        ("", "not an OpenSSH public key"),
    ],
)
def test_weak_and_unknown_keys_are_refused(line: str, words: str) -> None:
    """A key that anybody can sign for, or that no verifier here knows, never gets onto a roster."""
    assert words in _faults(roster(person("alice", ["qa"], line)))


def test_an_rsa_key_is_refused_with_its_size() -> None:
    """RSA keys are told with their bits: 2048 is too few."""
    assert "this RSA key has 2048 bits" in _faults(roster(person("alice", ["qa"], rsa_line(2048))))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("[quorum.production]\npersons = 3\n", "asks for 3 persons of 1"),
        ("[quorum.production]\nroles = {operations = 1}\n", "asks for 1 of operations, and 0"),
        ("[quorum.production]\nroles = {qa = 2}\n", "asks for 2 of qa, and 1"),
        ("[quorum.production]\nroles = {boss = 1}\n", "'boss' is not one of"),
        ("[quorum.production]\n", "asks for nobody"),
        ("[quorum.production]\npersons = 0\n", "whole number from 1"),
        ("[quorum.production]\npersons = true\n", "whole number from 1"),
        ("[quorum.production]\npersons = 1\noperator_counts = 'no'\n", "true or false"),
        ("[quorum.production]\nperson = 1\n", "unknown key 'person'"),
    ],
)
def test_a_quorum_that_nobody_can_meet_is_refused(tmp_path: Path, more: str, words: str) -> None:
    """A quorum is met by those on the roster or it is a fault of the roster, told before anybody signs."""
    assert words in _faults(roster(person("alice", ["qa"], hand(tmp_path, "k").line), more=more))


def test_all_faults_come_at_once_with_their_lines(tmp_path: Path) -> None:
    """One edit mends them all: unknown role, unknown key, bad id, missing keys and bad times are told together, by line."""
    text = (
        roster(
            person("alice", ["tester"], hand(tmp_path, "a").line),
            person("Bob", ["qa"], hand(tmp_path, "b").line, more=", valid_until = 2027-01-01"),
        )
        + "mail = 'x'\n[persons.carol]\nname = ''\nroles = []\nkeys = []\n"
    )
    told = _faults(text)
    for words in (
        "'tester' is not one of",
        "'Bob' is no id",
        "a time with a zone",
        "unknown key 'mail'",
        "persons.carol.name",
        "keys",
    ):
        assert words in told
    lines = text.splitlines()
    assert f"golive.roster.toml:{lines.index('[persons.carol]') + 1}:1" in told


@pytest.mark.parametrize(
    "text",
    [
        "",
        "version = 1\n",
        "version = true\nroles=['qa']\npersons = {}\n",
        "no toml",
        "version = 1\nroles = ['qa']\npersons = 3\n",
        "\0",
    ],
)
def test_what_is_no_roster_is_refused(text: str) -> None:
    """Empty, halved or foreign text names nobody, and says so."""
    assert "golive.roster.toml:" in _faults(text)


def test_a_key_that_ends_before_it_begins_is_refused(tmp_path: Path) -> None:
    """Validity is a time, not a hole."""
    more = ", valid_from = 2027-01-01T00:00:00Z, valid_until = 2026-01-01T00:00:00Z"
    assert "ends before it begins" in _faults(roster(person("alice", ["qa"], hand(tmp_path, "k").line, more=more)))


def test_a_missing_roster_says_what_to_write(tmp_path: Path) -> None:
    """No file is not an empty roster."""
    with pytest.raises(RosterError, match="does not exist") as caught:
        read(tmp_path / "golive.roster.toml")
    assert "roster:" in caught.value.hint
