"""Text as the page shows it: nothing invisible, nothing endless, times with their zone.

Everything here has to give the same characters on every machine and every Python, because pages are compared byte by byte; so the
invisible characters are a fixed list and not a question to the Unicode tables that Python happens to carry.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, final
from urllib.parse import quote

MAX_FACTS = 4_000
MAX_LINE = 600
MAX_PROSE = 3_000

_HIDDEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ud800-\udfff\ufdd0-\ufdef\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e0fff]"
)
_DECIMAL = re.compile(r'\{\s*"\$decimal": "([-+0-9.Ee]{1,400}|-?Infinity|NaN)"\s*\}')
_PIECES = re.compile(r"`([^`\n]+)`|(https?://[^\s<>\"'`]*[^\s<>\"'`.,;:!?)\]])")
_PLAIN = re.compile(r"[a-z0-9-]+")
_flat = json.JSONEncoder(ensure_ascii=False)
_indented = json.JSONEncoder(ensure_ascii=False, indent=2)


@final
@dataclass(frozen=True, slots=True)
class Moment:
    """A time for machines, ISO 8601 with its zone, and the same time for people, to the second."""

    iso: str
    text: str


@final
@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of prose: plain text, a command (`code`) or a web address (`link`)."""

    text: str
    role: str = ""


def visible(text: str) -> str:
    """The text with every control, bidirectional and other invisible character spelled out (`\\u202e`); line feeds stay."""
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def inert(text: str) -> str:
    """The text without the older sign of a GitHub command, `##[`, which its runner obeys anywhere in a line of a log."""
    return text.replace("##[", "# #[")


def short(text: str, limit: int) -> str:
    """At most `limit` characters of the text, saying how many were cut."""
    return text if len(text) <= limit else f"{text[:limit]}… [{len(text) - limit:,} more characters]"


def prose(text: str) -> tuple[Piece, ...]:
    """Prose cut into plain text, commands between backquotes and web addresses."""
    text = short(text, MAX_PROSE)
    pieces: list[Piece] = []
    end = 0
    for found in _PIECES.finditer(text):
        if found.start() > end:
            pieces.append(Piece(text[end : found.start()]))
        pieces.append(Piece(found[1], "code") if found[1] else Piece(found[2], "link"))
        end = found.end()
    if end < len(text):
        pieces.append(Piece(text[end:]))
    return tuple(pieces)


def facts(seen: Any) -> str:
    """Facts as JSON, on one line if they are few, with exact decimals written as numbers; cut to what a person reads."""
    text = _flat.encode(seen)
    if len(text) > 100:
        text = _indented.encode(seen)
    if "$decimal" in text:
        text = _DECIMAL.sub(r"\1", text)
    return short(text, MAX_FACTS)


def moment(iso: str) -> Moment:
    """The two writings of a time; ValueError if it has no zone."""
    when = datetime.fromisoformat(iso)
    offset = when.utcoffset()
    if offset is None:
        raise ValueError(f"{iso} has no time zone")
    text = when.replace(tzinfo=None, microsecond=0).isoformat(" ")
    return Moment(when.isoformat(), f"{text} UTC" if offset == timedelta(0) else f"{text} {when.isoformat()[-6:]}")


def anchor(prefix: str, item: str) -> str:
    """The fragment that leads to an item: distinct for distinct ids, and safe in an attribute and in an address."""
    plain = _PLAIN.fullmatch(item)
    return f"{prefix}-{item if plain else quote(item, safe='[]:,+@', errors='surrogatepass')}"
