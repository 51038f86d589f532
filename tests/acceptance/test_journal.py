"""`golive journal` over what real runs leave behind: a cut tail is found by its papers, and nothing secret leaves."""

from __future__ import annotations

import csv
import io
import json
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pytest_golive import anchors
from pytest_golive.guard.state import State, raise_to
from pytest_golive.journal import Journal
from pytest_golive.signing.keys import SessionKey
from tests.acceptance.conftest import OPEN, Project, item


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which a gate said NO-GO, another one GO and activated, and somebody deactivated and activated again."""
    base = tmp_path_factory.mktemp("lived")
    (base / "home").mkdir()
    keep = {name: os.environ[name] for name in ("PATH", "LANG", "VIRTUAL_ENV") if name in os.environ}
    made = Project(
        root=base / "project", environ={**keep, "HOME": str(base / "home"), "READY": "yes", "GOLIVE_OPERATOR": "alice"}
    )
    made.root.mkdir()
    made.settings(OPEN)
    made.checklist(item("one"), item("two", severity="warning"))
    assert made.gate(env={"READY": "no"}).word == "NO-GO"
    assert made.gate().word == "GO"
    assert (made.root / "go_live.active").exists()
    return made


@dataclass(frozen=True)
class Copy:
    """A copy of that project, on which the command is run in this process."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def journal(self) -> Path:
        return self.root / "reports" / "journal.jsonl"

    @property
    def pages(self) -> list[Path]:
        return sorted(self.root.glob("reports/*/report.html"))

    def golive(self, *arguments: str) -> tuple[int, str]:
        from pytest_golive.cli import main

        status = main(["journal", *arguments, "--config", str(self.root / "golive.yaml")])
        told = self.capsys.readouterr()
        return status, told.out + told.err

    def keep(self, *lines: int) -> None:
        """Leave only these lines of the journal, counted from 0."""
        whole = self.journal.read_bytes().splitlines(keepends=True)
        self.journal.write_bytes(b"".join(whole[number] for number in lines))


