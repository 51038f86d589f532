"""The source repository of this room: the code that runs, in the places where the plan has it, with its history and a remote.

It is made by one stream of `git fast-import`, because twenty git commands take longer than the whole desk needs to start.
When the checkout has other code than the repository, the new code is committed and pushed, as a deployment does it.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import final

from examples.desk.routing.records import FOLDER

NAME, REMOTE = "helios", "helios-remote.git"
FEATURE = "feature/live-mode-implementation"
PROJECT = "helios/helios-trading-v3"

_HERE = Path(__file__).resolve().parent
_SHIPPED = _HERE.parent / "suites" / NAME
_AUTHOR, _REVIEWER = "Demo Developer <developer@desk.invalid>", "Demo Reviewer <reviewer@desk.invalid>"
SOURCES: Mapping[str, str] = {
    "src/trading/orchestrator/mode_orchestrator.py": "orchestrator.py",
    "src/trading/orchestrator/live_safety_gates.py": "safety.py",
    "src/trading/execution/execution_router.py": "execution.py",
    "src/trading/execution/clients.py": "clients.py",
    "src/trading/execution/valr.py": "valr.py",
    "src/trading/execution/emergency_stop.py": "stop.py",
    "src/trading/autonomous/trading_engine.py": "engine.py",
    "src/trading/autonomous/signals.py": "market.py",
    "src/trading/books/books.py": "books.py",
    "src/trading/books/positions.py": "positions.py",
}
"""Where the plan has each file, and the file of this room that runs in its place."""

_LIVE_ONLY = ("live_safety_gates.py", "valr.py")
_IGNORE = """\
# secrets
.env
.env.*
!.env.example
*.pem
*.key
# data
*.sqlite*
*.db
/data/
# logs
*.log
/logs/
__pycache__/
"""
_EXAMPLE = """\
TRADING_MODE=PAPER
ENABLE_PAPER_TRADING=True
VALR_API_KEY=
VALR_API_SECRET=
MAX_POSITION_SIZE_ZAR=250
MAX_PORTFOLIO_RISK_PCT=10
MAX_DAILY_LOSS_ZAR=500
MAX_OPEN_POSITIONS=3
"""
_HOOK = """\
#!/bin/sh
# A protected branch is neither deleted nor rewritten, and what comes into it was reviewed by a second person.
case " $(git config --get-all helios.protected | tr '\\n' ' ') " in *" ${1#refs/heads/} "*) ;; *) exit 0 ;; esac
zero=0000000000000000000000000000000000000000
[ "$3" = $zero ] && { echo "the branch is protected" >&2; exit 1; }
[ "$2" != $zero ] && [ "$(git merge-base "$2" "$3")" != "$2" ] && { echo "the branch is protected" >&2; exit 1; }
[ "$(git config --get helios.reviews)" = 1 ] || exit 0
git log -1 --format=%B "$3" | grep -q '^Reviewed-by: ' || { echo "a review is missing" >&2; exit 1; }
"""


def running() -> Mapping[str, str]:
    """The SHA-256 of each source file as this process was started from it, by its place in the repository."""
    return {place: hashlib.sha256((_HERE / name).read_bytes()).hexdigest() for place, name in SOURCES.items()}


def bring(home: Path, now: datetime) -> Sequence[str]:
    """Make the repository, or bring its code up to what runs here; notes for people on what could not be done."""
    try:
        _Repository(home, now).bring()
    except FileNotFoundError:
        # the office has said so already
        return ()
    except subprocess.CalledProcessError as error:
        told = error.stderr.decode(errors="replace").strip().splitlines()
        return (f"git could not bring {home / NAME}: {told[-1] if told else error.returncode}",)
    except subprocess.TimeoutExpired:
        return (f"git did not answer in {home / NAME}",)
    return ()


@final
class _Repository:
    """One home folder's repository and its remote."""

    def __init__(self, home: Path, now: datetime) -> None:
        self._home = home
        self._path = home / NAME
        self._remote = home / REMOTE
        self._now = now.astimezone(UTC)

    def bring(self) -> None:
        """Make it, or bring it up to date if nobody has changed it."""
        files = _files()
        if not (self._path / ".git").exists():
            self._make(files)
        elif self._differs(files) and not self._git("status", "--porcelain"):
            self._renew(files)
        else:
            return
        self._record()

    def _make(self, files: Mapping[str, bytes]) -> None:
        self._path.mkdir(mode=0o700, exist_ok=True)
        self._git("init", "--quiet", "--bare", "--initial-branch=main", str(self._remote))
        for name, value in (("helios.protected", "main"), ("helios.reviews", "1"), ("receive.denyDeletes", "true")):
            self._git("config", "--file", str(self._remote / "config"), name, value)
        hook = self._remote / "hooks" / "update"
        hook.write_text(_HOOK, encoding="ascii")
        hook.chmod(0o755)
        self._git("init", "--quiet", "--initial-branch=main")
        self._git("fast-import", "--quiet", feed=_history(files, int(self._now.timestamp())))
        self._git("reset", "--quiet", "--hard")
        self._git("remote", "add", "origin", str(self._remote))
        self._git("push", "--quiet", "--set-upstream", "origin", "main", FEATURE)

    def _renew(self, files: Mapping[str, bytes]) -> None:
        for name, content in files.items():
            path = self._path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self._git("add", "--all")
        message = f"chore(deploy): bring the code up to what runs here\n\nReviewed-by: {_REVIEWER}"
        self._git("commit", "--quiet", "--no-verify", "-m", message)
        self._git("push", "--quiet", "origin", "main")

    def _differs(self, files: Mapping[str, bytes]) -> bool:
        return any(not (self._path / name).is_file() or (self._path / name).read_bytes() != text for name, text in files.items())

    def _record(self) -> None:
        folder = self._home / FOLDER
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        told = {
            "commit": self._git("rev-parse", "HEAD"),
            "branch": "main",
            "deployed_at": self._now.isoformat(timespec="seconds"),
        }
        (folder / "DEPLOYED.json").write_text(json.dumps(told) + "\n", encoding="utf-8")

    def _git(self, *words: str, feed: bytes = b"") -> str:
        environ = {
            "PATH": os.environ.get("PATH", os.defpath), "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
            "HOME": str(self._home), "LC_ALL": "C",
        }  # fmt: skip
        name, mail = _AUTHOR.rstrip(">").split(" <")
        done = subprocess.run(
            ["git", "-c", f"user.name={name}", "-c", f"user.email={mail}", *words],
            cwd=self._path, env=environ, check=True, capture_output=True, input=feed, timeout=20,
        )  # fmt: skip
        return done.stdout.decode(errors="replace").strip()


