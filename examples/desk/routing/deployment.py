"""Deployments of the bot's code: a backup of what was there, the files of one commit, its settings, and a record of all three.

`deployment/current` is what is installed, `deployment/backup_<date>_<time>` what was there before, each complete and for its
owner only; a backup carries the digest of every file, so that whoever goes back to it knows that it is whole.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from examples.desk.routing import records
from examples.desk.routing.repository import NAME
from examples.desk.routing.rollback import to_paper

FOLDER = "deployment"
CURRENT, RECORD, MANIFEST, COMMIT = "current", "DEPLOYMENT.json", "MANIFEST.json", "COMMIT"
MAIN = "main.py"
PARTS = (MAIN, "src", "docs", ".env.example")
KEPT = 3
"""Backups that are kept."""


def bring(home: Path, now: datetime) -> Sequence[str]:
    """Deploy the commit that is recorded as deployed, unless it is installed; notes for people on what could not be done."""
    commit = str(records.deployed(home).get("commit", ""))
    folder = home / FOLDER
    usable = (Path(recorded(home).get("backup", folder)) / MAIN).is_file()
    if not commit or (usable and recorded(home).get("commit") == commit):
        return ()
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if not usable:
            # there is nothing to go back to: begin as a first deployment does
            shutil.rmtree(folder / CURRENT, ignore_errors=True)
        if not (folder / CURRENT).exists():
            _install(home, _before(home, commit), paper=True)
        backup = _back_up(folder, now)
        _install(home, commit)
    except (OSError, subprocess.SubprocessError) as error:
        return (f"{commit[:12]} could not be deployed: {error}",)
    told = {
        "commit": commit,
        "previous": _manifest(backup)["commit"],
        "backup": str(backup),
        "deployed_at": now.astimezone(UTC).isoformat(timespec="seconds"),
    }
    (folder / RECORD).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    for old in sorted(folder.glob("backup_*"))[:-KEPT]:
        shutil.rmtree(old)
    return ()


def recorded(home: Path) -> Mapping[str, Any]:
    """The last deployment; empty if there was none."""
    path = home / FOLDER / RECORD
    told = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return told if isinstance(told, dict) else {}


def _before(home: Path, commit: str) -> str:
    """The commit that a first deployment goes back to: the one before, or the same if that cannot be run."""
    before = _git(home, "rev-parse", f"{commit}^").decode().strip()
    return before if MAIN in _git(home, "ls-tree", "--name-only", before).decode().split() else commit


def _install(home: Path, commit: str, *, paper: bool = False) -> None:
    """Put the files of a commit in place of what is installed, whole or not at all."""
    folder = home / FOLDER
    new, old = folder / "current.new", folder / "current.old"
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
    new.mkdir(mode=0o700)
    there = set(_git(home, "ls-tree", "--name-only", commit).decode().split())
    parts = [name for name in PARTS if name in there]
    with tarfile.open(fileobj=io.BytesIO(_git(home, "archive", "--format=tar", commit, *parts))) as archive:
        archive.extractall(new, filter="data")
    (new / COMMIT).write_text(f"{commit}\n", encoding="ascii")
    shutil.copyfile(home / ".env", new / ".env")
    for path in new.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    if paper:
        to_paper(new, keep=False)
    if (folder / CURRENT).exists():
        (folder / CURRENT).rename(old)
    new.rename(folder / CURRENT)
    shutil.rmtree(old, ignore_errors=True)


def _back_up(folder: Path, now: datetime) -> Path:
    """A copy of what is installed, dotfiles too, with the digest of each file."""
    backup = folder / f"backup_{now.astimezone(UTC).strftime('%Y%m%d_%H%M%S')}"
    shutil.copytree(folder / CURRENT, backup, ignore=shutil.ignore_patterns("__pycache__", "bot.pid", "*.log"))
    backup.chmod(0o700)
    files = {path.relative_to(backup).as_posix(): digest(path) for path in sorted(backup.rglob("*")) if path.is_file()}
    told = {
        "commit": (backup / COMMIT).read_text(encoding="ascii").strip(),
        "made_at": now.astimezone(UTC).isoformat(timespec="seconds"),
        "files": files,
    }
    (backup / MANIFEST).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    (backup / MANIFEST).chmod(0o600)
    return backup


def _manifest(backup: Path) -> Mapping[str, Any]:
    told: Mapping[str, Any] = json.loads((backup / MANIFEST).read_text(encoding="utf-8"))
    return told


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _git(home: Path, *words: str) -> bytes:
    environ = {
        "PATH": os.environ.get("PATH", os.defpath), "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
        "HOME": str(home), "LC_ALL": "C",
    }  # fmt: skip
    done = subprocess.run(["git", *words], cwd=home / NAME, env=environ, check=True, capture_output=True, timeout=20)
    return done.stdout
