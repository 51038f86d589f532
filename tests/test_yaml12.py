"""The reader of YAML: one meaning for every text, and a place for every fault."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_golive import yaml12
from pytest_golive.errors import Fault, FaultyFile


def faults_of(text: str | bytes) -> list[str]:
    faults: list[Fault] = []
    yaml12.parse(text, "x.yaml", faults)
    return [str(fault) for fault in faults]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("12:30", "12:30"),
        ("2021-07-07", "2021-07-07"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("7", 7),
        ("-7", -7),
        ("0o17", 15),
        ("0xff", 255),
        ("'7'", "7"),
        ('"true"', "true"),
        ("1_000", "1_000"),
        ("1.2.3", "1.2.3"),
        ("-", None),
    ],
)
def test_scalars_follow_yaml_1_2(written: str, meant: object) -> None:
    """A scalar means what YAML 1.2 says, so that `no` is a word and a time of day is a text."""
    value = yaml12.load(f"a: {written}" if written != "-" else "a:", "x.yaml")["a"]
    assert value == meant
    assert type(value) is type(meant)


@pytest.mark.parametrize("written", ["0.20", "1e3", "-.5", "2.", "1.50"])
def test_fractions_are_exact(written: str) -> None:
    """A fraction is a Decimal with the digits that were written, never a binary float."""
    value = yaml12.load(f"a: {written}", "x.yaml")["a"]
    assert isinstance(value, Decimal)
    assert value == Decimal(written)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 1\nb: 2\na: 3", "x.yaml:3:1: the key 'a' stands here a second time; the first is in line 1"),
        ("a: &x 1\nb: *x", "x.yaml:2:4: the alias *x is not allowed: write the value out"),
        ("a: !!str 1", "x.yaml:1:4: the tag tag:yaml.org,2002:str is not allowed: values are plain YAML"),
        ("a: !!python/object:os.system x", "values are plain YAML"),
        ("mode: 0644", "x.yaml:1:7: 0644 is octal to some readers and decimal to others: write it in quotes"),
        ("a: .inf", ".inf is not a number that can be compared"),
        ("a: .nan", ".nan is not a number that can be compared"),
        ("? [a]\n: 1", "a key must be plain text"),
        ("a: 1\n---\nb: 2", "a second document in one file"),
        ("a: [1, 2\nb: 3", "not YAML"),
        ("a: 1\n\tb: 2", "not YAML"),
        ("[" * 50 + "]" * 50, "nested deeper than 40 levels"),
        ("a: " + "x" * 1_000_001, "more than 1000000 are not read"),
        (b"a: \xff", "x.yaml:1:1: not UTF-8"),
        ("a: \x00", "not YAML"),
    ],
)
def test_what_is_refused(text: str | bytes, fault: str) -> None:
    """What two readers could read differently is refused, with the place where it stands."""
    told = faults_of(text)
    assert any(fault in one for one in told), told


def test_all_faults_are_told_at_once() -> None:
    """A file with several faults tells all of them, in the order of its lines."""
    with pytest.raises(FaultyFile) as caught:
        yaml12.load("a: 1\na: 2\nb: 0644\nc: *x\n".replace("*x", "!!int 3"), "x.yaml")
    assert [fault.line for fault in caught.value.faults] == [2, 3, 4]


def test_values_know_where_they_stand() -> None:
    """The place of any part of a value can be told, and of the nearest part if it has none of its own."""
    value = yaml12.load("items:\n- id: a\n  expect: {status: 200,\n           body: x}\n", "x.yaml")
    assert yaml12.spot_of(value, ("items", 0, "expect", "body")) == (4, 12)
    assert yaml12.spot_of(value, ("items", 0, "expect", "missing")) == (3, 3)
    assert yaml12.spot_of(value, ("items", 7)) == (1, 1)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text("abc ", max_size=5), lambda inner: st.lists(inner, max_size=4)
    )
)
def test_json_is_read_as_itself(value: object) -> None:
    """Any JSON value is read as that value, since JSON is YAML 1.2."""
    import json

    assert yaml12.load(json.dumps({"a": value}), "x.yaml") == {"a": value}


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text makes the reader raise anything but its own fault."""
    try:
        yaml12.load(text, "x.yaml")
    except FaultyFile as faulty:
        assert faulty.faults
