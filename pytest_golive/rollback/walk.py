"""Walking a plan: ask, do, look, write down; one step after the other, and no step after one that was not seen to be done.

A journal that cannot be written does not keep the way back from being walked: it is told, and whoever walks ticks it on paper.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, final

from pytest_golive import bounded, events
from pytest_golive.errors import JournalError
from pytest_golive.journal import Journal
from pytest_golive.rollback import story as stories
from pytest_golive.rollback.plan import Plan, Step
from pytest_golive.rollback.story import BEGUN, DONE, FAILED, Story

Agree = Callable[[Step, int], bool]
"""Asked before each step; for a manual step also whether it has been done."""

Check = Callable[[str], str]
"""From an item's id to why it does not pass; empty if it does."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Walker:
    """Everything that a walk needs of the world: where and as whom it walks, how it asks, tells and looks."""

    plan: Plan
    journal: Journal
    operator: str
    folder: Path
    environ: Mapping[str, str]
    agree: Agree
    tell: Callable[[str], None]
    check: Check
    now: Callable[[], datetime]
    clean: Callable[[str], str] = field(default=lambda text: text)

    def begin(self, reason: str) -> Story:
        """Begin a rollback; what was open before is left behind."""
        story = Story(id=secrets.token_hex(8), began=self.now(), operator=self.operator, reason=reason, steps={})
        detail = {"rollback": story.id, "operator": story.operator, "reason": reason, "plan": self.plan.title}
        self._note(events.ROLLBACK_BEGUN, {**detail, "steps": [step.id for step in self.plan.steps]})
        return story

    def go_on(self, story: Story, *, only: Step | None = None) -> bool:
        """Walk every step that is not done, or `only` that one; whether all that were to be done are."""
        for number, step in enumerate(self.plan.steps, 1):
            if (only is None and story.done(step.digest)) or only not in (None, step):
                continue
            if not self._do(story, step, number):
                return False
        return True

    def is_over(self, story: Story) -> bool:
        """Whether every step is done."""
        return all(story.done(step.digest) for step in self.plan.steps)

    def end(self, story: Story, impact: str) -> str:
        """Write down that it is over, and give the line for the table of history."""
        ended = self.now()
        line = stories.row(began=story.began, ended=ended, trigger=story.reason, impact=impact, resolved_by=self.operator)
        seconds = int((ended - story.began).total_seconds())
        detail: dict[str, Any] = {"rollback": story.id, "began": story.began, "seconds": seconds, "operator": self.operator}
        self._note(events.ROLLED_BACK, {**detail, "reason": story.reason, "impact": impact})
        return line

    def _do(self, story: Story, step: Step, number: int) -> bool:
        if not self.agree(step, number):
            self.tell(f"step {number} was not done; the next golive rollback goes on from here")
            return False
        trouble = ""
        if step.run:
            # a step whose end was never written down is done again: better twice than not at all
            self._step(story, step, number, BEGUN)
            trouble = self._run(step)
        trouble = trouble or self._verified(step)
        if trouble:
            self._step(story, step, number, FAILED, trouble)
            self.tell(f"step {number} is NOT done: {trouble}")
            return False
        self._step(story, step, number, DONE)
        self.tell(f"step {number} is done{' and verified' if step.verify else ', by the word of ' + self.operator}")
        return True

    def _run(self, step: Step) -> str:
        ended = bounded.run(step.run, folder=self.folder, environ=self.environ, seconds=step.timeout)
        for line in [line for line in self.clean(ended.said).splitlines() if line.strip()][-8:]:
            self.tell(f"  {line}")
        return "" if ended.good else ended.trouble or f"the command ended with {ended.exit}"

    def _verified(self, step: Step) -> str:
        if step.verify is None:
            return ""
        if step.verify.item:
            why = self.check(step.verify.item)
            return f"{step.verify.item}: {why}" if why else ""
        ended = bounded.run(step.verify.command, folder=self.folder, environ=self.environ, seconds=step.timeout)
        said = [line for line in self.clean(ended.said).splitlines() if line.strip()]
        if ended.good:
            return ""
        return f"its verification says no ({ended.trouble or f'exit {ended.exit}'}){f': {said[-1]}' if said else ''}"

    def _step(self, story: Story, step: Step, number: int, state: str, trouble: str = "") -> None:
        story.steps[step.digest] = state
        detail = {"rollback": story.id, "step": number, "id": step.id, "digest": step.digest, "state": state}
        how = step.verify.item or "command" if step.verify else "a person's word"
        self._note(events.ROLLBACK_STEP, {**detail, "operator": self.operator, "verified_by": how, "trouble": trouble})

    def _note(self, event: str, detail: Mapping[str, Any]) -> None:
        try:
            self.journal.append(event, detail, self.now())
        except JournalError as error:
            self.tell(f"this could not be written down, so tick it on paper: {error.message}")


def story_of(journal: Journal, tell: Callable[[str], None]) -> Story | None:
    """The rollback that is open by the journal; a journal that cannot be read is told, and knows of none."""
    with contextlib.suppress(JournalError):
        return stories.open_one(journal.entries())
    tell("the journal cannot be read, so every step is asked for: leave out on paper what is done already")
    return None
