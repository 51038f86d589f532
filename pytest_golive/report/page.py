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
@dataclass(frozen=True, slots=True)
class Since:
    """Since when a card is not clear: in words, or the time of the first run of an unbroken row."""

    text: str
    moment: Moment | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """The waiver of a card: why, until when and by whom, in which role, signed when, and the digest of what was signed."""

    reason: str
    until: Moment
    approved_by: str
    role: str
    signed_at: Moment | None
    statement: str


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
    since: Since | None
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
class Named:
    """An item of the difference; `anchor` is empty if the item is no longer there."""

    anchor: str
    id: str
    title: str
    since: Moment | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Items that changed in one way, `more` of which are not named."""

    key: str
    title: str
    count: int
    items: Sequence[Named]
    more: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """A waiver that excused nothing, and why."""

    item: str
    why: str
    reason: str
    until: Moment | None
    approved_by: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that every reader has to see until somebody has reviewed it."""

    what: str
    at: Moment
    by: str
    reason: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Strand:
    """The items of one phase of a checklist: a column for each, or for a few, as tall as it took time."""

    title: str
    phase: str
    count: int
    trouble: str
    seconds: str
    label: str
    paths: Sequence[tuple[str, str]]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """The strands of a run on one scale: `width` columns at most, each for up to `each` items."""

    strands: Sequence[Strand]
    width: int
    each: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How many looks were under way from the beginning of a run to its end, and when what is not clear was seen."""

    area: str
    marks: Sequence[tuple[str, str]]
    began: Moment
    ended: Moment
    most: int
    looks: int
    label: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    """One of the slowest items, and from where to where in the run it was looked at, in thousandths of the run."""

    anchor: str
    title: str
    seconds: str
    start: int
    length: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What the reader does next: a sentence before the items to begin with, those items, and a sentence after them."""

    before: str
    items: Sequence[tuple[str, str]]
    after: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """What only pages from template 2 on show; `changes` is None if nobody compared, and `lost` then says why;
    `turned` is in one line which items fail now or no longer.

    `terse` is true where the list is so long that the facts of what passed are in the signed evidence alone.
    """

    terse: bool
    step: Step
    notices: Sequence[Notice]
    idle: Sequence[Idle]
    changes: Sequence[Group] | None
    turned: str
    lost: str
    where: Where
    course: Course
    slowest: Sequence[Slow]


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
    beyond: Beyond | None
