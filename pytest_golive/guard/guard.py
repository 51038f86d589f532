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
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, final

from pytest_golive.errors import MarkerRejected, TrustError
from pytest_golive.guard import state as states
from pytest_golive.guard.live import Live, Stops
from pytest_golive.guard.permission import Permission, reason_of, word
from pytest_golive.guard.place import Place, Switches
from pytest_golive.guard.trusted_file import absolute, folder_trusted, open_trusted

if TYPE_CHECKING:
    import logging

    from pytest_golive.guard.kernel import Watch
    from pytest_golive.signing.keys import PublicKey

SLACK = 2.0
"""Seconds by which the wall clock may be stepped back, as time services do, before the guard refuses."""


boottime: Callable[[], float] = functools.partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
"""Seconds since the machine started, suspended time included; nobody can set this clock."""


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
        self._path = absolute(marker, "the marker")
        self._folder = os.path.dirname(self._path)
        self._state_path = absolute(state, "the guard's state")
        self._stops = Stops(absolute(path, "a stop file") for path in stop_files)
        self._keys = tuple(keys)
        self._place = Place(environment=environment, host=host, commit=commit, config=config, profile=profile)
        self._switches = Switches(switches or {}, environ)
        self._owners = tuple(owners)
        self._wall = wall
        self._boottime = boottime
        self._logger = logger
        self._lock = threading.RLock()
        self._live: Live | None = None
        self._held: Live | None = None
        self._watch: Watch | None = None
        self._taken = False
        self._blind = True
        self._state = states.State()
        self._high = 0.0
        self._told: Permission | None = None
        _guards.add(self)

    @property
    def watched(self) -> bool:
        """Whether the kernel announces changes, so that an order costs two calls that keep the interpreter lock.

        If not (another system than Linux, a file system that is not known to be local, no watches left) every path is asked for
        by name: as strict, but dearer, and slow beside threads that compute.
        """
        return self._watch is not None

    def allows(self, order: object | None = None) -> Permission:
        """Whether this order may go to the real market now. Never raises; whatever goes wrong is a no."""
        live = self._live
        try:
            # the standing permission holds if nothing at all has changed since it was given; the kernel is asked each time
            if live is not None and self._stands(live):
                return live.permission
        except Exception:  # noqa: BLE001, S110 - looking anew finds it again, and names it
            pass
        return self._look_anew(order)

    def _stands(self, live: Live) -> bool:
        wall = self._wall()
        if not (self._high - SLACK <= wall < live.until_wall and self._boottime() < live.until_boot and live.unchanged()):
            return False
        if not self._switches.all_live():
            return False
        if wall > self._high:
            self._high = wall
        # asked last: another thread that heard of a change has withdrawn the permission before it took the news away
        return self._live is live

    def _look_anew(self, order: object | None) -> Permission:
        """The answer from the ground up, and what there is to tell about it."""
        with self._lock:
            try:
                permission = self._only_noise() or self._decide()
            except Exception as error:  # noqa: BLE001 - whatever goes wrong is a refusal
                permission = Permission(False, reason_of(error), "")
            if permission == self._told:
                return permission
            self._told = permission
        self._tell(permission, order)
        return permission

    def _only_noise(self) -> Permission | None:
        """The standing permission, if what the kernel announced is about other files of the same folders."""
        live, self._live = self._live, None
        if live is None or live.watch is None:
            return None
        news = live.watch.heard()
        self._taken |= news.taken
        self._blind |= news.lost
        if news.matters:
            return None
        self._live = live
        try:
            if self._stands(live):
                return live.permission
        except Exception:  # noqa: BLE001, S110 - looking anew finds it again, and names it
            pass
        self._live = None
        return None

    def _listen(self) -> None:
        """Let the kernel announce what happens from now on, and hear what happened until now."""
        from pytest_golive.guard import kernel  # not with the guard: ctypes is a quarter of its import

        try:
            if self._watch is None:
                self._blind = True
                self._watch = kernel.Watch(self._path, self._stops.paths)
            news = self._watch.renew()
            self._taken |= news.taken
            self._blind |= news.lost
        except OSError:
            self._watch = None
            self._blind = True

    def _decide(self) -> Permission:
        """Look at everything anew; an exception is a refusal."""
        self._live = None
        wall, boot = self._wall(), self._boottime()
        self._high = max(self._high, wall)
        if self._gone():
            self._burn(self._state.highest)
        # an activation holds this lock while it writes its marker: what is missing or was taken away here came before it
        with states.locked(self._state_path):
            self._listen()
            gone = self._gone()
            if gone or self._taken:
                self._burn(self._state.highest)
                self._taken = False
            if gone:
                self._burn(states.read(self._state_path).highest)
            # a clock that was set back must not lower what is remembered, so the larger of both is kept
            self._state = states.raise_locked(self._state_path, self._state.joined(states.State(wall=int(self._high))))
        if not wall >= max(self._high, self._state.wall) - SLACK:
            latest = datetime.fromtimestamp(self._state.wall, UTC).isoformat()
            raise TrustError(f"the clock was set back: it has been {latest} already", hint="set the clock right")
        self._stops.refuse()
        if gone:
            raise MarkerRejected(f"marker not found: {self._path}", hint="activate")
        self._switches.refuse()
        live = self._load()
        self._place.refuse_others(live.marker)
        self._refuse_spent(live)
        self._set_deadlines(live, wall, boot)
        live.folder_changed = os.stat(self._folder).st_mtime_ns
        self._blind = live.watch is None
        self._live = self._held = live
        return live.permission

    def _load(self) -> Live:
        from pytest_golive.guard import marker as markers

        try:
            folder = folder_trusted(self._folder, "the marker's folder", owners=self._owners)
            fd, status, content = open_trusted(self._path, "the marker", limit=markers.MAX_MARKER, owners=self._owners)
        except OSError as error:
            raise MarkerRejected(
                f"the marker cannot be read: {self._path}: {error.strerror or error}", hint="let this user read it"
            ) from error
        live = Live(self._path, fd, status, content, self._stops, self._watch)
        live.folder_changed = folder.st_mtime_ns
        live.marker = markers.parse(content, self._keys)
        live.permission = Permission(True, "", live.marker.activation_id)
        return live

    def _refuse_spent(self, live: Live) -> None:
        """Refuse an activation that was withdrawn, overtaken, or whose marker was taken away and put back."""
        counter, held = live.marker.counter, self._held
        if held and held.marker.counter == counter:
            same_file = held.identity[1:3] == live.identity[1:3]
            # unwatched, a file that came back is told from one that was only touched by the folder that it left
            moved = self._blind and held.changed != live.changed and held.folder_changed != live.folder_changed
            if moved or not same_file or held.marker.activation_id != live.marker.activation_id:
                self._burn(counter)
        self._state = states.raise_to(self._state_path, self._state.joined(states.State(highest=counter)))
        if counter <= self._state.burned:
            raise MarkerRejected(
                f"activation {counter} was withdrawn and does not revive when its marker is put back", hint="activate"
            )
        if counter < self._state.highest:
            raise MarkerRejected(f"activation {counter} was overtaken by activation {self._state.highest}", hint="activate again")

    def _set_deadlines(self, live: Live, wall: float, boot: float) -> None:
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

    def _tell(self, permission: Permission, order: object | None) -> None:
        try:
            if self._logger is None:
                import logging

                self._logger = logging.getLogger("golive.guard")
            if permission.allowed:
                self._logger.info("GO-LIVE active: activation %s", permission.activation)
                return
            symbol = "" if order is None else f", skipping real trading order for {word(order, 'symbol')}"
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
        # the watch is the parent's: what the child would hear of, the parent would not
        guard._live = guard._watch = None


os.register_at_fork(after_in_child=_after_fork)
