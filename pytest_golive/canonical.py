"""One value, one byte string: canonical JSON and its digest, so that what is signed can be compared.

Keys are sorted, there is no white space and the text is ASCII. A Decimal is written `{"$decimal": "0.20"}`, because a JSON
number would come back as a binary float; a date and time is its ISO 8601 text. No record that is signed holds a float: probes and
the journal refuse them, and NaN is refused here.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no canonical form")


_encoder = json.JSONEncoder(ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"), default=_plain)


def dumps(value: Any) -> bytes:
    """The canonical bytes of a JSON-like value; TypeError or ValueError for what has no exact form."""
    return _encoder.encode(value).encode("ascii")


def sha256(data: bytes) -> str:
    """The digest in lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest(value: Any) -> str:
    """The sha256 of the canonical bytes of a value."""
    return sha256(dumps(value))


def revived(mapping: dict[str, Any]) -> Any:
    """An `object_hook` for JSON: a number that was written as `{"$decimal": …}`; a mapping that only looks like one stays."""
    text = mapping.get("$decimal") if len(mapping) == 1 else None
    if not isinstance(text, str):
        return mapping
    try:
        number = Decimal(text)
    except InvalidOperation:
        return mapping
    return number if str(number) == text else mapping
