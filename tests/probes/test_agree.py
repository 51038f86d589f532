"""agree: sources that say the same, that only seem to, and that say nothing."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pytest_golive import probes
from pytest_golive.errors import ProbeError
from pytest_golive.shape import fit
from pytest_golive.yaml12 import load


def file(path: str, value: str = "value.x") -> dict[str, Any]:
    return {"file": {"path": path, "format": "json"}, "value": value}


@pytest.fixture
def say(look: Any, tmp_path: Path) -> Any:
    """Asks two files, each of which says one value, whether they agree."""

    def ask(one: Any, other: Any, **fields: Any) -> Any:
        for name, value in (("a", one), ("b", other)):
            (tmp_path / name).write_text(json.dumps({"x": value}))
        return look("agree", sources={"a": file("a"), "b": file("b")}, **fields)

    return ask


def test_two_kinds_can_say_the_same(look: Any, lie: Any, tmp_path: Path) -> None:
    """A value of an endpoint and one of a file are shown side by side."""
    (tmp_path / ".env").write_text("TRADING_MODE=PAPER\n")
    api = {"http": {"url": lie(b'{"mode": "PAPER"}').url}, "value": "body.mode"}
    switch = {"dotenv": {"path": ".env", "name": "TRADING_MODE"}, "value": "value"}
    assert look("agree", sources={"api": api, "switch": switch}) == {"values": {"api": "PAPER", "switch": "PAPER"}, "distinct": 1}


@pytest.mark.parametrize(
    ("one", "other", "distinct"),
    [("LIVE", "LIVE", 1), ("LIVE", "live", 2), (1, "1", 2), (1, True, 2), (1, 1, 1), (False, False, 1)],
)
def test_only_the_same_is_the_same(say: Any, one: Any, other: Any, distinct: int) -> None:
    """Case and type count, unless it is said that they do not."""
    facts = say(one, other)
    assert facts["distinct"] == distinct
    assert facts["values"] == {"a": one, "b": other}


def test_case_and_type_can_be_left_out(say: Any) -> None:
    """`ignore_case` and `as` make equal what is written differently; numbers of one value are one."""
    assert say("Live", "LIVE", ignore_case=True)["distinct"] == 1
    assert say("0.20", 0, as_="decimal")["distinct"] == 2
    assert say("true", True, as_="boolean")["distinct"] == 1
    facts = say("5", 5, as_="integer")
    assert (facts["distinct"], facts["values"]) == (1, {"a": 5, "b": 5})
    with pytest.raises(ProbeError, match="the source 'a' says the text \"five\", which is no integer"):
        say("five", 5, as_="integer")
    with pytest.raises(ProbeError, match="which is no decimal"):
        say(True, 5, as_="decimal")


@pytest.mark.parametrize(
    ("one", "other", "difference", "spread"),
    [(100, 99, "1", "0.01"), (0, 0, "0", "0"), (-100, 100, "200", "2"), (3, 2, "1", "0.333333333333"), (0, 5, "5", "1")],
)
def test_numbers_have_a_spread(say: Any, one: int, other: int, difference: str, spread: str) -> None:
    """The relative difference is exact, over the largest amount, and 0 only if there is none."""
    facts = say(one, other)
    assert (facts["difference"], facts["spread"]) == (Decimal(difference), Decimal(spread))


def test_texts_have_no_spread(say: Any) -> None:
    """There is nothing to expect of the spread of something that is no number."""
    assert "spread" not in say("1", 1)
    assert "spread" not in say(True, 1)


def test_a_map_gives_words_a_meaning(look: Any, tmp_path: Path) -> None:
    """DRY_RUN=true and mode PAPER are the same; a word that nobody thought of is an error."""
    (tmp_path / "a").write_text('{"x": "PAPER"}')
    (tmp_path / "b").write_text('{"x": true}')
    switch = file("b") | {"map": {"true": "PAPER", "false": "LIVE"}}
    assert look("agree", sources={"mode": file("a"), "switch": switch})["distinct"] == 1
    (tmp_path / "b").write_text('{"x": "maybe"}')
    with pytest.raises(ProbeError, match="the source 'switch' says 'maybe', which is none of: true, false"):
        look("agree", sources={"mode": file("a"), "switch": switch})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "the source 'b' has no value.x: nothing: value is missing"),
        ("{", "the source 'b' cannot be read: .* is not json"),
        ('{"y": 1}', "the source 'b' has no value.x: nothing: value.x is missing"),
        ('{"x": null}', "the value of the source 'b' is null"),
        ('{"x": []}', "the value of the source 'b' is a list of 0"),
    ],
)
def test_a_source_that_says_nothing_is_an_error_with_its_name(look: Any, tmp_path: Path, text: str | None, message: str) -> None:
    """It could not be checked whether they agree."""
    (tmp_path / "a").write_text('{"x": 1}')
    if text is not None:
        (tmp_path / "b").write_text(text)
    with pytest.raises(ProbeError, match=message):
        look("agree", sources={"a": file("a"), "b": file("b")})


def test_the_secret_of_a_source_is_in_no_output(look: Any, lie: Any, tmp_path: Path) -> None:
    """What a nested probe signs on with is redacted in values and messages; a value that is a secret is not compared."""
    look.environ["DESK_WORD"] = "hunter2-hunter2"
    server = lie(b'{"mode": "is hunter2-hunter2 set", "token": "f00dfeedbeef1234"}')
    api = {"http": {"url": server.url, "bearer": "DESK_WORD"}, "value": "body.mode"}
    (tmp_path / "a").write_text('{"x": "hunter2-hunter2"}')
    with pytest.raises(ProbeError, match="'api' is a secret") as caught:
        look("agree", sources={"a": file("a"), "api": api})
    assert "hunter2" not in str(caught.value)
    (tmp_path / "a").write_text('{"x": "f00dfeedbeef1234"}')
    with pytest.raises(ProbeError, match="is a secret, which is not compared") as caught:
        look("agree", sources={"a": file("a"), "api": api | {"value": "body.token"}})
    assert "f00d" not in str(caught.value)
    plain = {"http": {"url": server.url, "bearer": "DESK_WORD"}, "value": "status"}
    (tmp_path / "a").write_text('{"x": "hunter2-hunter2"}')
    assert "hunter2" not in str(look("agree", sources={"a": file("a"), "api": plain}))


def test_a_function_beside_the_checklist_can_be_a_source(tmp_path: Path, look: Any) -> None:
    """The folder of the checklist reaches nested probes."""
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "own.py").write_text("def mode():\n    return {'mode': 'PAPER'}\n")
    (tmp_path / "a").write_text('{"x": "PAPER"}')
    fields = {"sources": {"a": file("a"), "f": {"python": {"call": "own:mode"}, "value": "mode"}}}
    probe = probes.bound(probes.kind("agree").model_validate(fields), folder=tmp_path / "lists", item="x")
    assert probes.observe(probe, look.context(), look.redactor).facts["distinct"] == 1


def test_equal_comparisons_look_once_and_different_ones_do_not() -> None:
    """The likeness of a comparison is that of all its sources."""

    def likeness(path: str) -> str | None:
        return probes.likeness(probes.kind("agree").model_validate({"sources": {"a": file(path), "b": file("b")}}))

    assert likeness("a") == likeness("a")
    assert likeness("a") != likeness("c")


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("{file: {path: b, formt: json}, value: x}", 4, "file.formt"),
        ("{file: {}, value: x}", 4, "file.path' is required"),
        ("{file: {path: b}}", 4, "needs a value"),
        ("{file: {path: b}, value: '['}", 4, "value:"),
        ("{fiel: {path: b}, value: x}", 4, "'fiel' is no kind"),
        ("{all_of: {items: [x]}, value: x}", 4, "'all_of' is no kind that can stand here"),
        ("{file: {path: b}, env: {name: X}, value: x}", 4, "exactly one kind"),
        ("[]", 4, "must be a mapping"),
    ],
)
def test_faults_of_a_source_are_told_with_their_line(source: str, line: int, message: str) -> None:
    """A misspelt key of a nested kind is a fault of the list, with its place."""
    raw = load(f"sources:\n  a: {{file: {{path: a}}, value: exists}}\n  b:\n    {source}\n", "f")
    told: list[tuple[tuple[int, int], str]] = []
    assert fit(probes.kind("agree"), raw, lambda spot, text: told.append((spot, text)), "agree") is None
    ((spot, text),) = told
    assert message in text
    assert spot[0] in (line, line - 1)


def test_one_source_is_no_comparison() -> None:
    """Two at least."""
    with pytest.raises(ValidationError):
        probes.kind("agree").model_validate({"sources": {"a": file("a")}})


def test_a_source_does_not_agree_with_itself() -> None:
    """The same look under two names is refused: it would always agree; another value of it is a comparison."""
    kind = probes.kind("agree")
    with pytest.raises(ValidationError, match="'a' and 'b' are the same look"):
        kind.model_validate({"sources": {"a": file("a"), "b": file("a")}})
    assert kind.model_validate({"sources": {"a": file("a"), "b": {**file("a"), "value": "value.y"}}})
