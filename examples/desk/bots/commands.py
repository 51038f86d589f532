"""The command router: a sentence typed by a person becomes a command, or is answered with what could be typed instead.

What a person may ask depends on the role. A command that stops trading or cannot be taken back is only done after the same
person has sent back the token of the answer; tokens live in memory alone, so that a restart forgets what was not confirmed.
Every sentence leaves a record, whatever became of it.
"""

from __future__ import annotations

import hmac
import re
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol, final

from examples.desk.clock import Clock
from examples.desk.errors import DeskError

ADMIN = "admin"
CONFIRM_WITHIN = timedelta(seconds=60)
LONGEST = 400
"""Characters of a sentence; what is longer is nobody's command."""

_NAME = r"(?P<name>[a-z0-9][a-z0-9._-]{0,63})"
_POLITE = re.compile(r"^(?:(?:please|could you|can you|hey|hello|now)[ ,]+)+|(?:[ ,]+please)?[ .!?]*$")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One command: what is typed, who may, and whether it must be confirmed."""

    name: str
    pattern: re.Pattern[str]
    example: str
    admin: bool = False
    confirm: bool = False


def _word(name: str, pattern: str, example: str, *, admin: bool = False, confirm: bool = False) -> Word:
    return Word(name=name, pattern=re.compile(pattern), example=example, admin=admin, confirm=confirm)


WORDS = (
    _word("help", r"help|what can (?:you|i) do", "help"),
    _word("status", r"(?:system )?status|how is (?:the )?(?:desk|system)", "status"),
    _word(
        "portfolio",
        r"(?:show |give )?(?:me )?(?:my |the )?portfolio(?: summary)?|how is my portfolio(?: doing)?",
        "show my portfolio",
    ),
    _word("bots", r"(?:list |show )?(?:me )?(?:my |the |all )?bots", "list bots"),
    _word("start", rf"start (?:the )?(?:bot )?{_NAME}", "start bot NAME"),
    _word("pause", rf"pause (?:the )?(?:bot )?{_NAME}", "pause bot NAME"),
    _word("resume", rf"resume (?:the )?(?:bot )?{_NAME}", "resume bot NAME"),
    _word("stop", rf"stop (?:the )?bot {_NAME}", "stop bot NAME", confirm=True),
    _word("emergency-stop", r"(?:trigger |pull )?(?:the )?emergency stop", "emergency stop", admin=True, confirm=True),
    _word("lift-stop", r"(?:lift|reset|end) (?:the )?emergency stop", "lift emergency stop", admin=True, confirm=True),
    _word("report", r"send (?:the |me the )?(?:daily )?report", "send daily report", admin=True),
)
"""Every command, in the order in which a sentence is held against them."""

_CONFIRM = re.compile(r"confirm (?P<token>\S{1,64})")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who speaks: the name and role that the bearer token was issued for."""

    name: str
    role: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A sentence that was understood."""

    word: Word
    subject: str = ""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is answered; `outcome` is done, asked, refused, not-understood or failed."""

    outcome: str
    text: str
    command: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    token: str = ""
    expires_at: datetime | None = None


class Desk(Protocol):
    """What the router can have done; DeskError says why something cannot be."""

    def status(self) -> Mapping[str, Any]: ...
    def portfolio(self, person: str) -> Mapping[str, Any]: ...
    def bots(self, person: Person) -> list[Mapping[str, Any]]: ...
    def turn(self, person: Person, word: str, bot: str) -> Mapping[str, Any]: ...
    def emergency_stop(self, person: str) -> Mapping[str, Any]: ...
    def lift_stop(self, person: str) -> Mapping[str, Any]: ...
    def report(self) -> Mapping[str, Any]: ...


def understand(sentence: str, words: Sequence[Word] = WORDS) -> Wish | None:
    """The command in a sentence, or None; politeness, capitals and a full stop do not matter."""
    text = " ".join(sentence.lower().split())
    text = _POLITE.sub("", text)
    for word in words:
        match = word.pattern.fullmatch(text)
        if match:
            return Wish(word=word, subject=match.groupdict().get("name") or "")
    return None


@final
@dataclass(frozen=True, slots=True)
class _Promise:
    person: Person
    wish: Wish
    token: str
    expires_at: datetime


