"""What goes through the bots' API and what it costs: requests by status, time taken, and the process's own use of the machine.

Counted at the door, around every address, so that an error that no address foresaw is counted as well. What happens while a drill
has broken something on purpose is counted apart: it is told, but it is no error of the day.
"""

from __future__ import annotations

import os
import resource
import shutil
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import final

from examples.desk.web import Answer, Refused, Request, Routes

BUCKETS = (Decimal("0.005"), Decimal("0.025"), Decimal("0.1"), Decimal("0.5"), Decimal("2.5"))
"""Upper bounds of the histogram of answer times, in seconds."""

FAILED = 500
"""From this status on the desk itself failed."""

HOUR = 3600
_MICRO = Decimal("0.000001")
Samples = list[tuple[Mapping[str, str], Decimal | int]]


@final
class Traffic:
    """Counts since the start of the process; `drill` says whether something is broken on purpose now."""

    def __init__(self, *, drill: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._drill = drill
        self._clock = clock
        self._lock = threading.Lock()
        self._statuses: Counter[tuple[int, bool]] = Counter()
        self._buckets: Counter[Decimal] = Counter()
        self._seconds = Decimal(0)
        self._failures: deque[float] = deque(maxlen=10_000)

    def watched(self, routes: Routes) -> Routes:
        """The same addresses, counted."""
        return tuple((method, path, self._around(action)) for method, path, action in routes)

    def failures_of_the_hour(self) -> int:
        """Requests that the desk failed at within the last hour, drills included."""
        with self._lock:
            since = self._clock() - HOUR
            return sum(moment > since for moment in self._failures)

    def count(self, status: int, seconds: Decimal = Decimal(0)) -> None:
        """One request more."""
        drill = status >= FAILED and self._drill()
        with self._lock:
            self._statuses[status, drill] += 1
            self._seconds += seconds.quantize(_MICRO)
            bound = next((bound for bound in BUCKETS if seconds <= bound), None)
            if bound is not None:
                self._buckets[bound] += 1
            if status >= FAILED:
                self._failures.append(self._clock())

    def adjust(self, status: int, by: int) -> None:
        """Count requests more, or fewer, that nobody sent: for a drill of those who read the counts."""
        with self._lock:
            self._statuses[status, False] += by

    def series(self) -> Iterator[tuple[str, str, str, Samples]]:
        """Name, kind, meaning and samples of each series."""
        with self._lock:
            statuses, buckets, seconds = dict(self._statuses), dict(self._buckets), self._seconds
        total = sum(statuses.values())
        answered: Counter[int] = Counter()
        for (status, _), count in statuses.items():
            answered[status] += count
        errors = {
            drill: sum(n for (status, d), n in statuses.items() if status >= FAILED and d is drill) for drill in (False, True)
        }
        samples: Samples = [({"status": str(status)}, count) for status, count in sorted(answered.items())]
        yield "bots_http_requests_total", "counter", "Requests by status.", samples
        yield (
            "bots_http_errors_total",
            "counter",
            "Requests that the desk failed at (status 500 or more), apart by whether a drill was on.",
            [({"drill": str(drill).lower()}, count) for drill, count in errors.items()],
        )
        below, told = 0, Samples()
        for bound in BUCKETS:
            below += buckets.get(bound, 0)
            told.append(({"le": str(bound)}, below))
        told.append(({"le": "+Inf"}, total))
        yield "bots_http_seconds_bucket", "counter", "Requests answered within so many seconds.", told
        yield "bots_http_seconds_sum", "counter", "Seconds taken by all requests.", [({}, seconds)]
        yield "bots_http_seconds_count", "counter", "Requests answered.", [({}, total)]

    def _around(self, action: Callable[..., Answer]) -> Callable[..., Answer]:
        def counted(request: Request, **names: str) -> Answer:
            started, status = time.monotonic_ns(), FAILED
            try:
                reply = action(request, **names)
                status = reply.status
                return reply
            except Refused as refused:
                status = refused.status
                raise
            finally:
                self.count(status, Decimal(time.monotonic_ns() - started) / 1_000_000_000)

        return counted


def machine(home: Path) -> Iterator[tuple[str, str, str, Samples]]:
    """What the process and its disk are at, in the names and units that Prometheus' own client uses where there are any."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = Decimal(str(used.ru_utime)) + Decimal(str(used.ru_stime))
    yield "process_cpu_seconds_total", "counter", "Processor time of the desk.", [({}, cpu.quantize(_MICRO))]
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    yield "process_resident_memory_bytes", "gauge", "Memory of the desk.", [({}, pages * os.sysconf("SC_PAGE_SIZE"))]
    disk = shutil.disk_usage(home)
    yield "desk_disk_free_bytes", "gauge", "Free space where the home folder is.", [({}, disk.free)]
    yield "desk_disk_total_bytes", "gauge", "Size of the disk where the home folder is.", [({}, disk.total)]
