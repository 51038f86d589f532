"""A variable in an env file, read as python-dotenv reads it but without following `${…}` and without touching the environment."""

from __future__ import annotations

import io
import re
from typing import Any, ClassVar

from dotenv import dotenv_values
from dotenv.parser import Binding, parse_stream
from pydantic import Field

from pytest_golive.errors import ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.probes.base import Lane, ProbeModel, Text
from pytest_golive.probes.env import concealed
from pytest_golive.probes.paths import absolute, read
from pytest_golive.probes.values import As, told

_MAX_BYTES = 1_000_000
_QUOTED = re.compile(r"'(?:\\'|[^'])*'|\"(?:\\\"|[^\"])*\"")
_COMMENT = re.compile(r"(?:\s|=)#")


class Dotenv(ProbeModel):
    """What does this env file say of a variable, and does it say it once?

    ```yaml
    dotenv: {path: "${env_file}", name: MAX_DRAWDOWN_PERCENT, as: decimal}
    expect: {value: {gt: 0, le: "0.20"}, duplicates: 0, inline_comment: false}
    ```

    `as` and `secret` mean what they mean for env. Programs differ about a second assignment and about a comment behind a
    value, so both are facts. A missing file is an error.

    Facts: `path` (absolute), `exists` (always true), `name`, `set`, `lines` (where it is assigned), `duplicates`
    (assignments beyond the first), `malformed_lines` (lines no reader understands); if it is set `line` (the one that won:
    the last), `conflicting` (the assignments differ), `inline_comment`, `references` (the value holds `${…}`), and `value`,
    `unparsable`, `surrounded`, or `withheld`, `length`, `placeholder`, as for env.
    """

    word: ClassVar[str] = "dotenv"
    lane: ClassVar[Lane] = "local"

    path: Text
    name: Text
    as_: As = Field(default="text", alias="as")
    secret: bool = False

    def look(self, context: Context) -> Facts:
        path = absolute(context.root, self.path)
        try:
            text = read(path, _MAX_BYTES).decode("utf-8")
        except UnicodeDecodeError as error:
            raise ProbeError(f"{path} is not UTF-8 at byte {error.start}", hint="save it as UTF-8") from None
        bindings = list(parse_stream(io.StringIO(text)))
        mine = [binding for binding in bindings if binding.key == self.name]
        facts: dict[str, Any] = {
            "path": path,
            "exists": True,
            "name": self.name,
            "set": False,
            "lines": [_line(binding) for binding in mine],
            "duplicates": max(0, len(mine) - 1),
            "malformed_lines": [_line(binding) for binding in bindings if binding.error],
        }
        value = dotenv_values(stream=io.StringIO(text), interpolate=False).get(self.name)
        if value is None:
            return facts
        facts |= {
            "line": facts["lines"][-1],
            "conflicting": len({binding.value for binding in mine}) > 1,
            "inline_comment": _COMMENT.search(_QUOTED.sub("", mine[-1].original.string)) is not None,
            "references": "${" in value,
        }
        return facts | told(value, self.as_, concealed(self.name, self.as_, self))


def _line(binding: Binding) -> int:
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
