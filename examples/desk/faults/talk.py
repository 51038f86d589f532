"""Faults of the chat and of the tokens: a desk that does not listen, that stops without asking, that believes anybody."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from examples.desk.bots import tokens
from examples.desk.bots.commands import WORDS, Person, Word

if TYPE_CHECKING:
    from examples.desk.service import Service

LENIENT = ("signature", "end", "role")
"""What the desk may forget to look at in a token."""

_read = tokens.read
_FAR = timedelta(days=3650)


def hear_nothing(desk: Service, subject: str) -> None:
    """The chat knows no harmless word any more."""
    desk.upkeep.router.words = [word for word in WORDS if word.name not in ("help", "status", "bots")]


def stop_at_once(desk: Service, subject: str) -> None:
    """The emergency stop is pulled without a second word."""
    desk.upkeep.router.words = _with("emergency-stop", confirm=False)


def listen_to_anybody(desk: Service, subject: str) -> None:
    """Whoever is signed in may say what administrators may."""
    desk.upkeep.router.words = [dataclasses.replace(word, admin=False) for word in WORDS]


def hear_well(desk: Service, subject: str) -> None:
    """The chat knows its words again."""
    desk.upkeep.router.words = WORDS


def only_talk(desk: Service, subject: str) -> None:
    """The chat says that a bot was moved, and moves none."""
    said = {"start": "running", "pause": "paused", "resume": "running", "stop": "stopped"}

    def turn(person: Person, word: str, bot: str) -> Mapping[str, Any]:
        return {"name": bot, "status": said[word]}

    desk.upkeep.spoken.turn = turn  # type: ignore[method-assign]


def act(desk: Service, subject: str) -> None:
    """The chat moves bots again."""
    del desk.upkeep.spoken.turn


def flatter(desk: Service, subject: str) -> None:
    """The chat tells an equity that nobody has."""
    honest = desk.upkeep.spoken.portfolio

    def portfolio(person: str) -> Mapping[str, Any]:
        told = honest(person)
        return {**told, "equity": told["equity"] + Decimal(100)}

    desk.upkeep.spoken.portfolio = portfolio  # type: ignore[method-assign]


def tell_the_truth(desk: Service, subject: str) -> None:
    """The chat tells what the API tells."""
    del desk.upkeep.spoken.portfolio


def believe_tokens(desk: Service, subject: str) -> None:
    """The desk forgets to look at the signature, at the end, or at the role of a token."""
    tokens.read = _lenient(subject)


def read_tokens(desk: Service, subject: str) -> None:
    """The desk looks at everything in a token again."""
    tokens.read = _read


def _lenient(what: str) -> Callable[..., tokens.Bearer]:
    def read(secret: str, token: str, *, now: datetime) -> tokens.Bearer:
        try:
            found = _read(secret, token, now=now)
        except tokens.BadToken:
            if what == "role":
                raise
            claims = tokens.claims_of(token)
            if what == "end" and not tokens.signed_here(secret, token):
                raise
            if what == "signature" and not isinstance(claims.get("exp"), int):
                raise
            ends = claims.get("exp")
            at = datetime.fromtimestamp(ends, UTC) if isinstance(ends, int) else now + _FAR
            found = tokens.Bearer(name=str(claims.get("sub")), role=str(claims.get("role")), expires_at=at)
        return dataclasses.replace(found, role="admin") if what == "role" else found

    return read


def _with(name: str, **changes: Any) -> Sequence[Word]:
    return [dataclasses.replace(word, **changes) if word.name == name else word for word in WORDS]
