"""A variable of the environment: of this one, or, which is more honest, of the process that will trade."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field

from pytest_golive.model import Context, Facts
from pytest_golive.probes.base import Lane, ProbeModel, Text, looks_secret
from pytest_golive.probes.running import environment_of
from pytest_golive.probes.values import As, told


class Env(ProbeModel):
    """Is the variable set, and to what?

    ```yaml
    env: {name: DRY_RUN_MODE, as: boolean, pid_file: run/desk.pid}
    expect: {set: true, value: false}
    ```

    `as` is text (default), integer, decimal, boolean, list (split at commas) or duration (facts are seconds). With
    `pid_file` the environment is that which the process was started with, read from the kernel; without, that of the gate
    itself. The value of a secret is never a fact. A name that looks like a secret counts as one as long as it is read as
    text and `secret: false` is not written out.

    Facts: `name`, `set`, `from` (environment, or process 1234), `pid`; if it is set also `value` (absent if it cannot be
    read as asked, then `unparsable: true`), `surrounded` (white space or quotes are part of it), `occurrences` (with
    pid_file: how often the name stands there); for a secret instead of the value `withheld: true`, `length`, `placeholder`.
    """

    word: ClassVar[str] = "env"
    lane: ClassVar[Lane] = "local"

    name: Text
    as_: As = Field(default="text", alias="as")
    secret: bool = False
    pid_file: Text | None = None

    def look(self, context: Context) -> Facts:
        facts: dict[str, object] = {"name": self.name, "from": "environment", "set": False}
        if self.pid_file is None:
            value = context.environ.get(self.name)
        else:
            pid, entries = environment_of(self.pid_file, context)
            values = [text for name, text in entries if name == self.name]
            value = values[0] if values else None
            facts |= {"from": f"process {pid}", "pid": pid, "occurrences": len(values)}
        if value is not None:
            facts |= told(value, self.as_, concealed(self.name, self.as_, self))
        return facts

    def secrets(self, context: Context) -> Iterable[str]:
        if self.pid_file is None and concealed(self.name, self.as_, self):
            return (context.environ.get(self.name, ""),)
        return ()


def concealed(name: str, as_: As, probe: ProbeModel) -> bool:
    """Whether the value must stay unsaid: it is declared secret, or its name looks so and nobody said otherwise."""
    if "secret" in probe.model_fields_set:
        return bool(getattr(probe, "secret"))  # noqa: B009
    return as_ in ("text", "list") and looks_secret(name)
