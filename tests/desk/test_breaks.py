"""Every way to break a desk changes something for real, and leaves no trace when it is undone."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from examples.desk.drill.breaks import BREAKS
from examples.desk.drill.table import read
from examples.desk.errors import DeskError


@dataclass
class Fake:
    """A bench without a desk: files, and a memory of what was asked of it."""

    home: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    asked: list[Any] = field(default_factory=list)

    def switch(self, fault: str, *, on: bool) -> None:
        self.asked.append((fault, on))

    def start_with(self, environ: Mapping[str, str]) -> None:
        self.asked.append(dict(environ))


@pytest.fixture
def bench(tmp_path: Path) -> Fake:
    (tmp_path / ".env").write_text("LIMIT=0.20\nOTHER=1\n")
    (tmp_path / "doc.md").write_text("# Title\nCall 110.\n")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_text("fine\n")
    with sqlite3.connect(tmp_path / "ledger.sqlite") as ledger:
        ledger.execute("CREATE TABLE trades(id INTEGER PRIMARY KEY, fee TEXT)")
        ledger.execute("CREATE TABLE words(word TEXT PRIMARY KEY)")
        ledger.executemany("INSERT INTO trades VALUES (?, ?)", [(1, "0.1"), (2, "0.2")])
        ledger.execute("INSERT INTO words VALUES ('one')")
    ledger.close()
    return Fake(tmp_path)


def rows(bench: Fake) -> list[Any]:
    ledger = sqlite3.connect(bench.home / "ledger.sqlite")
    found = [*ledger.execute("SELECT * FROM trades ORDER BY id"), *ledger.execute("SELECT * FROM words ORDER BY word")]
    ledger.close()
    return found


def state(bench: Fake) -> Any:
    """Everything in the home: names, contents, modes and times of files, and the rows of the ledger."""
    files = {
        str(path.relative_to(bench.home)): (path.stat().st_mode, path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(bench.home.rglob("*"))
        if path.is_file() and not path.name.startswith("ledger")
    }
    return files, rows(bench)


CASES: Mapping[str, tuple[str, Any, Callable[[Fake], bool]]] = {
    "dotenv changes": ("dotenv", {"LIMIT": 20}, lambda b: "LIMIT=20\n" in (b.home / ".env").read_text()),
    "dotenv removes": ("dotenv", {"LIMIT": None}, lambda b: "LIMIT" not in (b.home / ".env").read_text()),
    "dotenv adds": ("dotenv", {"NEW": "x"}, lambda b: "NEW=x\n" in (b.home / ".env").read_text()),
    "text": (
        "text",
        {"path": "doc.md", "replace": r"^Call \d+", "by": "[Contact Info]"},
        lambda b: "[Contact" in (b.home / "doc.md").read_text(),
    ),
    "write over": ("write", {"path": "doc.md", "text": "x"}, lambda b: (b.home / "doc.md").read_text() == "x"),
    "write new": ("write", {"path": "new.md", "text": "x"}, lambda b: (b.home / "new.md").exists()),
    "gone": ("gone", "doc.md", lambda b: not (b.home / "doc.md").exists()),
    "gone folder": ("gone", "logs", lambda b: not (b.home / "logs").exists()),
    "mode": ("mode", {"path": ".env", "mode": "0644"}, lambda b: (b.home / ".env").stat().st_mode & 0o777 == 0o644),
    "age": (
        "age",
        {"path": "logs", "by": "40d"},
        lambda b: (b.home / "logs" / "a.log").stat().st_mtime < (b.home / "doc.md").stat().st_mtime - 3e6,
    ),
    "rows": (
        "rows",
        {"tables": ["trades"], "run": ["UPDATE trades SET fee = NULL WHERE id = 2"]},
        lambda b: (2, None) in rows(b),
    ),
    "rows deleted": (
        "rows",
        {"tables": ["trades", "words"], "run": ["DELETE FROM trades", "DELETE FROM words"]},
        lambda b: rows(b) == [],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_break_breaks_and_mends(bench: Fake, case: str) -> None:
    """While it is on, what it names is different; afterwards every byte, mode, time and row is as before."""
    word, argument, broken = CASES[case]
    (bench.home / ".env").chmod(0o600)
    before = state(bench)
    with BREAKS[word](bench, argument):
        assert broken(bench)
    assert state(bench) == before


@pytest.mark.parametrize("case", CASES)
def test_a_break_mends_after_an_interruption_too(bench: Fake, case: str) -> None:
    """An exception in the middle of a drill leaves nothing broken."""
    word, argument, _ = CASES[case]
    before = state(bench)
    with pytest.raises(KeyboardInterrupt), BREAKS[word](bench, argument):
        raise KeyboardInterrupt
    assert state(bench) == before


def test_what_others_wrote_meanwhile_stays(bench: Fake) -> None:
    """Rows and log lines that came while something was broken are not lost when it is mended."""
    with BREAKS["rows"](bench, {"tables": ["trades"], "run": ["UPDATE trades SET fee = '9' WHERE id = 1"]}):
        ledger = sqlite3.connect(bench.home / "ledger.sqlite", isolation_level=None)
        ledger.execute("INSERT INTO trades VALUES (3, '0.3')")
        ledger.close()
    assert rows(bench)[:3] == [(1, "0.1"), (2, "0.2"), (3, "0.3")]
    log = bench.home / "logs" / "a.log"
    with BREAKS["append"](bench, {"path": "logs/a.log", "text": "Traceback!\n"}):
        assert log.read_text().endswith("Traceback!\n")
        with log.open("a") as stream:
            stream.write("later\n")
    assert log.read_text() == "fine\nlater\n"


@pytest.mark.parametrize(
    ("word", "argument"),
    [
        ("dotenv", {"ABSENT": None}),
        ("text", {"path": "doc.md", "replace": "nowhere", "by": "x"}),
        ("rows", {"tables": ["trades"], "run": ["UPDATE trades SET fee = '9' WHERE id = 77"]}),
    ],
)
def test_a_break_that_changes_nothing_is_an_error(bench: Fake, word: str, argument: Any) -> None:
    """A fault that finds nothing to break would make its item look unbreakable, or the drill look done."""
    with pytest.raises(DeskError), BREAKS[word](bench, argument):
        raise AssertionError("it must not come this far")


def test_named_faults_and_restarts_are_asked_of_the_bench(bench: Fake) -> None:
    """What only the desk itself can do is asked of it, and taken back."""
    with BREAKS["desk"](bench, "cache-down"):
        assert bench.asked == [("cache-down", True)]
    with BREAKS["restart"](bench, {"DRY_RUN_MODE": "true", "KEY": None}):
        assert bench.asked[2:] == [{"DRY_RUN_MODE": "true", "KEY": ""}]
    assert bench.asked[1::2] == [("cache-down", False), {}]


def test_git_is_broken_and_mended(bench: Fake) -> None:
    """Commands are done in the repository that is named, and those that undo them afterwards."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(bench.home), "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "init", "-q", "."], cwd=bench.home, env=environ, check=True)
    what = {"do": [["commit", "-q", "--allow-empty", "-m", "x"], ["tag", "v1"]], "undo": [["tag", "-d", "v1"]]}
    with BREAKS["git"](bench, what):
        assert (bench.home / ".git/refs/tags/v1").exists()
    assert not (bench.home / ".git/refs/tags/v1").exists()


@pytest.mark.parametrize(
    "text",
    [
        "a: {break: {}}",
        "a: {break: {nothing: x}}",
        "a: {also: [b]}",
        "a: {break: {gone: x, mode: y}}",
        "a: {break: {gone: x}, else: 1}",
    ],
)
def test_a_table_with_a_slip_is_refused(tmp_path: Path, text: str) -> None:
    """An entry without exactly one known way to break something is told, not skipped."""
    path = tmp_path / "t.yaml"
    path.write_text(text)
    with pytest.raises(DeskError, match="break"):
        read(path)
