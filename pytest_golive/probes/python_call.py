"""The other side of the kind `python`: a script that calls one function in a process of its own and tells what it returned.

It is run by path and in isolated mode, and imports nothing of this package, so that it starts quickly and the function sees
a clean interpreter. The request comes as one line on one pipe, which stays open: when it closes, whoever asked is gone, and
the function is asked to end as at its deadline, by SystemExit, so that its `finally` blocks put back what they changed.
"""

from __future__ import annotations

import _thread
import json
import os
import signal
import sys
import time
from decimal import Decimal
from typing import Any

_DECIMAL = "$decimal"


class Context:
    """What a called function may know: the root of the run (a Path), the environment, and how long it may take."""

    def __init__(self, root: str, seconds: float) -> None:
        from pathlib import Path

        self.root = Path(root)
        self.environ = os.environ
        self.deadline = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds that are left, never negative."""
        return max(0.0, self.deadline - time.monotonic())


class Unfit(Exception):
    """Something that is no fact, with the words to say so."""


def main(inlet: int, outlet: int) -> None:
    os.set_inheritable(inlet, False)
    os.set_inheritable(outlet, False)
    request = _request(inlet)
    sys.path[:0] = request["path"]
    signal.signal(signal.SIGTERM, _ask_to_end)
    _thread.start_new_thread(_watch, (inlet,))
    reply: dict[str, Any]
    try:
        reply = {"facts": _called(request)}
    except Unfit as unfit:
        reply = {"unfit": str(unfit)}
    except BaseException as error:  # noqa: BLE001 - whatever it raised is told; nothing may end as a silence
        reply = {
            "raised": type(error).__name__,
            "message": str(error),
            "where": _where(error),
            "importing": request["importing"] or isinstance(error, ImportError),
        }
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open(outlet, "wb", closefd=False) as out:
        out.write(json.dumps(reply).encode())


def _request(inlet: int) -> Any:
    text = b""
    while not text.endswith(b"\n"):
        part = os.read(inlet, 65_536)
        if not part:
            os._exit(70)
        text += part
    return json.loads(text, object_hook=_from_decimal)


def _ask_to_end(_number: int, _frame: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit("ended at its deadline")


def _watch(inlet: int) -> None:
    while os.read(inlet, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _called(request: dict[str, Any]) -> Any:
    module, _, name = request["call"].partition(":")
    request["importing"] = True
    try:
        __import__(module)
    except ModuleNotFoundError as error:
        raise Unfit(f"{error.name} cannot be imported: there is no such module") from None
    request["importing"] = False
    function: Any = sys.modules[module]
    for step in name.split("."):
        if not hasattr(function, step):
            raise Unfit(f"{module} has no {name}")
        function = getattr(function, step)
    if not callable(function):
        raise Unfit(f"{request['call']} is not a function")
    arguments = dict(request["args"])
    takes = _parameters(function)
    if "context" in takes and "context" not in arguments:
        arguments["context"] = Context(request["root"], request["seconds"])
    try:
        told = function(**arguments)
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is None:
            raise Unfit(f"{request['call']} cannot be called so: {error}") from None
        raise
    if told is None:
        raise Unfit(f"{request['call']} returned nothing")
    if not isinstance(told, dict):
        raise Unfit(f"{request['call']} returned {type(told).__name__}, not a mapping of facts")
    if not told:
        raise Unfit(f"{request['call']} returned no facts")
    return _plain(told, "")


def _parameters(function: Any) -> tuple[str, ...]:
    code = getattr(function, "__code__", None)
    if code is not None and not hasattr(function, "__wrapped__"):
        return tuple(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    import inspect

    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()


def _plain(value: Any, path: str) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Decimal):
        return {_DECIMAL: str(value)}
    if isinstance(value, float):
        raise Unfit(f"the fact {path!r} is a float, which is not exact: return Decimal(str(x)) or text")
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str):
                raise Unfit(f"the fact {path!r} has a name that is not text: {name!r}")
        return {name: _plain(part, f"{path}.{name}" if path else name) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part, path) for part in value]
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    raise Unfit(f"the fact {path!r} is a {type(value).__name__}, which is not JSON-like")


def _from_decimal(mapping: dict[str, Any]) -> Any:
    return Decimal(mapping[_DECIMAL]) if len(mapping) == 1 and _DECIMAL in mapping else mapping


def _where(error: BaseException) -> str:
    """File and line where it was raised, as far as it was in code that somebody wrote for this."""
    where, trace = "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file != __file__ and not file.startswith("<"):
            where = f"{file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return where


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
