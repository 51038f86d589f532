"""Everything that makes a session less than whole: INCOMPLETE, not exit 0, and never a marker."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Make = Callable[..., str]


@pytest.mark.parametrize(
    "arguments",
    [
        ["-k", "one"],
        ["-k", "not three"],
        ["-m", "critical"],
        ["-m", "warning"],
        ["--deselect", "checklists/main.yaml::two"],
        ["checklists/main.yaml::one"],
        ["checklists/main.yaml::one", "checklists/main.yaml::two"],
        ["--collect-only"],
        ["--setup-only"],
        ["--setup-plan"],
        ["-n2", "-k", "one"],
    ],
    ids=" ".join,
)
def test_a_selection_is_incomplete(project: Any, arguments: list[str]) -> None:
    """A run of some of the declared items decides nothing, however green it was."""
    run = project.gate(*arguments)
    assert run.word == "INCOMPLETE"
    assert run.status != 0
    assert not project.marker.exists()


def test_stopping_at_the_first_failure_is_incomplete(project: Any, make_item: Make) -> None:
    """`-x` ends the session before every item was seen."""
    project.checklist(make_item("one", probe="env: {name: ABSENT}", expect="expect: {set: true}"), make_item("two"))
    run = project.gate("-x")
    assert (run.word, run.outcome("two")) == ("INCOMPLETE", "not-run")
    assert run.status != 0
    assert not project.marker.exists()


def test_last_failed_is_incomplete(project: Any, make_item: Make) -> None:
    """`--lf` runs what failed before, so the rest is unseen."""
    project.checklist(make_item("one", probe="env: {name: MORE}"), make_item("two"))
    assert project.gate("-p", "cacheprovider", env={"MORE": "no"}).word == "NO-GO"
    run = project.gate("-p", "cacheprovider", "--lf", env={"MORE": "yes"})
    assert (run.word, run.outcome("two")) == ("INCOMPLETE", "not-run")
    assert not project.marker.exists()


WARNS = """\
import warnings

import pytest

@pytest.fixture(autouse=True)
def warns():
    warnings.warn("beware")
"""


def test_too_many_warnings_of_pytest(project: Any) -> None:
    """`--max-warnings` changes the exit status after most hooks have run; it still leaves no marker."""
    project.write("conftest.py", WARNS)
    run = project.gate("--max-warnings=0")
    if "unrecognized arguments" in run.err:
        pytest.skip("this pytest has no --max-warnings")
    assert run.status == 6
    assert run.word == "INCOMPLETE"
    assert not project.marker.exists()


def test_xfail_does_not_make_a_failure_green(project: Any) -> None:
    """A plugin that marks items as expected failures changes what pytest prints, not what was found."""
    project.write(
        "conftest.py",
        XFAILS,
    )
    run = project.gate(env={"READY": "no"})
    assert (run.word, run.status, run.outcome("one")) == ("NO-GO", 1, "failed")
    assert not project.marker.exists()


def test_xfail_without_running_is_not_run(project: Any) -> None:
    """An item that xfail keeps from running was not seen."""
    project.write(
        "conftest.py",
        "import pytest\n\ndef pytest_collection_modifyitems(items):\n    items[0].add_marker(pytest.mark.xfail(run=False))\n",
    )
    run = project.gate()
    assert (run.word, run.outcome("one")) == ("NO-GO", "not-run")
    assert not project.marker.exists()


def test_a_skip_is_not_a_pass(project: Any) -> None:
    """A skipped critical item blocks, with the reason of the skip."""
    project.write(
        "conftest.py",
        "import pytest\n\ndef pytest_collection_modifyitems(items):\n    items[0].add_marker(pytest.mark.skip(reason='later'))\n",
    )
    run = project.gate()
    assert (run.word, run.outcome("one")) == ("NO-GO", "not-run")
    assert "skipped: later" in run.out or "later" in run.out
    assert not project.marker.exists()


def test_a_rerun_does_not_wash_a_failure(project: Any, make_item: Make) -> None:
    """An item that fails and then passes under `--reruns` has failed: the worst sight stands."""
    project.write("conftest.py", FLAKY)
    run = project.gate("--reruns", "2")
    assert run.word == "NO-GO"
    assert run.status == 1
    assert not project.marker.exists()


FLAKY = """\
import pytest

seen = []

@pytest.fixture(autouse=True)
def flaky():
    seen.append(1)
    if len(seen) == 1:
        raise RuntimeError("first time")
"""


def test_a_failing_fixture_is_an_error(project: Any) -> None:
    """What breaks before or after an item is an error of the item."""
    project.write(
        "conftest.py",
        "import pytest\n\n@pytest.fixture(autouse=True)\ndef broken():\n    yield\n    raise RuntimeError('teardown')\n",
    )
    run = project.gate()
    assert (run.word, run.outcome("one")) == ("NO-GO", "error")
    assert not project.marker.exists()


def test_a_patched_report_does_not_help(project: Any) -> None:
    """A plugin that turns every report into a pass changes the dots, not the decision."""
    project.write(
        "conftest.py",
        PATCHES,
    )
    run = project.gate(env={"READY": "no"})
    assert (run.word, run.status) == ("NO-GO", 1)
    assert not project.marker.exists()


def test_a_killed_worker_is_incomplete(project: Any, make_item: Make) -> None:
    """A worker that dies by SIGKILL takes its items with it: they are not run."""
    project.write(
        "conftest.py",
        KILLS,
    )
    run = project.gate("-n2", "--max-worker-restart=0")
    assert run.word == "INCOMPLETE"
    assert run.status != 0
    assert not project.marker.exists()


def test_ctrl_c_is_incomplete(project: Any, make_item: Make, tmp_path: Path) -> None:
    """An interrupted session ends at once, says so, and leaves no marker."""
    flag = tmp_path / "started"
    project.checklist(
        make_item("one"),
        make_item(
            "slow", probe=f"command: {{run: [sh, -c, 'touch {flag}; sleep 60']}}\n  timeout: 90s", expect="expect: {exit: 0}"
        ),
    )
    run = project.interrupted_gate(flag)
    assert run.status == 2
    assert "INCOMPLETE" in run.out
    assert "interrupted" in run.out
    assert not project.marker.exists()


def test_a_broken_plugin_is_incomplete(project: Any) -> None:
    """An internal error of another plugin leaves no marker."""
    project.write("conftest.py", "def pytest_runtest_logfinish(nodeid):\n    raise RuntimeError('boom')\n")
    run = project.gate()
    assert run.status == 3
    assert not project.marker.exists()


def test_without_the_plugin_the_gate_is_a_usage_error(project: Any) -> None:
    """Where the plugin is missing, `--golive` fails closed."""
    run = project.pytest("--golive", "-p", "no:golive")
    assert run.status == 4
    assert not project.marker.exists()
    assert os.listdir(project.root).count("reports") == 0


XFAILS = """\
import pytest

def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.xfail(reason='known'))
"""

PATCHES = """\
import pytest

@pytest.hookimpl(tryfirst=True, wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    report.outcome = 'passed'
    return report
"""

KILLS = """\
import os, signal

def pytest_runtest_call(item):
    if item.name == 'two':
        os.kill(os.getpid(), signal.SIGKILL)
"""
