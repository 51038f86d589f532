"""The stop file: made with the least, never lost, and taken away only by somebody who saw all of it."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pytest_golive import stopping
from pytest_golive.errors import GoliveError
from pytest_golive.guard import Guard
from pytest_golive.signing.keys import session_key

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def stop(*files: Path, reason: str = "prices make no sense", operator: str = "alice") -> tuple[stopping.Put, ...]:
    return stopping.stop(files, reason=reason, operator=operator, now=NOW)


def seen(path: Path) -> stopping.Stop:
    found = stopping.look(path)
    assert found is not None
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "EMERGENCY_STOP"


def test_every_file_is_made_and_tells(tmp_path: Path) -> None:
    """All stop files are made, readable by everybody, each with time, name and reason, and nothing else is left behind."""
    files = [tmp_path / "one" / "STOP", tmp_path / "STOP"]
    (tmp_path / "one").mkdir()
    assert [(put.path, put.made, put.note) for put in stop(*files)] == [(file, True, "") for file in files]
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o644
        found = seen(file)
        assert (found.since, found.by, found.why) == (NOW, "alice", "prices make no sense")
    assert sorted(tmp_path.rglob("*")) == sorted([tmp_path / "one", *files])


def test_the_guard_refuses_at_once(path: Path, tmp_path: Path) -> None:
    """A guard that looks for the file says so in the very next answer, whatever else is the matter."""
    key = session_key(tmp_path / "key").public
    guard = Guard(tmp_path / "go.active", environment="production", keys=[key], state=tmp_path / "state", stop_files=[path])
    assert "marker not found" in guard.allows().reason
    stop(path)
    assert "stop file present" in guard.allows().reason


def test_what_stands_stays_and_hears(path: Path) -> None:
    """A second stop leaves the first word first, adds its own, and says that one stood."""
    stop(path)
    (put,) = stop(path, reason="and the books differ", operator="bob")
    assert (put.made, put.stood, put.note) == (False, True, "")
    assert [(word.operator, word.reason) for word in seen(path).words] == [
        ("alice", "prices make no sense"),
        ("bob", "and the books differ"),
    ]


def test_made_by_hand_counts(path: Path) -> None:
    """An empty file, and one with other text, are stops; a word is added and the text stays."""
    path.write_text("do not trade!")
    assert seen(path).words == ()
    assert "by hand" in seen(path).why
    assert stop(path)[0].stood
    assert path.read_text().startswith("do not trade!\n- {")
    assert len(seen(path).words) == 1


def test_a_link_that_leads_nowhere_becomes_a_file(path: Path, tmp_path: Path) -> None:
    """Programs that follow links do not see it, so a file takes its place; where it pointed nothing is made."""
    path.symlink_to(tmp_path / "nowhere")
    (put,) = stop(path)
    assert put.made
    assert "nowhere" in put.note
    assert path.is_file()
    assert not path.is_symlink()
    assert not (tmp_path / "nowhere").exists()


def test_a_link_to_a_file_stays_untouched(path: Path, tmp_path: Path) -> None:
    """Whatever a link leads to is not written to, and the link counts as a stop."""
    other = tmp_path / "other"
    other.write_text("somebody's file")
    path.symlink_to(other)
    (put,) = stop(path)
    assert put.stood
    assert other.read_text() == "somebody's file"
    with pytest.raises(GoliveError, match="only a file is taken away") as refused:
        stopping.lift([seen(path)], lambda: None)
    assert "rm -- " in refused.value.hint


def test_a_folder_stops_and_is_not_taken_away(path: Path) -> None:
    """A folder at the path counts as a stop; taking it away is left to people, with the command."""
    path.mkdir()
    (put,) = stop(path)
    assert put.stood
    assert "folder" in put.note
    with pytest.raises(GoliveError) as refused:
        stopping.lift([seen(path)], lambda: None)
    assert f"rmdir -- {path}" in refused.value.hint
    assert path.is_dir()


def test_a_missing_folder_is_made_and_told(tmp_path: Path) -> None:
    """The folder is made, and the note tells what a mount over it would hide."""
    (put,) = stop(tmp_path / "a" / "b" / "STOP")
    assert put.made
    assert "mounted" in put.note


def test_one_that_cannot_be_made_does_not_keep_the_others(tmp_path: Path, path: Path) -> None:
    """A path below a file and one in a read-only place are told as not made, and the third is made."""
    (tmp_path / "file").touch()
    first, second, third = stop(tmp_path / "file" / "STOP", Path("/proc/self/EMERGENCY_STOP"), path)
    assert not first.stops
    assert first.note
    assert not second.stops
    assert second.note
    assert third.made


FULL = """
import resource, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from pytest_golive import stopping
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
for _ in range(2):
    put, = stopping.stop([Path(sys.argv[1])], reason="full", operator="a", now=datetime.now(UTC))
    print(put.made, put.stood, put.note)
