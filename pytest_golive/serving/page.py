"""The pages in HTML: what people or targets wrote is escaped, the style is allowed by its digest, and nothing is fetched."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from importlib import resources
from typing import TYPE_CHECKING, Any

from pytest_golive.quantities import spoken
from pytest_golive.report.words import short, visible
from pytest_golive.serving.halting import Stopped

if TYPE_CHECKING:
    from jinja2 import Environment

REFRESH = 5
"""Seconds after which the browser asks anew (document 000, line 124)."""
_TALL, _WIDE, _STEP = 55, 34, 40
_MAX_WHY = 240
_WORDS = {"live": "LIVE", "live-alarm": "LIVE", "stopped": "STOPPED", "blocked": "BLOCKED", "blocked-alarm": "BLOCKED"}


def status(told: Mapping[str, Any], *, armed: bool, held: bool) -> bytes:
    """The status page; `armed` if there is an emergency stop, `held` if it is not to renew itself."""
    guard = told["guard"]
    bars = _bars(told["skipped"].get("hours", ()))
    word = _WORDS[told["tone"]]
    of = "The guard permits real orders." if guard["permitted"] else f"Real trading is blocked: {guard['reason']}"
    if told["stops"]:
        of = f"By {told['stops'][0]['by']}: {short(told['stops'][0]['why'], _MAX_WHY)}"
    return _page("status.html.j2", s=told, word=word, of=of, armed=armed, held=held, refresh=REFRESH, bars=bars)


def confirmation(target: str, environment: str, once: str, *, refused: str = "", reason: str = "", operator: str = "") -> bytes:
    """The page that asks once more before it stops, and why it did not if it did not."""
    told = {"target": target, "environment": environment, "once": once, "refused": refused}
    return _page("stop.html.j2", done=None, reason=reason, operator=operator, **told)


def stopped(target: str, done: Stopped) -> bytes:
    """What became of a stop."""
    return _page("stop.html.j2", done=done, target=target)


def line(title: str, text: str, *, stop: bool = False) -> bytes:
    """One clear line about what is not possible; `stop` if the emergency stop is possible all the same."""
    return _page("line.html.j2", title=title, line=text, stop=stop)


@functools.cache
def policy() -> str:
    """What the pages may do: carry this one style, and send their form to where they came from."""
    digest = base64.b64encode(hashlib.sha256(_style().encode("utf-8")).digest()).decode("ascii")
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


def _page(name: str, **told: Any) -> bytes:
    text = _templates().get_template(name).render(style=_style(), **told)
    return visible(text).encode("ascii", "xmlcharrefreplace")


@functools.cache
def _style() -> str:
    return _text("page.css")


@functools.cache
def _templates() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    made = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_text),
    )
    made.filters.update(
        when=lambda at: at.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat(" "),
        span=lambda seconds: spoken(Decimal(max(0, seconds))),
        capitalize_first=lambda text: text[:1].upper() + text[1:],
    )
    return made


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _bars(hours: Sequence[int]) -> str:
    """One bar for each hour as an SVG path, the tallest as tall as the picture; an hour with anything in it is seen."""
    most = max(hours, default=0)
    tall = [max(2, count * _TALL // most) if count else 0 for count in hours]
    return "".join(f"M{number * _STEP + 3} {_TALL - high}h{_WIDE}v{high}h-{_WIDE}z" for number, high in enumerate(tall) if high)


def as_text(moment: object) -> str:
    """A time in JSON."""
    if isinstance(moment, datetime):
        return moment.astimezone(UTC).isoformat()
    raise TypeError(f"{type(moment).__name__} has no form in JSON")
