"""The guard: real orders go only on a marker that stands, verifies, is meant for here, and was never taken away."""

from __future__ import annotations

import contextlib
import logging
import mmap
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pytest_golive.errors import Misuse
from pytest_golive.guard import Guard, Permission, machine_host
from pytest_golive.guard import machine as machine_module
from pytest_golive.guard import place as place_module
from pytest_golive.guard import state as states
from pytest_golive.signing.keys import SessionKey


def test_a_clean_marker_allows_again_and_again(stage: Any, order: Any) -> None:
    """A marker that verifies permits the first order and the next, and says by which activation."""
    stage.write()
    guard = stage.guard()
    assert guard.allows(order) == Permission(True, "", "a1" * 16)
    stage.clock.tick(1)
    assert guard.allows(order).allowed
    assert guard.allows().allowed


def test_without_a_marker_no_order_goes(stage: Any, order: Any) -> None:
    """No marker means no order, and the reason names the absolute path that was looked at."""
    permission = stage.guard().allows(order)
    assert not permission.allowed
    assert permission.reason == f"marker not found: {stage.marker}"


def test_an_answer_is_true_only_if_it_allows(stage: Any) -> None:
    """A permission may stand in a condition by itself: a refusal is false there."""
    guard = stage.guard()
    assert not guard.allows()
    stage.write()
    assert guard.allows()


def test_touching_a_file_does_not_activate(stage: Any) -> None:
    """An empty file of the right name permits nothing."""
    stage.marker.touch(mode=0o644)
    assert stage.guard().allows().reason == "the marker is empty"


def test_unsigned_text_does_not_activate(stage: Any) -> None:
    """The plain text of document 001 without a signature permits nothing."""
    stage.put(b"activated: true\nenvironment: production\nallowed_profiles: micro\n")
    assert stage.guard().allows().reason == "the marker is not signed"


@pytest.mark.parametrize("name", ["marker", "state", "stop_files"])
def test_relative_paths_are_refused(stage: Any, name: str) -> None:
    """A path that depends on the working folder of whoever starts the service is a mistake, told when the guard is made."""
    paths = {"marker": stage.marker, "state": stage.state, "stop_files": [stage.folder / "STOP"]}
    paths[name] = ["STOP"] if name == "stop_files" else Path("go_live.active")
    with pytest.raises(Misuse, match="absolute path"):
        Guard(paths.pop("marker"), environment="production", keys=[], **paths)


def _same_size_edit(stage: Any) -> None:
    before = stage.marker.stat()
    edited = stage.marker.read_bytes().replace(b'"micro"', b'"large"')
    with stage.marker.open("r+b") as file:
        file.write(edited)
    os.utime(stage.marker, ns=(before.st_atime_ns, before.st_mtime_ns))


def _link(stage: Any) -> None:
    stage.marker.rename(stage.folder / "elsewhere")
    stage.marker.symlink_to(stage.folder / "elsewhere")


def _broken_link(stage: Any) -> None:
    stage.marker.unlink()
    stage.marker.symlink_to(stage.folder / "nowhere")


def _pipe(stage: Any) -> None:
    stage.marker.unlink()
    os.mkfifo(stage.marker, 0o644)


def _folder(stage: Any) -> None:
    stage.marker.unlink()
    stage.marker.mkdir()


def _grown(stage: Any) -> None:
    with stage.marker.open("ab") as file:
        file.write(b"# more\n")


def _huge(stage: Any) -> None:
    os.truncate(stage.marker, 64 * 1024 + 1)


DAMAGE = {
    "same-size edit with the times put back": (_same_size_edit, "it was edited"),
    "symbolic link": (_link, "symbolic link"),
    "broken link": (_broken_link, "symbolic link"),
    "pipe": (_pipe, "not a regular file"),
    "folder": (_folder, "not a regular file"),
    "world-writable": (lambda stage: stage.marker.chmod(0o666), "others can write"),
    "group-writable": (lambda stage: stage.marker.chmod(0o664), "others can write"),
    "hard link": (lambda stage: os.link(stage.marker, stage.folder / "second"), "has 2 names"),
    "truncated": (lambda stage: os.truncate(stage.marker, 700), "marker"),
    "emptied": (lambda stage: os.truncate(stage.marker, 0), "the marker is empty"),
    "grown": (_grown, "malformed"),
    "huge": (_huge, "larger than"),
    "deleted": (lambda stage: stage.marker.unlink(), "marker not found"),
}


