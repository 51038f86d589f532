"""git: a real repository, a real bare remote, and everything that only looks committed or pushed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pytest_golive import probes
from pytest_golive.errors import ProbeError

DATE = "2026-11-20T10:00:00+00:00"


class Repository:
    """A work tree in which git is asked to do things."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, *words: str) -> str:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path.parent),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_COMMITTER_DATE": DATE,
            "GIT_AUTHOR_DATE": DATE,
        }
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "protocol.file.allow=always"]
        done = subprocess.run(["git", *identity, *words], cwd=self.path, env=env, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, name: str, text: str, subject: str) -> str:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        self("add", "-f", name)
        self("commit", "-qm", subject)
        return self("rev-parse", "HEAD")


def paths(found: list[dict[str, str]]) -> list[str]:
    return [each["path"] for each in found]


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    """A repository with one commit on main, pushed to a bare one."""
    (tmp_path / "r").mkdir()
    repo = Repository(tmp_path / "r")
    repo("init", "-q", "-b", "main")
    repo.commit(".gitignore", ".env\n*.sqlite\n", "feat: begin")
    repo("init", "-q", "--bare", "-b", "main", str(tmp_path / "there.git"))
    repo("remote", "add", "origin", str(tmp_path / "there.git"))
    repo("push", "-q", "-u", "origin", "main")
    return repo


def test_a_clean_pushed_repository_is_told(look: Any, repo: Repository, tmp_path: Path) -> None:
    """Commit, branch, remote and the state of the work tree are facts, and what the remote holds was asked of it."""
    facts = look("git", path="r", remote="origin")
    assert facts["clean"] is True
    assert facts["branch"] == "main"
    assert facts["branches"] == ["main"]
    assert facts["commit"] == repo("rev-parse", "HEAD") == facts["remote_branches"]["main"] == facts["remote_head"]
    assert facts["pushed"] is True
    assert (facts["ahead"], facts["behind"], facts["upstream"]) == (0, 0, "origin/main")
    assert (facts["subject"], facts["author"], facts["committed_at"][:10]) == ("feat: begin", "Ada", DATE[:10])
    assert facts["remotes"] == {"origin": str(tmp_path / "there.git")}
    assert facts["remote_has_root"] is True
    assert facts["tags"] == facts["remote_tags"] == facts["tracked_secrets"] == facts["submodules"] == []


def test_every_kind_of_change_is_dirt(look: Any, repo: Repository) -> None:
    """Modified, staged, untracked and renamed files are told by name, each makes the tree unclean; ignored ones do not."""
    repo.commit("a", "1\n", "feat: a")
    repo.commit("b", "a much longer text that git knows again\n", "feat: b")
    (repo.path / "a").write_text("2")
    (repo.path / "new dir").mkdir()
    (repo.path / "new dir" / "ü").write_text("")
    (repo.path / ".env").write_text("KEY=1")
    repo("mv", "b", "c")
    facts = look("git", path="r")
    assert facts["clean"] is False
    assert (facts["modified"], facts["staged"], facts["untracked"]) == (["a"], ["c"], ["new dir/ü"])
    assert facts["modified_count"] == 1
    (repo.path / "a").write_text("1\n")
    repo("mv", "c", "b")
    (repo.path / "new dir" / "ü").unlink()
    assert look("git", path="r")["clean"] is True


def test_a_commit_that_was_not_pushed_is_not_pushed(look: Any, repo: Repository) -> None:
    """One commit ahead is told, and the remote's branch is at another commit."""
    repo.commit("a", "1", "feat: a")
    facts = look("git", path="r", remote="origin")
    assert (facts["ahead"], facts["behind"], facts["pushed"]) == (1, 0, False)


def test_a_remote_that_moved_is_seen_without_a_fetch(look: Any, repo: Repository, tmp_path: Path) -> None:
    """What lies here of the remote is old: ahead and behind still say 0, and only the remote itself tells the truth."""
    other = Repository(tmp_path / "other")
    repo("clone", "-q", str(tmp_path / "there.git"), str(tmp_path / "other"))
    other.commit("b", "1", "feat: b")
    other("push", "-q")
    facts = look("git", path="r", remote="origin")
    assert (facts["ahead"], facts["behind"]) == (0, 0)
    assert facts["pushed"] is False
    assert "remote_has_root" not in facts


def test_nothing_is_told_of_a_remote_that_was_not_asked(look: Any, repo: Repository) -> None:
    """Without `remote` there is no fact that an expectation about pushing could pass on."""
    facts = look("git", path="r")
    assert not {"pushed", "remote_tags", "remote_branches", "tags_unpushed"} & set(facts)


