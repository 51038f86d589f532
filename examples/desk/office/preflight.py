"""`python -m examples.desk.office.preflight --home DIR --api URL --cache HOST:PORT`: the six checks of document 001, step 2.

One line each, the counts of the stress scenarios, and a summary; exit status 0 only if all six passed. Each run is recorded in
`records/preflight.jsonl` of the home folder.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import secrets
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from examples.desk import cache, clock
from examples.desk.errors import DeskError
from examples.desk.office.jobs import append
from examples.desk.settings import ROOT
from examples.desk.web import call

SERIES = ("desk_orders_total", "desk_orders_skipped_total", "desk_risk_state", "desk_ess_active", "desk_broker_healthy")
WIDTH = 80


class Failed(Exception):
    """A check saw something that must not be."""


def checks(home: Path, api: str, store: str) -> Mapping[str, Callable[[], str]]:
    """Each check by its name; it gives a sentence on what it saw, or raises Failed."""

    def health_endpoints() -> str:
        status, found = _get(api, "/health")
        bad = [name for name, service in found.get("services", {}).items() if service["state"] != "healthy"]
        if status != 200 or bad or not found.get("services"):
            raise Failed(f"status {status}, not healthy: {', '.join(bad) or 'nothing told'}")
        return f"{len(found['services'])} services healthy"

    def risk_system() -> str:
        _, found = _get(api, "/risk")
        if found.get("state") != "OK" or found.get("gate_loaded") is not True:
            raise Failed(f"state {found.get('state')}, {found.get('reason')}")
        return f"OK, drawdown {found['drawdown']}"

    def exchange_connectivity() -> str:
        _, found = _get(api, "/brokers")
        brokers = found.get("brokers", [])
        bad = [one["broker"] for one in brokers if not (one["reachable"] and one["authenticated"])]
        if bad or not brokers:
            raise Failed(f"not reached with a key: {', '.join(bad) or 'no broker'}")
        return f"{len(brokers)} exchanges accept the key"

    def database_redis() -> str:
        name, value = f"preflight:{secrets.token_hex(6)}", secrets.token_hex(6)
        cache.ask(store, "SET", name, value, "EX", "30")
        if cache.ask(store, "GET", name) != value:
            raise Failed("the cache does not give back what it was given")
        cache.ask(store, "DEL", name)
        with contextlib.closing(sqlite3.connect(f"file:{home}/ledger.sqlite?mode=ro", uri=True, timeout=5)) as ledger:
            found = ledger.execute("PRAGMA quick_check").fetchone()[0]
        if found != "ok":
            raise Failed(f"the ledger is damaged: {found}")
        return "cache and ledger answer"

    def observability() -> str:
        status, text = _text(api, "/metrics")
        missing = [name for name in SERIES if not re.search(rf"^{name}[ {{]", text, re.MULTILINE)]
        if status != 200 or missing:
            raise Failed(f"status {status}, series missing: {', '.join(missing) or 'none'}")
        return f"{sum(not line.startswith('#') for line in text.splitlines())} samples"

    def stress_scenarios() -> str:
        done = subprocess.run(
            [sys.executable, "-m", "examples.desk.stress", "--limits", str(home / ".env")],
            cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=50, check=False,
        )  # fmt: skip
        match = re.search(r"^scenarios=(\d+) passed=(\d+) failed=(\d+)$", done.stdout, re.MULTILINE)
        print(done.stdout.strip())
        if done.returncode or match is None or match[3] != "0" or match[1] != match[2]:
            raise Failed(f"exit {done.returncode}, {match[0] if match else 'no counts'}")
        return match[0]

    found = (health_endpoints, risk_system, exchange_connectivity, database_redis, observability, stress_scenarios)
    return {f"check_{check.__name__}": check for check in found}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 only if all six checks passed."""
    parser = argparse.ArgumentParser(prog="python -m examples.desk.office.preflight", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--api", required=True, help="address of the desk, as `python -m examples.desk` prints it")
    parser.add_argument("--cache", required=True, metavar="HOST:PORT")
    told = parser.parse_args(arguments)
    at, began = clock.iso(datetime.now(UTC)), time.monotonic()
    failed = []
    for name, check in checks(told.home, told.api, told.cache).items():
        try:
            line = f"✅ PASS | {name}: {check()}"
        except (Failed, DeskError, OSError, ValueError, LookupError, sqlite3.Error, subprocess.TimeoutExpired) as error:
            failed.append(name)
            line = f"❌ FAIL | {name}: {type(error).__name__}: {error}"
        print(line, flush=True)
    passed = 6 - len(failed)
    print("=" * WIDTH, f"PREFLIGHT RESULTS: {passed} passed, {len(failed)} failed", "=" * WIDTH, sep="\n")
    record = {"at": at, "job": "preflight", "exit": 1 if failed else 0, "milliseconds": int((time.monotonic() - began) * 1000)}
    append(told.home / "records" / "preflight.jsonl", {**record, "passed": passed, "failed": failed})
    return 1 if failed else 0


def _get(api: str, target: str) -> tuple[int, Mapping[str, Any]]:
    status, found = call(api, "GET", target)
    return status, found if isinstance(found, dict) else {}


def _text(api: str, target: str) -> tuple[int, str]:
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(api + target, timeout=5) as response:
        return response.status, response.read().decode()


if __name__ == "__main__":
    sys.exit(main())
