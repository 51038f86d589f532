"""Durations and sizes as people write them, anchored at both ends, so that `1month` is never read as one minute.

A bare number is refused: whether `30` means seconds or minutes is exactly the question that ends a gate's usefulness. What is
read is exact (Decimal); `seconds` hands out the nearest float for deadlines.
"""

from __future__ import annotations

import re
from decimal import Decimal

UNITS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400)}
"""Seconds in each unit of a duration."""

SIZES = {"B": 1, "kB": 1000, "MB": 10**6, "GB": 10**9, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
"""Bytes in each unit of a size."""

LONGEST = Decimal(36525) * 86400
"""Seconds in a century; a longer duration is a slip of the pen."""

_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)\Z")
_SIZE = re.compile(r"([0-9]{1,15})(B|kB|MB|GB|KiB|MiB|GiB)\Z")


def exact_seconds(text: str) -> Decimal:
    """The seconds of a duration such as `500ms`, `10s`, `1.5h`, `30d`; ValueError for anything else."""
    match = _DURATION.match(text)
    if match is None:
        raise ValueError(f"{_shown(text)} is not a duration: write a number with ms, s, m, h or d, such as 500ms, 10s or 12h")
    value = Decimal(match[1]) * UNITS[match[2]]
    if value > LONGEST:
        raise ValueError(f"{_shown(text)} is longer than a century")
    return value


def seconds(text: str) -> float:
    """The seconds of a duration as a float, for deadlines and sleeping; ValueError for anything else."""
    return float(exact_seconds(text))


def size(text: str) -> int:
    """The bytes of a size such as `512B`, `10MB`, `1GiB`; ValueError for anything else."""
    match = _SIZE.match(text)
    if match is None:
        raise ValueError(f"{_shown(text)} is not a size: write a whole number with {', '.join(SIZES)}, such as 10MB")
    return int(match[1]) * SIZES[match[2]]


def spoken(value: Decimal) -> str:
    """Seconds as people say them, in the largest unit that leaves at least one, with one digit after the point."""
    sign, rest = ("-", -value) if value < 0 else ("", value)
    unit = next((unit for unit in ("d", "h", "m", "s") if rest >= UNITS[unit]), "ms" if rest else "s")
    number = f"{rest / UNITS[unit]:.1f}".removesuffix(".0")
    return f"{sign}{number} {unit}"


def _shown(text: str) -> str:
    return repr(text) if len(text) <= 40 else repr(text[:40]) + "…"
