"""env and dotenv: variables, where they come from, and secrets of which only little is said."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pytest_golive.errors import ProbeError
from pytest_golive.probes.values import placeholder


@pytest.mark.parametrize(
    ("text", "as_", "value"),
    [
        ("x y", "text", "x y"),
        ("", "text", ""),
        ("-7", "integer", -7),
        ("0.20", "decimal", Decimal("0.20")),
        ("1e-3", "decimal", Decimal("0.001")),
        ("YES", "boolean", True),
        ("off", "boolean", False),
        ("0", "boolean", False),
        ("a, b,c", "list", ["a", "b", "c"]),
        ("", "list", []),
        ("90s", "duration", Decimal("90.000")),
    ],
)
def test_a_value_is_read_as_asked(look: Any, text: str, as_: str, value: object) -> None:
    """The value of a variable is typed, exactly."""
    look.environ["V"] = text
    facts = look("env", name="V", as_=as_)
    assert facts["set"] is True
    assert facts["value"] == value
    assert type(facts["value"]) is type(value)


@pytest.mark.parametrize(
    ("text", "as_"),
    [
        ("maybe", "boolean"),
        ("true ", "boolean"),
        ('"true"', "boolean"),
        ("", "boolean"),
        ("5%", "decimal"),
        ("0,20", "decimal"),
        ("NaN", "decimal"),
        ("Infinity", "decimal"),
        ("٣", "integer"),
        ("1_000", "integer"),
        ("5.0", "integer"),
        ("ten", "duration"),
        ("5 # percent", "decimal"),
    ],
)
def test_a_value_that_cannot_be_read_is_told_and_absent(look: Any, text: str, as_: str) -> None:
    """What is not exactly of its type has no value at all, so that no expectation can pass on it."""
    look.environ["V"] = text
    facts = look("env", name="V", as_=as_)
    assert facts["unparsable"] is True
    assert "value" not in facts


def test_a_variable_that_is_not_set_has_no_value(look: Any) -> None:
    """Not set is a fact; the value is then absent."""
    assert look("env", name="GONE") == {"name": "GONE", "from": "environment", "set": False}


@pytest.mark.parametrize(("text", "is_"), [(" x", True), ('"x"', True), ("'x'", True), ("x", False), ("'", False)])
def test_what_surrounds_a_value_is_told(look: Any, text: str, is_: bool) -> None:
    """White space and quotes that became part of the value are seen."""
    look.environ["V"] = text
    assert look("env", name="V")["surrounded"] is is_


def test_a_secret_is_never_told(look: Any) -> None:
    """Of a secret only its length and whether it is a placeholder are facts."""
    look.environ["V"] = "s3cr3t-wert-9981"
    facts = look("env", name="V", secret=True)
    assert facts["length"] == 16
    assert facts["placeholder"] is False
    assert "s3cr3t" not in repr(facts)


def test_a_name_that_looks_secret_is_one_unless_said_otherwise(look: Any) -> None:
    """Forgetting `secret: true` does not publish an API key; writing `secret: false` does what it says."""
    look.environ |= {"BROKER_API_KEY": "k9Qd81hvnq", "MAX_TOKENS": "5", "MONKEY": "banana"}
    assert "value" not in look("env", name="BROKER_API_KEY")
    assert look("env", name="BROKER_API_KEY", secret=False)["value"] == "k9Qd81hvnq"
    assert look("env", name="MAX_TOKENS", as_="integer")["value"] == 5
    assert look("env", name="MONKEY")["value"] == "banana"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "changeme",
        "xxxxxxxx",
        "your-key-here",
        "<api key>",
        "${KEY}",
        "test",
        "TODO",
        "secret",
        "0000",
        "test_key_for_me",
        "...",
    ],
)
def test_a_template_is_no_secret(text: str) -> None:
    """What a template leaves behind is recognised as a placeholder."""
    assert placeholder(text)


@pytest.mark.parametrize("text", ["k9Qd81hvnqA2", "test_4eC39HqLyjWDarjtT1zdp7dc", "8f14e45fceea167a5a36dedd4bea2543"])
def test_a_real_key_is_no_placeholder(text: str) -> None:
    """A key with substance is not called a placeholder, even if its issuer begins it with a word."""
    assert not placeholder(text)


@pytest.fixture
def trader() -> Iterator[subprocess.Popen[bytes]]:
    """A process with an environment of its own."""
    env = {"DRY_RUN_MODE": "false", "PATH": os.environ["PATH"]}
    code = "import sys; sys.stdout.write('up\\n'); sys.stdout.flush(); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", code], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_the_environment_of_the_process_that_trades_is_read(look: Any, trader: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """With pid_file the variable is that of the named process, and not what the gate's own environment echoes."""
    look.environ["DRY_RUN_MODE"] = "true"
    (tmp_path / "pid").write_text(f"{trader.pid}\n")
    facts = look("env", name="DRY_RUN_MODE", as_="boolean", pid_file="pid")
    assert facts["value"] is False
    assert facts["from"] == f"process {trader.pid}"
    assert look("env", name="GONE", pid_file="pid")["set"] is False


