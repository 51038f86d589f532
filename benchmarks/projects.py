"""The folders that are measured: a project of the product's, and the tests that rivals would run for the same items."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import final

from benchmarks.stopwatch import Broken, Command, Run

INSIDE = Path(__file__).with_name("inside")
NAMES = 100
"""Different variables and different files among the cheap items."""

PER_FILE = 1_000
"""Items of one checklist file, which must stay below the loader's bound of 1 MB."""

SETTINGS = """\
version: 1
activation_enabled: true
require_testnet_history: false
require_risk_state: ""
require_ess_inactive: false
target:
  name: Benchmark
  variables:
    api: {api}
    files: {files}
"""

HEAD = """\
version: 1
checklist: {{name: part-{part}, title: Part {part} of the benchmark, owner: platform}}
defaults: {{owner: platform, phase: pre-deploy}}
items:
"""

ITEM = """\
- id: item-{n}
  title: {title}
  severity: {severity}
  source: {{document: "900", section: "{section}", line: {line}}}
  why: {why}
  fix: {fix}
  {probe}
  expect: {expect}
"""

HTTP_TEST = """\
import os

import pytest
import requests

API = os.environ["BENCH_API"]


@pytest.mark.parametrize("n", range(int(os.environ["BENCH_ITEMS"])))
def test_service_is_healthy(n):
    response = requests.get(f"{API}/check/{n}", timeout=10)
    assert response.status_code == 200
    body = response.json()
    assert body["state"] == "healthy"
    assert body["n"] == n
"""

CHEAP_TEST = """\
import os

import pytest

FILES = os.environ["BENCH_FILES"]
HALF = int(os.environ["BENCH_ITEMS"]) // 2


@pytest.mark.parametrize("n", range(HALF))
def test_variable_is_set(n):
    assert os.environ[f"BENCH_VARIABLE_{n % 100}"] == "yes"


@pytest.mark.parametrize("n", range(HALF))
def test_file_is_private(n):
    assert os.stat(f"{FILES}/file-{n % 100}.conf").st_mode & 0o7777 == 0o600
"""

TESTINFRA_TEST = """\
import os

import pytest

FILES = os.environ["BENCH_FILES"]
HALF = int(os.environ["BENCH_ITEMS"]) // 2


@pytest.mark.parametrize("n", range(HALF))
def test_variable_is_set(host, n):
    assert host.environment()[f"BENCH_VARIABLE_{n % 100}"] == "yes"


@pytest.mark.parametrize("n", range(HALF))
def test_file_is_private(host, n):
    assert host.file(f"{FILES}/file-{n % 100}.conf").mode == 0o600
"""

Spoil = Callable[[int], bool]


