"""What a run leaves for other programs beside the page: the JSON summary, and what the CI system that runs it reads.

A file of an earlier run must not be read as one of a run that could not even begin, so old ones go first; a file that is not ours
is never written over. What was asked for by an option and cannot be written is trouble, and the run is not green.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import final

import pytest

from pytest_golive import pipeline, summary
from pytest_golive.closing import Closed
from pytest_golive.config import Settings
from pytest_golive.errors import Misuse
from pytest_golive.model import Checklist

_ANNOTATING = "pytest_github_actions_annotate_failures"


@final
class Outlets:
    """The files that options name, and the CI system that the environment names; a worker process has none."""

    def __init__(self, config: pytest.Config, environ: Mapping[str, str], *, worker: bool) -> None:
        self._config = config
        self._root = Path(config.rootpath)
        self._environ: Mapping[str, str] = {} if worker else environ
        self._summary = None if worker else self._named("golive_json")
        self._quality = None if worker else self._named("golive_codequality")

    def _named(self, option: str) -> Path | None:
        named = self._config.getoption(option)
        return Path(self._config.invocation_params.dir, named) if named else None

    def forget(self) -> None:
        """Take away what an earlier run left under the same names; Misuse if something else lies there."""
        _forget(self._summary, summary.is_one, "no summary of the gate", "--golive-json")
        _forget(self._quality, pipeline.is_code_quality, "no code quality report of the gate", "--golive-codequality")

    def write(self, closed: Closed, settings: Settings, checklists: Sequence[Checklist]) -> Closed:
        """Write the files that were asked for; what the run left, with the trouble that this made."""
        if self._summary is not None:
            closed = _written(self._summary, closed, summary.text(closed, settings, checklists))
        if self._quality is not None:
            closed = _written(self._quality, closed, pipeline.code_quality(closed, settings=settings.path, root=self._root))
        return closed

    def tell(self, closed: Closed) -> None:
        """Say it to GitHub, if it is GitHub that runs this: annotations into the log, and the summary of the step."""
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        if self._environ.get("GITHUB_ACTIONS") != "true" or reporter is None:
            return
        workspace = Path(self._environ.get("GITHUB_WORKSPACE") or self._root)
        others = self._config.pluginmanager.hasplugin(_ANNOTATING)
        for line in pipeline.commands(closed, root=self._root, workspace=workspace, errors=not others):
            reporter.write_line(line)
        named = self._environ.get("GITHUB_STEP_SUMMARY")
        if named:
            report = os.path.relpath(closed.report, self._root) if closed.report else ""
            try:
                with Path(named).open("a", encoding="utf-8") as stream:
                    stream.write(pipeline.step_summary(closed, report=report))
            except OSError as error:
                reporter.write_line(f"golive: the step summary could not be written: {error.strerror}")


def _forget(path: Path | None, ours: Callable[[str], bool], what: str, option: str) -> None:
    if path is None:
        return
    try:
        if path.exists() and not ours(path.read_text(encoding="ascii", errors="replace")):
            raise Misuse(f"{path} is {what}", hint=f"name another file with {option}")
        path.unlink(missing_ok=True)
    except OSError as error:
        raise Misuse(f"{path}: {error.strerror}", hint=f"name another file with {option}") from None


def _written(path: Path, closed: Closed, content: str) -> Closed:
    try:
        path.write_text(content, encoding="ascii")
    except OSError as error:
        return replace(closed, trouble=f"{path}: {error.strerror}")
    return closed