def test_tags_are_held_against_the_remote(look: Any, repo: Repository) -> None:
    """A tag that is missing there, or stands there at another commit, is told by name; the pattern limits them."""
    first = repo("rev-parse", "HEAD")
    repo("tag", "v1.0-go-live")
    repo("tag", "-a", "v1.1", "-m", "release")
    repo("tag", "nightly")
    repo("push", "-q", "origin", "v1.0-go-live", "v1.1")
    facts = look("git", path="r", remote="origin", tags="v*")
    assert facts["tags"] == facts["tags_here"] == facts["remote_tags"] == ["v1.0-go-live", "v1.1"]
    assert facts["annotated"] == ["v1.1"]
    assert facts["tags_unpushed"] == facts["tags_differ"] == []
    assert look("git", path="r", remote="origin")["tags_unpushed"] == ["nightly"]
    repo.commit("a", "1", "feat: a")
    repo("tag", "-f", "v1.0-go-live")
    facts = look("git", path="r", remote="origin", tags="v*")
    assert facts["tags_differ"] == ["v1.0-go-live"]
    assert facts["tags_here"] == ["v1.0-go-live"]
    assert facts["commit"] != first


def test_secrets_that_are_tracked_are_named(look: Any, repo: Repository) -> None:
    """A tracked .env counts although it is ignored by name; a template does not; history keeps what was removed."""
    for name in (".env", "keys/server.pem", ".env.example", "id_ed25519", "notes.md", "own.vault"):
        repo.commit(name, "x", f"chore: {name}")
    facts = look("git", path="r", ignored=[".env", "desk.sqlite", "data"], secrets=["*.vault"])
    assert paths(facts["tracked_secrets"]) == [".env", "id_ed25519", "keys/server.pem", "own.vault"]
    assert facts["ignored"] == ["desk.sqlite"]
    assert facts["not_ignored"] == [".env", "data"]
    repo("rm", "-q", ".env", "keys/server.pem", "id_ed25519", "own.vault")
    repo("commit", "-qm", "chore: clean")
    facts = look("git", path="r", history=True, ignored=[".env"])
    assert facts["tracked_secrets"] == []
    assert paths(facts["history_secrets"]) == [".env", "id_ed25519", "keys/server.pem"]
    assert facts["ignored"] == [".env"]


def test_commits_can_be_told_since_a_tag_and_by_path(look: Any, repo: Repository) -> None:
    """Subjects, authors and merges of the commits since a release, or of those that touch one file."""
    repo("tag", "v1")
    repo("checkout", "-q", "-b", "feature/x")
    repo.commit("config.yaml", "1", "feat(config): x")
    repo("checkout", "-q", "main")
    repo.commit("b", "1", "wip")
    repo("merge", "-q", "--no-ff", "-m", "merge feature/x", "feature/x")
    commits = look("git", path="r", since="v1")["commits"]
    assert {commit["subject"] for commit in commits} == {"merge feature/x", "wip", "feat(config): x"}
    assert [commit["subject"] for commit in commits if commit["merge"]] == ["merge feature/x"]
    assert [commit["subject"] for commit in look("git", path="r", paths=["config.yaml"])["commits"]] == ["feat(config): x"]
    assert len(look("git", path="r", log=1)["commits"]) == 1


def test_a_detached_head_has_no_branch(look: Any, repo: Repository) -> None:
    """Detached is told, and no branch is made up for it."""
    repo("checkout", "-q", "--detach")
    facts = look("git", path="r", remote="origin")
    assert facts["detached"] is True
    assert not {"branch", "pushed", "ahead"} & set(facts)


def test_a_shallow_clone_does_not_count(look: Any, repo: Repository, tmp_path: Path) -> None:
    """Counts that a shallow clone cannot know are left out."""
    repo.commit("a", "1", "feat: a")
    repo("push", "-q")
    repo("clone", "-q", "--depth=1", f"file://{tmp_path}/there.git", str(tmp_path / "shallow"))
    facts = look("git", path="shallow", remote="origin")
    assert facts["shallow"] is True
    assert facts["pushed"] is True
    assert not {"ahead", "behind", "remote_has_root"} & set(facts)


def test_a_submodule_that_is_not_there_is_told(look: Any, repo: Repository, tmp_path: Path) -> None:
    """A clone without its submodules names them, and a submodule at another commit is a change."""
    repo("submodule", "--quiet", "add", str(tmp_path / "there.git"), "sub")
    repo("commit", "-qm", "feat: sub")
    assert look("git", path="r")["submodules"] == [{"path": "sub", "present": True}]
    Repository(repo.path / "sub").commit("x", "1", "elsewhere")
    facts = look("git", path="r")
    assert (facts["clean"], facts["modified"]) == (False, ["sub"])
    repo("push", "-q")
    repo("clone", "-q", str(tmp_path / "there.git"), str(tmp_path / "clone"))
    assert look("git", path="clone")["submodules"] == [{"path": "sub", "present": False}]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("plain", "not the root of a git repository"),
        ("r/folder", "not the root of a git repository"),
        ("there.git", "bare repository"),
        ("empty", "has no commit yet"),
        ("nowhere", "does not exist"),
    ],
)
def test_what_is_no_repository_is_an_error(look: Any, repo: Repository, tmp_path: Path, path: str, message: str) -> None:
    """A folder that is none, lies inside another one, is bare or holds no commit cannot be looked at."""
    (tmp_path / "plain").mkdir()
    (repo.path / "folder").mkdir()
    repo("init", "-q", str(tmp_path / "empty"))
    with pytest.raises(ProbeError, match=message):
        look("git", path=path)


