"""The release manifest: one small record of exactly what was tested, whose digest is the first subject of the evidence.

in-toto matches subjects one by one, so a commit and a configuration named separately would not bind their *combination*; one
record
that lists every digest does (`in-toto/attestation`, spec v1, on subjects).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from pytest_golive import canonical

GIT_SECONDS = 10


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """What git says of the folder: commit and tree in hexadecimal, and whether anything differs from them; None if unknown."""

    commit: str = ""
    tree: str = ""
    dirty: bool | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Commit, tree, settings and checklists that a run was made with."""

    tree: Tree
    environment: str
    config: str
    checklists: Mapping[str, str]

    def as_fields(self) -> dict[str, Any]:
        """The manifest as the JSON object that is digested and signed."""
        return {
            "commit": self.tree.commit,
            "tree": self.tree.tree,
            "dirty": self.tree.dirty,
            "environment": self.environment,
            "config": self.config,
            "checklists": dict(self.checklists),
        }

    @property
    def sha256(self) -> str:
        """The digest of the manifest's canonical JSON."""
        return canonical.digest(self.as_fields())


def look_at_tree(folder: Path, *, beside: Sequence[str] = ()) -> Tree:
    """What git knows of `folder`; nothing at all if it is no work tree or git is missing.

    `beside` names files whose changes do not count as dirt because their digest stands in the manifest by itself (the
    settings, in
    which the operator opts in by hand).
    """
    said = _git(folder, "rev-parse", "HEAD", "HEAD^{tree}")
    if said is None:
        return Tree()
    commit, tree = said.split()
    excluded = [f":(exclude){name}" for name in beside]
    status = _git(folder, "status", "--porcelain", "--untracked-files=normal", "--", ".", *excluded)
    return Tree(commit=commit, tree=tree, dirty=None if status is None else bool(status.strip()))


def _git(folder: Path, *arguments: str) -> str | None:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
