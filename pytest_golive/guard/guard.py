"""One question per order: is real trading permitted right now? Any doubt is a no, with a reason.

The kernel is asked on every call; nothing is taken from a clock-driven cache. A signature is checked again only when
the file's identity or its bytes changed, and once a minute. An activation whose marker was seen to be gone is spent: it
does not revive when the file is put back, nor after a restart. The guard says yes or no and never chooses an endpoint.
"""

from __future__ import annotations

import functools
import os
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, final

from pytest_golive.errors import GoliveError, MarkerRejected, Misuse, TrustError
from pytest_golive.guard import state as states
from pytest_golive.guard.machine import machine_host
from pytest_golive.guard.trusted_file import open_trusted

if TYPE_CHECKING:
    import logging

    from pytest_golive.guard.marker import Marker
    from pytest_golive.signing.keys import PublicKey

SLACK = 2.0
"""Seconds by which the wall clock may be stepped back, as time services do, before the guard refuses."""


boottime: Callable[[], float] = functools.partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
"""Seconds since the machine started, suspended time included; nobody can set this clock."""


@final
@dataclass(frozen=True, slots=True)
class Permission:
    """The guard's answer; it is true in a condition only if the order may go.

    `reason` says why not and is empty if allowed; `activation` is the id of the activation that permits.
    """

    allowed: bool
    reason: str
    activation: str

    def __bool__(self) -> bool:
        return self.allowed

    def skip_line(self, order: object | None) -> str:
        """One log line that tells which order was skipped, and why."""
        if order is None:
            return f"[ORDER_SKIPPED] GO-LIVE not activated ({self.reason})"
        what = f"{_word(order, 'side')} {_word(order, 'symbol')} qty={_word(order, 'quantity')}"
        return f"[ORDER_SKIPPED] {what} - GO-LIVE not activated ({self.reason})"


@final
class _Live:
    """A verified marker: the open file, the bytes that were verified, and until when they count unasked.

    `identity` is mode, inode, device, links, owner and group. `changed` makes a file that was moved away and back look new.
    """

    __slots__ = (
        "changed",
        "content",
        "fd",
        "identity",
        "marker",
        "permission",
        "size",
        "until_boot",
        "until_wall",
    )

    def __init__(self, fd: int, status: os.stat_result, content: bytes) -> None:
        self.fd = fd
        self.identity = status[:6]
        self.changed = status.st_ctime_ns
        self.content = content
        self.size = len(content)
        self.marker: Marker
        self.permission: Permission
        self.until_wall = self.until_boot = 0.0

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        close(self.fd)


