"""The JSON Schema of `expect`, for editors: it completes operators and marks most slips while they are typed.

The compiler is stricter (paths, patterns, contradictions); whatever it accepts, this accepts.
"""

from __future__ import annotations

from typing import Any

from pytest_golive.expect.amounts import ORDER
from pytest_golive.expect.comparing import KINDS

_VARIABLE = {"type": "string", "pattern": r"^\$\{[^{}]+\}$"}
_NUMBER = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^[-+]?[0-9.]+([eE][-+]?[0-9]+)?$"}, _VARIABLE]}
_DURATION = {"anyOf": [{"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$"}, _VARIABLE]}
_LENGTH = {"anyOf": [{"type": "integer", "minimum": 0}, _VARIABLE]}
_SCALAR = {"type": ["string", "number", "boolean", "null", "array"]}
_ANY: dict[str, Any] = {}
_TEXT = {"type": "string", "minLength": 1}
_SOME = {"type": "array", "minItems": 1}
_CONTAINED = {"anyOf": [{"type": ["number", "boolean", "null", "object"]}, _TEXT, _SOME]}
_NESTED = {"$ref": "#/$defs/operators"}


def _amounts(bound: dict[str, Any], **beside: Any) -> dict[str, Any]:
    words: dict[str, Any] = dict.fromkeys((*ORDER, "eq", "ne"), bound)
    words |= {word: {"type": "array", "items": bound, "minItems": 1} for word in ("in", "not_in")}
    words["between"] = {"type": "array", "items": bound, "minItems": 2, "maxItems": 2}
    return {"type": "object", "properties": words | beside, "additionalProperties": False, "minProperties": 1}


def _or_scalar(bound: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [bound, _amounts(bound)]}


_SUM = _or_scalar(_NUMBER)

_OPERATORS: dict[str, Any] = {
    **dict.fromkeys(("eq", "ne"), _ANY),
    **dict.fromkeys(ORDER, _NUMBER),
    "between": {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2},
    **dict.fromkeys(("in", "not_in"), _SOME),
    **dict.fromkeys(("matches", "not_matches", "starts_with", "ends_with"), _TEXT),
    **dict.fromkeys(("contains", "not_contains"), _CONTAINED),
    "len": _or_scalar(_LENGTH),
    **dict.fromkeys(("sum", "min", "max"), _SUM),
    **dict.fromkeys(("all", "any", "none"), _NESTED),
    "unique": {"const": True},
    "allow_empty": {"const": True},
    "age": _amounts(_DURATION, future=_DURATION),
    "absent": {"const": True},
    "version": _TEXT,
    "is": {"enum": [*KINDS, None]},
}

SCHEMA: dict[str, Any] = {
    "title": "expect",
    "description": "Path -> scalar (equality, with type) or operators, all of which must hold.",
    "type": "object",
    "minProperties": 1,
    "additionalProperties": _NESTED,
    "$defs": {
        "operators": {
            "anyOf": [
                _SCALAR,
                {"type": "object", "properties": _OPERATORS, "additionalProperties": False, "minProperties": 1},
            ]
        }
    },
}
"""Whoever embeds it into a larger schema hoists `$defs.operators` to the root."""