@pytest.mark.parametrize("name", DAMAGE)
@pytest.mark.parametrize("running", [True, False], ids=["while running", "before the start"])
def test_a_damaged_marker_is_refused(stage: Any, name: str, running: bool) -> None:
    """Whatever was done to the marker is seen on the very next order, and by a guard that starts later."""
    damage, reason = DAMAGE[name]
    stage.write()
    guard = stage.guard()
    if running:
        assert guard.allows()
    damage(stage)
    permission = guard.allows()
    assert not permission.allowed
    assert reason in permission.reason


def test_a_write_through_a_mapping_is_seen(stage: Any) -> None:
    """Bytes changed through a mapping of an already dirty page change no time and no size, and are seen all the same."""
    content = stage.write()
    place = content.index(b'"micro"')
    with stage.marker.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[0:1] = content[0:1]
        guard = stage.guard()
        assert guard.allows()
        before = stage.marker.stat()
        mapped[place : place + 7] = b'"large"'
        after = stage.marker.stat()
        refused = guard.allows()
        mapped[place : place + 7] = b'"micro"'
    assert (before.st_mtime_ns, before.st_ctime_ns, before.st_size) == (after.st_mtime_ns, after.st_ctime_ns, after.st_size)
    assert "it was edited" in refused.reason


def test_a_strangers_marker_is_refused(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A marker that belongs to neither root nor this user permits nothing, unless its owner is named."""
    stage.write()
    if os.geteuid() == 0:
        os.chown(stage.marker, 65534, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    uid = stage.marker.stat().st_uid
    assert "belongs to a stranger" in stage.guard().allows().reason
    assert stage.guard(owners=[uid], state=stage.folder / "other").allows().reason in ("", _state_reason(stage))


def _state_reason(stage: Any) -> str:
    """A user who pretends to be another cannot own the state either."""
    return f"the guard's state belongs to a stranger (uid {os.getuid()}): {stage.folder / 'other'}"


def test_an_unreadable_marker_is_refused(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A marker that cannot be opened permits nothing, and the reason says so."""
    stage.write()
    real = os.open

    def closed(path: Any, *rest: Any, **named: Any) -> int:
        if os.fspath(path) == str(stage.marker):
            raise PermissionError(13, "Permission denied", path)
        return real(path, *rest, **named)

    monkeypatch.setattr(os, "open", closed)
    assert stage.guard().allows().reason == f"the marker cannot be read: {stage.marker}: Permission denied"


def test_a_folder_that_cannot_be_entered_is_refused(asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A marker that cannot be looked at is a refusal, not an exception, and does not spend the activation."""
    asked.write()
    guard = asked.guard()
    assert guard.allows()
    with monkeypatch.context() as patch:
        patch.setattr(os, "lstat", _denied)
        assert "cannot be looked at" in guard.allows().reason
    assert guard.allows()


def _denied(path: Any, **_: Any) -> Any:
    raise PermissionError(13, "Permission denied", path)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"environment": "staging"}, "another environment: production, and this is staging"),
        ({"commit": "beef"}, "another commit"),
        ({"config": "e" * 64}, "another configuration"),
        ({"host": "11" * 16}, "another host: none"),
        ({"profile": "large"}, "does not allow the profile large"),
        ({"keys": []}, "a key that is not trusted here"),
        ({"keys": [SessionKey(Ed25519PrivateKey.generate()).public]}, "a key that is not trusted here"),
    ],
)
def test_a_marker_for_another_place_is_refused(stage: Any, settings: dict[str, Any], reason: str) -> None:
    """A marker copied from staging, of another commit, configuration, host or key, permits nothing here."""
    stage.write()
    assert reason in stage.guard(**settings).allows().reason


def test_a_marker_for_exactly_this_place_is_honoured(stage: Any) -> None:
    """All bindings that agree let the order go."""
    stage.write(host="ab" * 16)
    guard = stage.guard(host="ab" * 16, commit="c0ffee", config="d" * 64, profile="micro")
    assert guard.allows().reason == ""


def test_a_marker_that_names_a_host_is_held_against_this_machine(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A marker bound to a host counts there alone, even if the guard was not told where it is."""
    monkeypatch.setattr(place_module, "machine_host", lambda: "ab" * 16)
    stage.write(host="cd" * 16)
    assert "another host" in stage.guard().allows().reason
    stage.write(host="ab" * 16)
    assert stage.guard().allows()


def test_the_host_name_is_that_of_systemd(tmp_path: Path) -> None:
    """The machine's name is an app-specific machine id: keyed, in the form of a version 4 UUID, and empty without an id."""
    file = tmp_path / "machine-id"
    file.write_text("0123456789abcdef0123456789abcdef\n")
    name = machine_host(str(file))
    assert len(name) == 32
    assert (name[12], name[16] in "89ab") == ("4", True)
    assert machine_host(str(tmp_path / "none")) == ""
    tool = shutil.which("systemd-id128")
    here = machine_host()
    if tool and here:
        command = [tool, "machine-id", f"--app-specific={machine_module.APP}"]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == here


def test_an_expired_marker_is_refused(stage: Any) -> None:
    """The permission ends at the second in which the activation expires, in a guard that runs and in one that starts."""
    stage.write()
    guard = stage.guard()
    assert guard.allows()
    stage.clock.tick(12 * 3600 - 61)
    assert guard.allows()
    stage.clock.tick(1)
    assert "expired" in guard.allows().reason
    assert "expired" in stage.guard().allows().reason


def test_a_marker_of_the_future_is_refused(stage: Any) -> None:
    """An activation that has not begun permits nothing yet."""
    begin = timedelta(hours=1)
    stage.write(not_before=stage_start() + begin, expires=stage_start() + 2 * begin)
    guard = stage.guard()
    assert "begins at" in guard.allows().reason
    stage.clock.tick(3600)
    assert guard.allows()


def stage_start() -> Any:
    """The moment at which the stage's clocks stand, less a minute."""
    from datetime import UTC, datetime

    return datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def test_a_clock_set_back_is_refused(stage: Any) -> None:
    """Two hours back: refused at once, also after a restart, until it is as late as it was."""
    stage.write()
    guard = stage.guard()
    assert guard.allows()
    stage.clock.tick(3 * 3600)
    assert guard.allows()
    stage.clock.wall -= 2 * 3600
    assert "the clock was set back" in guard.allows().reason
    assert "the clock was set back" in stage.guard().allows().reason
    stage.clock.wall += 2 * 3600
    assert guard.allows()


def test_small_steps_back_do_not_add_up(stage: Any) -> None:
    """A step as time services make is borne, but many of them do not walk the clock back."""
    stage.write()
    guard = stage.guard()
    assert guard.allows()
    stage.clock.wall -= 1.5
    assert guard.allows()
    stage.clock.wall -= 1.5
    assert "set back" in guard.allows().reason


def test_a_frozen_wall_clock_does_not_prolong(stage: Any) -> None:
    """With the wall clock held still the machine's own clock ends the activation, even if the marker is touched in between."""
    stage.write()
    guard = stage.guard()
    assert guard.allows()
    stage.clock.boot += 6 * 3600
    os.utime(stage.marker)
    assert guard.allows()
    stage.clock.boot += 6 * 3600
    assert "expired" in guard.allows().reason


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), "noon", None])
def test_a_broken_clock_is_refused(stage: Any, value: Any) -> None:
    """A clock that does not tell the time permits nothing."""
    stage.write()
    good = stage.guard()
    assert good.allows()
    stage.clock.wall = value
    assert not good.allows().allowed
    assert not stage.guard().allows().allowed


