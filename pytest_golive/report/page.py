"""The nouns of the sign-off page, as the template writes them out.

They hold text that is ready to be escaped: chosen, shortened and put in order by `reading`, so that the template decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from pytest_golive.model import Word
from pytest_golive.report.words import Moment, Piece


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One operator of the expectation that is not met, as wanted and as found; `untold` if that could not be judged."""

    path: str
    wanted: str
    found: str
    untold: bool


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An item that asks nothing of the reader: its title, and behind it what was seen."""

    anchor: str
    id: str
    title: str
    reason: str
    lines: Sequence[str]
    meta: str
    facts: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The evidence behind a card, with the digest of all of it."""

    facts: str
    cut: int
    began: Moment
    seconds: str
    attempts: int
    looks: Sequence[tuple[Moment, str, str]]
    more_looks: int
    sha256: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """The waiver of a card: why, until when and by whom."""

    reason: str
    until: Moment
    approved_by: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """An item that the reader has to deal with, told without a click."""

    anchor: str
    id: str
    title: str
    tone: str
    tag: str
    standing: str
    reason: str
    unmet: Sequence[Line]
    more_unmet: int
    lines: Sequence[str]
    why: Sequence[Piece]
    fix: Sequence[Piece]
    owner: str
    source: str
    note: str
    place: str
    kind: str
    acts: bool
    waiver: Exemption | None
    proof: Proof | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows under one heading, in groups that a browser can skip."""

    title: str
    count: int
    groups: Sequence[Sequence[Row]]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section of the page; `count` is the number of items in it."""

    key: str
    title: str
    count: int
    cards: Sequence[Card] = ()
    batches: Sequence[Batch] = ()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything that the template writes out; the raw parts of the statement are only looked up in, never judged there."""

    word: Word
    tone: str
    target: Mapping[str, Any]
    reasons: str
    partial: Sequence[str]
    departures: Sequence[tuple[str, str, str]]
    decided: Moment
    valid_until: Moment
    began: Moment
    ended: Moment
    run: Mapping[str, Any]
    manifest: Mapping[str, Any]
    previous: tuple[str, str, Moment] | None
    total: int
    ran: int
    sections: Mapping[str, Section]
    unchecked_critical: int
    order: Sequence[str]
    slowest: Sequence[tuple[str, str, str, str]]
    aside: Sequence[Row]
    journal_head: str
    digest: str
