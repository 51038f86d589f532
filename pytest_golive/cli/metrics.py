"""`golive metrics`: the standing of the release for Prometheus, as a file that node_exporter picks up, or on the terminal."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from pytest_golive import telemetry
from pytest_golive.cli.shared import load_settings, trusted_keys
from pytest_golive.errors import Misuse
from pytest_golive.guard import state


def arguments(parser: argparse.ArgumentParser) -> None:
    """Where to write it."""
    parser.add_argument(
        "--textfile", metavar="PATH", help="a file ending in .prom in node_exporter's folder (default: the terminal)"
    )


def run(options: argparse.Namespace) -> int:
    """Exit status 0 if everything could be told, 1 if the journal is broken; what could be told is written all the same."""
    settings = load_settings(options)
    seen = telemetry.observe(settings, os.environ, trusted_keys(settings), datetime.now(UTC))
    text = telemetry.render(seen)
    if options.textfile is None:
        sys.stdout.write(text.decode("utf-8"))
    else:
        path = Path(options.textfile).absolute()
        if path.suffix != ".prom":
            raise Misuse(f"{path.name} does not end in .prom", hint="node_exporter reads no other files")
        # others read it: no secret is in it, and a reader sees the old file or the new one
        state.replace_file(str(path), text, 0o644, durable=False)
    if seen.trouble:
        print(f"golive metrics: {seen.trouble}", file=sys.stderr)
        return 1
    return 0
