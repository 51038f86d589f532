"""docs/OPERATOR_MANUAL.md: its eight sections, and every command in them run on a project that trades."""

from __future__ import annotations

import io
import re
import shlex
import shutil
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from pytest_golive.cli import main
from pytest_golive.guard import Guard
from pytest_golive.signing.keys import session_key
from tests.acceptance.conftest import OPEN, Result, a_project, item
from tests.signing.people import Hand, hand, person, roster

MANUAL = (Path(__file__).parents[2] / "docs" / "OPERATOR_MANUAL.md").read_text(encoding="utf-8")
SECTIONS = [
    "Quick reference", "Daily routine", "Activating real trading", "Stopping", "Emergencies", "Configuration",
    "Monitoring and alerts", "Troubleshooting",
]  # fmt: skip
"""The eight sections of document 001, STEP 5, lines 179 to 219."""

COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```$", MANUAL, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]
PLAN = """\
version: 1
title: The way back
history: HISTORY.md
steps:
- id: flag
  title: Deactivate
  why: Nothing goes after it.
  does: Removes the marker.
  run: ["${golive_python}", -m, pytest_golive.cli, deactivate, "--reason=${reason}", --config, "${golive_config}"]
  verify: {command: [test, "!", -e, go_live.active]}
  danger: false
"""


class Duty:
    """Ada on duty, with Ben of risk and Cy beside her, in a project that trades."""

    def __init__(self, folder: Path) -> None:
        self.project = a_project(folder)
        self.hands: dict[str, Hand] = {name: hand(folder, name) for name in ("ada", "ben", "cy")}
        own = Path(self.project.environ["HOME"], ".ssh")
        own.mkdir(mode=0o700)
        shutil.copy(self.hands["ada"].path, own / "id_ed25519")
        people = {"ada": ["operations"], "ben": ["risk"], "cy": ["qa"]}
        lines = (person(name, roles, self.hands[name].line) for name, roles in people.items())
        more = "[quorum.production]\npersons = 2\nroles = {operations = 1, risk = 1}\n"
        self.project.write("golive.roster.toml", roster(*lines, more=more))
        self.project.write("rollback.yaml", PLAN)
        self.project.settings(
            OPEN + "profiles: {small: {needs: [watched], live_for: 7d}}\nsignoff: {resume_roles: [operations]}\n"
        )
        self.project.checklist(item("one"), item("watched", phase="monitoring"))
        self.said = ""

    @property
    def page(self) -> str:
        return str(self.project.reports()[-1].relative_to(self.project.root))

    @property
    def live(self) -> bool:
        key = session_key(Path(self.project.environ["HOME"], ".local/share/golive/session.key")).public
        root = self.project.root
        asked = Guard(
            root / "go_live.active", environment="production", keys=[key], state=root / "guard.state",
            stop_files=[root / "EMERGENCY_STOP"],
        )  # fmt: skip
        return asked.allows().allowed

    def golive(self, *words: str) -> Result:
        """The command without a process of its own."""
        out, err, before = io.StringIO(), io.StringIO(), signal.getsignal(signal.SIGTERM)
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(self.project.root)
            patch.setattr(sys, "stdin", io.StringIO())
            for name, value in self.project.environ.items():
                patch.setenv(name, value)
            patch.delenv("SSH_AUTH_SOCK", raising=False)
            status = main(words)
        signal.signal(signal.SIGTERM, before)
        return Result(self.project, status, out.getvalue(), err.getvalue())

    def approve(self, who: str, role: str) -> None:
        done = self.golive("approve", self.page, "--role", role, "--key", str(self.hands[who].path), "--yes")
        assert done.status == 0, done.text

    def type(self, line: str) -> None:
        """One line of the manual as a person would type it, with the words in capitals put in."""
        command, _, remark = line.partition("  #")
        words = shlex.split(command)
        program, rest = words[0], [self._meant(word) for word in words[1:]]
        if rest[0] in ("approve", "activate", "resume", "break-glass"):
            rest.append("--yes")
        if rest[0] == "watch":
            rest += ["--rounds", "1"]
        for remark_of, who in (("second", "ben"), ("third", "cy")):
            if f"{remark_of} " in remark and "break-glass" in rest:
                rest += ["--key", str(self.hands[who].path)]
        done = self.project.pytest(*rest) if program == "pytest" else self.golive(*rest)
        assert program in ("golive", "pytest")
        wanted = re.search(r"exit (\d)(?!, else)", remark)
        assert done.status == (int(wanted[1]) if wanted else 0), f"{line}\n{done.text}"
        self.said += done.text

    def _meant(self, word: str) -> str:
        if word == "ID":
            return re.findall(r"golive break-glass (\d{8}T\S+)$", self.said, re.MULTILINE)[-1]
        if word == "ACTIVATION":
            return re.findall(r"--review (\w+)", self.golive("break-glass", "--list").out + self.said)[-1]
        return self.page if word == "REPORT" else word


def test_the_eight_sections_in_their_order() -> None:
    """The manual has the sections of document 001, numbered, and no other; it is short enough to be read at night."""
    assert re.findall(r"^## (\d)\. (.+)$", MANUAL, re.MULTILINE) == [(str(n), name) for n, name in enumerate(SECTIONS, 1)]
    assert len(MANUAL.splitlines()) <= 140
    for procedure in ("emergency stop system", "exchange is down", "Everything is blocked", "Sizes are not what you expect"):
        assert procedure in MANUAL.partition("## 5.")[2].partition("## 6.")[0]


def test_every_command_of_the_manual(tmp_path: Path) -> None:
    """Each command does what the manual says on a project that trades, in the order of the page."""
    duty = Duty(tmp_path)
    assert duty.project.pytest("--golive").status == 0
    duty.approve("ada", "operations")
    duty.approve("ben", "risk")
    assert duty.golive("activate", duty.page, "--yes").status == 0
    for line in COMMANDS:
        if line.startswith("golive verify"):
            duty.approve("ben", "risk")
        duty.type(line)
        words = line.split()
        if words[1] in ("stop", "deactivate") or (words[:2] == ["golive", "rollback"] and "--reason" in line):
            assert not duty.live, line
        if words[1] in ("activate", "resume") or (words[1] == "break-glass" and words[2] == "ID"):
            assert duty.live is (words[1] != "resume" or "feed" in line), line
    assert len(COMMANDS) >= 28
