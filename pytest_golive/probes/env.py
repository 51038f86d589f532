"""A variable of the environment: of this one, or, which is more honest, of the process that will trade."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field

from pytest_golive.errors import ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.probes.base import Lane, ProbeModel, Text, looks_secret
from pytest_golive.probes.paths import absolute, read
from pytest_golive.probes.values import As, told

_REUSED_AFTER = 60.0


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
            pid, values = self._of_process(context)
            value = values[0] if values else None
            facts |= {"from": f"process {pid}", "pid": pid, "occurrences": len(values)}
        if value is not None:
            facts |= told(value, self.as_, concealed(self.name, self.as_, self))
        return facts

    def secrets(self, context: Context) -> Iterable[str]:
        if self.pid_file is None and concealed(self.name, self.as_, self):
            return (context.environ.get(self.name, ""),)
        return ()

    def _of_process(self, context: Context) -> tuple[int, list[str]]:
        path = absolute(context.root, self.pid_file or "")
        text = read(path, 100).decode("ascii", "replace").strip()
        if not (text.isdigit() and text.isascii() and int(text) > 0):
            raise ProbeError(f"{path} holds no process number", hint="let the service write its process number there")
        pid = int(text)
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                block = file.read()
            began = _began(pid)
            written = os.stat(path).st_mtime
        except (FileNotFoundError, ProcessLookupError):
            raise ProbeError(
                f"process {pid}, named by {path}, does not run", hint="start the service, or remove the stale file"
            ) from None
        except PermissionError:
            raise ProbeError(
                f"the environment of process {pid} may not be read", hint="run the gate as the user of the service"
            ) from None
        if began is None or not block:
            raise ProbeError(f"process {pid}, named by {path}, has ended", hint="start the service again")
        if began > written + _REUSED_AFTER:
            raise ProbeError(
                f"process {pid} is younger than {path}: the number was given to another process", hint="start the service again"
            )
        prefix = os.fsencode(self.name) + b"="
        return pid, [entry[len(prefix) :].decode("utf-8", "replace") for entry in block.split(b"\0") if entry.startswith(prefix)]


def concealed(name: str, as_: As, probe: ProbeModel) -> bool:
    """Whether the value must stay unsaid: it is declared secret, or its name looks so and nobody said otherwise."""
    if "secret" in probe.model_fields_set:
        return bool(getattr(probe, "secret"))  # noqa: B009
    return as_ in ("text", "list") and looks_secret(name)


def _began(pid: int) -> float | None:
    """When the process was started, in seconds of the wall clock; None if it is only a zombie."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    with open("/proc/stat", "rb") as file:
        boot = next(int(line.split()[1]) for line in file if line.startswith(b"btime"))
    return None if fields[0] in (b"Z", b"X") else boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")
