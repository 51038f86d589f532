"""Aggregation: documents through stages, each a pure function; and the projection that `find` shares with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bson import Decimal128

from examples.desk.docstore.matching import MISSING, Document, Refused, matches, ordered, reach, standing


def aggregated(documents: Iterable[Document], stages: Iterable[Document]) -> list[Document]:
    """What is left of the documents after the stages `$match $sort $skip $limit $project $count $group`."""
    flow = list(documents)
    for stage in stages:
        if len(stage) != 1:
            raise Refused("a stage has exactly one field", 40323)
        (name, wish), *_ = stage.items()
        match name:
            case "$match":
                flow = [each for each in flow if matches(each, wish)]
            case "$sort":
                flow = ordered(flow, wish)
            case "$skip":
                flow = flow[wish:]
            case "$limit":
                flow = flow[:wish]
            case "$project":
                flow = [projected(each, wish) for each in flow]
            case "$count":
                flow = [{wish: len(flow)}] if flow else []
            case "$group":
                flow = _grouped(flow, wish)
            case _:
                raise Refused(f"unrecognized pipeline stage name: {name}", 40324)
    return flow


def projected(document: Document, wish: Document | None) -> Document:
    """The document with just the top-level fields that are asked for, or without those that are not wanted."""
    if not wish:
        return document
    for path, value in wish.items():
        if "." in path or not (isinstance(value, (bool, int))):
            raise Refused("a projection names top-level fields with 0 or 1", 31249)
    keeps = {path for path, value in wish.items() if value}
    drops = set(wish) - keeps
    if keeps - {"_id"}:
        if drops - {"_id"}:
            raise Refused("a projection either includes or excludes", 31254)
        keeps |= {"_id"} - drops
        return {name: value for name, value in document.items() if name in keeps}
    return {name: value for name, value in document.items() if name not in drops}


def _grouped(documents: list[Document], wish: Document) -> list[Document]:
    if "_id" not in wish:
        raise Refused("a group specification must include an _id", 15955)
    groups: dict[Any, tuple[Any, list[Document]]] = {}
    for each in documents:
        key = _value(each, wish["_id"])
        groups.setdefault(standing(key), (None if key is MISSING else key, []))[1].append(each)
    told = []
    for key, members in groups.values():
        row = {"_id": key}
        for name, accumulator in wish.items():
            if name != "_id":
                row[name] = _accumulated(members, accumulator)
        told.append(row)
    return told


def _accumulated(members: list[Document], accumulator: Document) -> Any:
    (name, expression), *_ = accumulator.items()
    if name == "$count":
        return len(members)
    values = [value for each in members if (value := _value(each, expression)) is not MISSING]
    numbers = [each for each in values if isinstance(each, (int, float, Decimal128)) and not isinstance(each, bool)]
    match name:
        case "$sum":
            return _sum(numbers)
        case "$avg":
            total = _sum(numbers)
            if not numbers:
                return None
            return Decimal128(total.to_decimal() / len(numbers)) if isinstance(total, Decimal128) else total / len(numbers)
        case "$min":
            return min((each for each in values if each is not None), key=standing, default=None)
        case "$max":
            return max((each for each in values if each is not None), key=standing, default=None)
        case "$first":
            return values[0] if values else None
        case "$last":
            return values[-1] if values else None
        case "$push":
            return values
        case "$addToSet":
            return list({standing(each): each for each in values}.values())
    raise Refused(f"unknown group operator {name}", 15952)


def _sum(numbers: list[Any]) -> Any:
    if any(isinstance(each, Decimal128) for each in numbers):
        return Decimal128(sum(standing(each)[2] for each in numbers))
    return sum(numbers)


def _value(document: Document, expression: Any) -> Any:
    """What an expression says of a document: `$path`, a mapping of expressions, or itself."""
    if isinstance(expression, str) and expression.startswith("$"):
        return next(reach(document, expression[1:].split(".")), MISSING)
    if isinstance(expression, Mapping):
        if next(iter(expression), "").startswith("$"):
            raise Refused(f"unrecognized expression '{next(iter(expression))}'", 168)
        return {name: _value(document, part) for name, part in expression.items()}
    return expression
