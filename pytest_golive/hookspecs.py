"""The hooks that pytest-golive adds: for a project's conftest.py and for other people's plugins.

They are called inside the session only. What a plugin says here is frozen as data in what is signed; after the signature no
third-party code runs, so nothing here can change a decision that was made.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_golive.model import Decision


@pytest.hookspec(firstresult=True)
def pytest_golive_settings(config: pytest.Config) -> Path | None:
    """Name the golive.yaml of this session when neither `--golive-config` nor the root directory has one.

    Called once, in the controlling process only, while pytest is configured; a test target that must be running to be probed
    can be
    started here.

    :param config: pytest's configuration.
    :return: the path of a golive.yaml, or None to leave it to the next plugin.
    """


def pytest_golive_decided(config: pytest.Config, decision: Decision, report: Path, marker: Path | None) -> None:
    """Look at the decision after everything was signed and written.

    :param config: pytest's configuration.
    :param decision: the decision over everything declared.
    :param report: the sign-off page that was written.
    :param marker: the marker that was written, or None.
    """
