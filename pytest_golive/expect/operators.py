"""What an operator is, and how a mapping of words and arguments becomes operators, with every fault told at once.

An operator answers one question about one value and tells what it found. It never guesses: a value of the wrong kind, nothing to
look at, or a redacted value is `Undecidable`, which is neither yes nor no. The words themselves are made in `comparing`,
`gathering` and `ages`, which enter them here.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, final

from pytest_golive.expect.amounts import ORDER, WORDS, amount, impossible, not_exact, number_from
from pytest_golive.expect.paths import Selected
from pytest_golive.expect.values import Undecidable, kind, shown

Test = Callable[[Any, datetime], bool]
"""Whether a value holds now; `Undecidable` if nobody can tell."""

Tell = Callable[[Any, datetime, bool], str]
"""What was found, of a value that holds or does not."""

Fault = tuple[tuple[Any, ...], str]
"""Where below the expectation, and what is wrong."""


def _plainly(value: Any, _now: datetime, _met: bool) -> str:
    return shown(value)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One operator: its word and argument, what it wants in words, and the operators over what it measures or selects."""

    word: str
    argument: Any
    wanted: str
    test: Test = field(repr=False, compare=False)
    tell: Tell = field(default=_plainly, repr=False, compare=False)
    parts: tuple[Operator, ...] = ()

    def judge(self, value: Any, now: datetime) -> tuple[bool | None, str]:
        """Whether it holds (None if nobody can tell), and what was found."""
        try:
            met = self.test(value, now)
            return met, self.tell(value, now, met)
        except Undecidable as doubt:
            return None, str(doubt)
        except RecursionError:
            return None, "something nested too deeply to be compared"


@final
@dataclass(frozen=True, slots=True)
class Task:
    """What a maker is given: the word, its argument, and where it stands.

    `strict` holds where *no* counts as good: there a value of another kind is undecidable.
    """

    word: str
    argument: Any
    at: tuple[Any, ...]
    faults: list[Fault]
    strict: bool
    beside: Mapping[str, Any]

    @property
    def allow_empty(self) -> bool:
        """Whether there may be no element at all."""
        return self.beside.get("allow_empty") is True

    def operator(self, wanted: str, test: Test, tell: Tell = _plainly, parts: tuple[Operator, ...] = ()) -> Operator:
        """The finished operator."""
        return Operator(word=self.word, argument=_frozen(self.argument), wanted=wanted, test=test, tell=tell, parts=parts)


Maker = Callable[[Task], Operator]
"""Makes the operator of one word; ValueError with what is wrong."""

MAKERS: dict[str, Maker] = {}
"""Every operator there is, by its word."""

MAY_BE_EMPTY = ("all", "none", "not_contains", "sum", "unique")
"""Operators beside which `allow_empty: true` has a meaning."""

_BESIDE = "allow_empty"
FOREIGN = {
    "lte": "le", "gte": "ge", "neq": "ne", "not": "ne", "equals": "eq", "is_in": "in", "one_of": "in", "range": "between",
    "regex": "matches", "pattern": "matches", "match": "matches", "includes": "contains", "length": "len", "size": "len",
    "count": "len", "each": "all", "every": "all", "some": "any", "type": "is", "exists": "absent", "missing": "absent",
    "semver": "version", "<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "=": "eq", "!=": "ne",
}  # fmt: skip
"""Words of other tools, and the operators that mean them here."""


def makes(*words: str) -> Callable[[Maker], Maker]:
    """Enter the maker of these words."""

    def enter(maker: Maker) -> Maker:
        MAKERS.update(dict.fromkeys(words, maker))
        return maker

    return enter


def compile_operators(raw: Any, faults: list[Fault], at: tuple[Any, ...], *, strict: bool = False) -> tuple[Operator, ...]:
    """The operators of a mapping, or equality with a scalar or list; what is wrong is appended to `faults`."""
    written = raw if isinstance(raw, Mapping) else {"eq": raw}
    if not written:
        faults.append((at, "no operator: an empty mapping expects nothing and would always hold"))
        return ()
    operators = []
    before = len(faults)
    for word, argument in written.items():
        if word == _BESIDE:
            continue
        where = (*at, word) if isinstance(raw, Mapping) else at
        maker = MAKERS.get(word) if isinstance(word, str) else None
        if maker is None:
            faults.append((where, unknown(word, [*MAKERS, _BESIDE], f"operators are {', '.join(MAKERS)}")))
            continue
        try:
            operators.append(maker(Task(word, argument, where, faults, strict, written)))
        except ValueError as error:
            faults.append((where, f"{word}: {error}"))
    if len(faults) == before:
        _contradictions(written, faults, at)
    return tuple(operators)


