"""`python -m examples.desk.taking_back`: the desk's own side of the eight steps back, and how each is seen to be done.

`rollback.yaml` beside this file names these commands. Each changes one thing and keeps what was there; each look asks somewhere
else than where the change was made: the desk that runs, the exchange, the disk. Addresses are read from what the desk wrote down
when it started, because a restart gives it others.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from examples.desk import jsontext
from examples.desk.broker import Broker
from examples.desk.errors import DeskError
from examples.desk.settings import ROOT, Home, credentials, read_dotenv
from examples.desk.symbols import ACCOUNTS, TESTNET
from examples.desk.web import call
from pytest_golive import events
from pytest_golive.guard.state import replace_file
from pytest_golive.journal import Journal

SECONDS = 30.0
_BOX = re.compile(r"- \[(?P<box>[ xX])\] (?P<text>.+)")
_SIGNED = re.compile(r".+ \(\d\d:\d\d:\d\d UTC, [^)]+\)")
_SECTIONS = ("timeline", "root cause", "actions")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 if it is done, or is seen to be done; the last line says what was found."""
    parser = argparse.ArgumentParser(prog="python -m examples.desk.taking_back", description=__doc__)
    parser.add_argument("what", choices=(*CHANGES, *(f"seen-{name}" for name in LOOKS)))
    parser.add_argument("--home", type=Path, required=True)
    told = parser.parse_args(arguments)
    home = Home(path=told.home.absolute())
    try:
        if told.what in CHANGES:
            print(CHANGES[told.what](home))
            return 0
        good, found = LOOKS[told.what.removeprefix("seen-")](home)
    except (DeskError, OSError, ValueError, LookupError) as error:
        print(f"this could not be looked at: {type(error).__name__}: {error}")
        return 1
    print(found)
    return 0 if good else 1


def switch_off(home: Home) -> str:
    """Set activation_enabled to false in golive.yaml; nothing else in it changes."""
    return _set_line(home.golive, r"^activation_enabled:.*$", "activation_enabled: false")


def to_testnet(home: Home) -> str:
    """Set DESK_ACCOUNTS to testnet in .env; every other line stays."""
    return _set_line(home.dotenv, r"^DESK_ACCOUNTS=.*$", "DESK_ACCOUNTS=testnet")


