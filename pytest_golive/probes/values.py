"""Text of a variable to a typed value, and what may be said of a secret without saying it.

Shared by the kinds that read variables, so that `true`, `0.20` and `10s` mean the same wherever they stand.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Literal

from pytest_golive.probes.base import decimal_seconds
from pytest_golive.quantities import seconds

As = Literal["text", "integer", "decimal", "boolean", "list", "duration"]
"""How the text of a variable is read."""

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_INTEGER = re.compile(r"[-+]?[0-9]{1,400}\Z")
_DECIMAL = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?\Z")
_PLACEHOLDER = re.compile(
    r"(?:change[-_ ]?(?:me|it|this)|replace[-_ ]?(?:me|this|with)|(?:put|insert|enter|add|set)[-_ ]|your[-_ ]|"
    r"my[-_ ]?(?:secret|key|token|pass)|"
    r"todo|tbd|fixme|example|sample|dummy|fake|mock|placeholder|default|test|demo|foo|bar|none|null|nil|n/?a|undefined|"
    r"secret|password|passwd|admin|token|api[-_ ]?key|qwerty|letmein|abc|123)",
    re.I,
)
_WHOLE = re.compile(r"<.*>|\{\{.*\}\}|\$\{.*\}|\$\(.*\)|\[.*\]|%.*%|\.{2,}|…|-+|\*+|_+|\?+")


def typed(text: str, as_: As) -> tuple[bool, Any]:
    """Whether the text can be read so, and the value."""
    if as_ == "text":
        return True, text
    if as_ == "list":
        return True, [part.strip() for part in text.split(",")] if text.strip() else []
    if text != text.strip():
        return False, None
    if as_ == "boolean":
        word = text.lower()
        return word in _TRUE or word in _FALSE, word in _TRUE
    if as_ == "integer":
        return (True, int(text)) if _INTEGER.match(text) else (False, None)
    if as_ == "decimal":
        return (True, Decimal(text)) if _DECIMAL.match(text) else (False, None)
    try:
        return True, decimal_seconds(seconds(text))
    except ValueError:
        return False, None


def surrounded(text: str) -> bool:
    """Whether white space or a pair of quotes stands around the text, and so became part of the value."""
    return text != text.strip() or (len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`")


def placeholder(text: str) -> bool:
    """Whether a secret is obviously none: a word out of a template, one character repeated, or nothing."""
    bare = text.strip().strip("\"'`")
    if not bare or len(set(bare)) == 1 or _WHOLE.fullmatch(bare):
        return True
    found = _PLACEHOLDER.match(bare)
    if found is None:
        return False
    rest = bare[found.end() :]
    return len(rest) < 16 or not re.search(r"[0-9]", rest) or not re.search(r"[a-zA-Z]", rest)


def told(text: str, as_: As, secret: bool) -> dict[str, Any]:
    """The facts about a variable that is set: its value, or for a secret what may be said of it."""
    readable, value = typed(text, as_)
    facts: dict[str, Any] = {"set": True, "surrounded": surrounded(text)}
    if secret:
        facts |= {"length": len(text), "placeholder": placeholder(text), "withheld": True}
    elif readable:
        facts["value"] = value
    if not readable:
        facts["unparsable"] = True
    return facts
