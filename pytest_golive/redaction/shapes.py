"""Secrets in free text that nobody told us: named values, header lines, URLs, PEM blocks, and tokens with a shape of their own.

Everything here takes time that grows with the length of the text only: each pattern begins at a fixed mark, and its repeats are
bounded or cannot give back.
"""

from __future__ import annotations

import base64
import binascii
import re

from pytest_golive.redaction.names import SHORTEST, WHOLE_LINE, says_secret, strength

REDACTED = "[redacted]"
"""What stands in place of a secret."""

_NAME = re.compile(
    r"(?:(?<![A-Za-z0-9_.\-%])|(?<=%[0-9A-Fa-f][0-9A-Fa-f]))([A-Za-z0-9_][A-Za-z0-9_.\-]*+)"
    r"(\\{0,3}[\"']?\s{0,3}(?:=>|[=:]|%3[Dd])\s{0,3})([bur]?(\\{0,3}[\"']))?"
)
_BARE_VALUE = re.compile(r"[^\s\"'&,;<\\]*")
_LINE_VALUE = re.compile(r"[^\s&]*")
_LINE_START = re.compile(r"\s*(?:export\s+|set\s+|-\s+)?\Z", re.I)
_COUNTED = re.compile(r"(?:tokens?|cookies?|keys?|secrets|passwords|credentials)\Z", re.I)
_FLAG = re.compile(r"(?<!\S)--([A-Za-z][A-Za-z0-9\-]*+)\s{1,3}([^\s\-]\S*)")
_USERINFO = re.compile(r"://(?:[^\s/:@\"'<>]{0,200}:(?![0-9]{1,5}[/?#])[^\s\"'<>]{1,400}|[^\s/?#\"'<>]{1,400})@")
PASSWORD = re.compile(r"://[^\s/:@]*:([^\s]+)@")
_SCHEME = re.compile(r"\b(bearer|basic)\s{1,3}([^\s\"',;<>\\]{4,})", re.I)
_SCHEME_TALK = re.compile(
    r"(?:auth\w*|tokens?|scheme|realm\b.*|error\b.*|format|headers?|keys?|credentials?|required|\[redacted\].*)\W*", re.I
)
_SHAPES = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:AKIA|ASIA)[A-Z0-9]{16}|eyJ[A-Za-z0-9_\-]{5,}\.[A-Za-z0-9_\-]{5,}(?:\.[A-Za-z0-9_\-]*)?"
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_\-]{20,}|npm_[A-Za-z0-9]{30,}"
    r"|xox[abeoprs]-[A-Za-z0-9\-]{10,}|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}|AIza[A-Za-z0-9_\-]{35}"
    r"|sk-[A-Za-z0-9_\-]{20,}|SG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}|(?:bot)?[0-9]{8,10}:AA[A-Za-z0-9_\-]{33}"
    r"|hooks\.slack\.com/services/[A-Za-z0-9/]{16,}|discord(?:app)?\.com/api/webhooks/[0-9]+/[A-Za-z0-9_\-]{16,})"
)
_PEM = "-----BEGIN "
_PUBLIC_PEM = ("CERTIFICATE", "PUBLIC KEY", "RSA PUBLIC KEY", "X509 CRL", "DH PARAMETERS")
_SHORTEST_SHAPE = 12
_LEAD = 64


def without_unknown(text: str) -> str:
    """The text without what looks like a secret."""
    if _PEM in text:
        text = _without_pem(text)
    if "=" in text or ":" in text or "%3" in text:
        if "://" in text:
            text = _USERINFO.sub(f"://{REDACTED}@", text)
        text = _without_named(text)
    if len(text) >= _SHORTEST_SHAPE:
        text = _SCHEME.sub(_without_scheme, _SHAPES.sub(REDACTED, text))
        if "--" in text:
            text = _FLAG.sub(_without_flag, text)
    return text


def replaced(text: str, spans: list[tuple[int, int]]) -> str:
    """The text with each span replaced."""
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
        value = text[start:end]
        if says_secret(value, sure) and not (len(value) < SHORTEST and value.isdigit() and _COUNTED.search(match[1])):
            spans.append((start, end))
            at = end
    return replaced(text, spans)


def _end_of_value(text: str, start: int, match: re.Match[str]) -> int:
    mark = match[4]
    if mark:
        end = text.find(mark, start)
        while end > start and len(mark) == 1 and text[end - 1] == "\\":
            end = text.find(mark, end + 1)
        return end if end >= 0 else _end_of_line(text, start)
    if WHOLE_LINE.search(match[1]) and "=" not in match[2]:
        return _end_of_line(text, start)
    if text.startswith("[", start):
        end = text.find("]", start)
        return end + 1 if end >= 0 else _end_of_line(text, start)
    line = text[max(0, match.start() - _LEAD) : match.start()].rpartition("\n")
    if _LINE_START.match(line[2]) and (line[1] or match.start() < _LEAD):
        return _matched(_LINE_VALUE, text, start)
    end = _matched(_BARE_VALUE, text, start)
    return start + len(text[start:end].rstrip(")]}>|."))


def _matched(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    return match.end() if match is not None else start


def _end_of_line(text: str, start: int) -> int:
    end = text.find("\n", start)
    end = len(text) if end < 0 else end
    return end - (text[end - 1 : end] == "\r")


def _without_pem(text: str) -> str:
    """PEM blocks, but for certificates and public keys; one without an end goes to the end of the text."""
    spans: list[tuple[int, int]] = []
    at = text.find(_PEM)
    while at >= 0:
        begin = at + len(_PEM)
        label, closed, _ = text[begin : begin + _LEAD].partition("-----")
        end = begin
        if not closed or label not in _PUBLIC_PEM:
            end = text.find(f"-----END {label}-----", begin) if closed else -1
            end = len(text) if end < 0 else end + len(label) + 14
            spans.append((at, end))
        at = text.find(_PEM, end)
    return replaced(text, spans)


def _without_flag(match: re.Match[str]) -> str:
    if strength(match[1]) < 2 or not says_secret(match[2], 2):
        return match[0]
    return f"{match[0][: match.start(2) - match.start()]}{REDACTED}"


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