def restart(home: Home) -> str:
    """End the desk by its recorded pid, and start it again with what it was started with and what .env says now."""
    pid = int(home.pid.read_text(encoding="ascii"))
    command = Path(f"/proc/{pid}/cmdline").read_bytes()
    if b"examples.desk" not in command or os.fsencode(home.path) not in command.split(b"\0"):
        raise DeskError(f"the pid {pid} is not the desk of {home.path}", hint="find the desk with ps")
    environ = _environment_of(pid)
    os.kill(pid, signal.SIGTERM)
    _wait(lambda: not home.pid.exists() and _is_free(home.lock), "the desk did not end")
    ours = {name: value for name, value in environ.items() if name not in read_dotenv(home.dotenv)}
    started = time.time()
    with open(home.system_log.parent / "restart.log", "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "examples.desk", "serve", "--home", str(home.path)],
            cwd=ROOT, env=ours, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip

    def is_up() -> bool:
        if process.poll() is not None:
            raise DeskError(f"the desk ended with {process.returncode}", hint="see logs/restart.log")
        return _addresses_file(home).stat().st_mtime > started and _health(home) == "healthy"

    _wait(is_up, "the desk did not come up")
    return f"the desk runs again with the pid {process.pid}"


def _is_free(lock: Path) -> bool:
    """Whether no desk holds the home any more; the file of its pid goes a moment before."""
    with lock.open("a", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def flag_gone(home: Home) -> tuple[bool, str]:
    """The marker is gone, and the desk that runs says that its guard refuses."""
    told = _get(home, "/mode")
    permitted, there = told["guard"]["allowed"], os.path.lexists(home.marker)
    return not there and permitted is False, f"marker there: {there}; the desk's guard: {told['guard']['reason'] or 'allows'}"


def switched_off(home: Home) -> tuple[bool, str]:
    """The settings as the gate reads them say that nobody can activate."""
    from pytest_golive import config

    enabled = config.load(home.golive, os.environ, probing=False).activation_enabled
    return not enabled, f"activation_enabled is {enabled}"


def is_testnet(home: Home) -> tuple[bool, str]:
    """The file that the next start reads names the testnet."""
    told = read_dotenv(home.dotenv).get("DESK_ACCOUNTS")
    return told == TESTNET, f"DESK_ACCOUNTS is {told}"


def restarted(home: Home) -> tuple[bool, str]:
    """The process that runs is younger than the change of .env, is healthy, and has each account at the testnet."""
    younger = home.pid.stat().st_mtime > home.dotenv.stat().st_mtime
    state, where = _health(home), sorted({one["environment"] for one in _get(home, "/accounts")["accounts"]})
    good = younger and state == "healthy" and where == [TESTNET]
    return good, f"younger than .env: {younger}; health: {state}; accounts: {', '.join(where)}"


def is_quiet(home: Home) -> tuple[bool, str]:
    """No exchange traded for a real account since the marker went, and no log says that an order was sent."""
    since = _marker_went(home)
    environ = _environment_of(int(home.pid.read_text(encoding="ascii")))
    fills = 0
    for account in ACCOUNTS.values():
        if account.drill:
            continue
        key, secret = (environ.get(name, "") for name in credentials(account.broker))
        broker = Broker(account.broker, _addresses(home)[account.broker], key=key, secret=secret)
        fills += sum(datetime.fromisoformat(str(fill["at"])) > since for fill in broker.fills(account.name))
    stamp = since.strftime("%Y-%m-%dT%H:%M:%S")
    lines = home.execution_log.read_text(encoding="utf-8").splitlines()
    sent = [line for line in lines if "[ORDER_FILLED]" in line and TESTNET not in line and line[:19] > stamp]
    return fills == len(sent) == 0, f"since {stamp}: {fills} trades at the exchanges, {len(sent)} orders in the log"


def positions_decided(home: Home) -> tuple[bool, str]:
    """Somebody has decided what becomes of each position that is open for real money."""
    held = {
        (one["account"], one["symbol"]) for one in _get(home, "/positions")["positions"] if one["environment"] == "live"
    }  # fmt: skip
    decided = {(one["account"], one["symbol"]) for one in _get(home, "/decisions")["decisions"]}
    open_ones = sorted(" ".join(place) for place in held - decided)
    return not open_ones, f"{len(held)} positions, undecided: {', '.join(open_ones) or 'none'}"


def checklist_done(home: Home) -> tuple[bool, str]:
    """Every box of the newest copy of the checklist is ticked, with time and name; an older copy does not count."""
    path = _newest(home, "*checklist*.md")
    boxes = [match for line in path.read_text(encoding="utf-8").splitlines() if (match := _BOX.match(line))]
    missing = [match["text"] for match in boxes if match["box"] == " " or not _SIGNED.fullmatch(match["text"])]
    return len(boxes) >= 8 and not missing, f"{path.name}: {len(boxes)} boxes, open: {'; '.join(missing) or 'none'}"


def incident_written(home: Home) -> tuple[bool, str]:
    """The newest incident document since this rollback has a timeline, a root cause and actions, and no placeholder."""
    path = _newest(home, "*incident*.md")
    text = path.read_text(encoding="utf-8")
    parts = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    sections = {part.splitlines()[0].strip().casefold(): len(part.split()) for part in parts}
    thin = [name for name in _SECTIONS if sections.get(name, 0) < 8]
    empty = re.findall(r"TODO|TBD|FIXME|YYYY|<[a-z -]+>|\.\.\.", text)
    return not thin and not empty, f"{path.name}: too thin: {', '.join(thin) or 'nothing'}; placeholders: {len(empty)}"


CHANGES: Mapping[str, Callable[[Home], str]] = {"switch-off": switch_off, "to-testnet": to_testnet, "restart": restart}
LOOKS: Mapping[str, Callable[[Home], tuple[bool, str]]] = {
    "flag": flag_gone,
    "switch-off": switched_off,
    "testnet": is_testnet,
    "restart": restarted,
    "quiet": is_quiet,
    "positions": positions_decided,
    "checklist": checklist_done,
    "incident": incident_written,
}


def _set_line(path: Path, pattern: str, line: str) -> str:
    text = path.read_text(encoding="utf-8")
    changed, count = re.subn(pattern, line, text, flags=re.MULTILINE)
    if count > 1:
        raise DeskError(f"{path} says it {count} times", hint="leave one line")
    if count == 0:
        changed = f"{text.rstrip()}\n{line}\n"
    if changed != text:
        replace_file(str(path), changed.encode("utf-8"), path.stat().st_mode & 0o777)
    return f"{path.name}: {line}"


def _marker_went(home: Home) -> datetime:
    """When the marker was taken back last, by the journal."""
    moments = [entry.at for entry in Journal(home.path / "journal.jsonl").entries() if entry.event == events.DEACTIVATED]
    if not moments:
        raise DeskError("the journal knows of no deactivation", hint="walk step 1")
    return moments[-1]


def _newest(home: Home, pattern: str) -> Path:
    found = [path for path in (home.path / "documents" / "incidents").glob(pattern) if path.is_file()]
    since = _marker_went(home).timestamp()
    late = [path for path in found if path.stat().st_mtime > since]
    if not late:
        raise DeskError(f"documents/incidents has no {pattern} from after the marker went", hint="write it")
    return max(late, key=lambda path: path.stat().st_mtime)


def _addresses_file(home: Home) -> Path:
    return home.path / "deployment" / "addresses.json"


def _addresses(home: Home) -> Mapping[str, str]:
    return dict(jsontext.loads(_addresses_file(home).read_text(encoding="utf-8")))


def _get(home: Home, target: str) -> Any:
    status, body = call(_addresses(home)["api"], "GET", target)
    if status != 200:
        raise DeskError(f"{target} answers {status}", hint="look at the desk")
    return body


def _health(home: Home) -> str:
    try:
        return str(_get(home, "/health")["state"])
    except (OSError, ValueError, DeskError):
        return "not reachable"


def _environment_of(pid: int) -> dict[str, str]:
    raw = Path(f"/proc/{pid}/environ").read_bytes()
    pairs = (entry.partition(b"=") for entry in raw.split(b"\0") if entry)
    return {name.decode(): value.decode("utf-8", "surrogateescape") for name, _, value in pairs}


def _wait(condition: Callable[[], bool], told: str) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > end:
            raise DeskError(told, hint="see logs/system.log")
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
