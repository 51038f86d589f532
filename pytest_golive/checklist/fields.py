"""The keys of a checklist file, as models: what is required, of which type, and which characters text may hold."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from pytest_golive import quantities
from pytest_golive.model import Phase, Severity
from pytest_golive.probes.base import DURATION_SCHEMA

ID_PATTERN = r"^[a-z0-9][a-z0-9-]{1,79}$"
DEFAULT_TIMEOUT = 10.0

_UNSEEN = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]")


def printable(text: str) -> str:
    """The text; ValueError if it holds a character that steers a terminal, or turns what is read after it around."""
    found = _UNSEEN.search(text)
    if found is not None:
        raise ValueError(f"must not hold the control character U+{ord(found[0]):04X}")
    return text


Name = Annotated[str, Field(min_length=1), AfterValidator(printable)]
Duration = Annotated[float, Field(strict=False), DURATION_SCHEMA]


def _duration(value: Any) -> Any:
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        raise ValueError("a duration needs a unit: write 500ms, 10s, 5m, 12h or 30d")  # noqa: TRY004 - pydantic collects it
    return quantities.seconds(value) if isinstance(value, str) else value


class Strict(BaseModel):
    """Unknown keys are refused, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SourceFields(Strict):
    """Which sentence of which document an item answers."""

    document: Name
    section: Name
    line: int | None = None
    note: Annotated[str, AfterValidator(printable)] = ""


class EventuallyFields(Strict):
    """How long an item may take to come true."""

    within: Duration
    every: Duration = 1.0
    stable_for: int = Field(default=1, ge=1, le=100)

    _durations = field_validator("within", "every", mode="before")(_duration)


class ItemFields(Strict):
    """The keys of an item beside its kind; the docstring of each kind in `probes/` is the manual of the rest."""

    id: str = Field(pattern=ID_PATTERN)
    title: Name
    severity: Annotated[Severity, Field(strict=False)]
    phase: Annotated[Phase, Field(strict=False)]
    owner: Name
    source: SourceFields
    covers: list[str] = Field(default_factory=list)
    why: Name
    fix: Name
    expect: dict[str, Any] = Field(min_length=1)
    for_each: dict[str, Any] | None = None
    requires: list[str] = Field(default_factory=list)
    eventually: EventuallyFields | None = None
    timeout: Duration = DEFAULT_TIMEOUT
    window: Duration | None = None
    acts: bool = False

    _durations = field_validator("timeout", "window", mode="before")(_duration)


class Heading(Strict):
    """The `checklist:` key of a file: its name, title and owner."""

    name: str = Field(pattern=ID_PATTERN)
    title: Name
    owner: Name
    document: str = ""


class Defaults(Strict):
    """Values for items that do not say them; severity is never defaulted, because it must be seen beside the item."""

    timeout: str | None = None
    owner: str | None = None
    phase: str | None = None


ITEM_KEYS = frozenset(ItemFields.model_fields)
"""What an item may say beside its kind."""
