"""The house itself: its floors, its faces, and what it costs those who do not ask for it."""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_golive

ROOT = Path(__file__).parents[1]

HEAVY = ("yaml", "pydantic", "requests", "jinja2", "cryptography", "sqlalchemy", "jsonpath", "dotenv")


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh process has after running `code`."""
    done = run("-c", f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))")
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_imports_only_go_down() -> None:
    """Every contract on who may import whom holds."""
    done = run("-c", "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])")
    assert done.returncode == 0, done.stdout


def test_types_hold() -> None:
    """mypy finds nothing under its strict settings."""
    done = run("-m", "mypy")
    assert done.returncode == 0, done.stdout


def test_style_holds() -> None:
    """ruff finds nothing."""
    done = run("-m", "ruff", "check", ".")
    assert done.returncode == 0, done.stdout


def test_the_package_alone_is_light() -> None:
    """Importing the package brings in neither pytest nor anything heavy."""
    assert loaded_by("import pytest_golive").isdisjoint({"pytest", *HEAVY})


def test_the_plugin_is_light() -> None:
    """A project that has the plugin and does not ask for it pays for no import of ours."""
    assert loaded_by("import pytest_golive.plugin, pytest_golive.hookspecs").isdisjoint({"pytest_html", *HEAVY})


def test_status_is_light() -> None:
    """The command line imports neither pytest nor the trial wing to show a status."""
    assert loaded_by("import pytest_golive.cli, pytest_golive.standing").isdisjoint(
        {"pytest", "requests", "jinja2", "sqlalchemy"}
    )


@pytest.mark.parametrize(
    "name",
    [module.name for module in pkgutil.walk_packages(pytest_golive.__path__, "pytest_golive.") if "template" not in module.name],
)
def test_faces_are_whole(name: str) -> None:
    """Every name that a module announces in `__all__` is there, and every module says what it is."""
    if name.endswith(("__main__", "python_call")):
        pytest.skip("a module that is run, not imported")
    module = importlib.import_module(name)
    assert module.__doc__
    for announced in getattr(module, "__all__", ()):
        assert hasattr(module, announced)


def test_files_can_be_read_in_one_sitting() -> None:
    """No file of the package is longer than 450 lines."""
    long = {
        str(path): count for path in ROOT.glob("pytest_golive/**/*.py") if (count := len(path.read_text().splitlines())) > 450
    }
    assert not long


def test_nothing_names_this_machine() -> None:
    """No tracked file carries a path of the machine it was made on."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    if not tracked:
        pytest.skip("not a git checkout")
    words = ["/" + "work/", "/" + "root/"]
    found = []
    for name in tracked:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".yaml", ".toml", ".ini", ".css", ".html"} and path.exists():
            text = path.read_text(encoding="utf-8")
            found += [(name, word) for word in words if word in text and name != "tests/test_house.py"]
    assert not found
