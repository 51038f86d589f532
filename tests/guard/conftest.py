"""A marker, its clocks and its guard, in a folder of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pytest_golive.guard import Guard, kernel
from pytest_golive.guard.marker import Marker, render
from pytest_golive.signing.keys import SessionKey

START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def make_marker(**changes: Any) -> Marker:
    """A valid marker of twelve hours, with the given fields changed."""
    plain = Marker(
        timestamp=START,
        operator="ann",
        environment="production",
        allowed_profiles=("micro",),
        activation_id="a1" * 16,
        counter=7,
        not_before=START,
        expires=START + timedelta(hours=12),
        commit="c0ffee",
        config="d" * 64,
    )
    return replace(plain, **changes)


@dataclass
class Clock:
    """A wall clock and a boot clock that move only when told."""

    wall: float = START.timestamp() + 60
    boot: float = 1000.0

    def tick(self, seconds: float) -> None:
        self.wall += seconds
        self.boot += seconds


@dataclass
class Stage:
    """One folder with a marker and everything a guard wants to know."""

    folder: Path
    signer: SessionKey = field(default_factory=lambda: SessionKey(Ed25519PrivateKey.generate()))
    clock: Clock = field(default_factory=Clock)
    environ: dict[str, str] = field(default_factory=dict)
    memory: Path | None = None

    @property
    def marker(self) -> Path:
        return self.folder / "go_live.active"

    @property
    def state(self) -> Path:
        return (self.memory or self.folder) / "guard.state"

    def write(self, signer: SessionKey | None = None, **changes: Any) -> bytes:
        """Put a marker in place in the way that activation does: as a new file under the old name."""
        content = render(make_marker(**changes), signer or self.signer)
        self.put(content)
        return content

    def put(self, content: bytes) -> None:
        draft = self.folder / "draft"
        draft.write_bytes(content)
        draft.chmod(0o644)
        draft.rename(self.marker)

    def guard(self, **settings: Any) -> Guard:
        return Guard(
            self.marker,
            **{
                "environment": "production",
                "keys": [self.signer.public],
                "state": self.state,
                "environ": self.environ,
                "wall": lambda: self.clock.wall,
                "boottime": lambda: self.clock.boot,
                **settings,
            },
        )


def _no_watch(*_: object) -> None:
    raise OSError(24, "Too many open files")


@pytest.fixture(params=["watched", "asked"])
def stage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """An empty stage; whatever a guard promises it keeps where the kernel announces changes and where it does not."""
    tmp_path.chmod(0o755)
    if request.param == "asked":
        monkeypatch.setattr(kernel, "Watch", _no_watch)
    return Stage(tmp_path)


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage on a machine where the kernel announces nothing."""
    tmp_path.chmod(0o755)
    monkeypatch.setattr(kernel, "Watch", _no_watch)
    return Stage(tmp_path)


@pytest.fixture
def marker_with() -> Callable[..., Marker]:
    """A valid marker with fields changed."""
    return make_marker


@pytest.fixture
def order() -> SimpleNamespace:
    """The order of document 001."""
    return SimpleNamespace(side="BUY", symbol="BTCUSDT", quantity="0.001")
