"""What git knows of a work tree: its commit, and whether anything in it differs from that commit, digest by digest.

A commit names what was looked at only while nothing differs from it. Both the release manifest and a person's statement about a
commit rest on this, so that the two can never disagree on what a clean tree is.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from pytest_golive import canonical

GIT_SECONDS = 10


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """What git says of the folder: commit and tree in hexadecimal, and whether anything differs from them; None if unknown.

    `changes` is the digest of everything that differs: the difference to the commit, and files that git does not track.
    """

    commit: str = ""
    tree: str = ""
    dirty: bool | None = None
    changes: str = ""


def digest_of_files(files: Iterable[Path], root: Path) -> str:
    """One digest over the names and the bytes of these files; a file that cannot be read counts as what it says instead.

    Names below `root` count from there, so that two checkouts of the same bytes agree. A link to a pipe or to a device, which
    has no end, is never read.
    """
    seen = []
    for path in sorted(set(files)):
        try:
            with open(path, "rb", opener=_regular) as stream:
                told = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            told = f"unreadable: {error.strerror}"
        seen.append([str(path.relative_to(root) if path.is_relative_to(root) else path), told])
    return canonical.digest(seen)


def _regular(path: str, flags: int) -> int:
    fd = os.open(path, flags | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, "not a regular file")


def look_at_tree(folder: Path, *, beside: Sequence[Path] = ()) -> Tree:
    """What git knows of the whole work tree that `folder` lies in; nothing at all if there is none or git is missing.

    `beside` are paths whose changes do not count as dirt: the settings, whose digest stands in the manifest by itself and in
    which the operator opts in by hand, and what a run leaves behind.
    """
    said = _git(folder, "rev-parse", "--show-toplevel", "HEAD", "HEAD^{tree}")
    if said is None:
        return Tree()
    top, commit, tree = said.decode("utf-8", "surrogateescape").splitlines()
    scope = [":/", *_excluded(Path(top), beside)]
    status = _git(folder, "status", "--porcelain", "--untracked-files=normal", "--", *scope)
    if status is None:
        return Tree(commit=commit, tree=tree, changes=_unknown())
    if not status.strip():
        return Tree(commit=commit, tree=tree, dirty=False)
    return Tree(commit=commit, tree=tree, dirty=True, changes=_changes(Path(top), scope))


def _excluded(top: Path, beside: Sequence[Path]) -> list[str]:
    excluded = [":(exclude,top,glob)**/__pycache__/**"]
    for path in beside:
        try:
            inside = path.resolve().relative_to(top.resolve())
        except ValueError:
            continue
        if inside.parts:
            excluded.append(f":(exclude,top,literal){inside}")
    return excluded


def _changes(top: Path, scope: Sequence[str]) -> str:
    """The digest of what differs from the commit; never the same twice if git cannot tell it."""
    # no program of the user's own may decide what a difference looks like
    diff = _git(top, "diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv", "--no-color", "--", *scope)
    untracked = _git(top, "ls-files", "--others", "--exclude-standard", "-z", "--", *scope)
    if diff is None or untracked is None:
        return _unknown()
    files = [top / os.fsdecode(name) for name in untracked.split(b"\0") if name]
    return canonical.digest([canonical.sha256(diff), digest_of_files(files, top)])


def _unknown() -> str:
    return f"unknown-{secrets.token_hex(16)}"


def _git(folder: Path, *arguments: str) -> bytes | None:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
