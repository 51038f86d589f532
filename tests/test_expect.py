"""Expectations: what each operator wants and finds, what is undecidable, and what is refused when a list is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

import jsonschema
import pytest

from pytest_golive import redaction
from pytest_golive.expect import SCHEMA, Expectation, ExpectationFaults, compile_expectation, grammar, operators, patterns, values
from pytest_golive.expect.operators import MAKERS
from pytest_golive.model import Check, Judgement, Outcome

NOW = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)
D = Decimal


def judge(raw: Mapping[str, Any], facts: Any) -> Judgement:
    return compile_expectation(raw).judge(facts, NOW)


def line(argument: Any, value: Any) -> Check:
    """The one line of an expectation about one value."""
    (check,) = judge({"x": argument}, {"x": value}).checks
    return check


def faults(raw: Any) -> list[tuple[tuple[Any, ...], str]]:
    with pytest.raises(ExpectationFaults) as caught:
        compile_expectation(raw)
    return list(caught.value.faults)


def message(raw: Any) -> str:
    (fault,) = faults(raw)
    return fault[1]


HOLDS: list[tuple[Any, Any, str, str]] = [
    # argument, value, wanted, found
    (200, 200, "= 200", "200"),
    (1, D("1.0"), "= 1", "1.0"),
    (D("1.0"), 1, "= 1.0", "1"),
    ("healthy", "healthy", "= healthy", "healthy"),
    ("200", "200", '= "200"', '"200"'),
    (True, True, "= true", "true"),
    (None, None, "= null", "null"),
    (["micro"], ["micro"], "= [micro]", "[micro]"),
    ({"eq": {"a": [1, None]}}, {"a": [D(1), None]}, "= {a: [1, null]}", "{a: [1, null]}"),
    ({"ne": "LIVE"}, "DRY_RUN", "not LIVE", "DRY_RUN"),
    ({"ne": 0}, 1, "not 0", "1"),
    ({"ne": None}, "x", "not null", "x"),
    ({"lt": 60}, 59, "less than 60", "59"),
    ({"le": "0.20"}, D("0.2"), "at most 0.20", "0.2"),
    ({"gt": 0}, D("0.0001"), "more than 0", "0.0001"),
    ({"ge": "-250.00"}, -250, "at least -250.00", "-250"),
    ({"between": [-5, 5]}, 5, "from -5 to 5", "5"),
    ({"between": ["-5", "5"]}, -5, "from -5 to 5", "-5"),
    ({"between": [5, 5]}, 5, "from 5 to 5", "5"),
    ({"in": [401, 403]}, 403, "one of 401, 403", "403"),
    ({"not_in": ["LIVE", "REAL"]}, "PAPER", "none of LIVE, REAL", "PAPER"),
    ({"matches": r"^v\d+"}, "v12-rc", r"match of /^v\d+/", "v12-rc"),
    ({"matches": "world"}, "hello\nworld\n", "match of /world/", r"hello\nworld\n"),
    ({"not_matches": "(?i)error"}, "all fine", "no match of /(?i)error/", "all fine"),
    ({"contains": "PONG"}, "+PONG!", "with PONG", '"+PONG!"'),
    ({"contains": ["a", "b"]}, "xbax", "with a, b", "xbax"),
    ({"contains": ["b", "a"]}, ["a", "b", "c"], "with b, a", "[a, b, c]"),
    ({"contains": None}, [1, None], "with null", "[1, null]"),
    ({"contains": {"a": 1}}, [{"a": D(1)}], "with {a: 1}", "[{a: 1}]"),
    ({"not_contains": "error"}, "", "without error", '""'),
    ({"not_contains": "d"}, ["a", None], "without d", "[a, null]"),
    ({"not_contains": "d"}, [None], "without d", "[null]"),
    ({"not_contains": None}, ["a"], "without null", "[a]"),
    ({"not_contains": "d", "allow_empty": True}, [], "without d", "[]"),
    ({"starts_with": "ab"}, "abc", "text that starts with ab", "abc"),
    ({"ends_with": "bc"}, "abc", "text that ends with bc", "abc"),
    ({"len": 0}, [], "length = 0", "length 0"),
    ({"len": {"ge": 2, "lt": 4}}, {"a": 1, "b": 2}, "length at least 2 and less than 4", "length 2"),
    ({"len": {"in": [3, 5]}}, "abc", "length one of 3, 5", "length 3"),
    ({"len": {"ne": 1, "not_in": [2, 4]}}, "abc", "length not 1 and none of 2, 4", "length 3"),
    ({"max": {"ge": 5, "le": 5}}, [5], "max at least 5 and at most 5", "max 5 of 1 element"),
    ({"is": "list"}, (), "of kind list", "a list of 0"),
    ({"is": "boolean"}, False, "of kind boolean", "a boolean (false)"),
    ({"age": {"eq": "0.5s"}}, "2026-11-21T09:59:59.5Z", "age = 500 ms", 'age 500 ms ("2026-11-21T09:59:59.5Z")'),
    (IntEnum("Port", {"SSH": 22}).SSH, 22, "= 22", "22"),
    ("a", StrEnum("Letter", {"A": "a"}).A, "= a", "a"),
    ({"sum": "0.3"}, [D("0.1"), D("0.2")], "sum = 0.3", "sum 0.3 of 2 elements"),
    ({"sum": {"le": 0}, "allow_empty": True}, [], "sum at most 0", "sum 0 of 0 elements"),
    ({"min": {"ge": 1}}, [3, D("1.0"), 2], "min at least 1", "min 1.0 of 3 elements"),
    ({"max": 3}, [3], "max = 3", "max 3 of 1 element"),
    ({"all": "healthy"}, ["healthy", "healthy"], "each element: = healthy", "2 elements"),
    ({"all": {"gt": 0, "le": 1}}, [D("0.5")], "each element: more than 0 and at most 1", "1 element"),
    ({"all": 1, "allow_empty": True}, [], "each element: = 1", "0 elements"),
    ({"all": {"all": {"gt": 0}}}, [[1], [2, 3]], "each element: each element: more than 0", "2 elements"),
    ({"any": {"gt": 5}}, [1, None, 9], "an element: more than 5", "[2]: 9 (of 3 elements)"),
    ({"none": True}, [False, False], "no element: = true", "none of 2 elements: [false, false]"),
    ({"none": True, "allow_empty": True}, [], "no element: = true", "none of 0 elements"),
    ({"unique": True}, [1, "1", True, None, [1], {"a": 1}], "no element twice", "6 different"),
    ({"unique": True, "allow_empty": True}, [], "no element twice", "0 different"),
    ({"unique": True}, [{"a": 1}, {"a": 2}], "no element twice", "2 different"),
    ({"age": {"lt": "60s"}}, "2026-11-21T09:59:30Z", "age less than 1 m", 'age 30 s ("2026-11-21T09:59:30Z")'),
    ({"age": {"le": "60s"}}, "2026-11-21T10:59:00+01:00", "age at most 1 m", 'age 1 m ("2026-11-21T10:59:00+01:00")'),
    ({"age": {"ge": "1d"}}, 1_795_168_799, "age at least 1 d", "age 1 d (1795168799)"),
    ({"age": {"lt": "1s"}}, "2026-11-21T10:00:05Z", "age less than 1 s", 'age -5 s ("2026-11-21T10:00:05Z")'),
    ({"age": {"lt": "1s", "future": "1h"}}, "2026-11-21T11:00:00Z", "age less than 1 s", 'age -1 h ("2026-11-21T11:00:00Z")'),
    ({"is": "string"}, redaction.REDACTED, "of kind string", "a redacted value"),
    ({"is": "integer"}, D("2.0"), "of kind integer", "a number (2.0)"),
    ({"is": "integer"}, D("1E+40"), "of kind integer", "a number (1E+40)"),
    ({"is": "number"}, D("2.5"), "of kind number", "a number (2.5)"),
    ({"is": None}, None, "of kind null", "null"),
    ({"is": "mapping"}, {}, "of kind mapping", "a mapping of 0"),
    ({"version": ">=3.11"}, "3.12.1", "version >=3.11", '"3.12.1"'),
    ({"version": ">=3.9,<4"}, "v3.10", "version >=3.9,<4", "v3.10"),
    ({"version": ">=2.0rc1"}, "2.0rc2", "version >=2.0rc1", '"2.0rc2"'),
    ({"all": {"version": "~=2.4"}}, ["2.4", "2.31"], "each element: version ~=2.4", "2 elements"),
]


@pytest.mark.parametrize(("argument", "value", "wanted", "found"), HOLDS)
def test_what_holds_is_told_with_wanted_and_found(argument: Any, value: Any, wanted: str, found: str) -> None:
    """An operator that holds passes, with one short line that says what it wanted and what it found."""
    assert line(argument, value) == Check(path="x", wanted=wanted, found=found, met=True)
    assert judge({"x": argument}, {"x": value}).outcome is Outcome.PASSED


FAILS: list[tuple[Any, Any, str]] = [
    (200, 404, "404"),
    (200, "200", 'the text "200"'),
    ("200", 200, "a number (200)"),
    (1, True, "a boolean (true)"),
    (True, 1, "a number (1)"),
    (False, None, "null"),
    (None, False, "a boolean (false)"),
    ("healthy", None, "null"),
    (["micro"], ["micro", "small"], "[micro, small]"),
    (["micro", "small"], ["small", "micro"], "[small, micro]"),
    ([1], [True], "[true]"),
    ({"eq": {"a": 1}}, {"a": 1, "b": 2}, "{a: 1, b: 2}"),
    ({"eq": {"a": 1, "b": 2}}, {"a": 1, "c": 2}, "{a: 1, c: 2}"),
    ({"ne": 1}, D("1.0"), "1.0"),
    ({"ne": None}, None, "null"),
    ({"lt": 60}, 60, "60"),
    ({"le": "0.20"}, D("0.21"), "0.21"),
    ({"gt": 0}, 0, "0"),
    ({"ge": 1}, D("0.999"), "0.999"),
    ({"between": [-5, 5]}, D("5.01"), "5.01"),
    ({"between": [-5, 5]}, -6, "-6"),
    ({"in": [401, 403]}, 200, "200"),
    ({"in": ["a"]}, None, "null"),
    ({"in": [401]}, "401", 'the text "401"'),
    ({"len": {"not_in": [1, 3]}}, "abc", "length 3: abc"),
    ({"len": {"ne": 3}}, "abc", "length 3: abc"),
    ({"eq": {"a": 1}}, {"a": True}, "{a: true}"),
    ({"eq": {"a": 1}}, {"a": 2}, "{a: 2}"),
    ({"not_in": ["LIVE", "REAL"]}, "REAL", "REAL"),
    ({"not_in": [None]}, None, "null"),
    ({"matches": "^b"}, "ab", "ab"),
    ({"not_matches": "ERROR"}, "an ERROR", "an ERROR"),
    ({"contains": "x"}, "abc", "no x in abc"),
    ({"contains": ["a", "x", "y"]}, "abc", "no x, y in abc"),
    ({"contains": "a"}, [], "no a in []"),
    ({"contains": 1}, [True, "1"], 'no 1 in [true, "1"]'),
    ({"not_contains": ["z", "a"]}, ["a", "b"], "a in [a, b]"),
    ({"not_contains": "b"}, "abc", "b in abc"),
    ({"starts_with": "b"}, "abc", "abc"),
    ({"ends_with": "b"}, "abc", "abc"),
    ({"len": 0}, ["orders"], "length 1: [orders]"),
    ({"len": {"ge": 2}}, "a", "length 1: a"),
    ({"len": 1}, [], "length 0"),
    ({"sum": {"le": 1}}, [1, 2], "sum 3 of 2 elements"),
    ({"min": {"ge": 1}}, [1, 0], "min 0 of 2 elements"),
    ({"max": {"le": 1}}, [1, 2], "max 2 of 2 elements"),
    ({"all": "healthy"}, ["healthy", "degraded", "down"], "[1]: degraded (of 3 elements)"),
    ({"all": {"gt": 0, "le": 1}}, [1, 2], "[1]: 2 (of 2 elements)"),
    ({"all": 1}, ["1"], '[0]: the text "1" (of 1 element)'),
    ({"any": {"gt": 5}}, [1, 2], "none of 2 elements: [1, 2]"),
    ({"any": 1}, ["1"], 'none of 1 element: ["1"]'),
    ({"none": True}, [False, True], "[1]: true (of 2 elements)"),
    ({"unique": True}, ["a", "b", "a", "b"], "a at [0] and at [2]"),
    ({"unique": True}, [1, D("1.0")], "1 at [0] and at [1]"),
    ({"unique": True}, [{"a": [1]}, {"a": [D(1)]}], "{a: [1]} at [0] and at [1]"),
    ({"age": {"lt": "60s"}}, "2026-11-21T09:59:00Z", 'age 1 m ("2026-11-21T09:59:00Z")'),
    ({"age": {"lt": "60s"}}, 0, "age 20778.4 d (0)"),
    ({"is": "string"}, 5, "a number (5)"),
    ({"is": "number"}, True, "a boolean (true)"),
    ({"is": "number"}, "5", 'the text "5"'),
    ({"is": "integer"}, D("2.5"), "a number (2.5)"),
    ({"is": "integer"}, True, "a boolean (true)"),
    ({"is": "null"}, "", 'the text ""'),
    ({"is": "list"}, {}, "a mapping of 0"),
    ({"version": ">=3.11"}, "3.9", '"3.9"'),
    ({"version": ">=3.11"}, "3.12.0rc1", '"3.12.0rc1"'),
    ({"version": ">=3.9,!=3.10.*"}, "3.10.4", '"3.10.4"'),
]


@pytest.mark.parametrize(("argument", "value", "found"), FAILS)
def test_what_does_not_hold_is_failed(argument: Any, value: Any, found: str) -> None:
    """An operator that does not hold fails, and what was found says by how much or where."""
    check = line(argument, value)
    assert (check.found, check.met) == (found, False)
    assert judge({"x": argument}, {"x": value}).outcome is Outcome.FAILED


HIDDEN = "a redacted value, which nobody can compare"
UNDECIDABLE: list[tuple[Any, Any, str]] = [
    ({"lt": 1}, None, "null, which is not a number"),
    ({"lt": 6}, "5", 'the text "5", which is not a number'),
    ({"lt": 6}, True, "a boolean (true), which is not a number"),
    ({"between": [0, 1]}, [], "a list of 0, which is not a number"),
    ({"lt": 1}, D("NaN"), "NaN, which cannot be compared"),
    ({"gt": 1}, D("Infinity"), "Infinity, which cannot be compared"),
    (1, D("sNaN"), "sNaN, which cannot be compared"),
    (D("0.5"), D("NaN"), "NaN, which cannot be compared"),
    (None, 0.5, "a float, which is not JSON-like, which cannot be compared"),
    ({"ne": 1}, D("NaN"), "NaN, which cannot be compared"),
    (D("0.5"), 0.5, "a float, which is not JSON-like, which cannot be compared"),
    ([1], [0.5], "a float, which is not JSON-like, which cannot be compared"),
    ({"is": "number"}, 0.5, "a float, which is not JSON-like"),
    ({"ne": 0}, "0", 'the text "0", of another kind than what it is compared with'),
    ({"ne": "x"}, None, "null, of another kind than what it is compared with"),
    ({"not_in": ["x"]}, None, "null, of another kind than what it is compared with"),
    ({"ne": "true"}, True, "a boolean (true), of another kind than what it is compared with"),
    ({"not_in": [1, 2]}, "1", 'the text "1", of another kind than what it is compared with'),
    ({"none": True}, ["false"], '[0]: the text "false", of another kind than what it is compared with'),
    ({"none": {"in": [1]}}, ["1"], '[0]: the text "1", of another kind than what it is compared with'),
    ({"none": {"contains": 1}}, [["1"]], '[0]: ["1"], all of another kind than a number (1)'),
    ({"none": {"any": 1}}, [["1"]], '[0]: [0]: the text "1", of another kind than what it is compared with'),
    ({"not_contains": 1}, ["1", True], '["1", true], all of another kind than a number (1)'),
    ({"not_contains": 1}, ["1", None], '["1", null], all of another kind than a number (1)'),
    ({"not_contains": 1}, "1", 'the text "1", in which only text can be contained'),
    ({"contains": "a"}, {"a": 1}, "a mapping of 1, which is neither text nor a list"),
    ({"contains": "a"}, None, "null, which is neither text nor a list"),
    ({"not_contains": "a"}, [], "no elements"),
    ({"contains": "a"}, ["b", redaction.REDACTED], HIDDEN),
    ({"matches": "a"}, None, "null, which is not text"),
    ({"not_matches": "a"}, 5, "a number (5), which is not text"),
    ({"starts_with": "a"}, ["a"], "a list of 1, which is not text"),
    ({"ends_with": "a"}, None, "null, which is not text"),
    ({"len": 0}, None, "null, which has no length"),
    ({"len": 1}, 5, "a number (5), which has no length"),
    ({"sum": 0}, [], "no elements"),
    ({"min": 0}, [], "no elements"),
    ({"max": 0}, [], "no elements"),
    ({"sum": 0}, 5, "a number (5), which is not a list"),
    ({"sum": 3}, [1, "2"], '[1]: the text "2", which is not a number'),
    ({"max": {"le": 3}}, [1, None], "[1]: null, which is not a number"),
    ({"sum": {"gt": 0}}, [D("1E+2000"), D("1E-2000")], "numbers so far apart in size that they cannot be added exactly"),
    ({"sum": {"gt": 0}}, [D("1E+999999999"), 1], "numbers so far apart in size that they cannot be added exactly"),
    ({"all": 1}, [], "no elements"),
    ({"all": {"ne": 1}}, [], "no elements"),
    ({"any": 1}, [], "no elements"),
    ({"none": 1}, [], "no elements"),
    ({"unique": True}, [], "no elements"),
    ({"all": 1}, {"a": 1}, "a mapping of 1, which is not a list"),
    ({"all": 1}, "1", 'the text "1", which is not a list'),
    ({"all": {"lt": 5}}, [9, None], "[1]: null, which is not a number"),
    ({"any": {"lt": 5}}, [9, None], "[1]: null, which is not a number"),
    ({"any": {"lt": 5}}, [9, None, "x"], "[1]: null, which is not a number"),
    ({"age": {"lt": "1h"}}, 1_795_255_210, "1795255210, 10 s in the future: one of two clocks is wrong"),
    ({"none": {"lt": 5}}, [9, None], "[1]: null, which is not a number"),
    ({"all": {"eq": 1, "lt": 5}}, ["a"], '[0]: the text "a", which is not a number'),
    ({"unique": True}, [1, redaction.REDACTED], "[1]: " + HIDDEN),
    ({"unique": True}, [1, 1, D("NaN")], "[2]: NaN, which cannot be compared"),
    ({"age": {"lt": "1h"}}, None, "null, which is not text"),
    ({"age": {"lt": "1h"}}, "2026-11-21T09:59:30", 'the text "2026-11-21T09:59:30" without a time zone'),
    ({"age": {"lt": "1h"}}, "2026-11-21", 'the text "2026-11-21" without a time zone'),
    ({"age": {"lt": "1h"}}, "yesterday", 'the text "yesterday", which is no ISO 8601 instant'),
    (
        {"age": {"lt": "1h"}},
        "2026-11-21T10:00:05.1Z",
        '"2026-11-21T10:00:05.1Z", 5.1 s in the future: one of two clocks is wrong',
    ),
    ({"age": {"gt": "1h"}}, "2026-11-21T11:00:00Z", '"2026-11-21T11:00:00Z", 1 h in the future: one of two clocks is wrong'),
    (
        {"age": {"lt": "1h"}},
        1_795_168_799_000,
        "1795168799000, 20756638.2 d in the future: one of two clocks is wrong; is it in milliseconds?",
    ),
    ({"age": {"lt": "1h"}}, D("1E+999999999"), "1E+999999999, which is no number of seconds since 1970"),
    ({"age": {"lt": "1h"}}, -1, "-1, which is no number of seconds since 1970"),
    ({"age": {"lt": "1h"}}, True, "a boolean (true), which is not text"),
    ("x", redaction.REDACTED, HIDDEN),
    (1, redaction.REDACTED, HIDDEN),
    ({"ne": "x"}, redaction.REDACTED, HIDDEN),
    ({"ne": ["x"]}, [redaction.REDACTED], HIDDEN),
    ({"in": ["x"]}, redaction.REDACTED, HIDDEN),
    ({"not_in": ["x"]}, redaction.REDACTED, HIDDEN),
    ({"matches": "x"}, redaction.REDACTED, HIDDEN),
    ({"not_matches": "x"}, redaction.REDACTED, HIDDEN),
    ({"contains": "red"}, redaction.REDACTED, HIDDEN),
    ({"not_contains": "x"}, redaction.REDACTED, HIDDEN),
    ({"starts_with": "["}, redaction.REDACTED, HIDDEN),
    ({"len": {"ge": 8}}, redaction.REDACTED, HIDDEN),
    ({"lt": 5}, redaction.REDACTED, "a redacted value, which is not a number"),
    ({"age": {"lt": "5s"}}, redaction.REDACTED, HIDDEN),
    ({"none": "x"}, ["a", redaction.REDACTED], "[1]: " + HIDDEN),
    ({"version": ">=3.11"}, "latest", 'the text "latest", which is no version by PEP 440'),
    ({"version": ">=3.11"}, D("3.11"), "a number (3.11), which is not text"),
    ({"version": ">=3.11"}, redaction.REDACTED, HIDDEN),
]


@pytest.mark.parametrize(("argument", "value", "found"), UNDECIDABLE)
def test_what_nobody_can_tell_is_an_error(argument: Any, value: Any, found: str) -> None:
    """Wrong kinds, nothing to look at, what is not comparable and what is redacted are neither yes nor no."""
    check = line(argument, value)
    assert (check.found, check.met) == (found, None)
    assert judge({"x": argument}, {"x": value}).outcome is Outcome.ERROR


def test_the_marker_of_redaction_is_the_same_on_both_sides() -> None:
    """What the redactor writes is what expectations refuse to compare."""
    assert values.REDACTED == redaction.REDACTED


MISSING: list[tuple[str, Any, str]] = [
    ("statsu", {"status": 1}, "nothing: statsu is missing - did you mean status?"),
    ("body.a", {"body": {}}, "nothing: body.a is missing"),
    ("body.a", {"body": None}, "nothing: body.a is missing, body is null"),
    ("body.a", {"body": "oops"}, 'nothing: body.a is missing, body is the text "oops"'),
    ("rows.id", {"rows": [{"id": 1}]}, "nothing: rows.id is missing, rows is a list of 1: write rows[*].id"),
    ("rows[2]", {"rows": [1, 2]}, "nothing: rows is a list of 2, so [2] is missing"),
    ("rows[-3]", {"rows": [1, 2]}, "nothing: rows is a list of 2, so [-3] is missing"),
    ("rows[0]", {"rows": {"0": 1}}, "nothing: rows is a mapping of 1, so [0] is missing"),
    ("[0]", {"a": 1}, "nothing: the top is a mapping of 1, so [0] is missing"),
    ('h["x.y"].z', {"h": {"x.y": {}}}, 'nothing: h["x.y"].z is missing'),
    ("a[0].b", {"a": [{"c": 1}]}, "nothing: a[0].b is missing"),
]


@pytest.mark.parametrize(("path", "facts", "found"), MISSING)
def test_a_missing_path_is_an_error_and_says_where_the_way_ends(path: str, facts: Any, found: str) -> None:
    """A path that leads nowhere is never failed and never a pass, whatever is asked of it."""
    for argument in (1, {"ne": 1}, {"not_contains": "x"}, {"len": 0}, {"is": "null"}, {"none": 1}, {"not_in": [1]}):
        judgement = judge({path: argument}, facts)
        assert judgement.outcome is Outcome.ERROR
        assert [(check.found, check.met) for check in judgement.checks] == [(found, None)]


MANY: list[tuple[str, Any, Any, str, bool | None]] = [
    ("rows[*].d", {"all": 0}, {"rows": [{"d": 0}, {"d": D(0)}]}, "2 elements", True),
    ("rows[*].d", {"all": 0}, {"rows": [{"e": 7, "d": 0}, {"e": 7, "d": 5}]}, "rows[1].d: 5 (of 2 elements)", False),
    ("rows[*].d", {"any": 5}, {"rows": [{"d": 0}, {"d": 5}]}, "rows[1].d: 5 (of 2 elements)", True),
    ("rows[?@.d == '12345678901234567890']", {"len": 1}, {"rows": [{"d": "12345678901234567890"}]}, "length 1", True),
    ('rows[?@.d == "12345678901234567890"]', {"len": 1}, {"rows": [{"d": "12345678901234567890"}]}, "length 1", True),
    ("rows[?@.d == @.e]", {"len": 0}, {"rows": [{"d": True, "e": 1}]}, "length 0", True),
    ("rows[*][*]", {"len": 0}, {"rows": [[], 5]}, "nothing: rows[1] is a number (5), neither a list nor a mapping", None),
    ("rows[*].d", {"all": 0}, {"rows": [{"d": 0}, {"e": 0}]}, "nothing: rows[1].d is missing", None),
    ("rows[*].d", {"all": 0}, {"rows": []}, "no elements", None),
    ("rows[*].d", {"len": 0}, {"rows": []}, "length 0", True),
    ("rows[*].d", {"len": 0}, {}, "nothing: rows is missing", None),
    ("rows[*].d", {"len": 0}, {"rows": None}, "nothing: rows is null, neither a list nor a mapping", None),
    ("rows[*]", {"len": 0}, {"rows": "text"}, 'nothing: rows is the text "text", neither a list nor a mapping', None),
    ("rows[*].d", {"contains": 1}, {"rows": []}, "no elements", None),
    ("rows[*].d", {"not_contains": 1}, {"rows": []}, "no elements", None),
    ("rows[*].d", [1, 2], {"rows": [{"d": 1}, {"d": 2}]}, "[1, 2]", True),
    ("rows[*].d", {"ne": [1]}, {"rows": [{"d": 1}, {"d": 2}]}, "[1, 2]", True),
    (
        "acc.*.state",
        {"all": "ok"},
        {"acc": {"a": {"state": "ok"}, "b b": {"state": "no"}}},
        'acc["b b"].state: no (of 2 elements)',
        False,
    ),
    ("a[*].b[*]", {"unique": True}, {"a": [{"b": [1, 2]}, {"b": [2]}]}, "2 at a[0].b[1] and at a[1].b[0]", False),
    ("a[*].b[*]", {"max": 1}, {"a": [{"b": [1]}, {"b": [None]}]}, "a[1].b[0]: null, which is not a number", None),
    ("a[*][0]", {"sum": 3}, {"a": [[1, 9], [2]]}, "sum 3 of 2 elements", True),
    ("*", {"len": 2}, {"a": 1, "b": 2}, "length 2", True),
    ("[*]", {"len": 2}, {"a": 1, "b": 2}, "length 2", True),
    ("rows[?@.x > 0.1].y", {"all": 5}, {"rows": [{"x": D("0.1"), "y": 6}, {"x": D("0.2"), "y": 5}]}, "1 element", True),
    ("rows[?@.x == 0.1].y", {"all": 5}, {"rows": [{"x": D("0.1"), "y": 6}]}, "rows[0].y: 6 (of 1 element)", False),
    ("rows[?@.x == 1]", {"len": 1}, {"rows": [{"x": True}, {"x": 1}, {"x": "1"}]}, "length 1", True),
    ("rows[?@.x == 1].y.z", {"all": 5}, {"rows": [{"x": 1, "y": {}}]}, "nothing: rows[?@.x == 1].y.z is missing", None),
    (
        "rows[?@.x == 1].y",
        {"all": 5},
        {"rows": [{"x": 1, "y": 5}, {"x": 1}]},
        "nothing: rows[?@.x == 1].y is missing in 1 of 2",
        None,
    ),
    ("rows[?@.x == 1].y", {"len": 0}, {"row": []}, "nothing: rows is missing", None),
    ("rows[?@.x == 1].y", {"len": 0}, {"rows": [{"x": 2}]}, "length 0", True),
    ("rows[0:2]", {"all": 1}, {"rows": [1, 1, 5]}, "2 elements", True),
    ("rows['a','b']", {"len": 2}, {"rows": {"a": 1, "b": 2, "c": 3}}, "length 2", True),
    ("..errors", {"all": {"len": 0}}, {"a": {"errors": []}, "errors": ["x"]}, "errors: length 1: [x] (of 2 elements)", False),
    ("$..errors", {"none": {"len": {"gt": 0}}}, {"a": {"ok": 1}}, "no elements", None),
    (
        "rows[?@.x < 5]",
        {"len": 1},
        {"rows": [{"x": D("NaN")}, {"x": 1}]},
        "nothing: the path cannot be walked, InvalidOperation",
        None,
    ),
]


@pytest.mark.parametrize(("path", "argument", "facts", "found", "met"), MANY)
def test_a_path_of_many_gives_the_list_of_all_or_an_error(
    path: str, argument: Any, facts: Any, found: str, met: bool | None
) -> None:
    """Every element counts: one that lacks the name is an error, and what is wrong is told with its place."""
    (check,) = judge({path: argument}, facts).checks
    assert (check.found, check.met) == (found, met)


ABSENT: list[tuple[str, Any, str, bool | None]] = [
    ("body.error", {"body": {}}, "nothing", True),
    ("body.error", {"body": {"error": None}}, "null", False),
    ("body.error", {"body": {"error": "x"}}, "x", False),
    ("body.error", {}, "nothing: body is missing", None),
    ("body.error", {"body": "an error page"}, 'the text "an error page", in which error cannot be looked for', None),
    ("error", {}, "nothing", True),
    ("rows[0]", {"rows": []}, "nothing", True),
    ("rows[0]", {"rows": [5]}, "5", False),
    ("rows[0]", {"rows": {}}, "a mapping of 0, in which 0 cannot be looked for", None),
    ("a[*].error", {"a": [{}, {}]}, "nothing", True),
    ("a[*].error", {"a": [{}, {"error": 1}]}, "1", False),
    ("a[*].error", {"a": [{"error": 1}, {"error": 2}]}, "[1, 2]", False),
    ("a[*].error", {"a": []}, "no elements", None),
    ("$..error", {"a": [{"b": 1}]}, "nothing", True),
    ("$..error", {"a": [{"error": 1}]}, "1", False),
    ("rows[?@.x].bad", {"rows": [{"y": 1}]}, "nothing", True),
    ("a.b[?@.bad]", {"c": 1}, "nothing: a is missing", None),
    ("a.b[?@.bad]", {"a": {}}, "nothing: a.b is missing", None),
    ("a.b[?@.bad]", {"a": {"b": [{"bad": 1}, {"bad": 2}]}}, "[{bad: 1}, {bad: 2}]", False),
]


@pytest.mark.parametrize(("path", "facts", "found", "met"), ABSENT)
def test_absence_is_told_only_where_the_way_to_it_is_there(path: str, facts: Any, found: str, met: bool | None) -> None:
    """`absent: true` holds if the last step selects nothing; if its parent is not there either, nobody knows."""
    (check,) = judge({path: {"absent": True}}, facts).checks
    assert (check.wanted, check.found, check.met) == ("absent", found, met)


REFUSED: list[tuple[Any, tuple[Any, ...], str]] = [
    ({}, (), "expect is empty: it would always hold"),
    ([], (), "expect must be a mapping of paths"),
    ({1: 2}, (1,), "a path must be text"),
    ({"": 1}, ("",), '"" is no JSONPath: expected a shorthand selector'),
    ({"x[": 1}, ("x[",), "x[ is no JSONPath: unexpected end of query"),
    ({"a[?@.b =~ /x/]": {"len": 1}}, ("a[?@.b =~ /x/]",), "a[?@.b =~ /x/] is no JSONPath: unexpected token '='"),
    (
        {"a.1b": 1},
        ("a.1b",),
        'a.1b is no JSONPath: expected a shorthand selector; a name that begins with a digit is written ["1b"]',
    ),
    (
        {"a[?match(@.b,'x')]": {"len": 1}},
        ("a[?match(@.b,'x')]",),
        "a[?match(@.b,'x')] is no JSONPath: function 'match' is not defined",
    ),
    (
        {"a[?@.b == 9007199254740993]": {"len": 1}},
        ("a[?@.b == 9007199254740993]",),
        "a[?@.b == 9007199254740993] holds a number of more than 15 digits, which a path cannot compare exactly",
    ),
    ({"x": {}}, ("x",), "no operator: an empty mapping expects nothing and would always hold"),
    ({"x": {"lte": 1}}, ("x", "lte"), "unknown operator lte - did you mean 'le'?"),
    ({"x": {"matchs": "a"}}, ("x", "matchs"), "unknown operator matchs - did you mean 'matches'?"),
    ({"x": {"alow_empty": True}}, ("x", "alow_empty"), "unknown operator alow_empty - did you mean 'allow_empty'?"),
    ({"x": {"regex": "a"}}, ("x", "regex"), "unknown operator regex - did you mean 'matches'?"),
    ({"x": {"len": {">=": 1}}}, ("x", "len", ">="), "unknown operator >= - did you mean 'ge'?"),
    ({"x": {"zzz": 1}}, ("x", "zzz"), f"unknown operator zzz; operators are {', '.join(MAKERS)}"),
    ({"x": {1: 1}}, ("x", 1), f"unknown operator 1; operators are {', '.join(MAKERS)}"),
    ({"x": 0.5}, ("x",), "eq: 0.5 is a float, which is not exact: write it as text or Decimal"),
    ({"x": [[0.5]]}, ("x",), "eq: 0.5 is a float, which is not exact: write it as text or Decimal"),
    ({"x": {"eq": {"a": 0.5}}}, ("x", "eq"), "eq: 0.5 is a float, which is not exact: write it as text or Decimal"),
    ({"x": D("NaN")}, ("x",), "eq: NaN cannot be compared"),
    ({"x": NOW}, ("x",), "eq: must be JSON-like, not a datetime, which is not JSON-like"),
    ({"x": {"lt": True}}, ("x", "lt"), "lt: must be a number, not true"),
    ({"x": {"lt": None}}, ("x", "lt"), "lt: must be a number, not null"),
    ({"x": {"lt": "5s"}}, ("x", "lt"), 'lt: must be a number, not "5s"'),
    ({"x": {"lt": "NaN"}}, ("x", "lt"), "lt: must be a number, not NaN"),
    ({"x": {"lt": D("Infinity")}}, ("x", "lt"), "lt: Infinity cannot be compared"),
    ({"x": {"lt": 0.5}}, ("x", "lt"), "lt: 0.5 is a float, which is not exact: write it as text or Decimal"),
    ({"x": {"between": 5}}, ("x", "between"), "between: must be a list of two: [low, high]"),
    ({"x": {"between": [1]}}, ("x", "between"), "between: must be a list of two: [low, high]"),
    ({"x": {"between": [1, 2, 3]}}, ("x", "between"), "between: must be a list of two: [low, high]"),
    (
        {"x": {"between": [2, 1]}},
        ("x", "between"),
        "between: the first bound must not be above the second: nothing is between 2 and 1",
    ),
    ({"x": {"in": []}}, ("x", "in"), "in: must be a list with at least one element"),
    ({"x": {"in": "abc"}}, ("x", "in"), "in: must be a list with at least one element"),
    ({"x": {"not_in": {}}}, ("x", "not_in"), "not_in: must be a list with at least one element"),
    ({"x": {"matches": 5}}, ("x", "matches"), "matches: must be a regular expression, as text"),
    (
        {"x": {"matches": "("}},
        ("x", "matches"),
        "matches: is no regular expression: missing ), unterminated subpattern at position 0",
    ),
    ({"x": {"matches": "[[a]"}}, ("x", "matches"), "matches: is no regular expression: Possible nested set at position 1"),
    ({"x": {"matches": ".*"}}, ("x", "matches"), "matches: is satisfied by an empty text, so it holds of everything"),
    ({"x": {"matches": ""}}, ("x", "matches"), "matches: is satisfied by an empty text, so it holds of everything"),
    ({"x": {"matches": "a" * 1001}}, ("x", "matches"), "matches: is longer than 1000 characters"),
    ({"x": {"contains": []}}, ("x", "contains"), "contains: must name something: everything contains nothing"),
    ({"x": {"contains": ""}}, ("x", "contains"), "contains: must name something: everything contains nothing"),
    ({"x": {"not_contains": ["a", ""]}}, ("x", "not_contains"), "not_contains: must name something: everything contains nothing"),
    ({"x": {"starts_with": ""}}, ("x", "starts_with"), "starts_with: must be a text that is not empty"),
    ({"x": {"ends_with": 5}}, ("x", "ends_with"), "ends_with: must be a text that is not empty"),
    ({"x": {"len": -1}}, ("x", "len"), "len: must be a whole number from 0, not -1"),
    ({"x": {"len": D("1.5")}}, ("x", "len"), "len: must be a whole number from 0, not 1.5"),
    ({"x": {"len": "1"}}, ("x", "len"), 'len: must be a whole number from 0, not "1"'),
    ({"x": {"len": True}}, ("x", "len"), "len: must be a whole number from 0, not true"),
    ({"x": {"len": D("1E+99")}}, ("x", "len"), "len: must be a whole number from 0, not 1E+99"),
    ({"x": {"len": {"ge": 0}}}, ("x", "len"), "len: every length is at least 0, so this always holds"),
    ({"x": {"len": {"in": []}}}, ("x", "len", "in"), "len in: must be a list with at least one element"),
    ({"x": {"len": {}}}, ("x", "len"), "len: must hold an operator: eq, ne, lt, le, gt, ge, between, in, not_in"),
    ({"x": {"len": {"leq": 1}}}, ("x", "len", "leq"), "unknown operator leq - did you mean 'le'?"),
    (
        {"x": {"sum": {"matches": "a"}}},
        ("x", "sum", "matches"),
        "unknown operator matches; below sum there can be eq, ne, lt, le, gt, ge, between, in, not_in",
    ),
    ({"x": {"sum": {"lt": True}}}, ("x", "sum", "lt"), "sum lt: must be a number, not true"),
    ({"x": {"sum": "a"}}, ("x", "sum"), "sum: must be a number, not a"),
    ({"x": {"max": {"gt": 1, "lt": 1}}}, ("x", "max"), "max: nothing can be within these bounds"),
    ({"x": {"gt": 5, "lt": "5"}}, ("x",), "nothing can be within these bounds"),
    ({"x": {"ge": 6, "le": 5}}, ("x",), "nothing can be within these bounds"),
    ({"x": {"all": {}}}, ("x", "all"), "no operator: an empty mapping expects nothing and would always hold"),
    ({"x": {"all": {"lt": True}}}, ("x", "all", "lt"), "lt: must be a number, not true"),
    ({"x": {"none": {"foo": 1}}}, ("x", "none", "foo"), f"unknown operator foo; operators are {', '.join(MAKERS)}"),
    (
        {"x": {"all": {"absent": True}}},
        ("x", "all"),
        "all: an element is always there: ask `absent: true` of the path of what is not",
    ),
    (
        {"x": {"allow_empty": True}},
        ("x", "allow_empty"),
        "allow_empty: has a meaning only beside all, none, not_contains, sum, unique",
    ),
    (
        {"x": {"any": 1, "allow_empty": True}},
        ("x", "allow_empty"),
        "allow_empty: has a meaning only beside all, none, not_contains, sum, unique",
    ),
    ({"x": {"all": 1, "allow_empty": False}}, ("x", "allow_empty"), "allow_empty: can only be true; leave it out otherwise"),
    ({"x": {"unique": False}}, ("x", "unique"), "unique: can only be true"),
    ({"x": {"age": "60s"}}, ("x", "age"), "age: must be operators over durations, such as {lt: 60s}"),
    ({"x": {"age": {}}}, ("x", "age"), "age: must hold an operator: eq, ne, lt, le, gt, ge, between, in, not_in"),
    ({"x": {"age": {"future": "1h"}}}, ("x", "age"), "age: must hold an operator: eq, ne, lt, le, gt, ge, between, in, not_in"),
    ({"x": {"age": {"lt": 60}}}, ("x", "age", "lt"), "age lt: must be a duration with its unit, such as 30s or 12h, not 60"),
    (
        {"x": {"age": {"lt": "60"}}},
        ("x", "age", "lt"),
        "age lt: '60' is not a duration: write a number with ms, s, m, h or d, such as 500ms, 10s or 12h",
    ),
    (
        {"x": {"age": {"lt": "1s", "future": 5}}},
        ("x", "age", "future"),
        "age future: must be a duration with its unit, such as 30s or 12h, not 5",
    ),
    (
        {"x": {"absent": False}},
        ("x", "absent"),
        "absent: can only be true; every other operator already wants the path to be there",
    ),
    (
        {"x": {"absent": True, "eq": 1}},
        ("x", "absent"),
        "absent: true cannot stand beside another operator: what is absent has no value",
    ),
    ({"x[*]": {"absent": True}}, ("x[*]", "absent"), "absent: the path must end in a name or an index; of a list ask `len: 0`"),
    ({"$": {"absent": True}}, ("$", "absent"), "absent: the path must end in a name or an index; of a list ask `len: 0`"),
    (
        {"x": {"is": "strin"}},
        ("x", "is"),
        "is: must be one of string, number, integer, boolean, list, mapping, null - did you mean 'string'?",
    ),
    ({"x": {"is": 5}}, ("x", "is"), "is: must be one of string, number, integer, boolean, list, mapping, null"),
    ({"x": {"is": []}}, ("x", "is"), "is: must be one of string, number, integer, boolean, list, mapping, null"),
    ({"x[*]": 1}, ("x[*]",), "x[*] can select several values: ask `all`, `any` or `none` of them"),
    ({"x[*]": {"in": [1]}}, ("x[*]", "in"), "x[*] can select several values: ask `all`, `any` or `none` of them"),
    ({"x[*]": {"lt": 1}}, ("x[*]", "lt"), "x[*] can select several values: ask `all`, `any` or `none` of them"),
    ({"x[?@.a]": {"eq": 1}}, ("x[?@.a]", "eq"), "x[?@.a] can select several values: ask `all`, `any` or `none` of them"),
    ({"x..y": {"matches": "a"}}, ("x..y", "matches"), "x..y can select several values: ask `all`, `any` or `none` of them"),
    ({"x": {"version": ""}}, ("x", "version"), 'version: must be a version specifier as text, such as ">=3.11" or ">=2,<3"'),
    ({"x": {"version": 3}}, ("x", "version"), 'version: must be a version specifier as text, such as ">=3.11" or ">=2,<3"'),
    ({"x": {"version": "3.11"}}, ("x", "version"), "version: is no version specifier of PEP 440: Invalid specifier: '3.11'"),
]


@pytest.mark.parametrize(("raw", "at", "message"), REFUSED)
def test_what_says_nothing_or_cannot_be_meant_is_refused(raw: Any, at: tuple[Any, ...], message: str) -> None:
    """A fault is told when the list is loaded, with the keys that lead to it and what to write instead."""
    assert faults(raw) == [(at, message)]


def test_all_faults_are_told_at_once() -> None:
    """One edit mends them all: faults of several paths and operators come together, and the error says them all."""
    raw = {"a": {"ltt": 1, "lt": True, "in": []}, "b": {}, "c[": 1, "d": {"all": {"lt": None, "zz": 1}}}
    told = faults(raw)
    assert [at for at, _ in told] == [
        ("a", "ltt"),
        ("a", "lt"),
        ("a", "in"),
        ("b",),
        ("c[",),
        ("d", "all", "lt"),
        ("d", "all", "zz"),
    ]
    with pytest.raises(ExpectationFaults) as caught:
        compile_expectation(raw)
    assert caught.value.message == "; ".join(text for _, text in told)


def test_words_of_other_tools_are_led_to_ours() -> None:
    """Whoever writes `gte`, `regex` or `!=` is told the operator that means it, and none of ours is taken for a foreign word."""
    assert set(operators.FOREIGN.values()) <= set(MAKERS)
    assert not set(operators.FOREIGN) & set(MAKERS)
    for word, ours in operators.FOREIGN.items():
        assert message({"x": {word: 1}}) == f"unknown operator {values.shown(word)} - did you mean {ours!r}?"


def test_allow_empty_helps_only_the_operators_that_can_have_it() -> None:
    """Beside `all`, which may be over nothing, the largest of nothing is still an error."""
    judgement = judge({"x": {"all": 1, "max": 1, "allow_empty": True}}, {"x": []})
    assert [(check.found, check.met) for check in judgement.checks] == [("0 elements", True), ("no elements", None)]


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+x",
        "(a*)*x",
        "(?:ab|cd)+x",
        "(?:a|aa){2,}x",
        "(a+x?){17,}",
        "(?:(?:a{2,3}))*x",
        "(?=(a+)+)x",
        "(a)?(?:(?(1)a|b))+x",
        "(?>(a+)+)x",
        "(?:(?:a+){2})+x",
        "(?:a+){5}x",
        "y(?:x|(?:a+)+)z",
        "(a)?(?(1)(?:b+)+|c)d",
    ],
)
def test_a_pattern_that_can_take_for_ever_is_refused(pattern: str) -> None:
    """A repeat or a choice inside a repeat is refused when the list is loaded, wherever it hides."""
    expected = "matches: has a repeat inside a repeat, or a choice, which can take for ever: write it with one repeat"
    assert message({"x": {"matches": pattern}}) == expected


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"\d{1,3}(?:\.\d{1,3}){3}", "10.0.0.1"),
        (r"^(?:ok|fine)$", "fine"),
        (r"\d+ of \d+ threads", "4 of 4 threads"),
        (r"(?:ab)+c", "ababc"),
        (r"(?:a{2})+c", "aaaac"),
        (r"(?i)ready|up", "UP"),
        (r"(?:\d{1,3},){0,4}x", "1,22,x"),
        (r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", "00:1a:2b:3c:4d:5e"),
        (r"(?=.*up)(ready)", "ready, up"),
        ("(a)?(?(1)b)c", "abc"),
        ("a" * 1000, "a" * 1000),
    ],
)
def test_a_harmless_pattern_is_accepted(pattern: str, text: str) -> None:
    """Choices, fixed counts and repeats beside each other stay allowed."""
    assert line({"matches": pattern}, text).met is True


def test_a_text_too_long_to_search_is_an_error() -> None:
    """Half a search is no search: a text over the limit is undecidable, one at the limit is searched."""
    assert line({"matches": "x"}, "a" * (patterns.MAX_SEARCHED - 1) + "x").met is True
    check = line({"not_matches": "x"}, "a" * (patterns.MAX_SEARCHED + 1))
    assert (check.met, check.found) == (None, "a text of 20001 characters, of which only 20000 can be searched")


def test_an_error_outweighs_a_failure_and_a_failure_a_pass() -> None:
    """One line that could not be told makes the whole an error, whatever the others say and wherever they stand."""
    passed, failed, error = {"a": 1}, {"b": 2}, {"c": 3}
    facts = {"a": 1, "b": 1}
    assert judge(passed, facts).outcome is Outcome.PASSED
    assert judge(passed | failed, facts).outcome is Outcome.FAILED
    assert judge(failed | passed, facts).outcome is Outcome.FAILED
    assert judge(failed | error | passed, facts).outcome is Outcome.ERROR
    assert judge(error | failed, facts).outcome is Outcome.ERROR


def test_no_line_at_all_is_an_error() -> None:
    """An expectation without a rule, which the compiler refuses, would still not pass."""
    assert Expectation(rules=()).judge({"a": 1}, NOW) == Judgement(outcome=Outcome.ERROR, checks=())


def test_every_operator_gives_one_line_in_the_order_written() -> None:
    """All operators of a path are told, also those after one that does not hold."""
    judgement = judge({"x": {"lt": 1, "gt": 0, "ne": 7}, "y": 5}, {"x": 7, "y": 5})
    assert [(check.path, check.wanted, check.met) for check in judgement.checks] == [
        ("x", "less than 1", False),
        ("x", "more than 0", True),
        ("x", "not 7", False),
        ("y", "= 5", True),
    ]
    assert judgement.reason == "x: wanted less than 1, found 7"


PATHS = [
    ("a.b", "$.a.b"),
    ("body.my-key", "$['body']['my-key']"),
    ('headers["x-id"]', "headers['x-id']"),
    ("rows[0].id", "$.rows[0].id"),
    ('it["it\'s"]', "it['it\\'s']"),
    ("é.ü", "$.é.ü"),
    ("$", "$"),
]


@pytest.mark.parametrize(("short", "long"), PATHS)
def test_one_place_can_be_written_in_several_ways(short: str, long: str) -> None:
    """The leading `$.` may be left out, and a dash may stand in a plain name."""
    facts = {"a": {"b": 1}, "body": {"my-key": 1}, "headers": {"x-id": 1}, "rows": [{"id": 1}], "é": {"ü": 1}, "it": {"it's": 1}}
    one, other = grammar.compile_path(short), grammar.compile_path(long)
    assert one.select(facts) == other.select(facts)
    assert one.select(facts) == (facts if short == "$" else 1)
    assert not one.many


def test_an_index_may_count_from_the_end() -> None:
    """`[-1]` is the last element."""
    assert judge({"rows[-1]": 3, "rows[-3]": 1}, {"rows": [1, 2, 3]}).outcome is Outcome.PASSED


def test_only_paths_that_need_the_engine_import_it() -> None:
    """Names, indexes and wildcards never import jsonpath, and no expectation imports pydantic, yaml or pytest."""
    code = (
        "import sys, datetime\n"
        "from pytest_golive.expect import compile_expectation as c\n"
        "e = c({'a.b': 1, 'rows[*].x': {'all': 1}, 'rows[0]': {'len': 1}})\n"
        "e.judge({'a': {'b': 1}, 'rows': [{'x': 1}]}, datetime.datetime.now(datetime.UTC))\n"
        "print([m for m in ('jsonpath', 'yaml', 'pydantic', 'pytest') if m in sys.modules])\n"
        "c({'rows[?@.x]': {'len': 1}})\n"
        "print('jsonpath' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "True"]


def test_what_was_found_is_one_short_printable_line() -> None:
    """A long or hostile text is cut, says how much was cut, and carries no control characters."""
    check = line("x", "\x1b[31m" + "a" * 1000 + "\n")
    assert check.found == "\\x1b[31m" + "a" * 152 + "… (849 more characters)"
    assert line("x", "a" * 200).found == "a" * 200
    assert line("x", "a" * 201).found == "a" * 160 + "… (41 more characters)"
    assert line([0], list(range(10_000))).found.endswith("… 9958 more]")
    assert line({"contains": "x"}, ["\x1b" * 300] * 9).found.isprintable()
    assert len(line({"eq": {"a": 1}}, {"k" * 5000: "v" * 5000}).found) <= 420
    assert line(0, 10**5000).found == "a whole number of 16610 bits"
    assert line(0, 10**99).found == str(10**99)
    many = ["m" * 150 + str(n) for n in range(9)]
    whole = f'no {", ".join(many)} in ""'
    assert line({"contains": many}, "").found == f"{whole[:360]}… ({len(whole) - 360} more characters)"
    fitting = ["m" * 150, "n" * 150, "o" * 84]
    assert line({"contains": fitting}, "").found == f'no {", ".join(fitting)} in ""'
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    assert line([1], deep).found == "[[[[a list of 1]]]]"
    assert line([1], {"a": {"b": {"c": {"d": {"e": 1}}}}}).found == "a mapping of 1"
    assert line({"eq": {}}, {"a": {"b": {"c": {"d": {"e": 1}}}}}).found == "{a: {b: {c: {d: a mapping of 1}}}}"
    assert line({"unique": True}, [deep]).found == "something nested too deeply to be compared"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", '""'),
        ("5", '"5"'),
        ("true", '"true"'),
        ("NULL", '"NULL"'),
        (" a", '" a"'),
        ("a ", '"a "'),
        ("a b", "a b"),
        ("[a]", '"[a]"'),
        ("a: b", '"a: b"'),
    ],
)
def test_a_text_that_could_be_read_as_something_else_is_quoted(value: str, text: str) -> None:
    """What is shown tells the text 5 from the number 5."""
    assert values.shown(value) == text


def test_facts_may_be_any_mapping() -> None:
    """Facts that are wrapped are read like plain ones."""
    facts = MappingProxyType({"a": MappingProxyType({"b": (1, 2)})})
    assert judge({"a.b": [1, 2], "a": {"len": 1}, "a.b[*]": {"sum": 3}, "a.c": {"absent": True}}, facts).outcome is Outcome.PASSED


def test_a_clock_without_a_zone_is_an_error() -> None:
    """An age against a naive clock is undecidable instead of an hour wrong."""
    (check,) = compile_expectation({"x": {"age": {"lt": "1h"}}}).judge({"x": 0}, datetime(2026, 1, 1)).checks  # noqa: DTZ001
    assert (check.found, check.met) == ("our clock without a time zone", None)


def test_an_expectation_tells_what_it_wants() -> None:
    """Paths, operators with their arguments and parts, and a line in words for each are there to be read, and frozen."""
    expectation = compile_expectation({"a.b": {"len": {"ge": 1}}, "rows[*].x": {"all": {"in": [1, 2]}, "unique": True}})
    assert expectation.paths == ("a.b", "rows[*].x")
    assert expectation.describe() == (
        "a.b: length at least 1",
        "rows[*].x: each element: one of 1, 2",
        "rows[*].x: no element twice",
    )
    first, second = expectation.rules
    assert (first.path.keys, first.path.many, first.operators[0].word) == (("a", "b"), False, "len")
    assert (second.path.keys, second.path.many) == (None, True)
    assert second.operators[0].parts[0].argument == (1, 2)
    with pytest.raises(TypeError):
        first.operators[0].argument["ge"] = 0
    with pytest.raises(AttributeError):
        first.operators[0].wanted = "nothing"  # type: ignore[misc]


def test_the_same_rule_in_other_types_is_another_rule() -> None:
    """What is remembered between items never mixes 1 with true or a word with itself as an operator."""
    assert judge({"x": 1}, {"x": 1}).outcome is Outcome.PASSED
    assert judge({"x": True}, {"x": 1}).outcome is Outcome.FAILED
    assert judge({"x": {"eq": True}}, {"x": True}).outcome is Outcome.PASSED
    assert judge({"x": {"eq": 1}}, {"x": True}).outcome is Outcome.FAILED
    assert faults({"x": {"lt": True}}) == [(("x", "lt"), "lt: must be a number, not true")]
    assert judge({"x": {"lt": 1}}, {"x": 0}).outcome is Outcome.PASSED
    assert faults({"x": {"ge": 5, "le": 4, "ne": "a"}}) == [(("x",), "nothing can be within these bounds")]


def test_the_schema_accepts_what_the_compiler_accepts() -> None:
    """Every expectation of the tables above fits the JSON Schema, and the commonest slips do not."""
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.check_schema(SCHEMA)

    def plain(value: Any) -> Any:
        return json.loads(json.dumps(value, default=float))

    for argument, *_ in [*HOLDS, *FAILS, *UNDECIDABLE]:
        assert validator.is_valid({"x": plain(argument)}), argument
    assert set(MAKERS) | {"allow_empty"} == set(SCHEMA["$defs"]["operators"]["anyOf"][1]["properties"])
    for slip in (
        {},
        {"x": {}},
        {"x": {"lte": 1}},
        {"x": {"lt": True}},
        {"x": {"in": []}},
        {"x": {"age": {"lt": 60}}},
        {"x": {"absent": False}},
    ):
        assert not validator.is_valid(slip), slip


@pytest.mark.parametrize("pattern", ["^$", "a?", r"\Z"])
def test_a_pattern_that_the_empty_text_satisfies_is_refused(pattern: str) -> None:
    """Also one that no longer text would satisfy: an answer that came back empty is no answer."""
    assert message({"x": {"matches": pattern}}) == "matches: is satisfied by an empty text, so it holds of everything"


def test_what_is_absent_is_told_under_its_path() -> None:
    """The line of an absence names the path, whether it is absent, there, or its parent is missing."""
    for facts in ({"a": {}}, {"a": {"b": 1}}, {}):
        (check,) = judge({"a.b": {"absent": True}}, facts).checks
        assert check.path == "a.b"


def test_faults_say_what_to_do() -> None:
    """Whoever reads them in a terminal is told to mend them all."""
    with pytest.raises(ExpectationFaults) as caught:
        compile_expectation({})
    assert caught.value.hint == "mend each line that is named"
