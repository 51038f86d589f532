"""Marker and guard under real faults: changed at random, killed in every step, a full disk, stops in the middle of orders.

`python -m benchmarks.faults` does the same a hundred times as often.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.faults.mutations import mutate

ROOT = Path(__file__).parents[2]


def faults(*arguments: str) -> dict[str, int]:
    """The last line of a run in a process of its own, which may fork as it likes."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.faults", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    words = done.stdout.splitlines()[-1].split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=True))


def test_no_mutation_of_a_marker_is_accepted() -> None:
    """Of 10,000 markers that were changed at random, in any way and as often as chance will, none is a marker."""
    assert mutate(10_000, seed=11) == []


def test_no_kill_makes_a_marker_and_no_order_goes_after_a_stop() -> None:
    """Two hundred processes killed in every step leave no false marker; eight processes that stop and order let none slip by."""
    told = faults("--mutations", "10", "--kills", "200", "--seconds", "2")
    assert told["kills"] >= 200
    assert (told["wrong"], told["late"]) == (0, 0)
    assert told["stops"] > 10
    assert told["orders"] > 100


ACTIVATE = """\
import os, resource, sys
from pathlib import Path
from benchmarks.faults.scene import Scene
from pytest_golive.errors import GoliveError
folder, what = Path(sys.argv[1]), sys.argv[2]
scene = Scene(folder)
scene.activate(1)
before = scene.marker.read_bytes()
assert scene.guard().allows()
if what == "too large":
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
elif what == "full":
    filler = os.open(folder / "filler", os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(filler, b"x" * 4096)
    except OSError:
        os.close(filler)
else:
    import subprocess
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
try:
    scene.activate(2)
except GoliveError as error:
    print("told:", error)
print("same" if scene.marker.read_bytes() == before else "changed", len(list(folder.glob("go_live.active.*"))))
try:
    scene.deactivate()
except GoliveError as error:
    print("told:", error)
print(scene.marker.exists(), scene.guard().allows().reason)
"""


def run_with(folder: Path, *words: str, mount: bool) -> list[str]:
    """What ACTIVATE says, on a small file system of its own if asked."""
    command = [sys.executable, "-c", ACTIVATE, str(folder), *words]
    if mount:
        script = 'mount -t tmpfs -o size=64k,mode=755 none "$1" && shift && exec "$@"'
        command = ["unshare", "-m", "sh", "-c", script, "sh", str(folder), *command]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def can_mount() -> bool:
    """Whether a file system of one's own can be mounted here."""
    return (
        bool(shutil.which("unshare"))
        and not subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode
    )


def test_a_file_that_may_not_grow_leaves_the_old_marker(tmp_path: Path) -> None:
    """If an activation cannot be written down to its end the old marker stands, no draft is left, and the reason is told."""
    told = run_with(tmp_path, "too large", "600", mount=False)
    assert "File too large" in told[0]
    assert told[1] == "same 0"


@pytest.mark.parametrize(("what", "reason"), [("full", "No space left on device"), ("read-only", "Read-only file system")])
def test_a_disk_that_takes_nothing_makes_no_marker(tmp_path: Path, what: str, reason: str) -> None:
    """On a full or read-only disk no new marker is made; a full disk does not keep the marker from being taken away."""
    if not can_mount():
        pytest.skip("no unshare here, or not permitted: a disk of its own cannot be filled")
    told = run_with(tmp_path, what, mount=True)
    assert reason in told[0]
    assert told[1] == "same 0"
    assert reason in told[2]
    stands, why = told[3].split(" ", 1)
    assert (stands, bool(why)) == ("False" if what == "full" else "True", True)


def test_a_folder_that_may_not_be_written_makes_no_marker(tmp_path: Path) -> None:
    """A folder without write permission keeps a user who is not root from activating."""
    if os.geteuid() == 0:
        pytest.skip("root writes where it likes; the read-only disk above shows the same")
    from benchmarks.faults.scene import Scene
    from pytest_golive.errors import GoliveError

    scene = Scene(tmp_path)
    scene.activate(1)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(GoliveError, match="Permission denied"):
            scene.activate(2)
    finally:
        tmp_path.chmod(0o700)
