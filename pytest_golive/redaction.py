"""Takes secrets out of facts and texts before anybody can write them down.

Three nets, because each alone has holes: values that are known to be secret (whole, encoded, or six characters of an end of
them); values that stand under a name that says so, in mappings and in text; and shapes that are secrets wherever they stand.
Expectations read what is left: a redacted value is no value, and whatever is asked of it is an error, never a pass. So a name
must hold a secret *word*, and counts, switches and words such as `valid` stay readable: `tokens_seen: 5`, `signature: valid`.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import os.path
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, final
from urllib.parse import quote, quote_plus

REDACTED = "[redacted]"
"""What stands in place of a secret."""

SHORTEST = 6
"""Characters of a secret, or of an end of one, that are worth hiding."""

_SECRET_WORDS = frozenset(
    "pass password passwords passwd pwd passphrase passcode secret secrets token tokens authorization cookie cookies signature sig "
    "credential credentials creds dsn jwt bearer mnemonic otp totp cvv apikey apikeys".split()
)
_SECRET_STEMS = re.compile(
    r"passw(?:or)?d|passphrase|credential|(?:api|private|secret|access|signing)keys?$|(?:access|auth|api|id|csrf|refresh)token$"
    r"|(?:client|api|app)secret$"
)
_BEFORE_KEY = frozenset(
    "api secret private access signing sign encryption master auth client account shared ssh service hmac webhook license "
    "consumer storage deploy app session crypto wallet subscription rsa".split()
)
_NO_KEY = frozenset(
    "public primary foreign sort partition cache idempotency lookup routing unique group row object map config translation".split()
)
_WEAK_WORDS = frozenset("key keys auth session hmac seed".split())
_TELLS_ABOUT = frozenset(
    "permissions permission seen count counts number ttl age expires expiry expired at id ids name names type types length len size "
    "status state set present valid invalid enabled disabled required path file dir directory url uri endpoint used remaining limit "
    "algorithm alg mode scheme policy kind method date time header headers fingerprint version rotated seconds minutes hours days "
    "source env variable issuer format strength ok missing error errors check checks verified sock placeholder rule rules "
    "owner unit budget per".split()
)
_ASKS = frozenset("has is no num max min requires needs count".split())
_STATE_WORDS = frozenset(
    "valid invalid present missing absent set unset ok true false yes no on off none null nil required optional enabled disabled "
    "verified unverified expired active inactive revoked unknown empty n/a redacted [redacted] hidden masked default basic bearer "
    "good bad wrong correct accepted rejected denied".split()
)
_ORDINARY = frozenset(
    "production staging development testnet mainnet sandbox default password secret example account accounts trading exchange "
    "localhost postgres database server service client session bearer public private access enabled disabled required credentials "
    "changeme redacted operator binance coinbase kraken".split()
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_NAMING = frozenset(("name", "key", "header", "variable", "field", "param", "parameter", "option", "setting"))
_VALUED = frozenset(("value", "values", "raw", "text", "content", "current", "old", "new", "plain", "line"))
_WHOLE_LINE = re.compile(r"authorization|cookie|api-?key", re.I)

_NAME = re.compile(
    r"(?:(?<![A-Za-z0-9_.\-])|(?<=%26)|(?<=%3[Ff]))([A-Za-z0-9_][A-Za-z0-9_.\-]*+)"
    r"(\\{0,3}[\"']?\s{0,3}(?:=>|[=:]|%3[Dd])\s{0,3})([bur]?(\\{0,3}[\"']))?"
)
_BARE_VALUE = re.compile(r"[^\s\"'&,;<>}\])|\\]*")
_USERINFO = re.compile(r"://(?:[^\s/?#\"'<>]{1,400}|[^\s/:@\"'<>]{0,200}:(?![0-9]{1,5}[/?#])[^\s\"'<>]{1,400})@")
_PASSWORD = re.compile(r"://[^\s/:@]*:([^\s]+)@")
_SCHEME = re.compile(r"\b(bearer|basic)\s{1,3}([^\s\"',;<>\\]{4,})", re.I)
_SCHEME_TALK = re.compile(
    r"(?:auth\w*|tokens?|scheme|realm\b.*|error\b.*|format|headers?|keys?|credentials?|required|\[redacted\].*)\W*", re.I
)
_SHAPES = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:AKIA|ASIA)[A-Z0-9]{16}|eyJ[A-Za-z0-9_\-]{5,}\.[A-Za-z0-9_\-]{5,}(?:\.[A-Za-z0-9_\-]*)?"
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_\-]{20,}|npm_[A-Za-z0-9]{30,}"
    r"|xox[abeoprs]-[A-Za-z0-9\-]{10,}|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}|AIza[A-Za-z0-9_\-]{35}"
    r"|sk-[A-Za-z0-9_\-]{20,}|SG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}|[0-9]{8,10}:AA[A-Za-z0-9_\-]{33})"
)
_PEM = "-----BEGIN "
_PUBLIC_PEM = ("CERTIFICATE", "PUBLIC KEY", "RSA PUBLIC KEY", "X509 CRL", "DH PARAMETERS")
_SHORTEST_SHAPE = 12
_KEYS_KEPT = 4096


@lru_cache(maxsize=8192)
def strength(name: str) -> int:
    """How surely a name says that its value is secret: 2 surely, 1 only if the value looks random, 0 not at all."""
    words = [word.lower() for word in _WORD.findall(name[:200])]
    if not words or words[-1] in _TELLS_ABOUT or words[0] in _ASKS:
        return 0
    best = 0
    for index, word in enumerate(words):
        if word in _SECRET_WORDS or _SECRET_STEMS.search(word):
            return 2
        if word in _WEAK_WORDS:
            before = words[index - 1] if index and word.startswith("key") else ""
            if before in _BEFORE_KEY:
                return 2
            best = best if before in _NO_KEY else 1
    return best


def _looks_random(value: str) -> bool:
    return (
        len(value) >= 16
        and not any(char.isspace() for char in value)
        and value[0] != "/"
        and "://" not in value
        and any(char.isdigit() for char in value)
        and any(char.isalpha() for char in value)
    )


def _says_secret(value: str, sure: int) -> bool:
    """Whether a text under a name of this strength is to be hidden; empty texts and words of state are not."""
    return bool(value) and value.strip().lower() not in _STATE_WORDS and (sure == 2 or _looks_random(value))


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
        """The same shape with every secret replaced; numbers, booleans and null are left, and mappings are gone through."""
        return self._facts(value, False)

    def text(self, text: str) -> str:
        """The text with every secret replaced, in time that grows with its length only."""
        if len(text) < SHORTEST:
            return text
        text = self._without_known(text)
        if "=" in text or ":" in text or "%3" in text:
            if "://" in text:
                text = _USERINFO.sub(f"://{REDACTED}@", text)
            text = _without_named(text)
        if len(text) >= _SHORTEST_SHAPE:
            if _PEM in text:
                text = _without_pem(text)
            text = _SCHEME.sub(_without_scheme, _SHAPES.sub(REDACTED, text))
        return text

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
                return kind((self.text(value[0]), self._value(value[1], strength(value[0]))))
            return kind(self._facts(part, below) for part in value)
        return self.text(str(value)) if isinstance(value, str) else value

    def _mapping(self, value: Mapping[Any, Any], below: bool) -> dict[Any, Any]:
        """`below` says that a secret name stands above, so that `{value: …}` holds the secret."""
        if not below and not _NAMING.isdisjoint(value):
            below = any(isinstance(value.get(name), str) and strength(value[name]) == 2 for name in _NAMING)
        clean: dict[Any, Any] = {}
        for key, part in value.items():
            shown, sure = self._key(key)
            if below and key in _VALUED:
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
            return REDACTED if _says_secret(value, sure) else self.text(value)
        if isinstance(value, (list, tuple)):
            return type(value)(self._value(part, sure) for part in value)
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
        sure = strength(name)
        if sure and _says_secret(value, sure) and value.lower() not in _ORDINARY:
            yield value
        if "://" in value:
            yield from _PASSWORD.findall(value)


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
        end = start + len(os.path.commonprefix([text[start : start + len(secret)], secret]))
        if not text[end : end + 1].isalnum():
            spans.append((start, end))
    backwards = secret[::-1]
    for match in re.finditer(rf"{re.escape(secret[-SHORTEST:])}(?![A-Za-z0-9])", text):
        end = match.end()
        start = end - len(os.path.commonprefix([text[max(0, end - len(secret)) : end][::-1], backwards]))
        if not text[max(0, start - 1) : start].isalnum():
            spans.append((start, end))
    return _replaced(text, [span for span in spans if text[slice(*span)].lower() not in _ORDINARY])


def _replaced(text: str, spans: list[tuple[int, int]]) -> str:
    if not spans:
        return text
    out: list[str] = []
    at = 0
    for start, end in sorted(spans):
        if start >= at:
            out += (text[at:start], REDACTED)
        at = max(at, end)
    out.append(text[at:])
    return "".join(out)


def _without_named(text: str) -> str:
    """`name=value`, `name: value`, `"name": "value"` and header lines, where the name says that the value is secret."""
    spans: list[tuple[int, int]] = []
    at = 0
    for match in _NAME.finditer(text):
        if match.start() < at or not (sure := strength(match[1])):
            continue
        start = match.end()
        end = _end_of_value(text, start, match)
        if end > start and _says_secret(text[start:end], sure) and not _is_small_number(text[start:end]):
            spans.append((start, end))
            at = end
    return _replaced(text, spans)


def _is_small_number(value: str) -> bool:
    return len(value) < SHORTEST and value.isdigit()


def _end_of_value(text: str, start: int, match: re.Match[str]) -> int:
    line = text.find("\n", start)
    line = len(text) if line < 0 else line
    if match[4]:
        end = text.find(match[4], start)
        while end > start and len(match[4]) == 1 and text[end - 1] == "\\":
            end = text.find(match[4], end + 1)
        return end if end >= 0 else line
    if _WHOLE_LINE.search(match[1]) and "=" not in match[2]:
        return line - (text[line - 1 : line] == "\r")
    if text.startswith("[", start):
        end = text.find("]", start)
        return end + 1 if end >= 0 else line
    bare = _BARE_VALUE.match(text, start)
    return bare.end() if bare is not None else start


def _without_pem(text: str) -> str:
    """PEM blocks, but for certificates and public keys; one without an end goes to the end of the text."""
    spans: list[tuple[int, int]] = []
    at = text.find(_PEM)
    while at >= 0:
        label = text[at + len(_PEM) : text.find("-----", at + len(_PEM))][:60]
        end = text.find(f"-----END {label}-----", at)
        end = len(text) if end < 0 else end + len(label) + 14
        if label not in _PUBLIC_PEM:
            spans.append((at, end))
        else:
            end = at + len(_PEM)
        at = text.find(_PEM, end)
    return _replaced(text, spans)


def _without_scheme(match: re.Match[str]) -> str:
    scheme, value = match[1], match[2]
    if _SCHEME_TALK.fullmatch(value):
        return match[0]
    if scheme.lower() == "basic":
        try:
            if b":" not in base64.b64decode(value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4), validate=True):
                return match[0]
        except (binascii.Error, ValueError):
            return match[0]
    return f"{match[0][: match.start(2) - match.start()]}{REDACTED}"
