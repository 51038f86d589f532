"""The schedule: a crontab in the home folder, the work behind each of its lines, and a record of each run.

The crontab is what counts: a line that a person has taken out or commented is not run. The desk does the work itself; a job whose
time passed while the desk was down is made up for at the start, as anacron does.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, final

from examples.desk import clock
from examples.desk.clock import Clock

_LINE = re.compile(r"(?P<times>\S+ \S+ \S+ \S+ \S+) +office +(?P<job>[a-z-]+)\s*")
_log = logging.getLogger("desk.system")

SHIPPED = """\
# Jobs of the desk, in UTC. The desk reads this file each minute and does the work itself.
# A line that is commented is paused.
# m h dom mon dow  job
30 5 * * * office preflight
*/30 * * * * office monitoring
5 22 * * * office daily-report
15 0 * * * office rotate-logs
0 3 * * * office backup
# Jobs of the bot at Kraken (bot/scripts); paused while its mode is being switched
# */10 * * * * bot/scripts/self_heal.sh
# 0 6 * * * bot/scripts/final_health_audit.sh
"""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One active line of the crontab."""

    times: str
    job: str

    def latest(self, now: datetime) -> datetime | None:
        """The last minute, within a day, at which it was due."""
        minute = now.replace(second=0, microsecond=0)
        for _ in range(24 * 60):
            if self._meets(minute):
                return minute
            minute -= timedelta(minutes=1)
        return None

    def _meets(self, at: datetime) -> bool:
        values = (at.minute, at.hour, at.day, at.month, at.isoweekday() % 7)
        return all(_field(field, value) for field, value in zip(self.times.split(), values, strict=True))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is done: the work gives a sentence, or raises; `late` says whether it is made up for when its time has passed."""

    work: Callable[[], str]
    late: bool = True


@final
class Jobs:
    """The crontab of one home folder, and the record `records/<job>.jsonl` of each job."""

    def __init__(self, crontab: Path, records: Path, jobs: Mapping[str, Job], *, now: Clock) -> None:
        self._crontab = crontab
        self._records = records
        self._jobs = jobs
        self._now = now
        self._looked: datetime | None = None
        bring(crontab)

    def turn(self) -> None:
        """Once a minute: do whatever is due."""
        now = self._now().replace(second=0, microsecond=0)
        if self._looked == now:
            return
        first, self._looked = self._looked is None, now
        for entry in self.entries():
            job, at = self._jobs.get(entry.job), entry.latest(now)
            if job is None or at is None:
                continue
            last = self.last(entry.job)
            if (last is None or last < at) and (job.late or (not first and at == now)):
                self.run(entry.job)

    def entries(self) -> list[Entry]:
        """The active lines; what is no line of the office is somebody else's."""
        lines = self._crontab.read_text(encoding="utf-8").splitlines() if self._crontab.exists() else []
        matches = [_LINE.fullmatch(line.strip()) for line in lines]
        return [Entry(times=match["times"], job=match["job"]) for match in matches if match]

    def last(self, name: str) -> datetime | None:
        """When the job was last begun."""
        path = self._records / f"{name}.jsonl"
        if not path.exists():
            return None
        lines = path.read_text(encoding="utf-8").splitlines()
        return datetime.fromisoformat(json.loads(lines[-1])["at"]) if lines else None

    def run(self, name: str) -> Mapping[str, Any]:
        """Do the job now and record it; a job that fails is recorded with exit 1 and what went wrong."""
        at, began = clock.iso(self._now()), time.monotonic()
        try:
            status, told = 0, self._jobs[name].work()
        except Exception as error:  # noqa: BLE001 - one job that fails must not keep the next from its turn
            status, told = 1, f"{type(error).__name__}: {error}"
            _log.exception("job %s failed", name)
        record = {"at": at, "job": name, "exit": status, "milliseconds": int((time.monotonic() - began) * 1000), "told": told}
        append(self._records / f"{name}.jsonl", record)
        return record


def bring(crontab: Path) -> None:
    """Write the shipped crontab, unless there is one."""
    if not crontab.exists():
        crontab.write_text(SHIPPED, encoding="utf-8")


def append(path: Path, record: Mapping[str, Any]) -> None:
    """Add one record to a file of JSON lines."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def _field(field: str, value: int) -> bool:
    """Whether a field of a crontab line (*, */n, a number, a list of numbers) meets the value."""
    if field == "*":
        return True
    if field.startswith("*/"):
        return value % int(field[2:]) == 0
    return value in {int(part) for part in field.split(",")}