def unknown(word: Any, known: Sequence[str], otherwise: str) -> str:
    """The message for a word that is no operator, with the closest one that is."""
    elsewhere = FOREIGN.get(str(word))
    near = [elsewhere] if elsewhere in known else difflib.get_close_matches(str(word), known, n=1, cutoff=0.6)
    return f"unknown operator {shown(word)}" + (f" - did you mean {near[0]!r}?" if near else f"; {otherwise}")


def _contradictions(raw: Mapping[str, Any], faults: list[Fault], at: tuple[Any, ...]) -> None:
    if "absent" in raw and len(raw) > 1:
        faults.append(((*at, "absent"), "absent: true cannot stand beside another operator: what is absent has no value"))
    if _BESIDE in raw:
        if raw[_BESIDE] is not True:
            faults.append(((*at, _BESIDE), "allow_empty: can only be true; leave it out otherwise"))
        elif not any(word in raw for word in MAY_BE_EMPTY):
            faults.append(((*at, _BESIDE), f"allow_empty: has a meaning only beside {', '.join(MAY_BE_EMPTY)}"))
    if impossible({word: number_from(raw[word]) for word in ORDER if word in raw}):
        faults.append((at, "nothing can be within these bounds"))


def measured(
    task: Task, read: Callable[[Any], Any], show: Callable[[Any], str], beside: tuple[str, ...] = ()
) -> tuple[Operator, ...]:
    """The operators below `len`, `sum`, `min`, `max` and `age`, over what is measured; ValueError if there are none."""
    whole = isinstance(task.argument, Mapping)
    raw = task.argument if whole else {"eq": task.argument}
    if all(word in beside for word in raw):
        raise ValueError(f"must hold an operator: {', '.join(WORDS)}")
    found = []
    bounds = {}
    for word, argument in raw.items():
        at = (*task.at, word) if whole else task.at
        if word in beside:
            continue
        if word not in WORDS:
            task.faults.append((at, unknown(word, WORDS, f"below {task.word} there can be {', '.join(WORDS)}")))
            continue
        try:
            wanted, compare = amount(word, argument, read, show)
            if word in ORDER:
                bounds[word] = read(argument)
        except ValueError as error:
            task.faults.append((at, f"{task.word} {word}: {error}" if whole else f"{task.word}: {error}"))
            continue
        found.append(Operator(word=word, argument=_frozen(argument), wanted=wanted, test=_ignoring_time(compare)))
    if impossible(bounds):
        raise ValueError("nothing can be within these bounds")
    return tuple(found)


def _ignoring_time(compare: Callable[[Any], bool]) -> Test:
    return lambda value, _now: compare(value)


def holds(parts: tuple[Operator, ...], value: Any, now: datetime) -> bool:
    """Whether all of the operators hold; each is asked, so that no doubt stays unheard."""
    met = True
    for part in parts:
        met = part.test(value, now) and met
    return met


def joined(operators: tuple[Operator, ...]) -> str:
    """What the operators want, in one sentence."""
    return " and ".join(part.wanted for part in operators)


def place(value: Any, index: int) -> str:
    """Where an element stands: its path if it was selected, else its index."""
    return value.place(index) if isinstance(value, Selected) else f"[{index}]"


def constant(value: Any) -> Any:
    """An argument that facts can be equal to; ValueError for a float or something that is not JSON-like."""
    what = kind(value)
    if what == "list":
        return [constant(part) for part in value]
    if what == "mapping":
        return {key: constant(part) for key, part in value.items()}
    if what == "number":
        number_from(value)
    if what == "other":
        raise ValueError(not_exact(value) if isinstance(value, float) else f"must be JSON-like, not {shown(value)}")
    return value


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return MappingProxyType({key: _frozen(part) for key, part in value.items()})
    return tuple(_frozen(part) for part in value) if isinstance(value, (list, tuple)) else value
