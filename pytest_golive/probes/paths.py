"""Paths, always absolute, and files looked at so that a folder that is missing or closed is not taken for an absent file.

A check that a stop file is absent passes for ever when the folder is misspelt or unreadable; so both are errors here.
"""

from __future__ import annotations

import fnmatch
import os
import stat
from pathlib import Path

from pytest_golive.errors import ProbeError

MAX_MATCHES = 10_000


def absolute(root: Path, path: str) -> str:
    """The path seen from `root`, absolute and without `..`, symbolic links kept."""
    return os.path.abspath(os.path.join(root, path))


def has_glob(path: str) -> bool:
    """Whether the path is a pattern that may match several files."""
    return any(mark in path for mark in "*?[")


def found(path: str) -> os.stat_result | None:
    """What stands at `path` itself (a link is not followed), or None; `ProbeError` if its folder cannot be looked into."""
    try:
        return os.lstat(path)
    except FileNotFoundError:
        folder = os.path.dirname(path)
        if not os.path.isdir(folder):
            raise ProbeError(
                f"the folder {folder} does not exist, so nothing can be said about a file in it",
                hint="correct the path, or create the folder",
            ) from None
        return None
    except OSError as error:
        raise unreadable(path, error) from None


def unreadable(path: str, error: OSError) -> ProbeError:
    """The error in plain words: what cannot be read, and why."""
    reason = (error.strerror or type(error).__name__).lower()
    hint = "run the gate as a user who may read it" if isinstance(error, PermissionError) else "correct the path"
    return ProbeError(f"{path} cannot be looked at: {reason}", hint=hint)


def expand(pattern: str) -> list[str]:
    """The paths that match an absolute pattern, sorted; a folder on the way that cannot be read is an error, not an absence."""
    head, parts = _split(pattern)
    current = [head]
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        following: list[str] = []
        for folder in current:
            if not has_glob(part):
                following.append(os.path.join(folder, part))
                continue
            following.extend(os.path.join(folder, name) for name in _names(folder, required=index == 0) if _matches(name, part))
            if len(following) > MAX_MATCHES:
                raise ProbeError(f"{pattern} matches more than {MAX_MATCHES} files", hint="narrow the pattern")
        current = [path for path in following if os.path.lexists(path) and (last or os.path.isdir(path))]
    return sorted(current)


def _matches(name: str, part: str) -> bool:
    return fnmatch.fnmatchcase(name, part) and (part.startswith(".") or not name.startswith("."))


def _split(pattern: str) -> tuple[str, list[str]]:
    parts = pattern.strip("/").split("/")
    first = next(index for index, part in enumerate(parts) if has_glob(part))
    return "/" + "/".join(parts[:first]), parts[first:]


def _names(folder: str, *, required: bool) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError as error:
        if not required:
            return []
        raise ProbeError(f"the folder {folder} does not exist", hint="correct the path, or create the folder") from error
    except OSError as error:
        raise unreadable(folder, error) from None


def read(path: str, limit: int) -> bytes:
    """The whole of a regular file; `ProbeError` if it is missing, no regular file, unreadable, or larger than `limit` bytes."""
    content, size = read_some(path, limit)
    if size > limit:
        raise ProbeError(f"{path} has more than {limit} bytes", hint="raise max_size, or look at a smaller file")
    return content


def read_some(path: str, limit: int) -> tuple[bytes, int]:
    """The first `limit` bytes of a regular file, and its size; a pipe or a device is never waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ProbeError(f"{path} does not exist", hint="correct the path, or create the file") from None
    except OSError as error:
        raise unreadable(path, error) from None
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise ProbeError(f"{path} is {a_kind(status.st_mode)}, not a file", hint="correct the path")
    with open(handle, "rb") as file:
        try:
            content = file.read(limit + 1)
        except OSError as error:
            raise unreadable(path, error) from None
    return content[:limit], max(status.st_size, len(content))


def kind_of(mode: int) -> str:
    """file, directory, symlink or other."""
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    return "symlink" if stat.S_ISLNK(mode) else "other"


def a_kind(mode: int) -> str:
    """The kind as a sentence needs it."""
    return {"file": "a file", "directory": "a folder", "symlink": "a link"}.get(kind_of(mode), "a pipe, a socket or a device")