def test_a_remote_that_cannot_be_asked_is_an_error(look: Any, repo: Repository, tmp_path: Path) -> None:
    """An unknown remote and one that is gone are errors, not an empty list of tags."""
    with pytest.raises(ProbeError, match=r"has no remote 'github' \(it has: origin\)"):
        look("git", path="r", remote="github")
    (tmp_path / "there.git").rename(tmp_path / "gone.git")
    with pytest.raises(ProbeError, match=r"git ls-remote .* failed"):
        look("git", path="r", remote="origin")


def test_a_look_changes_nothing(look: Any, repo: Repository) -> None:
    """No hook of the repository runs and no file in .git is written, even when the index is out of date."""
    repo.commit("a", "1", "feat: a")
    hook = repo.path / ".git" / "hooks" / "post-index-change"
    hook.write_text(f"#!/bin/sh\ntouch {repo.path}/hooked\n")
    hook.chmod(0o755)
    monitor = repo.path / ".git" / "monitor"
    monitor.write_text(f"#!/bin/sh\ntouch {repo.path}/monitored\n")
    monitor.chmod(0o755)
    repo("config", "core.fsmonitor", str(monitor))
    os.utime(repo.path / "a", (1, 1))
    before = {path: path.stat().st_mtime_ns for path in (repo.path / ".git").rglob("*")}
    assert look("git", path="r", remote="origin", log=3, ignored=["x"])["clean"] is True
    assert {path: path.stat().st_mtime_ns for path in (repo.path / ".git").rglob("*")} == before
    assert not (repo.path / "hooked").exists()
    assert not (repo.path / "monitored").exists()


def test_the_surrounding_environment_does_not_lead_elsewhere(look: Any, repo: Repository, tmp_path: Path) -> None:
    """GIT_DIR of a hook, and the user's own settings, do not change what is looked at."""
    repo("init", "-q", str(tmp_path / "other"))
    look.environ |= {"GIT_DIR": str(tmp_path / "other" / ".git"), "HOME": str(tmp_path), "GIT_CONFIG_PARAMETERS": "'a.b=c'"}
    (tmp_path / ".gitconfig").write_text("[core]\n\texcludesFile = all\n[status]\n\tshowUntrackedFiles = no\n")
    (repo.path / "new").write_text("")
    facts = look("git", path="r")
    assert facts["untracked"] == ["new"]
    assert facts["subject"] == "feat: begin"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_repository_of_somebody_else_is_an_error(look: Any, repo: Repository) -> None:
    """Git does not trust it, which is told in plain words; `foreign_owner` allows it."""
    for path in (repo.path, repo.path / ".git"):
        os.chown(path, 12345, 12345)
    with pytest.raises(ProbeError, match="belongs to another user"):
        look("git", path="r")
    assert look("git", path="r", foreign_owner=True)["clean"] is True


def test_a_password_in_an_address_is_not_told(look: Any, repo: Repository) -> None:
    """The address of a remote is told without what stands before the @."""
    repo("remote", "set-url", "origin", "https://ada:hunter2secret@git.example.org/desk.git")
    assert look("git", path="r")["remotes"] == {"origin": "https://git.example.org/desk.git"}


@pytest.mark.parametrize("fields", [{"remote": "--upload-pack=touch x"}, {"since": "-x"}, {"log": 1001}, {"path": ""}])
def test_an_option_cannot_be_passed_off_as_a_name(fields: dict[str, Any]) -> None:
    """What git would read as an option is refused when the list is loaded."""
    with pytest.raises(ValidationError):
        probes.kind("git").model_validate({"path": "r", **fields})


def test_a_subject_with_strange_line_ends_is_read(look: Any, repo: Repository) -> None:
    """What Unicode counts as the end of a line does not end a line of git's."""
    repo.commit("a", "1", "one\u2028two\x85three")
    assert look("git", path="r", log=1)["commits"][0]["subject"] == "one\u2028two\x85three"


@pytest.mark.parametrize("mark", ["--assume-unchanged", "--skip-worktree"])
def test_a_file_that_git_was_told_not_to_look_at_is_not_clean(look: Any, repo: Repository, mark: str) -> None:
    """A change hidden by a mark of the index is told; a file that is left out of a sparse work tree is not hidden."""
    repo.commit("limits.py", "MAX = 0.05", "feat: limits")
    assert look("git", path="r")["clean"] is True
    repo("update-index", mark, "limits.py")
    (repo.path / "limits.py").write_text("MAX = 5")
    facts = look("git", path="r")
    assert (facts["clean"], facts["modified"], facts["hidden"], facts["hidden_count"]) == (False, [], ["limits.py"], 1)
    if mark == "--skip-worktree":
        (repo.path / "limits.py").unlink()
        assert look("git", path="r")["clean"] is True
