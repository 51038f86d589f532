"""The one door: whatever a probe does, evidence or a worded error comes out."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from pytest_golive import probes
from pytest_golive.errors import MissingExtra, ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.probes.base import ProbeModel


class Told(ProbeModel):
    """A probe that tells what the test wants."""

    word = "told"
    facts: Any
    owned: str = ""

    def look(self, context: Context) -> Facts:
        if isinstance(self.facts, BaseException):
            raise self.facts
        return self.facts

    def secrets(self, context: Context) -> Iterable[str]:
        return (self.owned,)


def _observed(look: Any, facts: Any, owned: str = "") -> Facts:
    return probes.observe(Told(facts=facts, owned=owned), look.context(), look.redactor).facts


@pytest.mark.parametrize("word", sorted(probes.KINDS))
def test_each_kind_is_a_model_with_a_manual(word: str) -> None:
    """Every kind is one class whose docstring shows its YAML and lists its facts, and which refuses an unknown key."""
    cls = probes.kind(word)
    assert cls.word == word
    manual = inspect.getdoc(cls) or ""
    assert f"```yaml\n{word}:" in manual
    assert "expect:" in manual
    assert "Facts:" in manual
    with pytest.raises(ValidationError, match="Extra inputs"):
        cls.model_validate({"no_such_key": 1})


def test_an_unknown_kind_is_a_key_error() -> None:
    """A word that is no kind is a KeyError, so that the loader can say what was meant."""
    with pytest.raises(KeyError):
        probes.kind("htpp")


def test_naming_the_kinds_imports_none_of_them() -> None:
    """The table of kinds costs no client library."""
    code = (
        "import sys, pytest_golive.probes; print([m for m in ('pydantic', 'requests', 'sqlalchemy', 'yaml') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (None, "NoneType instead of facts"),
        ({}, "told nothing"),
        ([1], "list instead of facts"),
        ({"a": {"b": [1.5]}}, "'a.b' is a float"),
        ({"a": Decimal("NaN")}, "NaN"),
        ({"a": object()}, "is a object"),
        ({"a": datetime(2026, 1, 1, tzinfo=UTC)}, "datetime"),
        ({"a": {1: "x"}}, "name that is not text"),
        ({1: "x"}, "name that is not text"),
        ({"a": b"x"}, "bytes"),
        ({"small": "x", "big": "x" * 1_000_001}, "'big'"),
        ({"small": "x" * 600_000, "big": "x" * 700_000}, "largest is 'big'"),
    ],
)
def test_what_is_no_evidence_is_an_error(look: Any, facts: Any, words: str) -> None:
    """Nothing, no mapping, floats, things that are not JSON-like and floods are errors that name the fact."""
    with pytest.raises(ProbeError) as caught:
        _observed(look, facts)
    assert words in caught.value.message
    assert caught.value.hint


def test_nesting_without_end_is_an_error(look: Any) -> None:
    """Facts that are nested too deeply are refused instead of breaking whoever reads them."""
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    with pytest.raises(ProbeError, match="levels"):
        _observed(look, {"deep": deep})


def test_facts_are_plain_and_whole(look: Any) -> None:
    """What is JSON-like comes out unchanged, tuples as lists, and half characters as question marks that every page can show."""
    facts = {"t": (1, True, None), "d": Decimal("0.10"), "m": {"k": ["ä"]}, "half": "\ud800!"}
    assert _observed(look, facts) == {"t": [1, True, None], "d": Decimal("0.10"), "m": {"k": ["ä"]}, "half": "?!"}


@pytest.mark.parametrize("error", [ValueError("boom"), SystemExit(0), RecursionError("deep"), AssertionError("no")])
def test_a_broken_probe_is_an_error_of_the_item(look: Any, error: BaseException) -> None:
    """Whatever a probe raises, SystemExit too, is a ProbeError that names the kind and asks for a report."""
    with pytest.raises(ProbeError, match="probe kind told broke") as caught:
        _observed(look, error)
    assert "report" in caught.value.hint
    assert type(error).__name__ in caught.value.message


def test_a_skip_is_an_error_and_not_a_skip(look: Any) -> None:
    """A probe that calls pytest.skip has seen nothing, and says so."""
    with pytest.raises(ProbeError, match="broke"):
        _observed(look, pytest.skip.Exception("offline"))


def test_ctrl_c_goes_through(look: Any) -> None:
    """An interruption by the user is not swallowed."""
    with pytest.raises(KeyboardInterrupt):
        _observed(look, KeyboardInterrupt())


def test_a_secret_of_the_probe_leaves_neither_by_facts_nor_by_errors(look: Any) -> None:
    """A value that the probe itself used is redacted in facts, in their names, in messages and in hints."""
    secret = "kZ81-hunter-Q"
    told = _observed(look, {"text": f"you sent {secret}!", "list": [secret]}, owned=secret)
    assert secret not in repr(told)
    for error in (ProbeError(f"bad {secret}", hint=f"not {secret}"), ValueError(f"bad {secret}")):
        with pytest.raises(ProbeError) as caught:
            _observed(look, error, owned=secret)
        assert secret not in caught.value.message + caught.value.hint
        assert caught.value.__cause__ is None


def test_a_missing_extra_stays_one(look: Any) -> None:
    """The install line of a missing client library reaches the reader as it is."""
    with pytest.raises(MissingExtra) as caught:
        _observed(look, MissingExtra("SQLAlchemy", "sql"))
    assert "pytest-golive[sql]" in caught.value.hint


def test_no_time_left_is_an_error(look: Any) -> None:
    """A probe that is asked after its deadline is not asked at all."""
    with pytest.raises(ProbeError, match="no time was left"):
        probes.observe(Told(facts={"a": 1}), look.context(0), look.redactor)


def test_facts_that_come_too_late_are_an_error(look: Any) -> None:
    """Facts told clearly after the deadline are not believed, whoever told them."""

    class Late(Told):
        def look(self, context: Context) -> Facts:
            object.__setattr__(context, "deadline", context.deadline - 100)
            return {"a": 1}

    with pytest.raises(ProbeError, match="after the deadline"):
        probes.observe(Late(facts=0), look.context(50), look.redactor)


def test_the_time_of_the_look_is_kept(look: Any) -> None:
    """Evidence says when the look began, by the clock that was handed in, and how long it took."""
    evidence = probes.observe(Told(facts={"a": 1}), look.context(), look.redactor)
    assert evidence.began.isoformat() == "2026-11-21T10:00:00+00:00"
    assert 0 <= evidence.seconds < 5


def test_every_listed_module_exists() -> None:
    """Each entry of the table names a module and a class in it."""
    for target in probes.KINDS.values():
        module, _, name = target.partition(":")
        assert hasattr(importlib.import_module(module), name)
