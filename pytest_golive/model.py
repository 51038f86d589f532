"""The nouns: frozen values that every other room speaks in.

Nothing here reads a file, a clock or a network. The words are those of the design: an item is one line of a checklist; its
probe sees *evidence*; the expectation turns evidence into a *finding* with an outcome (what was seen); the decision gives each
finding a verdict (what it means).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, final

Facts = Mapping[str, Any]
"""What a probe saw: JSON-like (None, bool, int, Decimal, str, list, dict with string keys); never a float."""


class Severity(StrEnum):
    """How much an item weighs: a critical one blocks, a warning is told and signed for."""

    CRITICAL = "critical"
    WARNING = "warning"


class Phase(StrEnum):
    """When an item is judged."""

    PRE_DEPLOY = "pre-deploy"
    ACTIVATION = "activation"
    POST_DEPLOY = "post-deploy"
    MONITORING = "monitoring"
    ROLLBACK = "rollback"
    SIGN_OFF = "sign-off"


class Outcome(StrEnum):
    """What was seen; a waiver never changes it."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    BLOCKED = "blocked"
    NOT_APPLICABLE = "not-applicable"
    PENDING = "pending"
    NOT_RUN = "not-run"


class Verdict(StrEnum):
    """What an outcome means for the decision."""

    CLEAR = "clear"
    WAIVED = "waived"
    WARNED = "warned"
    BLOCKING = "blocking"


class Word(StrEnum):
    """The four words a decision can say."""

    GO = "GO"
    GO_WITH_WARNINGS = "GO WITH WARNINGS"
    NO_GO = "NO-GO"
    INCOMPLETE = "INCOMPLETE"

    @property
    def permits(self) -> bool:
        """Whether a marker may follow."""
        return self in (Word.GO, Word.GO_WITH_WARNINGS)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something is written; line and column count from 1."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The sentence of a document that an item answers."""

    document: str
    section: str
    line: int | None = None
    note: str = ""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Eventually:
    """Look again until the expectation holds `stable_for` times in a row, for at most `within` seconds."""

    within: float
    every: float = 1.0
    stable_for: int = 1


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Witnesses:
    """Where people's signed statements are: whose keys count, the folder they lie in, the environment they must be meant for.

    `beside` are paths whose changes do not make a work tree another one: what the gate itself leaves behind.
    """

    roster: Path
    folder: Path
    environment: str
    beside: tuple[Path, ...] = ()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a probe may look at besides its own fields: everything from outside comes through here.

    `root` is the folder that relative paths start from, `environ` the environment that may be read, `now` the clock
    (always with a zone), `deadline` the moment of `time.monotonic()` by which the probe must have answered, `witnesses` where
    people's statements are.
    """

    root: Path
    environ: Mapping[str, str]
    now: Callable[[], datetime]
    deadline: float
    witnesses: Witnesses | None = None

    def remaining(self) -> float:
        """Seconds that are left, never negative."""
        return max(0.0, self.deadline - time.monotonic())


class Probe(Protocol):
    """An item's configured check: it looks, and tells facts; it never judges."""

    def look(self, context: Context) -> Facts:
        """The facts seen now, unredacted; `ProbeError` if they cannot be seen."""
        ...


class Judge(Protocol):
    """A compiled expectation: a pure function from facts to a judgement."""

    def judge(self, facts: Facts, now: datetime) -> Judgement:
        """Met, unmet or undecidable, with one line for each operator."""
        ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One operator of an expectation, held against what was found; `met` is None if it could not be told."""

    path: str
    wanted: str
    found: str
    met: bool | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What an expectation says of some facts: passed, failed or error, and why."""

    outcome: Outcome
    checks: tuple[Check, ...]

    @property
    def reason(self) -> str:
        """The first line that is not met, as a sentence; empty if all are."""
        for wish in (None, False):
            for check in self.checks:
                if check.met is wish:
                    return f"{check.path}: wanted {check.wanted}, found {check.found}"
        return ""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of a checklist, bound to its target and ready to be probed.

    `demand` is the digest of what it asks (kind, fields and expectation), by which a waiver is bound and a change is told.
    """

    id: str
    declared: str
    title: str
    severity: Severity
    phase: Phase
    owner: str
    source: Source
    why: str
    fix: str
    kind: str
    probe: Probe
    expect: Judge
    checklist: str
    place: Place
    timeout: float
    covers: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    eventually: Eventually | None = None
    window: float | None = None
    acts: bool = False
    demand: str = ""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """What a checklist does otherwise than the one it extends: an item that is disabled or changed, and why."""

    item: str
    what: str
    reason: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Checklist:
    """A checklist, whole and valid; `sha256` is of the bytes it was read from, and of those it extends."""

    name: str
    title: str
    owner: str
    path: str
    sha256: str
    items: tuple[Item, ...]
    departures: tuple[Departure, ...] = ()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One look among several of an item that may take some time to come true."""

    at: datetime
    outcome: Outcome
    reason: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Redacted facts, with the time of the first look, how long the last one took, and every look there was."""

    facts: Facts
    began: datetime
    seconds: float
    attempts: int = 1
    history: tuple[Attempt, ...] = ()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An item's outcome with the evidence and the lines it rests on; `reason` is one sentence for people."""

    item: str
    outcome: Outcome
    reason: str = ""
    checks: tuple[Check, ...] = ()
    evidence: Evidence | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """A dated exception: until `until`, a failure of `item` does not block.

    `statement` is the digest of what was signed, `role` and `signed_at` are those of the person who signed it.
    """

    item: str
    reason: str
    until: datetime
    approved_by: tuple[str, ...]
    role: str = ""
    signed_at: datetime | None = None
    statement: str = ""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class IdleWaiver:
    """A waiver that excused nothing, and `why`; of one that nobody believes, only the item that its file is named by is known."""

    item: str
    reason: str
    until: datetime | None
    approved_by: tuple[str, ...]
    why: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """An item, what was seen of it, and what that means."""

    item: Item
    finding: Finding
    verdict: Verdict
    waiver: Waiver | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The word over everything declared, with the reasons for it and a ruling for every gating item."""

    word: Word
    reasons: tuple[str, ...]
    rulings: tuple[Ruling, ...]
    at: datetime
    aside: tuple[Ruling, ...] = field(default=())
    idle: tuple[IdleWaiver, ...] = field(default=())
