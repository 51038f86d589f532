"""Sources that must say the same: mode, stop, balance, each seen in two places by two ways.

One source can lie, or be a constant. So each is looked at by a kind of its own, through the same door as every item, and one
that cannot be read is an error that names it: a comparison with nothing always agrees.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, InstanceOf, ValidationError, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from pytest_golive import probes
from pytest_golive.errors import MissingExtra, ProbeError
from pytest_golive.expect.grammar import compile_path
from pytest_golive.expect.paths import Missing, PathFault
from pytest_golive.expect.values import REDACTED, described, identity
from pytest_golive.model import Context, Facts
from pytest_golive.probes.base import Lane, ProbeModel, Text
from pytest_golive.probes.values import typed
from pytest_golive.redaction import Redactor

_BESIDE = ("value", "map")
_ALONE = ("agree", "all_of", "attestation")
_PLACES = Decimal("1e-12")


class Source(BaseModel):
    """One place to look: a probe of any kind, the path of the value in its facts, and what its words mean."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: str
    probe: InstanceOf[ProbeModel]
    value: Text
    map: dict[str, Any] | None = None

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """As it is written, for editors."""
        return {"type": "object", "required": ["value"], "minProperties": 2, "maxProperties": 3}

    @model_validator(mode="before")
    @classmethod
    def _written(cls, raw: Any) -> Any:
        """From `{http: {…}, value: …}`; faults of the nested kind keep their place."""
        if not isinstance(raw, Mapping):
            raise ValueError("must be a mapping of a kind and a value")  # noqa: TRY004 - pydantic collects it
        if isinstance(raw.get("probe"), ProbeModel):
            return raw
        words = [key for key in raw if key not in _BESIDE]
        if len(words) != 1:
            raise ValueError("must have exactly one kind beside value and map")
        word = words[0]
        if word not in probes.KINDS or word in _ALONE:
            raise ValueError(f"{word!r} is no kind that can stand here")
        if "value" not in raw:
            raise ValueError("needs a value: the path of what is compared")
        try:
            probe = probes.kind(word).model_validate(raw[word])
        except ValidationError as error:
            raise _below(word, error) from None
        try:
            compile_path(str(raw["value"]))
        except PathFault as fault:
            raise ValueError(f"value: {fault}") from None
        return {"kind": word, "probe": probe, **{key: raw[key] for key in _BESIDE if key in raw}}


def _below(word: str, error: ValidationError) -> ValidationError:
    faults: list[InitErrorDetails] = []
    for fault in error.errors(include_url=False, include_context=False):
        message = fault["msg"].replace("{", "{{").replace("}", "}}")
        faults.append({"type": PydanticCustomError(fault["type"], message), "loc": (word, *fault["loc"]), "input": None})
    return ValidationError.from_exception_data("source", faults)


class Agree(ProbeModel):
    """Do these sources say the same?

    ```yaml
    agree:
      sources:
        api: {http: {url: "${api}/mode"}, value: body.mode}
        ledger: {sql: {url: "${ledger}", query: "select mode from state"}, value: "rows[0].mode"}
        switch: {dotenv: {path: "${env_file}", name: DRY_RUN, as: boolean}, value: value, map: {"true": PAPER, "false": LIVE}}
      ignore_case: true
    expect: {distinct: 1, values.api: PAPER}
    ```

    A source is any kind that looks for itself, and the path of one value in its facts. `map` gives each text that may be
    found there a meaning; one that is not in it is an error. `as` reads texts as decimal, integer or boolean before they
    are compared, so that `"0.20"` and 0.2 are the same. The sources are looked at one after the other within the item's
    timeout. A source that cannot be read, a value that is missing or redacted, and one of another type than `as` are errors
    that name the source.

    Facts: `values` (name to value), `distinct` (number of different ones, by type too); of numbers `difference` (largest
    minus smallest) and `spread` (that, as a part of the largest amount; 0 if all are 0), so that 1 % is
    `{spread: {le: "0.01"}}`.
    """

    word: ClassVar[str] = "agree"
    lane: ClassVar[Lane] = "process"

    sources: Annotated[dict[Text, Source], Field(min_length=2)]
    as_: Literal["decimal", "integer", "boolean"] | None = Field(default=None, alias="as")
    ignore_case: bool = False

    @model_validator(mode="after")
    def _looks_differ(self) -> Agree:
        for (one, first), (other, second) in itertools.combinations(self.sources.items(), 2):
            if (first.kind, first.value, probes.likeness(first.probe)) == (
                second.kind,
                second.value,
                probes.likeness(second.probe),
            ):
                raise ValueError(f"{one!r} and {other!r} are the same look, which always agrees with itself")
        return self

    def beside(self, folder: Path) -> Agree:
        """These sources, each told in which folder the checklist lies."""
        told = {
            name: source.model_copy(update={"probe": probes.bound(source.probe, folder=folder, item="")})
            for name, source in self.sources.items()
        }
        return self.model_copy(update={"sources": told})

    def secrets(self, context: Context) -> Iterable[str]:
        return [value for source in self.sources.values() for value in source.probe.secrets(context)]

    def look(self, context: Context) -> Facts:
        values = {name: self._value(name, source, context) for name, source in self.sources.items()}
        seen = {identity(value.casefold() if self.ignore_case and isinstance(value, str) else value) for value in values.values()}
        facts: dict[str, Any] = {"values": values, "distinct": len(seen)}
        numbers = [value for value in values.values() if isinstance(value, (int, Decimal)) and not isinstance(value, bool)]
        if len(numbers) == len(values):
            difference = Decimal(max(numbers)) - Decimal(min(numbers))
            largest = max(abs(Decimal(number)) for number in numbers)
            facts["difference"] = difference
            facts["spread"] = (difference / largest).quantize(_PLACES).normalize() if largest else Decimal(0)
        return facts

    def _value(self, name: str, source: Source, context: Context) -> Any:
        """What one source says; every way in which it says nothing is an error with its name."""
        try:
            facts = probes.observe(source.probe, context, Redactor()).facts
            value = compile_path(source.value).select(facts)
        except MissingExtra:
            raise
        except ProbeError as error:
            raise ProbeError(f"the source {name!r} cannot be read: {error.message}", hint=error.hint) from None
        except Missing as missing:
            raise ProbeError(f"the source {name!r} has no {source.value}: {missing}", hint="correct value, or see why") from None
        if REDACTED in str(value):
            raise ProbeError(
                f"the value of the source {name!r} is a secret, which is not compared", hint="compare something else"
            )
        if isinstance(value, (Mapping, list, tuple)) or value is None:
            raise ProbeError(f"the value of the source {name!r} is {described(value)}", hint="name one text, number or boolean")
        if source.map is not None:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if text not in source.map:
                known = ", ".join(source.map)
                raise ProbeError(f"the source {name!r} says {text!r}, which is none of: {known}", hint="see what it means")
            value = source.map[text]
        return value if self.as_ is None else _read(name, value, self.as_)


def _read(name: str, value: Any, as_: Literal["decimal", "integer", "boolean"]) -> Any:
    if isinstance(value, str):
        can, read = typed(value, as_)
        if can:
            return read
    elif isinstance(value, bool):
        if as_ == "boolean":
            return value
    elif as_ == "decimal" or (as_ == "integer" and value == int(value)):
        return value
    raise ProbeError(f"the source {name!r} says {described(value)}, which is no {as_}", hint="correct as, or see the source")
