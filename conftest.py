"""The gate's target when no other is named: the embedded trading desk, started here and stopped with the session.

A `golive.yaml` in this directory, or `--golive-config`, replaces it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from examples.desk.errors import DeskError
from examples.desk.launch import DEFAULT_HOME, PAST, Desk, home_of, launch

_desk_key: pytest.StashKey[Desk] = pytest.StashKey()


@pytest.hookimpl(optionalhook=True)
def pytest_golive_settings(config: pytest.Config) -> Path:
    """Start a fresh desk and bind the gate to it."""
    from examples.desk.people import attend
    from pytest_golive.signing.keys import session_key
    from pytest_golive.signing.trusted import session_key_path

    home = home_of(os.environ)
    try:
        desk = launch(home, {**os.environ, PAST: "traded"}, keys=[session_key(session_key_path(os.environ)).public.line])
    except DeskError as error:
        raise pytest.UsageError(f"the embedded desk does not start: {error}") from None
    config.stash[_desk_key] = desk
    config.add_cleanup(desk.stop)
    os.environ.update(_variables(desk))
    attend(home / "golive.yaml", os.environ)
    return home / "golive.yaml"


def _variables(desk: Desk) -> Mapping[str, str]:
    """What the desk's golive.yaml asks of the environment."""
    reports = DEFAULT_HOME.parent if desk.home == DEFAULT_HOME else desk.home / "reports"
    return {**desk.variables, **desk.tokens, "DESK_PYTHON": sys.executable, "DESK_REPORTS": str(reports)}
