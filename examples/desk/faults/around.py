"""Faults around the bots: backups that are cut off, logs with secrets, measures that lie, ports that an old process holds."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

from examples.desk import clock, dashboard, jsontext
from examples.desk.bots import backups
from examples.desk.bots.traffic import FAILED
from examples.desk.bots.users import ADMIN
from examples.desk.errors import DeskError

if TYPE_CHECKING:
    from examples.desk.service import Service

TASKS = ("reports", "watch", "alerts", "backups")
FAILURES = 100_000
DRILL = "drill-trip"
_OUTGROWN = 11_000_000
_VIEWPORT = 'name="viewport"'
_kept: dict[str, Any] = {}


def halt_task(desk: Service, name: str) -> None:
    """Something that runs by itself ends."""
    desk.upkeep.workers[name].halt()


def start_task(desk: Service, name: str) -> None:
    """It runs again."""
    desk.upkeep.workers[name].start()


def cut_backup(desk: Service, subject: str) -> None:
    """The newest backup ends in the middle."""
    newest = _newest(desk)
    content = newest.read_bytes()
    _aside(newest).write_bytes(content)
    newest.write_bytes(content[: len(content) // 2])


def mend_backup(desk: Service, subject: str) -> None:
    """The newest backup is whole again."""
    for aside in (desk.settings.home.path / "backups").glob("*.whole"):
        aside.with_suffix("").write_bytes(aside.read_bytes())
        aside.unlink()


def log_secret(desk: Service, subject: str) -> None:
    """A key of an exchange stands in a log."""
    _leak(desk).write_text(f"connecting with {desk.settings.environ['TESTNET_API_KEY']}\n", encoding="utf-8")


def remove_secret(desk: Service, subject: str) -> None:
    """The log with the key is gone."""
    _leak(desk).unlink(missing_ok=True)


def outgrow_log(desk: Service, subject: str) -> None:
    """A log that nobody puts aside has grown beyond its limit."""
    with open(_outgrown(desk), "wb") as file:
        file.truncate(_OUTGROWN)


def cut_log(desk: Service, subject: str) -> None:
    """It is gone."""
    _outgrown(desk).unlink(missing_ok=True)


def forget_limit(desk: Service, subject: str) -> None:
    """The system log is never put aside."""
    for handler in _handlers():
        _kept[handler.baseFilename] = handler.maxBytes
        handler.maxBytes = 0


def remember_limit(desk: Service, subject: str) -> None:
    """The system log has its limit again."""
    for handler in _handlers():
        handler.maxBytes = _kept.pop(handler.baseFilename, handler.maxBytes)


def count_failures(desk: Service, subject: str) -> None:
    """More requests have failed than a good day has."""
    desk.upkeep.traffic.adjust(FAILED, FAILURES)


def forget_failures(desk: Service, subject: str) -> None:
    """They have not."""
    desk.upkeep.traffic.adjust(FAILED, -FAILURES)


def flatter(desk: Service, subject: str) -> None:
    """The portfolio tells a profit that no fill has made."""
    honest: Callable[[str], dict[str, Any]] = desk.floor.portfolio.summary

    def summary(user: str) -> dict[str, Any]:
        told = honest(user)
        return {**told, "realized": told["realized"] + Decimal(100)}

    desk.floor.portfolio.summary = summary  # type: ignore[method-assign]


def tell_the_truth(desk: Service, subject: str) -> None:
    """The portfolio tells what the fills add up to."""
    del desk.floor.portfolio.summary


def close_sign_up(desk: Service, subject: str) -> None:
    """Nobody can register."""

    def create(name: str, password: str, **more: Any) -> Mapping[str, Any]:
        raise DeskError("nobody is taken on today", hint="drill: fault sign-up-closed")

    desk.floor.users.create = create  # type: ignore[assignment, method-assign]


def open_sign_up(desk: Service, subject: str) -> None:
    """Users can register again."""
    del desk.floor.users.create


def make_everybody_chief(desk: Service, subject: str) -> None:
    """Whoever registers becomes an administrator."""
    honest = desk.floor.users.create

    def create(name: str, password: str, **more: Any) -> Mapping[str, Any]:
        return honest(name, password, **{**more, "role": ADMIN})

    desk.floor.users.create = create  # type: ignore[assignment, method-assign]


def keep_asleep(desk: Service, subject: str) -> None:
    """A bot that is told to start stays as it is."""
    honest = desk.floor.life.turn

    def turn(name: str, word: str, *, by: str, reason: str = "") -> dict[str, Any]:
        return desk.floor.life.named(name) if word == "start" else honest(name, word, by=by, reason=reason)

    desk.floor.life.turn = turn  # type: ignore[method-assign]


def let_start(desk: Service, subject: str) -> None:
    """Bots start again."""
    del desk.floor.life.turn


def trip_unseen(desk: Service, subject: str) -> None:
    """A breaker has tripped, and nobody looked at it."""
    trip = {"bot": DRILL, "user": DRILL, "rule": "drawdown", "value": Decimal(1), "limit": Decimal(1), "state": "open"}
    desk.floor.store.add("circuit_breaker_state", {**trip, "at": clock.now()})


def forget_trip(desk: Service, subject: str) -> None:
    """The trip is taken out again."""
    desk.floor.store.remove("circuit_breaker_state", bot=DRILL)


def narrow(desk: Service, subject: str) -> None:
    """The dashboard tells telephones nothing about its width."""
    _kept["page"] = dashboard._PAGE
    dashboard._PAGE = dashboard._PAGE.replace(_VIEWPORT, 'name="was-viewport"')


def widen(desk: Service, subject: str) -> None:
    """The dashboard tells them again."""
    dashboard._PAGE = _kept.pop("page", dashboard._PAGE)


def share_port(desk: Service, subject: str) -> None:
    """A process of an old release still holds the port of the API."""
    addresses = jsontext.loads((desk.settings.home.path / "deployment" / "addresses.json").read_bytes())
    holder = _listening_on(int(addresses["api"].rpartition(":")[2]))
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    _kept["old"] = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[holder])
    os.close(holder)


def free_port(desk: Service, subject: str) -> None:
    """It is gone."""
    old = _kept.pop("old", None)
    if old is not None:
        old.stdin.close()
        old.wait(5)


def _listening_on(port: int) -> int:
    """A copy of this process's own listening socket on that port."""
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            # only sockets: a copy of a database's file that is closed again would drop the locks on it
            if not os.readlink(entry).startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(entry.name))) as sock:
                listens = sock.family == socket.AF_INET and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                if listens and sock.getsockname()[1] == port:
                    return sock.detach()
    raise DeskError(f"nothing listens on {port} in this process", hint="see deployment/addresses.json")


def _handlers() -> list[RotatingFileHandler]:
    return [one for one in logging.getLogger("desk.system").handlers if isinstance(one, RotatingFileHandler)]


def _newest(desk: Service) -> Path:
    found = backups.newest_first(desk.settings.home.path / "backups")
    if not found:
        raise DeskError("there is no backup yet", hint="wait for the worker backups")
    return found[0]


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.whole")


def _leak(desk: Service) -> Path:
    return desk.settings.home.system_log.with_name("leak.log")


def _outgrown(desk: Service) -> Path:
    return desk.settings.home.system_log.with_name("outgrown.log")
