"""Equal probes look once: several items may judge different sides of one sight.

A rehearsal that takes a second, or a page that ten items read, is done once in a run and judged by each of them, so that no two
items judge two different moments either. Only probes that are equal in every key, and that have the same time, share a look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar, final

from pytest_golive import probes
from pytest_golive.errors import ProbeError
from pytest_golive.model import Evidence, Item

Waiting = TypeVar("Waiting")

Sight = Evidence | ProbeError
"""What came of a look: evidence, or why there is none."""


@final
class Look(Generic[Waiting]):
    """One look that several wait for; not locked by itself, because the trial has one lock for all that moves."""

    __slots__ = ("_led", "_waiting", "sight")

    def __init__(self) -> None:
        self.sight: Sight | None = None
        self._led = False
        self._waiting: list[Waiting] = []

    def join(self, waiting: Waiting) -> bool:
        """Whether `waiting` has to wait for somebody else's look; the first one leads, and looks."""
        if not self._led:
            self._led = True
            return False
        if self.sight is None:
            self._waiting.append(waiting)
            return True
        return False

    def show(self, sight: Sight) -> Iterable[Waiting]:
        """Keep the first sight, and let everybody go who waited for it."""
        if self.sight is None:
            self.sight = sight
        released, self._waiting = self._waiting, []
        return released


def shared(items: Iterable[Item]) -> Mapping[str, Look[Waiting]]:
    """The look of each item that shares one, by its id."""
    alike: dict[object, list[str]] = {}
    for item in items:
        if item.eventually is None and (likeness := probes.likeness(item.probe)) is not None:
            alike.setdefault((likeness, item.timeout, item.acts), []).append(item.id)
    found: dict[str, Look[Waiting]] = {}
    for ids in alike.values():
        if len(ids) > 1:
            found.update(dict.fromkeys(ids, Look()))
    return found
