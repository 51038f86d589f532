"""The home folder as a git repository with a remote of its own: each state is committed, tagged and pushed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import final

NAME, MAIL = "Demo Operator", "operator@desk.invalid"
REMOTE = "remote.git"
"""The folder of the bare repository that stands for the server where the desk's history is kept."""


@final
class Repository:
    """The repository of one home folder, used with nothing of the user's own git settings, hooks or signing keys."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def keep(self, files: Sequence[str], message: str) -> Sequence[str]:
        """Commit these files as they are, tag the state and push it; notes for people on what could not be done."""
        try:
            self._begin()
            self._git("add", "--", *files)
            self._git("commit", "--quiet", "--no-verify", "--allow-empty", "-m", message)
            count = int(self._git("rev-list", "--count", "HEAD"))
            self._git("tag", "-a", "-m", message, f"v1.0.{count - 1}")
            self._git("push", "--quiet", "--no-verify", "--set-upstream", "origin", "main", "--tags")
        except FileNotFoundError:
            return ("git is not installed, so the home folder has no history; items that look into it cannot be checked",)
        except subprocess.CalledProcessError as error:
            told = error.stderr.decode(errors="replace").strip().splitlines()
            return (f"git could not keep {self._home}: {told[-1] if told else error.returncode}",)
        except subprocess.TimeoutExpired:
            return (f"git did not answer in {self._home}",)
        return ()

    def _begin(self) -> None:
        if not (self._home / ".git").exists():
            self._git("init", "--quiet", "--initial-branch=main")
            self._git("config", "user.name", NAME)
            self._git("config", "user.email", MAIL)
        if not (self._home / REMOTE).exists():
            self._git("init", "--quiet", "--bare", "--initial-branch=main", REMOTE)
            if "origin" not in self._git("remote").split():
                self._git("remote", "add", "origin", str(self._home / REMOTE))

    def _git(self, *words: str) -> str:
        environ = {
            "PATH": os.environ.get("PATH", os.defpath),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "HOME": str(self._home),
            "LC_ALL": "C",
        }
        done = subprocess.run(
            ["git", "-c", f"user.name={NAME}", "-c", f"user.email={MAIL}", *words],
            cwd=self._home,
            env=environ,
            check=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=20,
        )
        return done.stdout.decode(errors="replace").strip()