@pytest.fixture
def copy(lived: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Copy:
    """A copy of the project that a test may spoil, in its environment."""
    shutil.copytree(lived.root, tmp_path / "project")
    monkeypatch.setenv("HOME", lived.environ["HOME"])
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    return Copy(tmp_path / "project", capsys)


def test_a_whole_journal_is_held_against_all_that_quotes_it(copy: Copy) -> None:
    """Two pages, the marker and the guard's memory quote records, and all of them are there."""
    status, text = copy.golive("verify")
    assert status == 0, text
    assert "JOURNAL WHOLE" in text
    assert "records     3, the newest is sha256:" in text
    assert "3 papers" in text or "4 papers" in text
    assert "remark" not in text
    from pytest_golive.cli import main

    assert main(["journal", "--config", str(copy.root / "golive.yaml"), "verify"]) == 0


@pytest.mark.parametrize(
    ("kept", "finder"),
    [((0, 1), "the marker"), ((0,), "-go is the page of the run"), ((), "-no-go"), (None, "-no-go")],
    ids=["last", "last two", "all", "the file"],
)
def test_a_tail_that_was_cut_off_is_found(copy: Copy, kept: tuple[int, ...] | None, finder: str) -> None:
    """What the chain cannot show, because it is whole, the papers show: the newest record, several, all, and the file itself."""
    if kept is None:
        copy.journal.unlink()
    else:
        copy.keep(*kept)
    status, text = copy.golive("verify")
    assert status == 1
    assert "JOURNAL CUT OR REPLACED" in text
    assert finder in text


def test_a_run_that_no_record_tells_of_is_found(copy: Copy) -> None:
    """Cutting the record of the newest run itself is found by its page, although the head that it quotes is still there."""
    (copy.root / "go_live.active").unlink()
    (copy.root / "guard.state").unlink(missing_ok=True)
    copy.keep(0)
    status, text = copy.golive("verify")
    assert status == 1
    assert "no record tells of that run" in text


def test_an_older_copy_that_was_put_back_is_found(copy: Copy) -> None:
    """A journal that went on from an older copy is whole in itself, and lacks what the papers quote."""
    copy.keep(0)
    Journal(copy.journal).append("run", {"evidence": "0" * 64}, datetime.now(UTC))
    assert Journal(copy.journal).verify() == 2
    assert copy.golive("verify")[0] == 1


def test_only_a_checkpoint_finds_what_all_papers_were_taken_away_with(copy: Copy) -> None:
    """Without the pages and the marker nothing here remembers; a checkpoint that was kept elsewhere does."""
    kept = copy.root.parent / "checkpoint.json"
    assert copy.golive("checkpoint", "--out", str(kept))[0] == 0
    assert copy.golive("verify", "--checkpoint", str(kept))[0] == 0
    for page in copy.pages:
        page.unlink()
    (copy.root / "go_live.active").unlink()
    (copy.root / "guard.state").unlink(missing_ok=True)
    copy.keep(0, 1)
    assert copy.golive("verify")[0] == 0
    status, text = copy.golive("verify", "--checkpoint", str(kept))
    assert status == 1
    assert "number 3" in text


def test_a_page_that_somebody_kept_is_asked_too(copy: Copy) -> None:
    """An approver's own copy of a page finds a cut tail, wherever it lies."""
    mine = copy.root.parent / "mine.html"
    shutil.copyfile(next(copy.root.glob("reports/*Z-go/report.html")), mine)
    assert copy.golive("verify", "--page", str(mine))[0] == 0
    for page in copy.pages:
        page.unlink()
    copy.keep(0)
    (copy.root / "go_live.active").unlink()
    status, text = copy.golive("verify", "--page", str(mine))
    assert status == 1
    assert "mine.html" in text


def test_a_checkpoint_of_another_journal_is_told_apart(copy: Copy) -> None:
    """A checkpoint names the first record, so that one of another journal is not taken for a cut tail."""
    kept = copy.root.parent / "checkpoint.json"
    copy.golive("checkpoint", "--out", str(kept))
    copy.journal.unlink()
    Journal(copy.journal).append("run", {}, datetime.now(UTC))
    assert "vouches for another journal" in copy.golive("verify", "--checkpoint", str(kept))[1]


@pytest.mark.parametrize("spoil", ["payload", "key", "page", "nothing"])
def test_a_checkpoint_that_nobody_signed_is_refused(copy: Copy, spoil: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An altered checkpoint, one of a key that is not trusted, a page, and an empty file are errors, never a yes."""
    kept = copy.root.parent / "checkpoint.json"
    copy.golive("checkpoint", "--out", str(kept))
    line = json.loads(kept.read_bytes())
    if spoil == "payload":
        kept.write_text(json.dumps({**line, "payload": line["payload"][:-8] + "AAAAAAA="}))
    elif spoil == "key":
        (copy.root.parent / "other.pub").write_text(SessionKey(Ed25519PrivateKey.generate()).public.line)
        status, text = copy.golive("verify", "--checkpoint", str(kept), "--key", str(copy.root.parent / "other.pub"))
        assert status == 1
        assert "no trusted key signed" in text
        return
    elif spoil == "page":
        shutil.copyfile(copy.pages[0], kept)
    else:
        kept.write_bytes(b"")
    status, text = copy.golive("verify", "--checkpoint", str(kept))
    assert status == 1
    assert "WHOLE" not in text


def test_a_checkpoint_is_never_overwritten(copy: Copy) -> None:
    """A checkpoint that is there already stays as it is."""
    kept = copy.root.parent / "checkpoint.json"
    kept.write_text("mine")
    status, text = copy.golive("checkpoint", "--out", str(kept))
    assert status == 1
    assert "there already" in text
    assert kept.read_text() == "mine"


def test_an_activation_that_the_guard_remembers_is_missed(copy: Copy) -> None:
    """Where the guard has seen a higher counter than any record tells of, records were cut off."""
    raise_to(str(copy.root / "guard.state"), State(highest=7))
    status, text = copy.golive("verify")
    assert status == 1
    assert "the guard's memory knows activation 7, and the newest on record is 1" in text


def test_a_record_under_another_number_is_told(copy: Copy) -> None:
    """A checkpoint's record must stand where it said: one at another place is no answer."""
    entries = list(Journal(copy.journal).entries())
    right = anchors.Anchor(where="it", head=entries[1].hash, seq=2)
    assert anchors.missing(entries, [right]) == []
    assert "as number 3" in anchors.missing(entries, [replace(right, seq=3)])[0]


def test_a_page_that_nobody_here_trusts_is_remarked(copy: Copy) -> None:
    """A page of a stranger's key proves nothing against the journal, and is not passed over in silence either."""
    page = copy.pages[0]
    page.write_bytes(page.read_bytes().replace(b'"sig":"', b'"sig":"A', 1)[:-1])
    status, text = copy.golive("verify")
    assert status == 0
    assert f"remark: {page.parent.name} was not asked" in text


def test_a_name_of_a_folder_obeys_no_terminal(copy: Copy) -> None:
    """A folder of reports whose name would clear the screen is told with its control characters spelled out."""
    page = copy.pages[0]
    page.parent.rename(page.parent.with_name("\x1b[2J\u202egone"))
    copy.keep()
    text = copy.golive("verify")[1]
    assert "\\u001b[2J\\u202egone " in text
    assert all(letter.isprintable() for letter in text.replace("\n", ""))


def test_a_run_is_recorded_with_what_blocked(copy: Copy) -> None:
    """The record of a NO-GO names the items that blocked and counts the verdicts, and the history and metrics read it there."""
    first, second, *_ = Journal(copy.journal).entries()
    assert (first.detail["blocking"], first.detail["counts"]) == (["one"], {"blocking": 1, "warned": 1})
    assert (second.detail["blocking"], second.detail["counts"]) == ([], {"clear": 2})


def test_an_edit_names_its_line(copy: Copy) -> None:
    """An edited record is told by its line, with how far the journal is whole."""
    content = copy.journal.read_bytes()
    copy.journal.write_bytes(content.replace(b'"word":"GO"', b'"word":"NO-GO"'))
    status, text = copy.golive("verify")
    assert status == 1
    assert "JOURNAL BROKEN" in text
    assert "line 2" in text
    assert "whole       1," in text
    for word in ("export", "checkpoint"):
        status, text = copy.golive(word)
        assert status == 1
        assert "line 2" in text


def test_nothing_to_verify_is_no_yes(copy: Copy) -> None:
    """Where no record was ever written and nobody quotes one, verify says that it has nothing to go by."""
    for left in (*copy.pages, copy.journal, copy.root / "go_live.active"):
        left.unlink()
    (copy.root / "guard.state").unlink(missing_ok=True)
    status, text = copy.golive("verify")
    assert status == 1
    assert "nothing to verify" in text


def test_a_clock_that_went_back_is_told(copy: Copy) -> None:
    """Records keep their order, and verify says where the clock was set back, and that it stands in the future."""
    journal = Journal(copy.journal)
    now = datetime.now(UTC)
    journal.append("stopped", {}, now + timedelta(days=2))
    journal.append("resumed", {}, now - timedelta(hours=3))
    journal.append("stopped", {}, now + timedelta(days=2))
    status, text = copy.golive("verify")
    assert status == 0
    assert "between the records 4 and 5" in text
    assert "record 6 is dated 2 d ahead" in text
    assert "between the records 5 and 6" not in text


def test_a_torn_record_is_mended_on_demand(copy: Copy) -> None:
    """verify names what a crash cut short; mend removes it, records that, and then all is whole."""
    whole = copy.journal.read_bytes()
    copy.journal.write_bytes(whole + b'{"at":"2026')
    status, text = copy.golive("verify")
    assert status == 1
    assert "line 4" in text
    assert "golive journal mend" in text
    assert copy.golive("mend")[0] == 0
    assert copy.golive("verify")[0] == 0
    assert [entry.event for entry in Journal(copy.journal).entries()][-1] == "recovered-torn-tail"


def test_an_export_has_every_record_and_its_digest(copy: Copy) -> None:
    """JSON lines and comma-separated values tell the same records, with the digests of the journal."""
    lines = [json.loads(line) for line in copy.golive("export")[1].splitlines()]
    rows = list(csv.DictReader(io.StringIO(copy.golive("export", "--as", "csv")[1])))
    kept = [json.loads(line) for line in copy.journal.read_bytes().splitlines()]
    assert [line["sha256"] for line in lines] == [row["sha256"] for row in rows] == [line["sha256"] for line in kept]
    assert [line["detail"] for line in lines] == [line["detail"] for line in kept]
    assert [json.loads(row["detail"]) for row in rows] == [line["detail"] for line in kept]
    assert rows[0]["operator"] == "alice"
    assert not any(line["redacted"] for line in lines)


def test_an_export_begins_where_it_is_asked_to(copy: Copy) -> None:
    """--since takes a moment or a length of time; nothing that is neither is taken for one."""
    Journal(copy.journal).append("stopped", {}, datetime.now(UTC) + timedelta(days=30))
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert len(copy.golive("export", "--since", later)[1].splitlines()) == 1
    assert len(copy.golive("export", "--since", "1h")[1].splitlines()) == 4
    assert copy.golive("export", "--since", "2999-01-01")[1] == ""
    status, text = copy.golive("export", "--since", "yesterday")
    assert status == 1
    assert "is no time" in text


def test_a_secret_leaves_neither_by_the_journal_nor_by_its_export(
    copy: Copy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A secret that a person typed is not in the journal; one that became known later is not in the export, which says so."""
    from pytest_golive.cli import main

    early, late = (f"cnry{secrets.token_hex(12)}" for _ in range(2))
    monkeypatch.setenv("BROKER_TOKEN", early)
    config = str(copy.root / "golive.yaml")
    main(["deactivate", "--config", config, "--reason", f"leaked {early} and {late}", "--operator", f"bob-{early}"])
    assert early[:8] not in copy.journal.read_text()
    assert late in copy.journal.read_text()
    monkeypatch.setenv("OTHER_SECRET", late)
    capsys.readouterr()
    for form in ("jsonl", "csv"):
        status, text = copy.golive("export", "--as", form)
        assert status == 0
        assert early[:8] not in text
        assert late[:8] not in text
    assert [json.loads(line)["redacted"] for line in copy.golive("export")[1].splitlines()] == [False, False, False, True]


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "\t=1", "\x1b[2J\u202ehidden"])
def test_a_spreadsheet_computes_nothing_of_it(copy: Copy, text: str) -> None:
    """What people wrote is shown by a spreadsheet and never computed, and no control character reaches a terminal."""
    Journal(copy.journal).append("deactivated", {"operator": text, "reason": text}, datetime.now(UTC))
    out = copy.golive("export", "--as", "csv")[1]
    row = list(csv.DictReader(io.StringIO(out)))[-1]
    assert not row["operator"].startswith(("=", "+", "-", "@", "\t"))
    assert row["reason"] == row["operator"]
    assert all(letter.isprintable() for letter in out.replace("\n", ""))


ASKED: dict[str, Callable[[Copy], object]] = {
    "verify": lambda copy: copy.golive("verify"),
    "export": lambda copy: copy.golive("export"),
    "checkpoint": lambda copy: copy.golive("checkpoint"),
}


@pytest.mark.parametrize("word", ASKED)
def test_looking_changes_nothing(copy: Copy, word: str) -> None:
    """verify, export and checkpoint leave every byte of the project as it was."""

    def everything() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in copy.root.rglob("*") if path.is_file()}

    before = everything()
    ASKED[word](copy)
    assert everything() == before
