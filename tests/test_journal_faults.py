"""The journal under real faults: killed and halted processes, a disk that is full, a folder that nobody may write."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pytest_golive.errors import JournalError
from pytest_golive.events import EVENTS
from pytest_golive.journal import Journal

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)

PREAMBLE = """\
import os, random, signal, sys, time
from datetime import UTC, datetime
from pathlib import Path
from pytest_golive.errors import JournalError
from pytest_golive.journal import Journal
NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
journal = Journal(Path(sys.argv[1]))
"""


def child(code: str, path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A fresh process that runs the code with the journal at hand."""
    return subprocess.run(
        [sys.executable, "-c", PREAMBLE + code, path, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


KILLS = """\
# each writer says, record by record, what append has promised; then it is killed at any moment
chance, promised = random.Random(7), []
for _ in range(int(sys.argv[2])):
    readers = []
    for _ in range(2):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            while True:
                os.write(writer, b"%d\\n" % journal.append("run", {"text": "x" * chance.randrange(9000)}, NOW).seq)
        os.close(writer)
        readers.append((pid, reader))
    os.read(readers[0][1], 1)
    time.sleep(chance.random() / 500)
    for pid, reader in readers:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with os.fdopen(reader) as said:
            promised += [int(line) for line in said.read().split("\\n")[1 if pid == readers[0][0] else 0 : -1] if line]
journal.mend(NOW)
print(journal.verify(), max(promised), len(promised) - len(set(promised)))
"""


def test_a_kill_at_any_moment_takes_nothing_that_was_promised(tmp_path: Path) -> None:
    """A hundred writers that are killed at work break no chain, and no record that was promised is gone."""
    done = child(KILLS, tmp_path / "journal.jsonl", "50")
    assert done.returncode == 0, done.stderr
    whole, newest, twice = map(int, done.stdout.split())
    assert whole >= newest >= 50
    assert twice == 0


CUT = """\
step, torn = int(sys.argv[2]), sys.argv[3] == "torn"
journal.append("run", {"number": 1}, NOW)
if torn:
    with journal.path.open("ab") as file:
        file.write(b'{"at":' + b"t" * 700)
real = os.pwrite
def short(fd, data, at):
    written = real(fd, bytes(data)[:step], at) if step else 0
    os.kill(os.getpid(), signal.SIGKILL)
os.pwrite = short
journal.append("run", {"number": 2}, NOW)
"""


@pytest.mark.parametrize("torn", ["whole", "torn"])
@pytest.mark.parametrize("step", [0, 1, 100, 250, 300, 10_000])
def test_a_record_that_is_written_by_half_is_mended_by_the_next(tmp_path: Path, step: int, torn: str) -> None:
    """Wherever in its writing a process dies, also while it mends what another left, the next record makes the chain whole."""
    path = tmp_path / "journal.jsonl"
    assert child(CUT, path, str(step), torn).returncode == -9
    last = Journal(path).append("run", {"number": 3}, NOW)
    entries = list(Journal(path).entries())
    assert entries[-1] == last
    assert entries[0].detail == {"number": 1}
    assert {entry.event for entry in entries} <= {"run", "recovered-torn-tail"}


FULL = """\
import resource
journal.append("run", {"number": 1}, NOW)
before = journal.path.read_bytes() + sys.argv[2].encode()
journal.path.write_bytes(before)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 40, resource.RLIM_INFINITY))
try:
    journal.append("run", {"text": "x" * 20000}, NOW)
except JournalError as error:
    print(error.message)
assert journal.path.read_bytes() == before, journal.path.read_bytes()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(journal.append("run", {"number": 2}, NOW).seq, journal.verify())
"""


@pytest.mark.parametrize(("torn", "seq"), [("", 2), ('{"at":"2026', 3), ("t" * 9000, 3)])
def test_a_disk_that_fills_up_in_the_middle_changes_nothing(tmp_path: Path, torn: str, seq: int) -> None:
    """Where the kernel takes forty bytes of a record and no more, every byte is as before, the torn ones of another crash too."""
    done = child(FULL, tmp_path / "journal.jsonl", torn)
    assert done.returncode == 0, done.stderr
    told, after = done.stdout.splitlines()
    assert "cannot be written: File too large" in told
    assert after == f"{seq} {seq}"


READ_ONLY = """\
os.setgroups([]) if os.geteuid() == 0 else None
os.setgid(65534) if os.geteuid() == 0 else None
os.setuid(65534) if os.geteuid() == 0 else None
print(os.access(journal.path.parent, os.R_OK | os.X_OK), os.access(journal.path.parent, os.W_OK), end=" | ")
try:
    journal.append("run", {}, NOW)
except JournalError as error:
    print(error.message, "|", error.hint)
"""


def test_a_folder_that_cannot_be_written_is_told() -> None:
    """Without the right to write the folder an append is one clear error, and nothing is made."""
    # a folder of its own, because those of pytest cannot be entered by the user that the child becomes
    with tempfile.TemporaryDirectory() as above:
        Path(above).chmod(0o711)
        folder = Path(above, "closed")
        folder.mkdir(mode=0o555)
        done = child(READ_ONLY, folder / "journal.jsonl")
        assert done.returncode == 0, done.stderr
        seen, message, hint = done.stdout.split(" | ")
        assert seen == "True False"
        assert "cannot be written: Permission denied" in message
        assert str(folder) in hint
        assert list(folder.iterdir()) == []


@pytest.fixture
def halted(tmp_path: Path) -> Iterator[Path]:
    """A journal whose lock is held by a process that does not go on."""
    path = tmp_path / "journal.jsonl"
    Journal(path).append("run", {}, NOW)
    code = "import fcntl\nfile = open(sys.argv[1], 'rb')\nfcntl.flock(file, fcntl.LOCK_EX)\nprint('held', flush=True)\ninput()\n"
    process = subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield path
    process.communicate("\n", timeout=30)


def test_a_halted_writer_keeps_nobody_for_ever(halted: Path) -> None:
    """Who holds the lock and does not go on is reported after a while, to writers and to readers."""
    impatient = Journal(halted, patience=0.05)
    for use in (lambda: impatient.append("stopped", {}, NOW), impatient.head, impatient.verify):
        with pytest.raises(JournalError, match="another process keeps the journal") as caught:
            use()
        assert "fuser" in caught.value.hint


def test_a_slow_reader_keeps_nobody_from_writing(tmp_path: Path) -> None:
    """While somebody reads, others write at once, and the reader sees the records that stood there when it began."""
    journal = Journal(tmp_path / "journal.jsonl", patience=0.05)
    for number in range(3):
        journal.append("run", {"number": number}, NOW)
    slow = journal.entries()
    next(slow)
    journal.append("stopped", {}, NOW)
    assert [entry.seq for entry in slow] == [2, 3]
    assert journal.verify() == 4


HALF = """\
real = os.pwrite
def halting(fd, data, at):
    if len(data) > 5000:
        written = real(fd, bytes(data)[: len(data) // 2], at)
        print("half", flush=True)
        sys.stdin.readline()
        return written
    return real(fd, data, at)
os.pwrite = halting
print(journal.append("run", {"text": "x" * 8000}, NOW).seq, flush=True)
"""


def test_readers_never_meet_a_half_written_record(tmp_path: Path) -> None:
    """A reader that comes while a record is being written waits for its end, and finds the chain whole."""
    path = tmp_path / "journal.jsonl"
    Journal(path).append("run", {}, NOW)
    process = subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + HALF, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    for use in (Journal(path, patience=0.02).verify, Journal(path, patience=0.02).head):
        with pytest.raises(JournalError, match="locked"):
            use()
    out, _ = process.communicate("\n", timeout=30)
    assert out == "2\n"
    assert Journal(path).verify() == 2


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_a_journal_that_was_swapped_is_not_taken_for_an_empty_one(tmp_path: Path, kind: str) -> None:
    """A pipe, a folder or a link in the place of the journal is an error for readers too, never no records."""
    path = tmp_path / "journal.jsonl"
    Journal(tmp_path / "other").append("run", {}, NOW)
    {"pipe": os.mkfifo, "folder": os.mkdir, "link": lambda at: os.symlink(tmp_path / "other", at)}[kind](path)
    for use in (Journal(path).head, Journal(path).verify):
        with pytest.raises(JournalError):
            use()


def test_a_clock_that_was_set_back_changes_no_order(tmp_path: Path) -> None:
    """The numbers tell the order: a record of an earlier time stands behind, and the chain is whole."""
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("activated", {}, NOW)
    journal.append("stopped", {}, NOW.replace(hour=8))
    assert [(entry.seq, entry.event) for entry in journal.entries()] == [(1, "activated"), (2, "stopped")]


def test_mending_is_recorded_and_only_done_where_something_is_torn(tmp_path: Path) -> None:
    """What a crash left is removed on demand, with a record of it; a whole journal stays byte for byte."""
    journal = Journal(tmp_path / "journal.jsonl")
    assert not journal.mend(NOW)
    assert not journal.path.exists()
    journal.append("run", {}, NOW)
    whole = journal.path.read_bytes()
    assert not journal.mend(NOW)
    assert journal.path.read_bytes() == whole
    journal.path.write_bytes(whole + b"torn")
    assert journal.mend(NOW)
    assert [entry.event for entry in journal.entries()] == ["run", "recovered-torn-tail"]


def test_every_event_is_named_in_one_place() -> None:
    """Whoever appends a record names a constant of the room of events, and each of these words has its sentence."""
    package = Path(__file__).parents[1] / "pytest_golive"
    named: set[str] = set()
    for path in package.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "append":
                if len(call.args) == 3:
                    assert isinstance(call.args[0], (ast.Name, ast.Attribute)), f"{path.name}:{call.lineno} spells an event out"
                    named.add(ast.unparse(call.args[0]).rpartition(".")[2])
    constants = {
        name for name, value in vars(sys.modules["pytest_golive.events"]).items() if isinstance(value, str) and value in EVENTS
    }
    # a name in small letters is handed on by whoever calls, and is looked at there
    assert {name for name in named if name.isupper()} <= constants
    assert {"RUN", "ACTIVATED", "DEACTIVATED", "ATTESTED"} <= named
    assert len(constants) == len(EVENTS)
