"""Is the code that runs the code that is committed, is it finished, does it pick the right client, is its branch protected?"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any

from behaviours.ask import ask, environment_of, get

CRITICAL = ("src/trading/orchestrator/", "src/trading/execution/", "src/trading/autonomous/trading_engine.py")
_MARKS = re.compile(r"\b(TODO|FIXME)\b")


def running(api: str, home: str) -> dict[str, Any]:
    """Facts on each source file that the process was started from, beside the file of that name at HEAD."""
    told = get(f"{api}/api/version").body
    tree = f"{home}/helios"
    head = _git(tree, "rev-parse", "HEAD").decode().strip()
    wanted = sorted(told["sources"])
    found = _contents(tree, wanted)
    return {
        "commit": told["commit"],
        "head": head,
        "is_head": bool(head) and told["commit"] == head,
        "compared": len(wanted),
        "missing": [name for name in wanted if name not in found],
        "different": [name for name in wanted if name in found and found[name] != told["sources"][name]],
        "uncommitted": _git(tree, "status", "--porcelain", "--untracked-files=all").decode().splitlines()[:20],
        "not_told": [name for name in _tracked(tree) if name not in wanted],
    }


def _git(tree: str, *words: str, feed: bytes = b"") -> bytes:
    return subprocess.run(["git", "-C", tree, *words], input=feed, capture_output=True, check=True, timeout=10).stdout


def _tracked(tree: str) -> list[str]:
    """The Python files under src at HEAD."""
    return [name for name in _git(tree, "ls-tree", "-r", "--name-only", "HEAD", "src").decode().split() if name.endswith(".py")]


def _contents(tree: str, names: list[str]) -> dict[str, str]:
    """The SHA-256 of each file at HEAD."""
    stream = _git(tree, "cat-file", "--batch", feed="".join(f"HEAD:{name}\n" for name in names).encode())
    found, at = {}, 0
    for name in names:
        end = stream.index(b"\n", at)
        head = stream[at:end].split()
        at = end + 1
        if head[-1:] != [b"missing"]:
            size = int(head[2])
            found[name] = hashlib.sha256(stream[at : at + size]).hexdigest()
            at += size + 1
    return found


def unfinished(home: str) -> dict[str, Any]:
    """Facts on marks of unfinished work in the critical paths: files looked at by path, and each hit with its line."""
    root = Path(home, "helios")
    files = [
        path for name in CRITICAL for path in ([root / name] if name.endswith(".py") else sorted((root / name).rglob("*.py")))
    ]
    hits = []
    for path in files:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if _MARKS.search(line):
                hits.append(f"{path.relative_to(root)}:{number}")
    counts = [{"path": name, "files": sum(str(path).startswith(str(root / name)) for path in files)} for name in CRITICAL]
    return {"paths": counts, "files": len(files), "lines_hit": hits}


_PICK = """
import json, runpy, sys
opened = []
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        opened.append(event)
        raise OSError("no network in this trial")
sys.addaudithook(watch)
told = runpy.run_path(sys.argv[1])
orchestrator = told["ModeOrchestrator"](live="VALRTradingClient", paper="PaperTradingClient")
for line in sys.stdin:
    mode = told["mode_of"](json.loads(line))
    print(json.dumps({"mode": mode.mode, "client": orchestrator.client(mode), "opened": len(opened)}))
"""

_CASES = {
    "live": {"TRADING_MODE": "LIVE", "ENABLE_PAPER_TRADING": "False"},
    "paper": {"TRADING_MODE": "PAPER", "ENABLE_PAPER_TRADING": "True"},
    "nothing": {},
    "only_the_mode": {"TRADING_MODE": "LIVE"},
    "only_the_other": {"ENABLE_PAPER_TRADING": "False"},
    "disagreeing": {"TRADING_MODE": "LIVE", "ENABLE_PAPER_TRADING": "True"},
    "disagreeing_too": {"TRADING_MODE": "PAPER", "ENABLE_PAPER_TRADING": "False"},
    "lower_case": {"TRADING_MODE": "live", "ENABLE_PAPER_TRADING": "false"},
    "unknown_word": {"TRADING_MODE": "REAL", "ENABLE_PAPER_TRADING": "False"},
    "with_a_blank": {"TRADING_MODE": "LIVE ", "ENABLE_PAPER_TRADING": "False"},
    "empty": {"TRADING_MODE": "", "ENABLE_PAPER_TRADING": ""},
}


def orchestrator(checkout: str, python: str, home: str, api: str) -> dict[str, Any]:
    """Facts on which client the deployed orchestrator picks for each pair of switches, and which one the running desk has."""
    source = Path(home, "helios", "src/trading/orchestrator/mode_orchestrator.py")
    done = subprocess.run(
        [python, "-c", _PICK, str(source)],
        cwd=checkout,
        input="".join(f"{json.dumps(case)}\n" for case in _CASES.values()),
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": checkout, "VALR_API_KEY": "dummy", "VALR_API_SECRET": "dummy"},
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    picked = [json.loads(line) for line in done.stdout.splitlines()]
    told = get(f"{api}/api/mode/current").body
    facts: dict[str, Any] = {
        "exit": done.returncode,
        "cases": len(picked),
        "desk": {name: told[name] for name in ("mode", "client")},
    }
    if len(picked) == len(_CASES):
        named = dict(zip(_CASES, picked, strict=True))
        facts |= {
            "live": named["live"],
            "paper": named["paper"],
            "doubtful": [{"case": name, **one} for name, one in named.items() if name not in ("live", "paper")],
            "opened": max(one["opened"] for one in picked),
        }
    else:
        facts["said"] = done.stderr[-300:]
    return facts


def protection(api: str, home: str, project: str, branch: str) -> dict[str, Any]:
    """Facts on the protection of a branch as the forge tells it, with the token and without one."""
    token = environment_of(f"{home}/desk.pid").get("FORGE_TOKEN", "")
    url = f"{api}/forge/repos/{project}/branches/{branch}/protection"
    told, anonymous = ask("GET", url, headers={"Authorization": f"Bearer {token}"}), ask("GET", url)
    facts: dict[str, Any] = {"status": told.status, "anonymous": anonymous.status}
    if told.status == 200:
        facts |= {
            "reviews": told.body["required_pull_request_reviews"]["required_approving_review_count"],
            "force_push": told.body["allow_force_pushes"]["enabled"],
            "deletion": told.body["allow_deletions"]["enabled"],
        }
    return facts
