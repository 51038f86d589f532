"""`golive status`: which mode the service is in, what its switches say, whether a marker and a stop file are there."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from pytest_golive import stopping
from pytest_golive.cli.shared import load_settings, stop_lines, trusted_keys
from pytest_golive.cli.words import icon, mode_icon, say


def arguments(parser: argparse.ArgumentParser) -> None:
    """It needs none."""


def run(options: argparse.Namespace) -> int:
    """Tell what is; exit status 0 whatever it is."""
    from pytest_golive import standing

    settings = load_settings(options)
    seen = standing.look(settings, os.environ, trusted_keys(settings))
    say(f"{icon('📊 ')}{settings.target.name.upper()} TRADING MODE STATUS")
    say(f"Current Mode: {mode_icon(seen.mode)}{seen.mode}")
    say("")
    say("Environment Settings:")
    for name, value in seen.switches:
        say(f"  {name}: {value}")
    for path, present in seen.stops:
        say(f"  Emergency Stop File: {'PRESENT' if present else 'Not present'} ({path})")
        stop = stopping.look(Path(path)) if present else None
        for line in stop_lines(stop) if stop else ():
            say(f"    stopped {line}")
    say("")
    say(f"Marker: {seen.marker}")
    say(f"Real trading: {'PERMITTED' if seen.permitted else 'BLOCKED'}{f' - {seen.reason}' if seen.reason else ''}")
    return 0
