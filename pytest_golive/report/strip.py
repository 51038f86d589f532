"""The strip at the top of the page: one tick per item, so that a reader sees the whole list at a glance.

What is wrong stands taller than what is right, so that the strip says the same without colours. All ticks of one section are one
path, which keeps ten thousand items as cheap as ten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import final

HEIGHT = 20
_TOPS: Mapping[str, int] = {"blocking": 0, "unchecked": 0, "warnings": 5, "waived": 8}
_LOW = 11
_MIN_WIDTH = 24
_MAX_APART = 150
_MAX_RUNS = 600


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """Ticks of a strip that is `width` units wide: per section the path that draws its items."""

    width: int
    paths: Sequence[tuple[str, str]]


def draw(order: Sequence[str], sections: Sequence[str]) -> Strip:
    """The strip of items whose sections are named in `order`; the gravest section is drawn last, over its neighbours."""
    if len(order) <= _MAX_APART:
        runs = [(key, 1) for key in order]
        gap = 0.25
    else:
        runs = _runs(order)
        if len(runs) > _MAX_RUNS:
            runs = _runs(sorted(order, key=sections.index))
        gap = 0.0
    paths: dict[str, list[str]] = {key: [] for key in reversed(sections)}
    at = 0
    for key, length in runs:
        top = _TOPS.get(key, _LOW)
        paths[key].append(f"M{at} {top}h{length - gap:g}V{HEIGHT}H{at}z")
        at += length
    # a short list keeps small ticks instead of a few bars
    return Strip(width=max(_MIN_WIDTH, at), paths=tuple((key, "".join(path)) for key, path in paths.items() if path))


def _runs(order: Sequence[str]) -> list[tuple[str, int]]:
    return [(key, len(list(run))) for key, run in groupby(order)]
