"""The folder `deployment` of a home: the smoke test, the addresses that it asks, and the release that a rollback goes back to."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from examples.desk import jsontext

SHIPPED = Path(__file__).resolve().parent / "deployment"
_GIT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}


def bring(home: Path, addresses: Mapping[str, str]) -> None:
    """Write scripts, addresses and the previous release; a release that cannot be told is not written."""
    folder = home / "deployment"
    folder.mkdir(mode=0o700, exist_ok=True)
    for shipped in sorted(SHIPPED.glob("smoke_test.*")):
        shutil.copyfile(shipped, folder / shipped.name)
        (folder / shipped.name).chmod(0o700)
    (folder / "addresses.json").write_text(jsontext.dumps(addresses) + "\n", encoding="utf-8")
    previous = _previous(home)
    if previous:
        (folder / "previous_release").write_text(f"{previous}\n", encoding="ascii")


def _previous(home: Path) -> str:
    """The commit of the newest tag before the one that stands here, or of the parent; empty if there is neither."""
    environ = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), **_GIT}
    for words in (["describe", "--tags", "--abbrev=0", "HEAD~1"], ["rev-parse", "--short=40", "HEAD~1"]):
        try:
            done = subprocess.run(
                ["git", *words], cwd=home, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        if done.returncode == 0:
            told = subprocess.run(
                ["git", "rev-parse", f"{done.stdout.strip()}^{{commit}}"],
                cwd=home, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10,
            )  # fmt: skip
            return told.stdout.strip() if told.returncode == 0 else ""
    return ""
