"""JSON read strictly: two equal keys, NaN, and numbers that are not exact do not pass as data."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any


def _refused(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {key!r} stands twice")
            seen.add(key)
    return mapping


_decoder = json.JSONDecoder(parse_float=Decimal, parse_constant=_refused, object_pairs_hook=_unique)


def json_value(text: str) -> Any:
    """The value of a JSON text, fractions as Decimal; ValueError, worded, for anything that is not exactly one JSON value."""
    try:
        return _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} in line {error.lineno}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
