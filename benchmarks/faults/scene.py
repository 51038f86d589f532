"""One folder with a key, a marker, a journal and the guard's memory, as on a host that trades."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pytest_golive import activation
from pytest_golive.guard import Guard
from pytest_golive.guard import state as states
from pytest_golive.guard.marker import Marker, render
from pytest_golive.journal import Journal
from pytest_golive.signing.keys import SessionKey
from pytest_golive.standing import silent

MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
"""Where folders are made that live for a moment: a kill takes nothing from a file, so it need not reach a disk."""


def marker(counter: int, **changes: Any) -> Marker:
    """A marker that began a minute ago and holds for a day."""
    now = datetime.now(UTC)
    plain: dict[str, Any] = {
        "timestamp": now,
        "operator": "ann",
        "environment": "production",
        "allowed_profiles": ("micro", "small"),
        "activation_id": f"{counter:032x}",
        "counter": counter,
        "not_before": now - timedelta(minutes=1),
        "expires": now + timedelta(days=1),
        "commit": "c0ffee",
        "config": "d" * 64,
    }
    return Marker(**plain | changes)


@final
@dataclass(frozen=True, slots=True)
class Scene:
    """The files in one folder, and what a process does with them."""

    folder: Path
    signer: SessionKey = field(default_factory=lambda: SessionKey(Ed25519PrivateKey.generate()))

    @property
    def marker(self) -> Path:
        return self.folder / "go_live.active"

    @property
    def state(self) -> Path:
        return self.folder / "guard.state"

    @property
    def journal(self) -> Journal:
        return Journal(self.folder / "journal.jsonl")

    def activate(self, counter: int) -> None:
        """The last step of `golive activate`, after everything was asked: the only code that writes a marker."""
        with states.locked(str(self.state)):
            activation._spent(self.state, self.journal, datetime.now(UTC))
            activation._write(marker(counter), self.signer, self.journal, self.marker)

    def deactivate(self) -> None:
        """What `golive deactivate` does."""
        activation.deactivate(
            marker=self.marker, state=self.state, journal=self.journal, reason="enough", operator="bob", now=datetime.now(UTC)
        )

    def put(self, content: bytes) -> None:
        """Bytes in the marker's place, as whoever restores a backup puts them there."""
        draft = self.folder / "draft"
        draft.write_bytes(content)
        draft.chmod(0o644)
        draft.rename(self.marker)

    def guard(self, *stops: Path) -> Guard:
        return Guard(
            self.marker,
            environment="production",
            keys=[self.signer.public],
            state=self.state,
            config="d" * 64,
            stop_files=stops,
            logger=silent(),
        )


def signed(signer: SessionKey, counter: int) -> bytes:
    """A whole marker file."""
    return render(marker(counter), signer)