def test_a_process_that_has_ended_is_an_error(look: Any, trader: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """A zombie and a number that no process has are errors, not an unset variable."""
    (tmp_path / "pid").write_text(str(trader.pid))
    trader.kill()
    os.waitid(os.P_PID, trader.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(ProbeError, match=r"does not run|has ended"):
        look("env", name="DRY_RUN_MODE", pid_file="pid")
    trader.wait()
    with pytest.raises(ProbeError, match="does not run"):
        look("env", name="DRY_RUN_MODE", pid_file="pid")


def test_a_process_that_took_over_the_number_is_an_error(look: Any, trader: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """A process that is much younger than the file that names it is another one."""
    (tmp_path / "pid").write_text(str(trader.pid))
    os.utime(tmp_path / "pid", (1_000_000_000, 1_000_000_000))
    with pytest.raises(ProbeError, match="another process"):
        look("env", name="DRY_RUN_MODE", pid_file="pid")


@pytest.mark.parametrize("text", ["", "abc", "-1", "0", "12 34"])
def test_a_pid_file_without_a_number_is_an_error(look: Any, tmp_path: Path, text: str) -> None:
    """What is no process number is told as such."""
    (tmp_path / "pid").write_text(text)
    with pytest.raises(ProbeError, match="no process number"):
        look("env", name="X", pid_file="pid")


def _dotenv(look: Any, text: str, **fields: Any) -> Any:
    (look.root / ".env").write_text(text)
    return look("dotenv", path=".env", **fields)


def test_the_last_assignment_wins_and_both_are_told(look: Any) -> None:
    """A name that stands twice is told with its lines, which one won, and that they differ."""
    facts = _dotenv(look, "# head\nLIMIT=0.05\n\nOTHER=1\nexport LIMIT=5\n", name="LIMIT", as_="decimal")
    assert facts["value"] == Decimal(5)
    assert facts["lines"] == [2, 5]
    assert (facts["line"], facts["duplicates"], facts["conflicting"]) == (5, 1, True)


def test_the_same_twice_does_not_conflict(look: Any) -> None:
    """Two equal assignments are duplicates without a conflict."""
    facts = _dotenv(look, "A=1\nA=1\n", name="A")
    assert (facts["duplicates"], facts["conflicting"]) == (1, False)


@pytest.mark.parametrize(
    ("line", "is_"), [("A=5 # percent", True), ("A=5", False), ("A='5 # x'", False), ("A='5' # x", True), ("A=5#6", False)]
)
def test_a_comment_behind_a_value_is_told(look: Any, line: str, is_: bool) -> None:
    """A trailing comment, which other readers take for a part of the value, is a fact."""
    assert _dotenv(look, line + "\n", name="A")["inline_comment"] is is_


def test_an_env_file_is_not_loaded_and_not_followed(look: Any) -> None:
    """References stay as they are written, and nothing gets into the environment."""
    facts = _dotenv(look, "A=${HOME}/x\n", name="A")
    assert facts["value"] == "${HOME}/x"
    assert facts["references"] is True
    assert "A" not in look.environ
    assert "A" not in os.environ


def test_a_name_without_a_value_is_not_set(look: Any) -> None:
    """A bare name, a commented one and a missing one are not set; malformed lines are told."""
    assert _dotenv(look, "A\n#B=1\n= =\n", name="A")["set"] is False
    facts = _dotenv(look, "A\n#B=1\n= =\n", name="B")
    assert facts["set"] is False
    assert facts["malformed_lines"] == [3]
    assert "value" not in facts


def test_a_secret_in_an_env_file_is_never_told(look: Any) -> None:
    """Neither the assignment that won nor the one that lost is told."""
    facts = _dotenv(look, "K=first-9fjJ2k\nK=second-0dkW3\n", name="K", secret=True)
    assert "9fjJ2k" not in repr(facts)
    assert "0dkW3" not in repr(facts)
    assert facts["length"] == 12


def test_a_missing_env_file_is_an_error(look: Any) -> None:
    """Without the file nothing can be said about the variable."""
    with pytest.raises(ProbeError, match=r"\.env does not exist"):
        look("dotenv", path=".env", name="A")