def test_a_deleted_marker_does_not_revive(stage: Any) -> None:
    """A marker that was seen to be gone is spent: the same file put back permits nothing, nor after a restart."""
    content = stage.write()
    guard = stage.guard()
    assert guard.allows()
    stage.marker.unlink()
    assert not guard.allows()
    stage.put(content)
    assert "does not revive" in guard.allows().reason
    assert "does not revive" in stage.guard().allows().reason


def test_a_marker_moved_away_and_back_does_not_revive(stage: Any) -> None:
    """It does not matter that it is the very same file that comes back."""
    stage.write()
    guard = stage.guard()
    assert guard.allows()
    stage.marker.rename(stage.folder / "aside")
    assert not guard.allows()
    (stage.folder / "aside").rename(stage.marker)
    assert "does not revive" in guard.allows().reason


MOVES: dict[str, tuple[str, str]] = {"marker": ("desk/go_live.active", "desk/aside"), "folder": ("desk", "aside")}


@pytest.mark.parametrize("name", MOVES)
def test_away_and_back_between_two_orders_does_not_revive(stage: Any, name: str) -> None:
    """A marker that was moved away and back while no order asked is spent, in this guard and after a restart."""
    _deeper(stage)
    guard = stage.guard()
    assert guard.allows()
    here, aside = (stage.folder.parent / part for part in MOVES[name])
    if name == "folder" and not guard.watched:
        pytest.skip("where the kernel announces nothing, a folder above that comes back unseen cannot be told")
    here.rename(aside)
    aside.rename(here)
    assert "does not revive" in guard.allows().reason
    assert "does not revive" in stage.guard().allows().reason


