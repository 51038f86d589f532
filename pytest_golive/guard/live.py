"""A verified marker and the stop files beside it: what must be as it was for the standing permission to hold."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, final

from pytest_golive.errors import TrustError

if TYPE_CHECKING:
    from pytest_golive.guard.kernel import Watch
    from pytest_golive.guard.marker import Marker
    from pytest_golive.guard.permission import Permission


@final
class Stops:
    """The files whose presence stops every real order, and the folders that must be there to tell."""

    __slots__ = ("_asked", "paths")

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = tuple(paths)
        # the trailing slash makes a file that stands in the folder's place count as no folder
        self._asked = tuple((os.path.join(os.path.dirname(path), ""), path) for path in self.paths)

    def absent(self) -> bool:
        """Whether each folder can be looked at and holds no stop file; a dangling link is a stop file, too."""
        for folder, stop in self._asked:
            if not os.access(folder, os.X_OK) or os.access(stop, os.F_OK, follow_symlinks=False):
                return False
        return True

    def refuse(self) -> None:
        """TrustError that names the stop file, or the folder that cannot be looked at."""
        for folder, stop in self._asked:
            if not os.access(folder, os.X_OK):
                raise TrustError(f"the folder of a stop file cannot be looked at: {folder}", hint="mount or create it")
            if os.access(stop, os.F_OK, follow_symlinks=False):
                raise TrustError(f"stop file present: {stop}", hint="remove it when the reason to stop is gone")


@final
class Live:
    """A verified marker: the open file, the bytes that were verified, and until when they count unasked.

    `identity` is mode, inode, device, links, owner and group. `changed` makes a file that was moved away and back look new, and
    `folder_changed` tells that from a file that was only touched. `unchanged` is the question of each order.
    """

    __slots__ = (
        "changed",
        "fd",
        "folder_changed",
        "identity",
        "marker",
        "permission",
        "unchanged",
        "until_boot",
        "until_wall",
        "watch",
    )

    def __init__(self, path: str, fd: int, status: os.stat_result, content: bytes, stops: Stops, watch: Watch | None) -> None:
        self.fd = fd
        self.identity = status[:6]
        self.changed = status.st_ctime_ns
        self.watch = watch
        self.unchanged = watch.unchanged(fd, content) if watch else _by_name(path, fd, status, content, stops)
        self.marker: Marker
        self.permission: Permission
        self.until_wall = self.until_boot = 0.0
        self.folder_changed = 0

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        close(self.fd)


def _by_name(path: str, fd: int, status: os.stat_result, content: bytes, stops: Stops) -> Callable[[], bool]:
    """The question for where the kernel announces nothing: does every path still lead to what was verified, and to no stop?"""
    identity, changed, room = status[:6], status.st_ctime_ns, len(content) + 1

    def unchanged() -> bool:
        now = os.lstat(path)
        return now[:6] == identity and now.st_ctime_ns == changed and os.pread(fd, room, 0) == content and stops.absent()

    return unchanged
