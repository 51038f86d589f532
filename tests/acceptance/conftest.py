"""A small project with a list of its own, driven as a user drives it: pytest and the command in processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.lying import Bench, Liar

OPEN = """\
activation_enabled: true
require_testnet_history: false
require_risk_state: ""
require_ess_inactive: false
"""

ITEM = """\
- id: {id}
  title: {title}
  severity: {severity}
  phase: {phase}
  owner: platform
  source: {{document: "000", section: "1", line: 1}}
  why: it matters
  fix: {fix}
  {probe}
  {expect}
"""


def item(
    identity: str,
    *,
    severity: str = "critical",
    phase: str = "pre-deploy",
    probe: str = "env: {name: READY}",
    expect: str = "expect: {value: 'yes'}",
    title: str = "",
    fix: str = "set READY=yes",
    extra: str = "",
) -> str:
    """The YAML of one item; by default it passes where READY=yes."""
    text = ITEM.format(
        id=identity, title=title or f"Item {identity}", severity=severity, phase=phase, fix=fix, probe=probe, expect=expect
    )
    return text + "".join(f"  {line}\n" for line in extra.splitlines())


@dataclass(frozen=True)
class Project:
    """A folder with golive.yaml and checklists, and the environment in which it is run."""

    root: Path
    environ: dict[str, str]

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def checklist(self, *items: str, name: str = "main") -> Path:
        head = f"version: 1\nchecklist: {{name: {name}, title: The {name} list, owner: platform}}\nitems:\n"
        return self.write(f"checklists/{name}.yaml", head + "".join(items))

    def settings(self, text: str = "") -> Path:
        return self.write("golive.yaml", "version: 1\n" + text)

    def pytest(self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 60) -> Result:
        cache = [] if "cacheprovider" in arguments else ["-p", "no:cacheprovider"]
        return self._run([sys.executable, "-m", "pytest", *cache, *arguments], env, timeout)

    def gate(self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 60) -> Result:
        summary = self.root / "summary.json"
        summary.unlink(missing_ok=True)
        return self.pytest("--golive", f"--golive-json={summary}", *arguments, env=env, timeout=timeout)

    def interrupted_gate(self, flag: Path, *arguments: str) -> Result:
        """A gate that gets SIGINT as soon as `flag` is there."""
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--golive", *arguments],
            cwd=self.root,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        end = time.monotonic() + 30
        while not flag.exists() and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
        return Result(self, process.returncode, out, "")

    def golive(self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 60) -> Result:
        return self._run([sys.executable, "-m", "pytest_golive.cli", *arguments], env, timeout)

    def _run(self, command: list[str], env: Mapping[str, str] | None, timeout: float) -> Result:
        done = subprocess.run(
            command,
            cwd=self.root,
            env={**self.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Result(self, done.returncode, done.stdout, done.stderr)

    @property
    def marker(self) -> Path:
        return self.root / "go_live.active"

    def reports(self) -> list[Path]:
        return sorted(self.root.glob("reports/*/report.html"), key=lambda path: path.stat().st_mtime_ns)


@dataclass(frozen=True)
class Result:
    """What a run said and left behind."""

    project: Project
    status: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    @property
    def summary(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.project.root / "summary.json").read_text(encoding="ascii"))
        return content

    @property
    def word(self) -> str:
        word: str = self.summary["word"]
        return word

    def outcome(self, identity: str) -> str:
        outcome: str = next(one["outcome"] for one in self.summary["items"] if one["id"] == identity)
        return outcome


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project of two critical items and a warning, all of which pass, in a clean environment."""
    return a_project(tmp_path)


def a_project(folder: Path) -> Project:
    """A project in a folder of its own, with a home of its own."""
    home = folder / "home"
    home.mkdir(parents=True)
    keep = {name: os.environ[name] for name in ("PATH", "LANG", "VIRTUAL_ENV") if name in os.environ}
    made = Project(root=folder / "project", environ={**keep, "HOME": str(home), "READY": "yes", "GOLIVE_OPERATOR": "alice"})
    made.root.mkdir(parents=True)
    made.settings(OPEN)
    made.checklist(item("one"), item("two"), item("three", severity="warning"))
    return made


@pytest.fixture(scope="session")
def activated(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that the gate has activated, once for all tests that copy it."""
    made = a_project(tmp_path_factory.mktemp("activated"))
    done = made.gate()
    assert done.status == 0, done.text
    return made


@pytest.fixture
def live(project: Project, activated: Project) -> Project:
    """The project after a passing run, with marker, journal and the key that signed them."""
    for name in ("project", "home"):
        shutil.copytree(activated.root.parent / name, project.root.parent / name, dirs_exist_ok=True)
    assert project.marker.exists()
    return project


@pytest.fixture
def make_item() -> Callable[..., str]:
    """Builds the YAML of an item."""
    return item


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A folder in which one item after the other is judged."""
    return Bench(tmp_path)


@pytest.fixture
def serve() -> Iterator[Callable[..., Liar]]:
    """Starts servers that answer by a function, and stops them at the end."""
    servers: list[Liar] = []

    def start(answer: Callable[..., tuple[int, Any]]) -> Liar:
        servers.append(Liar(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
