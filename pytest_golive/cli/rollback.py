"""`golive rollback`: walk the way back, step by step; it goes on where it stopped."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, final

from pytest_golive.cli.shared import journal_of, load_settings, operator_of, redacted
from pytest_golive.cli.words import icon, printable, say
from pytest_golive.errors import GoliveError, Misuse

if TYPE_CHECKING:
    from pytest_golive.config import Settings
    from pytest_golive.rollback.plan import Plan, Step
    from pytest_golive.rollback.story import Story
    from pytest_golive.rollback.walk import Walker

UNTOLD = "not told yet"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Why, which step, and how much to ask."""
    parser.add_argument("--reason", default="", help="what made it necessary; needed to begin one, kept in journal and history")
    parser.add_argument("--impact", default="", help=f"what it cost, for the history table (default: {UNTOLD})")
    parser.add_argument("--operator", metavar="NAME", help="who walks it (default: $GOLIVE_OPERATOR, or the login)")
    parser.add_argument("--step", type=int, metavar="N", help="only this step, even if it was done before")
    parser.add_argument("--anew", action="store_true", help="begin a new one, although another is open")
    parser.add_argument("--list", action="store_true", help="show the steps and how far it came; do nothing")
    parser.add_argument("--dry-run", action="store_true", help="show each command that would be run; do nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask before steps that the plan calls safe (danger: false)")


def run(options: argparse.Namespace) -> int:
    """Exit status 0 if every step that was asked for is done and verified."""
    from pytest_golive.rollback import plan as plans
    from pytest_golive.rollback import walk

    settings = load_settings(options, probing=True)
    operator, reason = operator_of(options), redacted(options.reason).strip()
    with journal_of(settings) as journal:
        story = walk.story_of(journal, _tell)
        plan = plans.read(
            settings.resolve(settings.rollback),
            {**settings.target.variables, **_own(settings, operator, story.reason if story and not options.anew else reason)},
            root=settings.root,
        )
        only = _only(plan, options.step)
        if options.list or options.dry_run:
            return _shown(plan, story, only, commands=options.dry_run)
        asking = _Asking(total=len(plan.steps), yes=options.yes)
        walker = walk.Walker(
            plan=plan,
            journal=journal,
            operator=operator,
            folder=settings.root,
            environ=os.environ,
            agree=asking.agree,
            tell=_tell,
            check=lambda item: _passes(options, settings, item),
            now=lambda: datetime.now(UTC),
            clean=redacted,
        )
        if story is None or options.anew:
            if not reason:
                raise Misuse("a rollback that begins needs its reason", hint="golive rollback --reason '...'")
            story = walker.begin(reason)
            say(f"{icon('⏪ ')}ROLLBACK: {plan.title}")
        else:
            say(f"{icon('⏪ ')}ROLLBACK goes on: {_begun(story)}")
        if not walker.go_on(story, only=only):
            return 1
        if only is not None and not walker.is_over(story):
            return 0
        return _end(walker, story, options.impact)


def _own(settings: Settings, operator: str, reason: str) -> dict[str, str]:
    """The variables that every plan has besides those of the target."""
    return {
        "golive_python": sys.executable,
        "golive_config": str(settings.path),
        "golive_root": str(settings.root),
        "operator": operator,
        "reason": reason or "rollback",
    }


def _only(plan: Plan, number: int | None) -> Step | None:
    if number is None:
        return None
    try:
        return plan.step(number)
    except LookupError as error:
        raise Misuse(str(error), hint="golive rollback --list") from None


def _shown(plan: Plan, story: Story | None, only: Step | None, *, commands: bool) -> int:
    say(plan.title)
    if story is None:
        say("No rollback is open.")
    else:
        say(f"Open: {_begun(story)}")
    for number, step in enumerate(plan.steps, 1):
        if only not in (None, step):
            continue
        state = story.steps.get(step.digest, "open") if story else "open"
        say(f"  {number}. [{state}] {step.title}")
        for line in _lines(step) if commands else ():
            say(f"       {line}")
    return 0


def _begun(story: Story) -> str:
    return printable(f"begun {story.began.isoformat(timespec='seconds')} by {story.operator}: {story.reason}")


def _lines(step: Step) -> list[str]:
    """What a person reads before saying yes."""
    lines = [f"why     {step.why}"]
    if step.run:
        lines += [f"does    {step.does}", f"runs    {_line(step.run)}"]
    else:
        lines.append(f"by hand {step.manual}")
    if step.verify:
        lines.append(f"then    {f'the item {step.verify.item} must pass' if step.verify.item else _line(step.verify.command)}")
    return [printable(redacted(line)) for line in lines]


def _line(words: list[str]) -> str:
    return shlex.join(words)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Asking:
    """Asks before each step; with `yes` not before those that the plan calls safe."""

    total: int
    yes: bool

    def agree(self, step: Step, number: int) -> bool:
        say(f"\nStep {number} of {self.total}: {step.title}")
        for line in _lines(step):
            say(f"  {line}")
        if self.yes and not step.danger and (step.run or step.verify):
            return True
        question = "Run it?" if step.run else "Is this done?"
        if not sys.stdin.isatty():
            told = "this step needs a person at a terminal" if step.danger or self.yes else "add --yes, or walk it at a terminal"
            print(f"golive rollback: {question} {told}", file=sys.stderr)
            return False
        try:
            return input(f"{question} Type 'yes' to go on: ").strip().lower() == "yes"
        except EOFError:
            return False


def _passes(options: argparse.Namespace, settings: Settings, wanted: str) -> str:
    """Why the item does not pass; empty if it does. The gate looks at it alone, and touches no marker."""
    from pathlib import Path

    from pytest_golive import checklist
    from pytest_golive.cli.running import run_gate

    try:
        paths = checklist.find(settings.checklists, settings.root, settings.path.name)
        lists = checklist.load(paths, root=Path.cwd(), **settings.variables)
        # by its node and not by -k, which would run every item whose name has this one in it
        items = {
            item.id: (one.path, item) for one in lists for item in one.items if wanted in (item.id, item.id.partition("[")[0])
        }
        if not items:
            return "no list declares this item"
        phases = sorted({item.phase.value for _, item in items.values()})
        words = [word for phase in phases for word in ("--golive-phase", phase)]
        summary = run_gate(options, ["--golive-no-marker", *words, *(f"{path}::{name}" for name, (path, _) in items.items())])
    except GoliveError as error:
        return f"the gate could not look: {error.message}"
    outcomes = {one["id"]: one for one in summary["items"]}
    missing = [f"{name} was not looked at" for name in items if name not in outcomes]
    seen = [outcomes[name] for name in items if name in outcomes]
    return "; ".join(
        [*missing, *(f"{one['outcome']}: {one['reason'] or one['found']}" for one in seen if one["outcome"] != "passed")]
    )


def _end(walker: Walker, story: Story, impact: str) -> int:
    from pytest_golive.rollback import story as stories

    line = walker.end(story, redacted(impact).strip() or UNTOLD)
    say(f"\n{icon('✅ ')}THE ROLLBACK IS OVER: every step is done.")
    history = walker.plan.history
    if history is None:
        say(f"The plan names no history file; its line is:\n{line}")
        return 0
    try:
        stories.enter(history, line)
    except (OSError, UnicodeError) as error:
        print(
            f"golive rollback: {history} could not be changed ({error}); put this line into its table:\n{line}", file=sys.stderr
        )
        return 1
    say(f"{history} has its line.")
    return 0


def _tell(text: str) -> None:
    say(printable(text))
