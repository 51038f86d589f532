"""What every probe is: a frozen pydantic model whose fields are the YAML keys, with one method that looks.

Also the few types and limits that several kinds share, so that `10s`, a pattern and a cut text mean the same everywhere.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from pytest_golive.model import Context, Facts
from pytest_golive.quantities import seconds

TEXT_LIMIT = 16_000
"""Characters of free text (a page, an output) that are kept as evidence."""

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_SECRET_NAME = re.compile(
    r"pass(?:w|phrase|$|_)|secret|token|api_?key|private|credential|dsn|auth|cookie|signature|(?:^|[_-])key(?:$|[_-])",
    re.IGNORECASE,
)


Lane = Literal["local", "process", "remote"]
"""What a probe costs while it looks: it reads this machine's files, it starts a process, or it waits for somebody's answer."""


class ProbeModel(BaseModel):
    """The base of all kinds: unknown keys are refused, values are not converted, and nothing changes after loading."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    word: ClassVar[str] = ""
    lane: ClassVar[Lane] = "remote"

    @abstractmethod
    def look(self, context: Context) -> Facts:
        """The facts seen now, unredacted; `ProbeError` if they cannot be seen."""

    def secrets(self, context: Context) -> Iterable[str]:
        """Secret values that this probe uses and that may therefore come back in what it sees."""
        return ()


def _duration(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("a duration is written with its unit, such as 10s, 5m or 2h")  # noqa: TRY004 - pydantic collects ValueError
    return seconds(value)


def _port(value: Any) -> Any:
    # an address that comes from the environment is text, also where it is a number
    return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,5}", value) else value


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return value


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    if "\x00" in value:
        raise ValueError("must not hold a NUL character")
    return value


Text = Annotated[str, AfterValidator(_filled)]
"""Text that says something."""

DURATION_SCHEMA = WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$"})
"""How a duration is written, for editors."""

Duration = Annotated[float, BeforeValidator(_duration), Field(gt=0), DURATION_SCHEMA]
"""Seconds, written in YAML as `10s`."""

Pattern = Annotated[str, AfterValidator(_filled), AfterValidator(_pattern)]
"""A regular expression that compiles; it is searched for, not matched whole."""

Names = Annotated[tuple[Text, ...], Field(strict=False)]
"""A YAML list of texts."""


def distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of items; ValueError if one stands there twice."""
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"the item {name!r} stands here twice")
    return names


Port = Annotated[int, BeforeValidator(_port), Field(ge=1, le=65_535), WithJsonSchema({"type": ["integer", "string"]})]
"""A TCP port; digits out of a variable of the environment do as well."""

Size = Annotated[int, Field(gt=0, le=100_000_000)]
"""A number of bytes."""


def looks_secret(name: str) -> bool:
    """Whether a variable or header of this name usually holds a secret."""
    return _SECRET_NAME.search(name) is not None


def plain_text(text: str) -> str:
    """The text without terminal colours and other escape sequences, with line ends as LF."""
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    return text.replace("\r\n", "\n") if "\r" in text else text


def cut(text: str, limit: int = TEXT_LIMIT) -> str:
    """The text, shortened in the middle to `limit` characters, saying how many were left out."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"


def decimal_seconds(value: float) -> Decimal:
    """Seconds with three digits, exact enough to be compared and signed."""
    return Decimal(f"{value:.3f}")


def spoken(seconds_: float) -> str:
    """`10 s`, `0.5 s`: seconds as they are read."""
    return f"{seconds_:.3g} s" if seconds_ < 100 else f"{seconds_:.0f} s"
