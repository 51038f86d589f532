"""A value that is dear to make, made anew in another thread when what it was made from has changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar, final

from pytest_golive.errors import GoliveError

T = TypeVar("T")

PATIENCE = 0.02
"""Seconds that a reader waits for a newer value before it is content with the one before."""


@final
class Kept(Generic[T]):
    """The newest finished value, and at most one thread that makes the next; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: tuple[Hashable, T] | None = None
        self._failed: tuple[Hashable, str] | None = None
        self._busy: threading.Event | None = None

    def ask(self, identity: Hashable, make: Callable[[T | None], T], patience: float = PATIENCE) -> tuple[T | None, bool]:
        """The newest value and whether it belongs to `identity`; None if none was ever finished.

        `make` gets the value before, and tells its own troubles in the value. If it fails all the same, GoliveError: an old value
        must not stand for one that cannot be made.
        """
        with self._lock:
            self._refuse(identity)
            if self._held is not None and self._held[0] == identity:
                return self._held[1], True
            busy = self._busy
            if busy is None:
                busy = self._busy = threading.Event()
                threading.Thread(target=self._make, args=(identity, make, busy), daemon=True).start()
        busy.wait(patience)
        with self._lock:
            self._refuse(identity)
            return (None, False) if self._held is None else (self._held[1], self._held[0] == identity)

    def _refuse(self, identity: Hashable) -> None:
        if self._failed is not None and self._failed[0] == identity:
            raise GoliveError(f"what is to be shown could not be read: {self._failed[1]}", hint="look at it with golive status")

    def _make(self, identity: Hashable, make: Callable[[T | None], T], done: threading.Event) -> None:
        try:
            value = make(None if self._held is None else self._held[1])
            with self._lock:
                self._held = (identity, value)
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise it to; whoever asks is told
            with self._lock:
                self._failed = (identity, type(error).__name__)
        finally:
            with self._lock:
                self._busy = None
            done.set()
