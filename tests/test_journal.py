"""The journal: whole lines, one chain, and a word for whoever breaks it."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pytest_golive.errors import JournalError
from pytest_golive.journal import ORIGIN, Entry, Journal

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A journal of five records."""
    made = Journal(tmp_path / "journal.jsonl")
    for number in range(5):
        made.append("run", {"number": number}, NOW + timedelta(minutes=number))
    return made


def test_an_empty_journal_has_a_head(tmp_path: Path) -> None:
    """A journal that was never written has no records, the head of zeros, and no file."""
    made = Journal(tmp_path / "none" / "journal.jsonl")
    assert made.head() == (0, ORIGIN)
    assert made.verify() == 0
    assert list(made.entries()) == []
    assert not made.path.exists()


def test_records_are_numbered_and_chained(journal: Journal) -> None:
    """Each record has the next number and the digest of the one before, and comes back as it was written."""
    entries = list(journal.entries())
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5]
    assert [entry.prev for entry in entries] == [ORIGIN, *(entry.hash for entry in entries[:-1])]
    assert [entry.detail["number"] for entry in entries] == [0, 1, 2, 3, 4]
    assert entries[2].at == NOW + timedelta(minutes=2)
    assert journal.head() == (5, entries[-1].hash)
    assert journal.verify() == 5


def test_what_append_gives_is_what_is_kept(journal: Journal) -> None:
    """The entry that append returns is the entry that is read later."""
    entry = journal.append("activated", {"counter": 1}, NOW)
    assert entry == list(journal.entries())[-1]


def test_anybody_can_check_it(journal: Journal) -> None:
    """Six lines that know nothing of this product find the chain whole."""
    prev = "0" * 64
    for line in journal.path.read_bytes().splitlines():
        body, _, digest = line.rpartition(b',"sha256":"')
        assert hashlib.sha256(body + b"}").hexdigest() == digest[:64].decode()
        assert json.loads(line)["prev"] == prev
        prev = digest[:64].decode()


def test_lines_are_ascii_and_one_per_record(journal: Journal) -> None:
    """A detail with line breaks and other scripts stays on one line of ASCII."""
    journal.append("note", {"text": "Žofie\n\u2028{}", "amount": Decimal("0.20")}, NOW)
    lines = journal.path.read_bytes().split(b"\n")
    assert len(lines) == 7
    assert lines[5].isascii()
    assert list(journal.entries())[-1].detail["amount"] == {"$decimal": "0.20"}


def test_times_are_written_in_utc(journal: Journal) -> None:
    """A time of another zone is the same moment in UTC."""
    local = NOW.astimezone(timezone(timedelta(hours=5)))
    assert b'"at":"2026-11-21T10:00:00+00:00"' in journal.path.read_bytes()
    assert journal.append("run", {}, local).at == NOW
    assert journal.path.read_bytes().count(b'"at":"2026-11-21T10:00:00+00:00"') == 2


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    """The file is made 0600 whatever the umask is."""
    made = Journal(tmp_path / "new" / "journal.jsonl")
    old = os.umask(0)
    try:
        made.append("run", {}, NOW)
    finally:
        os.umask(old)
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.path.parent.stat().st_mode) == 0o700


def _lines(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))

    return damage


def _honest(line: bytes, **changes: Any) -> bytes:
    """A record that was edited by somebody who also mended its own digest."""
    record = {**json.loads(line), **changes}
    record.pop("sha256")
    body = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
    return body[:-1] + b',"sha256":"' + hashlib.sha256(body).hexdigest().encode() + b'"}\n'


