"""The command router: what a sentence means, who may ask for what, and that a stop needs a second word."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from examples.desk.bots.commands import CONFIRM_WITHIN, LONGEST, Person, Router, understand
from examples.desk.errors import DeskError

USER, ADMIN = Person(name="vera", role="user"), Person(name="root", role="admin")


class Told:
    """A desk that remembers what it was told to do."""

    def __init__(self) -> None:
        self.done: list[tuple[str, ...]] = []

    def status(self) -> Mapping[str, Any]:
        return {"state": "healthy", "emergency_stop": "inactive"}

    def portfolio(self, person: str) -> Mapping[str, Any]:
        return {"equity": "12", "of": person}

    def bots(self, person: Person) -> list[Mapping[str, Any]]:
        return [{"name": "b1", "status": "active"}]

    def turn(self, person: Person, word: str, bot: str) -> Mapping[str, Any]:
        if bot == "nobody":
            raise DeskError("there is no bot nobody", hint="list bots")
        self.done.append((word, bot))
        return {"status": f"{word}ed"}

    def emergency_stop(self, person: str) -> Mapping[str, Any]:
        self.done.append(("emergency-stop", person))
        return {"halted": 2}

    def lift_stop(self, person: str) -> Mapping[str, Any]:
        self.done.append(("lift-stop", person))
        return {"resumed": 2}

    def report(self) -> Mapping[str, Any]:
        self.done.append(("report",))
        return {"recipient": "x@desk.invalid"}


class Talk:
    """A router with a clock that can be set."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)
        self.desk = Told()
        self.records: list[Mapping[str, Any]] = []
        self.router = Router(self.desk, record=self.records.append, now=lambda: self.at)

    def say(self, person: Person, sentence: str) -> Any:
        return self.router.say(person, sentence)


@pytest.fixture
def talk() -> Talk:
    return Talk()


@pytest.mark.parametrize(
    ("sentence", "word", "subject"),
    [
        ("Please show me my portfolio summary!", "portfolio", ""),
        ("How is my portfolio doing?", "portfolio", ""),
        ("  LIST   bots ", "bots", ""),
        ("could you pause the bot vera-1, please?", "pause", "vera-1"),
        ("start vera-1", "start", "vera-1"),
        ("stop bot vera.1", "stop", "vera.1"),
        ("Emergency stop", "emergency-stop", ""),
        ("lift the emergency stop.", "lift-stop", ""),
    ],
)
def test_politeness_and_capitals_do_not_change_a_command(sentence: str, word: str, subject: str) -> None:
    """A sentence is understood however it is dressed."""
    wish = understand(sentence)
    assert wish is not None
    assert (wish.word.name, wish.subject) == (word, subject)


@pytest.mark.parametrize(
    "sentence", ["", "do not emergency stop", "emergency stop the kettle", "stop vera-1", "pause bot a b", "pause bot ../x"]
)
def test_what_is_not_exactly_a_command_is_none(sentence: str) -> None:
    """A sentence that only contains a command's words does nothing."""
    assert understand(sentence) is None


def test_an_emergency_stop_happens_after_its_confirmation_and_not_before(talk: Talk) -> None:
    """Asked, a wrong token, another person's confirmation: nothing is stopped; the right token stops once."""
    asked = talk.say(ADMIN, "emergency stop")
    assert (asked.outcome, talk.desk.done) == ("asked", [])
    assert talk.say(ADMIN, "confirm nonsense").outcome == "refused"
    assert talk.say(USER, f"confirm {asked.token}").outcome == "refused"
    assert talk.desk.done == []
    assert talk.say(ADMIN, f"confirm {asked.token}").outcome == "done"
    assert talk.desk.done == [("emergency-stop", "root")]
    assert talk.say(ADMIN, f"confirm {asked.token}").outcome == "refused"
    assert len(talk.desk.done) == 1


def test_a_token_that_is_too_old_confirms_nothing(talk: Talk) -> None:
    """A confirmation after its time is refused."""
    asked = talk.say(ADMIN, "emergency stop")
    talk.at += CONFIRM_WITHIN + timedelta(seconds=1)
    assert talk.say(ADMIN, f"confirm {asked.token}").outcome == "refused"
    assert talk.desk.done == []


@pytest.mark.parametrize("sentence", ["emergency stop", "lift emergency stop", "send daily report"])
def test_a_user_who_is_no_administrator_is_refused_without_effect(talk: Talk, sentence: str) -> None:
    """An administrator's command leaves nothing behind but its record, and gives no token."""
    reply = talk.say(USER, sentence)
    assert (reply.outcome, reply.token, talk.desk.done) == ("refused", "", [])
    assert talk.records[-1]["outcome"] == "refused"


def test_an_administrator_who_is_none_any_more_cannot_confirm(talk: Talk) -> None:
    """The role is asked again when the confirmation comes."""
    asked = talk.say(ADMIN, "emergency stop")
    assert talk.say(Person(name="root", role="user"), f"confirm {asked.token}").outcome == "refused"
    assert talk.desk.done == []


def test_every_sentence_leaves_one_record_without_its_token(talk: Talk) -> None:
    """Done, refused, failed and not understood: each is recorded; a token never is."""
    asked = talk.say(ADMIN, "stop bot b1")
    for sentence in (f"confirm {asked.token}", "pause bot nobody", "sing", "x" * (LONGEST + 1)):
        talk.say(ADMIN, sentence)
    assert [record["outcome"] for record in talk.records] == ["asked", "done", "failed", "not-understood", "refused"]
    assert asked.token not in repr(talk.records)
    assert talk.desk.done == [("stop", "b1")]
