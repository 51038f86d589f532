"""Reading what an exchange answers: every field that is needed must be there and be what it should, or nothing is believed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, final

from pytest_golive.errors import ProbeError
from pytest_golive.probes.base import cut

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")
_HINT = "see the exchange's own documentation of this call, and whether the address is that of the exchange"


class Refusal(ProbeError):
    """The exchange did not accept the key or its signature; only the probe itself tells this from other errors."""


@final
class Answer:
    """A JSON value out of an exchange's answer, with the way that led to it, for errors that name the field."""

    def __init__(self, value: Any, venue: str, path: str = "") -> None:
        self.value = value
        self._venue = venue
        self._path = path

    def __contains__(self, name: str) -> bool:
        return isinstance(self.value, Mapping) and self.value.get(name) is not None

    def __getitem__(self, name: str | int) -> Answer:
        """A field that must be there and not be null."""
        path = f"{self._path}.{name}" if self._path else str(name)
        try:
            value = None if isinstance(self.value, str) else self.value[name]
        except (KeyError, IndexError, TypeError):
            value = None
        if value is None:
            raise self._wrong(path, "is missing")
        return Answer(value, self._venue, path)

    @property
    def text(self) -> str:
        """A text that says something."""
        if not isinstance(self.value, str) or not self.value:
            raise self._wrong(self._path, "is no text")
        return self.value

    @property
    def truth(self) -> bool:
        """True or false, and nothing that only looks like it."""
        if not isinstance(self.value, bool):
            raise self._wrong(self._path, "is neither true nor false")
        return self.value

    @property
    def number(self) -> Decimal:
        """An exact number, written as a number or as text."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, (int, Decimal, str)):
            raise self._wrong(self._path, "is no number")
        if isinstance(value, str) and not _NUMBER.fullmatch(value):
            raise self._wrong(self._path, "is no number")
        return Decimal(value)

    @property
    def parts(self) -> list[Answer]:
        """The elements of a list."""
        if not isinstance(self.value, Sequence) or isinstance(self.value, str):
            raise self._wrong(self._path, "is no list")
        return [Answer(part, self._venue, f"{self._path}[{number}]") for number, part in enumerate(self.value)]

    @property
    def fields(self) -> dict[str, Answer]:
        """The fields of a mapping."""
        if not isinstance(self.value, Mapping):
            raise self._wrong(self._path, "is no mapping")
        return {name: Answer(part, self._venue, f"{self._path}.{name}".lstrip(".")) for name, part in self.value.items()}

    def _wrong(self, path: str, what: str) -> ProbeError:
        return ProbeError(f"in the answer of {self._venue} {path or 'the whole'} {what}", hint=_HINT)


def unknown_permissions(venue: str, words: Sequence[str]) -> ProbeError:
    """What to say of a permission that the gate does not know: it may be anything, also the right to take the money away."""
    return ProbeError(
        f"{venue} tells of a permission that is not known here: {', '.join(cut(word, 60) for word in words)}",
        hint="look it up at the exchange; take it from the key if it is not needed",
    )


def restricts(networks: Sequence[Answer]) -> bool:
    """Whether a list of allowed addresses keeps anybody out: an empty one does not, nor does a network of all addresses."""
    texts = [str(network.value).strip() for network in networks]
    return any(texts) and not any(text.endswith("/0") for text in texts)


def moment(value: Decimal, *, per_second: int = 1) -> str:
    """A time in seconds, or parts of them, since 1970 as ISO 8601 text."""
    try:
        return datetime.fromtimestamp(float(value) / per_second, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        raise ProbeError(f"{value} is no time stamp", hint=_HINT) from None


def level(price: Decimal, quantity: Decimal) -> dict[str, Decimal]:
    """One level of an order book."""
    return {"price": price, "quantity": quantity}
