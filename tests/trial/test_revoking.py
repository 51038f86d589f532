"""What a person stated against what a machine found: the machine's no stands, and its silence is never agreement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_golive.errors import ProbeError
from pytest_golive.model import Context, Facts, Finding, Outcome
from pytest_golive.trial.revoking import revoked
from tests.trial.test_engine import Look, failing, item, passing, run


@dataclass
class Word(Look):
    """A statement that is believed, unless the test says otherwise, and what revokes it."""

    revoked_by: tuple[str, ...] = ()
    word: str = "attestation"


def stated(*by: str, doing: Callable[[Context], Facts] = passing, **more: Any) -> Any:
    from dataclasses import replace

    return replace(item("stated", doing, **more), probe=Word(doing, by), kind="attestation")


def blind(_: Context) -> Facts:
    raise ProbeError("nobody answers", hint="start it")


def test_a_machine_that_agrees_changes_nothing() -> None:
    """A believed statement passes where what could revoke it passes."""
    assert run([stated("machine"), item("machine", passing)])["stated"].outcome is Outcome.PASSED


def test_a_machine_that_contradicts_voids_the_statement() -> None:
    """The statement fails, says by what, and keeps the evidence of what was signed."""
    found = run([stated("machine"), item("machine", failing)])["stated"]
    assert found.outcome is Outcome.FAILED
    assert found.reason.startswith("void, because machine failed: ok: wanted true")
    assert found.evidence is not None
    assert [(check.path, check.met) for check in found.checks] == [("ok", True), ("revoked_by", False)]


def test_any_instance_revokes() -> None:
    """One of several instances of the revoking item is enough."""
    found = run([stated("machine"), item("machine[a]", passing), item("machine[b]", failing)])["stated"]
    assert (found.outcome, "machine[b]" in found.reason) == (Outcome.FAILED, True)


def test_what_could_not_be_checked_is_no_agreement() -> None:
    """Where the revoking item is an error, or is blocked itself, nobody knows whether the statement holds."""
    found = run([stated("machine"), item("machine", blind)])["stated"]
    assert (found.outcome, found.checks[-1].met) == (Outcome.BLOCKED, None)
    behind = run([stated("machine"), item("machine", passing, requires=("gone",)), item("gone", failing)])["stated"]
    assert behind.outcome is Outcome.BLOCKED


def test_a_revoking_item_is_looked_at_even_if_nobody_asked() -> None:
    """A selected attestation is judged together with what revokes it."""
    from pytest_golive.trial import Trial
    from tests.trial.test_engine import around

    trial = Trial([stated("machine"), item("machine", failing)], around())
    try:
        trial.begin(["stated"])
        assert trial.finding("stated").outcome is Outcome.FAILED
    finally:
        trial.close()


def test_nothing_is_signed_for_where_nobody_spoke() -> None:
    """A statement that does not pass stays what it is, if nothing contradicts it."""
    assert run([stated("machine", doing=failing), item("machine", passing)])["stated"].outcome is Outcome.FAILED
    assert run([stated("machine", doing=blind), item("machine", failing)])["stated"].outcome is Outcome.ERROR


@pytest.mark.parametrize("own", list(Outcome))
@pytest.mark.parametrize("other", [outcome for outcome in Outcome if outcome is not Outcome.PASSED])
def test_only_a_pass_leaves_a_pass(own: Outcome, other: Outcome) -> None:
    """Whatever else the revoking item is, the attestation never passes."""
    found = revoked(Finding(item="stated", outcome=own), {"machine": Finding(item="machine", outcome=other)})
    assert found.outcome not in (Outcome.PASSED, Outcome.NOT_APPLICABLE)
    if other is Outcome.FAILED:
        assert found.outcome is (Outcome.ERROR if own is Outcome.ERROR else Outcome.FAILED)


def test_time_that_is_missing_is_pending() -> None:
    """While the revoking item is only watched still, the attestation is pending; with a worse one beside it, it is blocked."""
    good = Finding(item="stated", outcome=Outcome.PASSED)
    waits, fails = Finding(item="a", outcome=Outcome.PENDING), Finding(item="b", outcome=Outcome.ERROR)
    assert revoked(good, {"a": waits}).outcome is Outcome.PENDING
    assert revoked(good, {"a": waits, "b": fails}).outcome is Outcome.BLOCKED
