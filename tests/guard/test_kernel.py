"""What the kernel announces: every change that matters is heard by the very next question, and nothing else is."""

from __future__ import annotations

import ctypes
import mmap
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_golive.guard import kernel
from pytest_golive.guard.kernel import News, Watch

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux announces changes of files")

CONTENT = b"the bytes that were verified\n"


@dataclass
class Post:
    """A marker two folders deep, reached through a link, a stop file in another folder, and the watch over both."""

    root: Path
    watch: Watch
    fd: int
    unchanged: Callable[[], bool]

    @property
    def desk(self) -> Path:
        return self.root / "srv" / "desk-1"

    @property
    def marker(self) -> Path:
        return self.desk / "go_live.active"

    @property
    def stop(self) -> Path:
        return self.root / "stops" / "STOP"


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    """A watch that has heard nothing yet."""
    (tmp_path / "srv" / "desk-1").mkdir(parents=True)
    (tmp_path / "stops").mkdir()
    (tmp_path / "srv" / "desk").symlink_to("desk-1")
    (tmp_path / "srv" / "desk" / "go_live.active").write_bytes(CONTENT)
    path = tmp_path / "srv" / "desk" / "go_live.active"
    watch = Watch(str(path), [str(tmp_path / "stops" / "STOP")])
    assert watch.renew() == News()
    fd = os.open(path, os.O_RDONLY)
    yield Post(tmp_path, watch, fd, watch.unchanged(fd, CONTENT))
    os.close(fd)


def test_nothing_happened(post: Post) -> None:
    """As long as nothing happens the answer is yes, as often as it is asked."""
    assert all(post.unchanged() for _ in range(100))


def _swap_link(post: Post) -> None:
    (post.root / "srv" / "next").symlink_to("desk-1")
    (post.root / "srv" / "next").rename(post.root / "srv" / "desk")


