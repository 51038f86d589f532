"""Break-glass, word by word: whose words count for which request, for how long, and who may look at it afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pytest_golive import canonical, events, glass
from pytest_golive.errors import Misuse, StatementRejected
from pytest_golive.glass import LONGEST, MAX_REASON, SIGNING, Request, Unreviewed, Word
from pytest_golive.journal import Entry
from pytest_golive.signing import dsse, personal, roster
from pytest_golive.signing.roster import Roster
from tests.signing import people
from tests.signing.people import Hand, hand

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TICK = timedelta(microseconds=1)
IDENTITY = "20261121T120000Z-0a0a0a0a"
BROKEN = Unreviewed(activation="act-1", at=NOW, by="Ann and Ben", reason="r", persons=("ann", "ben"))


@dataclass(frozen=True)
class Office:
    """Ann of operations, Ben of operations and risk, Cat of risk, and Dan of risk with a key that runs out at noon."""

    hands: dict[str, Hand]
    roll: Roster

    def sign(self, name: str, role: str | None, asked: Request | None = None, **more: Any) -> Word:
        """The word of this person for a request of five minutes, unless it is told otherwise."""
        said: dict[str, Any] = {"roster": self.roll, "before": (), "now": NOW, **more}
        return glass.sign(asked or wanted(), role=role, signer=self.hands[name].key, **said)

    def forged(self, name: str = "ann", /, subject: Any = None, **changes: Any) -> bytes:
        """A word that this person signed, with the fields changed as only a program of their own would write them."""
        told = {**wanted().as_fields(), "person": name, "name": f"{name.title()} Example", "role": "operations", "signed_at": NOW}
        predicate = {"schema": 1, **told, **changes}
        digest = canonical.digest({key: predicate[key] for key in wanted().as_fields()})
        statement = {
            "_type": personal.STATEMENT_TYPE,
            "subject": [{"name": "request", "digest": {"sha256": digest}}] if subject is None else subject,
            "predicateType": glass.PREDICATE_TYPE,
            "predicate": predicate,
        }
        return dsse.sign(canonical.dumps(statement), self.hands[name].key).encode("ascii")

    def read(self, line: bytes, environment: str = "production", now: datetime = NOW) -> Word:
        return glass.read(line, self.roll, environment, now)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """Four persons with keys."""
    folder = tmp_path_factory.mktemp("glass")
    names = {"ann": ["operations"], "ben": ["operations", "risk"], "cat": ["risk"], "dan": ["risk"]}
    hands = {name: hand(folder, name) for name in names}
    until = ", valid_until = 2026-11-21T12:00:00Z"
    listed = [people.person(name, roles, hands[name].line, more=until if name == "dan" else "") for name, roles in names.items()]
    roll = roster.parse(people.roster(*listed, roles='["operations", "risk"]').encode(), "roster")
    return Office(hands, roll)


def wanted(**changes: Any) -> Request:
    """A request for five minutes in production."""
    said: dict[str, Any] = {"environment": "production", "reason": "the market runs away", "lasts": 5 * MINUTE, "now": NOW}
    said |= changes
    return glass.request(said.pop("identity", IDENTITY), **said)


@pytest.mark.parametrize("lasts", [TICK, LONGEST])
def test_a_request_lasts_up_to_an_hour(lasts: timedelta) -> None:
    """The shortest time and the whole hour may be asked for, and the request keeps what was asked."""
    asked = wanted(lasts=lasts, reason="  closing  ")
    assert asked == Request(id=IDENTITY, environment="production", reason="closing", lasts=lasts, begun=NOW)


@pytest.mark.parametrize("lasts", [timedelta(0), -MINUTE, LONGEST + TICK])
def test_a_request_for_no_time_or_more_than_an_hour_is_none(lasts: timedelta) -> None:
    """Nothing, less than nothing, and a tick more than an hour are refused, with what to write instead."""
    with pytest.raises(Misuse, match=r"^the glass is broken for at most an hour") as caught:
        wanted(lasts=lasts)
    assert caught.value.hint == "for instance --for 30m"


def test_a_request_has_a_reason_of_bounded_length() -> None:
    """The longest reason is taken; none, blanks, and one letter more are not."""
    assert wanted(reason="r" * MAX_REASON).reason == "r" * MAX_REASON
    for reason in ("", " \t", "r" * (MAX_REASON + 1)):
        with pytest.raises(Misuse, match="say why, in at most 2000") as caught:
            wanted(reason=reason)
        assert caught.value.hint == "golive break-glass --reason '...'"


def test_every_field_of_a_request_is_signed_for() -> None:
    """A request that differs in any field has another digest."""
    changed = [
        wanted(identity="20261121T120000Z-0b0b0b0b"),
        wanted(environment="staging"),
        wanted(reason="another"),
        wanted(lasts=6 * MINUTE),
        wanted(now=NOW + MINUTE),
    ]
    assert len({asked.digest for asked in (wanted(), *changed)}) == 6


def test_a_word_says_who_asks_for_what_in_which_role(office: Office) -> None:
    """What was signed comes back whole, and its line reads as the same word again."""
    word = office.sign("ann", None)
    assert word == Word(request=wanted(), person="ann", name="Ann Example", role="operations", signed_at=NOW, line=word.line)
    assert office.read(word.line) == word


def test_a_role_that_is_taken_is_not_offered_again(office: Office) -> None:
    """Ben speaks for operations if nobody has, and for risk once Ann has spoken for operations; never for one that is taken."""
    ann = office.sign("ann", "operations")
    assert office.sign("ben", None).role == "operations"
    assert office.sign("ben", None, before=[ann]).role == "risk"
    with pytest.raises(StatementRejected, match="operations may not break the glass"):
        office.sign("ben", "operations", before=[ann])


def test_nobody_signs_a_request_twice(office: Office) -> None:
    """The second word is another person's, whatever role it is for, and the refusal says how to begin anew."""
    with pytest.raises(StatementRejected, match=r"^ben has signed it already; the second word is another person.s") as caught:
        office.sign("ben", "risk", before=[office.sign("ben", "operations")])
    assert caught.value.hint == "begin anew: golive break-glass --reason '...'"


