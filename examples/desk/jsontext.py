"""JSON with exact numbers: a Decimal is written as a number with just its own digits, and read back as one.

The standard encoder knows binary floats only, and 0.1 of a coin must not become 0.1000000000000000055.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from examples.desk.clock import iso


def dumps(value: Any) -> str:
    """The value as one line of JSON; TypeError for a float or anything else that has no exact form."""
    if value is None or isinstance(value, (bool, str)):
        return json.dumps(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime):
        return json.dumps(iso(value))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(str(key))}: {dumps(part)}" for key, part in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(dumps(part) for part in value) + "]"
    raise TypeError(f"{type(value).__name__} has no exact form in JSON")


def loads(text: str | bytes) -> Any:
    """The value in the text, fractions as Decimal; ValueError if it is not JSON (NaN and Infinity are not)."""
    return json.loads(text, parse_float=Decimal, parse_constant=_refuse)


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not a number")
