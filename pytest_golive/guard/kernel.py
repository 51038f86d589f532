"""What is asked of the kernel for each order, by calls that keep the interpreter lock.

A call such as `os.stat` gives the lock away and, beside a thread that computes, waits a switch interval of 5 ms to get it back.
Calls through `ctypes.PyDLL` keep it. That is right where the answer comes from memory and wrong where it may hang, so it is done
on local file systems of Linux only; `Watch` raises OSError elsewhere, and the guard then asks the slow way.

Two calls see everything: one asks whether the kernel has announced any change to what the watched paths mean (inotify(7), and the
table of mounts, both behind one epoll descriptor), the other reads the bytes. The bytes are read because a write through
somebody else's mapping is announced to nobody.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import struct
import sys
from collections.abc import Callable, Iterable
from typing import NamedTuple, final

LOCAL = frozenset(
    {
        0xEF53,  # ext2, ext3, ext4
        0x58465342,  # xfs
        0x9123683E,  # btrfs
        0x01021994,  # tmpfs
        0x858458F6,  # ramfs
        0x794C7630,  # overlayfs
        0xF2F52010,  # f2fs
        0x2FC12FC1,  # zfs
        0xCA451A4E,  # bcachefs
        0xE0F5E1E2,  # erofs
        0x73717368,  # squashfs
    }
)
"""Types of file systems, as statfs(2) tells them, that answer from this machine alone and announce every change."""

_ATTRIB, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x4, 0x40, 0x80, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF, _UNMOUNT, _OVERFLOW = 0x400, 0x800, 0x2000, 0x4000
_DONT_FOLLOW, _MASK_ADD = 0x02000000, 0x20000000
_ITSELF = _ATTRIB | _DELETE_SELF | _MOVE_SELF | _DONT_FOLLOW | _MASK_ADD
_NAMES = _CREATE | _DELETE | _MOVED_FROM | _MOVED_TO
_GONE = _MOVE_SELF | _DELETE_SELF | _UNMOUNT
_MOUNTED = select.EPOLLPRI | select.EPOLLERR if hasattr(select, "epoll") else 0
_EVENT = struct.Struct("iIII")
_BUFFER = 64 * 1024
_MAX_LINKS = 40


class News(NamedTuple):
    """What was announced: `matters` if any of it concerns the marker or a stop file, `taken` if the marker was taken away.

    A marker that was taken away may be back already. `lost` means that more was announced than the kernel keeps.
    """

    matters: bool = False
    taken: bool = False
    lost: bool = False


@final
class Watch:
    """Everything between the root and some files that could change what their paths mean, announced by the kernel.

    `marker` must not be taken away, `stops` must not appear; both are absolute. It hears from the first `renew` on. OSError if
    this machine cannot do it. A watch belongs to the process that made it: a child makes its own.
    """

    __slots__ = ("_announced", "_calls", "_epoll", "_inotify", "_itself", "_mounts", "_names", "_paths", "_process", "_room")

    def __init__(self, marker: str, stops: Iterable[str]) -> None:
        self._inotify = self._mounts = -1
        self._epoll: select.epoll | None = None
        self._calls = _calls()
        self._process = os.getpid()
        self._paths = {**dict.fromkeys(stops, False), marker: True}
        self._room = ctypes.create_string_buffer(_BUFFER)
        self._announced = ctypes.create_string_buffer(64)
        self._itself: dict[int, bool] = {}
        self._names: dict[tuple[int, bytes], bool] = {}
        self._inotify = self._calls.checked(self._calls.init(os.O_NONBLOCK | os.O_CLOEXEC))
        # a mount over a folder changes what is found there and is no event of the folder that it hides
        self._mounts = os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
        self._epoll = select.epoll()
        self._epoll.register(self._inotify, select.EPOLLIN)
        self._epoll.register(self._mounts, _MOUNTED)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if self._epoll is not None:
            self._epoll.close()
        for fd in (self._inotify, self._mounts):
            if fd >= 0:
                close(fd)

    def renew(self) -> News:
        """Watch what the paths lead to by now, then tell what was announced until then.

        What happens after this returns is heard by the next question. OSError if a folder cannot be watched, or its file system
        is not known to be local.
        """
        if os.getpid() != self._process:
            raise OSError(errno.EPERM, "a watch of another process")
        before = set(self._itself)
        itself: dict[int, bool] = {}
        names: dict[tuple[int, bytes], bool] = {}
        for path, taken in self._paths.items():
            self._follow(path, taken, itself, names)
        self._itself |= itself
        self._names |= names
        news = self.heard()
        self._itself, self._names = itself, names
        # closing the whole and beginning again would be simpler, but the kernel may take 20 ms to close it
        for left in before - set(itself):
            self._calls.remove(self._inotify, left)
        return news

    def _follow(self, path: str, taken: bool, itself: dict[int, bool], names: dict[tuple[int, bytes], bool]) -> None:
        """Watch every folder and link on the way to `path`, the name in its folder, and the file itself if it is there."""

        def watch(what: str, mask: int) -> int:
            wd = self._calls.checked(self._calls.add(self._inotify, os.fsencode(what), mask))
            itself[wd] = taken or itself.get(wd, False)
            return wd

        todo, at, links = _steps(path), "/", 0
        while todo:
            part = todo.pop(0)
            if part == "..":
                at = os.path.dirname(at)
                continue
            here = os.path.join(at, part)
            self._calls.refuse_remote(at)
            if not todo:
                wd = watch(at, _ITSELF | _NAMES)
                names[wd, os.fsencode(part)] = taken
                if os.path.lexists(here):
                    watch(here, _ITSELF)
                return
            watch(at, _ITSELF)
            if not os.path.islink(here):
                at = here
                continue
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            watch(here, _ITSELF)
            target = os.readlink(here)
            todo[:0] = _steps(target)
            at = "/" if target.startswith("/") else at

    def unchanged(self, fd: int, content: bytes) -> Callable[[], bool]:
        """A question to be asked for each order: was nothing announced, and does the file `fd` still hold `content`?

        It may be asked by many threads at once: what one of them reads while another compares is only younger. The answer is no
        in a child of this process, where the two would take each other's news away.
        """
        assert self._epoll is not None
        calls = self._calls
        size = len(content)
        seen = bytearray(size + 1)
        into = ctypes.byref((ctypes.c_char * (size + 1)).from_buffer(seen))
        news = ctypes.byref(self._announced)
        wanted = content + b"\0"
        room, start = ctypes.c_size_t(size + 1), ctypes.c_long(0)
        epoll, epoll_wait, pread = self._epoll.fileno(), calls.wait, calls.pread
        getpid, process = os.getpid, self._process

        def unchanged() -> bool:
            return (
                epoll_wait(epoll, news, 1, 0) == 0
                and pread(fd, into, room, start) == size
                and seen == wanted
                and getpid() == process
            )

        return unchanged

    def heard(self) -> News:
        """Take all that was announced and tell what it means."""
        if os.getpid() != self._process:
            return News(matters=True)
        taken = lost = False
        # a change of the table of mounts is told once, to the call that asked
        matters = bool(int.from_bytes(self._announced.raw[:4], sys.byteorder) & _MOUNTED)
        ctypes.memset(self._announced, 0, 4)
        while (count := self._calls.read(self._inotify, self._room, _BUFFER)) > 0:
            told, place = self._room.raw[:count], 0
            while place < count:
                wd, mask, _, length = _EVENT.unpack_from(told, place)
                place += _EVENT.size
                name = told[place : place + length].rstrip(b"\0")
                place += length
                if mask & _OVERFLOW:
                    matters = lost = True
                elif not name and wd in self._itself:
                    matters = True
                    taken |= bool(mask & _GONE) and self._itself[wd]
                elif (wd, name) in self._names:
                    matters = True
                    taken |= bool(mask & (_DELETE | _MOVED_FROM)) and self._names[wd, name]
        return News(matters, taken, lost)


def _steps(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


@final
class _Calls:
    """The calls of the C library, once with and once without the interpreter lock; OSError if it lacks one."""

    def __init__(self) -> None:
        if not sys.platform.startswith("linux") or not getattr(sys, "_is_gil_enabled", lambda: True)():
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        try:
            keeping, giving = ctypes.PyDLL(None), ctypes.CDLL(None, use_errno=True)
            self.wait, self.pread, self.read = keeping.epoll_wait, keeping.pread, keeping.read
            self.init, self.add, self.remove = giving.inotify_init1, giving.inotify_add_watch, giving.inotify_rm_watch
            self._statfs = giving.statfs
        except AttributeError as error:
            raise OSError(errno.ENOSYS, str(error)) from None
        self.pread.restype = self.read.restype = ctypes.c_ssize_t
        self.read.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]

    def checked(self, result: int) -> int:
        """The result of a call, unless it failed."""
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return result

    def refuse_remote(self, path: str) -> None:
        """OSError unless the file system there is known to be local."""
        room = ctypes.create_string_buffer(512)
        self.checked(self._statfs(os.fsencode(path), room))
        if struct.unpack_from("l", room)[0] & 0xFFFFFFFF not in LOCAL:
            raise OSError(errno.EREMOTE, "not known to be a local file system", path)


_found: _Calls | None = None


def _calls() -> _Calls:
    global _found  # looked up once in the life of a process
    if _found is None:
        _found = _Calls()
    return _found