def test_a_word_ends_with_the_time_for_signing(office: Office) -> None:
    """It holds until the last moment of the fifteen minutes after the request began, and not before the request."""
    line = office.sign("ann", None, now=NOW + MINUTE).line
    assert office.read(line, now=NOW + SIGNING - TICK).person == "ann"
    for moment, told in ((NOW + SIGNING, "it expired at"), (NOW - TICK, "still to come"), (NOW, "still to come")):
        with pytest.raises(StatementRejected, match=told):
            office.read(line, now=moment)


def test_a_word_that_was_signed_before_its_request_is_none(office: Office) -> None:
    """Who signs a quarter of an hour for a request that is yet to begin has signed nothing."""
    with pytest.raises(StatementRejected, match="longer than the 0:15:00 that two people have to sign"):
        office.read(office.forged(signed_at=NOW - TICK))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seconds": 3601}, "it asks for longer than an hour"),
        ({"seconds": 0}, "it asks for longer than an hour"),
        ({"seconds": -1}, "it asks for longer than an hour"),
        ({"seconds": True}, "what was signed is no word of a person about a broken glass"),
        ({"seconds": "300"}, "what was signed is no word of a person about a broken glass"),
        ({"seconds": 10**30}, "what was signed is no word of a person about a broken glass"),
        ({"begun": "2026-11-21T12:00:00"}, "what was signed is no word of a person about a broken glass"),
        ({"signed_at": "2026-11-21T12:00:00"}, "what was signed is no word of a person about a broken glass"),
        ({"reason": 7}, "what was signed is no word of a person about a broken glass"),
        ({"environment": ["production"]}, "what was signed is no word of a person about a broken glass"),
        ({"id": None}, "what was signed is no word of a person about a broken glass"),
        ({"role": None}, "what was signed is no word of a person about a broken glass"),
        ({"schema": 2}, "what was signed is no word of a person about a broken glass"),
        ({"subject": []}, "what was signed is no word of a person about a broken glass"),
        (
            {"subject": [{"name": "request", "digest": {"sha256": "a" * 64}}]},
            "what was signed is no word of a person about a broken glass",
        ),
        ({"person": "ben"}, "it names 'ben', but ann signed it"),
        ({"name": "Ben Example"}, "it gives the name 'Ben Example', and the roster calls ann 'Ann Example'"),
        ({"role": "risk"}, "ann does not hold the role 'risk'"),
        ({"environment": "staging"}, "it is meant for 'staging', and this is 'production'"),
    ],
)
def test_a_word_that_no_person_would_write_is_refused(office: Office, changes: dict[str, Any], told: str) -> None:
    """A signature alone lets nothing in: each field is of its kind and true, and the hour holds."""
    assert office.read(office.forged()).person == "ann"
    assert office.read(office.forged(seconds=3600)).request.lasts == LONGEST
    with pytest.raises(StatementRejected, match=f"^{told}") as caught:
        office.read(office.forged(**changes))
    assert caught.value.hint == "begin anew: golive break-glass --reason '...'"


