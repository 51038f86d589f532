"""file and permissions: what is there, and what only seems not to be."""

from __future__ import annotations

import hashlib
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pytest_golive.errors import ProbeError
from pytest_golive.probes import paths


def test_a_file_is_told_with_its_digest_and_time(look: Any, tmp_path: Path) -> None:
    """Size, digest, time with zone and the absolute path are facts."""
    (tmp_path / "f").write_bytes(b"abc")
    os.utime(tmp_path / "f", (1_700_000_000, 1_700_000_000))
    assert look("file", path="f") == {
        "path": str(tmp_path / "f"),
        "exists": True,
        "directory_readable": True,
        "kind": "file",
        "size": 3,
        "modified": "2023-11-14T22:13:20+00:00",
        "sha256": hashlib.sha256(b"abc").hexdigest(),
    }


def test_an_absent_file_in_a_real_folder_is_a_fact(look: Any, tmp_path: Path) -> None:
    """That a stop file is not there can be expected, and the path that was looked at is told."""
    assert look("file", path="STOP") == {"path": str(tmp_path / "STOP"), "exists": False, "directory_readable": True}


@pytest.mark.parametrize("path", ["no/such/STOP", "file/STOP"])
def test_an_absent_folder_is_an_error(look: Any, tmp_path: Path, path: str) -> None:
    """A stop file in a folder that does not exist proves that the wrong place was looked at."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ProbeError, match=r"does not exist|not a directory"):
        look("file", path=path)


def test_a_folder_that_cannot_be_read_is_an_error(look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permission denied is never `exists: false`."""

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(paths.os, "lstat", denied)
    with pytest.raises(ProbeError, match="permission denied"):
        look("file", path="STOP")
    monkeypatch.setattr(paths.os, "listdir", denied)
    with pytest.raises(ProbeError, match="permission denied"):
        look("file", path="*.STOP", newest=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_closed_folder_is_an_error_for_real(look: Any, tmp_path: Path) -> None:
    """A folder of mode 000 is an error on a real file system."""
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(ProbeError, match="permission denied"):
        look("file", path="closed/STOP")


@pytest.mark.parametrize(
    ("format_", "text", "value"),
    [
        ("yaml", "a: 0.20\nb: no\n", {"a": Decimal("0.20"), "b": "no"}),
        ("json", '{"a": 0.20, "b": [1]}', {"a": Decimal("0.20"), "b": [1]}),
        ("toml", "a = 0.20\nd = 2026-01-02\n", {"a": Decimal("0.20"), "d": "2026-01-02"}),
        ("ini", "[s]\nKey = 100%\n", {"s": {"Key": "100%"}}),
    ],
)
def test_a_format_gives_a_value(look: Any, tmp_path: Path, format_: str, text: str, value: object) -> None:
    """Each format is read exactly: fractions as Decimal, no as text, dates as ISO."""
    (tmp_path / "f").write_text(text)
    assert look("file", path="f", format=format_)["value"] == value


@pytest.mark.parametrize(
    ("format_", "text"),
    [
        ("yaml", "a: 1\na: 2\n"),
        ("yaml", "a: [1\n"),
        ("json", '{"a": 1, "a": 2}'),
        ("json", '{"a": NaN}'),
        ("json", "{"),
        ("toml", "a = 1\na = 2\n"),
        ("toml", "a ="),
        ("ini", "[s]\na=1\na=2\n"),
        ("ini", "a=1\n"),
    ],
)
def test_what_is_malformed_or_said_twice_is_an_error(look: Any, tmp_path: Path, format_: str, text: str) -> None:
    """A file with a duplicate key, a NaN or broken syntax has no value; the error names the file."""
    (tmp_path / "f").write_text(text)
    with pytest.raises(ProbeError) as caught:
        look("file", path="f", format=format_)
    assert str(tmp_path / "f") in caught.value.message
    assert "\n" not in caught.value.message


def test_a_toml_number_that_is_none_is_an_error(look: Any, tmp_path: Path) -> None:
    """NaN cannot be compared, so it is no fact."""
    (tmp_path / "f").write_text("a = nan\n")
    with pytest.raises(ProbeError, match="NaN, which cannot be compared"):
        look("file", path="f", format="toml")


def test_text_is_cut_and_says_how_much(look: Any, tmp_path: Path) -> None:
    """Long text is shortened in the middle with the number of characters left out, its lines are counted all."""
    (tmp_path / "f").write_text("ab\n" * 10_000)
    facts = look("file", path="f", format="text")
    assert facts["lines"] == 10_000
    assert "14000 characters left out" in facts["text"]
    assert len(facts["text"]) < 16_100


def test_what_is_not_utf8_is_an_error(look: Any, tmp_path: Path) -> None:
    """Bytes that are no text are told with their place."""
    (tmp_path / "f").write_bytes(b"ab\xff")
    with pytest.raises(ProbeError, match="byte 2"):
        look("file", path="f", format="text")
    assert look("file", path="f", format="bytes")["size"] == 3


def test_a_file_that_is_too_large_is_not_half_read(look: Any, tmp_path: Path) -> None:
    """Over max_size a format is an error, and without one there is no digest."""
    (tmp_path / "f").write_text("a: 1\n" * 10)
    with pytest.raises(ProbeError, match="more than 20 bytes"):
        look("file", path="f", format="yaml", max_size=20)
    assert "sha256" not in look("file", path="f", max_size=20)
    assert "sha256" in look("file", path="f", max_size=50)


def test_a_pipe_is_not_waited_for(look: Any, tmp_path: Path) -> None:
    """A named pipe nobody writes to is told as other, and reading it is an error instead of a hang."""
    os.mkfifo(tmp_path / "f")
    assert look("file", path="f")["kind"] == "other"
    with pytest.raises(ProbeError, match="a pipe"):
        look("file", path="f", format="text")


def test_folders_and_links_are_told_apart(look: Any, tmp_path: Path) -> None:
    """A folder, a link and a link that leads nowhere are what they are."""
    (tmp_path / "d").mkdir()
    (tmp_path / "l").symlink_to("d")
    (tmp_path / "gone").symlink_to("nowhere")
    assert look("file", path="d")["kind"] == "directory"
    linked = look("file", path="l")
    assert (linked["kind"], linked["target_kind"], linked["target"]) == ("symlink", "directory", str(tmp_path / "d"))
    gone = look("file", path="gone")
    assert (gone["kind"], gone["exists"]) == ("symlink", False)


def test_the_newest_of_many_is_looked_at(look: Any, tmp_path: Path) -> None:
    """A pattern is about its newest match and tells how many there were; no match is an absence."""
    for name, at in (("a.bak", 300), ("b.bak", 200), (".c.bak", 400), ("d.txt", 500)):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (at, at))
    facts = look("file", path="*.bak", newest=True)
    assert (facts["path"], facts["matches"]) == (str(tmp_path / "a.bak"), 2)
    none = look("file", path="*.zip", newest=True)
    assert (none["exists"], none["matches"]) == (False, 0)
    with pytest.raises(ProbeError, match="does not exist"):
        look("file", path="no-folder/*.bak", newest=True)


