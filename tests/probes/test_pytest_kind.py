"""pytest: a nested suite is judged by its results, in an environment of its own, and ended in time."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pytest_golive import probes
from pytest_golive.errors import ProbeError

SUITE = """
import pytest

def test_fine(): pass
@pytest.mark.parametrize("n", [1, 2])
def test_each(n): assert n == 1, "not one"
@pytest.fixture
def broken(): raise RuntimeError("no desk")
def test_error(broken): pass
@pytest.mark.skip(reason="later")
def test_skipped(): pass
@pytest.mark.xfail
def test_known(): assert False
@pytest.mark.xfail(strict=True)
def test_surprise(): pass
"""


@pytest.fixture
def suite(look: Any, tmp_path: Path) -> Any:
    """Runs a suite of one file in a folder of its own."""
    folder = tmp_path / "service"
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\n")

    def ask(text: str, seconds: float = 30.0, **fields: Any) -> Any:
        (folder / "test_it.py").write_text(text)
        return look("pytest", seconds, cwd="service", **fields)

    return ask


def test_results_are_counted_by_outcome(suite: Any) -> None:
    """Passed, failed, errors, skipped and xfailed are counted apart, with the ids and messages of what did not pass."""
    facts = suite(SUITE)
    counts = {name: facts[name] for name in ("exit", "total", "passed", "failed", "errors", "skipped", "xfailed")}
    assert counts == {"exit": 1, "total": 7, "passed": 2, "failed": 2, "errors": 1, "skipped": 1, "xfailed": 1}
    assert facts["failing"] == ["test_it::test_each[2]", "test_it::test_error", "test_it::test_surprise"]
    outcomes = {test["id"]: test["outcome"] for test in facts["tests"]}
    assert outcomes["test_it::test_known"] == "xfailed"
    assert "not one" in next(test["message"] for test in facts["tests"] if test["id"].endswith("[2]"))
    assert "RuntimeError" in facts["output"]


def test_a_suite_without_tests_is_a_fact_and_not_a_pass(suite: Any) -> None:
    """Nothing collected is exit 5 and a total of 0; everything deselected is the same."""
    facts = suite("")
    assert (facts["exit"], facts["total"], facts["passed"], facts["tests"]) == (5, 0, 0, [])
    facts = suite("def test_a(): pass\n", run=["-k", "nothing"])
    assert (facts["exit"], facts["total"]) == (5, 0)


def test_a_suite_that_cannot_be_collected_has_errors(suite: Any) -> None:
    """A file that cannot be imported is an error in the results, not a suite with fewer tests."""
    facts = suite("import no_such_module\n")
    assert (facts["exit"], facts["errors"], facts["passed"]) == (2, 1, 0)


@pytest.mark.parametrize(
    ("text", "run", "message"),
    [
        ("def test_a(): pass\n", ["--no-such-option"], "was called wrongly: .*no-such-option"),
        ("def test_a(): pass\n", ["no/such/path"], "was called wrongly: .*no/such/path"),
        ("import os\ndef test_a(): os._exit(0)\n", [], "ended with 0 and wrote no results"),
        ("import os\ndef test_a(): os._exit(7)\n", [], "ended with 7 and wrote no results"),
    ],
)
def test_a_suite_that_did_not_run_is_an_error(suite: Any, text: str, run: list[str], message: str) -> None:
    """Usage errors and a process that leaves early, even with 0, are not results."""
    with pytest.raises(ProbeError, match=message):
        suite(text, run=run)


def test_an_exit_status_that_was_repainted_is_an_error(suite: Any, tmp_path: Path) -> None:
    """A conftest that turns failures into exit 0 is seen through."""
    (tmp_path / "service" / "conftest.py").write_text("def pytest_sessionfinish(session): session.exitstatus = 0\n")
    with pytest.raises(ProbeError, match="ended with 0 though 1 of its tests did not pass"):
        suite("def test_a(): assert False\n")


def test_the_environment_is_its_own(suite: Any, look: Any) -> None:
    """Options, import paths and secrets of the gate do not reach the suite; input is closed; what is named is passed."""
    look.environ |= {
        "PYTEST_ADDOPTS": "--golive -k nothing",
        "PYTHONPATH": "/nowhere",
        "PYTEST_PLUGINS": "nothing_there",
        "DESK_TOKEN": "hunter2-hunter2",
        "SERVICE_URL": "http://127.0.0.1:1",
    }
    facts = suite(
        "import os, sys\n"
        "def test_env(pytestconfig):\n"
        "    assert not {'PYTEST_ADDOPTS', 'PYTEST_PLUGINS'} & set(os.environ)\n"
        "    assert 'PYTHONPATH' not in os.environ and 'DESK_TOKEN' not in os.environ\n"
        "    assert os.environ['SERVICE_URL'] and os.environ['MODE'] == 'PAPER'\n"
        "    assert not pytestconfig.pluginmanager.has_plugin('golive')\n"
        "    assert os.read(0, 1) == b''\n"
        "    assert os.getcwd().endswith('service')\n",
        pass_env=["SERVICE_URL"],
        env={"MODE": "PAPER"},
        run=["-s"],
    )
    assert (facts["exit"], facts["passed"]) == (0, 1), facts["output"]


def test_our_plugin_stays_if_it_is_asked_for(suite: Any) -> None:
    """`golive: true` is for suites that test a gate of their own."""
    facts = suite("def test_a(pytestconfig): assert pytestconfig.pluginmanager.has_plugin('golive')\n", golive=True)
    assert facts["passed"] == 1


def test_nothing_is_left_in_the_folder(suite: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cache, no compiled files, no results: the suite's folder is as it was, and so is the folder for temporary files."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    suite("def test_a(): pass\n")
    assert sorted(path.name for path in (tmp_path / "service").iterdir()) == ["pytest.ini", "test_it.py"]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_suite_that_hangs_is_ended_with_all_it_started(suite: Any, tmp_path: Path) -> None:
    """At the deadline the whole group ends, and that is an error."""
    pid = tmp_path / "pid"
    other = tmp_path / "python"
    other.write_text(f"#!/bin/sh\nsleep 60 & echo $! > {pid}\nwait\n")
    other.chmod(0o755)
    with pytest.raises(ProbeError, match="the suite timed out"):
        suite("def test_a(): pass\n", 1.0, python="python")
    until = time.monotonic() + 5
    while alive(int(pid.read_text())) and time.monotonic() < until:
        time.sleep(0.01)
    assert not alive(int(pid.read_text()))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_another_interpreter_can_be_named(suite: Any, tmp_path: Path) -> None:
    """The suite runs with the packages of its own interpreter; one that is not there, or has no pytest, is an error."""
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nOTHER=1 exec {sys.executable} "$@"\n')
    other.chmod(0o755)
    assert suite("import os\ndef test_a(): assert os.environ['OTHER']\n", python="python")["passed"] == 1
    with pytest.raises(ProbeError, match="was not found"):
        suite("", python="gone/python")
    other.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    with pytest.raises(ProbeError, match="No module named pytest"):
        suite("", python="python")


@pytest.mark.parametrize("word", ["--junitxml=x", "--golive", "-p", "-o", "--override-ini=a=b"])
def test_what_the_gate_sets_cannot_be_set(word: str) -> None:
    """The suite cannot be told to write its results elsewhere."""
    with pytest.raises(ValidationError):
        probes.kind("pytest").model_validate({"run": [word]})


def test_a_secret_of_the_suite_is_redacted(suite: Any, look: Any) -> None:
    """What is passed under a secret name is in no fact."""
    look.environ["DESK_TOKEN"] = "hunter2-hunter2"
    facts = suite("import os\ndef test_a(): assert 0, os.environ['DESK_TOKEN']\n", pass_env=["DESK_TOKEN"])
    assert facts["failed"] == 1
    assert "hunter2" not in str(facts)
    assert os.environ.get("DESK_TOKEN") is None
