"""all_of: parts that ran and passed."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pytest_golive import probes
from pytest_golive.errors import ProbeError
from pytest_golive.model import Outcome
from pytest_golive.probes.all_of import AllOf


def _whole(*items: str) -> AllOf:
    return AllOf.model_validate({"items": list(items)})


def test_parts_are_counted_by_what_was_seen() -> None:
    """Of each part its outcome is told; failed ones ran, errors and blocked ones did not come to an end."""
    facts = _whole("a", "b", "c").facts({"a": Outcome.PASSED, "b": Outcome.FAILED, "c": Outcome.ERROR})
    assert facts == {
        "parts": [{"item": "a", "outcome": "passed"}, {"item": "b", "outcome": "failed"}, {"item": "c", "outcome": "error"}],
        "of": 3,
        "ran": 2,
        "passed": 1,
        "open": ["b", "c"],
    }


def test_a_part_nobody_looked_at_has_not_run() -> None:
    """A part without a finding counts, as not run."""
    facts = _whole("a", "gone").facts({"a": Outcome.PASSED})
    assert facts["of"] == 2
    assert facts["passed"] == 1
    assert facts["parts"][1] == {"item": "gone", "outcome": "not-run"}


def test_instances_of_a_part_count_one_by_one() -> None:
    """A part with for_each is as many parts as it has instances, and a similar name is none of them."""
    seen = {"b[x]": Outcome.PASSED, "b[y]": Outcome.FAILED, "bb": Outcome.PASSED}
    facts = _whole("b").facts(seen)
    assert (facts["of"], facts["passed"], facts["open"]) == (2, 1, ["b[y]"])


@pytest.mark.parametrize(("items", "words"), [([], "at least 1"), (["a", "a"], "twice"), ([" "], "empty")])
def test_a_list_that_says_nothing_is_refused(items: list[str], words: str) -> None:
    """No part, a part twice and an empty name are faults of the checklist."""
    with pytest.raises(ValidationError, match=words):
        AllOf.model_validate({"items": items})


def test_it_cannot_be_asked_by_itself(look: Any) -> None:
    """Asked like a probe it is an error, never a pass."""
    with pytest.raises(ProbeError, match="nothing to look at"):
        look("all_of", items=["a"])


def test_the_trial_finds_its_parts() -> None:
    """The door tells the parts of an all_of, and of nothing else, and composes its facts."""
    assert probes.parts(_whole("a", "b")) == ("a", "b")
    assert probes.parts(probes.kind("env").model_validate({"name": "X"})) == ()
    assert probes.composed(_whole("a"), {"a": Outcome.PASSED})["passed"] == 1
