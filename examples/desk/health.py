"""Health: what each broker and each service of the desk is, asked anew or a moment old, never assumed."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, final

from examples.desk import clock
from examples.desk.broker import Broker
from examples.desk.clock import Clock
from examples.desk.errors import BrokerError
from examples.desk.worker import Worker

KEPT = 0.5
"""Seconds for which a broker is not asked again."""

STALE = 5.0
"""Seconds after which a worker that shows no beat counts as stuck."""

HEALTHY, UNHEALTHY, DEGRADED = "healthy", "unhealthy", "degraded"


@final
@dataclass(frozen=True, slots=True)
class _Look:
    at: datetime
    authenticated: bool
    reachable: bool
    reason: str


@final
class BrokerHealth:
    """Calls a broker with its key, read-only, at most twice a second however many people ask."""

    def __init__(self, broker: Broker, account: str, *, now: Clock) -> None:
        self._broker = broker
        self._account = account
        self._now = now
        self._lock = threading.Lock()
        self._last: _Look | None = None

    def state(self) -> dict[str, Any]:
        """healthy or unhealthy, the age of the answer it rests on, and the reason if it is not good."""
        with self._lock:
            now = self._now()
            if self._last is None or not 0 <= (now - self._last.at).total_seconds() < KEPT:
                self._last = self._look()
            look = self._last
        now = self._now()
        return {
            "broker": self._broker.name,
            "state": HEALTHY if look.authenticated else UNHEALTHY,
            "reachable": look.reachable,
            "authenticated": look.authenticated,
            "reason": look.reason,
            "age_seconds": clock.age(look.at, now),
            "checked_at": look.at,
        }

    def _look(self) -> _Look:
        reachable = False
        try:
            self._broker.time()
            reachable = True
            self._broker.balances(self._account)
        except BrokerError as error:
            return _Look(self._now(), False, reachable, error.message)
        return _Look(self._now(), True, True, "")


def of_workers(name: str, workers: Sequence[Worker], reason: str, at: datetime) -> dict[str, Any]:
    """A service is healthy if all its workers live and beat, there is at least one, and nothing else is wrong with it."""
    halted = [worker.name for worker in workers if not worker.alive]
    stuck = [worker.name for worker in workers if worker.alive and not _beats(worker, at)]
    if not workers:
        reason = reason or "no worker"
    elif halted or stuck:
        reason = f"halted: {', '.join(halted)}" if halted else f"stuck: {', '.join(stuck)}"
    return {
        "service": name,
        "state": DEGRADED if reason else HEALTHY,
        "reason": reason,
        "workers": len(workers),
        "checked_at": at,
    }


def of_threads(workers: Mapping[str, Worker], expected: Collection[str], at: datetime) -> dict[str, Any]:
    """The trading threads by account, with their last sign of life, held against the accounts that should have one."""
    threads = [
        {
            "account": account,
            "alive": worker.alive and _beats(worker, at),
            "last_beat": worker.last_beat,
            "age_seconds": None if worker.last_beat is None else clock.age(worker.last_beat, max(at, worker.last_beat)),
        }
        for account, worker in workers.items()
    ]
    halted = [thread["account"] for thread in threads if not thread["alive"]]
    return {
        "threads": threads,
        "expected": len(expected),
        "alive": len(threads) - len(halted),
        "halted": halted,
        "missing": [account for account in expected if account not in workers],
        "checked_at": at,
    }


def _beats(worker: Worker, at: datetime) -> bool:
    return worker.last_beat is not None and (at - worker.last_beat).total_seconds() < STALE
