"""What nobody has filled in: `[Contact Info]`, `YYYYMMDD`, TBD, `<previous-commit>`, `/path/to/…`, rows of a table left empty.

A document with a section for contacts and no contact in it is worse than none, because a check of its headings passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pytest_golive.probes.markdown import Line, Table, plain

_HTML = (
    "a abbr b blockquote br center code dd del details div dl dt em figcaption figure font h1 h2 h3 h4 h5 h6 hr i img input ins "
    "kbd li mark ol p picture pre q s samp small source span strike strong sub summary sup svg table tbody td tfoot th thead tr "
    "tt u ul var video"
).replace(" ", "|")
_ASKED = (
    "contact|name|date|time|phone|telephone|e-?mail|mail|address|company|team|role|person|insert|your|fill|tbd|tba|todo|placeholder|"
    "number|link|url|version|amount|value|signature|hash|commit|ip|host|server|path|channel|slack|pager|when|who|date/time"
)
_OWN: tuple[re.Pattern[str], ...] = (
    re.compile(rf"(?<![\w\])\\!$])\[(?=[^\]\n]{{0,60}}(?i:\b(?:{_ASKED})\b|\.\.\.|…))[^\]\[\n=\"'$]{{1,60}}\](?![(\[:])"),
    re.compile(rf"(?<![\w<\\])<(?!/)(?!(?i:{_HTML})\b[^<>\n]*>)[A-Za-z][\w .,'/-]{{0,60}}>"),
    re.compile(
        r"\bYYYY[-_/.]?MM[-_/.]?DD(?:[-_T ]?HH[-_:]?MM(?:[-_:]?SS)?)?|\b(?:DD[-/.]MM[-/.]YYYY|MM[-/.]DD[-/.]YYYY)\b|\bHH:MM\b"
    ),
    re.compile(r"\b(?:TBD|TBA|TBC|TODO|FIXME)\b|(?<![A-Za-z])X{3,}(?![A-Za-z])"),
    re.compile(r"\bto be (?:determined|defined|decided|confirmed|announced|written|filled)\b|\bfill (?:me|this|it)? ?in\b", re.I),
    re.compile(r"\byour[-_][a-z0-9_-]*[a-z0-9]|\b(?:change|replace)[-_]?me\b|\breplace this\b", re.I),
    re.compile(r"(?<![\w.])/path/to(?:/[^\s`'\")*]*)?"),
    re.compile(r"\blorem ipsum\b", re.I),
    re.compile(r"(?<![\w/])[NX]/(?:[NX]|\d+)(?![\w/])|(?<![\w.$])\$?X{1,2}(?:\.X{1,2})?%|(?<!\w)\$X{1,2}(?:\.X{1,2})?(?!\w)"),
    re.compile(r"\{\{[^{}\n]{1,60}\}\}"),
    re.compile(r"(?<![\w_])_{3,}(?![\w_])"),
)
_RULE = re.compile(r"\s*(?:_\s*){3,}\Z")
_BLANK = frozenset(("", "-", "–", "—", "…", "...", "?", "n/a", "tbd"))


def placeholders_in(
    lines: Iterable[Line], tables: Sequence[Table], further: Sequence[str] = (), allowed: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Line and text of each, in the order of the document; what is equal to an allowed text does not count."""
    patterns = (*_OWN, *(re.compile(pattern) for pattern in further))
    empty = {number for table in tables for number, row in table.rows if blank(row)}
    for line in lines:
        if line.number in empty:
            yield {"line": line.number, "text": "an empty row of a table"}
            continue
        if _RULE.match(line.text):
            continue
        seen: list[tuple[int, int]] = []
        for pattern in patterns:
            for found in pattern.finditer(line.text):
                begin, end = found.span()
                if begin < end and found[0] not in allowed and not any(a < end and begin < b for a, b in seen):
                    seen.append((begin, end))
        yield from ({"line": line.number, "text": line.text[begin:end]} for begin, end in sorted(seen))


def blank(row: dict[str, str]) -> bool:
    """Whether nobody has written anything into a row."""
    return all(plain(cell).casefold() in _BLANK for cell in row.values())
