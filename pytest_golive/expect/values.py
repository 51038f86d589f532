"""Values as an expectation sees them: six kinds, equality that respects them, and a short text of any of them.

The kinds are strict because a loose comparison is how a gate says yes to the wrong thing: `True` is not 1, the text `"200"` is
not the number 200, and null is a value of its own. Only whole numbers and Decimals are of one kind.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from decimal import Decimal
from typing import Any

REDACTED = "[redacted]"
"""What stands in place of a secret. It is never compared: nobody knows what stood there."""

_HIDDEN = "a redacted value, which nobody can compare"

MAX_SHOWN = 200
"""Characters of a value that are shown."""

_KINDS: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "number",
    Decimal: "number",
    str: "text",
    list: "list",
    tuple: "list",
    dict: "mapping",
}
_BASES: tuple[tuple[Any, str], ...] = (
    ((int, Decimal), "number"),
    (str, "text"),
    ((list, tuple), "list"),
    (Mapping, "mapping"),
)
_WITH_ARTICLE = {"boolean": "a boolean", "number": "a number", "list": "a list", "mapping": "a mapping"}
_AMBIGUOUS = re.compile(r"[-+.0-9\[{\"'].*|(?:null|true|false|~)|.*(?:\s|: .*)|\s.*", re.I | re.S)
_MARGIN = 40
_DEEPEST_SHOWN = 3
_LARGEST_SHOWN = 10**100


class Undecidable(Exception):
    """It cannot be told whether the operator holds; the text completes `found …`."""


def kind(value: Any) -> str:
    """null, boolean, number, text, list, mapping, or `other` for what is not JSON-like (floats too)."""
    known = _KINDS.get(type(value))
    if known is not None:
        return known
    return next((word for base, word in _BASES if isinstance(value, base)), "other")


def finite(value: Any) -> bool:
    """Whether a number can be compared: NaN and infinity cannot."""
    return not isinstance(value, Decimal) or value.is_finite()


def equal(wanted: Any, found: Any) -> bool:
    """Equality with type, through lists and mappings; `Undecidable` if what was found cannot be compared at all."""
    what, other = kind(found), kind(wanted)
    if what == "text":
        if found == REDACTED:
            raise Undecidable(_HIDDEN)
        return other == "text" and bool(found == wanted)
    if what == "other" or (what == "number" and not finite(found)):
        raise Undecidable(f"{shown(found)}, which cannot be compared")
    if what != other:
        return False
    if what == "list":
        return len(wanted) == len(found) and all(equal(a, b) for a, b in zip(wanted, found, strict=True))
    if what == "mapping":
        return len(wanted) == len(found) and all(key in found and equal(part, found[key]) for key, part in wanted.items())
    return bool(found == wanted)


def number(value: Any) -> Any:
    """The value if it is a finite number; `Undecidable` for anything else, a text of digits too."""
    if kind(value) != "number":
        raise Undecidable(f"{described(value)}, which is not a number")
    if not finite(value):
        raise Undecidable(f"{value}, which cannot be compared")
    return value


def plain_text(value: Any) -> str:
    """The value if it is text that was not redacted; `Undecidable` for anything else."""
    if not isinstance(value, str):
        raise Undecidable(f"{described(value)}, which is not text")
    if value == REDACTED:
        raise Undecidable(_HIDDEN)
    return value


def identity(value: Any) -> Hashable:
    """Something hashable that is equal exactly for values that are `equal`; `Undecidable` for what cannot be compared."""
    what = kind(value)
    if what == "list":
        return ("list", tuple(identity(part) for part in value))
    if what == "mapping":
        return ("mapping", frozenset((key, identity(part)) for key, part in value.items()))
    equal(None, value)
    return (what, value)


def described(value: Any) -> str:
    """The value with its kind before it where that is not plain to see: `the text 5`, `null`, `a list of 3`."""
    what = kind(value)
    if what == "text":
        return "a redacted value" if value == REDACTED else f'the text "{_clean(value)}"'
    if what in ("list", "mapping"):
        return f"{_WITH_ARTICLE[what]} of {len(value)}"
    return f"{_WITH_ARTICLE[what]} ({shown(value)})" if what in _WITH_ARTICLE else shown(value)


def shown(value: Any, depth: int = 0) -> str:
    """One line of about 200 characters at most; quotes a text that could be read as something else."""
    what = kind(value)
    if what == "text":
        text = _clean(value)
        return f'"{text}"' if not text or _AMBIGUOUS.fullmatch(text) else text
    if what == "number":
        if isinstance(value, int):
            return str(int(value)) if abs(value) < _LARGEST_SHOWN else f"a whole number of {value.bit_length()} bits"
        return _clean(str(value))
    if what == "boolean":
        return "true" if value else "false"
    if what == "null":
        return "null"
    if what == "other":
        return f"a {type(value).__name__}, which is not JSON-like"
    if depth > _DEEPEST_SHOWN:
        return described(value)
    if what == "list":
        return f"[{_listed(value, (shown(part, depth + 1) for part in value))}]"
    return f"{{{_listed(value, (f'{_clean(str(key))}: {shown(part, depth + 1)}' for key, part in value.items()))}}}"


def _listed(value: Any, texts: Iterable[str]) -> str:
    parts: list[str] = []
    room = MAX_SHOWN - _MARGIN
    for text in texts:
        room -= len(text) + 2
        if room < 0 and parts:
            parts.append(f"… {len(value) - len(parts)} more")
            break
        parts.append(text)
    return ", ".join(parts)


def _clean(text: str) -> str:
    """The text as one printable line; what does not fit is counted."""
    if len(text) <= MAX_SHOWN and text.isprintable():
        return text
    out: list[str] = []
    room, mark = MAX_SHOWN, 0
    for kept, char in enumerate(text[: MAX_SHOWN + 1], 1):
        piece = char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        room -= len(piece)
        if room < 0:
            return f"{''.join(out[:mark])}… ({len(text) - mark} more characters)"
        out.append(piece)
        mark = kept if room >= _MARGIN else mark
    return "".join(out)
