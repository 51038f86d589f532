"""The way back, walked on a second desk: stopped, started again on its home with nothing lost; and the release to go back to."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from behaviours.ask import environment_of, get, until
from behaviours.bot_calls import Caller, chief_of
from behaviours.bot_drills import mail_settings, mails
from behaviours.scratch import Desk, desk, ended


def stop_and_start(checkout: str, home: str) -> dict[str, Any]:
    """Facts on a second desk under an emergency stop that is ended by its recorded pid, and started again on its home."""
    with desk(checkout, home, **mail_settings()) as second:
        admin = chief_of(second.api, second.environ)
        # what a person paused must not run again because the desk was started anew
        admin.send("/api/bots/ben-btc/pause", {"reason": "drill"})
        token = admin.say("emergency stop").body["confirmation"]["token"]
        stopped = admin.say(f"confirm {token}").body["outcome"]
        before = _state(admin)
        recorded = int(Path(second.home, "desk.pid").read_text(encoding="ascii"))
        began = time.monotonic()
        os.kill(recorded, signal.SIGTERM)
        gone = until(lambda: second.process.poll() is not None, 10)
        seconds = Decimal(f"{time.monotonic() - began:.2f}")
        down = {
            "pid_was_the_desk": recorded == second.process.pid,
            "gone": gone,
            "exit": second.process.returncode,
            "port_closed": not _listens(second.api),
            "pid_file": Path(second.home, "desk.pid").exists(),
            "seconds": seconds,
        }
        if not gone:
            return {"stop_by_chat": stopped, "before": before, "down": down}
        again = _start(checkout, second)
        try:
            assert again.stdout is not None
            api = json.loads(again.stdout.readline())["urls"]["api"]
            later = chief_of(api, second.environ)
            after = _state(later)
            up = {
                "ping": get(f"{api}/api/health/ping").status,
                "new_process": again.pid != recorded,
                "recorded": int(Path(second.home, "desk.pid").read_text(encoding="ascii")) == again.pid,
            }
            order = later.order("anna-btc", "BUY", "0.0001")
            token = later.say("lift emergency stop").body["confirmation"]["token"]
            lifted = later.say(f"confirm {token}").body["outcome"]
            running = _state(later)["running"]
        finally:
            ended(again)
    return {
        "stop_by_chat": stopped,
        "before": before,
        "down": down,
        "up": up,
        "after": after,
        "differing": [name for name in before if before[name] != after[name]],
        "order_after": order["state"],
        "lifted": lifted,
        "running_after_lift": running,
    }


def previous_release(home: str) -> dict[str, Any]:
    """Facts on the release that is written down as the one before, checked out in a clone of its own."""
    path = Path(home, "deployment", "previous_release")
    written = path.read_text(encoding="ascii").strip() if path.is_file() else ""
    head = _git(home, "rev-parse", "HEAD")[1]
    told: dict[str, Any] = {"written": bool(written), "placeholder": written.startswith("<"), "is_the_present": written == head}
    told["modified"] = [line[3:] for line in _git(home, "status", "--porcelain", "--untracked-files=no")[1].splitlines()]
    if not written:
        return told
    with tempfile.TemporaryDirectory(prefix="golive-rollback-") as folder:
        cloned, _ = _git(home, "clone", "--quiet", "--no-hardlinks", ".", folder)
        status, _ = _git(folder, "checkout", "--quiet", "--detach", written)
        told |= {
            "cloned": cloned,
            "checked_out": status,
            "stands_at_it": _git(folder, "rev-parse", "HEAD")[1] == written,
            "is_an_ancestor": _git(home, "merge-base", "--is-ancestor", written, "HEAD")[0] == 0,
            "settings_there": Path(folder, "golive.yaml").is_file(),
        }
    return told


def stakeholders_notified(checkout: str, home: str) -> dict[str, Any]:
    """Facts on a test notice to everybody in the table of contacts, and on whose mailbox it lies in."""
    environ = environment_of(f"{home}/desk.pid")
    needed = {name: value for name, value in environ.items() if name.startswith("SMTP_") or name == "PATH"}
    word = f"Rollback rehearsal {secrets.token_hex(6)}: this is a test, nothing was rolled back."
    done = subprocess.run(
        [sys.executable, "-m", "examples.desk.bots.operations", "notify", "--home", home, word],
        cwd=checkout, env=needed, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=30,
    )  # fmt: skip
    told = json.loads(done.stdout)["notified"] if done.returncode == 0 else []
    came = sorted(one["to"] for one in mails(home) if word in one["text"])
    return {
        "exit": done.returncode,
        "accepted": len([one for one in told if str(one["server_said"]).startswith("250 ")]),
        "came": len(came),
        "not_come": [one["address"] for one in told if one["address"] not in came],
    }


def _state(admin: Caller) -> dict[str, Any]:
    """What must not be lost: the stop, bots and their states, fills, and money."""
    bots = admin.get("/api/bots").body["bots"]
    own = admin.get("/api/portfolio/summary?user=anna").body
    return {
        "stop": get(f"{admin.api}/ess").body["state"],
        "bots": sorted(f"{bot['name']} {bot['status']}" for bot in bots),
        "running": sum(bot["status"] == "running" for bot in bots),
        "fills": admin.get("/api/ledger/verify-integrity").body["checked"],
        "realized": own["realized"],
        "fees": own["fees"],
        "funding": own["funding"],
    }


def _start(checkout: str, second: Desk) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "examples.desk", "serve", "--home", second.home, "--tethered"],
        cwd=checkout, env=dict(second.environ), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _listens(api: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", urlsplit(api).port or 0), timeout=2).close()
    except ConnectionRefusedError:
        return False
    return True


def _git(folder: str, *words: str) -> tuple[int, str]:
    environ: Mapping[str, str] = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": folder,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C",
    }
    done = subprocess.run(
        ["git", *words],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=15,
    )
    return done.returncode, done.stdout.rstrip()
