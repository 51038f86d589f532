"""A short text in which a regular expression is found: what a list forbids must be shown to be noticed when it is there."""

from __future__ import annotations

import re
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

_CLASSES = {codes.CATEGORY_DIGIT: "0", codes.CATEGORY_SPACE: " ", codes.CATEGORY_WORD: "a"}
_NEGATED = {codes.CATEGORY_NOT_DIGIT: "a", codes.CATEGORY_NOT_SPACE: "a", codes.CATEGORY_NOT_WORD: "-"}
_LETTERS = [chr(number) for number in (*range(97, 123), *range(65, 91), *range(48, 58), *range(33, 48), 32, 10)]


def sample(pattern: str) -> str:
    """The text; ValueError if none was found, for look-arounds and back-references are not followed."""
    text = _texts(parser.parse(pattern))
    if re.search(pattern, text) is None:
        raise ValueError(f"no text was found in which {pattern!r} is found")
    return text


def _texts(parts: Any) -> str:
    return "".join(_text(code, argument) for code, argument in parts)


def _text(code: Any, argument: Any) -> str:
    if code is codes.LITERAL:
        return chr(argument)
    if code is codes.NOT_LITERAL:
        return next(letter for letter in _LETTERS if ord(letter) != argument)
    if code is codes.ANY:
        return "a"
    if code is codes.IN:
        return _one_of(argument)
    if code is codes.BRANCH:
        return _texts(argument[1][0])
    if code is codes.SUBPATTERN:
        return _texts(argument[3])
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        least, _, repeated = argument
        return _texts(repeated) * int(least)
    if code is codes.ATOMIC_GROUP:
        return _texts(argument)
    return ""


def _one_of(members: Any) -> str:
    negated = members[0][0] is codes.NEGATE
    if not negated:
        code, argument = members[0]
        if code is codes.LITERAL:
            return chr(argument)
        if code is codes.RANGE:
            return chr(argument[0])
        return {**_CLASSES, **_NEGATED}[argument]
    return next(letter for letter in _LETTERS if not any(_is_in(letter, code, argument) for code, argument in members[1:]))


def _is_in(letter: str, code: Any, argument: Any) -> bool:
    if code is codes.LITERAL:
        return ord(letter) == int(argument)
    if code is codes.RANGE:
        return int(argument[0]) <= ord(letter) <= int(argument[1])
    word = letter.isalnum() or letter == "_"
    members: dict[Any, bool] = {
        codes.CATEGORY_DIGIT: letter.isdigit(),
        codes.CATEGORY_NOT_DIGIT: not letter.isdigit(),
        codes.CATEGORY_SPACE: letter.isspace(),
        codes.CATEGORY_NOT_SPACE: not letter.isspace(),
        codes.CATEGORY_WORD: word,
        codes.CATEGORY_NOT_WORD: not word,
    }
    return members[argument]
