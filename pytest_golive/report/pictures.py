"""Two small pictures of a run, drawn from the statement in whole numbers: where time and trouble are, and when it was looked.

What is clear stands above a line, what is not hangs a mark below it, so that the pictures say the same without colours. Every
picture has a limit of its own on what it draws, which keeps five thousand items as small as fifty; the words beside a picture
tell what it shows to those who do not see it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from pytest_golive.report import words
from pytest_golive.report.page import Course, Slow, Strand, Where
from pytest_golive.report.words import short

COLUMNS = 240
"""Columns of all strands together."""
MAX_STRANDS = 12
MIN_WIDTH = 24
LINE = 18
"""The height of the line from the top of a strand, and the tallest that a column above it may be."""
_STEPS_MS = (50, 200, 1_000, 5_000, 20_000)
_TALL = (3, 6, 9, 12, 15, 18)
_TROUBLE = {"blocking": "blocking", "unchecked": "not checked", "warnings": "warned", "waived": "waived"}
_Look = tuple[str, str, str]
"""What tells one look from another: when it began, how long it took, and what was seen."""
BINS = 160
"""Steps of the course of a run, from its beginning to its end."""
COURSE = 40
SPAN = 1_000


def where(items: Sequence[Mapping[str, Any]], order: Sequence[str], sections: Sequence[str], titles: Mapping[str, str]) -> Where:
    """The strands of these items; `order` names the section of each, `sections` are all sections from the gravest on."""
    rank = {key: number for number, key in enumerate(sections)}
    groups: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    counted: set[_Look] = set()
    for item, key in zip(items, order, strict=True):
        evidence = item["evidence"]
        took = 0 if evidence is None else _ms(evidence["seconds"])
        # a look that items share is counted where it stands first, so that the seconds of all strands add up
        spent = 0 if evidence is None or _look(evidence) in counted else took
        if evidence is not None:
            counted.add(_look(evidence))
        groups.setdefault((item["checklist"], item["phase"]), []).append((rank[key], took, spent))
    named = [(short(titles.get(name, name), 120), phase, group) for (name, phase), group in groups.items()]
    if len(named) > MAX_STRANDS:
        rest = named[MAX_STRANDS - 1 :]
        merged = [one for _, _, group in rest for one in group]
        named = [*named[: MAX_STRANDS - 1], (f"{len(rest)} more", "lists and phases", merged)]
    each = 1
    while sum(-(-len(group) // each) for _, _, group in named) > COLUMNS:
        each += 1
    strands = tuple(_strand(title, phase, group, each, sections) for title, phase, group in named)
    width = max((-(-len(group) // each) for _, _, group in named), default=0)
    return Where(strands=strands, width=max(MIN_WIDTH, width), each=each)


def _strand(title: str, phase: str, group: Sequence[tuple[int, int, int]], each: int, keys: Sequence[str]) -> Strand:
    paths: dict[str, list[str]] = {key: [] for key in reversed(keys)}
    for column, start in enumerate(range(0, len(group), each)):
        inside = group[start : start + each]
        key, tall = keys[min(rank for rank, _, _ in inside)], _tall(max(took for _, took, _ in inside))
        mark = "" if key not in _TROUBLE else f"M{column} {LINE + 2}h.8v5h-.8z"
        paths[key].append(f"M{column} {LINE}v-{tall}h.8v{tall}z{mark}")
    counts = Counter(keys[rank] for rank, _, _ in group)
    trouble = ", ".join(f"{counts[key]} {told}" for key, told in _TROUBLE.items() if counts[key])
    seconds = _seconds(sum(spent for _, _, spent in group))
    return Strand(
        title=title,
        phase=phase,
        count=len(group),
        trouble=trouble,
        seconds=seconds,
        label=f"{len(group)} items, {trouble or 'all clear'}, {seconds} s",
        paths=tuple((key, "".join(path)) for key, path in paths.items() if path),
    )


def _tall(took: int) -> int:
    return _TALL[sum(took >= step for step in _STEPS_MS)]


def course(golive: Mapping[str, Any], order: Sequence[str], sections: Sequence[str]) -> Course:
    """The course of a run: the time that all looks took in each step of it, on the scale of the busiest step."""
    begin, total = _span(golive["run"])
    ends: dict[str, set[int]] = {key: set() for key in reversed(sections)}
    # items may share one look, which was taken once
    seen: set[_Look] = set()
    spans: list[tuple[int, int]] = []
    for item, key in zip(golive["items"], order, strict=True):
        evidence = item["evidence"]
        if evidence is None:
            continue
        start, stop = _within(evidence, begin, total)
        if key in _TROUBLE:
            ends[key].add(min(stop * BINS // total, BINS - 1))
        if _look(evidence) not in seen:
            seen.add(_look(evidence))
            spans.append((start, stop))
    busy = _busy(spans, total)
    peak = max([1, *busy])
    heights = [-(-one * COURSE // peak) for one in busy]
    area = f"M0 {COURSE}"
    level = 0
    for step, height in enumerate([*heights, 0]):
        if height != level:
            area += f"H{step}V{COURSE - height}"
            level = height
    marks = tuple((key, "".join(f"M{at} {COURSE + 3}h1v6h-1z" for at in sorted(found))) for key, found in ends.items() if found)
    began, ended = words.moment(golive["run"]["began"]), words.moment(golive["run"]["ended"])
    most = _most(spans)
    return Course(
        area=f"{area}z",
        marks=marks,
        began=began,
        ended=ended,
        most=most,
        looks=len(spans),
        label=f"{len(spans)} looks from {began.text} to {ended.text}, at most {most} at once",
    )


def _busy(spans: Iterable[tuple[int, int]], total: int) -> list[int]:
    """How much time, in `BINS`ths of a millisecond, all spans together took in each step."""
    partial = [0] * (BINS + 1)
    whole = [0] * (BINS + 1)
    for start, stop in spans:
        first, begun = divmod(start * BINS, total)
        last, done = divmod(stop * BINS, total)
        if first == last:
            partial[first] += done - begun
        else:
            partial[first] += total - begun
            partial[last] += done
            whole[first + 1] += 1
            whole[last] -= 1
    full = 0
    busy: list[int] = []
    for step in range(BINS):
        full += whole[step]
        busy.append(partial[step] + full * total)
    return busy


def _most(spans: Iterable[tuple[int, int]]) -> int:
    """How many spans were open at once; one that ends when another begins is not open with it."""
    changes = sorted(change for start, stop in spans for change in ((start, 1), (max(stop, start + 1), -1)))
    now = most = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


def slowest(golive: Mapping[str, Any], number: int) -> tuple[Slow, ...]:
    """The items whose looks took longest, the slowest first."""
    begin, total = _span(golive["run"])
    timed = [(Decimal(item["evidence"]["seconds"]), item) for item in golive["items"] if item["evidence"] is not None]
    timed.sort(key=lambda pair: -pair[0])
    slow: list[Slow] = []
    for _, item in timed[:number]:
        start, stop = _within(item["evidence"], begin, total)
        left = min(start * SPAN // total, SPAN - 4)
        length = max(4, stop * SPAN // total - left)
        slow.append(
            Slow(
                anchor=words.anchor("item", item["id"]),
                title=short(item["title"], 300),
                seconds=item["evidence"]["seconds"],
                start=left,
                length=length,
            )
        )
    return tuple(slow)


def _span(run: Mapping[str, Any]) -> tuple[datetime, int]:
    """When a run began, and how many milliseconds it took, at least one."""
    begin = datetime.fromisoformat(run["began"])
    return begin, max(1, (datetime.fromisoformat(run["ended"]) - begin) // timedelta(milliseconds=1))


def _within(evidence: Mapping[str, Any], begin: datetime, total: int) -> tuple[int, int]:
    """From when to when a look was taken, in milliseconds of the run; a clock that was moved does not lead out of it."""
    start = (datetime.fromisoformat(evidence["began"]) - begin) // timedelta(milliseconds=1)
    return min(max(start, 0), total), min(max(start + _ms(evidence["seconds"]), 0), total)


def _look(evidence: Mapping[str, Any]) -> _Look:
    return evidence["began"], evidence["seconds"], evidence["sha256"]


def _ms(seconds: str) -> int:
    return max(0, int(Decimal(seconds) * 1_000))


def _seconds(took: int) -> str:
    return f"{took // 1_000}.{took % 1_000 // 100}"
