"""A program's own words: not only how it ended, but which lines it wrote, which it should not have, and the numbers in them.

Audit scripts print eight failures and exit with 0. So the lines are facts, and so are counts read out of them.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, field_validator

from pytest_golive.errors import ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.probes.base import (
    Lane,
    Names,
    Pattern,
    ProbeModel,
    Size,
    Text,
    cut,
    decimal_seconds,
    looks_secret,
    plain_text,
    spoken,
)
from pytest_golive.probes.paths import absolute
from pytest_golive.probes.process import Ran, run
from pytest_golive.probes.reading import json_value

INHERITED = ("PATH", "HOME", "LANG")
_KEPT_LINES = 1_000
_NUMBER = re.compile(r"[-+]?[0-9]{1,400}(?:\.[0-9]{1,400})?\Z")


def _one_group(value: str) -> str:
    if re.compile(value).groups != 1:
        raise ValueError("must have exactly one group: the number")
    return value


Counting = Annotated[Pattern, AfterValidator(_one_group)]


class Command(ProbeModel):
    """What does this program say?

    ```yaml
    command:
      run: [./scripts/audit.sh, --all]
      require: ["^audit complete"]
      forbid: ["(?i)\\\\bfail", Traceback]
      counts: {failed: "failed: ([0-9]+)"}
    expect: {exit: 0, required_missing: {len: 0}, forbidden_found: {len: 0}, counts.failed: 0}
    ```

    `run` is a list; no shell reads it. `cwd` is the root of the run. The program gets no input and an environment of PATH,
    HOME and LANG, what `pass_env` names, and `env`. `as` is text, json (standard output must be JSON) or lines. Patterns
    are searched in every line of both outputs, without terminal colours. A count is the number in the last line that
    matches. Output beyond `max_output` bytes (1,000,000 for each stream) is left out, which is an error if patterns, counts
    or json were to be read from it. At the deadline the whole process group is ended, and that is an error; so is a program
    that is not found.

    Facts: `exit` (negative for a signal), `signal`, `stdout`, `stderr` (shortened), `lines` (of standard output), `output`
    (the list of them, with `as: lines`), `json`, `required` and `forbidden` (lists of `pattern`, `lines`),
    `required_missing` and `forbidden_found` (patterns), `counts` (a name is absent if its pattern matched nowhere),
    `seconds`, `truncated`, `undecodable`, `left_behind` (something of its group went on after it; it has been killed).
    """

    word: ClassVar[str] = "command"
    lane: ClassVar[Lane] = "process"

    run: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    cwd: Text | None = None
    env: dict[Text, str] = Field(default_factory=dict)
    pass_env: Names = ()
    as_: Literal["text", "json", "lines"] = Field(default="text", alias="as")
    require: Annotated[tuple[Pattern, ...], Field(strict=False)] = ()
    forbid: Annotated[tuple[Pattern, ...], Field(strict=False)] = ()
    counts: dict[Text, Counting] = Field(default_factory=dict)
    max_output: Size = 1_000_000

    @field_validator("run")
    @classmethod
    def _names_a_program(cls, run: tuple[str, ...]) -> tuple[str, ...]:
        if not run[0].strip() or any("\x00" in part for part in run):
            raise ValueError("must name a program first, and hold no NUL character")
        return run

    def secrets(self, context: Context) -> Iterable[str]:
        passed = [context.environ.get(name, "") for name in self.pass_env if looks_secret(name)]
        return passed + [value for name, value in self.env.items() if looks_secret(name)]

    def look(self, context: Context) -> Facts:
        allowed = context.remaining()
        names = (*INHERITED, *self.pass_env)
        env = {name: context.environ[name] for name in names if name in context.environ} | self.env
        cwd = absolute(context.root, self.cwd or ".")
        ran = run(self.run, cwd=cwd, env=env, deadline=context.deadline, limit=self.max_output)
        if ran.overrun:
            raise timed_out(self.run[0], ran, allowed)
        return self._facts(ran)

    def _facts(self, ran: Ran) -> dict[str, Any]:
        texts = [plain_text(output.decode("utf-8", "replace")) for output in ran.outputs[:2]]
        truncated = any(ran.cut)
        if truncated and (self.require or self.forbid or self.counts or self.as_ == "json"):
            raise ProbeError(
                f"{self.run[0]} wrote {sum(ran.cut)} bytes more than max_output, so its output cannot be judged",
                hint="raise max_output",
            )
        lines = texts[0].splitlines()
        every = lines + texts[1].splitlines()
        facts: dict[str, Any] = {
            "exit": ran.exit,
            "stdout": cut(texts[0]),
            "stderr": cut(texts[1]),
            "lines": len(lines),
            "required": _counted(self.require, every),
            "forbidden": _counted(self.forbid, every),
            "counts": dict(_numbers(self.counts, every)),
            "seconds": decimal_seconds(ran.seconds),
            "truncated": truncated,
            "left_behind": ran.left_behind,
        }
        facts["required_missing"] = [each["pattern"] for each in facts["required"] if not each["lines"]]
        facts["forbidden_found"] = [each["pattern"] for each in facts["forbidden"] if each["lines"]]
        if ran.exit < 0:
            facts["signal"] = _signal(-ran.exit)
        if any("�" in text for text in texts):
            facts["undecodable"] = True
        if self.as_ == "lines":
            facts["output"] = [cut(line, 1_000) for line in lines[:_KEPT_LINES]]
        if self.as_ == "json":
            try:
                facts["json"] = json_value(texts[0])
            except ValueError as error:
                raise ProbeError(
                    f"standard output of {self.run[0]} (exit {ran.exit}) is not JSON: {error}",
                    hint="see what it writes, or read it as text",
                ) from None
            facts["stdout"] = ""
        return facts


def timed_out(what: str, ran: Ran, allowed: float) -> ProbeError:
    """The error of a program that had to be ended, which says whether it went by itself when asked."""
    killed = "; it did not end when asked and was killed" if ran.forced else ""
    return ProbeError(f"{what} timed out after {spoken(allowed)}{killed}", hint="see why it is slow, or raise the item's timeout")


def _signal(number: int) -> str:
    """The name of a signal; those for real time have none but their number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def _counted(patterns: tuple[str, ...], lines: list[str]) -> list[dict[str, Any]]:
    return [{"pattern": pattern, "lines": sum(map(bool, map(re.compile(pattern).search, lines)))} for pattern in patterns]


def _numbers(patterns: dict[str, str], lines: list[str]) -> Iterable[tuple[str, int | Decimal]]:
    for name, pattern in patterns.items():
        found = [match for match in map(re.compile(pattern).search, lines) if match is not None]
        if not found:
            continue
        text = found[-1][1]
        if text is None or not _NUMBER.match(text):
            raise ProbeError(
                f"the count {name!r} is {cut(str(text), 100)!r}, which is no number", hint="correct the group of its pattern"
            )
        yield name, Decimal(text) if "." in text else int(text)