"""


def test_a_disk_that_takes_no_byte_still_takes_a_stop(path: Path) -> None:
    """Where not one byte can be written an empty file is made, which stops; a second stop says that its reason is lost."""
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True, timeout=60)
    first, second = done.stdout.splitlines()
    assert first.startswith("True False")
    assert second.startswith("False True its reason could not be added")
    assert path.read_bytes() == b""
    assert os.listdir(path.parent) == [path.name]


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from pytest_golive import stopping
name, path = sys.argv[1], Path(sys.argv[2])
done = getattr(os, name)

def dies(*words, **more):
    if sys.argv[3] == "after":
        done(*words, **more)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(os, name, dies)
stopping.stop([path], reason="r" * 500, operator="a", now=datetime.now(UTC))
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", ["write", "link", "unlink", "fsync", "rename"])
@pytest.mark.parametrize("stood", [False, True], ids=["first", "second"])
def test_killed_at_any_step_leaves_a_whole_stop_or_none(path: Path, name: str, when: str, stood: bool) -> None:
    """Whoever is killed leaves no half-written word and never takes away a stop that stood; the next one makes it whole."""
    if stood:
        stop(path, reason="first")
    subprocess.run([sys.executable, "-c", KILLED, name, str(path), when], timeout=60, check=False)
    found = stopping.look(path)
    if stood:
        assert found is not None
        assert found.words[0].reason == "first"
    for word in found.words if found else ():
        assert word.reason in ("first", "r" * 500)
    if found is not None:
        assert path.read_bytes().startswith(stopping.HEADER)
        assert path.read_bytes().endswith(b"\n")
    assert stop(path, reason="again")[0].stops
    assert seen(path).words[-1].reason == "again"


def test_no_links_no_matter(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system without links the file is made in place, with its reason."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert stop(path)[0].made
    assert seen(path).why == "prices make no sense"


def test_words_do_not_break_the_file(path: Path) -> None:
    """A reason with line breaks and control characters stays one line, and is read back as it was."""
    stop(path, reason='a\n- {"at": 1}\x1b[2J\u202e', operator="b\nc")
    (word,) = seen(path).words
    assert word.reason == 'a\n- {"at": 1}\x1b[2J\u202e'
    assert path.read_bytes().isascii()
    assert b"\x1b" not in path.read_bytes()


def test_the_file_does_not_grow_for_ever(path: Path) -> None:
    """Beyond its bound only the first word and the newest are kept."""
    stop(path, reason="first")
    for number in range(60):
        stop(path, reason=f"{number} " + "x" * 1500)
    assert path.stat().st_size <= stopping.MAX_FILE
    words = seen(path).words
    assert words[0].reason == "first"
    assert words[-1].reason.startswith("59 ")


def test_what_was_seen_is_taken_away(tmp_path: Path) -> None:
    """All files go, after the record was made and not before."""
    files = [tmp_path / "a", tmp_path / "b"]
    stop(*files)
    stood: list[bool] = []
    stopping.lift([seen(file) for file in files], lambda: stood.extend(file.exists() for file in files))
    assert stood == [True, True]
    assert not any(file.exists() for file in files)


@pytest.mark.parametrize(
    "between", [lambda path: stop(path), os.utime, lambda path: path.write_text("again")], ids=["stop", "touch", "edit"]
)
def test_what_changed_meanwhile_stays(tmp_path: Path, between: Callable[[Path], object]) -> None:
    """A stop that is made again, touched or edited after it was seen is not taken away, nor is any other, nor is it recorded."""
    files = [tmp_path / "a", tmp_path / "b"]
    stop(*files)
    looked = [seen(file) for file in files]
    between(files[1])
    recorded: list[int] = []
    with pytest.raises(GoliveError, match="not what it was"):
        stopping.lift(looked, lambda: recorded.append(1))
    assert all(file.exists() for file in files)
    assert not recorded


def test_no_record_no_resumption(path: Path) -> None:
    """If the record cannot be made the stop stands."""
    stop(path)

    def broken() -> None:
        raise GoliveError("the journal cannot be written", hint="")

    with pytest.raises(GoliveError, match="journal"):
        stopping.lift([seen(path)], broken)
    assert path.exists()


def test_a_stop_in_the_middle_of_a_resumption_is_not_lost(path: Path) -> None:
    """A stop that begins while the old one is being taken away stands afterwards, with its own word."""
    stop(path)
    done: list[stopping.Put] = []
    late = threading.Thread(target=lambda: done.extend(stop(path, reason="late")))

    def record() -> None:
        late.start()
        late.join(0.05)
        assert not done, "the stop must not have been confirmed before its word is safe"

    stopping.lift([seen(path)], record)
    late.join(5)
    assert done[0].made
    assert [word.reason for word in seen(path).words] == ["late"]


def _fight(path: Path, log: Path, number: int) -> None:
    with log.open("ab", buffering=0) as told:
        for turn in range(40):
            if (turn + number) % 3:
                name = f"{number}.{turn}"
                (put,) = stop(path, reason=name)
                assert put.stops
                told.write(f"stopped {name}\n".encode())
            elif (found := stopping.look(path)) is not None:
                try:
                    stopping.lift([found], lambda: None)
                except GoliveError:
                    continue
                told.write(b"".join(f"lifted {word.reason}\n".encode() for word in found.words))


def test_eight_processes_lose_no_stop(path: Path, tmp_path: Path) -> None:
    """Each stop that was confirmed still stands at the end, or somebody took it away who had seen it."""
    log = tmp_path / "log"
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_fight, args=(path, log, number)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 8
    lines = [line.split() for line in log.read_text().splitlines()]
    stopped = {name for what, name in lines if what == "stopped"}
    lifted = {name for what, name in lines if what == "lifted"}
    found = stopping.look(path)
    standing = {word.reason for word in found.words} if found else set()
    assert len(stopped) > 200
    assert lifted, "nobody ever resumed: the test shows nothing"
    assert stopped - lifted - standing == set()


def test_a_line_of_the_file_is_yaml_and_json(path: Path) -> None:
    """Whoever greps the file gets a JSON object behind the dash."""
    stop(path)
    (line,) = [line for line in path.read_text().splitlines() if line.startswith("- ")]
    assert json.loads(line[2:])["why"] == "prices make no sense"
