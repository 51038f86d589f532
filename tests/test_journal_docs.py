"""What docs/journal.md says is so."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pytest_golive.events import EVENTS
from pytest_golive.journal import Journal

TEXT = (Path(__file__).parents[1] / "docs" / "journal.md").read_text(encoding="utf-8")
NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def test_every_event_is_in_the_table() -> None:
    """The table holds each event with its sentence, in the order of the code."""
    assert dict(re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", TEXT, re.MULTILINE)) == EVENTS


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="needs sha256sum of coreutils")
def test_a_stranger_finds_what_was_altered(tmp_path: Path) -> None:
    """The lines of shell that need nothing of this product find a whole journal whole and an altered one broken."""
    script = TEXT.split("```sh\n")[1].split("```")[0]
    journal = Journal(tmp_path / "reports" / "journal.jsonl")
    for number in range(4):
        journal.append("run", {"text": "Žofie's \\ line\n", "number": number}, NOW)

    def look() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)

    done = look()
    assert done.returncode == 0, done.stdout + done.stderr
    assert journal.head()[1] in done.stdout
    journal.path.write_bytes(journal.path.read_bytes().replace(b'"number":2', b'"number":3'))
    assert look().returncode == 1
