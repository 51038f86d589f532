"""How things stand right now: the mode, the switches that make it, the stops, and what the guard would say.

Document 000 knows three modes (lines 163 to 173): dry run, monitoring with the safety lock on, and live. A switch that is
missing or
unknown counts as its safe value.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

from pytest_golive.guard import Guard

if TYPE_CHECKING:
    from pytest_golive.config import Settings
    from pytest_golive.guard.marker import Marker
    from pytest_golive.sections import ModeSwitch
    from pytest_golive.signing.keys import PublicKey

DRY_RUN = "DRY RUN MODE (SIMULATION)"
MONITOR = "MONITOR MODE (DISABLED)"
LIVE = "LIVE"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What can be seen without running a check."""

    mode: str
    switches: tuple[tuple[str, str], ...]
    stops: tuple[tuple[str, bool], ...]
    marker: str
    permitted: bool
    reason: str


def look(settings: Settings, environ: Mapping[str, str], keys: Sequence[PublicKey]) -> Standing:
    """The standing of the service that the settings describe; changes nothing, the guard's own memory included.

    A switch with a `pid_file` is read where it counts, in the environment of the process that trades; the others in `environ`.
    """
    seen = {name: _switch(settings, name, environ) for name in settings.mode}
    told = {name: value for name, value in seen.items() if value is not None}
    with tempfile.TemporaryDirectory(prefix="golive-") as folder:
        memory = Path(folder, "state")
        if settings.state.exists():
            shutil.copyfile(settings.state, memory)
            memory.chmod(0o600)
        permission = guard(settings, told, keys, state=memory, logger=silent()).allows()
    switches = tuple((name, _shown(seen[name], switch)) for name, switch in settings.mode.items())
    place = f"{settings.marker} ({'present' if os.path.lexists(settings.marker) else 'not present'})"
    return Standing(
        mode=_mode(settings, told, permitted=permission.allowed),
        switches=switches,
        stops=tuple((str(path), os.path.lexists(path)) for path in settings.stop_files),
        marker=place,
        permitted=permission.allowed,
        reason=permission.reason,
    )


def guard(
    settings: Settings,
    environ: Mapping[str, str],
    keys: Sequence[PublicKey],
    *,
    state: Path | None = None,
    logger: logging.Logger | None = None,
) -> Guard:
    """The guard that the settings describe; `state` is where it remembers, if not where the settings say."""
    return Guard(
        settings.marker,
        environment=settings.environment,
        keys=keys,
        state=state or settings.state,
        config=settings.sha256,
        profile=settings.default_profile,
        stop_files=settings.stop_files,
        switches={name: switch.live for name, switch in settings.mode.items()},
        environ=environ,
        logger=logger,
    )


def marker(settings: Settings, keys: Sequence[PublicKey]) -> Marker | None:
    """The marker that stands, if it can be believed; None otherwise. It permits nothing: that is the guard's to say."""
    from pytest_golive.errors import TrustError
    from pytest_golive.guard.marker import MAX_MARKER, parse
    from pytest_golive.guard.trusted_file import open_trusted

    try:
        fd, _, content = open_trusted(str(settings.marker), "the marker", limit=MAX_MARKER)
        os.close(fd)
        return parse(content, keys)
    except (OSError, TrustError):
        return None


def silent() -> logging.Logger:
    """A logger for asking without an order at stake."""
    logger = logging.getLogger("golive.status")
    # once: who asks every few seconds must not pile them up
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger


def _switch(settings: Settings, name: str, environ: Mapping[str, str]) -> str | None:
    """What the switch says where it counts; None if it cannot be seen."""
    pid_file = settings.mode[name].pid_file
    if not pid_file:
        return environ.get(name)
    try:
        pid = int(settings.resolve(pid_file).read_text(encoding="ascii"))
        raw = Path(f"/proc/{pid}/environ").read_bytes()
    except (OSError, ValueError):
        return None
    pairs = dict(entry.split(b"=", 1) for entry in raw.split(b"\0") if b"=" in entry)
    value = pairs.get(name.encode())
    return None if value is None else value.decode("utf-8", "replace")


def _shown(value: str | None, switch: ModeSwitch) -> str:
    if value is not None:
        return value
    why = "its process does not run" if switch.pid_file else "unset"
    return f"({why}, counts as {switch.safe})"


def _mode(settings: Settings, environ: Mapping[str, str], *, permitted: bool) -> str:
    for name, switch in settings.mode.items():
        if "DRY_RUN" in name and environ.get(name, switch.safe) != switch.live:
            return DRY_RUN
    return LIVE if permitted else MONITOR
