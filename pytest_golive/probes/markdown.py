"""A Markdown text as the parts that a check of a document asks about: sections, tables, boxes, named fields, code, links.

Not a renderer: it reads headings of both styles (CommonMark 0.31, 4.2 and 4.3), fenced code, pipe tables and task lists (GitHub
Flavored Markdown), and knows what is inside a fence or a comment, so that a `# comment` of a script is no heading.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import final

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})\s*([^\s`]*)[^`]*\Z")
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*\Z")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*\Z")
_BOX = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])[ \t]+\[([ xX])\](?:[ \t]+(.*))?\Z")
_STEP = re.compile(r" {0,3}\d{1,9}[.)][ \t]+\S")
_BULLET = re.compile(r" {0,3}[-*+][ \t]+\S")
_DIVIDER = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*\Z")
_CELL = re.compile(r"(?<!\\)\|")
_FIELD = re.compile(r"\s*(?:[-*+>]|\d+[.)])?\s*(?:\*\*|__)([^*_][^*\n]{0,80}?)(?::(?:\*\*|__)|(?:\*\*|__)\s*:)\s*(.*)\Z")
_PLAIN_FIELD = re.compile(r" {0,3}([A-Z][\w /-]{1,40}):[ \t]+(\S.*)\Z")
_LINK = re.compile(r"\[([^\[\]\n]*)\]\(\s*<?([^()\s<>]+)>?(?:\s+[\"'][^\n]*?)?\s*\)")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.S)
_WORD = re.compile(r"\w+(?:['’.-]\w+)*")
_NUMBERED = re.compile(r"^\W*(?:(?:step|section|chapter|part)\s+)?\d+(?:\.\d+)*[.):]?\s+", re.I)


@final
@dataclass(slots=True)
class Line:
    """One line, where it stands, and whether it is code."""

    number: int
    text: str
    code: bool


@final
@dataclass(slots=True)
class Section:
    """A heading and everything up to the next one of its level or above; `lines` are its own and those of its subsections."""

    title: str
    level: int
    number: int
    lines: list[Line] = field(default_factory=list)


@final
@dataclass(frozen=True, slots=True)
class Table:
    """A pipe table; a row is a mapping of column to text."""

    line: int
    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]


@final
@dataclass(frozen=True, slots=True)
class Code:
    """A fenced block, with the language it claims."""

    line: int
    language: str
    text: str


def lines_of(text: str) -> tuple[list[Line], list[Code]]:
    """The lines with those of fenced blocks marked, and the blocks; comments and front matter are blank lines."""
    text = _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text)
    lines: list[Line] = []
    blocks: list[Code] = []
    fence, language, begun, inside = "", "", 0, list[str]()
    front = text.startswith("---\n")
    for number, line in enumerate(text.split("\n"), 1):
        if front:
            front = number == 1 or line.rstrip() not in ("---", "...")
            lines.append(Line(number, "", code=False))
            continue
        mark = _FENCE.match(line)
        if not fence and mark is not None:
            fence, language, begun, inside = mark[1], mark[2], number, []
            lines.append(Line(number, "", code=True))
        elif fence:
            bare = line.strip()
            if bare and set(bare) == {fence[0]} and len(bare) >= len(fence):
                blocks.append(Code(begun, language, "\n".join(inside)))
                fence = ""
                lines.append(Line(number, "", code=True))
            else:
                inside.append(line)
                lines.append(Line(number, line, code=True))
        else:
            lines.append(Line(number, line, code=False))
    if fence:
        blocks.append(Code(begun, language, "\n".join(inside)))
    return lines, blocks


def sections_of(lines: list[Line]) -> list[Section]:
    """Every section, in order."""
    every: list[Section] = []
    open_: list[Section] = []
    skip = False
    for line, after in zip(lines, [*lines[1:], Line(0, "", code=True)], strict=True):
        if skip:
            skip = False
            continue
        level, title = _heading(line, after)
        if level:
            skip = not line.text.lstrip().startswith("#")
            open_ = [section for section in open_ if section.level < level]
            section = Section(plain(title), level, line.number)
            every.append(section)
            open_.append(section)
        else:
            for section in open_:
                section.lines.append(line)
    return every


def _heading(line: Line, after: Line) -> tuple[int, str]:
    if line.code:
        return 0, ""
    atx = _ATX.match(line.text)
    if atx is not None:
        return len(atx[1]), atx[2] or ""
    under = None if after.code else _SETEXT.match(after.text)
    ordinary = line.text.strip() and not re.match(r" {4}|\s*(?:[-*+>|]|\d+[.)])(?:\s|\Z)", line.text) and "|" not in line.text
    if under is not None and ordinary and not _SETEXT.match(line.text):
        return (1 if under[1][0] == "=" else 2), line.text.strip()
    return 0, ""


def tables_of(lines: list[Line]) -> list[Table]:
    """Every pipe table; a row that is too short has empty cells, one that is too long loses what is beyond its header."""
    tables = []
    index = 0
    while index < len(lines) - 1:
        head, divider = lines[index], lines[index + 1]
        if head.code or divider.code or "|" not in head.text or "|" not in divider.text or not _DIVIDER.match(divider.text):
            index += 1
            continue
        columns = tuple(plain(cell) for cell in _cells(head.text))
        begun, rows = index, []
        index += 2
        while index < len(lines) and not lines[index].code and "|" in lines[index].text:
            cells = [plain(cell) for cell in _cells(lines[index].text)]
            cells += [""] * (len(columns) - len(cells))
            rows.append((lines[index].number, dict(zip(columns, cells, strict=False))))
            index += 1
        tables.append(Table(lines[begun].number, columns, tuple(rows)))
    return tables


def _cells(line: str) -> list[str]:
    bare = line.strip().removeprefix("|")
    if bare.endswith("|") and not bare.endswith("\\|"):
        bare = bare[:-1]
    return [cell.replace("\\|", "|") for cell in _CELL.split(bare)]


def boxes_of(lines: list[Line]) -> Iterator[tuple[int, bool, str]]:
    """Line, whether it is ticked, and text of every check box."""
    for line in lines:
        found = None if line.code else _BOX.match(line.text)
        if found is not None:
            yield line.number, found[1] != " ", plain(found[2] or "")


def fields_of(lines: list[Line]) -> Iterator[tuple[int, str, str]]:
    """Line, name and value of every `**Name**: value` and `Name: value`."""
    for line in lines:
        found = None if line.code else _FIELD.match(line.text) or _PLAIN_FIELD.match(line.text)
        if found is not None:
            yield line.number, plain(found[1]).rstrip(":"), plain(found[2])


def links_of(lines: list[Line]) -> Iterator[tuple[int, str, str]]:
    """Line, text and target of every inline link."""
    for line in lines:
        if not line.code:
            for found in _LINK.finditer(re.sub(r"`[^`]*`", "", line.text)):
                yield line.number, plain(found[1]), found[2]


def count(lines: list[Line]) -> tuple[int, int, int]:
    """Words (of code too, of dividers and marks none), numbered steps and bullets."""
    words = sum(len(_WORD.findall(line.text)) for line in lines)
    steps = sum(1 for line in lines if not line.code and _STEP.match(line.text))
    return words, steps, sum(1 for line in lines if not line.code and _BULLET.match(line.text))


def plain(text: str) -> str:
    """The text without the marks of emphasis, code and links around it."""
    text = _LINK.sub(lambda found: found[1], text.strip())
    # bounded, because marks without an end would be looked for to the end of the line, each of them
    text = re.sub(r"(\*\*|__|`)(.{1,200}?)\1", r"\2", text)
    return re.sub(r"(?<!\w)([*_])(\S.{0,200}?\S|\S)\1(?!\w)", r"\2", text).strip()


def same_title(one: str, other: str) -> bool:
    """Whether two titles are the same but for case, numbering, signs and spaces."""
    return _bare(one) == _bare(other)


def _bare(title: str) -> str:
    return " ".join(_WORD.findall(_NUMBERED.sub("", title).replace("&", " and ").casefold())) or title.strip().casefold()
