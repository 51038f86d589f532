"""The evidence drill breaks every operator that can be broken, and names those that cannot."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pytest_golive.drill import Proof, prove
from pytest_golive.drill.samples import sample
from pytest_golive.expect import compile_expectation
from pytest_golive.expect.operators import MAKERS

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FACTS: Mapping[str, Any] = {
    "number": Decimal("0.20"),
    "count": 7,
    "text": "all is well",
    "version": "3.11.7",
    "yes": True,
    "none": None,
    "at": (NOW - timedelta(seconds=20)).isoformat(),
    "rows": [{"id": 1, "state": "closed", "profit": Decimal(5)}, {"id": 2, "state": "closed", "profit": Decimal(-2)}],
    "names": ["coinbase", "kraken"],
    "empty": [],
    "body": {"state": "healthy", "deep": {"er": 1}},
}

SOUND: Mapping[str, Mapping[str, Any]] = {
    "eq": {"text": "all is well", "yes": True, "none": None, "names": ["coinbase", "kraken"], "body.state": {"eq": "healthy"}},
    "ne": {"text": {"ne": "bad"}, "count": {"ne": 0}},
    "lt": {"number": {"lt": "0.21"}},
    "le": {"number": {"le": "0.20"}},
    "gt": {"count": {"gt": 6}},
    "ge": {"count": {"ge": 7}},
    "between": {"count": {"between": [7, 7]}},
    "in": {"text": {"in": ["all is well", "fine"]}, "count": {"in": [7, 8]}},
    "not_in": {"text": {"not_in": ["bad", "worse"]}},
    "matches": {"text": {"matches": "^all is (well|fine)$"}},
    "not_matches": {"text": {"not_matches": r"(?i)error|trace\w+|\bfail(ed|ure)?\b"}},
    "contains": {"names": {"contains": ["kraken"]}, "text": {"contains": "well"}},
    "not_contains": {"names": {"not_contains": "mtgox"}, "text": {"not_contains": "ill"}},
    "starts_with": {"text": {"starts_with": "all"}},
    "ends_with": {"text": {"ends_with": "well"}},
    "is": {"text": {"is": "string"}, "names": {"is": "list"}, "none": {"is": "null"}},
    "len": {"rows": {"len": 2}, "names": {"len": {"ge": 1, "le": 40}}, "empty": {"len": 0}},
    "sum": {"rows[*].profit": {"sum": {"ge": 3}}},
    "min": {"rows[*].profit": {"min": {"ge": -2}}},
    "max": {"rows[*].profit": {"max": {"lt": 100}}},
    "all": {"rows[*].state": {"all": "closed"}, "rows[*].profit": {"all": {"between": [-10, 10]}}},
    "any": {"rows[*].profit": {"any": {"gt": 0}}},
    "none": {"rows[*].state": {"none": {"matches": "^open"}}, "names": {"none": {"in": ["mtgox"]}}},
    "unique": {"rows[*].id": {"unique": True}},
    "age": {"at": {"age": {"lt": "60s", "gt": "1s"}}},
    "absent": {"error": {"absent": True}, "body.error": {"absent": True}, "body.deep.other": {"absent": True}},
    "version": {"version": {"version": ">=3.11"}},
}  # fmt: skip


def drilled(raw: Mapping[str, Any], facts: Mapping[str, Any] = FACTS) -> Proof:
    return prove(compile_expectation(raw), facts, NOW)


@pytest.mark.parametrize("word", sorted(MAKERS))
def test_every_operator_can_be_broken(word: str) -> None:
    """For each operator that there is, a sound expectation is broken by a change that the drill finds by itself."""
    proof = drilled(SOUND[word])
    assert proof.holds, proof
    assert all(line.broken_by for line in proof.lines)


@pytest.mark.parametrize(
    "raw",
    [
        {"text": {"not_matches": "(?!)"}},
        {"names": {"len": {"lt": 10**9}}},
        {"version": {"version": ">=0"}},
    ],
)
def test_what_always_holds_is_named(raw: Mapping[str, Any]) -> None:
    """An operator that holds for every value of the kind it reads is told, with its path."""
    proof = drilled(raw)
    assert not proof.holds
    assert [line.path for line in proof.unbroken] == list(raw)


@pytest.mark.parametrize("age", [{"gt": "30d"}, {"lt": "60d"}, {"gt": "30d", "lt": "60d"}])
def test_an_age_in_seconds_since_1970_is_passed_on_both_sides(age: Mapping[str, str]) -> None:
    """A moment that is told as a number is made younger and older than its bounds, alone and in a list."""
    moment = int((NOW - timedelta(days=45)).timestamp())
    assert drilled({"at": {"age": age}}, {"at": moment}).holds
    assert drilled({"rows[*].at": {"all": {"age": age}}}, {"rows": [{"at": moment}, {"at": moment}]}).holds
    assert drilled({"rows[*].at": {"all": {"age": age}, "allow_empty": True}}, {"rows": []}).holds


def test_what_cannot_be_read_breaks_nothing() -> None:
    """That an operator refuses garbage is no proof that it can fail: what broke it is a value of the kind it reads."""
    (line,) = drilled({"version": {"version": ">=3.11"}}).lines
    assert line.broken_by == '"0.0.1"'


def test_sound_lines_beside_an_unsound_one_are_told_apart() -> None:
    """Only the operator that proves nothing is named, not those beside it."""
    proof = drilled({"count": 7, "text": {"starts_with": "all", "not_matches": "(?!)"}})
    assert [(line.path, line.wanted) for line in proof.unbroken] == [("text", "no match of /(?!)/")]


def test_a_path_that_may_vanish_unnoticed_is_named() -> None:
    """If a fact can be missing and the verdict stays, the drill says so."""

    class Careless:
        rules = compile_expectation({"count": 7}).rules

        def judge(self, facts: Any, now: datetime) -> Any:
            return compile_expectation({"text": "all is well"}).judge(facts, now)

    careless: Any = Careless()
    assert prove(careless, FACTS, NOW).unnoticed == ("count (count)",)


def test_only_what_passes_can_be_drilled() -> None:
    """What is red already would be broken by anything, so it is refused."""
    with pytest.raises(ValueError, match="passes"):
        drilled({"count": 8})


@pytest.mark.parametrize(
    "pattern",
    ["ERROR|Traceback", r"^\d{4}-\d\d", r"[^a-z]x", r"(?i)a(b|c)*d+", r"\bword\b", r"\s\S\w\W\D", "x{3,5}?", "[A-F0-9]{2}", "^$"],
)
def test_a_sample_is_found_by_its_pattern(pattern: str) -> None:
    """The text made for a pattern is one in which it is found."""
    import re

    assert re.search(pattern, sample(pattern))


def test_a_pattern_that_nothing_matches_has_no_sample() -> None:
    """A look-around that excludes everything is told, not guessed."""
    with pytest.raises(ValueError, match="no text"):
        sample("(?!)")
