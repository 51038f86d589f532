"""A second desk in a folder of its own, started as an operator starts one, for drills that must not touch the first."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from behaviours.ask import post, signed

LIVE = {"DRY_RUN_MODE": "false", "LIVE_CAPITAL_VERIFIED": "true"}

SETTINGS = """\
version: 1
activation_enabled: true
require_testnet_history: false
require_risk_state: ""
require_ess_inactive: false
checklists: [scratch.yaml]
target: {name: Second desk, demo: true}
"""

CHECKLIST = """\
version: 1
checklist: {name: scratch, title: The second desk, owner: drill}
items:
- id: scratch-dry-run-off
  title: Simulation is switched off in the second desk
  severity: critical
  phase: pre-deploy
  owner: drill
  source: {document: "000", section: "2. Pre-Flight Checks", line: 39}
  why: The drill needs one critical item that can be made to fail.
  fix: Start the second desk with DRY_RUN_MODE=false.
  env: {name: DRY_RUN_MODE, as: boolean, pid_file: desk.pid}
  expect: {value: false}
"""


@dataclass(frozen=True)
class Desk:
    """A second desk that runs."""

    home: str
    api: str
    urls: Mapping[str, str]
    process: subprocess.Popen[bytes]
    environ: Mapping[str, str]

    def order(self, account: str = "alpha") -> tuple[str, Mapping[str, Any]]:
        """Send one small order for real money; its key, and what the desk says of it."""
        key = f"golive-{secrets.token_hex(8)}"
        wish = {"account": account, "symbol": "BTCUSDT", "side": "BUY", "quantity": "0.0001", "key": key}
        return key, post(f"{self.api}/orders", wish).body

    def at_exchange(self, key: str, venue: str = "coinbase") -> int:
        """The status with which the exchange itself answers for an order: 200 if it has it, 404 if not."""
        name, secret = (self.environ[f"{venue.upper()}_API_{part}"] for part in ("KEY", "SECRET"))
        return signed(self.urls[venue], f"/orders/{key}", name, secret).status

    def activate(self) -> int:
        """Run `golive activate` on it, and give the exit status."""
        return self.attempt()[0]

    def attempt(self) -> tuple[int, str]:
        """The same; the exit status, and what was said."""
        options = ["--yes", "--operator", "drill", "--config", "golive.yaml"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest_golive.cli", "activate", *options],
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode, done.stdout + done.stderr

    @property
    def marker(self) -> Path:
        """Where its marker is, or would be."""
        return Path(self.home, "go_live.active")


@contextlib.contextmanager
def desk(checkout: str, home: str, settings: str = SETTINGS, **switches: str) -> Iterator[Desk]:
    """A desk on a fresh folder, trusting the same keys as the one at `home`; stopped and removed at the end, whatever
    happened. `settings` is its golive.yaml, of which its guard takes the digest when it starts.
    """
    folder = tempfile.mkdtemp(prefix="golive-desk-")
    process: subprocess.Popen[bytes] | None = None
    try:
        for name in ("trusted_keys", ".env"):
            shutil.copy(Path(home, name), folder)
        for name in ("logs", "exchanges"):
            Path(folder, name).mkdir()
        shutil.copytree(Path(home, "bot"), Path(folder, "bot"))
        Path(folder, "golive.yaml").write_text(settings, encoding="ascii")
        Path(folder, "scratch.yaml").write_text(CHECKLIST, encoding="ascii")
        names = [f"{venue}_API_{part}" for venue in ("COINBASE", "KRAKEN", "TESTNET", "VALR") for part in ("KEY", "SECRET")]
        keys = {name: secrets.token_hex(20) for name in names}
        made = {"JWT_SECRET": secrets.token_hex(32), "ADMIN_PASSWORD": secrets.token_hex(16), "MONGO_URL": ""}
        environ = {**os.environ, **LIVE, **keys, **made, **switches}
        process, urls = _served(folder, checkout, environ)
        yield Desk(home=folder, api=urls["api"], urls=urls, process=process, environ=environ)
    finally:
        if process is not None:
            ended(process)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def restarted(second: Desk, checkout: str, **switches: str) -> Iterator[Desk]:
    """The same desk after its process was ended and another one started on its folder, as a supervisor does."""
    ended(second.process)
    # what stands in .env now counts, not what the first process was started with
    environ = {name: value for name, value in second.environ.items() if name not in _dotenv_names(second.home)}
    process, urls = _served(second.home, checkout, {**environ, **LIVE, **switches})
    try:
        yield Desk(home=second.home, api=urls["api"], urls=urls, process=process, environ=second.environ)
    finally:
        ended(process)


def _dotenv_names(home: str) -> set[str]:
    lines = Path(home, ".env").read_text(encoding="utf-8").splitlines()
    return {line.partition("=")[0] for line in lines if "=" in line and not line.startswith("#")}


def _served(folder: str, checkout: str, environ: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], Mapping[str, str]]:
    """Start a desk and wait until it says where it listens; RuntimeError if it ends before."""
    process = subprocess.Popen(
        [sys.executable, "-m", "examples.desk", "serve", "--home", folder, "--tethered"],
        cwd=checkout,
        env=dict(environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        ended(process)
        raise RuntimeError(f"the second desk did not start (exit {process.returncode})")
    urls: Mapping[str, str] = json.loads(line)["urls"]
    return process, urls


def ended(process: subprocess.Popen[bytes]) -> None:
    """Let a desk end; by force after five seconds."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
