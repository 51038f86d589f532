"""document: sections that are really there, and everything in a document that nobody has filled in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pytest_golive.errors import ProbeError

MANUAL = """---
title: not a heading
---
Operator Manual
===============

Intro with a [guide](guide.md), a [lost one](lost%20one.md#x), a [page](https://example.org) and `[not](code.md)`.

- **Last Reviewed**: November 1, 2026
- **Next Review:** 2026-12-01
- **Owner**: Ada
- **Owner**: Grace

## 1. Quick Reference

```bash
# not a heading
./stop.sh
```

<!-- ## hidden
lots of words that do not count -->

## Daily Routine ##

1. Look at the desk
2. Look at the log
   - and at its age

- [x] opened
- [ ] closed

### Evening

Close the book.

Emergency & Contacts
--------------------

| Name | Phone | **Role** |
| --- | :-: | --- |
| Ada | +49 555 0100 | on-call \\| lead |
| Grace | | |

## Later
"""


@pytest.fixture
def manual(look: Any, tmp_path: Path) -> Any:
    """Asks for facts of the manual."""
    (tmp_path / "manual.md").write_text(MANUAL)
    (tmp_path / "guide.md").write_text("x")
    os.utime(tmp_path / "manual.md", (1_700_000_000, 1_700_000_000))
    return lambda **fields: look("document", path="manual.md", **fields)


def text_of(look: Any, tmp_path: Path, text: str, **fields: Any) -> Any:
    (tmp_path / "d.md").write_text(text)
    return look("document", path="d.md", **fields)


def test_both_styles_of_heading_are_sections(manual: Any) -> None:
    """ATX and Setext headings count; what stands in a fence, a comment or the front matter does not."""
    facts = manual()
    assert facts["title"] == "Operator Manual"
    assert [(section["title"], section["level"]) for section in facts["sections"]] == [
        ("Operator Manual", 1),
        ("1. Quick Reference", 2),
        ("Daily Routine", 2),
        ("Evening", 3),
        ("Emergency & Contacts", 2),
        ("Later", 2),
    ]
    assert facts["modified"] == "2023-11-14T22:13:20+00:00"


def test_a_section_is_told_with_what_is_below_it(manual: Any) -> None:
    """Words, steps, boxes and code of a section include those of its subsections, and are found by the title asked."""
    asked = manual(sections=["quick reference", "Daily Routine", "Emergency and Contacts"])["section"]
    assert (asked["Daily Routine"]["steps"], asked["Daily Routine"]["boxes_open"], asked["Daily Routine"]["boxes_done"]) == (
        2,
        1,
        1,
    )
    assert "Close the book." in asked["Daily Routine"]["text"]
    assert asked["quick reference"]["code"] == 1
    assert "words that do not count" not in asked["quick reference"]["text"]


def test_missing_and_empty_sections_are_named(manual: Any) -> None:
    """A title that is not there, and one with nothing below it, are two different facts."""
    facts = manual(sections=["Later", "Quick Reference", "Rollback"], min_words=2)
    assert facts["missing"] == ["Rollback"]
    assert facts["empty"] == ["Later"]


def test_a_heading_with_only_empty_subsections_is_empty(look: Any, tmp_path: Path) -> None:
    """Headings are no content."""
    facts = text_of(look, tmp_path, "# A\n## B\n### C\n| x | y |\n|---|---|\n\n***\n", sections=["A", "C"])
    assert facts["empty"] == ["A", "C"]


def test_boxes_and_tables_and_fields_can_be_judged(manual: Any) -> None:
    """Open and ticked boxes, rows by column, and named fields; a field that stands twice is no fact."""
    facts = manual()
    assert [box["text"] for box in facts["open_boxes"]] == ["closed"]
    assert [box["text"] for box in facts["done_boxes"]] == ["opened"]
    (table,) = facts["tables"]
    assert table["section"] == "Emergency & Contacts"
    assert table["columns"] == ["Name", "Phone", "Role"]
    assert table["rows"] == [
        {"Name": "Ada", "Phone": "+49 555 0100", "Role": "on-call | lead"},
        {"Name": "Grace", "Phone": "", "Role": ""},
    ]
    assert facts["fields"] == {"Last Reviewed": "November 1, 2026", "Next Review": "2026-12-01"}
    assert facts["fields_twice"] == ["Owner"]


def test_dates_of_review_are_instants(manual: Any, look: Any, tmp_path: Path) -> None:
    """A date is read in three ways of writing; days to the next review are counted from today, also when it is over."""
    facts = manual()
    assert facts["last_review"] == "2026-11-01T00:00:00+00:00"
    assert facts["next_review_days"] == 10
    assert text_of(look, tmp_path, "Next Review: 4 January 2026\n")["next_review_days"] == -321
    assert "next_review" not in text_of(look, tmp_path, "Next Review: soon\nLast Review: 2026-13-45\n")


def test_links_to_files_that_are_gone_are_named(manual: Any) -> None:
    """A link to a file beside the document is followed; an address and code are not."""
    assert manual()["broken_links"] == ["lost%20one.md#x"]


def test_json_examples_are_parsed(look: Any, tmp_path: Path) -> None:
    """A block that claims to be JSON says whether it is; one that is never closed still is a block."""
    facts = text_of(look, tmp_path, '# A\n```json\n{"a": 1}\n```\n~~~json\n{"a": }\n~~~\n```sh\nls\n')
    assert [(block["language"], block.get("valid")) for block in facts["code"]] == [("json", True), ("json", False), ("sh", None)]


PLACEHOLDERS = [
    "[Contact Info]", "[your name]", "[Date]", "[...]", "<previous-commit>", "<IP address>", "YYYYMMDD", "YYYYMMDD_HHMMSS",
    "YYYY-MM-DD", "HH:MM", "TBD", "TODO", "FIXME", "XXX", "lorem ipsum", "your-server-ip", "your_api_key", "/path/to/backup.db",
    "/path/to", "changeme", "N/X", "X/10", "X%", "$X", "{{ name }}", "by ____", "to be determined",
]  # fmt: skip


@pytest.mark.parametrize("text", PLACEHOLDERS)
@pytest.mark.parametrize("around", ["call {} now", "{}", "| {} |", "```sh\ncp {} x\n```", "**{}**: {}"])
def test_a_placeholder_is_found_wherever_it_stands(look: Any, tmp_path: Path, text: str, around: str) -> None:
    """Each kind of placeholder is found with its line, in text, tables, code and fields."""
    found = text_of(look, tmp_path, "# A\n\n" + around.format(text, text))["placeholders"]
    assert [each["text"] for each in found] == [text.removeprefix("by ")] * around.count("{}")
    assert all(each["line"] >= 3 for each in found)


@pytest.mark.parametrize(
    "text",
    [
        "- [x] done", "- [ ] open", "[guide](guide.md)", "[name](x) and [date][1]", "[1]: https://example.org", "a <br> <b>c</b>",
        "<https://example.org>", "<ada@example.org>", "[ORDER_SKIPPED] BUY", "config[name]", "environ['date']",
        "24/7", "N/A", "a < b > c", "${NAME}", "[project]", "Dict[str, int]", "<details>", "</details>", "___", "your words",
        "if [ \"$name\" ]", "EXXXTRA", "path/to", "x -> y", "100%", "![name](a.png)", "| a | b |\n|---|---|\n| 1 | |",
    ],
)  # fmt: skip
def test_what_is_no_placeholder_is_left_alone(look: Any, tmp_path: Path, text: str) -> None:
    """Boxes, links, tags, addresses, log words and code are what they are."""
    assert text_of(look, tmp_path, f"# A\n\n{text}\n")["placeholders"] == []


def test_an_empty_row_is_a_placeholder(look: Any, tmp_path: Path) -> None:
    """A table that nobody has filled in does not pass for one."""
    facts = text_of(look, tmp_path, "| Name | Phone |\n|---|---|\n| | |\n| – | - |\n| Ada | 1 |\n")
    assert facts["placeholders"] == [
        {"line": 3, "text": "an empty row of a table"},
        {"line": 4, "text": "an empty row of a table"},
    ]


def test_placeholders_can_be_added_and_allowed(look: Any, tmp_path: Path) -> None:
    """An own pattern is found, and exactly the texts that are allowed are not."""
    text = "# A\n\n<type>(<scope>): ask the boss\n"
    assert [each["text"] for each in text_of(look, tmp_path, text, allow=["<type>"])["placeholders"]] == ["<scope>"]
    facts = text_of(look, tmp_path, text, allow=["<type>", "<scope>"], placeholders=["ask the \\w+"])
    assert [each["text"] for each in facts["placeholders"]] == ["ask the boss"]


def test_one_section_can_be_looked_at_alone(manual: Any) -> None:
    """`within` limits tables, boxes and placeholders to a section; one that is not there is an error."""
    assert manual(within="Daily Routine")["tables"] == []
    assert len(manual(within="Emergency & Contacts")["tables"]) == 1
    with pytest.raises(ProbeError, match="has no section 'Rollback'"):
        manual(within="Rollback")


def test_an_absent_document_is_a_fact_and_an_absent_folder_an_error(look: Any, tmp_path: Path) -> None:
    """Nothing but `exists: false` is told of a document that is not there."""
    assert look("document", path="no.md") == {"path": str(tmp_path / "no.md"), "exists": False}
    with pytest.raises(ProbeError, match="does not exist"):
        look("document", path="no/such.md")
    (tmp_path / "latin.md").write_bytes(b"# \xfc")
    with pytest.raises(ProbeError, match="not UTF-8"):
        look("document", path="latin.md")
    with pytest.raises(ProbeError, match="a folder, not a file"):
        look("document", path=".")


@pytest.mark.parametrize(
    "line", ["# " + "*a " * 30_000, "# " + "**a " * 30_000, "[" * 60_000 + "name", "**A**: a" + " " * 60_000 + "b"]
)
def test_a_long_line_of_marks_is_read_in_time(look: Any, tmp_path: Path, line: str) -> None:
    """Marks without an end take time that grows with their number only: a document cannot hold up the gate."""
    (tmp_path / "d.md").write_text(line + "\n")
    assert look("document", 8.0, path="d.md")["exists"] is True
