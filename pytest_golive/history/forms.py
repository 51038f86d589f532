"""The history as one JSON object and as one HTML page, for people who have no terminal and for programs that have no journal.

The page follows the rules of the sign-off page: one file, no script, nothing fetched, its style allowed by digest, light and
dark, legible on a telephone and on paper, and everything that people wrote is escaped. Its pictures are drawn in whole numbers,
with words beside them for those who do not see them.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from importlib import resources
from typing import Any, final

from pytest_golive.history.attempts import STOOD, analysis
from pytest_golive.history.chronicle import Chronicle, Run
from pytest_golive.quantities import spoken
from pytest_golive.report.words import short, visible

WIDTH = 1_000
"""Units from the left to the right of a picture."""
NARROW = 3
"""Units of the narrowest mark, so that a stop of a second is seen."""
MAX_ROWS = 200
"""Rows of a table; what is older is counted and stands in the journal."""
SHOWN = 12
"""Attempts that are told without a click."""
_MAX_TEXT = 600


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One line of the picture of what happened when: its name, what it says in words, and marks by tone as SVG paths."""

    name: str
    told: str
    paths: Sequence[tuple[str, str]]


def as_json(told: Chronicle, remarks: Sequence[str] = ()) -> str:
    """The attempts with their analysis, the runs, rates, blockers and times without GO; exact amounts are text."""
    fields: dict[str, Any] = {
        "attempts": [dataclasses.asdict(row) for row in told.attempts],
        "analysis": analysis(told.attempts),
        "began": told.began,
        "until": told.until,
        "records": told.records,
        "head": told.head,
        "runs": [dataclasses.asdict(run) for run in told.runs],
        "rates": [dataclasses.asdict(rate) for rate in told.rates],
        "alerts": [rate.name for rate in told.alerts],
        "blockers": [dataclasses.asdict(one) for one in told.blockers],
        "unnamed": told.unnamed,
        "without_go": [dataclasses.asdict(red) for red in told.reds],
        "median_seconds_to_go": told.median_to_go,
        "also": {name: list(times) for name, times in told.also.items()},
        "remarks": list(remarks),
    }
    return json.dumps(fields, indent=1, default=_plain)


def as_html(told: Chronicle, remarks: Sequence[str], *, target: str, environment: str) -> str:
    """The page, in ASCII; the same history gives the same bytes."""
    from jinja2 import Environment, StrictUndefined

    style = _text("page.css")
    made = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    made.filters.update(when=_when, day=_day, span=_span, short=lambda text: short(text, _MAX_TEXT))
    page = made.from_string(_text("page.html.j2")).render(
        told=told,
        remarks=remarks,
        target=target,
        environment=environment,
        lanes=_lanes(told),
        most=max((one.runs for one in told.blockers), default=1),
        limit=MAX_ROWS,
        shown=SHOWN,
        stood=STOOD,
        style=style,
        digest=base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii"),
    )
    return visible(page).encode("ascii", "xmlcharrefreplace").decode("ascii")


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _lanes(told: Chronicle) -> list[Lane]:
    """What happened when, on one scale of time for all lanes."""
    if told.began is None:
        return []
    scale = _Scale(told.began, told.until)
    deciding = [run for run in told.runs if run.decides]
    bars = [
        (datetime.fromisoformat(row.at), datetime.fromisoformat(row.ended_at) if row.ended_at else told.until)
        for row in told.attempts
        if row.outcome in STOOD
    ]
    refused = [datetime.fromisoformat(row.at) for row in told.attempts if row.outcome not in STOOD]
    stops = [moment for name in ("stopped", "deactivated", "rolled-back", "break-glass") for moment in told.also[name]]
    good = [run for run in deciding if run.passed]
    return [
        Lane(
            name="Runs",
            told=f"{len(good)} of {len(deciding)} passed; what passed stands above the line, what did not hangs below it",
            paths=(
                ("ok", _marks(scale, (run.at for run in good), 2, 16)),
                ("bad", _marks(scale, (run.at for run in _red(deciding)), 20, 16)),
            ),
        ),
        Lane(
            name="Active",
            told=f"{len(bars)} activations, {len(refused)} attempts refused or failed (below the line)",
            paths=(
                ("ok", "".join(scale.bar(began, ended, 2, 16) for began, ended in bars)),
                ("bad", _marks(scale, refused, 20, 16)),
            ),
        ),
        Lane(
            name="Stops",
            told=f"{len(stops)} stops, withdrawals, rollbacks and broken glasses",
            paths=(("warn", _marks(scale, stops, 10, 16)),),
        ),
    ]


def _red(runs: Iterable[Run]) -> Iterable[Run]:
    return (run for run in runs if not run.passed)


def _marks(scale: _Scale, moments: Iterable[datetime], top: int, tall: int) -> str:
    """One mark for each place in the picture, however many moments fall upon it."""
    return "".join(f"M{left} {top}h{NARROW}v{tall}h-{NARROW}z" for left in dict.fromkeys(map(scale.left, moments)))


@final
class _Scale:
    """Moments to units from the left, with room for a mark at the right end."""

    def __init__(self, began: datetime, until: datetime) -> None:
        self._began = began
        self._seconds = max(1, int((until - began).total_seconds()))

    def left(self, moment: datetime) -> int:
        seconds = min(max(0, int((moment - self._began).total_seconds())), self._seconds)
        return seconds * (WIDTH - NARROW) // self._seconds

    def bar(self, began: datetime, ended: datetime, top: int, tall: int) -> str:
        left = self.left(began)
        wide = max(NARROW, self.left(ended) - left)
        return f"M{left} {top}h{wide}v{tall}h-{wide}z"


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _when(moment: datetime | str) -> str:
    found = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return found.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat(" ")


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).date().isoformat()


def _span(seconds: int) -> str:
    return spoken(Decimal(seconds))
