"""Takes secrets out of facts and texts before anybody can write them down.

Three nets, because each alone has holes: values that are known to be secret (whole, encoded, or six characters of an end of
them); values that stand under a name that says so, in mappings and in text; and shapes that are secrets wherever they stand.
Expectations read what is left: a redacted value is no value, and whatever is asked of it is an error, never a pass. So a name
must hold a secret *word*, and counts, switches and words such as `valid` stay readable: `tokens_seen: 5`, `signature: valid`.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, final
from urllib.parse import quote, quote_plus

from pytest_golive.redaction.names import NAMING, ORDINARY, SHORTEST, VALUED, says_secret, strength
from pytest_golive.redaction.shapes import PASSWORD, REDACTED, replaced, without_unknown

__all__ = ["REDACTED", "Redactor"]

_KEYS_KEPT = 4096
_FOLDERS = ("PWD", "OLDPWD")
"""Variables in which every shell keeps a folder, whatever else these letters mean."""


@final
class Redactor:
    """Replaces secrets by `[redacted]`; safe to share between threads.

    `secrets` are values that must not be seen; those shorter than six characters are not looked for, as they stand everywhere.
    """

    __slots__ = ("_forms", "_keys", "_needles")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {part for secret in secrets for part in _parts(secret) if part not in REDACTED}
        self._forms = {secret: _forms(secret) for secret in known}
        needles = {
            (needle, secret)
            for secret, forms in self._forms.items()
            for needle in (*forms[1:], secret[:SHORTEST], secret[-SHORTEST:])
        }
        self._needles = sorted(((len(needle), needle, secret) for needle, secret in needles), key=lambda entry: entry[0])
        self._keys: dict[str, tuple[str, int]] = {}

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Redactor:
        """A redactor that knows the values of the variables whose names look secret, and the passwords in URLs."""
        return cls(_environment_secrets(environ))

    def facts(self, value: Any) -> Any:
        """The same shape with every secret replaced; numbers, booleans and null are left, and mappings are gone through.

        At the top stand the probe's own words: that `name` names a secret hides the `value` beside it only further down.
        """
        return self._mapping(value, False, top=True) if isinstance(value, Mapping) else self._facts(value, False)

    def text(self, text: str) -> str:
        """The text with every secret replaced, in time that grows with its length only."""
        if len(text) < SHORTEST:
            return text
        return without_unknown(self._without_known(text))

    def _facts(self, value: Any, below: bool) -> Any:
        kind = type(value)
        if kind is str:
            return self.text(value)
        if kind is int or kind is bool or value is None:
            return value
        if isinstance(value, Mapping):
            return self._mapping(value, below)
        if isinstance(value, (list, tuple)):
            if len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], str) and strength(value[0]):
                parts = [self.text(value[0]), self._value(value[1], strength(value[0]))]
            else:
                parts = [self._facts(part, below) for part in value]
            return tuple(parts) if isinstance(value, tuple) else parts
        return self.text(str(value)) if isinstance(value, str) else value

    def _mapping(self, value: Mapping[Any, Any], below: bool, *, top: bool = False) -> dict[Any, Any]:
        """`below` says that a secret name stands above, so that `{value: …}` holds the secret."""
        if not (below or top) and not NAMING.isdisjoint(value):
            names = [value[name] for name in NAMING if name in value]
            below = any(isinstance(name, str) and " " not in name and strength(name) == 2 for name in names)
        clean: dict[Any, Any] = {}
        for key, part in value.items():
            shown, sure = self._key(key)
            if below and key in VALUED:
                sure = 2
            while shown in clean:
                shown = f"{shown}'"
            clean[shown] = self._value(part, sure) if sure else self._facts(part, False)
        return clean

    def _key(self, key: Any) -> tuple[Any, int]:
        known = self._keys.get(key)
        if known is None:
            if not isinstance(key, str):
                return key, 0
            known = (self.text(key), strength(key))
            if len(self._keys) < _KEYS_KEPT:
                self._keys[key] = known
        return known

    def _value(self, value: Any, sure: int) -> Any:
        """A value under a name that says it is secret."""
        if isinstance(value, str):
            return REDACTED if says_secret(value, sure) else self.text(value)
        if isinstance(value, (list, tuple)):
            parts = [self._value(part, sure) for part in value]
            return tuple(parts) if isinstance(value, tuple) else parts
        return self._facts(value, sure == 2)

    def _without_known(self, text: str) -> str:
        length = len(text)
        hits: set[str] = set()
        for size, needle, secret in self._needles:
            if size > length:
                break
            if needle in text:
                hits.add(secret)
        for secret in sorted(hits, key=len, reverse=True):
            for form in self._forms[secret]:
                text = text.replace(form, REDACTED)
        for secret in hits:
            text = _without_ends(text, secret)
        return text


def _environment_secrets(environ: Mapping[str, str]) -> Iterator[str]:
    for name, value in environ.items():
        sure = strength(name) if name not in _FOLDERS else 0
        if sure and says_secret(value, sure) and value.lower() not in ORDINARY:
            yield value
        if "://" in value:
            yield from PASSWORD.findall(value)


def _parts(secret: str) -> Iterator[str]:
    """A secret, and each of its lines if it has several: logs break at lines."""
    bare = secret.strip()
    if len(bare) >= SHORTEST:
        yield bare
        if "\n" in bare:
            yield from (line for line in bare.splitlines() if len(line) >= 16 and not line.startswith("-----"))


def _forms(secret: str) -> tuple[str, ...]:
    """How a secret may be written: as it is first, then the encodings that differ from it, the longest first."""
    raw = secret.encode("utf-8", "surrogatepass")
    percent = quote(secret, safe="", errors="surrogatepass")
    forms = {
        percent,
        quote(secret, errors="surrogatepass"),
        quote_plus(secret, errors="surrogatepass"),
        re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), percent),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        html.escape(secret),
        raw.hex(),
    }
    for offset in range(3):
        # inside a longer base64 text the same bytes look different in each of three positions; the edges mix with neighbours
        whole = base64.b64encode(b"\0" * offset + raw).decode("ascii").rstrip("=")
        inner = whole[(0, 2, 3)[offset] : len(whole) - (1 if (offset + len(raw)) % 3 else 0)]
        if len(inner) >= 8:
            forms |= {inner, inner.replace("+", "-").replace("/", "_")}
    forms.discard(secret)
    return (secret, *sorted((form for form in forms if len(form) >= SHORTEST), key=len, reverse=True))


def _without_ends(text: str, secret: str) -> str:
    """Six or more characters of the beginning or the end of a secret, standing alone, are a leak of it."""
    spans: list[tuple[int, int]] = []
    for match in re.finditer(rf"(?<![A-Za-z0-9]){re.escape(secret[:SHORTEST])}", text):
        start = match.start()
        end = start + _shared(text[start : start + len(secret)], secret)
        if not text[end : end + 1].isalnum():
            spans.append((start, end))
    backwards = secret[::-1]
    for match in re.finditer(rf"{re.escape(secret[-SHORTEST:])}(?![A-Za-z0-9])", text):
        end = match.end()
        start = end - _shared(text[max(0, end - len(secret)) : end][::-1], backwards)
        if not text[max(0, start - 1) : start].isalnum():
            spans.append((start, end))
    return replaced(text, [span for span in spans if text[slice(*span)].lower() not in ORDINARY])


def _shared(one: str, other: str) -> int:
    """How many characters two texts have in common from the beginning."""
    return next((index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
