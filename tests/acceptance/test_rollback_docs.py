"""Every command of docs/GO_LIVE_ROLLBACK.md, in the order of the document, and every piece of YAML in it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_golive import config
from pytest_golive.rollback import plan as plans
from tests.acceptance.conftest import Project

DOCUMENT = (Path(__file__).parents[2] / "docs" / "GO_LIVE_ROLLBACK.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(sh|yaml)\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
COMMANDS = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines() if line.strip()]
YAML = [block for kind, block in BLOCKS if kind == "yaml"]
_EXIT = re.compile(r"\s+# exit (\d)$")


@pytest.fixture
def ready(live: Project) -> Project:
    """A live project of somebody who has a key in the usual place, stands on the roster, and has the plan of the document."""
    key = Path(live.environ["HOME"], ".ssh", "id_ed25519")
    key.parent.mkdir(mode=0o700)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    public = " ".join(Path(f"{key}.pub").read_text().split()[:2])
    live.write(
        "golive.roster.toml",
        'version = 1\nroles = ["operations"]\n[persons.ada]\nname = "Ada Nowak"\nroles = ["operations"]\n'
        f'keys = [{{ key = "{public}" }}]\n',
    )
    live.write("rollback.yaml", next(block for block in YAML if block.startswith("version")))
    return live


def test_every_command(ready: Project) -> None:
    """Each ends with the status that the document says, 0 where it says nothing, and at the end the desk is live again."""
    assert len([line for line in COMMANDS if line.startswith("golive ")]) >= 12
    for line in COMMANDS:
        match = _EXIT.search(line)
        words = shlex.split(_EXIT.sub("", line))
        program = [sys.executable, "-m", "pytest_golive.cli", *words[1:]] if words[0] == "golive" else words
        assert words[0] in ("golive", "sed")
        done = subprocess.run(
            program,
            cwd=ready.root,
            env=ready.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == (int(match[1]) if match else 0), (line, done.stdout, done.stderr)
        if line.startswith("golive stop"):
            assert ready.golive("guard", "--", "true").status != 0
        if "resume" in line or "activate --yes" in line:
            assert "PERMITTED" in ready.golive("status").out


def test_every_piece_of_yaml(tmp_path: Path) -> None:
    """The plan is a plan, and the setting is a setting."""
    setting, plan = YAML
    (tmp_path / "golive.yaml").write_text("version: 1\n" + setting)
    assert config.load(tmp_path / "golive.yaml").on_stop.cancel[0] == "/srv/desk/bin/cancel-open-orders"
    (tmp_path / "rollback.yaml").write_text(plan)
    names = dict.fromkeys(("golive_python", "golive_config", "reason", "operator"), "x")
    assert len(plans.read(tmp_path / "rollback.yaml", names, root=tmp_path).steps) == 3


def test_the_eight_steps_of_the_table() -> None:
    """The table of the document has as many steps as the plan of the desk, and names the dangerous one."""
    plan = (Path(__file__).parents[2] / "examples/desk/rollback.yaml").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| (.+?) \|", DOCUMENT, re.MULTILINE)
    assert [number for number, _ in rows] == [str(number) for number in range(1, 9)]
    assert plan.count("\n- id:") == 8
    assert [number for number, title in rows if "(asks)" in title] == ["4"]
    assert plan.count("danger: false") == 7


@pytest.mark.parametrize(
    "words",
    [
        ("git", "reset", "--hard"),
        ("git", "push", "--force"),
        ("pkill", "x"),
        ("killall", "x"),
        ("rm", "-r", "x"),
        ("mongorestore", "--drop"),
        ("psql", "--command=DROP DATABASE x"),
    ],
)
def test_what_the_document_calls_refused_is_refused(words: tuple[str, ...]) -> None:
    """No command that the document says is refused would be run."""
    assert words[0] in DOCUMENT or "DROP DATABASE" in DOCUMENT
    with pytest.raises(ValueError, match="not run"):
        plans.refuse_harm(words)
