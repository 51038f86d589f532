"""`golive schema`: the JSON Schema of checklist files, for editors."""

from __future__ import annotations

import argparse
import json

from pytest_golive.checklist.schema import schema
from pytest_golive.cli.words import say


def arguments(parser: argparse.ArgumentParser) -> None:
    """It needs none."""


def run(_options: argparse.Namespace) -> int:
    """Print the schema."""
    say(json.dumps(schema(), indent=1, sort_keys=True))
    return 0
