"""Files that decide about money: opened so that no link, pipe or stranger's file is taken for the real one."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection

from pytest_golive.errors import Misuse, TrustError

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def absolute(path: str | os.PathLike[str], noun: str) -> str:
    """The path as it is; Misuse if it depends on the folder in which a process was started."""
    text = os.fspath(path)
    if not os.path.isabs(text):
        raise Misuse(
            f"{noun} needs an absolute path, not {text}",
            hint="a relative path means another file for whoever starts the service elsewhere",
        )
    return text


def open_trusted(path: str, noun: str, *, limit: int, owners: Collection[int] = ()) -> tuple[int, os.stat_result, bytes]:
    """Descriptor, status and content of a regular file that only its owner can write.

    `noun` names the file in messages, `limit` is the most bytes it may have, `owners` the user ids that may own it
    besides root and the user of this process. TrustError says what is wrong; OSErrors pass through.
    """
    try:
        fd = os.open(path, _FLAGS)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise TrustError(f"{noun} is a symbolic link: {path}", hint="put the file itself there") from None
        raise
    try:
        status = os.fstat(fd)
        _refuse(path, noun, status, limit, {0, os.geteuid(), *owners})
        content = os.pread(fd, limit + 1, 0)
        if len(content) > limit:
            raise TrustError(f"{noun} is larger than {limit} bytes: {path}", hint="this is not what was written there")
    except BaseException:
        os.close(fd)
        raise
    return fd, status, content


def folder_trusted(path: str, noun: str, *, owners: Collection[int] = ()) -> os.stat_result:
    """The status of a folder in which only its owner can put one file in another's place; TrustError if others can.

    A sticky folder such as /tmp will do: others may add files there, but not touch this one. So will one that its owner's private
    group can write (the group of the same number), because where each user has such a group every folder is made like that.
    """
    status = os.stat(path)
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid not in {0, os.geteuid(), *owners}:
        raise TrustError(f"{noun} belongs to a stranger (uid {status.st_uid}): {path}", hint="let its owner be root or this user")
    others = 0o002 if status.st_gid == status.st_uid else 0o022
    if mode & others and not mode & stat.S_ISVTX:
        raise TrustError(f"others can write {noun} (mode {mode:04o}): {path}", hint=f"chmod go-w {path}")
    return status


def _refuse(path: str, noun: str, status: os.stat_result, limit: int, owners: set[int]) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISREG(status.st_mode):
        raise TrustError(f"{noun} is not a regular file: {path}", hint="remove what stands there")
    if status.st_uid not in owners:
        raise TrustError(f"{noun} belongs to a stranger (uid {status.st_uid}): {path}", hint="let its owner be root or this user")
    if mode & 0o022:
        raise TrustError(f"others can write {noun} (mode {mode:04o}): {path}", hint=f"chmod go-w {path}")
    if status.st_nlink != 1:
        raise TrustError(f"{noun} has {status.st_nlink} names: {path}", hint="remove the hard links to it")
    if status.st_size > limit:
        raise TrustError(f"{noun} is larger than {limit} bytes: {path}", hint="this is not what was written there")