def _deeper(stage: Any) -> None:
    """Let the marker have a folder of its own, with the guard's memory in another."""
    stage.memory = stage.folder / "memory"
    stage.memory.mkdir()
    (stage.folder / "desk").mkdir()
    stage.folder = stage.folder / "desk"
    stage.write()


def test_another_name_and_back_does_not_revive(stage: Any) -> None:
    """Nor does a marker whose name was deleted while a hard link kept the file."""
    _deeper(stage)
    guard = stage.guard()
    assert guard.allows()
    os.link(stage.marker, stage.folder.parent / "kept")
    stage.marker.unlink()
    os.link(stage.folder.parent / "kept", stage.marker)
    (stage.folder.parent / "kept").unlink()
    assert "does not revive" in guard.allows().reason


def test_touching_the_marker_spends_nothing(stage: Any) -> None:
    """New times, a mode and back, other files in the folder: the marker is looked at anew and still counts."""
    _deeper(stage)
    guard = stage.guard()
    assert guard.allows()
    os.utime(stage.marker)
    assert guard.allows()
    stage.marker.chmod(0o600)
    stage.marker.chmod(0o644)
    assert guard.allows()
    (stage.folder / "log").touch()
    assert guard.allows()
    assert guard.allows()


def test_where_the_kernel_speaks_it_is_not_asked_by_name(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order of a quiet day looks up no path: neither the marker's nor a stop file's."""
    stage.write()
    guard = stage.guard(stop_files=[stage.folder / "STOP"])
    assert guard.allows()
    assert guard.allows()
    if not guard.watched:
        pytest.skip("here every path is asked for by name")
    for name in ("stat", "lstat", "access", "open", "pread"):
        monkeypatch.setattr(os, name, _denied)
    assert guard.allows()
    monkeypatch.undo()
    (stage.folder / "STOP").touch()
    assert "stop file present" in guard.allows().reason


@pytest.mark.parametrize(("mode", "allowed"), [(0o777, False), (0o757, False), (0o1777, True), (0o755, True)])
def test_others_cannot_write_the_folder_of_the_marker(stage: Any, mode: int, allowed: bool) -> None:
    """A folder in which others can put one file in another's place permits nothing; a sticky one does."""
    _deeper(stage)
    stage.folder.chmod(mode)
    permission = stage.guard().allows()
    assert permission.allowed == allowed
    assert ("others can write the marker's folder" in permission.reason) != allowed


def test_the_group_that_may_write_the_folder_is_the_owners_own(stage: Any) -> None:
    """Where every user has a private group its folders are group-writable, which permits; another group does not."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to any group")
    _deeper(stage)
    stage.folder.chmod(0o775)
    uid = stage.folder.stat().st_uid
    os.chown(stage.folder, -1, uid)
    guard = stage.guard()
    assert guard.allows()
    os.chown(stage.folder, -1, uid + 100)
    assert "others can write the marker's folder" in stage.guard().allows().reason


def test_a_folder_opened_to_others_is_seen_by_the_next_order(stage: Any) -> None:
    """A running guard asks again whose the folder is as soon as its mode changes, or within a minute."""
    _deeper(stage)
    guard = stage.guard()
    assert guard.allows()
    stage.folder.chmod(0o777)
    stage.clock.tick(0 if guard.watched else 60)
    assert "others can write the marker's folder" in guard.allows().reason


def test_a_strangers_folder_is_refused(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that belongs to neither root nor this user nor a named owner permits nothing."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    _deeper(stage)
    os.chown(stage.folder, 65534, -1)
    assert "the marker's folder belongs to a stranger" in stage.guard().allows().reason
    assert stage.guard(owners=[65534]).allows()


def test_a_clock_set_forward_ends_the_activation(stage: Any) -> None:
    """A wall clock that jumps past the expiry refuses, and setting it right again does not bring the activation back."""
    stage.write()
    guard = stage.guard()
    assert guard.allows()
    stage.clock.wall += 13 * 3600
    assert "expired" in guard.allows().reason
    stage.clock.wall -= 13 * 3600
    assert "the clock was set back" in guard.allows().reason


def test_a_restart_with_a_higher_counter_refuses(stage: Any) -> None:
    """A guard that starts with the memory of a later activation does not honour an earlier one."""
    stage.write()
    stage.state.write_text("schema: 1\nhighest: 9\nburned: 0\nwall: 0\n")
    stage.state.chmod(0o600)
    assert "overtaken by activation 9" in stage.guard().allows().reason


def test_switches_are_read_from_the_real_environment(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A switch that changes in os.environ is seen by the next order, whether it is set, changed or taken away."""
    stage.write()
    monkeypatch.setenv("GOLIVE_TEST_MODE", "live ü")
    guard = stage.guard(environ=os.environ, switches={"GOLIVE_TEST_MODE": "live ü"})
    assert guard.allows()
    assert guard.allows()
    monkeypatch.setenv("GOLIVE_TEST_MODE", "dry")
    assert not guard.allows()
    monkeypatch.setenv("GOLIVE_TEST_MODE", "live ü")
    assert guard.allows()
    monkeypatch.delenv("GOLIVE_TEST_MODE")
    assert not guard.allows()


def test_a_copy_in_the_place_of_the_marker_does_not_count(stage: Any) -> None:
    """A marker that was replaced by its own copy between two orders was taken away, although nobody saw it gone."""
    content = stage.write()
    guard = stage.guard()
    assert guard.allows()
    stage.put(content)
    assert "does not revive" in guard.allows().reason


def test_a_restart_while_it_was_gone_does_not_help(stage: Any) -> None:
    """A guard that starts and finds the honoured marker gone spends it, too."""
    content = stage.write()
    assert stage.guard().allows()
    stage.marker.unlink()
    assert not stage.guard().allows()
    stage.put(content)
    assert "does not revive" in stage.guard().allows().reason


def test_a_stop_does_not_hide_the_deletion(stage: Any) -> None:
    """While a stop file refuses everything the guard still notices that the marker was taken away."""
    content = stage.write()
    stop = stage.folder / "STOP"
    guard = stage.guard(stop_files=[stop])
    assert guard.allows()
    stop.touch()
    stage.marker.unlink()
    assert "stop file present" in guard.allows().reason
    stage.put(content)
    stop.unlink()
    assert "does not revive" in guard.allows().reason


def test_a_new_activation_after_a_deletion_counts(stage: Any) -> None:
    """Only a higher counter brings real trading back."""
    stage.write()
    guard = stage.guard()
    assert guard.allows()
    stage.marker.unlink()
    assert not guard.allows()
    stage.write(counter=8, activation_id="b2" * 16)
    assert guard.allows().activation == "b2" * 16


def test_an_older_activation_is_refused(stage: Any) -> None:
    """A marker older than the newest that was honoured permits nothing, in this guard and after a restart."""
    old = stage.write()
    guard = stage.guard()
    assert guard.allows()
    stage.write(counter=8)
    assert guard.allows()
    stage.put(old)
    assert "overtaken by activation 8" in guard.allows().reason
    assert "overtaken by activation 8" in stage.guard().allows().reason


def test_a_second_activation_with_the_same_counter_is_refused(stage: Any) -> None:
    """Two activations cannot share a counter: the second is not believed."""
    stage.write()
    guard = stage.guard()
    assert guard.allows()
    stage.write(activation_id="b2" * 16)
    assert not guard.allows()


def test_a_second_activation_in_the_same_file_is_refused(stage: Any) -> None:
    """Nor can it be written over the first in the same file."""
    first = stage.write()
    guard = stage.guard()
    assert guard.allows()
    second = stage.write(activation_id="b2" * 16)
    stage.put(first)
    fresh = stage.guard(state=stage.folder / "other.state")
    assert fresh.allows()
    stage.marker.write_bytes(second)
    assert not fresh.allows()


def test_a_file_moved_away_and_back_unseen_is_looked_at_anew(stage: Any) -> None:
    """Even if the very same file is back before the next order, the guard asks its memory again."""
    stage.write()
    guard = stage.guard()
    assert guard.allows()
    stage.state.write_text("schema: 1\nhighest: 7\nburned: 7\nwall: 0\n")
    assert guard.allows()
    stage.marker.rename(stage.folder / "aside")
    (stage.folder / "aside").rename(stage.marker)
    assert "was withdrawn" in guard.allows().reason


@pytest.mark.parametrize("change", [_same_size_edit, _grown, lambda stage: os.truncate(stage.marker, 900)])
def test_bytes_count_where_a_file_system_keeps_the_times(
    asked: Any, monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], None]
) -> None:
    """On a file system that does not tell of a change, the bytes themselves do."""
    asked.write()
    guard = asked.guard()
    assert guard.allows()
    frozen = os.lstat(asked.marker)
    monkeypatch.setattr(os, "lstat", lambda _: frozen)
    assert guard.allows()
    change(asked)
    assert not guard.allows()


