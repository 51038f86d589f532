"""What goes through the API and what it costs: requests by status, time taken, and the process's own use of the machine.

Counted at the door, around every address, so that an error that no address foresaw is counted as well.
"""

from __future__ import annotations

import os
import resource
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import final

from examples.desk.web import Answer, Refused, Request, Routes

BUCKETS = (Decimal("0.005"), Decimal("0.025"), Decimal("0.1"), Decimal("0.5"), Decimal("2.5"))
"""Upper bounds of the histogram of answer times, in seconds."""

_THOUSANDTH = Decimal("0.000001")
Samples = list[tuple[Mapping[str, str], Decimal | int]]


@final
class Traffic:
    """Counts since the start of the process."""

    def __init__(self, *, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._statuses: Counter[int] = Counter()
        self._buckets: Counter[Decimal] = Counter()
        self._seconds = Decimal(0)

    def watched(self, routes: Routes) -> Routes:
        """The same addresses, counted."""
        return tuple((method, path, self._around(action)) for method, path, action in routes)

    def series(self) -> Iterator[tuple[str, str, str, Samples]]:
        """Name, kind, meaning and samples of each series."""
        with self._lock:
            statuses, buckets, seconds = dict(self._statuses), dict(self._buckets), self._seconds
        total = sum(statuses.values())
        errors = sum(count for status, count in statuses.items() if status >= 500)
        yield (
            "desk_http_requests_total",
            "counter",
            "Requests by status.",
            [({"status": str(status)}, count) for status, count in sorted(statuses.items())] or [({"status": "200"}, 0)],
        )
        yield "desk_http_errors_total", "counter", "Requests that the desk itself failed at (status 500 or more).", [({}, errors)]
        below, told = 0, Samples()
        for bound in BUCKETS:
            below += buckets.get(bound, 0)
            told.append(({"le": str(bound)}, below))
        yield "desk_http_seconds_bucket", "counter", "Requests answered within so many seconds.", [*told, ({"le": "+Inf"}, total)]
        yield "desk_http_seconds_sum", "counter", "Seconds taken by all requests.", [({}, seconds)]
        yield "desk_http_seconds_count", "counter", "Requests answered.", [({}, total)]

    def _around(self, action: Callable[..., Answer]) -> Callable[..., Answer]:
        def counted(request: Request, **names: str) -> Answer:
            started, status = self._clock(), 500
            try:
                reply = action(request, **names)
                status = reply.status
                return reply
            except Refused as refused:
                status = refused.status
                raise
            finally:
                self._count(status, Decimal(self._clock() - started) / 1_000_000_000)

        return counted

    def _count(self, status: int, seconds: Decimal) -> None:
        with self._lock:
            self._statuses[status] += 1
            self._seconds += seconds.quantize(_THOUSANDTH)
            bound = next((bound for bound in BUCKETS if seconds <= bound), None)
            if bound is not None:
                self._buckets[bound] += 1


def machine(home: Path) -> Iterator[tuple[str, str, str, Samples]]:
    """What the process and its disk are at, in the names and units that Prometheus' own client uses where there are any."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = Decimal(str(used.ru_utime)) + Decimal(str(used.ru_stime))
    yield "process_cpu_seconds_total", "counter", "Processor time of the desk.", [({}, cpu.quantize(_THOUSANDTH))]
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    yield "process_resident_memory_bytes", "gauge", "Memory of the desk.", [({}, pages * os.sysconf("SC_PAGE_SIZE"))]
    disk = shutil.disk_usage(home)
    yield "desk_disk_free_bytes", "gauge", "Free space where the home folder is.", [({}, disk.free)]
    yield "desk_disk_total_bytes", "gauge", "Size of the disk where the home folder is.", [({}, disk.total)]
