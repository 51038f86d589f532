"""The JSON Schema of checklist files, made from the same models that read them, so that an editor can complete and mark.

The loader is stricter: it knows variables, files, paths and contradictions. Whatever it accepts, the schema accepts, which is why
a text with a `${variable}` may stand wherever something else is wanted.
"""

from __future__ import annotations

import inspect
from typing import Any

from pydantic.json_schema import models_json_schema

from pytest_golive import expect, probes
from pytest_golive.checklist.fields import ITEM_KEYS, Defaults, Heading, ItemFields

_VARIABLE = {"type": "string", "pattern": r"\$\{[^{}]+\}"}
_MANY = ("properties", "$defs")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")


def schema() -> dict[str, Any]:
    """The schema, as JSON Schema 2020-12."""
    kinds = {word: probes.kind(word) for word in probes.KINDS}
    models: list[Any] = [ItemFields, Heading, Defaults, *kinds.values()]
    keys, combined = models_json_schema([(model, "validation") for model in models], by_alias=True)
    defs: dict[str, Any] = {name: _loose(part) for name, part in combined["$defs"].items()}
    refs = {model: keys[(model, "validation")] for model in models}
    fields = defs.pop(refs[ItemFields]["$ref"].rpartition("/")[2])
    properties: dict[str, Any] = dict(fields["properties"])
    for word, kind in kinds.items():
        properties[word] = {"anyOf": [refs[kind], _VARIABLE], "description": inspect.getdoc(kind) or ""}
    properties["expect"] = {key: part for key, part in expect.SCHEMA.items() if key != "$defs"}
    defs |= expect.SCHEMA["$defs"]
    item = {"type": "object", "properties": properties, "additionalProperties": False}
    change = item | {"properties": {**{k: v for k, v in properties.items() if k != "id"}, "reason": {"type": "string"}}}
    # owner, phase and timeout may stand under defaults
    required = sorted(set(fields["required"]) - set(Defaults.model_fields))
    assert set(fields["properties"]) == ITEM_KEYS
    texts = {"type": "array", "items": {"type": "string"}, "minItems": 1}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A go-live checklist",
        "type": "object",
        "properties": {
            "version": {"const": 1},
            "checklist": refs[Heading],
            "defaults": refs[Defaults],
            "extends": texts,
            "override": {"type": "object", "additionalProperties": {"$ref": "#/$defs/change"}, "minProperties": 1},
            "disable": {"type": "object", "additionalProperties": {"type": "string", "minLength": 1}, "minProperties": 1},
            "items": {"type": "array", "items": {"$ref": "#/$defs/item"}, "minItems": 1},
        },
        "required": ["version"],
        "anyOf": [{"required": ["checklist", "items"]}, {"required": ["extends"]}],
        "additionalProperties": False,
        "$defs": {**defs, "item": item | {"required": required, "oneOf": [{"required": [w]} for w in kinds]}, "change": change},
    }


def _loose(part: Any) -> Any:
    """The same schema, in which a variable may stand for whatever is wanted."""
    if not isinstance(part, dict):
        return part
    made: dict[str, Any] = {}
    for key, value in part.items():
        if key in _MANY:
            made[key] = {name: _open(_loose(below)) for name, below in value.items()}
        elif key in _LISTS:
            made[key] = [_loose(below) for below in value]
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            made[key] = _open(_loose(value))
        else:
            made[key] = value
    return made


def _open(part: dict[str, Any]) -> dict[str, Any]:
    beside: dict[str, Any] = {key: part[key] for key in ("title", "description", "default") if key in part}
    rest = {key: value for key, value in part.items() if key not in beside}
    plain = rest == {} or rest == {"type": "string"}
    return part if plain else {**beside, "anyOf": [*rest["anyOf"], _VARIABLE] if set(rest) == {"anyOf"} else [rest, _VARIABLE]}