@final
class Guard:
    """Stands before every real order and asks the marker.

    `marker` and `state` are absolute paths; Misuse if not. `keys` are those that may sign a marker. `host`, `commit`,
    `config` and `profile` are what this service is, and must equal what the marker names; those left out are not asked,
    except that a marker which names a host is held against this machine. Real orders are refused while any of
    `stop_files` exists or its folder cannot be looked at, and while a name in `switches` does not have its live value
    in `environ`. `owners` are user ids that may own the marker besides root and this user. `wall` and `boottime` are
    the two clocks, in seconds.
    """

    def __init__(
        self,
        marker: str | os.PathLike[str],
        *,
        environment: str,
        keys: Sequence[PublicKey],
        state: str | os.PathLike[str],
        host: str | None = None,
        commit: str | None = None,
        config: str | None = None,
        profile: str | None = None,
        stop_files: Iterable[str | os.PathLike[str]] = (),
        switches: Mapping[str, str] | None = None,
        environ: Mapping[str, str] = os.environ,
        owners: Collection[int] = (),
        wall: Callable[[], float] = time.time,
        boottime: Callable[[], float] = boottime,
        logger: logging.Logger | None = None,
    ) -> None:
        self._path = _absolute(marker, "the marker")
        self._state_path = _absolute(state, "the guard's state")
        stops = [_absolute(path, "a stop file") for path in stop_files]
        # the marker's own folder need not be asked for: the marker was just seen in it
        beside = os.path.dirname(self._path)
        folders = [os.path.dirname(path) for path in stops]
        # the trailing slash makes a file that stands in the folder's place count as no folder
        joined = ["" if folder == beside else os.path.join(folder, "") for folder in folders]
        self._stops = tuple(zip(joined, stops, strict=True))
        self._environment = environment
        self._keys = tuple(keys)
        self._host = host
        self._commit = commit
        self._config = config
        self._profile = profile
        self._switches = tuple((switches or {}).items())
        self._environ = environ
        self._owners = tuple(owners)
        self._wall = wall
        self._boottime = boottime
        self._logger = logger
        self._lock = threading.RLock()
        self._live: _Live | None = None
        self._held: _Live | None = None
        self._state = states.State()
        self._high = 0.0
        self._told: Permission | None = None
        _guards.add(self)

    def allows(self, order: object | None = None) -> Permission:
        """Whether this order may go to the real market now. Never raises; whatever goes wrong is a no."""
        live = self._live
        if live is None:
            return self._look_anew(order)
        # the standing permission holds if nothing at all has changed since it was given; the kernel is asked each time
        try:
            wall = self._wall()
            status = os.lstat(self._path)
            if (
                self._high - SLACK <= wall < live.until_wall
                and self._boottime() < live.until_boot
                and status[:6] == live.identity
                and status.st_ctime_ns == live.changed
                and os.pread(live.fd, live.size + 1, 0) == live.content
            ):
                for folder, stop in self._stops:
                    if (folder and not os.access(folder, os.X_OK)) or os.access(stop, os.F_OK, follow_symlinks=False):
                        return self._look_anew(order)
                for name, value in self._switches:
                    if self._environ.get(name) != value:
                        return self._look_anew(order)
                if wall > self._high:
                    self._high = wall
                return live.permission
        except Exception:  # noqa: BLE001 - looking anew finds it again, and names it
            return self._look_anew(order)
        return self._look_anew(order)

    def _look_anew(self, order: object | None) -> Permission:
        """The answer from the ground up, and what there is to tell about it."""
        with self._lock:
            try:
                permission = self._decide()
            except Exception as error:  # noqa: BLE001 - whatever goes wrong is a refusal
                permission = Permission(False, _reason(error), "")
            if permission == self._told:
                return permission
            self._told = permission
        self._tell(permission, order)
        return permission

    def _decide(self) -> Permission:
        """Look at everything anew; an exception is a refusal."""
        self._live = None
        wall, boot = self._wall(), self._boottime()
        gone = self._gone()
        if gone:
            self._burn(self._state.highest)
        self._high = max(self._high, wall)
        # a clock that was set back must not lower what is remembered, so the larger of both is kept
        self._state = states.raise_to(self._state_path, self._state.joined(states.State(wall=int(self._high))))
        if gone:
            self._burn(self._state.highest)
            self._state = states.raise_to(self._state_path, self._state)
        if not wall >= max(self._high, self._state.wall) - SLACK:
            latest = datetime.fromtimestamp(self._state.wall, UTC).isoformat()
            raise TrustError(f"the clock was set back: it has been {latest} already", hint="set the clock right")
        self._refuse_stops()
        if gone:
            raise MarkerRejected(f"marker not found: {self._path}", hint="activate")
        self._refuse_switches()
        live = self._load()
        self._refuse_elsewhere(live.marker)
        self._refuse_spent(live)
        self._set_deadlines(live, wall, boot)
        self._live = self._held = live
        return live.permission

    def _load(self) -> _Live:
        from pytest_golive.guard import marker as markers

        try:
            fd, status, content = open_trusted(self._path, "the marker", limit=markers.MAX_MARKER, owners=self._owners)
        except OSError as error:
            raise MarkerRejected(
                f"the marker cannot be read: {self._path}: {error.strerror or error}", hint="let this user read it"
            ) from error
        live = _Live(fd, status, content)
        live.marker = markers.parse(content, self._keys)
        live.permission = Permission(True, "", live.marker.activation_id)
        return live

    def _refuse_elsewhere(self, marker: Marker) -> None:
        """Refuse a marker that is meant for another place than this service."""
        host = self._host
        if host is None and marker.host:
            host = machine_host()
        for name, wanted, found in (
            ("environment", self._environment, marker.environment),
            ("host", host, marker.host),
            ("commit", self._commit, marker.commit),
            ("configuration", self._config, marker.config),
        ):
            if wanted is not None and wanted != found:
                raise MarkerRejected(
                    f"the marker is for another {name}: {found or 'none'}, and this is {wanted or 'unknown'}",
                    hint="activate for this one",
                )
        if self._profile is not None and self._profile not in marker.allowed_profiles:
            raise MarkerRejected(
                f"the marker does not allow the profile {self._profile}, only {', '.join(marker.allowed_profiles)}",
                hint="use an allowed profile",
            )

    def _refuse_spent(self, live: _Live) -> None:
        """Refuse an activation that was withdrawn, overtaken, or whose marker was taken away and put back."""
        counter, held = live.marker.counter, self._held
        if held and held.marker.counter == counter:
            same_file = held.identity[1:3] == live.identity[1:3]
            if not same_file or held.marker.activation_id != live.marker.activation_id:
                self._burn(counter)
        self._state = states.raise_to(self._state_path, self._state.joined(states.State(highest=counter)))
        if counter <= self._state.burned:
            raise MarkerRejected(
                f"activation {counter} was withdrawn and does not revive when its marker is put back", hint="activate"
            )
        if counter < self._state.highest:
            raise MarkerRejected(f"activation {counter} was overtaken by activation {self._state.highest}", hint="activate again")

    def _set_deadlines(self, live: _Live, wall: float, boot: float) -> None:
        marker = live.marker
        if not wall >= marker.not_before.timestamp() - SLACK:
            raise MarkerRejected(f"the activation begins at {marker.not_before.isoformat()}", hint="wait for it")
        expires = marker.expires.timestamp()
        live.until_boot = boot + expires - wall
        held = self._held
        if held and held.marker.counter == marker.counter:
            live.until_boot = min(live.until_boot, held.until_boot)
        if not (wall < expires and boot < live.until_boot):
            raise MarkerRejected(f"the activation expired at {marker.expires.isoformat()}", hint="activate again")
        # looking anew once in a while writes down how late it is and hears of a withdrawal by somebody else
        live.until_wall = min(expires, wall + states.WALL_STEP)

    def _gone(self) -> bool:
        try:
            os.lstat(self._path)
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError as error:
            raise MarkerRejected(
                f"the marker cannot be looked at: {self._path}: {error.strerror or error}",
                hint="let this user enter the folder",
            ) from error
        return False

    def _burn(self, counter: int) -> None:
        self._state = replace(self._state, burned=max(self._state.burned, counter))

    def _refuse_stops(self) -> None:
        for folder, stop in self._stops:
            if folder and not os.access(folder, os.X_OK):
                raise TrustError(f"the folder of a stop file cannot be looked at: {folder}", hint="mount or create it")
            if os.access(stop, os.F_OK, follow_symlinks=False):
                raise TrustError(f"stop file present: {stop}", hint="remove it when the reason to stop is gone")

    def _refuse_switches(self) -> None:
        for name, value in self._switches:
            found = self._environ.get(name)
            if found != value:
                told = "not set" if found is None else "set to something else"
                raise TrustError(f"{name} is {told}, and live trading needs {value}", hint="set it and start again")

    def _tell(self, permission: Permission, order: object | None) -> None:
        try:
            if self._logger is None:
                import logging

                self._logger = logging.getLogger("golive.guard")
            if permission.allowed:
                self._logger.info("GO-LIVE active: activation %s", permission.activation)
                return
            symbol = "" if order is None else f", skipping real trading order for {_word(order, 'symbol')}"
            self._logger.warning("GO-LIVE flag not active%s", symbol)
            self._logger.warning("%s", permission.skip_line(order))
        except Exception:  # noqa: BLE001
            # a filter or handler of the service that fails must not turn an answer into an exception
            return


_guards: weakref.WeakSet[Guard] = weakref.WeakSet()


def _after_fork() -> None:
    # another thread may have held the lock when the process was copied; in the child nobody would ever release it
    for guard in _guards:
        guard._lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork)


def _absolute(path: str | os.PathLike[str], noun: str) -> str:
    text = os.fspath(path)
    if not os.path.isabs(text):
        raise Misuse(
            f"{noun} needs an absolute path, not {text}",
            hint="a relative path means another file for whoever starts the service elsewhere",
        )
    return text


def _reason(error: Exception) -> str:
    try:
        return error.message if isinstance(error, GoliveError) else f"the guard failed: {type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - an exception may fail to tell itself
        return f"the guard failed: {type(error).__name__}"


def _word(order: object, name: str) -> str:
    """An attribute of an order as one printable word for a log; a question mark if it cannot be had."""
    try:
        text = str(getattr(order, name))
    except Exception:  # noqa: BLE001 - an order is somebody else's object
        return "?"
    return "".join(letter if letter.isprintable() else "?" for letter in text[:100]) or "?"
