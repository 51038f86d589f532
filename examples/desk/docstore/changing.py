"""What becomes of a document by an update; pure, so that a change is made whole or not at all."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from bson import Decimal128, ObjectId

from examples.desk.docstore.matching import MISSING, Document, Refused, matches, standing

Change = Callable[[Any, Any], Any]


def updated(document: Document, change: Any, *, inserting: bool = False) -> dict[str, Any]:
    """The document after the change, a new one; the old one is left as it was."""
    if not isinstance(change, Mapping):
        raise Refused("an update by a pipeline is not known here")
    if not next(iter(change), "").startswith("$"):
        return {**({"_id": document["_id"]} if "_id" in document else {}), **change}
    after = copy.deepcopy(dict(document))
    for operator, fields in change.items():
        if operator == "$setOnInsert":
            if not inserting:
                continue
        elif operator not in _CHANGES:
            raise Refused(f"unknown modifier: {operator}", 9)
        for path, value in fields.items():
            _apply(after, path.split("."), _CHANGES.get(operator, _set), value)
    if "_id" in document and standing(after.get("_id", MISSING)) != standing(document["_id"]):
        raise Refused("the immutable field '_id' cannot be altered", 66)
    return after


def begun(wanted: Document, change: Any) -> dict[str, Any]:
    """The document that an update inserts when its filter finds none: what the filter says equals, then the change."""
    start: dict[str, Any] = {}
    for path, value in wanted.items():
        if path.startswith("$"):
            continue
        if isinstance(value, Mapping) and next(iter(value), "").startswith("$"):
            if "$eq" not in value:
                continue
            value = value["$eq"]
        _apply(start, path.split("."), _set, value)
    after = updated(start, change, inserting=True)
    return after if "_id" in after else {"_id": start.get("_id", ObjectId()), **after}


def _apply(holder: Any, parts: list[str], change: Change, value: Any) -> None:
    name: Any = parts[0]
    if isinstance(holder, list):
        if not name.isdigit() or int(name) >= len(holder):
            raise Refused(f"there is no element {name} to change", 28)
        name = int(name)
    elif not isinstance(holder, dict):
        raise Refused(f"there is no field {name} in a plain value", 28)
    inside = isinstance(holder, list) or name in holder
    if len(parts) > 1:
        if not inside:
            if change is _unset:
                return
            holder[name] = {}
        _apply(holder[name], parts[1:], change, value)
        return
    after = change(holder[name] if inside else MISSING, value)
    if after is not MISSING:
        holder[name] = after
    elif inside:
        del holder[name]


def _set(before: Any, value: Any) -> Any:
    return value


def _unset(before: Any, value: Any) -> Any:
    return MISSING


def _inc(before: Any, value: Any) -> Any:
    if before is MISSING:
        return value
    for each in (before, value):
        if isinstance(each, bool) or not isinstance(each, (int, float, Decimal128)):
            raise Refused("$inc needs numbers", 14)
    if isinstance(before, Decimal128) or isinstance(value, Decimal128):
        return Decimal128(standing(before)[2] + standing(value)[2])
    return before + value


def _min(before: Any, value: Any) -> Any:
    return value if before is MISSING or standing(value) < standing(before) else before


def _max(before: Any, value: Any) -> Any:
    return value if before is MISSING or standing(value) > standing(before) else before


def _list(before: Any) -> list[Any]:
    if before is MISSING:
        return []
    if not isinstance(before, list):
        raise Refused("the field must be an array", 2)
    return before


def _push(before: Any, value: Any) -> Any:
    if isinstance(value, Mapping) and "$each" in value:
        unknown = set(value) - {"$each", "$slice"}
        if unknown:
            raise Refused(f"unknown modifier of $push: {sorted(unknown)[0]}")
        after = [*_list(before), *value["$each"]]
        keep = value.get("$slice")
        return after if keep is None else after[keep:] if keep < 0 else after[:keep]
    return [*_list(before), value]


def _add(before: Any, value: Any) -> Any:
    after = list(_list(before))
    for each in value["$each"] if isinstance(value, Mapping) and "$each" in value else [value]:
        if all(standing(each) != standing(one) for one in after):
            after.append(each)
    return after


def _pull(before: Any, value: Any) -> Any:
    def goes(each: Any) -> bool:
        if isinstance(value, Mapping) and not next(iter(value), "").startswith("$"):
            return isinstance(each, Mapping) and matches(each, value)
        return matches({"it": each}, {"it": value})

    return [each for each in _list(before) if not goes(each)]


_CHANGES: Mapping[str, Change] = {
    "$set": _set,
    "$unset": _unset,
    "$inc": _inc,
    "$min": _min,
    "$max": _max,
    "$push": _push,
    "$addToSet": _add,
    "$pull": _pull,
}
