"""Located YAML against a pydantic model: every fault with its place in the file and, where a word is close, a did-you-mean.

pydantic tells all faults of a value at once, by path; this room turns a path into file, line and column, and its wording
into ours.
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pytest_golive.variables import Report, closest
from pytest_golive.yaml12 import spot_of

Model = TypeVar("Model", bound=BaseModel)

_WORDS = {
    "missing": "is required",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "tuple_type": "must be a list",
}


def fit(model: type[Model], raw: Any, report: Report, where: str = "") -> Model | None:
    """The validated model, or None after every fault was reported; `where` is the name of what is being read."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_context=True):
            path = tuple(step for step in fault["loc"] if step != "[key]")
            report(spot_of(raw, path), _sentence(model, fault["type"], path, fault["msg"], where))
        return None


def _sentence(model: type[BaseModel], kind: str, path: tuple[Any, ...], message: str, where: str) -> str:
    name = ".".join(str(step) for step in path)
    full = f"{where}.{name}".strip(".") if name else where
    if kind == "extra_forbidden":
        known = _fields_at(model, path[:-1])
        allowed = f"; allowed: {', '.join(sorted(known))}" if known else ""
        near = closest(str(path[-1]), known)
        return f"unknown key {full!r}{near or allowed}"
    if kind in ("missing", "missing_argument"):
        return f"{full!r} is required"
    word = _WORDS.get(kind, message.removeprefix("Value error, ").removeprefix("Assertion failed, "))
    return f"{full!r} {word}" if kind in _WORDS else f"{full!r}: {word[:1].lower()}{word[1:]}"


def _fields_at(model: type[BaseModel], path: tuple[Any, ...]) -> tuple[str, ...]:
    """The keys that are allowed where `path` leads, as far as nested models tell."""
    current: Any = model
    for step in path:
        if not (isinstance(current, type) and issubclass(current, BaseModel)):
            return ()
        field = current.model_fields.get(str(step)) or next((f for f in current.model_fields.values() if f.alias == step), None)
        if field is None:
            return ()
        current = _model_in(field.annotation)
    if isinstance(current, type) and issubclass(current, BaseModel):
        return tuple(field.alias or name for name, field in current.model_fields.items())
    return ()


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _model_in(part)
        if found is not None:
            return found
    return None
