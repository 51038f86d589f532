"""tool: which program or package is there, in which version, and what only seems to be a version."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pytest_golive import probes
from pytest_golive.errors import ProbeError


@pytest.fixture
def program(look: Any, tmp_path: Path) -> Any:
    """Asks a program that says what it is told."""

    def ask(body: str, **fields: Any) -> Any:
        script = tmp_path / "prog"
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
        look.environ["PATH"] = f"{tmp_path}:/usr/bin:/bin"
        return look("tool", name="prog", **fields)

    return ask


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("v18.19.1", "18.19.1"),
        ("git version 2.39.5", "2.39.5"),
        ("Python 3.12.0rc1", "3.12.0rc1"),
        ("psql (PostgreSQL) 16.2 (Debian 16.2-1)", "16.2"),
        ("jq-1.7.1", "1.7.1"),
        ("openssl 3.0.15 3 Sep 2024", "3.0.15"),
        ("less 590", "590"),
        ("mytool (2024 edition) 1.2.3", "1.2.3"),
    ],
)
def test_the_version_is_read_out_of_what_a_program_says(program: Any, tmp_path: Path, said: str, version: str) -> None:
    """The number is found in the usual ways of saying it, on either output."""
    facts = program(f"echo '{said}'")
    assert facts == {"installed": True, "path": str(tmp_path / "prog"), "output": said, "version": version}
    assert program(f"echo '{said}' >&2")["version"] == version


def test_one_of_several_numbers_is_no_version(program: Any) -> None:
    """Without dots, a year beside a version is not told as one; the copyright of another line does not matter."""
    assert "version" not in program("echo 'mytool 7 (2024 edition)'")
    assert program("echo 'less 590'; echo 'Copyright 1984-2021'")["version"] == "590"


def test_a_program_that_is_not_there_is_a_fact(look: Any) -> None:
    """Not installed has no version that an expectation could pass on."""
    assert look("tool", name="no-such-program") == {"installed": False}
    assert look("tool", name="./no/such") == {"installed": False}


def test_words_and_pattern_can_be_said(program: Any) -> None:
    """`run` are the words after the name, `match` finds the version; one that is not found is absent."""
    assert program('echo "$1 build 7 release 2.1"', run=["version"], match=r"release (\S+)")["version"] == "2.1"
    assert "version" not in program("echo hello")


def test_a_program_that_fails_or_hangs_is_an_error(program: Any, look: Any) -> None:
    """Being there is not enough: its version could not be checked."""
    with pytest.raises(ProbeError, match="ended with 3 when it was asked for its version: no display"):
        program("echo 9.9; echo no display >&2; exit 3")
    with pytest.raises(ProbeError, match="timed out"):
        look("tool", 0.2, name="sh", run=["-c", "sleep 30"])


def test_a_package_of_this_interpreter_is_asked_of_its_metadata(look: Any) -> None:
    """The version is that of the distribution; one that is not installed has none."""
    facts = look("tool", package="requests")
    assert facts == {"installed": True, "version": importlib.metadata.version("requests")}
    assert look("tool", package="no-such-distribution") == {"installed": False}


def test_a_package_of_another_interpreter_is_asked_there(look: Any, tmp_path: Path) -> None:
    """What the gate has installed proves nothing about the service's own environment."""
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    other.chmod(0o755)
    assert look("tool", package="requests", python="python") == {"installed": False}
    other.write_text("#!/bin/sh\necho hello\n")
    with pytest.raises(ProbeError, match="no Python interpreter"):
        look("tool", package="requests", python="python")
    with pytest.raises(ProbeError, match="was not found"):
        look("tool", package="requests", python="gone/python")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": "a", "package": "b"},
        {"name": "a", "python": "p"},
        {"package": "a", "run": ["-V"]},
        {"name": "a", "match": "x"},
    ],
)
def test_what_cannot_be_asked_together_is_refused(fields: dict[str, Any]) -> None:
    """Exactly one of name and package, with the keys that belong to it."""
    with pytest.raises(ValidationError):
        probes.kind("tool").model_validate(fields)