DAMAGE = {
    "edit": (_lines(lambda ls: [*ls[:2], ls[2].replace(b'"number":2', b'"number":9'), *ls[3:]]), "line 3"),
    "edit of the last": (_lines(lambda ls: [*ls[:4], ls[4].replace(b'"number":4', b'"number":9')]), "line 5"),
    "edit with its digest": (_lines(lambda ls: [*ls[:2], _honest(ls[2], detail={}), *ls[3:]]), "line 4"),
    "deletion": (_lines(lambda ls: [*ls[:2], *ls[3:]]), "line 3"),
    "deletion of the first": (_lines(lambda ls: ls[1:]), "line 1"),
    "swap": (_lines(lambda ls: [ls[0], ls[2], ls[1], *ls[3:]]), "line 2"),
    "doubled": (_lines(lambda ls: [*ls[:2], ls[1], *ls[2:]]), "line 3"),
    "wrong number": (_lines(lambda ls: [*ls[:4], _honest(ls[4], seq=6)]), "line 5"),
    "white space": (_lines(lambda ls: [ls[0].replace(b":", b": ", 1), *ls[1:]]), "line 1"),
    "blank line": (_lines(lambda ls: [*ls[:3], b"\n", *ls[3:]]), "line 4"),
    "not JSON": (_lines(lambda ls: [*ls[:3], b"hello\n", *ls[3:]]), "line 4"),
    "list": (_lines(lambda ls: [*ls[:3], b"[]\n", *ls[3:]]), "line 4"),
    "cut": (lambda path: os.truncate(path, path.stat().st_size - 5), "line 5"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_and_its_line_named(journal: Journal, name: str) -> None:
    """An edit, a deletion, a swap or a cut is found, with the number of the first line that is wrong."""
    damage, line = DAMAGE[name]
    damage(journal.path)
    with pytest.raises(JournalError, match=f"{line} ") as caught:
        journal.verify()
    assert caught.value.hint


def test_nothing_is_written_behind_an_altered_record(journal: Journal) -> None:
    """A journal whose last record was altered is not continued, because that would hide it."""
    DAMAGE["edit of the last"][0](journal.path)
    before = journal.path.read_bytes()
    for use in (lambda: journal.append("run", {}, NOW), journal.head):
        with pytest.raises(JournalError, match="altered"):
            use()
    assert journal.path.read_bytes() == before


def test_a_cut_line_is_told_apart_from_an_altered_one(journal: Journal) -> None:
    """A last line without its end may come from a crash, and the error says that it mends itself."""
    DAMAGE["cut"][0](journal.path)
    with pytest.raises(JournalError, match=r"line 5 .* is cut short") as caught:
        journal.verify()
    assert "the next record" in caught.value.hint


@pytest.mark.parametrize("kept", [1, 40, 100])
def test_a_torn_record_is_removed_and_told(journal: Journal, kept: int) -> None:
    """What a crash left of a record is cut away by the next one, which is preceded by a record of that."""
    whole = journal.path.read_bytes()
    torn = whole.splitlines()[-1][:kept]
    journal.path.write_bytes(whole + torn)
    assert journal.head()[0] == 5
    assert journal.append("run", {}, NOW).seq == 7
    assert journal.verify() == 7
    recovered = list(journal.entries())[5]
    assert recovered.event == "recovered-torn-tail"
    assert recovered.detail == {"bytes": kept, "sha256": hashlib.sha256(torn).hexdigest()}


def test_a_torn_first_record_is_removed_and_told(tmp_path: Path) -> None:
    """A crash in the very first record is mended in the same way."""
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"at":')
    path.chmod(0o600)
    made = Journal(path)
    assert made.head() == (0, ORIGIN)
    assert made.append("run", {}, NOW).seq == 2
    assert made.verify() == 2


def test_long_records_are_read_back(tmp_path: Path) -> None:
    """A record far longer than one read is found again as the head, torn or not."""
    made = Journal(tmp_path / "journal.jsonl")
    made.append("run", {"text": "x" * 300_000}, NOW)
    entry = made.append("run", {"text": "y" * 300_000}, NOW)
    assert made.head() == (2, entry.hash)
    with made.path.open("ab") as file:
        file.write(b"z" * 200_000)
    assert made.append("run", {}, NOW).seq == 4
    assert made.verify() == 4


@pytest.mark.parametrize(
    ("event", "detail", "now"),
    [
        ("", {}, NOW),
        ("Run", {}, NOW),
        ("run\n", {}, NOW),
        ("run", {"seconds": 0.1}, NOW),
        ("run", {"deep": [{"seconds": float("nan")}]}, NOW),
        ("run", {"what": object()}, NOW),
        ("run", {"what": b"bytes"}, NOW),
        ("run", {}, datetime(2026, 11, 21)),  # noqa: DTZ001 - a time without its zone is what is refused
    ],
)
def test_what_has_no_exact_form_is_refused(journal: Journal, event: str, detail: dict[str, Any], now: datetime) -> None:
    """Floats, unknown objects, strange events and times without a zone are mistakes, and write nothing."""
    before = journal.path.read_bytes()
    with pytest.raises((TypeError, ValueError)):
        journal.append(event, detail, now)
    assert journal.path.read_bytes() == before


def test_processes_that_write_at_once_make_one_chain(tmp_path: Path) -> None:
    """Four processes with twenty-five records each make one whole chain of a hundred."""
    path = tmp_path / "journal.jsonl"
    code = (
        "import sys\nfrom datetime import datetime, UTC\nfrom pathlib import Path\nfrom pytest_golive.journal import Journal\n"
        "for number in range(25):\n    Journal(Path(sys.argv[1])).append('run', {'n': number}, datetime.now(UTC))\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, path]) for _ in range(4)]
    assert [process.wait(60) for process in running] == [0, 0, 0, 0]
    assert Journal(path).verify() == 100


def test_a_killed_writer_leaves_a_usable_journal(tmp_path: Path) -> None:
    """After SIGKILL in the middle of writing, the next record makes the chain whole again."""
    path = tmp_path / "journal.jsonl"
    code = (
        "import sys\nfrom datetime import datetime, UTC\nfrom pathlib import Path\nfrom pytest_golive.journal import Journal\n"
        "while True:\n    Journal(Path(sys.argv[1])).append('run', {}, datetime.now(UTC))\n    print('x', flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(20):
        process.stdout.readline()
    process.kill()
    process.communicate(timeout=30)
    made = Journal(path)
    last = made.append("run", {}, NOW)
    assert made.verify() == last.seq >= 21


def test_a_full_disk_leaves_the_journal_as_it_was(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that cannot be brought to the disk is taken back, and the error says what to do."""
    before = journal.path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full)
        with pytest.raises(JournalError, match="No space left") as caught:
            journal.append("run", {}, NOW)
    assert caught.value.hint
    assert journal.path.read_bytes() == before
    assert journal.append("run", {}, NOW).seq == 6


def _file_for_a_folder(path: Path) -> None:
    path.parent.write_text("")


def _folder(path: Path) -> None:
    path.mkdir(parents=True)


def _link(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(path.with_name("elsewhere"))


def _pipe(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path, 0o600)


def _shared(path: Path) -> None:
    Journal(path).append("run", {}, NOW)
    path.chmod(0o666)


@pytest.mark.parametrize("make", [_file_for_a_folder, _folder, _link, _pipe, _shared])
def test_a_path_that_cannot_hold_a_journal_is_told(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """A path that cannot be written, or that others can write, is one clear error with a hint."""
    path = tmp_path / "logs" / "journal.jsonl"
    make(path)
    with pytest.raises(JournalError) as caught:
        Journal(path).append("run", {}, NOW)
    assert str(path) in caught.value.message
    assert caught.value.hint
    assert not path.with_name("elsewhere").exists()


def test_a_journal_that_was_moved_away_is_not_written(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is moved away while its lock is awaited gets no record; its successor does."""
    import fcntl

    real, moved = fcntl.flock, []

    def flock(fd: int, operation: int) -> None:
        if operation == fcntl.LOCK_EX | fcntl.LOCK_NB and not moved:
            moved.append(journal.path.rename(journal.path.with_name("old")))
        real(fd, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    assert journal.append("run", {}, NOW).seq == 1
    assert Journal(moved[0]).verify() == 5


def test_checked_records_are_not_checked_again(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second reading parses what was appended since, by whomever, and no more."""
    assert journal.verify() == 5
    Journal(journal.path).append("run", {"number": 5}, NOW)
    parsed: list[str] = []
    really = Journal._parse

    def noted(self: Journal, line: bytes, where: str) -> Entry:
        parsed.append(where)
        return really(self, line, where)

    monkeypatch.setattr(Journal, "_parse", noted)
    assert [entry.detail["number"] for entry in journal.entries()] == [0, 1, 2, 3, 4, 5]
    assert parsed == ["line 6"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda lines: [lines[0].replace(b'"number":0', b'"number":9'), *lines[1:]],
        lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
        lambda lines: lines[1:],
        lambda lines: [*lines[:2], *lines[3:], lines[4]],
    ],
)
def test_a_known_journal_that_was_edited_is_checked_anew(journal: Journal, spoil: Callable[[list[bytes]], list[bytes]]) -> None:
    """What was checked a moment ago counts for nothing once a byte of it is another one, in the same file and size too."""
    assert journal.verify() == 5
    lines = journal.path.read_bytes().splitlines(keepends=True)
    journal.path.write_bytes(b"".join(spoil(lines)))
    with pytest.raises(JournalError):
        journal.verify()
    journal.path.write_bytes(b"".join(lines))
    assert journal.verify() == 5


def test_a_known_journal_that_was_cut_is_read_as_it_is(journal: Journal) -> None:
    """Records that were taken away are not told from memory, nor those of a journal that was replaced."""
    assert journal.verify() == 5
    lines = journal.path.read_bytes().splitlines(keepends=True)
    journal.path.write_bytes(b"".join(lines[:3]))
    assert [entry.seq for entry in journal.entries()] == [1, 2, 3]
    journal.path.unlink()
    assert list(journal.entries()) == []
    journal.append("run", {"number": 7}, NOW)
    assert [entry.detail["number"] for entry in journal.entries()] == [7]


def test_a_reader_who_stops_early_leaves_no_gap(journal: Journal) -> None:
    """Who asks for the first record only has checked that one, and the next reading goes on from there."""
    assert next(journal.entries()).seq == 1
    assert journal.verify() == 5