CHANGES: dict[str, tuple[Callable[[Post], object], bool]] = {
    "deleted": (lambda post: post.marker.unlink(), True),
    "moved away": (lambda post: post.marker.rename(post.desk / "aside"), True),
    "its folder moved": (lambda post: post.desk.rename(post.root / "srv" / "desk-2"), True),
    "the folder above moved": (lambda post: (post.root / "srv").rename(post.root / "srv-2"), True),
    "the link to its folder moved": (lambda post: (post.root / "srv" / "desk").rename(post.root / "srv" / "old"), True),
    "the link to its folder replaced": (_swap_link, True),
    "replaced": (lambda post: shutil.copy(post.marker, post.desk / "d") and (post.desk / "d").rename(post.marker), False),
    "mode": (lambda post: post.marker.chmod(0o600), False),
    "owner": (lambda post: os.chown(post.marker, os.getuid(), os.getgid()), False),
    "hard link": (lambda post: os.link(post.marker, post.root / "second"), False),
    "times": (lambda post: os.utime(post.marker), False),
    "folder's mode": (lambda post: post.desk.chmod(0o700), False),
    "stop file": (lambda post: post.stop.touch(), False),
    "dangling stop link": (lambda post: post.stop.symlink_to("/nowhere"), False),
    "stop file moved in": (lambda post: (post.root / "s").touch() or (post.root / "s").rename(post.stop), False),
    "folder of the stop file removed": (lambda post: post.stop.parent.rmdir(), False),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_heard_by_the_next_question(post: Post, name: str) -> None:
    """Each change turns the very next answer, and the news say whether the marker was taken away."""
    change, taken = CHANGES[name]
    assert post.unchanged()
    change(post)
    assert not post.unchanged()
    assert post.watch.heard() == News(matters=True, taken=taken)


AWAY_AND_BACK: dict[str, Callable[[Post], tuple[Path, Path]]] = {
    "marker": lambda post: (post.marker, post.desk / "aside"),
    "folder": lambda post: (post.desk, post.root / "srv" / "aside"),
    "folder above": lambda post: (post.root / "srv", post.root / "aside"),
    "link": lambda post: (post.root / "srv" / "desk", post.root / "srv" / "aside"),
}


@pytest.mark.parametrize("name", AWAY_AND_BACK)
def test_away_and_back_is_not_as_before(post: Post, name: str) -> None:
    """What was moved away and is back before the next question was taken away all the same."""
    here, aside = AWAY_AND_BACK[name](post)
    here.rename(aside)
    aside.rename(here)
    assert not post.unchanged()
    assert post.watch.heard().taken


def test_bytes_are_compared(post: Post) -> None:
    """A write through a mapping is announced to nobody, and is seen because the bytes are read."""
    with post.marker.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[4:9] = b"BYTES"
        assert post.watch.heard() == News()
        assert not post.unchanged()
        mapped[4:9] = b"bytes"
        assert post.unchanged()


@pytest.mark.parametrize("size", [0, 5, len(CONTENT) - 1])
def test_a_truncated_file_is_another_file(post: Post, size: int) -> None:
    """What is left in memory of a longer file does not make up for what is gone."""
    assert post.unchanged()
    os.truncate(post.marker, size)
    assert not post.unchanged()


def test_what_others_do_in_the_folder_does_not_matter(post: Post) -> None:
    """Other files of the same folders come and go; the news of it are taken and mean nothing."""
    for folder in (post.desk, post.stop.parent):
        (folder / "log").touch()
        (folder / "log").rename(folder / "go_live.active.1.new")
        (folder / "go_live.active.1.new").unlink()
    assert not post.unchanged()
    assert post.watch.heard() == News()
    assert post.unchanged()


def test_a_new_marker_is_followed(post: Post) -> None:
    """After a renewal it is the new file that is watched, and the old one no longer matters."""
    old = post.desk / "old"
    os.link(post.marker, old)
    post.watch.renew()
    shutil.copy(post.marker, post.desk / "draft")
    (post.desk / "draft").rename(post.marker)
    assert post.watch.renew().matters
    old.chmod(0o600)
    assert post.watch.heard() == News()
    post.marker.chmod(0o600)
    assert post.watch.heard().matters


def test_more_news_than_the_kernel_keeps_are_lost_loudly(post: Post) -> None:
    """When the queue runs over, the news say that some are lost."""
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if most > 100_000:
        pytest.skip(f"this kernel keeps {most} events: too many to write in a test")
    one, two = post.desk / "a", post.desk / "b"
    one.touch()
    for _ in range(most // 2 + 1):
        os.rename(one, two)
        os.rename(two, one)
    news = post.watch.heard()
    assert news.matters
    assert news.lost


def test_a_mount_over_a_folder_is_heard(tmp_path: Path) -> None:
    """A file system that is mounted over the folder of a stop file hides it, and what is in the new one counts."""
    code = (
        "import os, subprocess, sys\nfrom pytest_golive.guard.kernel import Watch\n"
        "marker, folder = sys.argv[1:]\nfd = os.open(marker, os.O_RDONLY)\n"
        "watch = Watch(marker, [folder + '/STOP'])\nwatch.renew()\n"
        "unchanged = watch.unchanged(fd, open(marker, 'rb').read())\n"
        "first = unchanged()\nsubprocess.run(['mount', '-t', 'tmpfs', 'none', folder], check=True)\n"
        "mounted = unchanged(), watch.heard().matters, unchanged()\nwatch.renew()\n"
        "open(folder + '/STOP', 'w').close()\nprint(first, *mounted, unchanged(), watch.heard().matters)\n"
    )
    marker, folder = tmp_path / "marker", tmp_path / "stops"
    marker.write_bytes(CONTENT)
    folder.mkdir()
    if not shutil.which("unshare") or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no unshare here, or not permitted: a mount of its own cannot be tried")
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", code, marker, folder], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "True False True True False True\n", done.stderr


def test_only_local_file_systems_are_watched(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that is not known to be local may change unannounced, so it is refused."""
    with pytest.raises(OSError, match="not known to be a local file system"):
        Watch("/proc/self/status", []).renew()
    monkeypatch.setattr(kernel, "LOCAL", frozenset())
    with pytest.raises(OSError, match="not known to be a local file system"):
        post.watch.renew()


def test_a_folder_that_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    """Nothing is announced about a folder that does not exist, and a loop of links ends."""
    with pytest.raises(FileNotFoundError):
        Watch(str(tmp_path / "none" / "marker"), []).renew()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        Watch(str(tmp_path / "loop" / "marker"), []).renew()


@pytest.mark.parametrize("platform", ["darwin", "linux"])
def test_other_systems_are_told_apart(post: Post, monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    """Without Linux, or with a C library that lacks the calls, there is no watch."""
    monkeypatch.setattr(kernel, "_found", None)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(ctypes, "PyDLL", lambda _: object())
    with pytest.raises(OSError, match=r"not implemented|no attribute"):
        Watch(str(post.marker), [])


def test_without_the_interpreter_lock_there_is_no_watch(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where threads run at the same time, one could compare what another has half read: every thread asks by name instead."""
    monkeypatch.setattr(kernel, "_found", None)
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    with pytest.raises(OSError, match="not implemented"):
        Watch(str(post.marker), [])


def test_a_child_does_not_take_the_news_of_its_parent(post: Post) -> None:
    """In a child of a fork the answer is no, and the parent still hears what happened."""
    post.stop.touch()
    child = os.fork()
    if child == 0:
        code = 0 if not post.unchanged() and post.watch.heard() == News(matters=True) else 1
        os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert not post.unchanged()
    assert post.watch.heard() == News(matters=True)


def test_the_question_keeps_the_interpreter_lock(post: Post) -> None:
    """While the question is asked no other thread runs; os.stat lets them run, and then has to wait for them."""
    ran, stop = [0], threading.Event()

    def beside() -> None:
        while not stop.is_set():
            ran[0] += 1
            time.sleep(0)

    def others_ran(call: Callable[[], object], most: int) -> bool:
        before = ran[0]
        for _ in range(most):
            call()
            if ran[0] != before:
                return True
        return False

    thread = threading.Thread(target=beside)
    old = sys.getswitchinterval()
    # nobody is made to give up the lock, so whoever runs was let in
    sys.setswitchinterval(60)
    thread.start()
    try:
        while not ran[0]:
            time.sleep(0)
        assert not others_ran(post.unchanged, 2_000)
        assert others_ran(lambda: os.stat(post.marker), 1_000_000)
    finally:
        stop.set()
        sys.setswitchinterval(old)
        thread.join()


def test_a_watch_gives_its_descriptors_back(post: Post) -> None:
    """A watch that is dropped leaves nothing open."""
    before = len(os.listdir("/dev/fd"))
    for _ in range(5):
        Watch(str(post.marker), []).renew()
    assert len(os.listdir("/dev/fd")) == before
