"""The guard on a production host, where nothing is installed but the standard library and cryptography.

These tests need no test runner, so that they can run on such a host: python -I -m unittest discover -s tests/guard_alone
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import unittest
from datetime import UTC, datetime, timedelta
from pathlib import Path

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

    def guard(self) -> Guard:
        return Guard(self.marker, environment="production", keys=[self.key.public], state=self.folder / "guard.state")

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


if __name__ == "__main__":
    unittest.main()
