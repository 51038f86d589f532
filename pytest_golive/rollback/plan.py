"""rollback.yaml to `Plan`: the steps of the way back, each a list of words or a text for people, and how it is seen to be done.

Steps are data because every desk has others, and they are lists of words because a line for a shell says more than was meant.
What the documents themselves write down and nobody should run as it stands is refused, with what to do instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, final

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from pytest_golive import canonical, quantities, yaml12
from pytest_golive.errors import Fault, FaultyFile
from pytest_golive.shape import fit
from pytest_golive.variables import substitute

MAX_PLAN = 1_000_000
_ID = r"^[a-z0-9][a-z0-9-]*$"
_SHELLS = re.compile(r"(?:^|/)(?:ba|da|z|k|fi)?sh$")
_HARM: Mapping[str, str] = {
    r"(^| )git( .*)? reset( .*)? --hard": "it throws away what is not committed: check the version out into a folder of its own",
    r"(^| )git( .*)? push( .*)? (-f|--force\S*)( |$)": "it takes others' work away: push a commit that reverts",
    r"(^| )(\S*/)?(pkill|killall)( |$)": "it ends every process of that name: end the recorded pid",
    r"(^| )(\S*/)?kill( .*)? -?(9|KILL|SIGKILL) -1( |$)": "it ends every process: end the recorded pid",
    r"(^| )(\S*/)?mongorestore( .*)? --drop": "it drops before the backup is known to be whole: restore elsewhere first",
    r"(^| )echo( .*)? >>? ?\S*\.env( |$)": "it loses every other setting: change the one line",
    r"(?i)drop +(database|table|schema)|(^| )(\S*/)?dropdb( |$)": "it cannot be taken back: rename",
    r"(^| )(\S*/)?rm( .*)? -(\w*[rR]\w*|-recursive)( |$)": "what it removes is gone before its successor is there: move it aside",
    r"(^| )(\S*/)?git( .*)? clean( .*)? -\w*f": "it removes what nobody recorded: move it aside",
}
"""Commands that no step may run, and what to do instead."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Verify(_Strict):
    """How a step is seen to be done: an item of the checklists that passes, or a command that ends with 0."""

    item: str = ""
    command: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one(self) -> Verify:
        if bool(self.item) == bool(self.command):
            raise ValueError("a step is verified by an item or by a command: write one of them")
        return self


class Step(_Strict):
    """One step: a command (`run`) or what a person does (`manual`), with how it is verified.

    `danger` is true unless the plan says otherwise, and then a person confirms it whatever was said before.
    """

    id: str = Field(pattern=_ID)
    title: str = Field(min_length=1)
    why: str = Field(min_length=1)
    does: str = ""
    run: list[str] = Field(default_factory=list)
    manual: str = ""
    verify: Verify | None = None
    danger: bool = True
    timeout: Annotated[float, Field(strict=False)] = 120.0

    @field_validator("timeout", mode="before")
    @classmethod
    def _duration(cls, value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError("a duration needs a unit: write 90s or 10m")  # noqa: TRY004 - pydantic collects it
        return quantities.seconds(value)

    @field_validator("run")
    @classmethod
    def _harmless(cls, words: list[str]) -> list[str]:
        refuse_harm(words)
        return words

    @model_validator(mode="after")
    def _whole(self) -> Step:
        if bool(self.run) == bool(self.manual):
            raise ValueError("a step is done by a command or by a person: write run, or manual")
        if self.run and self.verify is None:
            raise ValueError("a command that ended says nothing of what it did: write verify")
        if self.run and not self.does:
            raise ValueError("whoever confirms a command must know what it will do: write does")
        return self

    _written: str = PrivateAttr("")

    @property
    def digest(self) -> str:
        """The digest of the step as it is written: one that was changed is another one, and has not been done.

        It is taken before variables are put in, because an address that changed with a restart makes no other step.
        """
        return self._written


class _Source(_Strict):
    document: str
    section: str = ""
    line: int = 0


class _File(_Strict):
    version: Annotated[int, Field(ge=1, le=1)]
    title: str = Field(min_length=1)
    source: _Source | None = None
    history: str = ""
    steps: list[Step] = Field(min_length=1)

    @field_validator("steps")
    @classmethod
    def _distinct(cls, steps: list[Step]) -> list[Step]:
        ids = [step.id for step in steps]
        twice = sorted({one for one in ids if ids.count(one) > 1})
        if twice:
            raise ValueError(f"two steps have the id {', '.join(twice)}")
        return steps


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A whole and valid plan; `history` is the Markdown file with the table of all ways back, None if it names none."""

    path: Path
    title: str
    steps: tuple[Step, ...]
    history: Path | None

    def step(self, number: int) -> Step:
        """The step of this number, counted from 1; LookupError if there is none."""
        if not 1 <= number <= len(self.steps):
            raise LookupError(f"the plan has the steps 1 to {len(self.steps)}")
        return self.steps[number - 1]


def refuse_harm(words: Sequence[str]) -> None:
    """ValueError for a command that would run a shell, or do what cannot be undone."""
    for number, word in enumerate(words[:-1]):
        if _SHELLS.search(word) and any(other.startswith("-") and "c" in other for other in words[number + 1 : number + 3]):
            raise ValueError(f"{word} -c runs a line for a shell: write the words of the command itself")
    line = " ".join(words)
    for pattern, instead in _HARM.items():
        if re.search(pattern, line):
            raise ValueError(f"this command is not run: {instead}")


def read(path: Path, variables: Mapping[str, Any], *, root: Path) -> Plan:
    """The plan of a file, with the variables put in; FaultyFile with every fault and its place."""
    faults: list[Fault] = []
    file = str(path)

    def report(spot: yaml12.Spot, message: str) -> None:
        faults.append(Fault(file=file, line=spot[0], column=spot[1], message=message))

    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_PLAN + 1)
    except OSError as error:
        report(
            (1, 1), "this plan does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        )
        raise FaultyFile(
            faults, hint="write it (docs/GO_LIVE_ROLLBACK.md), or name another under rollback: in golive.yaml"
        ) from None
    if len(raw) > MAX_PLAN:
        report((1, 1), f"the plan has more than {MAX_PLAN} bytes")
    value = None if faults else yaml12.parse(raw, file, faults)
    if not faults and not isinstance(value, yaml12.LocatedDict):
        report((1, 1), "must be a mapping with version, title and steps")
    found = None if faults else fit(_File, substitute(value, variables, report), report)
    if faults or found is None:
        raise FaultyFile(faults, hint="correct the lines above; docs/GO_LIVE_ROLLBACK.md shows a plan")
    written_steps = value["steps"] if value is not None else []
    for step, written in zip(found.steps, written_steps, strict=True):
        step._written = canonical.digest(written)
    history = (root / found.history).absolute() if found.history else None
    return Plan(path=path, title=found.title, steps=tuple(found.steps), history=history)
