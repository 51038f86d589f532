"""`golive status`: which mode the service is in, what its switches say, whether a marker and a stop file are there."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_golive import stopping
from pytest_golive.cli.shared import load_settings, redacted, stop_lines, trusted_keys
from pytest_golive.cli.words import icon, mode_icon, printable, say

if TYPE_CHECKING:
    from pytest_golive.config import Settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """It needs none."""


def run(options: argparse.Namespace) -> int:
    """Tell what is; exit status 0 whatever it is."""
    from pytest_golive import standing

    settings = load_settings(options)
    keys = trusted_keys(settings)
    seen = standing.look(settings, os.environ, keys)
    say(f"{icon('📊 ')}{printable(settings.target.name.upper())} TRADING MODE STATUS")
    say(f"Current Mode: {mode_icon(seen.mode)}{seen.mode}")
    say("")
    say("Environment Settings:")
    for name, value in seen.switches:
        say(f"  {name}: {printable(redacted(value))}")
    for path, present in seen.stops:
        say(f"  Emergency Stop File: {'PRESENT' if present else 'Not present'} ({path})")
        stop = stopping.look(Path(path)) if present else None
        for line in stop_lines(stop) if stop else ():
            say(f"    stopped {line}")
    say("")
    say(f"Marker: {seen.marker}")
    broken = standing.marker(settings, keys)
    if broken is not None and broken.break_glass:
        say(f"GLASS BROKEN by {', '.join(broken.approved_by)}: no run passed, and it ends at {broken.expires.isoformat()}")
        say(f"  because {printable(redacted(broken.break_glass))}")
    why = f" - {printable(redacted(seen.reason))}" if seen.reason else ""
    say(f"Real trading: {'PERMITTED' if seen.permitted else 'BLOCKED'}{why}")
    for line in _waivers(settings):
        say(f"Waiver: {line}")
    return 0


def _waivers(settings: Settings) -> Iterator[str]:
    """Each waiver in the folder, by what is signed alone: whether its item still asks the same, a run will see."""
    if not settings.resolve(settings.waivers).exists():
        return
    from datetime import UTC, datetime

    from pytest_golive import waiving

    held = waiving.look(settings, None, datetime.now(UTC))
    for one in held.granted:
        yield printable(f"{one.item}, until {one.until.isoformat()}, by {', '.join(one.approved_by)}: {redacted(one.reason)}")
    for none in held.idle:
        yield printable(f"{none.item}: {redacted(none.why)}")
