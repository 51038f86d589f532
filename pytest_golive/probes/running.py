"""The environment that a running process was started with, read from the kernel: what it trades with, whatever files say now."""

from __future__ import annotations

import os

from pytest_golive.errors import ProbeError
from pytest_golive.model import Context
from pytest_golive.probes.paths import absolute, read

_REUSED_AFTER = 60.0


def environment_of(pid_file: str, context: Context) -> tuple[int, list[tuple[str, str]]]:
    """The number of the process that a pid file names, and its variables in their order, names that stand there twice included.

    `ProbeError` if the file names no process, the process has ended, its number was given to another one, or its
    environment may not be read.
    """
    path = absolute(context.root, pid_file)
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
    entries = (entry.decode("utf-8", "replace").partition("=") for entry in block.split(b"\0") if b"=" in entry)
    return pid, [(name, value) for name, _, value in entries]


def variable(name: str, pid_file: str | None, context: Context, purpose: str) -> str:
    """The value of a variable of that process, or of the gate itself; `ProbeError` if it is not set, or set twice there."""
    if pid_file is None:
        values = [context.environ.get(name, "")]
    else:
        values = [value for known, value in environment_of(pid_file, context)[1] if known == name]
    if not values or not values[0]:
        where = "for the gate" if pid_file is None else f"for the process named by {pid_file}"
        raise ProbeError(f"the variable {name} is not set, so {purpose}", hint=f"set {name} {where}")
    if len(values) > 1:
        raise ProbeError(f"the variable {name} stands {len(values)} times in the process", hint="set it once")
    return values[0]


def _began(pid: int) -> float | None:
    """When the process was started, in seconds of the wall clock; None if it is only a zombie."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    with open("/proc/stat", "rb") as file:
        boot = next(int(line.split()[1]) for line in file if line.startswith(b"btime"))
    return None if fields[0] in (b"Z", b"X") else boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")
