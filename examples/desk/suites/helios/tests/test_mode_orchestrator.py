"""PAPER or LIVE: only two clear words mean LIVE."""

from __future__ import annotations

import pytest

from examples.desk.routing.orchestrator import ModeOrchestrator, mode_of

LIVE = {"TRADING_MODE": "LIVE", "ENABLE_PAPER_TRADING": "False"}
PICK = ModeOrchestrator(live="valr", paper="paper")


def test_two_clear_words_mean_live() -> None:
    """LIVE and False pick the live client, and there is no reason against it."""
    mode = mode_of(LIVE)
    assert (mode.mode, mode.agreed, mode.reason, PICK.client(mode)) == ("LIVE", True, "", "valr")


def test_two_clear_words_mean_paper() -> None:
    """PAPER and True pick the paper client."""
    mode = mode_of({"TRADING_MODE": "PAPER", "ENABLE_PAPER_TRADING": "True"})
    assert (mode.mode, mode.agreed, PICK.client(mode)) == ("PAPER", True, "paper")


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"TRADING_MODE": "LIVE"},
        {"ENABLE_PAPER_TRADING": "False"},
        {**LIVE, "ENABLE_PAPER_TRADING": "True"},
        {**LIVE, "TRADING_MODE": "PAPER"},
        {**LIVE, "TRADING_MODE": "live"},
        {**LIVE, "TRADING_MODE": " LIVE"},
        {**LIVE, "ENABLE_PAPER_TRADING": "false"},
        {**LIVE, "ENABLE_PAPER_TRADING": "0"},
        {**LIVE, "TRADING_MODE": "REAL"},
    ],
)
def test_every_doubt_means_paper(environ: dict[str, str]) -> None:
    """Missing, misspelt, contradicting: the paper client, and a reason."""
    mode = mode_of(environ)
    assert (mode.mode, mode.agreed, PICK.client(mode)) == ("PAPER", False, "paper")
    assert mode.reason


def test_an_operators_word_goes_before_the_variables() -> None:
    """Forced back to PAPER, the live switches mean nothing."""
    mode = mode_of(LIVE, forced=True)
    assert (mode.mode, mode.forced, PICK.client(mode)) == ("PAPER", True, "paper")
