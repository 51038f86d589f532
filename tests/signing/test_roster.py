"""The roster: who may sign, and everything that makes a roster one that nobody should trust."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pytest_golive.errors import RosterError
from pytest_golive.signing.public import ED25519, RSA, SK_ED25519, PublicKey
from pytest_golive.signing.roster import Roster, parse, read
from pytest_golive.signing.ssh_wire import Reader, mpint
from tests.signing.agents import Token
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


def test_a_key_says_in_which_form_it_counts(tmp_path: Path) -> None:
    """Plain unless the roster says sshsig; a token's key has its one form and cannot be given another."""
    plain, wrapped, token = hand(tmp_path, "a"), hand(tmp_path, "b"), Token()
    told = _read(
        roster(
            person("ann", ["qa"], plain.line),
            person("bob", ["qa"], wrapped.line, more=', format = "sshsig"'),
            person("cem", ["qa"], token.public.line),
        )
    )
    assert [key.form for key in told.public_keys] == ["raw", "sshsig", "sshsig"]
    assert "signs in its own form alone" in _faults(roster(person("cem", ["qa"], token.public.line, more=', format = "raw"')))
    for form in ('"pgp"', "1", "true", "['raw']"):
        assert 'must be "raw" or "sshsig"' in _faults(roster(person("ann", ["qa"], plain.line, more=f", format = {form}")))


def test_a_revoked_key_counts_no_longer_whatever_its_validity(tmp_path: Path) -> None:
    """From the moment of its loss a key counts for nothing; before it, as long as it was valid."""
    key = hand(tmp_path, "k")
    more = ", valid_until = 2027-01-01T00:00:00Z, revoked = 2026-11-21T09:00:00Z"
    (held,) = _read(roster(person("ann", ["qa"], key.line, more=more))).persons[0].keys
    assert not held.valid_at(NOW)
    assert not held.valid_at(datetime(2026, 11, 21, 9, 0, tzinfo=UTC))
    assert held.valid_at(datetime(2026, 11, 21, 8, 59, tzinfo=UTC))
    assert held.standing(NOW) == "revoked at 2026-11-21T09:00:00+00:00"
    assert held.standing(datetime(2026, 1, 1, tzinfo=UTC)) == "until 2026-11-21T09:00:00+00:00"
    for bad in ("true", '"yes"', "2026-11-21", "2026-11-21T09:00:00"):
        assert "a time with a zone" in _faults(roster(person("ann", ["qa"], key.line, more=f", revoked = {bad}")))


def test_validity_is_told_in_words(tmp_path: Path) -> None:
    """Whoever reads the list sees whether a key counts now, and until when."""
    line = hand(tmp_path, "k").line
    for more, words in (
        ("", "without an end"),
        (", valid_until = 2026-11-21T10:00:00Z", "expired at 2026-11-21T10:00:00+00:00"),
        (", valid_until = 2026-11-21T12:00:01+02:00", "until 2026-11-21T10:00:01+00:00"),
        (", valid_from = 2026-11-21T10:00:01Z", "not before 2026-11-21T10:00:01+00:00"),
    ):
        assert _read(roster(person("ann", ["qa"], line, more=more))).persons[0].keys[0].standing(NOW) == words


def test_d10_one_private_key_under_two_names_is_one_key(tmp_path: Path) -> None:
    """D10: the same point as a plain key and as a token's, or under two applications, is one private half and one person."""
    token = Token()
    plain = PublicKey(ED25519, token.public.raw).line
    work = PublicKey(SK_ED25519, token.public.raw, "ssh:work").line
    assert "listed for two persons, ann and bob" in _faults(
        roster(person("ann", ["qa"], plain), person("bob", ["qa"], token.public.line))
    )
    assert "listed for two persons, ann and bob" in _faults(
        roster(person("ann", ["qa"], work), person("bob", ["qa"], token.public.line))
    )
    assert "stands there twice" in _faults(roster(person("ann", ["qa"], work, token.public.line)))


def test_d10_one_rsa_modulus_under_two_exponents_is_one_key() -> None:
    """D10: who can factor the modulus signs for both."""
    line = rsa_line(3072)
    modulus = PublicKey.parse(line).raw
    fields = Reader(modulus)
    fields.mpint()
    other = PublicKey(RSA, mpint(65539) + mpint(fields.mpint())).line
    assert "listed for two persons, ann and bob" in _faults(roster(person("ann", ["qa"], line), person("bob", ["qa"], other)))


def test_d11_one_person_with_two_keys_is_one_person(tmp_path: Path) -> None:
    """D11: further keys make no further person, so a quorum of two is not met by them."""
    keys = [hand(tmp_path, name).line for name in "ab"]
    told = _faults(roster(person("ann", ["qa"], *keys), more="[quorum.production]\npersons = 2\n"))
    assert "asks for 2 persons of 1" in told