def test_another_file_with_the_same_times_is_looked_at_anew(asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with another number is another file, even if its times are the same."""
    asked.write()
    guard = asked.guard()
    assert guard.allows()
    asked.state.write_text("schema: 1\nhighest: 7\nburned: 7\nwall: 0\n")
    real = os.lstat(asked.marker)
    other = os.stat_result([real.st_mode, real.st_ino + 1, *real[2:]], {"st_ctime_ns": real.st_ctime_ns})
    monkeypatch.setattr(os, "lstat", lambda _: other)
    assert "was withdrawn" in guard.allows().reason


def test_after_a_refusal_nothing_old_is_believed(asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen to be gone once and back with the same number and times: the marker stays spent."""
    asked.write()
    guard = asked.guard()
    assert guard.allows()
    with monkeypatch.context() as patch:
        patch.setattr(os, "lstat", _missing)
        assert "marker not found" in guard.allows().reason
    assert "does not revive" in guard.allows().reason


def _missing(path: Any) -> Any:
    raise FileNotFoundError(2, "No such file or directory", path)


def test_a_counter_spent_elsewhere_is_heard_of_within_a_minute(stage: Any) -> None:
    """A withdrawal that another process wrote down reaches a running guard although its marker still stands."""
    stage.write()
    guard = stage.guard()
    assert guard.allows()
    stage.state.write_text("schema: 1\nhighest: 7\nburned: 7\nwall: 0\n")
    stage.clock.tick(60)
    assert "was withdrawn" in guard.allows().reason


def _no_folder(stage: Any) -> None:
    shutil.rmtree(stage.folder / "state")
    (stage.folder / "state").write_text("a file")


STATES = {
    "garbage": lambda stage: (stage.folder / "state" / "guard.state").write_text("highest: lots\n"),
    "empty": lambda stage: (stage.folder / "state" / "guard.state").write_text(""),
    "folder in its place": lambda stage: (stage.folder / "state" / "guard.state").mkdir(),
    "link": lambda stage: (stage.folder / "state" / "guard.state").symlink_to("/dev/null"),
    "no folder": lambda stage: shutil.rmtree(stage.folder / "state"),
    "file for a folder": _no_folder,
}


@pytest.mark.parametrize("name", STATES)
def test_a_state_that_cannot_be_used_is_refused(stage: Any, name: str) -> None:
    """Without its memory the guard permits nothing, because a spent marker could come back unseen."""
    stage.write()
    (stage.folder / "state").mkdir()
    STATES[name](stage)
    permission = stage.guard(state=stage.folder / "state" / "guard.state").allows()
    assert not permission.allowed
    assert "the guard's state" in permission.reason


def test_a_state_that_cannot_be_written_is_refused(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is a refusal, and leaves no half-written state behind."""
    stage.write()

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        assert "No space left on device" in stage.guard().allows().reason
    assert sorted(path.name for path in stage.folder.iterdir()) == ["go_live.active", "guard.state.lock"]


def test_a_state_lock_that_is_kept_is_a_refusal(stage: Any) -> None:
    """A process that sits on the lock cannot make the guard hang."""
    import fcntl

    stage.write()
    with (stage.folder / "guard.state.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "locked" in stage.guard().allows().reason


def test_a_stop_file_wins(stage: Any) -> None:
    """Any stop file refuses, even a dangling link, and its removal lets trading go on."""
    stage.write()
    (stage.folder / "stops").mkdir()
    stops = [stage.folder / "STOP", stage.folder / "stops" / "STOP"]
    guard = stage.guard(stop_files=stops)
    assert guard.allows()
    for stop in stops:
        stop.symlink_to("/nowhere/at/all")
        assert guard.allows().reason == f"stop file present: {stop}"
        stop.unlink()
        assert guard.allows()


def test_a_stop_folder_that_is_gone_refuses(stage: Any) -> None:
    """If the folder of a stop file cannot be looked at, nobody knows whether to stop, so the guard refuses."""
    stage.write()
    folder = stage.folder / "stops"
    folder.mkdir()
    guard = stage.guard(stop_files=[folder / "STOP"])
    assert guard.allows()
    folder.rmdir()
    assert "cannot be looked at" in guard.allows().reason
    folder.write_text("")
    folder.chmod(0o755)
    assert "cannot be looked at" in guard.allows().reason


def test_mode_switches_must_have_their_live_value(stage: Any) -> None:
    """A switch that is missing or differs refuses, and the reason does not repeat what the environment holds."""
    stage.write()
    guard = stage.guard(switches={"DRY_RUN_MODE": "false"})
    assert guard.allows().reason == "DRY_RUN_MODE is not set, and live trading needs false"
    stage.environ["DRY_RUN_MODE"] = "hunter2-secret"
    assert "DRY_RUN_MODE is set to something else" in guard.allows().reason
    assert "hunter2" not in guard.allows().reason
    stage.environ["DRY_RUN_MODE"] = "false"
    assert guard.allows()
    stage.environ["DRY_RUN_MODE"] = "true"
    assert not guard.allows()


def test_it_never_raises(stage: Any) -> None:
    """Whatever breaks, in the clocks, the environment, the order or the logger, comes back as an answer."""

    class Bad(dict[str, str]):
        def get(self, *_: object) -> Any:
            raise RuntimeError("no environment today")

    class Order:
        @property
        def symbol(self) -> str:
            raise RuntimeError("no symbol")

        side = property(symbol.fget)
        quantity = SimpleNamespace

    class Loud(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            raise RuntimeError("no log")

    logger = logging.Logger("loud")
    logger.addFilter(Loud())
    stage.write()
    guard = stage.guard(switches={"X": "y"}, environ=Bad(), logger=logger)
    assert guard.allows(Order()).reason == "the guard failed: RuntimeError: no environment today"
    assert "[ORDER_SKIPPED] ? ? qty=" in guard.allows(Order()).skip_line(Order())


def test_an_exception_that_cannot_tell_itself_is_still_a_refusal(stage: Any) -> None:
    """Even an exception whose text raises is turned into a reason."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("mute")

    def broken() -> float:
        raise Mute

    stage.write()
    assert stage.guard(wall=broken).allows().reason == "the guard failed: Mute"


def test_after_a_failure_the_next_call_looks_anew(stage: Any) -> None:
    """One failure refuses one order; when the cause is gone the marker counts again."""
    stage.write()
    guard = stage.guard()
    assert guard.allows()
    stage.clock.boot = "no"
    assert not guard.allows()
    stage.clock.boot = 1000.0
    assert guard.allows()


def test_ctrl_c_passes_through(stage: Any) -> None:
    """An interrupt by the user is not swallowed."""

    def interrupted() -> float:
        raise KeyboardInterrupt

    stage.write()
    with pytest.raises(KeyboardInterrupt):
        stage.guard(wall=interrupted).allows()


def test_it_logs_the_lines_of_document_001_once_per_change(stage: Any, order: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A refusal is told once, with order and reason, and again only when the reason changes."""
    caplog.set_level(logging.INFO, "golive.guard")
    content = stage.write()
    guard = stage.guard()
    guard.allows(order)
    guard.allows(order)
    stage.marker.unlink()
    guard.allows(order)
    guard.allows(order)
    stage.put(content)
    guard.allows(order)
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told == [
        ("INFO", f"GO-LIVE active: activation {'a1' * 16}"),
        ("WARNING", "GO-LIVE flag not active, skipping real trading order for BTCUSDT"),
        (
            "WARNING",
            f"[ORDER_SKIPPED] BUY BTCUSDT qty=0.001 - GO-LIVE not activated (marker not found: {stage.marker})",
        ),
        ("WARNING", "GO-LIVE flag not active, skipping real trading order for BTCUSDT"),
        (
            "WARNING",
            (
                "[ORDER_SKIPPED] BUY BTCUSDT qty=0.001 - GO-LIVE not activated "
                "(activation 7 was withdrawn and does not revive when its marker is put back)"
            ),
        ),
    ]


def test_an_order_cannot_forge_a_log_line(stage: Any) -> None:
    """Line breaks and control characters in an order become question marks in its line."""
    bad = SimpleNamespace(side="BUY", symbol="BTC\n[ORDER_SENT] \x1b[2J", quantity=1)
    line = stage.guard().allows(bad).skip_line(bad)
    assert "\n" not in line
    assert "\x1b" not in line


def test_many_threads_get_the_same_answers(stage: Any) -> None:
    """Threads that ask at once are all allowed while the marker stands, and all refused once it is gone."""
    stage.write()
    guard = stage.guard()
    answers: list[bool] = []
    barrier = threading.Barrier(8)

    def ask() -> None:
        barrier.wait(10)
        answers.extend(bool(guard.allows()) for _ in range(200))

    for wanted in (True, False):
        answers.clear()
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert answers == [wanted] * 1600
        stage.marker.unlink(missing_ok=True)


def test_news_that_another_thread_took_count_here_too(stage: Any) -> None:
    """A stop that another thread hears of in the middle of a question is no for this thread as well."""
    stage.write()
    stop = stage.folder / "STOP"
    meanwhile: list[threading.Thread] = []

    def wall() -> float:
        if meanwhile and not meanwhile[0].ident:
            stop.touch()
            meanwhile[0].start()
            meanwhile[0].join(10)
        return float(stage.clock.wall)

    guard = stage.guard(stop_files=[stop], wall=wall)
    assert guard.allows()
    assert guard.allows()
    meanwhile.append(threading.Thread(target=guard.allows))
    assert "stop file present" in guard.allows().reason


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_of_a_fork_can_ask(stage: Any) -> None:
    """A child that was forked while another thread held the guard's lock gets its answers, and its own view of the file."""
    stage.write()
    guard = stage.guard()
    assert guard.allows()
    holding, done = threading.Event(), threading.Event()

    def hold() -> None:
        with guard._lock:
            holding.set()
            done.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    assert holding.wait(10)
    script_end, parent_end = os.pipe()
    child = os.fork()
    if child == 0:
        import signal

        signal.alarm(20)
        first = bool(guard.allows())
        stage.marker.unlink()
        os.write(parent_end, b"%d%d" % (first, bool(guard.allows())))
        os._exit(0)
    os.close(parent_end)
    answer = os.read(script_end, 10)
    os.close(script_end)
    os.waitpid(child, 0)
    done.set()
    holder.join(10)
    assert answer == b"10"


def test_the_guard_gives_its_file_back(stage: Any) -> None:
    """Markers that were replaced leave no open file behind."""
    guard = stage.guard()
    before = len(os.listdir("/dev/fd"))
    for counter in range(1, 20):
        stage.write(counter=counter)
        assert guard.allows()
    assert len(os.listdir("/dev/fd")) <= before + 4


def test_importing_the_guard_is_light() -> None:
    """A trading process that imports the guard gets neither pytest nor a client library, nor cryptography before it is needed."""
    code = "import sys, pytest_golive.guard; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "pytest_golive" in loaded
    assert not loaded & {"pytest", "_pytest", "yaml", "requests", "jinja2", "pydantic", "cryptography", "sqlalchemy", "logging"}


def test_asking_the_guard_stays_light(stage: Any) -> None:
    """A verified answer brings in cryptography and nothing else that is not in the standard library."""
    stage.write()
    code = (
        "import sys\n"
        f"sys.path[:] = {sys.path!r}\n"
        "from pytest_golive.guard import Guard\n"
        "from pytest_golive.signing.keys import PublicKey\n"
        f"key = PublicKey.parse({stage.signer.public.line!r})\n"
        f"guard = Guard({str(stage.marker)!r}, environment='production', keys=[key], state={str(stage.state)!r},"
        f" wall=lambda: {stage.clock.wall})\n"
        "print(guard.allows().allowed)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names))\n"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    answer, modules = done.stdout.splitlines()
    assert answer == "True"
    assert set(modules.split()) <= {"__main__", "cryptography", "pytest_golive", "_cffi_backend", "_openssl", "cffi"}


def test_an_activation_while_the_guard_looks_is_not_spent_by_it(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard that saw no marker, and waited for the lock until a new activation was complete, lets its orders go."""
    stage.write(counter=7)
    guard = stage.guard()
    assert guard.allows()
    stage.marker.unlink()
    locked = states.locked

    @contextlib.contextmanager
    def activated_first(path: str) -> Iterator[None]:
        monkeypatch.setattr(states, "locked", locked)
        with locked(path):
            stage.write(counter=8, activation_id="b2" * 16)
            states.raise_locked(path, states.State(highest=8))
        with locked(path):
            yield

    monkeypatch.setattr(states, "locked", activated_first)
    assert guard.allows(), guard.allows().reason
    assert states.read(str(stage.state)).burned == 7
    stage.write(counter=7)
    assert not guard.allows()
