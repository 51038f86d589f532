"""The guard on a production host, where nothing is installed but the standard library and cryptography.

These tests need no test runner, so that they can run on such a host: python -I -m unittest discover -s tests/guard_alone
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from pytest_golive.guard import Guard, Permission
from pytest_golive.guard.marker import Marker, render
from pytest_golive.signing.keys import session_key

ACTIVATION = "a1" * 16

# what site itself loads is there before the guard is and does not count
LOADED_BY_ONE_ORDER = """
import json, sys
before = set(sys.modules)
from pytest_golive.guard import Guard
from pytest_golive.signing.keys import PublicKey
marker, state, key = sys.argv[1:]
allowed = Guard(marker, environment="production", keys=[PublicKey.parse(key)], state=state).allows().allowed
print(json.dumps([allowed, sorted({name.partition(".")[0] for name in set(sys.modules) - before})]))
"""


class GuardAlone(unittest.TestCase):
    """One folder with a key, a marker and a guard, as on a host that trades."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.marker = self.folder / "go_live.active"
        self.key = session_key(self.folder / "keys" / "session")

    def activate(self) -> bytes:
        """Put a signed marker in place that began a minute ago and holds for an hour."""
        now = datetime.now(UTC)
        content = render(
            Marker(
                timestamp=now,
                operator="ann",
                environment="production",
                allowed_profiles=("micro",),
                activation_id=ACTIVATION,
                counter=1,
                not_before=now - timedelta(minutes=1),
                expires=now + timedelta(hours=1),
            ),
            self.key,
        )
        self.marker.write_bytes(content)
        self.marker.chmod(0o644)
        return content

    def guard(self, **settings: Any) -> Guard:
        return Guard(self.marker, environment="production", keys=[self.key.public], state=self.folder / "guard.state", **settings)

    def refused(self, permission: Permission) -> str:
        """Why an order was refused; fails if it was not."""
        assert not permission.allowed
        assert permission.activation == ""
        return permission.reason

    def test_one_order_needs_cryptography_and_nothing_else(self) -> None:
        """A process that asks for one order and may send it has loaded nothing beyond the standard library and cryptography."""
        self.activate()
        done = subprocess.run(
            [sys.executable, "-c", LOADED_BY_ONE_ORDER, self.marker, self.folder / "guard.state", self.key.public.line],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        allowed, loaded = json.loads(done.stdout)
        assert allowed
        assert "cryptography" in loaded
        foreign = set(loaded) - sys.stdlib_module_names
        assert foreign <= {"pytest_golive", "cryptography", "_cffi_backend", "_openssl"}

    def test_without_a_marker_no_order_goes(self) -> None:
        """No marker means no order, and the reason names the path that was looked at."""
        assert self.refused(self.guard().allows()) == f"marker not found: {self.marker}"

    def test_a_signed_marker_allows(self) -> None:
        """A marker that a trusted key signed permits the first order and the next, and says by which activation."""
        self.activate()
        guard = self.guard()
        assert [guard.allows(), guard.allows()] == [Permission(True, "", ACTIVATION)] * 2

    def test_deleting_the_marker_stops_the_next_order(self) -> None:
        """Once the marker is deleted the very next order is refused."""
        self.activate()
        guard = self.guard()
        assert guard.allows().allowed
        self.marker.unlink()
        assert "marker not found" in self.refused(guard.allows())

    def test_putting_the_marker_back_revives_nothing(self) -> None:
        """A marker that was deleted and put back is refused by the guard that saw it go, and by the one after a restart."""
        content = self.activate()
        guard = self.guard()
        assert guard.allows().allowed
        self.marker.unlink()
        self.refused(guard.allows())
        self.marker.write_bytes(content)
        self.marker.chmod(0o644)
        for after in (guard, self.guard()):
            assert "was withdrawn" in self.refused(after.allows())

    def test_one_altered_byte_stops_the_next_order(self) -> None:
        """A marker in which one byte is altered, anywhere above its signatures, is refused by a running guard and a new one."""
        content = self.activate()
        guard = self.guard()
        assert guard.allows().allowed
        for place in (0, content.index(b'"micro"') + 1, content.index(b"golive_signatures") - 2):
            with self.subTest(place=place):
                altered = bytearray(content)
                altered[place] ^= 1
                self.marker.write_bytes(altered)
                for asked in (guard, self.guard()):
                    assert "it was edited" in self.refused(asked.allows())

    def test_moved_away_and_back_revives_nothing(self) -> None:
        """A marker that was away between two orders is spent, although it is the same file that is back."""
        (self.folder / "desk").mkdir()
        self.marker = self.folder / "desk" / "go_live.active"
        self.activate()
        guard = self.guard()
        assert guard.allows().allowed
        self.marker.rename(self.folder / "aside")
        (self.folder / "aside").rename(self.marker)
        assert "was withdrawn" in self.refused(guard.allows())

    def test_a_stop_file_and_a_switch_stop_the_next_order(self) -> None:
        """A stop file that appears, and a switch that is no longer live, are each seen by the very next order."""
        self.activate()
        stop, environ = self.folder / "STOP", {"DRY_RUN_MODE": "false"}
        guard = self.guard(stop_files=[stop], switches={"DRY_RUN_MODE": "false"}, environ=environ)
        assert guard.allows().allowed
        stop.touch()
        assert "stop file present" in self.refused(guard.allows())
        stop.unlink()
        assert guard.allows().allowed
        environ["DRY_RUN_MODE"] = "true"
        assert "DRY_RUN_MODE" in self.refused(guard.allows())

    def test_the_end_of_the_activation_stops_the_next_order(self) -> None:
        """By the wall clock, or by the clock of the machine while the wall clock is held still."""
        self.activate()
        for clock in ("wall", "boottime"):
            with self.subTest(clock=clock):
                real = {"wall": time.time, "boottime": time.monotonic}
                late = [0.0]
                clocks = {**real, clock: lambda real=real[clock], late=late: real() + late[0]}
                guard = self.guard(**clocks)
                assert guard.allows().allowed
                late[0] = 3601.0
                assert "expired" in self.refused(guard.allows())
                (self.folder / "guard.state").unlink()

    def test_on_a_local_disk_of_linux_changes_are_announced(self) -> None:
        """On a production host with a file system that is known to be local, an order is the cheap question."""
        if not sys.platform.startswith("linux"):
            self.skipTest("only Linux announces changes of files")
        self.activate()
        guard = self.guard()
        assert guard.allows().allowed
        if not guard.watched:
            self.skipTest("the folder for temporary files is on a file system that is not known to be local")
        with (
            mock.patch.object(os, "lstat", side_effect=AssertionError),
            mock.patch.object(os, "access", side_effect=AssertionError),
        ):
            assert guard.allows().allowed


if __name__ == "__main__":
    unittest.main()
