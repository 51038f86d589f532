"""PAPER or LIVE, and which client that means.

Two variables must say the same: TRADING_MODE=LIVE and ENABLE_PAPER_TRADING=False. One that is missing, misspelt or of another
opinion means PAPER, and so does the word of an operator who went back to paper. LIVE is never the answer to a doubt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar, final

from examples.desk.routing.books import LIVE, PAPER

Client = TypeVar("Client")

_PAPER_WORDS = {"True": True, "False": False}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """The mode and what it follows from; `reason` says why it is not LIVE, empty if it is."""

    mode: str
    trading_mode: str | None
    enable_paper_trading: str | None
    agreed: bool
    forced: bool
    reason: str


def mode_of(environ: Mapping[str, str], *, forced: bool = False) -> Mode:
    """The mode that these variables mean; `forced` is an operator's word that it is PAPER whatever they say."""
    told, paper = environ.get("TRADING_MODE"), environ.get("ENABLE_PAPER_TRADING")
    wanted = _PAPER_WORDS.get(paper or "")
    agreed = told in (PAPER, LIVE) and wanted is (told == PAPER)
    reason = ""
    if forced:
        reason = "an operator went back to PAPER; a restart with live settings ends that"
    elif not agreed:
        reason = f"TRADING_MODE={told or '(unset)'} and ENABLE_PAPER_TRADING={paper or '(unset)'} do not both say LIVE"
    elif told == PAPER:
        reason = "TRADING_MODE is PAPER"
    return Mode(
        mode=PAPER if reason else LIVE,
        trading_mode=told,
        enable_paper_trading=paper,
        agreed=agreed,
        forced=forced,
        reason=reason,
    )


@final
class ModeOrchestrator(Generic[Client]):
    """Hands out the one client that fits the mode."""

    def __init__(self, *, live: Client, paper: Client) -> None:
        self._live = live
        self._paper = paper

    def client(self, mode: Mode) -> Client:
        """The live client for LIVE; for PAPER, and for anything else, the paper client."""
        if mode.mode == LIVE:
            return self._live
        return self._paper
