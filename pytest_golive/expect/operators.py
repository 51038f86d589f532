"""The operators of `expect`, one maker for each word: argument in, a frozen `Operator` out.

An operator answers one question about one value and tells what it found. It never guesses: a value of the wrong kind, nothing to
look at, or a redacted value is `Undecidable`, which is neither yes nor no.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import Any, final

from pytest_golive.expect.amounts import ORDER, WORDS, amount, impossible, number_from
from pytest_golive.expect.paths import Selected
from pytest_golive.expect.patterns import MAX_SEARCHED, compile_pattern
from pytest_golive.expect.values import REDACTED, Undecidable, described, equal, identity, kind, number, shown
from pytest_golive.quantities import exact_seconds, spoken

Test = Callable[[Any, datetime], bool]
Tell = Callable[[Any, datetime, bool], str]
Fault = tuple[tuple[Any, ...], str]
"""Where below the expectation, and what is wrong."""

KINDS = {
    "string": "text", "number": "number", "integer": "number", "boolean": "boolean",
    "list": "list", "mapping": "mapping", "null": "null",
}  # fmt: skip
FUTURE = Decimal(5)
"""Seconds that a time stamp may lie ahead of our clock, because clocks differ."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EXACT = Context(prec=1000, traps=[Inexact, InvalidOperation, Overflow])