def test_a_key_that_has_run_out_breaks_nothing(office: Office) -> None:
    """Dan's key counts when he signs, and no longer when the word is used."""
    asked = wanted(now=NOW - MINUTE)
    line = office.sign("dan", None, asked, now=NOW - MINUTE).line
    assert office.read(line, now=NOW - TICK).person == "dan"
    with pytest.raises(StatementRejected, match="of dan does not count at"):
        office.read(line, now=NOW)


def test_a_key_counts_when_it_signs_too(office: Office) -> None:
    """A key that was put on the roster after it had signed did not count when it did."""
    later = people.person("ann", ["operations"], office.hands["ann"].line, more=", valid_from = 2026-11-21T12:01:00Z")
    roll = roster.parse(people.roster(later, roles='["operations"]').encode(), "roster")
    line = office.sign("ann", "operations").line
    with pytest.raises(StatementRejected, match="of ann does not count at 2026-11-21T12:00:00"):
        glass.read(line, roll, "production", NOW + 2 * MINUTE)


def test_two_words_of_two_persons_in_two_roles_break_it(office: Office) -> None:
    """Both words come back in the order in which they were said."""
    ann, cat = office.sign("ann", None), office.sign("cat", None, now=NOW + MINUTE)
    assert glass.both([ann.line, cat.line], office.roll, "production", NOW + MINUTE) == (ann, cat)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ((), "the glass is broken by two persons, and 0 signed"),
        ((("ann", "operations", ""),), "the glass is broken by two persons, and 1 signed"),
        (
            (("ann", "operations", ""), ("cat", "risk", ""), ("ben", "risk", "")),
            "the glass is broken by two persons, and 3 signed",
        ),
        ((("ann", "operations", ""), ("cat", "risk", "otherwise")), "the two words are about different requests"),
        ((("ben", "operations", ""), ("ben", "risk", "")), "the two words are not those of two persons in two roles"),
        ((("ann", "operations", ""), ("ben", "operations", "")), "the two words are not those of two persons in two roles"),
    ],
)
def test_what_is_not_two_words_of_two_persons_in_two_roles_breaks_nothing(
    office: Office, said: tuple[tuple[str, str, str], ...], told: str
) -> None:
    """One word, three, two about two requests, two of one person, and two in one role leave the glass whole."""
    lines = [office.sign(name, role, wanted(reason=reason) if reason else None).line for name, role, reason in said]
    with pytest.raises(StatementRejected, match=f"^{told}") as caught:
        glass.both(lines, office.roll, "production", NOW)
    assert caught.value.hint == "begin anew: golive break-glass --reason '...'"


def test_words_are_kept_whole_in_the_file_of_their_request(office: Office, tmp_path: Path) -> None:
    """The lines come back as they were said, from a folder that is made where there is none, and from one that is there."""
    words = [office.sign("ann", None), office.sign("cat", None)]
    folder = tmp_path / "reports" / "break-glass"
    path = glass.keep(folder, words[:1])
    assert (path, path.stat().st_mode & 0o777) == (folder / f"{IDENTITY}.intoto.jsonl", 0o644)
    assert glass.kept(folder, IDENTITY) == (words[0].line,)
    glass.keep(folder, words)
    assert glass.kept(folder, IDENTITY) == tuple(word.line for word in words)


def test_a_file_of_a_request_is_read_up_to_a_bound(tmp_path: Path) -> None:
    """However much somebody put there, no more than words of people can be is read."""
    (tmp_path / f"{IDENTITY}.intoto.jsonl").write_bytes(b"x" * (MAX_REASON * 64 + 1))
    assert [len(line) for line in glass.kept(tmp_path, IDENTITY)] == [MAX_REASON * 64]


