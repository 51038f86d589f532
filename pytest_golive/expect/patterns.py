"""Regular expressions in a checklist, kept from running for ever.

`re` backtracks, and holds every other thread while it does. So a pattern in which a repeat stands inside a repeat is refused when
the list is loaded, and at most `MAX_SEARCHED` characters are searched: a longer text is an error, never half a search. What is
left is polynomial: several repeats of the same characters in a row (`.*.*.*x`) can still be slow on one very long line. A pattern
that the empty text already satisfies is refused too, because it holds of everything.
"""

from __future__ import annotations

import re
import warnings
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

MAX_SEARCHED = 20_000
"""Characters of a text that a pattern may be searched in."""

MAX_PATTERN = 1_000
"""Characters of a pattern."""

_FEW = 4
_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT)


def compile_pattern(text: Any) -> re.Pattern[str]:
    """The compiled pattern; ValueError with what is wrong."""
    if not isinstance(text, str):
        raise ValueError("must be a regular expression, as text")  # noqa: TRY004 - one type of fault for the caller
    if len(text) > MAX_PATTERN:
        raise ValueError(f"is longer than {MAX_PATTERN} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            pattern = re.compile(text)
            tree = _parser.parse(text)
    except (re.error, RecursionError, OverflowError, Warning) as error:
        raise ValueError(f"is no regular expression: {error}") from None
    if _explosive(tree, False):
        raise ValueError("has a repeat inside a repeat, or a choice, which can take for ever: write it with one repeat")
    if pattern.search("") is not None:
        raise ValueError("is satisfied by an empty text, so it holds of everything")
    return pattern


def _explosive(tree: Any, repeated: bool) -> bool:
    """Whether a part that can match in several ways stands under a repeat of more than a few."""
    for code, argument in tree:
        if code in _REPEATS:
            low, high, body = argument
            if repeated and high != low:
                return True
            if _explosive(body, repeated or high > _FEW):
                return True
        elif code is _constants.BRANCH:
            if repeated:
                return True
            if any(_explosive(choice, repeated) for choice in argument[1]):
                return True
        elif code is _constants.GROUPREF_EXISTS:
            if repeated or any(_explosive(part, repeated) for part in argument[1:] if part is not None):
                return True
        elif isinstance(argument, tuple):
            if any(_explosive(part, repeated) for part in argument if isinstance(part, _parser.SubPattern)):
                return True
        elif isinstance(argument, _parser.SubPattern):
            if _explosive(argument, repeated):
                return True
    return False
