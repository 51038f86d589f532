"""A document: which sections it has, what in it nobody has filled in, which boxes are open, what its tables say.

What a document says is evidence of a document only: a ticked box is no proof that anything was done.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar
from urllib.parse import unquote

from pydantic import Field

from pytest_golive.errors import ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.probes import markdown
from pytest_golive.probes.base import Lane, Names, Pattern, ProbeModel, Size, Text, cut, plain_text
from pytest_golive.probes.paths import absolute, found, read
from pytest_golive.probes.placeholders import placeholders_in
from pytest_golive.probes.reading import json_value

_SECTION_TEXT = 4_000
_BLOCK_TEXT = 2_000
_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_DAY = re.compile(
    r"(?P<y>20\d\d)-(?P<m>\d\d)-(?P<d>\d\d)|(?P<m1>[A-Za-z]{3,9})\.? (?P<d1>\d{1,2})(?:st|nd|rd|th)?,? (?P<y1>20\d\d)"
    r"|(?P<d2>\d{1,2})\.? (?P<m2>[A-Za-z]{3,9}) (?P<y2>20\d\d)"
)
_REVIEWS = {
    "last_review": re.compile(r"last (?:review|reviewed|update|updated|checked|change|changed)\b|^(?:reviewed|updated)\b", re.I),
    "next_review": re.compile(r"next review", re.I),
}


class Document(ProbeModel):
    """What does this Markdown document say, and what does it leave open?

    ```yaml
    document: {path: documents/OPERATOR_MANUAL.md, sections: [Daily Routine, Emergency Procedures]}
    expect:
      missing: {len: 0}
      empty: {len: 0}
      placeholders: {len: 0}
      "tables[0].rows[*].Phone": {all: {matches: "[0-9]{6}"}}
    ```

    `sections` are titles that must be there, but for case, numbering and signs. A title that is not there is in `missing`;
    one with fewer than `min_words` (3) words below it, its subsections included, is in `empty`. `placeholders` are
    further patterns of what counts as not filled in, `allow` texts that do not count (`<scope>` in a document about commit
    messages). `within` limits everything but `sections`, `missing` and `empty` to one section. A folder that is missing is
    an error, never `exists: false`; so is a text that is not UTF-8, or over `max_size` bytes (1,000,000).

    Facts: `path`, `exists`; then `title` (the first heading), `sections` (`title`, `level`, `line`, `words`, `steps`,
    `bullets`, `code` (blocks), `boxes_open`, `boxes_done`, `placeholders` (number)), `section` (the asked ones that are
    there once, by the title asked and with their `text`, so that `section["Daily Routine"].steps` can be judged),
    `missing`, `empty`, `placeholders` (`line`, `text`; an empty row of a table is one), `words`, `open_boxes` and
    `done_boxes` (`line`, `text`), `tables` (`line`, `section`, `columns`, `rows`: mappings of column to text), `fields`
    (value of each `**Name**: value`; a name that stands twice is only in `fields_twice`), `code` (`line`, `language`,
    `text`; of json `valid`), `links` (`line`, `text`, `target`), `broken_links` (to files that are not there),
    `last_review`, `next_review` (midnight UTC), `next_review_days` (from today, negative if over), `modified`, `text`
    (shortened, as are the texts of sections and blocks).
    """

    word: ClassVar[str] = "document"
    lane: ClassVar[Lane] = "local"

    path: Text
    sections: Names = ()
    min_words: Annotated[int, Field(ge=1, le=10_000)] = 3
    placeholders: Annotated[tuple[Pattern, ...], Field(strict=False)] = ()
    allow: Names = ()
    within: Text | None = None
    max_size: Size = 1_000_000

    def look(self, context: Context) -> Facts:
        path = absolute(context.root, self.path)
        if found(path) is None:
            return {"path": path, "exists": False}
        content = read(path, self.max_size)
        try:
            text = plain_text(content.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise ProbeError(f"{path} is not UTF-8 at byte {error.start}", hint="save it as UTF-8") from None
        modified = datetime.fromtimestamp(os.stat(path).st_mtime, UTC).isoformat(timespec="seconds")
        return {"path": path, "exists": True, "modified": modified} | self._facts(text, path, context.now())

    def _facts(self, text: str, path: str, now: datetime) -> dict[str, Any]:
        lines, blocks = markdown.lines_of(text)
        sections = markdown.sections_of(lines)
        tables = markdown.tables_of(lines)
        told = [self._section(section, tables, blocks) for section in sections]
        texts = [cut("\n".join(line.text for line in section.lines).strip(), _SECTION_TEXT) for section in sections]
        asked = {
            name: [
                each | {"text": words}
                for each, words in zip(told, texts, strict=True)
                if markdown.same_title(each["title"], name)
            ]
            for name in self.sections
        }
        facts: dict[str, Any] = {
            "sections": told,
            "section": {name: matches[0] for name, matches in asked.items() if len(matches) == 1},
            "missing": [name for name, matches in asked.items() if not matches],
            "empty": [name for name, matches in asked.items() if any(each["words"] < self.min_words for each in matches)],
        }
        if sections:
            facts["title"] = sections[0].title
        if self.within is not None:
            lines = self._only(self.within, sections, path)
            kept = {line.number for line in lines}
            tables = [table for table in tables if table.line in kept]
            blocks = [block for block in blocks if block.line in kept]
        boxes = list(markdown.boxes_of(lines))
        links = list(markdown.links_of(lines))
        facts |= {
            "placeholders": list(placeholders_in(lines, tables, self.placeholders, self.allow)),
            "words": markdown.count(lines)[0],
            "open_boxes": [{"line": line, "text": words} for line, done, words in boxes if not done],
            "done_boxes": [{"line": line, "text": words} for line, done, words in boxes if done],
            "tables": [_table(table, sections) for table in tables],
            "code": [_block(block) for block in blocks],
            "links": [{"line": line, "text": words, "target": target} for line, words, target in links],
            "broken_links": [target for _, _, target in links if _broken(target, path)],
            "text": cut("\n".join(line.text for line in lines).strip()),
        }
        return facts | _fields(lines, now)

    def _section(self, section: markdown.Section, tables: list[markdown.Table], blocks: list[markdown.Code]) -> dict[str, Any]:
        words, steps, bullets = markdown.count(section.lines)
        boxes = [done for _, done, _ in markdown.boxes_of(section.lines)]
        here = {line.number for line in section.lines}
        return {
            "title": section.title,
            "level": section.level,
            "line": section.number,
            "words": words,
            "steps": steps,
            "bullets": bullets,
            "code": sum(block.line in here for block in blocks),
            "boxes_open": boxes.count(False),
            "boxes_done": boxes.count(True),
            "placeholders": len(list(placeholders_in(section.lines, tables, self.placeholders, self.allow))),
        }

    def _only(self, title: str, sections: list[markdown.Section], path: str) -> list[markdown.Line]:
        matches = [section for section in sections if markdown.same_title(section.title, title)]
        if len(matches) != 1:
            raise ProbeError(
                f"{path} has {len(matches) or 'no'} section{'s' if len(matches) > 1 else ''} {title!r}",
                hint="write the section, or correct within",
            )
        return matches[0].lines


def _table(table: markdown.Table, sections: list[markdown.Section]) -> dict[str, Any]:
    above = [section.title for section in sections if section.number < table.line]
    rows = [row for _, row in table.rows]
    return {"line": table.line, "section": above[-1] if above else "", "columns": list(table.columns), "rows": rows}


def _block(block: markdown.Code) -> dict[str, Any]:
    told: dict[str, Any] = {"line": block.line, "language": block.language.casefold(), "text": cut(block.text, _BLOCK_TEXT)}
    if told["language"] == "json":
        try:
            json_value(block.text)
        except ValueError:
            told["valid"] = False
        else:
            told["valid"] = True
    return told


def _broken(target: str, path: str) -> bool:
    """Whether a link leads to a file beside the document that is not there; addresses and places in the page are not followed."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|#|//", target):
        return False
    name = unquote(target.partition("#")[0].partition("?")[0])
    return not os.path.exists(os.path.join(os.path.dirname(path), name.lstrip("/")))


