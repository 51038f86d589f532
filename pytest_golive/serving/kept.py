"""A value that is dear to make, made anew in another thread when what it was made from has changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar, final

T = TypeVar("T")

PATIENCE = 0.03
"""Seconds that a reader waits for a newer value before it is content with the one before."""


@final
class Kept(Generic[T]):
    """The newest finished value, and at most one thread that makes the next; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: tuple[Hashable, T] | None = None
        self._busy: threading.Event | None = None

    def ask(self, identity: Hashable, make: Callable[[T | None], T], patience: float = PATIENCE) -> tuple[T | None, bool]:
        """The newest value and whether it belongs to `identity`; None if none was ever finished.

        `make` gets the value before, and tells its own troubles in the value: what it raises is lost, and the old value stays.
        """
        with self._lock:
            if self._held is not None and self._held[0] == identity:
                return self._held[1], True
            busy = self._busy
            if busy is None:
                busy = self._busy = threading.Event()
                threading.Thread(target=self._make, args=(identity, make, busy), daemon=True).start()
        busy.wait(patience)
        with self._lock:
            return (None, False) if self._held is None else (self._held[1], self._held[0] == identity)

    def _make(self, identity: Hashable, make: Callable[[T | None], T], done: threading.Event) -> None:
        try:
            value = make(None if self._held is None else self._held[1])
            with self._lock:
                self._held = (identity, value)
        finally:
            with self._lock:
                self._busy = None
            done.set()