def _plainly(value: Any, _now: datetime, _met: bool) -> str:
    return shown(value)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One operator: its word and argument as written, what it wants in words, and the operators over each part."""

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


def compile_operators(raw: Any, faults: list[Fault], at: tuple[Any, ...], *, strict: bool = False) -> tuple[Operator, ...]:
    """The operators of a mapping, or equality with a scalar or list; what is wrong is appended to `faults`.

    `strict` is for operators whose *no* counts as good: there a value of another kind is undecidable.
    """
    if not isinstance(raw, Mapping):
        raw = {"eq": raw}
        inner = at
    else:
        inner = None  # type: ignore[assignment]
    if not raw:
        faults.append((at, "no operator: an empty mapping expects nothing and would always hold"))
        return ()
    operators = []
    before = len(faults)
    for word, argument in raw.items():
        if word in _BESIDE:
            continue
        where = (*at, word) if inner is None else inner
        maker = MAKERS.get(word)
        if maker is None:
            faults.append((where, unknown_operator(word)))
            continue
        try:
            operators.append(maker(_Task(word, argument, where, faults, strict, raw)))
        except ValueError as error:
            faults.append((where, f"{word}: {error}"))
    if len(faults) == before:
        _contradictions(raw, faults, at)
    if not operators and len(faults) == before:
        faults.append((at, "no operator beside allow_empty, so nothing is expected"))
    return tuple(operators)


def unknown_operator(word: Any) -> str:
    """The message for a word that is no operator, with the closest one that is."""
    near = difflib.get_close_matches(str(word), [*MAKERS, *_BESIDE], n=1, cutoff=0.6)
    close = f" - did you mean {near[0]!r}?" if near else f"; operators are {', '.join(MAKERS)}"
    return f"unknown operator {shown(word)}{close}"


@final
@dataclass(frozen=True, slots=True)
class _Task:
    word: str
    argument: Any
    at: tuple[Any, ...]
    faults: list[Fault]
    strict: bool
    beside: Mapping[str, Any]

    @property
    def allow_empty(self) -> bool:
        return self.beside.get("allow_empty") is True


_BESIDE = ("allow_empty",)
_MAY_BE_EMPTY = ("all", "none", "not_contains", "sum", "unique")


def _contradictions(raw: Mapping[str, Any], faults: list[Fault], at: tuple[Any, ...]) -> None:
    if "absent" in raw and len(raw) > 1:
        faults.append(((*at, "absent"), "absent: true cannot stand beside another operator: what is absent has no value"))
    if "allow_empty" in raw:
        if raw["allow_empty"] is not True:
            faults.append(((*at, "allow_empty"), "allow_empty: can only be true; leave it out otherwise"))
        elif not any(word in raw for word in _MAY_BE_EMPTY):
            faults.append(((*at, "allow_empty"), f"allow_empty: has a meaning only beside {', '.join(_MAY_BE_EMPTY)}"))
    bounds = {word: number_from(raw[word]) for word in ORDER if word in raw}
    if impossible(bounds):
        faults.append((at, "nothing can be within these bounds"))


def _constant(value: Any) -> Any:
    """An argument that facts can be equal to; ValueError for a float or something that is not JSON-like."""
    what = kind(value)
    if what == "list":
        return [_constant(part) for part in value]
    if what == "mapping":
        return {key: _constant(part) for key, part in value.items()}
    if what == "number":
        return number_from(value)
    if what == "other":
        if isinstance(value, float):
            raise ValueError(f"{value!r} is a float, which is not exact: write it as text or Decimal")
        raise ValueError(f"{shown(value)}")
    return value


def _comparable(wanted: tuple[Any, ...], found: Any) -> None:
    """`Undecidable` if what was found is of another kind than all that it is held against: then *no* means nothing."""
    what = kind(found)
    if what != "null" and all(kind(one) not in (what, "null") for one in wanted):
        raise Undecidable(f"{described(found)}, of another kind than what it is compared with")


def _equality(task: _Task) -> Operator:
    wanted, negative = _constant(task.argument), task.word == "ne"
    if not (negative or task.strict or kind(wanted) in ("list", "mapping")):
        what, types = kind(wanted), (type(wanted),)
        if what == "number":

            def test(value: Any, _now: datetime) -> bool:
                return value == wanted if type(value) is int else equal(wanted, value)
        elif what == "text":

            def test(value: Any, _now: datetime) -> bool:
                return value == wanted if type(value) is str and value != REDACTED else equal(wanted, value)
        else:

            def test(value: Any, _now: datetime) -> bool:
                return value == wanted if type(value) in types else equal(wanted, value)
    else:

        def test(value: Any, _now: datetime) -> bool:
            same = equal(wanted, value)
            if not same and (negative or task.strict):
                _comparable((wanted,), value)
            return same is not negative

    return Operator(
        word=task.word,
        argument=task.argument,
        wanted=f"{'not' if negative else '='} {shown(wanted)}",
        test=test,
        tell=_with_kind(wanted),
    )


def _with_kind(wanted: Any) -> Tell:
    """Shows what was found, with its kind if that is all that differs."""

    def tell(value: Any, _now: datetime, _met: bool) -> str:
        return shown(value) if kind(value) == kind(wanted) else described(value)

    return tell


def _membership(task: _Task) -> Operator:
    if not isinstance(task.argument, (list, tuple)) or not task.argument:
        raise ValueError("must be a list with at least one element")
    wanted, negative = tuple(_constant(task.argument)), task.word == "not_in"

    def test(value: Any, _now: datetime) -> bool:
        among = any([equal(one, value) for one in wanted])
        if not among and (negative or task.strict):
            _comparable(wanted, value)
        return among is not negative

    names = ", ".join(shown(one) for one in wanted)
    return Operator(
        word=task.word, argument=task.argument, wanted=f"{'none' if negative else 'one'} of {names}", test=test, tell=_with_kind(wanted[0])
    )


def _order(task: _Task) -> Operator:
    wanted, compare = amount(task.word, task.argument, number_from, shown)
    return Operator(
        word=task.word, argument=task.argument, wanted=wanted, test=lambda value, _now: compare(number(value))
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Undecidable(f"{described(value)}, which is not text")
    if value == REDACTED:
        raise Undecidable("a redacted value, which nobody can compare")
    return value


def _pattern(task: _Task) -> Operator:
    pattern, negative = compile_pattern(task.argument), task.word == "not_matches"

    def test(value: Any, _now: datetime) -> bool:
        text = _text(value)
        if len(text) > MAX_SEARCHED:
            raise Undecidable(f"a text of {len(text)} characters, of which a pattern is searched in at most {MAX_SEARCHED}")
        return (pattern.search(text) is None) is negative

    wanted = f"{'no match' if negative else 'a match'} of /{shown(pattern.pattern)}/"
    return Operator(word=task.word, argument=task.argument, wanted=wanted, test=test)


def _edge(task: _Task) -> Operator:
    if not isinstance(task.argument, str) or not task.argument:
        raise ValueError("must be a text that is not empty")
    edge, starts = task.argument, task.word == "starts_with"

    def test(value: Any, _now: datetime) -> bool:
        return _text(value).startswith(edge) if starts else _text(value).endswith(edge)

    return Operator(
        word=task.word, argument=edge, wanted=f"text that {'starts' if starts else 'ends'} with {shown(edge)}", test=test
    )


def _containment(task: _Task) -> Operator:
    wanted, negative = _constant(task.argument), task.word == "not_contains"
    several = wanted if isinstance(wanted, list) else [wanted]
    if not several or "" in several:
        raise ValueError("must name something: everything contains nothing")
    strict = negative or task.strict

    def has(value: Any, one: Any) -> bool:
        if isinstance(value, str):
            if not isinstance(one, str):
                raise Undecidable(f"{described(value)}, in which only text can be contained")
            return one in _text(value)
        hidden: Undecidable | None = None
        for part in value:
            try:
                if equal(one, part):
                    return True
            except Undecidable as doubt:
                hidden = doubt
        if hidden is not None:
            raise hidden
        if strict and value and all(kind(part) not in (kind(one), "null") for part in value):
            raise Undecidable(f"{shown(value)}, all of another kind than {shown(one)}")
        return False

    def test(value: Any, _now: datetime) -> bool:
        if not isinstance(value, (str, list, tuple)):
            raise Undecidable(f"{described(value)}, which is neither text nor a list")
        if not isinstance(value, str) and not value and not task.allow_empty and (negative or isinstance(value, Selected)):
            raise Undecidable("no elements")
        held = [has(value, one) for one in several]
        return not any(held) if negative else all(held)

    def tell(value: Any, now: datetime, met: bool) -> str:
        if met:
            return shown(value)
        wrong = [one for one in several if has(value, one) is negative]
        names = ", ".join(shown(one) for one in wrong)
        return f"{names} in {shown(value)}" if negative else f"no {names} in {shown(value)}"

    names = ", ".join(shown(one) for one in several)
    wanted_words = f"none of {names} in it" if negative and len(several) > 1 else f"{'no ' if negative else ''}{names} in it"
    return Operator(word=task.word, argument=task.argument, wanted=wanted_words, test=test, tell=tell)


def _amounts(task: _Task, read: Callable[[Any], Any], show: Callable[[Any], str], beside: tuple[str, ...] = ()) -> tuple[Operator, ...]:
    """The operators below `len`, `sum`, `min`, `max` and `age`."""
    raw = task.argument if isinstance(task.argument, Mapping) else {"eq": task.argument}
    if not raw or all(word in beside for word in raw):
        raise ValueError(f"must hold an operator: {', '.join(WORDS)}")
    found = []
    bounds = {}
    for word, argument in raw.items():
        at = (*task.at, word) if isinstance(task.argument, Mapping) else task.at
        if word in beside:
            continue
        if word not in WORDS:
            near = difflib.get_close_matches(str(word), WORDS, n=1, cutoff=0.6)
            close = f" - did you mean {near[0]!r}?" if near else f"; below {task.word} there can be {', '.join(WORDS)}"
            task.faults.append((at, f"unknown operator {shown(word)}{close}"))
            continue
        try:
            wanted, compare = amount(word, argument, read, show)
            if word in ORDER:
                bounds[word] = read(argument)
        except ValueError as error:
            task.faults.append((at, f"{task.word} {word}: {error}" if isinstance(task.argument, Mapping) else f"{task.word}: {error}"))
            continue
        found.append(Operator(word=word, argument=argument, wanted=wanted, test=_compared(compare)))
    if impossible(bounds):
        raise ValueError("nothing can be within these bounds")
    return tuple(found)


def _compared(compare: Callable[[Any], bool]) -> Test:
    return lambda value, _now: compare(value)


def _joined(operators: tuple[Operator, ...]) -> str:
    return " and ".join(part.wanted for part in operators)


def _length_from(value: Any) -> int:
    if kind(value) != "number" or value != int(value) or value < 0:
        raise ValueError(f"must be a whole number from 0, not {shown(value)}")
    return int(value)


def _length(task: _Task) -> Operator:
    parts = _amounts(task, _length_from, str)
    if parts and all(part.word == "ge" and part.argument == 0 for part in parts):
        raise ValueError("every length is at least 0, so this always holds")

    def measure(value: Any) -> int:
        if kind(value) not in ("text", "list", "mapping"):
            raise Undecidable(f"{described(value)}, which has no length")
        if isinstance(value, str):
            _text(value)
        return len(value)

    return Operator(
        word=task.word,
        argument=task.argument,
        wanted=f"length {_joined(parts)}",
        test=lambda value, now: all([part.test(measure(value), now) for part in parts]),
        tell=lambda value, _now, met: f"length {measure(value)}" + ("" if met or not value else f": {shown(value)}"),
        parts=parts,
    )


def _elements(value: Any, allow_empty: bool = False) -> Any:
    if not isinstance(value, (list, tuple)):
        raise Undecidable(f"{described(value)}, which is not a list")
    if not value and not allow_empty:
        raise Undecidable("no elements")
    return value


def _place(value: Any, index: int) -> str:
    return value.place(index) if isinstance(value, Selected) else f"[{index}]"


def _numbers(value: Any, allow_empty: bool) -> list[Any]:
    found = []
    for index, part in enumerate(_elements(value, allow_empty)):
        try:
            found.append(number(part))
        except Undecidable as doubt:
            raise Undecidable(f"{_place(value, index)} {doubt}") from None
    return found


def _total(numbers: list[Any]) -> Any:
    if all(type(one) is int for one in numbers):
        return sum(numbers)
    total = Decimal(0)
    try:
        for one in numbers:
            total = _EXACT.add(total, one)
    except (Inexact, InvalidOperation, Overflow):
        raise Undecidable("numbers so far apart in size that they cannot be added exactly") from None
    return total


def _aggregate(task: _Task) -> Operator:
    parts = _amounts(task, number_from, shown)
    reduce: Callable[[Any], Any] = {"sum": _total, "min": min, "max": max}[task.word]
    empty = task.allow_empty and task.word == "sum"

    def measure(value: Any) -> Any:
        return reduce(_numbers(value, empty))

    def test(value: Any, now: datetime) -> bool:
        measured = measure(value)
        return all([part.test(measured, now) for part in parts])

    return Operator(
        word=task.word,
        argument=task.argument,
        wanted=f"{task.word} {_joined(parts)}",
        test=test,
        tell=lambda value, _now, _met: f"{task.word} {shown(measure(value))} of {len(value)}",
        parts=parts,
    )


def _quantifier(task: _Task) -> Operator:
    word = task.word
    parts = compile_operators(task.argument, task.faults, task.at, strict=task.strict or word == "none")
    _refuse_absent(parts, task)
    empty = task.allow_empty and word != "any"
    tests = [part.test for part in parts]

    def holds(part: Any, now: datetime) -> bool:
        return all([test(part, now) for test in tests])

    def first(value: Any, now: datetime, wish: bool) -> int | None:
        """The index of the first element that holds or does not; every element must be decidable."""
        hit = None
        for index, part in enumerate(_elements(value, empty)):
            try:
                if holds(part, now) is wish and hit is None:
                    hit = index
            except Undecidable as doubt:
                raise Undecidable(f"{_place(value, index)}: {doubt}") from None
        return hit

    def test(value: Any, now: datetime) -> bool:
        if word == "all":
            return first(value, now, False) is None
        return (first(value, now, True) is None) is (word == "none")

    def tell(value: Any, now: datetime, met: bool) -> str:
        many = "1 element" if len(value) == 1 else f"{len(value)} elements"
        index = first(value, now, word != "all") if met is (word == "any") else None
        if index is None:
            return many if met else f"none of {many}: {shown(value)}"
        part = value[index]
        told = next((o.tell(part, now, False) for o in parts if not o.test(part, now)), shown(part))
        return f"{_place(value, index)}: {told} (of {many})"

    lead = {"all": "each element", "any": "an element", "none": "no element"}[word]
    return Operator(word=word, argument=task.argument, wanted=f"{lead}: {_joined(parts)}", test=test, tell=tell, parts=parts)


def _refuse_absent(parts: tuple[Operator, ...], task: _Task) -> None:
    if any(part.word == "absent" for part in parts):
        raise ValueError("an element is always there: ask `absent: true` of the path of what is not")


def _unique(task: _Task) -> Operator:
    if task.argument is not True:
        raise ValueError("can only be true")

    def twice(value: Any) -> tuple[int, int] | None:
        seen: dict[Any, int] = {}
        for index, part in enumerate(_elements(value, task.allow_empty)):
            try:
                first = seen.setdefault(identity(part), index)
            except Undecidable as doubt:
                raise Undecidable(f"{_place(value, index)}: {doubt}") from None
            if first != index:
                return first, index
        return None

    def tell(value: Any, _now: datetime, met: bool) -> str:
        pair = None if met else twice(value)
        if pair is None:
            return f"{len(value)} different"
        return f"{shown(value[pair[0]])} at {_place(value, pair[0])} and at {_place(value, pair[1])}"

    return Operator(
        word=task.word, argument=True, wanted="no element twice", test=lambda value, _now: twice(value) is None, tell=tell
    )


def _duration_from(value: Any) -> Decimal:
    if not isinstance(value, str):
        raise ValueError(f"must be a duration with its unit, such as 30s or 12h, not {shown(value)}")  # noqa: TRY004
    return exact_seconds(value)


def _since_epoch(moment: datetime) -> Decimal:
    delta = moment - _EPOCH
    return Decimal(delta.days * 86400 + delta.seconds) + Decimal(delta.microseconds) / 1_000_000


def _age(task: _Task) -> Operator:
    if not isinstance(task.argument, Mapping):
        raise ValueError("must be operators over durations, such as {lt: 60s}")
    parts = _amounts(task, _duration_from, spoken, beside=("future",))
    future = FUTURE
    if "future" in task.argument:
        try:
            future = _duration_from(task.argument["future"])
        except ValueError as error:
            task.faults.append(((*task.at, "future"), f"age future: {error}"))

    def measure(value: Any, now: datetime) -> Decimal:
        age = _since_epoch(_zoned(now, "our clock")) - _instant(value)
        if age < -future:
            hint = "; is it in milliseconds?" if kind(value) == "number" and value > 10**11 else ""
            raise Undecidable(f"{shown(value)}, which lies {spoken(-age)} in the future: one of two clocks is wrong{hint}")
        return age

    def test(value: Any, now: datetime) -> bool:
        age = measure(value, now)
        return all([part.test(age, now) for part in parts])

    return Operator(
        word=task.word,
        argument=task.argument,
        wanted=f"age {_joined(parts)}",
        test=test,
        tell=lambda value, now, _met: f"age {spoken(measure(value, now))} ({shown(value)})",
        parts=parts,
    )


def _zoned(moment: datetime, what: str) -> datetime:
    if moment.tzinfo is None:
        raise Undecidable(f"{what} without a time zone")
    return moment


def _instant(value: Any) -> Decimal:
    """Seconds since 1970 of an ISO 8601 text with zone, or of a number that is just that."""
    if kind(value) == "number":
        return Decimal(number(value))
    text = _text(value)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Undecidable(f"{described(value)}, which is no ISO 8601 instant") from None
    return _since_epoch(_zoned(moment, described(value) + ","))


def _absent(task: _Task) -> Operator:
    if task.argument is not True:
        raise ValueError("can only be true; every other operator already wants the path to be there")
    return Operator(word=task.word, argument=True, wanted="nothing", test=lambda _value, _now: False)


def _is(task: _Task) -> Operator:
    name = "null" if task.argument is None else task.argument
    if not isinstance(name, str) or name not in KINDS:
        near = difflib.get_close_matches(str(name), KINDS, n=1, cutoff=0.6)
        raise ValueError(f"must be one of {', '.join(KINDS)}" + (f" - did you mean {near[0]!r}?" if near else ""))

    def test(value: Any, _now: datetime) -> bool:
        if kind(value) == "other":
            raise Undecidable(shown(value))
        if kind(value) != KINDS[name]:
            return False
        return name != "integer" or number(value) == value // 1

    return Operator(
        word=task.word, argument=name, wanted=f"of kind {name}", test=test, tell=lambda value, _now, _met: described(value)
    )


MAKERS: dict[str, Callable[[_Task], Operator]] = {
    "eq": _equality, "ne": _equality,
    "lt": _order, "le": _order, "gt": _order, "ge": _order, "between": _order,
    "in": _membership, "not_in": _membership,
    "matches": _pattern, "not_matches": _pattern, "starts_with": _edge, "ends_with": _edge,
    "contains": _containment, "not_contains": _containment,
    "len": _length, "sum": _aggregate, "min": _aggregate, "max": _aggregate,
    "all": _quantifier, "any": _quantifier, "none": _quantifier, "unique": _unique,
    "age": _age, "absent": _absent, "is": _is,
}  # fmt: skip
"""Every operator there is, by its word."""