def _fields(lines: list[markdown.Line], now: datetime) -> dict[str, Any]:
    fields: dict[str, str] = {}
    twice: list[str] = []
    told: dict[str, Any] = {}
    for _, name, value in markdown.fields_of(lines):
        if name in fields:
            twice.append(name)
        fields.setdefault(name, value)
        day = _day(value)
        for fact, pattern in _REVIEWS.items():
            if day is not None and pattern.search(name):
                told[fact] = max(told.get(fact, day), day) if fact == "last_review" else min(told.get(fact, day), day)
    dates = {fact: day.isoformat() for fact, day in told.items()}
    if "next_review" in told:
        dates["next_review_days"] = (told["next_review"].date() - now.astimezone(UTC).date()).days
    kept = {name: value for name, value in fields.items() if name not in twice}
    return {"fields": kept, "fields_twice": sorted(set(twice)), **dates}


def _day(text: str) -> datetime | None:
    """The first date in a text, at midnight UTC."""
    match = _DAY.search(text)
    if match is None:
        return None
    year = match["y"] or match["y1"] or match["y2"]
    day = match["d"] or match["d1"] or match["d2"]
    month = match["m"]
    if month is None:
        word = (match["m1"] or match["m2"]).casefold()
        named = [index for index, name in enumerate(_MONTHS, 1) if name.startswith(word)]
        if len(named) != 1:
            return None
        month = str(named[0])
    try:
        return datetime(int(year), int(month), int(day), tzinfo=UTC)
    except ValueError:
        return None
