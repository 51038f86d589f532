"""Who may read and write a file: owner, group, everybody else, and whoever may replace it through its folder."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from typing import ClassVar

from pytest_golive.errors import ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.probes.base import Lane, ProbeModel, Text
from pytest_golive.probes.paths import absolute, found, kind_of, unreadable


class Permissions(ProbeModel):
    """Who may read and change what is at this path?

    ```yaml
    permissions: {path: "${env_file}"}
    expect: {mode: "0600", owner_is_me: true, parent_others_can_write: false}
    ```

    A missing path is an error. The facts of a link are those of what it leads to, `is_symlink` apart.

    Facts: `path`, `kind`, `mode` (text of four octal digits), `owner`, `group` (names), `uid`, `gid`, `owner_is_me`,
    `is_symlink`, `owner_can_read`, `owner_can_write`, `group_can_read`, `group_can_write`, `others_can_read`,
    `others_can_write`, `parent_group_can_write`, `parent_others_can_write`, `parent_sticky`, `has_acl` (further rights
    beside the mode).
    """

    word: ClassVar[str] = "permissions"
    lane: ClassVar[Lane] = "local"

    path: Text

    def look(self, context: Context) -> Facts:
        path = absolute(context.root, self.path)
        own = found(path)
        if own is None:
            raise ProbeError(f"{path} does not exist", hint="correct the path, or create the file")
        try:
            status = os.stat(path)
            parent = os.stat(os.path.dirname(path))
        except OSError as error:
            raise unreadable(path, error) from None
        mode = stat.S_IMODE(status.st_mode)
        facts: dict[str, object] = {
            "path": path,
            "kind": kind_of(status.st_mode),
            "mode": f"{mode:04o}",
            "owner": _user(status.st_uid),
            "group": _group(status.st_gid),
            "uid": status.st_uid,
            "gid": status.st_gid,
            "owner_is_me": status.st_uid == os.geteuid(),
            "is_symlink": stat.S_ISLNK(own.st_mode),
            "parent_group_can_write": bool(parent.st_mode & stat.S_IWGRP),
            "parent_others_can_write": bool(parent.st_mode & stat.S_IWOTH),
            "parent_sticky": bool(parent.st_mode & stat.S_ISVTX),
            "has_acl": _has_acl(path),
        }
        for who, shift in (("owner", 6), ("group", 3), ("others", 0)):
            facts[f"{who}_can_read"] = bool(mode >> shift & 4)
            facts[f"{who}_can_write"] = bool(mode >> shift & 2)
        return facts


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _has_acl(path: str) -> bool:
    try:
        return "system.posix_acl_access" in os.listxattr(path)
    except (OSError, AttributeError):
        return False
