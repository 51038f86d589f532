"""Does a bot live as it is told to? A bot that trades by itself is led through its whole life, and looked at in the API, in the
database and at what it trades; a second look holds a bot over a restart of a desk of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from behaviours import scratch
from behaviours.ask import get, until
from behaviours.bot_calls import Caller, administrator, bot, chief_of, dismissed, documents, drill_user, rows

PLAN = {"kind": "accumulate", "quantity": "0.0001", "every_seconds": "0.2", "edge_bps": "60"}
PATIENCE = 12
"""Seconds for an order of a running bot: longer than the burst window, should the machine have slept."""
CYCLES = 2
"""Trading cycles over which a bot that must not trade is watched."""


def whole_life(api: str, home: str, mongo_url: str) -> dict[str, Any]:
    """Facts on a bot that is created, started, paused, resumed and stopped for good: its state after each step, and its fills."""
    with documents(mongo_url) as database, drill_user(administrator(api, home), funding="2000") as user:
        name = bot(user, capital="500", start=False, strategy=PLAN)
        listed = [one["name"] for one in user.get("/api/bots").body["bots"]]
        facts: dict[str, Any] = {"created": {**_seen(user, database, name), "listed": name in listed}}
        facts["started"] = _stepped(user, database, name, "start", trades=True)
        facts["paused"] = _stepped(user, database, name, "pause", trades=False)
        facts["resumed"] = _stepped(user, database, name, "resume", trades=True)
        facts["stopped"] = _stepped(user, database, name, "stop", trades=False)
        facts["stopped"]["start_again"] = user.send(f"/api/bots/{name}/start", {"reason": "drill"}).status
        facts["stopped"]["resume_again"] = user.send(f"/api/bots/{name}/resume", {"reason": "drill"}).status
        facts["stopped"]["order"] = user.order(name, "BUY", "0.0001").get("state")
        facts["history"] = [step["to"] for step in rows(database, "bots", name=name)[0]["history"]]
    facts["restored"] = dismissed(administrator(api, home), user.name)
    return facts


def over_a_restart(checkout: str, home: str) -> dict[str, Any]:
    """Facts on a bot of a second desk, as it was before that desk was stopped and as it is after it was started again."""
    with scratch.desk(checkout, home) as first:
        chief = chief_of(first.api, first.environ)
        before = _bots(chief)
        chief.send("/api/bots/anna-btc/pause", {"reason": "drill"})
        chief.send("/api/bots/ben-btc/stop", {"reason": "drill"})
        paused = _bots(chief)
        ping = f"{first.api}/api/health/ping"
        up = get(ping).status
        first.process.terminate()
        exit_status = first.process.wait(10)
        stopped = {"answered_before": up, "exit": exit_status, "answers_after": _answers(ping)}
        again = subprocess.Popen(
            [sys.executable, "-m", "examples.desk", "serve", "--home", first.home, "--tethered"],
            cwd=checkout,
            env=dict(first.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert again.stdout is not None
            urls = json.loads(again.stdout.readline())["urls"]
            after = _bots(chief_of(urls["api"], first.environ))
            answers = get(f"{urls['api']}/api/health/ping")
        finally:
            scratch.ended(again)
    return {
        "before": before,
        "moved": paused,
        "after": after,
        "stopped": stopped,
        "again": {"ping": answers.status, "database": answers.body["database"], "other_process": again.pid != first.process.pid},
    }


def _answers(url: str) -> bool:
    try:
        return get(url).status > 0
    except OSError:
        return False


def _bots(chief: Caller) -> dict[str, str]:
    return {one["name"]: one["status"] for one in chief.get("/api/bots").body["bots"]}


def _seen(user: Caller, database: Any, name: str) -> dict[str, Any]:
    told: Mapping[str, Any] = user.get(f"/api/bots/{name}").body
    return {"status": told["status"], "in_database": rows(database, "bots", name=name)[0]["status"]}


def _stepped(user: Caller, database: Any, name: str, word: str, *, trades: bool) -> dict[str, Any]:
    """One step, what the bot is then, and whether it trades over the next cycles."""
    answer = user.send(f"/api/bots/{name}/{word}", {"reason": "drill"})
    before = len(rows(database, "fills_ledger", bot=name))
    kept = answer.body.get("status") == user.get(f"/api/bots/{name}").body["status"]
    if trades and kept:
        until(lambda: len(rows(database, "fills_ledger", bot=name)) > before, PATIENCE)
        watched = 0
    elif trades:
        # a step that was not kept starts nothing that could be waited for
        watched = 0
    else:
        watched = _cycles_later(user, name)
    after = len(rows(database, "fills_ledger", bot=name))
    sent = [row for row in rows(database, "pending_orders", bot=name) if row["state"] == "filled"]
    return {
        "answer": answer.status,
        **_seen(user, database, name),
        "new_fills": after - before,
        "cycles_watched": watched,
        "orders_without_fill": len(sent) - after,
    }


def _cycles_later(user: Caller, name: str) -> int:
    """How many of the bot's trading cycles went by, counted by the turns of whoever runs the bots."""
    told = user.get(f"/api/bots/{name}").body["runner"]
    # a cycle is two turns long, and the turn that was under way does not count
    wanted = told["turns"] + 2 * CYCLES + 1
    until(lambda: user.get(f"/api/bots/{name}").body["runner"]["turns"] >= wanted, PATIENCE)
    return int((user.get(f"/api/bots/{name}").body["runner"]["turns"] - told["turns"] - 1) // 2)
