"""The JavaScript of other people that tests hold us against: installed once for each lock file, outside the checkout."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import secrets
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
OLDEST_NODE = 20
SECONDS = 90
_QUIET = ("--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error", "--fetch-retries=1")


class Missing(Exception):
    """Why the packages cannot be had here."""


def packages() -> Path:
    """The folder with `node_modules` for our lock file; the test is skipped, with the reason, where it cannot be had."""
    found = _looked()
    if isinstance(found, str):
        pytest.skip(found)
    return found


@functools.cache
def _looked() -> Path | str:
    """The folder or the reason, found out once in a process: without a network each try takes its time."""
    try:
        return _folder()
    except Missing as missing:
        return str(missing)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"what tests/foreign/package.json names cannot be installed: {error}"


def _folder() -> Path:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise Missing("node and npm are not installed")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False, timeout=30).stdout.strip()
    major = version.removeprefix("v").partition(".")[0]
    if not major.isdigit() or int(major) < OLDEST_NODE:
        raise Missing(f"node is {version}, and what it would run asks for {OLDEST_NODE} or newer")
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:32]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "pytest-golive-tests")
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / lock
    with (cache / f"{lock}.lock").open("a") as turnstile:
        # workers of pytest-xdist come at the same time: one installs, the others wait for it
        fcntl.flock(turnstile, fcntl.LOCK_EX)
        if not folder.exists():
            _install(npm, folder)
    return folder


def _install(npm: str, folder: Path) -> None:
    """What the lock file names, whole or not at all."""
    draft = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}")
    draft.mkdir()
    try:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, draft)
        done = subprocess.run([npm, "ci", *_QUIET], cwd=draft, capture_output=True, text=True, check=False, timeout=SECONDS)
        if done.returncode:
            said = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip()[-200:])
            raise Missing(f"npm cannot install what tests/foreign/package.json names: {said}")
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
