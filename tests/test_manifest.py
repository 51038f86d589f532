"""The release manifest: what was tested, so that nothing else passes for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_golive import manifest, worktree
from pytest_golive.worktree import Tree, digest_of_files, look_at_tree

GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@t.invalid", "-c", "commit.gpgsign=false"]


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository with one commit: settings, a module, and an ignored folder."""
    root = tmp_path / "repo"
    (root / "deploy").mkdir(parents=True)
    (root / "src.py").write_text("one\n")
    (root / "deploy" / "golive.yaml").write_text("version: 1\n")
    (root / ".gitignore").write_text("ignored/\n")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "one"]):
        subprocess.run([*GIT, *words], cwd=root, check=True, capture_output=True)
    return root


def test_a_clean_tree_has_no_changes(repo: Path) -> None:
    """Commit and tree are told, and that nothing differs from them; ignored files and compiled code do not count."""
    (repo / "ignored").mkdir()
    (repo / "ignored" / "x").write_text("x")
    (repo / "__pycache__").mkdir()
    (repo / "__pycache__" / "src.pyc").write_text("x")
    tree = look_at_tree(repo)
    assert (len(tree.commit), tree.dirty, tree.changes) == (40, False, "")


@pytest.mark.parametrize("name", ["src.py", "new.py", "folder/new.py"])
def test_each_change_has_a_digest_of_its_own(repo: Path, name: str) -> None:
    """An edited, a new, and a new file in a new folder make the tree dirty; another edit of one file is another state."""
    path = repo / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("two\n")
    first = look_at_tree(repo)
    path.write_text("six\n")
    second = look_at_tree(repo)
    assert first.dirty
    assert second.dirty
    assert first.changes != second.changes
    path.write_text("two\n")
    assert look_at_tree(repo).changes == first.changes


def test_a_change_beside_the_settings_folder_counts(repo: Path) -> None:
    """Settings may lie in a folder of the repository: what was tested is all of it."""
    (repo / "src.py").write_text("two\n")
    assert look_at_tree(repo / "deploy").dirty


def test_what_a_run_leaves_behind_does_not_count(repo: Path) -> None:
    """Settings, reports and marker are no dirt, wherever they lie; their neighbours are."""
    (repo / "deploy" / "golive.yaml").write_text("version: 1\nactivation_enabled: true\n")
    (repo / "reports").mkdir()
    (repo / "reports" / "page.html").write_text("x")
    beside = [repo / "deploy" / "golive.yaml", repo / "reports", Path("/nowhere/else")]
    assert look_at_tree(repo / "deploy", beside=beside).dirty is False
    (repo / "reports.py").write_text("x")
    assert look_at_tree(repo / "deploy", beside=beside).dirty


def test_what_git_cannot_tell_is_never_the_same_twice(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If git breaks on the way there is no digest that a second look could confirm."""
    real = worktree._git

    def broken(folder: Path, *words: str) -> bytes | None:
        return real(folder, *words) if words[0] == "rev-parse" else None

    monkeypatch.setattr(worktree, "_git", broken)
    first, second = look_at_tree(repo), look_at_tree(repo)
    assert first.dirty is None
    assert first.changes != second.changes


def test_a_folder_without_git_is_nothing(tmp_path: Path) -> None:
    """Outside of a work tree nothing is claimed."""
    assert look_at_tree(tmp_path) == Tree()


def test_a_place_is_a_folder_of_a_machine(tmp_path: Path) -> None:
    """Two folders are two places, a link to one is the same one, and neither is given away."""
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert manifest.place(tmp_path / "a") == manifest.place(tmp_path / "link") != manifest.place(tmp_path)
    assert str(tmp_path) not in manifest.place(tmp_path)


def test_files_are_digested_with_their_names(tmp_path: Path) -> None:
    """The same bytes under another name are something else, and so is a file that is gone."""
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("x")
    two.write_text("x")
    digests = {digest_of_files(files, tmp_path) for files in ([one], [two], [one, two], [], [tmp_path / "gone.py"])}
    assert len(digests) == 5


def test_what_has_no_end_is_not_read(repo: Path) -> None:
    """A link to a device or to a pipe, which git does not know, makes the tree dirty and keeps nobody waiting."""
    os.mkfifo(repo.parent / "pipe")
    (repo / "endless").symlink_to("/dev/zero")
    (repo / "waiting").symlink_to(repo.parent / "pipe")
    looking = "from pathlib import Path; from pytest_golive.worktree import look_at_tree; print(look_at_tree(Path()))"
    told = subprocess.run([sys.executable, "-c", looking], cwd=repo, capture_output=True, text=True, timeout=20, check=True)
    assert "dirty=True, changes='" in told.stdout
    assert "unknown" not in told.stdout