def _files() -> Mapping[str, bytes]:
    """Every file of the repository as it is to be."""
    code = {place: (_HERE / name).read_bytes() for place, name in SOURCES.items()}
    shipped = {
        path.relative_to(_SHIPPED).as_posix(): path.read_bytes()
        for path in sorted(_SHIPPED.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and path.name != "__init__.py"
    }
    return {".gitignore": _IGNORE.encode(), ".env.example": _EXAMPLE.encode(), **code, **shipped}


def _history(files: Mapping[str, bytes], end: int) -> bytes:
    """Three commits and a merge: rules first, then paper trading on main, live trading on its branch, then both together."""
    rules = {name: text for name, text in files.items() if name in (".gitignore", ".env.example") or name.startswith("docs/")}
    live = {name: text for name, text in files.items() if name.endswith(_LIVE_ONLY)}
    paper = {name: text for name, text in files.items() if name not in rules and name not in live}
    day = 86_400
    out: list[bytes] = []
    steps = (
        ("refs/heads/main", 1, "", "chore(repo): keep secrets, data and logs out of the repository", rules, end - 40 * day),
        ("refs/heads/main", 2, ":1", "feat(paper): trade on paper with fees, slippage and partial fills", paper, end - 30 * day),
        (f"refs/heads/{FEATURE}", 3, ":2", "feat(live): route LIVE to VALR behind the safety gates", live, end - 2 * day),
    )
    for ref, mark, parent, subject, content, when in steps:
        out += _commit(ref, mark, subject, when, [f"from {parent}"] if parent else [])
        out += [_modify(name, text) for name, text in content.items()]
    out += _commit("refs/heads/main", 4, "feat(live): merge live mode after review", end - 3600, ["from :2", "merge :3"])
    out += [_modify(name, text) for name, text in live.items()]
    return b"".join(out)


def _commit(ref: str, mark: int, subject: str, when: int, lines: Sequence[str]) -> list[bytes]:
    message = f"{subject}\n\nReviewed-by: {_REVIEWER}\n".encode()
    head = f"commit {ref}\nmark :{mark}\nauthor {_AUTHOR} {when} +0000\ncommitter {_AUTHOR} {when} +0000\n"
    told = "".join(f"{line}\n" for line in lines).encode()
    return [head.encode(), b"data %d\n" % len(message), message, b"\n" if not told else b"", told]


def _modify(name: str, text: bytes) -> bytes:
    return f"M 100644 inline {name}\ndata {len(text)}\n".encode() + text + b"\n"
