"""What data cannot say: a Python function that looks, in a process of its own, and returns facts for the expectation to judge.

It is a process because a function that hangs cannot be stopped in a thread, and because what it imports must not meet the
gate. The facts come back on a pipe of their own, so that nothing it prints can be taken for one.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, field_validator

from pytest_golive import canonical
from pytest_golive.errors import ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.probes import MAX_FACTS, python_call
from pytest_golive.probes.base import Lane, ProbeModel, Text, cut, plain_text
from pytest_golive.probes.command import timed_out
from pytest_golive.probes.paths import absolute
from pytest_golive.probes.process import Ran, run

_CALL = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\Z")


class Python(ProbeModel):
    """What facts does this function return?

    ```yaml
    python: {call: "behaviours.orders:duplicate_is_rejected", args: {symbol: BTCUSDT}}
    expect: {first.accepted: true, second.accepted: false}
    ```

    The function gets `args` as keywords and, if it has a parameter of that name, a `context` with `root`, `environ`,
    `deadline` and `remaining()`. Its module is looked for in the folder `path`, else beside the checklist. It returns a
    mapping of facts: text, whole numbers, Decimal, booleans, lists, mappings. Nothing, an empty
    mapping, a float, an exception, NotImplementedError and a failed import are errors. At the deadline it gets SystemExit,
    so that `finally` blocks run, and two seconds later it is killed. What it prints is evidence, never a fact that it
    returned.

    Facts: what it returned, and `printed` (shortened) if it printed anything.
    """

    word: ClassVar[str] = "python"
    lane: ClassVar[Lane] = "process"

    call: Text
    args: dict[Text, Any] = Field(default_factory=dict)
    path: Text | None = None

    @field_validator("call")
    @classmethod
    def _names_a_function(cls, call: str) -> str:
        if not _CALL.match(call):
            raise ValueError('must be "module:function", such as "behaviours.orders:duplicate_is_rejected"')
        return call

    def look(self, context: Context) -> Facts:
        allowed = context.remaining()
        request = {
            "call": self.call,
            "args": self.args,
            "path": self._folders(context),
            "root": str(context.root),
            "seconds": allowed,
            "importing": False,
        }
        ran = _asked(json.dumps(request, default=_decimal).encode() + b"\n", context)
        if ran.overrun:
            raise timed_out(self.call, ran, allowed)
        facts = self._facts(ran)
        printed = plain_text(b"".join(ran.outputs[:2]).decode("utf-8", "replace"))
        if printed.strip():
            if "printed" in facts:
                raise ProbeError(f"{self.call} printed, and returned a fact called 'printed'", hint="give the fact another name")
            facts["printed"] = cut(printed)
        return facts

    def beside(self, folder: Path) -> Python:
        """This check with `folder`, where its checklist lies, as the place of its module; unless the item names another."""
        return self if self.path is not None else self.model_copy(update={"path": str(folder)})

    def sources(self, root: Path) -> tuple[str, tuple[Path, ...]]:
        """The name of the package or module that holds the check, and the Python files it is made of, as they are now."""
        name = self.call.partition(":")[0].partition(".")[0]
        folders = [absolute(root, "checklists"), str(root)] if self.path is None else [absolute(root, self.path)]
        for folder in map(Path, folders):
            if (folder / name).is_dir():
                return name, tuple((folder / name).rglob("*.py"))
            if (folder / f"{name}.py").is_file():
                return name, (folder / f"{name}.py",)
        return name, ()

    def _folders(self, context: Context) -> list[str]:
        if self.path is None:
            return [absolute(context.root, "checklists"), str(context.root)]
        folder = absolute(context.root, self.path)
        if not os.path.isdir(folder):
            raise ProbeError(f"the folder {folder} does not exist", hint="correct path: it is where the module is looked for")
        return [folder]

    def _facts(self, ran: Ran) -> dict[str, Any]:
        if ran.cut[2]:
            raise ProbeError(
                f"{self.call} returned more than {MAX_FACTS} characters of facts", hint="return less: counts and samples"
            )
        try:
            reply = json.loads(ran.outputs[2], object_hook=canonical.revived)
        except ValueError:
            last = plain_text(ran.outputs[1].decode("utf-8", "replace")).strip().rpartition("\n")[2]
            raise ProbeError(
                f"{self.call} ended without a result (exit {ran.exit}){': ' + cut(last, 300) if last else ''}",
                hint="the function must return; it must not end its process",
            ) from None
        if "unfit" in reply:
            raise ProbeError(reply["unfit"], hint="a check returns the facts it saw; a stub proves nothing")
        if "raised" in reply:
            raise self._raised(reply)
        if ran.exit != 0:
            raise ProbeError(f"{self.call} returned, but its process ended with {ran.exit}", hint="see what it does at its end")
        facts: dict[str, Any] = reply["facts"]
        return facts

    def _raised(self, reply: dict[str, Any]) -> ProbeError:
        kind, message = reply["raised"], cut(reply["message"].strip(), 500)
        where = f" at {_short(reply['where'])}" if reply["where"] else ""
        if kind == "NotImplementedError":
            return ProbeError(
                f"{self.call} is not implemented{': ' + message if message else ''}",
                hint="write the check; a stub proves nothing",
            )
        if reply["importing"]:
            return ProbeError(
                f"{self.call} cannot be imported: {kind}: {message}{where}", hint="mend the module, or install what it needs"
            )
        return ProbeError(f"{self.call} raised {kind}: {message}{where}", hint="a check returns facts, also about what is wrong")


def _asked(request: bytes, context: Context) -> Ran:
    """The script, run with the request on one pipe, held open until it has ended, and the reply on another."""
    inlet, ask = os.pipe()
    answer, outlet = os.pipe()
    try:
        env = {name: value for name, value in context.environ.items() if not name.startswith("PYTHON")}
        argv = [sys.executable, "-I", "-X", "utf8", python_call.__file__, str(inlet), str(outlet)]
        writer = threading.Thread(target=_send, args=(os.dup(ask), request), daemon=True)
        writer.start()
        return run(
            argv,
            cwd=str(context.root),
            env=env,
            deadline=context.deadline,
            limit=MAX_FACTS,
            pass_fds=(inlet, outlet),
            listen=(answer,),
        )
    finally:
        os.close(ask)
        os.close(answer)


def _send(ask: int, request: bytes) -> None:
    with open(ask, "wb") as pipe, contextlib.suppress(BrokenPipeError):
        pipe.write(request)


def _short(where: str) -> str:
    file, _, line = where.rpartition(":")
    return f"{os.path.basename(os.path.dirname(file))}/{os.path.basename(file)}:{line}"


def _decimal(value: Any) -> Any:
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    raise TypeError(f"{type(value).__name__} cannot be an argument")
