"""A program or a Python package: whether it is there, and in which version."""

from __future__ import annotations

import json
import re
import shutil
import sys
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from pytest_golive.errors import ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.probes.base import Lane, Pattern, ProbeModel, Text, cut, plain_text
from pytest_golive.probes.command import INHERITED, timed_out
from pytest_golive.probes.paths import absolute
from pytest_golive.probes.process import run

_VERSION = re.compile(r"(?<![\w.])v?(\d+(?:\.\d+)+(?:[-.+]?[A-Za-z0-9]+)*)(?![\w.]*\d)")
_NUMBER = re.compile(r"(?<![\w.])v?(\d+)(?![\w.]*\d)")
_ASK = """import importlib.metadata as m, json, sys
try:
    print(json.dumps(m.version(sys.argv[1])))
except m.PackageNotFoundError:
    print("null")
"""


class Tool(ProbeModel):
    """Is this program or package there, and how old is it?

    ```yaml
    tool: {name: node}
    expect: {installed: true, version: {version: ">=18"}}

    tool: {package: requests, python: "${venv}/bin/python"}
    expect: {version: {version: ">=2.32,<3"}}
    ```

    `name` is a program of the PATH, or a path; it is run with `--version`, or as `run` says after the name. The version is the
    first number with dots in what it prints, or the only number of a line, or what the one group of `match` finds.
    `package` is a distribution that is installed for `python`, an interpreter that is asked in a process of its own; without it,
    for the one that runs the gate.
    A program that is there and fails when it is asked is an error.

    Facts: `installed`; if it is, `version` (absent if none could be read), and of a program `path` and `output` (its first line).
    """

    word: ClassVar[str] = "tool"
    lane: ClassVar[Lane] = "process"

    name: Text | None = None
    package: Text | None = None
    run: Annotated[tuple[Text, ...], Field(strict=False)] = ("--version",)
    match: Pattern | None = None
    python: Text | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Tool:
        if (self.name is None) == (self.package is None):
            raise ValueError("write either name or package")
        foreign = ("python",) if self.package is None else ("run", "match")
        for name in foreign:
            if name in self.model_fields_set:
                raise ValueError(f"{name} has no meaning here")
        if self.match is not None and re.compile(self.match).groups != 1:
            raise ValueError("match must have exactly one group: the version")
        return self

    def look(self, context: Context) -> Facts:
        return self._packaged(context) if self.package is not None else self._program(context)

    def _program(self, context: Context) -> dict[str, Any]:
        assert self.name is not None
        wanted = absolute(context.root, self.name) if "/" in self.name else self.name
        path = shutil.which(wanted, path=context.environ.get("PATH", ""))
        if path is None:
            return {"installed": False}
        said = self._said([path, *self.run], context)
        facts: dict[str, Any] = {"installed": True, "path": path, "output": cut(said.strip().partition("\n")[0], 300)}
        version = self._version(said)
        return facts | ({"version": version} if version else {})

    def _version(self, said: str) -> str | None:
        """What `match` finds; else the first number with dots, or the only one of the first line that has any without."""
        if self.match is not None:
            found = re.search(self.match, said)
            return None if found is None else found[1]
        dotted = _VERSION.search(said)
        if dotted is not None:
            return dotted[1]
        # one of several may be a year, or a port
        lines = (set(_NUMBER.findall(line)) for line in said.splitlines())
        numbers: set[str] = next(filter(None, lines), set())
        return numbers.pop() if len(numbers) == 1 else None

    def _packaged(self, context: Context) -> dict[str, Any]:
        assert self.package is not None
        interpreter = absolute(context.root, self.python) if self.python is not None else sys.executable
        said = self._said([interpreter, "-I", "-c", _ASK, self.package], context)
        try:
            version = json.loads(said)
        except ValueError:
            raise ProbeError(f"{interpreter} is no Python interpreter that can be asked", hint="correct python") from None
        return {"installed": True, "version": version} if isinstance(version, str) else {"installed": False}

    def _said(self, argv: list[str], context: Context) -> str:
        allowed = context.remaining()
        env = {name: context.environ[name] for name in INHERITED if name in context.environ}
        ran = run(argv, cwd=str(context.root), env=env, deadline=context.deadline, limit=100_000)
        if ran.overrun:
            raise timed_out(argv[0], ran, allowed)
        outputs = [plain_text(output.decode("utf-8", "replace")) for output in ran.outputs]
        if ran.exit != 0:
            last = cut(outputs[1].strip().rpartition("\n")[2], 300)
            raise ProbeError(f"{argv[0]} ended with {ran.exit} when it was asked for its version: {last}", hint="run it by hand")
        return "\n".join(outputs)
