"""Rows out of the text of a file, strictly: a line that is not what the others are is an error with its place, never skipped."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_golive.errors import ProbeError
from pytest_golive.probes.reading import json_value


def csv_rows(path: str, text: str) -> Iterator[Mapping[str, Any]]:
    """A mapping for each line after the header; every cell is text."""
    try:
        lines = csv.reader(text.splitlines(), strict=True)
        header = [name.strip() for name in next(lines, [])]
        if not header or len(set(header)) != len(header):
            raise ProbeError(f"{path} has no header of different names", hint="the first line names each column once")
        for cells in lines:
            if not cells:
                continue
            if len(cells) != len(header):
                raise ProbeError(
                    f"{path}:{lines.line_num}: {len(cells)} cells, but the header has {len(header)}", hint="mend the line"
                )
            yield dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise ProbeError(f"{path} is not CSV: {error}", hint="see what writes it") from None


def jsonl_rows(path: str, text: str) -> Iterator[Mapping[str, Any]]:
    """The JSON object of each line that is not empty; fractions are exact."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json_value(line)
        except ValueError as error:
            raise ProbeError(f"{path}:{number}: not JSON: {error}", hint="one JSON object in each line") from None
        if not isinstance(row, Mapping):
            raise ProbeError(f"{path}:{number}: not a JSON object", hint="one JSON object in each line")
        yield row
