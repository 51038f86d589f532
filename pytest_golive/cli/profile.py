"""`golive profile`: the ladder of capital profiles, and how far the next one is."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pytest_golive import checklist, closing, ladder, watching
from pytest_golive.cli.shared import load_settings, redacted
from pytest_golive.cli.words import printable, say
from pytest_golive.config import Settings
from pytest_golive.journal import Journal
from pytest_golive.ladder import ORDER, Past, Rung
from pytest_golive.model import Item, Outcome, Ruling
from pytest_golive.redaction import Redactor
from pytest_golive.trial import Surroundings


def arguments(parser: argparse.ArgumentParser) -> None:
    """It needs none."""


def run(options: argparse.Namespace) -> int:
    """Exit status 0 if the next profile has been earned, or there is none; 1 if not yet."""
    settings = load_settings(options, probing=True)
    allowed, declared = settings.allowed_profiles, settings.profiles
    say(f"Profiles of {printable(settings.target.name)}, {settings.environment}")
    for profile in ORDER:
        rung = declared.get(profile)
        words = [*(["allowed"] if profile in allowed else []), *(["the default"] if profile == settings.default_profile else [])]
        capital = printable(rung.capital) if rung and rung.capital else ""
        say(f"  {profile:<7} {capital:<24} {', '.join(words) or 'not allowed'}")
    following = [profile for profile in ORDER if ORDER.index(profile) > ladder.highest(allowed)]
    if not following:
        say("\nThe largest profile is allowed already.")
        return 0
    found = ladder.rungs(declared, following[:1])
    if not found or not found[0].needs:
        say(f"\nNothing says what {following[0]} stands on: name its criteria under profiles.{following[0]}.needs")
        return 1
    earned = _told(settings, found[0])
    say("")
    if not earned:
        say(f"Not yet: {following[0]} has not been earned.")
        return 1
    say(f"Next: set allowed_profiles: [{', '.join((*allowed, following[0]))}] and run pytest --golive;")
    say("      let the quorum approve its page, then golive activate REPORT")
    return 0


def _told(settings: Settings, rung: Rung) -> bool:
    """Say how far this rung is, criterion by criterion; whether all of it is there."""
    now = datetime.now(UTC)
    say(f"\n{rung.profile} stands on:")
    before = ladder.past(Journal(settings.resolve(settings.journal)).entries(), now, settings.environment)
    early = ladder.too_early(rung, before)
    rulings = _rulings(settings, rung)
    for ruling in rulings:
        found = f": {' '.join(ruling.finding.reason.split())}" if ruling.finding.reason else ""
        say(f"  {ruling.finding.outcome.value.upper():<8} {ruling.item.title}  [{ruling.item.id}]{printable(redacted(found))}")
    for line in _history(rung, before):
        say(f"  {line}")
    if early:
        say(f"  {'NOT YET':<8} {early}")
    if not rulings:
        say(f"  ERROR    no item answers {', '.join(rung.needs)}")
    return bool(rulings) and not early and all(ruling.finding.outcome is Outcome.PASSED for ruling in rulings)


def _rulings(settings: Settings, rung: Rung) -> Sequence[Ruling]:
    paths = checklist.find(settings.checklists, settings.root, settings.path.name)
    lists = ladder.gated(checklist.load(paths, root=Path.cwd(), **settings.variables), [rung])
    items: tuple[Item, ...] = tuple(item for one in lists for item in one.items)
    criteria = ladder.answering(items, rung)
    surroundings = Surroundings(
        root=settings.root,
        environ=os.environ,
        now=lambda: datetime.now(UTC),
        redactor=Redactor.from_environment(os.environ),
        allow_acting=settings.target.allow_acting,
        witnesses=settings.witnesses,
        activated=closing.activated(settings),
    )
    return watching.look(items, criteria, surroundings).rulings if criteria else ()


def _history(rung: Rung, before: Past) -> Sequence[str]:
    day = timedelta(days=1)
    lines = []
    if rung.live_for:
        lines.append(f"{'LIVE':<8} {before.live / day:.1f} of {rung.live_for / day:.1f} days of permitted trading")
    if rung.calm_for:
        since = "no stop so far" if before.calm is None else f"{before.calm / day:.1f} days since the last stop"
        lines.append(f"{'CALM':<8} {since}; {rung.calm_for / day:.1f} are needed")
    return lines
