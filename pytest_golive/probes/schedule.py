"""What runs by the clock: the entries of a crontab, with those that are switched off, and what really ran.

An entry that is there says that something was meant to run; only the times of past runs say that it did.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Annotated, Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, field_validator, model_validator

from pytest_golive.errors import MissingExtra, ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.probes.base import Duration, Lane, Pattern, ProbeModel, Size, Text, cut, plain_text, spoken
from pytest_golive.probes.paths import absolute, read
from pytest_golive.probes.process import run
from pytest_golive.probes.reading import json_value

_NICK = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
    "@reboot": "",
}
_FIVE = r"(?:[\w*/,#?-]+[ \t]+){4}[\w*/,#?-]+"
_ENTRY = re.compile(rf"\s*(?P<when>@\w+|{_FIVE})[ \t]+(?P<rest>\S.*)\Z")
_SETTING = re.compile(r"\s*(?P<name>[A-Za-z_]\w*|\"[^\"]*\"|'[^']*')\s*=\s*(?P<value>.*)\Z")
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,9}))?\s?(Z|[+-]\d\d:?\d\d)?")
_FIELDS = ("at", "timestamp", "time", "ts", "started_at")
_FIELD = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*\Z")
_FUTURE = timedelta(seconds=5)


def _zone_name(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone; write one such as UTC or Europe/Berlin") from None
    return name


class Schedule(ProbeModel):
    """What is due, and what has run?

    ```yaml
    schedule: {crontab: "${home}/crontab", command: kraken_bot, zone: UTC}
    expect: {active: 0, paused: {ge: 1}}

    schedule: {runs: "${home}/logs/checks.jsonl", at: checked_at, since: 24h, every: 1h}
    expect: {recent: {ge: 24}, future: 0, longest_gap_seconds: {le: 3600}}
    ```

    Exactly one of `crontab` (a file), `list` (a program that prints one, such as `[crontab, -l]`) and `runs` (a file with a
    line for each run). `command` is a pattern that limits the entries. `user_column: true` is for /etc/crontab and
    /etc/cron.d. Times are in `zone`, else in CRON_TZ of the crontab, else in UTC. An entry behind a `#` is paused; a
    comment that is no entry is none. A line that cron would refuse is an error, because cron then ignores the whole file.
    Needs `pip install 'pytest-golive[schedule]'`.

    In `runs`, `at` is the field of a JSON line (`at`, `timestamp`, `time`, `ts` or `started_at` if not said), or a pattern
    with one group. `matching` is a pattern that limits the lines. `since` limits the runs to the last hours or days, counts
    the time before the first and after the last of them as gaps too, and with `every` tells how many were to be expected. A
    time without a zone is in `zone`.

    Facts: of a crontab `entries` (`line`, `schedule`, `command`, `paused`, and unless @reboot `next`, `previous` and
    `due_in_seconds`), `active` and `paused` (numbers), `next` (of the active ones, absent if there is none), `variables`
    (names), `zone`; of runs `runs` (lines with a time), `undated` (without), `future` (more than 5 s ahead),
    `first_run`, `last_run`, `last_run_age_seconds`, `longest_gap_seconds` (up to now; absent without a run), `gap_from`;
    with since `recent`, and with every `expected`.
    """

    word: ClassVar[str] = "schedule"
    lane: ClassVar[Lane] = "local"

    crontab: Text | None = None
    list_: Annotated[tuple[Text, ...] | None, Field(strict=False, min_length=1, alias="list")] = None
    runs: Text | None = None
    command: Pattern | None = None
    user_column: bool = False
    zone: Annotated[Text, AfterValidator(_zone_name)] | None = None
    at: Text | None = None
    matching: Pattern | None = None
    since: Duration | None = None
    every: Duration | None = None
    max_size: Size = 20_000_000

    @field_validator("at")
    @classmethod
    def _is_field_or_pattern(cls, at: str | None) -> str | None:
        if at is not None and not _FIELD.match(at):
            try:
                groups = re.compile(at).groups
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from None
            if groups != 1:
                raise ValueError("must be the name of a field, or a pattern with exactly one group: the time")
        return at

    @model_validator(mode="after")
    def _one_of_three(self) -> Schedule:
        if sum(each is not None for each in (self.crontab, self.list_, self.runs)) != 1:
            raise ValueError("write exactly one of crontab, list and runs")
        foreign = ("command", "user_column") if self.runs is not None else ("at", "matching", "since", "every")
        for name in foreign:
            if name in self.model_fields_set:
                raise ValueError(f"{name} has no meaning here")
        if self.every is not None and self.since is None:
            raise ValueError("every needs since: over which time is something expected?")
        return self

    def look(self, context: Context) -> Facts:
        now = context.now()
        if self.runs is not None:
            path = absolute(context.root, self.runs)
            return {"path": path} | self._runs(_text(read(path, self.max_size), path), path, now)
        if self.list_ is not None:
            told = self._listed(context)
            return self._entries(told, " ".join(self.list_), now)
        assert self.crontab is not None
        path = absolute(context.root, self.crontab)
        return {"path": path} | self._entries(_text(read(path, 1_000_000), path), path, now)

    def _listed(self, context: Context) -> str:
        assert self.list_ is not None
        allowed = context.remaining()
        env = {name: context.environ[name] for name in ("PATH", "HOME", "USER", "LOGNAME") if name in context.environ}
        ran = run(self.list_, cwd=str(context.root), env=env | {"LC_ALL": "C"}, deadline=context.deadline, limit=1_000_000)
        if ran.overrun:
            raise ProbeError(f"{self.list_[0]} timed out after {spoken(allowed)}", hint="see why it is slow")
        said = plain_text(ran.outputs[1].decode("utf-8", "replace")).strip()
        if ran.exit == 1 and re.match(r"(?:crontab: )?no crontab for ", said):
            return ""
        if ran.exit != 0 or ran.cut[0]:
            raise ProbeError(f"{' '.join(self.list_)} failed (exit {ran.exit}): {cut(said, 300)}", hint="run it by hand")
        return _text(ran.outputs[0], self.list_[0])

    def _entries(self, text: str, where: str, now: datetime) -> dict[str, Any]:
        try:
            import cronsim
        except ImportError:
            raise MissingExtra("cronsim", "schedule") from None
        del cronsim
        variables: dict[str, str] = {}
        found: list[tuple[int, str, str, bool]] = []
        for number, line in enumerate(text.splitlines(), 1):
            bare = line.strip()
            if not bare:
                continue
            paused = bare.startswith("#")
            entry = _ENTRY.match(bare.lstrip("# \t") if paused else bare)
            if entry is not None and _valid(entry["when"]):
                rest = entry["rest"].split(None, 1)[-1] if self.user_column else entry["rest"]
                found.append((number, entry["when"], rest, paused))
            elif not paused:
                setting = _SETTING.match(bare)
                if setting is None:
                    raise ProbeError(f"line {number} of {where} is no entry that cron accepts", hint="correct the line")
                variables[setting["name"].strip("\"'")] = setting["value"].strip("\"'")
        zone = self._zone(variables.get("CRON_TZ"), where)
        local = now.astimezone(zone)
        wanted = re.compile(self.command) if self.command is not None else None
        entries: list[dict[str, Any]] = [
            {"line": number, "schedule": when, "command": rest, "paused": paused} | _times(when, local, now)
            for number, when, rest, paused in found
            if wanted is None or wanted.search(rest)
        ]
        due = sorted(datetime.fromisoformat(entry["next"]) for entry in entries if not entry["paused"] and "next" in entry)
        paused_ = sum(bool(entry["paused"]) for entry in entries)
        facts = {"entries": entries, "active": len(entries) - paused_, "paused": paused_, "variables": sorted(variables)}
        return facts | {"zone": str(zone)} | ({"next": due[0].isoformat()} if due else {})

    def _zone(self, named: str | None, where: str) -> tzinfo:
        name = self.zone or named or "UTC"
        try:
            return UTC if name == "UTC" else ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ProbeError(f"CRON_TZ of {where} is {name!r}, which is no time zone", hint="correct it") from None

    def _runs(self, text: str, path: str, now: datetime) -> dict[str, Any]:
        zone = self._zone(None, path)
        wanted = re.compile(self.matching) if self.matching is not None else None
        times: list[datetime] = []
        undated = 0
        for line in text.splitlines():
            if not line.strip() or (wanted is not None and not wanted.search(line)):
                continue
            at = self._when(line, zone)
            if at is None:
                undated += 1
            else:
                times.append(at)
        if undated and not times:
            raise ProbeError(f"no line of {path} has a time that can be read", hint="say with at: where the time stands")
        times.sort()
        future = [at for at in times if at > now + _FUTURE]
        times = times[: len(times) - len(future)]
        facts: dict[str, Any] = {"runs": len(times), "undated": undated, "future": len(future)}
        if times:
            age = int((now - times[-1]).total_seconds())
            facts |= {"first_run": times[0].isoformat(), "last_run": times[-1].isoformat(), "last_run_age_seconds": max(0, age)}
        marks = [*times, now]
        if self.since is not None:
            begin = now - timedelta(seconds=self.since)
            recent = [at for at in times if at >= begin]
            facts["recent"] = len(recent)
            marks = [begin, *recent, now]
            if self.every is not None:
                facts["expected"] = int(self.since / self.every)
        if times:
            gap, begun = max(((after - before).total_seconds(), before) for before, after in pairwise(marks))
            facts |= {"longest_gap_seconds": max(0, int(gap)), "gap_from": begun.isoformat()}
        return facts

    def _when(self, line: str, zone: tzinfo) -> datetime | None:
        """The time of a line, or None if it has none that can be read."""
        if self.at is not None and not _FIELD.match(self.at):
            found = re.search(self.at, line)
            return _instant(found[1], zone) if found is not None else None
        if line.lstrip().startswith("{"):
            try:
                value = json_value(line)
            except ValueError:
                return None
            names = (self.at,) if self.at is not None else tuple(name for name in _FIELDS if name in value)[:1]
            for step in names[0].split(".") if names else ("",):
                value = value.get(step) if isinstance(value, dict) else None
            return _instant(value, zone)
        return _instant(line, zone) if self.at is None else None


def _text(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProbeError(f"{where} is not UTF-8 at byte {error.start}", hint="see what it holds") from None


def _valid(when: str) -> bool:
    """Whether cron accepts this as a time."""
    from cronsim import CronSim, CronSimError

    if when.startswith("@"):
        return when in _NICK
    try:
        CronSim(when, datetime(2026, 1, 1, tzinfo=UTC))
    except CronSimError:
        return False
    return True


def _times(when: str, local: datetime, now: datetime) -> dict[str, Any]:
    """The next and the previous time of an entry; nothing for @reboot, and for a day that never comes."""
    from cronsim import CronSim

    expression = _NICK.get(when, when)
    if not expression:
        return {}
    told: dict[str, Any] = {}
    try:
        following = next(CronSim(expression, local))
        told |= {"next": following.isoformat(), "due_in_seconds": int((following - now).total_seconds())}
        told["previous"] = next(CronSim(expression, local, reverse=True)).isoformat()
    except StopIteration:
        pass
    return told


def _instant(value: Any, zone: tzinfo) -> datetime | None:
    """ISO 8601 in a text, or seconds since 1970."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        if not isinstance(value, str):
            return datetime.fromtimestamp(float(value), UTC)
        found = _INSTANT.search(value)
        if found is None:
            return None
        day, clock, fraction, offset = found.groups()
        at = datetime.fromisoformat(f"{day}T{clock}{'.' + fraction[:6].ljust(6, '0') if fraction else ''}{offset or ''}")
    except (ValueError, TypeError, OverflowError, OSError):
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=zone)