def test_a_pattern_may_stand_in_a_folder_name(look: Any, tmp_path: Path) -> None:
    """Folders on the way may match too; those without the file are passed over."""
    for day in ("1", "2"):
        (tmp_path / f"day-{day}").mkdir()
    (tmp_path / "day-2" / "dump").write_text("x")
    assert look("file", path="day-*/dump", newest=True)["matches"] == 1


@pytest.mark.parametrize(("path", "newest"), [("*.bak", False), ("**/x", True)])
def test_a_pattern_must_be_meant(path: str, newest: bool) -> None:
    """A path with a star needs newest, and the double star is refused."""
    from pytest_golive import probes

    with pytest.raises(ValidationError, match=r"newest|\*\*"):
        probes.kind("file").model_validate({"path": path, "newest": newest})


def test_permissions_tell_who_may_do_what(look: Any, tmp_path: Path) -> None:
    """Mode, owner and the rights of group and others are facts, those of the folder too."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d").chmod(0o1777)
    (tmp_path / "d" / "f").write_text("")
    (tmp_path / "d" / "f").chmod(0o644)
    facts = look("permissions", path="d/f")
    wanted = {
        "mode": "0644",
        "uid": os.geteuid(),
        "owner_is_me": True,
        "owner_can_write": True,
        "group_can_read": True,
        "group_can_write": False,
        "others_can_read": True,
        "others_can_write": False,
        "parent_others_can_write": True,
        "parent_sticky": True,
        "is_symlink": False,
        "kind": "file",
    }
    assert {name: facts[name] for name in wanted} == wanted


def test_permissions_of_a_link_are_those_of_its_target(look: Any, tmp_path: Path) -> None:
    """A link is told as one, with the mode of the file that would be read."""
    (tmp_path / "f").write_text("")
    (tmp_path / "f").chmod(0o600)
    (tmp_path / "l").symlink_to("f")
    facts = look("permissions", path="l")
    assert (facts["mode"], facts["is_symlink"]) == ("0600", True)


def test_permissions_of_nothing_are_an_error(look: Any, tmp_path: Path) -> None:
    """A missing file and a dangling link have no rights to judge."""
    (tmp_path / "l").symlink_to("nowhere")
    for path in ("f", "l"):
        with pytest.raises(ProbeError, match=r"does not exist|no such file"):
            look("permissions", path=path)
