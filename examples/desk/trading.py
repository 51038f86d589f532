"""Trading threads: one for each account, the only one that trades for it, so that one that hangs holds up nobody else."""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, final

from examples.desk.clock import Clock
from examples.desk.gates import Intent
from examples.desk.orders import OrderPath
from examples.desk.worker import Worker

LOOP = 0.1
"""Seconds of one loop of a trading thread while no order comes."""


@final
class Trader:
    """The trading thread of one account; between orders it lets a quarantined account recover."""

    def __init__(self, account: str, orders: OrderPath, *, between: Callable[[], None], now: Clock) -> None:
        self.account = account
        self.worker = Worker(f"trading:{account}", self._turn, every=0, now=now)
        self._orders = orders
        self._between = between
        self._waiting: queue.Queue[tuple[Intent, Future[Mapping[str, Any]]]] = queue.Queue()

    def submit(self, intent: Intent) -> Future[Mapping[str, Any]]:
        """Queue the intent; the future holds the order once the thread has taken it."""
        future: Future[Mapping[str, Any]] = Future()
        self._waiting.put((intent, future))
        return future

    def _turn(self) -> None:
        self._between()
        try:
            intent, future = self._waiting.get(timeout=LOOP)
        except queue.Empty:
            return
        # a caller that gave up has cancelled, and then nothing may be traded any more
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(self._orders.take(intent))
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to the caller, and the thread goes on
            future.set_exception(error)
