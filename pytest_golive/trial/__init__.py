"""The engine of a run: every read-only probe starts at once, acting ones go one at a time, each item ends by its deadline.

The trial knows items and findings and nothing of pytest: a runner tells which items to begin, then asks for each finding in the
order in which it wants to report. `engine` decides what may start when, `lanes` are the threads it starts on, `looks` let equal
probes look once, `watchdog` gives up what does not come back, `windows` says what a passing look means while an item is watched.
"""

from __future__ import annotations

from pytest_golive.trial.engine import Surroundings, Trial
from pytest_golive.trial.lanes import DEFAULT_JOBS

__all__ = ["DEFAULT_JOBS", "Surroundings", "Trial"]
