"""A page activates only what it was made of: this checkout, this code, these settings as they came out."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_golive.guard.machine import machine_host
from tests.acceptance.conftest import OPEN, Project, item

READY = item("ready", phase="activation")
PYTHON = item("acted", probe='python: {call: "behaviours.one:look"}', expect="expect: {seen: true}")
LOOK = "def look():\n    return {'seen': True}\n"
GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@t.invalid", "-c", "commit.gpgsign=false"]


@pytest.fixture
def page(project: Any) -> str:
    """A GO page that has not been activated from yet, of a project with code of its own."""
    project.settings(OPEN + 'target: {variables: {api: "${env:API}"}}\n')
    project.environ["API"] = "one"
    project.checklist(item("one"), PYTHON, READY)
    project.write("checklists/behaviours/one.py", LOOK)
    return _page(project)


def _page(project: Any) -> str:
    assert project.gate("--golive-no-marker").word == "GO"
    return str(project.reports()[-1].relative_to(project.root))


def _activate(project: Project, page: str) -> Any:
    return project.golive("activate", page, "--yes")


def test_the_same_place_activates(project: Any, page: str) -> None:
    """Where nothing changed the page is good for an activation."""
    done = _activate(project, page)
    assert done.status == 0, done.text
    assert project.marker.exists()


def test_a_copy_of_the_checkout_is_another_place(project: Any, page: str, tmp_path: Path) -> None:
    """Byte for byte the same, journal and all, in another folder: refused."""
    shutil.copytree(project.root, tmp_path / "copy")
    copy = replace(project, root=tmp_path / "copy")
    done = _activate(copy, page)
    assert done.status == 1
    assert "this is not what the gate run tested" in done.text
    assert not copy.marker.exists()


def test_edited_code_of_a_check_is_another_release(project: Any, page: str) -> None:
    """A behaviour that was edited after the run was not what was run, with git or without."""
    project.write("checklists/behaviours/one.py", LOOK + "# edited\n")
    assert "this is not what the gate run tested" in _activate(project, page).text
    assert not project.marker.exists()


def test_settings_that_come_out_otherwise_are_other_settings(project: Any, page: str) -> None:
    """The same golive.yaml with another address in the environment is about another target."""
    assert "this is not what the gate run tested" in project.golive("activate", page, "--yes", env={"API": "two"}).text
    assert not project.marker.exists()


def _commit(project: Any) -> str:
    for words in (["init", "-q"], ["add", "-A", "--", "golive.yaml", "checklists"], ["commit", "-q", "-m", "one"]):
        subprocess.run([*GIT, *words], cwd=project.root, check=True, capture_output=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project.root, check=True, capture_output=True, text=True)
    return head.stdout.strip()


def test_an_edit_on_a_dirty_tree_is_seen(project: Any, page: str) -> None:
    """A tree that was dirty before and is dirty otherwise now was not tested; what the run itself left is no dirt."""
    _commit(project)
    (project.root / "summary.json").unlink()
    script = project.write("deploy.sh", "one\n")
    made = _page(project)
    (project.root / "summary.json").unlink()
    (project.root / "deploy.sh").write_text("two\n")
    assert "this is not what the gate run tested" in _activate(project, made).text
    assert not project.marker.exists()
    script.write_text("one\n")
    assert _activate(project, made).status == 0


def test_a_dirty_tree_does_not_go_by_the_name_of_its_commit(project: Any, page: str) -> None:
    """A marker for a dirty tree names the commit as dirty, so that a guard that wants the commit refuses it."""
    head = _commit(project)
    (project.root / "summary.json").unlink()
    project.write("deploy.sh", "one\n")
    assert project.gate().word == "GO"
    assert f'commit: "{head}-dirty"' in project.marker.read_text()


def test_a_clean_tree_goes_by_the_name_of_its_commit(project: Any, page: str) -> None:
    """A clean tree keeps the plain name, also in its second run: reports, journal and marker are no dirt."""
    head = _commit(project)
    (project.root / "summary.json").unlink()
    for _ in range(2):
        assert project.pytest("--golive").status == 0
        assert f'commit: "{head}"' in project.marker.read_text()


@pytest.mark.skipif(not machine_host(), reason="this machine has no machine id")
def test_a_marker_can_be_bound_to_its_machine(project: Any) -> None:
    """With `host: this` the marker names the machine in the form that its guard knows, and the guard lets orders go here."""
    project.settings(OPEN + "activation: {host: this}\n")
    project.checklist(item("one"))
    assert project.gate().word == "GO"
    assert f'host: "{machine_host()}"' in project.marker.read_text()
    assert project.golive("guard").status == 0