def test_a_login_stands_for_one_person(tmp_path: Path) -> None:
    """The operator of a run is excluded by login, name or id; two persons behind one of them would exclude neither for sure."""
    lines = [hand(tmp_path, name).line for name in "ab"]

    def people(ann: str, bob: str) -> str:
        return roster(person("ann", ["qa"], lines[0]) + ann, person("bob", ["qa"], lines[1]) + bob)

    told = _read(people('logins = ["ann.e", "deploy"]\n', ""))
    assert [one.logins for one in told.persons] == [("ann.e", "deploy"), ()]
    assert "'deploy' stands for two persons" in _faults(people('logins = ["deploy"]\n', 'logins = ["deploy"]\n'))
    assert "'bob' stands for two persons" in _faults(people('logins = ["bob"]\n', ""))
    for bad in ("'ann'", "[1]", "['']", '["a\\n"]', '["a\\u001b"]', "true"):
        assert "logins" in _faults(people(f"logins = {bad}\n", ""))


def test_expired_keys_meet_no_quorum(tmp_path: Path) -> None:
    """A quorum that stands on a key that has expired, was revoked or is still to come cannot be met now."""
    lines = [hand(tmp_path, name).line for name in "ab"]
    quorum = "[quorum.production]\nroles = {qa = 1, operations = 1}\n"
    for more in ("valid_until = 2026-11-21T10:00:00Z", "revoked = 2026-11-21T10:00:00Z", "valid_from = 2026-11-22T00:00:00Z"):
        told = _read(
            roster(person("ann", ["qa"], lines[0]), person("bob", ["operations"], lines[1], more=f", {more}"), more=quorum)
        )
        (first, second) = told.unreachable(NOW)
        assert "quorum.production cannot be met" in first
        assert "1 of operations, and 0" in first
        assert "2 persons of 1" in second
    good = _read(roster(person("ann", ["qa"], lines[0]), person("bob", ["operations"], lines[1]), more=quorum))
    assert good.unreachable(NOW) == ()


def test_who_may_not_run_the_gate_is_told(tmp_path: Path) -> None:
    """Where the operator does not count, everybody without whom the quorum falls is named; where the operator counts, nobody."""
    lines = [hand(tmp_path, name).line for name in "abc"]
    people = [person("ann", ["qa"], lines[0]), person("bob", ["qa", "risk"], lines[1]), person("cem", ["risk"], lines[2])]
    quorum = "[quorum.production]\npersons = 2\nroles = {qa = 1, risk = 1}\n"
    assert _read(roster(*people, more=quorum)).bound_operators(NOW) == ()
    both = quorum.replace("qa = 1", "qa = 2")
    assert [
        "if ann runs" in note or "if bob runs" in note for note in _read(roster(*people, more=both)).bound_operators(NOW)
    ] == [
        True,
        True,
    ]
    three = quorum.replace("persons = 2", "persons = 3")
    assert len(_read(roster(*people, more=three)).bound_operators(NOW)) == 3
    assert _read(roster(*people, more=three + "operator_counts = true\n")).bound_operators(NOW) == ()


def test_one_person_may_fill_two_roles_only_as_far_as_persons_allow(tmp_path: Path) -> None:
    """A single person with both roles is enough if the roster says one person is; two are asked for otherwise."""
    one = person("ann", ["qa", "risk"], hand(tmp_path, "a").line)
    assert "asks for 2 persons of 1" in _faults(roster(one, more="[quorum.production]\nroles = {qa = 1, risk = 1}\n"))
    told = _read(roster(one, more="[quorum.production]\npersons = 1\nroles = {qa = 1, risk = 1}\n"))
    assert told.unreachable(NOW) == ()


def test_control_characters_of_a_roster_never_come_out(tmp_path: Path) -> None:
    """Whatever stands in the file, its faults are printable lines."""
    evil = "\\u001b]0;x\\u0007\\u202e"
    text = (
        f'version = 1\nroles = ["qa"]\n"x{evil}" = 1\n[persons."{evil}"]\nname = "{evil}"\nroles = ["{evil}"]\n'
        f'keys = [{{key = "{evil} AAAA"}}]\n[quorum."{evil}"]\nroles = {{"{evil}" = 1}}\n'
    )
    told = _faults(text)
    assert all(line.isprintable() for line in told.splitlines())
    assert "\\u001b" in told


@pytest.mark.parametrize("make", ["pipe", "folder", "huge", "deep", "latin"])
def test_what_is_no_file_of_a_roster_is_refused(tmp_path: Path, make: str) -> None:
    """A pipe does not keep the gate waiting, and neither size nor depth takes it down."""
    path = tmp_path / "golive.roster.toml"
    if make == "pipe":
        os.mkfifo(path)
    elif make == "folder":
        path.mkdir()
    else:
        deep, huge = b"x = " + b"[" * 50_000, b"# " + b"x" * 2_000_000
        path.write_bytes({"huge": huge, "deep": deep, "latin": "version = 1 # é".encode("latin-1")}[make])
    with pytest.raises(RosterError) as caught:
        read(path)
    assert caught.value.hint
    assert len(str(caught.value)) < 500
