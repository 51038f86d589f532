"""docs/GO_LIVE_GUIDE.md as a reader follows it: its files are written, its commands are run in order, its service is asked."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pytest_golive import config

GUIDE = (Path(__file__).parents[2] / "docs" / "GO_LIVE_GUIDE.md").read_text(encoding="utf-8")
_EXIT = re.compile(r"\s+# exit (\d+)(?:: (.*))?$")
_ASKS = re.compile(r"^golive (approve|activate|resume)\b[^#]*")
"""Commands that ask a person at the terminal; the test says yes beforehand."""


class Block(NamedTuple):
    """A fenced block: its language, what stands behind it, and its text."""

    language: str
    about: str
    text: str


BLOCKS = [Block(*found) for found in re.findall(r"^```([a-z]+) ?([^\n]*)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)]


class Reader:
    """Somebody who follows the guide, with Ada and Ben on machines of their own."""

    def __init__(self, folder: Path, port: int) -> None:
        self.root = folder / "desk"
        self.folder = folder
        self.port = port
        self.keys: dict[str, str] = {}
        programs = folder / "bin"
        programs.mkdir()
        for name, module in (("golive", "pytest_golive.cli"), ("pytest", "pytest"), ("python", "")):
            words = f"-m {module}" if module else ""
            (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
            (programs / name).chmod(0o755)
        self._path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        for who in ("you", "ada", "ben"):
            (folder / who / ".ssh").mkdir(parents=True, mode=0o700)
        self.root.mkdir()
        self.run("git init -q -b main")
        for who in ("ada", "ben"):
            key = folder / who / ".ssh" / "id_ed25519"
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", who, "-f", str(key)], check=True)
            self.keys[who] = Path(f"{key}.pub").read_text().strip()

    def write(self, name: str, text: str) -> None:
        """Write a file of the guide; the service answers at its real port, and people have real keys."""
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        for who, line in self.keys.items():
            text = text.replace(f"ssh-ed25519 AAAA… {who}", line)
        path.write_text(text.replace(":8000", f":{self.port}"), encoding="utf-8")

    def run(self, text: str, *, who: str = "you", folder: Path | None = None) -> None:
        """Run the lines of a block in one shell; each ends with the status, and says the words, that its remark names."""
        kept = self.folder / "page"
        script, wanted = f". {kept}\n" if kept.exists() else "", []
        for number, line in enumerate(line for line in text.splitlines() if line.strip()):
            match = _EXIT.search(line)
            wanted.append((line, int(match[1]) if match else 0, match[2] if match else None))
            script += _ASKS.sub(lambda found: f"{found[0].rstrip()} --yes ", line) + f"\nprintf '\\n@@%s %s\\n' {number} $?\n"
        done = subprocess.run(
            ["bash", "-c", f'{script}echo "page=$page" >{kept}'],
            cwd=folder or self.root,
            env={
                "PATH": self._path, "HOME": str(self.folder / who), "GOLIVE_OPERATOR": who, "LANG": "C.UTF-8", "PYTHONPATH": "",
                **{f"GIT_{role}_{what}": f"{who}@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
            },
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
        )  # fmt: skip
        said = re.split(r"\n?@@(\d+) (\d+)\n", done.stdout)
        for number, (line, status, words) in enumerate(wanted):
            told = said[3 * number]
            assert said[3 * number + 2] == str(status), f"{line}\n{told}"
            if words and words.startswith("skipped"):
                assert words in told, f"{line}\n{told}"

    def elsewhere(self, text: str, who: str) -> None:
        """What a person does in a clone of the repository with the page that was sent, which then comes back."""
        clone = self.folder / who / "desk"
        subprocess.run(["git", "clone", "-q", str(self.root), str(clone)], check=True, capture_output=True)
        shutil.copy(sorted(self.root.glob("reports/*-go/report.html"))[-1], clone / "report.html")
        self.run(text, who=who, folder=clone)
        shutil.copy(clone / "report.html", self.root / f"report-{who}.html")


@pytest.fixture
def reader(tmp_path: Path, serve: Callable[..., Any]) -> Reader:
    """Somebody with a service of their own that answers, and six fills on paper."""

    def answer(method: str, path: str, headers: object) -> tuple[int, Any]:
        now = datetime.now(UTC).isoformat()
        told = {"state": "healthy"} if path == "/health" else {"state": "OK", "emergency_stop": False, "lost_today": 20}
        return 200, {**told, "checked_at": now}

    made = Reader(tmp_path, serve(answer).port)
    at, lines = datetime.now(UTC) - timedelta(days=2), ["id,at,symbol,side,quantity,price,fee"]
    for number in range(6):
        side, moment = ("BUY", "SELL")[number % 2], at + timedelta(hours=number)
        lines.append(f"P{number},{moment.isoformat(timespec='seconds')},BTCUSDT,{side},0.001,{60000 + number},0.01")
    made.write("paper.csv", "\n".join(lines) + "\n")
    return made


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="ssh-keygen is not installed (Debian: openssh-client)")
def test_the_guide_from_the_first_line_to_the_last(reader: Reader) -> None:
    """Every file as it stands there, every command in its order with the status that the guide says, nothing left out."""
    for block in BLOCKS:
        if block.language == "sh":
            if block.about in ("ada", "ben"):
                reader.elsewhere(block.text, block.about)
            else:
                reader.run(block.text, who=block.about.removesuffix(" here") or "you")
        elif block.about == "fragment":
            settings = reader.folder / "fragment.yaml"
            settings.write_text("version: 1\n" + block.text)
            assert config.load(settings, {}).activation.windows
        elif block.language != "text":
            reader.write(block.about, block.text)
    events = [json.loads(line)["event"] for line in (reader.root / "reports/journal.jsonl").read_text().splitlines()]
    # Ada's and Ben's journals are in their clones, and have what they signed
    told = [event for event in events if event not in ("run", "refusal-changed")]
    assert told == ["activated", "stopped", "resumed", "deactivated"]


def test_only_the_installation_is_not_run() -> None:
    """A block that is neither a file, a fragment nor a command of a shell is the installation and nothing else."""
    (installation,) = [block for block in BLOCKS if block.language == "text"]
    assert "pip install pytest-golive" in installation.text
    assert {block.language for block in BLOCKS} == {"text", "yaml", "toml", "python", "sh"}
    assert GUIDE.count("\n```") == 2 * len(BLOCKS)