@pytest.mark.parametrize("identity", ["20261121T120000Z-0b0b0b0b", "../break-glass/" + IDENTITY, IDENTITY + "\n", "x"])
def test_a_request_that_is_not_there_is_none(office: Office, tmp_path: Path, identity: str) -> None:
    """An id that nobody was given, or that is a path, opens no file."""
    folder = tmp_path / "break-glass"
    glass.keep(folder, [office.sign("ann", None)])
    (folder / "x.intoto.jsonl").write_bytes(b"{}\n")
    with pytest.raises(Misuse, match="there is no request") as caught:
        glass.kept(folder, identity)
    assert caught.value.hint == "begin anew: golive break-glass --reason '...'"


def _entry(event: str, **detail: Any) -> Entry:
    return Entry(seq=1, at=NOW, event=event, detail=detail, prev="", hash="")


def _broken(identity: str) -> Entry:
    told = {"persons": ["ann", "ben"], "approved_by": ["Ann (operations)", "Ben (risk)"], "reason": "r"}
    return _entry(events.BREAK_GLASS, activation_id=identity, **told)


def test_a_broken_glass_is_told_until_it_itself_was_reviewed() -> None:
    """The review of one ends that one alone; a review of what nobody knows, and other events, end nothing."""
    journal = [
        _broken("one"),
        _broken("two"),
        _entry(events.ACTIVATED, activation_id="two"),
        _entry(events.REVIEWED, activation_id="one"),
        _entry(events.REVIEWED, activation_id="nobody"),
        _entry(events.STOPPED),
    ]
    two = Unreviewed(activation="two", at=NOW, by="Ann (operations) and Ben (risk)", reason="r", persons=("ann", "ben"))
    assert glass.unreviewed(journal) == (two,)
    assert glass.unreviewed(journal[:2]) == (replace(two, activation="one"), two)
    assert glass.unreviewed([*journal, _entry(events.REVIEWED, activation_id="two")]) == ()
    nameless = _entry(events.BREAK_GLASS, persons=[], approved_by=[], reason="r")
    assert [one.activation for one in glass.unreviewed([nameless])] == [""]


@pytest.fixture
def review(office: Office) -> Callable[..., Any]:
    """Someone's review of the broken glass of Ann and Ben."""

    def look(name: str, role: str | None = None, reason: str = " all is closed ") -> Any:
        return glass.review(BROKEN, reason=reason, roster=office.roll, role=role, signer=office.hands[name].key, now=NOW)

    return look


def test_a_review_is_signed_by_a_third_person_over_this_very_activation(office: Office, review: Callable[..., Any]) -> None:
    """Who looked, in which role, what came of it; and the envelope of the reviewer says the same of that activation."""
    kept = dict(review("cat"))
    line = kept.pop("envelope")
    told = {"person": "cat", "name": "Cat Example", "role": "risk", "reason": "all is closed"}
    assert kept == {"activation_id": "act-1", **told}
    signed = personal.signed_by(line.encode("ascii"), office.roll, "")
    predicate, subjects = personal.fields(signed.payload, glass.REVIEW_TYPE)
    assert signed.person.id == "cat"
    assert personal.moment(predicate.pop("signed_at")) == NOW
    assert predicate == {"schema": 1, "activation": "act-1", **told}
    assert subjects == {"activation": {"sha256": canonical.sha256(b"act-1")}}


@pytest.mark.parametrize("name", ["ann", "ben"])
def test_who_broke_the_glass_does_not_review_it(review: Callable[..., Any], name: str) -> None:
    """Neither of the two, and the refusal says who else."""
    with pytest.raises(StatementRejected, match=f"^{name} broke this glass") as caught:
        review(name)
    assert caught.value.hint == "let somebody else review it"


def test_a_key_that_has_run_out_reviews_nothing(review: Callable[..., Any]) -> None:
    """Dan's key no longer counts at noon."""
    with pytest.raises(StatementRejected, match="of dan does not count at"):
        review("dan")


def test_a_review_has_a_role_that_is_held_and_says_what_came_of_it(review: Callable[..., Any]) -> None:
    """A role of somebody else, no word, blanks and too many words are no review; the longest word is one."""
    with pytest.raises(StatementRejected, match="operations may not review it"):
        review("cat", "operations")
    assert review("cat", "risk", "r" * MAX_REASON)["reason"] == "r" * MAX_REASON
    for reason in ("", " ", "r" * (MAX_REASON + 1)):
        with pytest.raises(Misuse, match="say what came of it, in at most 2000") as caught:
            review("cat", reason=reason)
        assert caught.value.hint == "golive break-glass --review ID --reason '...'"