@final
class Router:
    """Answers sentences; `record` is called with what each one came to."""

    def __init__(
        self,
        desk: Desk,
        *,
        record: Callable[[Mapping[str, Any]], None],
        now: Clock,
        token: Callable[[], str] = lambda: secrets.token_urlsafe(12),
    ) -> None:
        self.words: Sequence[Word] = WORDS
        self._desk = desk
        self._record = record
        self._now = now
        self._token = token
        self._promises: dict[str, _Promise] = {}
        self._lock = threading.Lock()

    def say(self, person: Person, sentence: str) -> Reply:
        """Do or answer what the sentence asks; nothing that must be confirmed happens here before it is."""
        if len(sentence) > LONGEST:
            return self._told(person, sentence[:LONGEST], Reply(outcome="refused", text=f"At most {LONGEST} characters, please."))
        confirmed = _CONFIRM.fullmatch(" ".join(sentence.split()))
        if confirmed:
            return self._told(person, "confirm", self._confirm(person, confirmed["token"]))
        wish = understand(sentence, self.words)
        if wish is None:
            examples = ", ".join(word.example for word in self._open_to(person))
            reply = Reply(outcome="not-understood", text=f"I did not understand that. I know: {examples}.")
        elif wish.word.admin and person.role != ADMIN:
            reply = Reply(
                outcome="refused", text=f"Only an administrator may ask for '{wish.word.example}'.", command=wish.word.name
            )
        elif wish.word.confirm:
            reply = self._ask(person, wish)
        else:
            reply = self._do(person, wish)
        return self._told(person, sentence, reply)

    def _ask(self, person: Person, wish: Wish) -> Reply:
        promise = _Promise(person, wish, self._token(), self._now() + CONFIRM_WITHIN)
        with self._lock:
            # one open question for each person: the newest; whoever asks twice has not confirmed twice
            self._promises[person.name] = promise
        what = wish.word.example.replace("NAME", wish.subject)
        return Reply(
            outcome="asked",
            text=f"'{what}' needs your word: send 'confirm' and the token within {CONFIRM_WITHIN.seconds} seconds.",
            command=wish.word.name,
            token=promise.token,
            expires_at=promise.expires_at,
        )

    def _confirm(self, person: Person, token: str) -> Reply:
        with self._lock:
            promise = self._promises.get(person.name)
            if promise is None or not hmac.compare_digest(promise.token.encode(), token.encode()):
                return Reply(outcome="refused", text="There is nothing of yours to confirm with this token.")
            del self._promises[person.name]
        if self._now() > promise.expires_at:
            return Reply(outcome="refused", text="The token is too old; ask again.", command=promise.wish.word.name)
        if promise.wish.word.admin and person.role != ADMIN:
            return Reply(outcome="refused", text="Only an administrator may confirm this.", command=promise.wish.word.name)
        return self._do(person, promise.wish)

    def _do(self, person: Person, wish: Wish) -> Reply:
        name = wish.word.name
        try:
            text, facts = self._done(person, name, wish.subject)
        except DeskError as error:
            return Reply(outcome="failed", text=str(error), command=name)
        return Reply(outcome="done", text=text, command=name, facts=facts)

    def _done(self, person: Person, name: str, subject: str) -> tuple[str, Mapping[str, Any]]:
        if name == "help":
            return "I know: " + ", ".join(word.example for word in self._open_to(person)) + ".", {}
        if name == "status":
            facts = self._desk.status()
            return f"The desk is {facts['state']}; the emergency stop is {facts['emergency_stop']}.", facts
        if name == "portfolio":
            facts = self._desk.portfolio(person.name)
            return "Your portfolio: " + ", ".join(f"{key} {value}" for key, value in facts.items() if _plain(value)) + ".", facts
        if name == "bots":
            found = self._desk.bots(person)
            told = ", ".join(f"{bot['name']} ({bot['status']})" for bot in found)
            return f"Your bots: {told}." if told else "You have no bots.", {"bots": found}
        if name == "emergency-stop":
            facts = self._desk.emergency_stop(person.name)
            return f"Emergency stop: no order goes any more, {facts['halted']} bots are halted.", facts
        if name == "lift-stop":
            facts = self._desk.lift_stop(person.name)
            return f"The emergency stop is lifted; {facts['resumed']} bots trade again.", facts
        if name == "report":
            facts = self._desk.report()
            return f"The report went to {facts['recipient']}.", facts
        facts = self._desk.turn(person, name, subject)
        return f"Bot {subject} is now {facts['status']}.", facts

    def _open_to(self, person: Person) -> list[Word]:
        return [word for word in self.words if not word.admin or person.role == ADMIN]

    def _told(self, person: Person, sentence: str, reply: Reply) -> Reply:
        self._record(
            {
                "at": self._now(),
                "person": person.name,
                "role": person.role,
                "sentence": sentence,
                "command": reply.command,
                "outcome": reply.outcome,
                "reply": reply.text,
            }
        )
        return reply


def _plain(value: object) -> bool:
    return isinstance(value, (str, int, Decimal))
