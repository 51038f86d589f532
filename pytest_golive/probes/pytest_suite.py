"""A nested test suite: run by an interpreter of its own, in a folder of its own, and judged by the results it wrote.

The exit status alone does not say how many tests there were, and 0 failed of 0 is no proof. So pytest writes its results to a
private folder, as JUnit XML, and those are the facts.
"""

from __future__ import annotations

import os
import sys
import tempfile
from decimal import Decimal
from typing import Annotated, Any, ClassVar
from xml.etree import ElementTree

from pydantic import Field, field_validator

from pytest_golive.errors import ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.probes.base import Lane, Names, ProbeModel, Text, cut, decimal_seconds, looks_secret, plain_text
from pytest_golive.probes.command import INHERITED, timed_out
from pytest_golive.probes.paths import absolute
from pytest_golive.probes.process import Ran, run

MAX_RESULTS = 50_000_000
"""Bytes of the results that are read."""

_SHOWN = 1_000
_OURS = ("--junitxml", "--junit-xml", "--golive", "-p", "-o", "--override-ini")
_WORDS = {2: "was interrupted", 3: "had an internal error", 4: "was called wrongly"}


class PytestSuite(ProbeModel):
    """Does this test suite pass, and how many tests were there?

    ```yaml
    pytest: {run: [tests/risk, -m, "not slow"], cwd: "${service}", python: "${service}/.venv/bin/python"}
    expect: {exit: 0, total: {ge: 40}, failed: 0, errors: 0, skipped: 0}
    ```

    `run` are pytest's own words: paths and options. `cwd` is where it runs, and `python` the interpreter that has the
    suite's packages; without it the gate's own. It gets no input, an environment of PATH, HOME and LANG, what `pass_env`
    names, and `env`: no PYTEST_ADDOPTS, no PYTHONPATH. This plugin is switched off in it (unless `golive: true`), and it
    writes no cache. At the deadline the whole process group is ended, and that is an error; so is a suite that could not be
    started, had an internal error, or wrote no results.

    A suite that collected nothing is a fact: `total: 0` and `exit: 5`. A test that was expected to fail and did counts as
    `xfailed`, not as skipped; one that passed although it was expected to fail counts as failed if the mark was strict, else
    as passed, because pytest writes it so.

    Facts: `exit`, `total`, `passed`, `failed`, `errors`, `skipped`, `xfailed` (numbers, of the results), `tests` (`id`,
    `outcome` and `message` of the first 1,000, those that did not pass first), `failing` (ids of failed and errors),
    `seconds`, `output` (its end), `left_behind` (something of its group went on after it; it has been killed).
    """

    word: ClassVar[str] = "pytest"
    lane: ClassVar[Lane] = "process"

    run: Names = ()
    cwd: Text | None = None
    python: Text | None = None
    env: dict[Text, str] = Field(default_factory=dict)
    pass_env: Names = ()
    golive: bool = False
    max_output: Annotated[int, Field(gt=0, le=100_000_000)] = 1_000_000

    @field_validator("run")
    @classmethod
    def _leaves_ours(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        for word in words:
            if word.partition("=")[0] in _OURS:
                raise ValueError(f"{word.partition('=')[0]} cannot stand here: the gate sets it by itself")
        return words

    def secrets(self, context: Context) -> list[str]:
        passed = [context.environ.get(name, "") for name in self.pass_env if looks_secret(name)]
        return passed + [value for name, value in self.env.items() if looks_secret(name)]

    def look(self, context: Context) -> Facts:
        allowed = context.remaining()
        names = (*INHERITED, *self.pass_env)
        env = {name: context.environ[name] for name in names if name in context.environ}
        env |= {"PYTHONDONTWRITEBYTECODE": "1"} | self.env
        interpreter = absolute(context.root, self.python) if self.python is not None else sys.executable
        with tempfile.TemporaryDirectory(prefix="golive-") as folder:
            results = os.path.join(folder, "results.xml")
            argv = [interpreter, "-m", "pytest", "-p", "no:cacheprovider", *([] if self.golive else ["-p", "no:golive"])]
            argv += ["-o", "junit_family=xunit2", "-o", "junit_logging=no", f"--junitxml={results}", "--color=no", *self.run]
            ran = run(
                argv, cwd=absolute(context.root, self.cwd or "."), env=env, deadline=context.deadline, limit=self.max_output
            )
            if ran.overrun:
                raise timed_out("the suite", ran, allowed)
            output = plain_text(b"\n".join(ran.outputs).decode("utf-8", "replace")).strip()
            if ran.exit not in (0, 1, 2, 5) or not os.path.exists(results):
                raise _useless(ran, output)
            tests = _read(results)
        return _facts(ran, tests, output)


def _facts(ran: Ran, tests: list[dict[str, str]], output: str) -> dict[str, Any]:
    words = [test["outcome"] for test in tests]
    facts: dict[str, Any] = {"exit": ran.exit, "total": len(tests)}
    names = {"passed": "passed", "failed": "failed", "errors": "error", "skipped": "skipped", "xfailed": "xfailed"}
    facts |= {name: words.count(word) for name, word in names.items()}
    if ran.exit == 0 and (facts["failed"] or facts["errors"]):
        raise ProbeError(
            f"the suite ended with 0 though {facts['failed'] + facts['errors']} of its tests did not pass",
            hint="see which of its plugins changes the exit status",
        )
    facts["failing"] = [test["id"] for test in tests if test["outcome"] in ("failed", "error")][:_SHOWN]
    facts["tests"] = sorted(tests, key=lambda test: test["outcome"] == "passed")[:_SHOWN]
    return facts | {
        "seconds": decimal_seconds(ran.seconds) if ran.seconds else Decimal(0),
        "output": cut(output[-4_000:]),
        "left_behind": ran.left_behind,
    }


def _useless(ran: Ran, output: str) -> ProbeError:
    lines = [line for line in output.splitlines() if line.strip()]
    told = next((line for line in reversed(lines) if "rror" in line), lines[-1] if lines else "it said nothing")
    what = _WORDS.get(ran.exit, f"ended with {ran.exit} and wrote no results")
    return ProbeError(f"the suite {what}: {cut(told.strip(), 300)}", hint="run the same words in its folder by hand")


def _read(path: str) -> list[dict[str, str]]:
    """Every test with its outcome, the worst that was told of it."""
    with open(path, "rb") as file:
        content = file.read(MAX_RESULTS + 1)
    if len(content) > MAX_RESULTS or b"<!DOCTYPE" in content[:1_000]:
        raise ProbeError("the results of the suite are too large, or not what pytest writes", hint="run fewer tests at once")
    try:
        root = ElementTree.fromstring(content)  # noqa: S314 - without a document type there are no entities to expand
    except ElementTree.ParseError as error:
        raise ProbeError(f"the results of the suite are no XML: {error}", hint="see what ends it") from None
    worst: dict[str, dict[str, str]] = {}
    order = ("passed", "xfailed", "skipped", "failed", "error")
    for case in root.iter("testcase"):
        name = "::".join(part for part in (case.get("classname", ""), case.get("name", "")) if part)
        outcome, message = _outcome(case)
        test = {"id": name, "outcome": outcome} | ({"message": cut(message, 500)} if message else {})
        if name not in worst or order.index(worst[name]["outcome"]) < order.index(outcome):
            worst[name] = test
    return list(worst.values())


def _outcome(case: ElementTree.Element) -> tuple[str, str]:
    for tag, word in (("error", "error"), ("failure", "failed"), ("skipped", "skipped")):
        part = case.find(tag)
        if part is not None:
            expected = tag == "skipped" and part.get("type") == "pytest.xfail"
            return ("xfailed" if expected else word), plain_text(part.get("message") or "").strip()
    return "passed", ""
