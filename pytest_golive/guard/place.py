"""What this service is and how it is switched, which a marker must have been made for."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from pytest_golive.errors import MarkerRejected, TrustError
from pytest_golive.guard.machine import machine_host

if TYPE_CHECKING:
    from pytest_golive.guard.marker import Marker


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a service runs and from what; None is not asked, but a marker that names a host is held against this machine."""

    environment: str
    host: str | None = None
    commit: str | None = None
    config: str | None = None
    profile: str | None = None

    def refuse_others(self, marker: Marker) -> None:
        """MarkerRejected for a marker that is meant for another place."""
        host = self.host
        if host is None and marker.host:
            host = machine_host()
        for name, wanted, found in (
            ("environment", self.environment, marker.environment),
            ("host", host, marker.host),
            ("commit", self.commit, marker.commit),
            ("configuration", self.config, marker.config),
        ):
            if wanted is not None and wanted != found:
                raise MarkerRejected(
                    f"the marker is for another {name}: {found or 'none'}, and this is {wanted or 'unknown'}",
                    hint="activate for this one",
                )
        if self.profile is not None and self.profile not in marker.allowed_profiles:
            raise MarkerRejected(
                f"the marker does not allow the profile {self.profile}, only {', '.join(marker.allowed_profiles)}",
                hint="use an allowed profile",
            )


@final
class Switches:
    """The declared mode switches and the value that each must have for real trading."""

    __slots__ = ("_environ", "_get", "_live", "_wanted")

    def __init__(self, live: Mapping[str, str], environ: Mapping[str, str]) -> None:
        self._live = dict(live)
        self._environ = environ
        self._get: Callable[[Any], Any] = environ.get
        self._wanted: tuple[tuple[Any, Any], ...] = tuple(self._live.items())
        # os.environ decodes at each look; the bytes below it are the same truth for a fifth of the price
        below = getattr(environ, "_data", None) if type(environ) is type(os.environ) else None
        if isinstance(below, dict):
            self._get = below.get
            self._wanted = tuple((os.fsencode(name), os.fsencode(value)) for name, value in self._wanted)

    def all_live(self) -> bool:
        """Whether each switch has its live value right now."""
        for name, value in self._wanted:  # noqa: SIM110 - a generator would double the price of an order
            if self._get(name) != value:
                return False
        return True

    def refuse(self) -> None:
        """TrustError that names the first switch that is not live, without telling what it is set to."""
        for name, value in self._live.items():
            found = self._environ.get(name)
            if found != value:
                told = "not set" if found is None else "set to something else"
                raise TrustError(f"{name} is {told}, and live trading needs {value}", hint="set it and start again")