def _sound(_: int) -> bool:
    return False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A folder with settings, checklists and the rivals' tests for `count` items, and the environment to run it in."""

    root: Path
    count: int
    environ: Mapping[str, str]

    @property
    def summary(self) -> Path:
        """Where the product writes what it decided."""
        return self.root / "summary.json"

    def clear(self) -> None:
        """Take away what an earlier run of the product left, so that each run writes everything anew."""
        self.forget()
        shutil.rmtree(self.root / "reports", ignore_errors=True)
        for name in ("go_live.active", "guard.state", "summary.json"):
            (self.root / name).unlink(missing_ok=True)

    def forget(self) -> None:
        """Empty pytest's cache, where the names of everybody's tests would pile up: nobody has to read those of the others."""
        shutil.rmtree(self.root / ".pytest_cache", ignore_errors=True)

    def gate(self, python: Path) -> Command:
        """The command that runs the product."""
        return [python, "-m", "pytest", "--golive", f"--golive-json={self.summary}", "-q"]

    def all_passed(self, done: Run) -> None:
        """`Broken` unless the product says GO over every item, with a report and a marker on disk."""
        if done.status != 0:
            raise Broken(f"exit status {done.status}")
        told = json.loads(self.summary.read_text(encoding="ascii"))
        passed = sum(one["outcome"] == "passed" for one in told["items"])
        if told["word"] != "GO" or passed != self.count or told["denied"] or told["trouble"]:
            raise Broken(f"{told['word']}, {passed} of {self.count} passed {told['denied']} {told['trouble']}")
        report = Path(told["report"])
        if not report.is_file() or report.stat().st_size < 100 * self.count:
            raise Broken(f"no whole report at {report}")
        if not Path(told["marker"]).is_file() or Path(told["marker"]).stat().st_size == 0:
            raise Broken(f"no marker: {told['held']}")

    def verified(self, python: Path) -> None:
        """`Broken` unless the report of the last run verifies: signature, digests, every byte."""
        report = json.loads(self.summary.read_text(encoding="ascii"))["report"]
        command = [python, "-m", "pytest_golive.cli", "verify", report]
        done = subprocess.run(command, cwd=self.root, env=dict(self.environ), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Broken(f"golive verify {report}: {done.stdout}{done.stderr}")


def passed_by_pytest(count: int) -> Callable[[Run], None]:
    """A check that pytest, or a program that says it in the same words, passed exactly `count` tests."""

    def check(done: Run) -> None:
        if done.status != 0 or f"{count} passed" not in done.out:
            raise Broken(f"exit status {done.status}, and not '{count} passed'")

    return check


def http(root: Path, count: int, api: str, package: Path | None = None) -> Project:
    """A project of `count` HTTP items at the server `api`."""
    items = (
        _item(
            n,
            title=f"Service {n} says that it is healthy",
            why="An order that goes through an unhealthy service is lost.",
            fix=f"Restart service {n} and read its log.",
            probe=f'http: {{url: "${{api}}/check/{n}"}}',
            expect=f"{{status: 200, error_key: false, body.state: healthy, body.n: {n}}}",
        )
        for n in range(count)
    )
    project = _made(root, count, items, api, package)
    (root / "test_http.py").write_text(HTTP_TEST, encoding="ascii")
    return project


def cheap(root: Path, count: int, package: Path | None = None, *, spoiled: Spoil = _sound) -> Project:
    """A project of `count` items that wait for nothing: half ask for a variable, half for the mode of a file.

    Items for which `spoiled` is true ask for something else than what is there.
    """

    def text(n: int) -> str:
        number = n // 2 % NAMES
        wrong = spoiled(n)
        if n % 2:
            return _item(
                n,
                title=f"File {number} can be read by nobody else",
                why="What others can read, others can use.",
                fix=f"chmod 600 file-{number}.conf",
                probe=f'permissions: {{path: "${{files}}/file-{number}.conf"}}',
                expect='{mode: "0644"}' if wrong else '{mode: "0600"}',
            )
        return _item(
            n,
            title=f"Variable {number} is set",
            why="Without it the service falls back to a default.",
            fix=f"Set BENCH_VARIABLE_{number}=yes and restart.",
            probe=f"env: {{name: BENCH_VARIABLE_{number}}}",
            expect='{value: "no"}' if wrong else '{value: "yes"}',
        )

    project = _made(root, count, map(text, range(count)), "http://127.0.0.1:1", package)
    (root / "test_cheap.py").write_text(CHEAP_TEST, encoding="ascii")
    (root / "test_testinfra.py").write_text(TESTINFRA_TEST, encoding="ascii")
    return project


def _item(n: int, *, title: str, why: str, fix: str, probe: str, expect: str) -> str:
    severity = "warning" if n % 10 == 9 else "critical"
    section, line = n // 50, n + 1
    return ITEM.format(
        n=n, title=title, severity=severity, section=section, line=line, why=why, fix=fix, probe=probe, expect=expect
    )


def _made(root: Path, count: int, items: Iterator[str], api: str, package: Path | None) -> Project:
    files, home = root / "files", root / "home"
    for folder in (root / "checklists", files, home):
        folder.mkdir(parents=True)
    for n in range(NAMES):
        path = files / f"file-{n}.conf"
        path.touch()
        path.chmod(0o600)
    texts = list(items)
    for part, start in enumerate(range(0, count, PER_FILE)):
        text = HEAD.format(part=part) + "".join(texts[start : start + PER_FILE])
        (root / "checklists" / f"part-{part:02}.yaml").write_text(text, encoding="ascii")
    (root / "golive.yaml").write_text(SETTINGS.format(api=api, files=files), encoding="ascii")
    (root / "pytest.ini").write_text("[pytest]\n", encoding="ascii")
    (root / ".gitignore").write_text("reports/\nhome/\ngo_live.active\nguard.state*\nsummary.json\n", encoding="ascii")
    environ = environment(home, package) | {
        "BENCH_API": api,
        "BENCH_ITEMS": str(count),
        "BENCH_FILES": str(files),
        **{f"BENCH_VARIABLE_{n}": "yes" for n in range(NAMES)},
    }
    _commit(root, environ)
    return Project(root=root, count=count, environ=environ)


def environment(home: Path, package: Path | None = None) -> dict[str, str]:
    """A clean environment; `package` is a folder whose copy of the product is measured in the place of the checkout."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    chosen = {"PYTHONPATH": str(package)} if package is not None else {}
    return {**kept, **chosen, "HOME": str(home), "GOLIVE_OPERATOR": "benchmark"}


def _commit(root: Path, environ: Mapping[str, str]) -> None:
    """Put the project under git, as a user's is, because the product looks at the state of the tree."""
    if shutil.which("git") is None:
        return
    who = ["-c", "user.name=benchmark", "-c", "user.email=benchmark@invalid"]
    commands: Sequence[Sequence[str]] = (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "benchmark"])
    for words in commands:
        subprocess.run(["git", *words], cwd=root, env=dict(environ), check=True)


@final
class Server:
    """The server on loopback, in a process of its own."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.api = f"http://127.0.0.1:{port}"

    def served(self) -> int:
        """How many checks were answered since the last time this was asked."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request("GET", "/served", headers={"Connection": "close"})
            return int(connection.getresponse().read())
        finally:
            connection.close()


@contextmanager
def server(milliseconds: int) -> Iterator[Server]:
    """A server that answers after this time, stopped at the end."""
    command: Command = [sys.executable, INSIDE / "server.py", str(milliseconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            yield Server(int(child.stdout.readline()))
        finally:
            child.stdin.close()
            try:
                child.wait(timeout=5)
            except subprocess.TimeoutExpired:
                child.kill()
