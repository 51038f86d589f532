"""Laws of expectations that hold for any facts: nothing raises, nothing missing passes, nothing empty passes, order is order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import jsonpath
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_golive.expect import ExpectationFaults, compile_expectation, grammar, paths, values
from pytest_golive.expect.operators import MAKERS
from pytest_golive.model import Outcome

NOW = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)

numbers = st.integers() | st.decimals(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=8)
json_like = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
)
junk = st.recursive(
    scalars | st.floats() | st.decimals() | st.binary(max_size=3) | st.datetimes() | st.builds(object) | st.sampled_from([...]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
        | st.frozensets(st.text(max_size=3), max_size=2)
    ),
)
names = st.sampled_from(["a", "b", "c", "my-key", "_x", "é"])
amounts = numbers.map(lambda n: n if isinstance(n, int) else Decimal(n))
durations = st.sampled_from(["1s", "500ms", "5m", "12h", "30d"])


def amount_mappings(argument: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.fixed_dictionaries({word: argument}) for word in ("lt", "le", "gt", "ge", "eq", "ne")
    ) | st.fixed_dictionaries({"in": st.lists(argument, min_size=1, max_size=3)})


presence = st.one_of(
    scalars,
    st.lists(scalars, max_size=3),
    amount_mappings(amounts),
    st.fixed_dictionaries({"eq": json_like}),
    st.fixed_dictionaries({"ne": json_like}),
    st.fixed_dictionaries({"not_in": st.lists(scalars, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"contains": st.lists(scalars.filter(lambda s: s != ""), min_size=1, max_size=2)}),
    st.fixed_dictionaries({"not_contains": scalars.filter(lambda s: s != "")}),
    st.fixed_dictionaries({"matches": st.sampled_from(["a", r"\d+", "^x$"])}),
    st.fixed_dictionaries({"not_matches": st.sampled_from(["a", r"\d+", "^x$"])}),
    st.fixed_dictionaries({"starts_with": st.sampled_from(["a", "1"])}),
    st.fixed_dictionaries({"len": st.integers(0, 5) | amount_mappings(st.integers(1, 5))}),
    st.fixed_dictionaries({"sum": amounts | amount_mappings(amounts)}),
    st.fixed_dictionaries({"max": amounts | amount_mappings(amounts)}),
    st.fixed_dictionaries({"unique": st.just(True)}),
    st.fixed_dictionaries({"age": amount_mappings(durations)}),
    st.fixed_dictionaries({"is": st.sampled_from(["string", "number", "integer", "boolean", "list", "mapping", "null"])}),
)
arguments = st.recursive(
    presence, lambda inner: st.one_of(st.fixed_dictionaries({w: inner}) for w in ("all", "any", "none")), max_leaves=3
)


def outcome(raw: Any, facts: Any) -> Outcome:
    return compile_expectation(raw).judge(facts, NOW).outcome


@given(st.dictionaries(names, arguments | st.just({"absent": True}), min_size=1, max_size=3), junk)
def test_no_facts_make_it_raise(raw: dict[str, Any], facts: Any) -> None:
    """Whatever a probe hands over, the judgement is one of three outcomes with a printable line for each operator."""
    judgement = compile_expectation(raw).judge(facts, NOW)
    assert judgement.outcome in (Outcome.PASSED, Outcome.FAILED, Outcome.ERROR)
    assert len(judgement.checks) == len(raw)
    assert all(check.found.isprintable() and len(check.found) <= 400 for check in judgement.checks)


@given(arguments, st.dictionaries(names, junk))
def test_junk_below_the_path_does_not_make_it_raise(argument: Any, facts: Any) -> None:
    """The same for what stands at the end of the path, and below a wildcard."""
    for value in facts.values():
        assert outcome({"a": argument}, {"a": value}) in Outcome
    assert outcome({"*": {"all": argument}}, facts) in Outcome


written = st.recursive(
    junk, lambda inner: st.dictionaries(st.sampled_from([*MAKERS, "allow_empty", "future"]), inner, max_size=3)
)


@settings(max_examples=300)
@given(names | st.text(max_size=12) | st.integers(), written)
def test_anything_written_is_compiled_or_refused(path: Any, argument: Any) -> None:
    """A checklist can hold anything; what comes out is an expectation or a list of faults, never another error."""
    try:
        lines = compile_expectation({path: argument}).describe()
    except ExpectationFaults as refused:
        lines = tuple(message for _, message in refused.faults)
    assert lines
    assert all(lines)


@given(arguments, st.dictionaries(names, json_like, max_size=4), names)
def test_what_lacks_the_path_never_passes(argument: Any, facts: dict[str, Any], name: str) -> None:
    """Without the path there is nothing to judge: the outcome is error for every operator but `absent`."""
    facts.pop(name, None)
    assert outcome({name: argument}, facts) is Outcome.ERROR
    assert outcome({f"deep.{name}": argument}, {"deep": facts}) is Outcome.ERROR
    assert outcome({f"{name}[*].x": {"all": argument}}, facts) is Outcome.ERROR


@given(st.dictionaries(names, arguments, min_size=1, max_size=3), st.dictionaries(names, json_like), names)
def test_taking_a_key_away_never_turns_a_no_into_a_yes(raw: dict[str, Any], facts: dict[str, Any], gone: str) -> None:
    """Fewer facts prove less: what did not pass does not pass with a key less."""
    before = outcome(raw, facts)
    facts.pop(gone, None)
    assert before is Outcome.PASSED or outcome(raw, facts) is not Outcome.PASSED


@given(st.lists(st.dictionaries(st.sampled_from(["x", "y"]), json_like), max_size=4), arguments, st.integers(0, 3))
def test_an_element_that_loses_the_name_never_makes_it_pass(rows: list[dict[str, Any]], argument: Any, index: int) -> None:
    """Below a wildcard a missing name is an error, so that the rest cannot pass for the whole."""
    for word in ("all", "any", "none"):
        raw = {"rows[*].x": {word: argument}}
        lacking = [row | {"x": 1} if at != index else {"y": 1} for at, row in enumerate(rows)]
        if index < len(rows) or not rows:
            assert outcome(raw, {"rows": lacking}) is Outcome.ERROR


@given(arguments, st.sampled_from([[], ()]))
def test_nothing_never_passes(argument: Any, nothing: Any) -> None:
    """Each, some or none of no elements is an error, in a value as behind a wildcard."""
    for word in ("all", "any", "none"):
        assert outcome({"a": {word: argument}}, {"a": nothing}) is Outcome.ERROR
        assert outcome({"a[*]": {word: argument}}, {"a": nothing}) is Outcome.ERROR
        assert outcome({"a[*]": {word: argument}}, {"a": {}}) is Outcome.ERROR
    for raw in ({"unique": True}, {"sum": 0}, {"min": 0}, {"max": 0}, {"not_contains": "x"}):
        assert outcome({"a": raw}, {"a": nothing}) is Outcome.ERROR


@given(arguments, json_like)
def test_a_judgement_is_a_function(argument: Any, value: Any) -> None:
    """The same facts are judged the same again, also by an expectation compiled anew, and are left as they were."""
    expectation = compile_expectation({"a": argument})
    kept = repr(value)
    first = expectation.judge({"a": value}, NOW)
    assert expectation.judge({"a": value}, NOW) == first
    assert compile_expectation({"$.a": argument}).judge({"a": value}, NOW).outcome is first.outcome
    assert repr(value) == kept


@given(amounts, amounts)
def test_numbers_are_ordered_as_numbers_are(found: Any, bound: Any) -> None:
    """`lt le gt ge eq ne` say of any two numbers exactly what Python says, whole or Decimal, as text or not."""
    laws: dict[str, Callable[[Any, Any], bool]] = {
        "lt": lambda a, b: a < b,
        "le": lambda a, b: a <= b,
        "gt": lambda a, b: a > b,
        "ge": lambda a, b: a >= b,
        "eq": lambda a, b: a == b,
        "ne": lambda a, b: a != b,
    }
    for word, law in laws.items():
        assert (outcome({"a": {word: bound}}, {"a": found}) is Outcome.PASSED) == law(found, bound)
        if word in ("lt", "le", "gt", "ge") and len(str(bound)) < 300:
            assert (outcome({"a": {word: str(bound)}}, {"a": found}) is Outcome.PASSED) == law(found, bound)
    assert [outcome({"a": {word: bound}}, {"a": found}) for word in ("lt", "eq", "gt")].count(Outcome.PASSED) == 1


@given(json_like, json_like)
def test_equality_is_by_kind_and_value(one: Any, other: Any) -> None:
    """A value equals itself, equality has no direction, and two values of different kinds are never equal."""
    assert values.equal(one, one) or one == values.REDACTED
    assert values.equal(one, other) == values.equal(other, one)
    assert values.equal(one, other) == (values.identity(one) == values.identity(other))
    if values.kind(one) != values.kind(other):
        assert not values.equal(one, other)


@given(st.lists(amounts, min_size=1, max_size=8))
def test_the_smallest_and_the_largest_are_what_they_are(found: list[Any]) -> None:
    """`min` and `max` agree with Python on any mixture of whole numbers and Decimals."""
    assert outcome({"a": {"min": min(found), "max": max(found)}}, {"a": found}) is Outcome.PASSED


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=20), st.integers(0, 6))
def test_a_sum_of_fractions_is_the_sum_of_the_whole_numbers(found: list[int], places: int) -> None:
    """Shifting the point of all elements shifts the point of the sum, without a rounding."""
    shifted = [Decimal(n).scaleb(-places) for n in found]
    assert outcome({"a": {"sum": Decimal(sum(found)).scaleb(-places)}}, {"a": shifted}) is Outcome.PASSED


@given(st.lists(scalars, min_size=1, max_size=5), scalars)
def test_all_any_and_none_agree(found: list[Any], wanted: Any) -> None:
    """`none` is the opposite of `any`, and `all` implies `any`, wherever they can be told."""
    each, some, none = (outcome({"a": {word: wanted}}, {"a": found}) for word in ("all", "any", "none"))
    if each is Outcome.PASSED:
        assert some is Outcome.PASSED
    if Outcome.ERROR not in (some, none):
        assert (some is Outcome.PASSED) != (none is Outcome.PASSED)
    if some is Outcome.PASSED:
        assert none is not Outcome.PASSED


@given(st.timedeltas(min_value=timedelta(days=-400), max_value=timedelta(days=400)), st.integers(-12, 14))
def test_an_age_is_the_same_in_every_zone(ago: timedelta, hours: int) -> None:
    """An instant more than five seconds ahead is an error, and any other is as old as it is, in each zone and as a number."""
    moment = NOW - ago
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)
    zoned = moment.astimezone(tz=datetime.strptime(f"{hours:+03d}00", "%z").tzinfo)
    for value in (moment.isoformat(), zoned.isoformat(), Decimal(int(seconds)).scaleb(-6)):
        seen = outcome({"a": {"age": {"le": "1h"}}}, {"a": value})
        if ago < timedelta(seconds=-5):
            assert seen is Outcome.ERROR
        else:
            assert seen is (Outcome.PASSED if ago <= timedelta(hours=1) else Outcome.FAILED)


@given(st.lists(names, min_size=1, max_size=4), json_like)
def test_a_plain_path_means_what_the_engine_means(steps: list[str], value: Any) -> None:
    """On names that are there, our own walk and the JSONPath engine select the same value."""
    facts = value
    for step in reversed(steps):
        facts = {step: facts, "other": 1}
    text = ".".join(steps)
    assert grammar.compile_path(text).select(facts) == jsonpath.JSONPathEnvironment(strict=True).findall(f"$.{text}", facts)[0]


steps_of_many = st.lists(st.sampled_from([".a", ".b", "[*]", ".*", "[0]", "[-1]", "['my-key']", '["a"]']), min_size=1, max_size=4)
tables = st.recursive(
    st.integers(0, 3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "my-key"]), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=300)
@given(steps_of_many, tables)
def test_a_walk_finds_what_the_engine_finds_or_says_what_is_missing(steps: list[str], facts: Any) -> None:
    """Our own walk of indexes and wildcards selects what the engine selects, unless something on the way is missing."""
    text = "$" + "".join(steps)
    path = grammar.compile_path(text)
    engine = jsonpath.JSONPathEnvironment(strict=True)
    expected = engine.findall(text, facts)
    try:
        found = path.select(facts)
    except paths.Missing:
        whole = [len(engine.findall("$" + "".join(steps[:end]), facts)) for end in range(len(steps) + 1)]
        lost = any(
            (after < before) if step not in ("[*]", ".*") else any(not isinstance(node, (list, dict)) for node in nodes)
            for before, after, step, nodes in zip(
                whole,
                whole[1:],
                steps,
                [engine.findall("$" + "".join(steps[:end]), facts) for end in range(len(steps))],
                strict=False,
            )
        )
        assert lost
    else:
        assert (list(found) if path.many else [found]) == expected
        if path.many:
            places = [found.place(index) for index in range(len(found))]
            assert len(set(places)) == len(places)
            assert [engine.findall(f"${place}" if place.startswith("[") else f"$.{place}", facts) for place in places] == [
                [v] for v in found
            ]
