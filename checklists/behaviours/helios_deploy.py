"""What is installed beside what was committed, backups that are whole, the process that runs, and the way back, really walked."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from behaviours.ask import get, until

MANIFEST = "MANIFEST.json"
OUR_OWN = ("COMMIT", ".env", MANIFEST)
"""Files of an install that no commit has."""


def installed(api: str, home: str) -> dict[str, Any]:
    """Facts on each installed file beside the file of that name in the deployed commit, and beside the code that runs."""
    folder = Path(home, "deployment", "current")
    record = json.loads(Path(home, "deployment", "DEPLOYMENT.json").read_text(encoding="utf-8"))
    deployed = json.loads(Path(home, "records/helios/DEPLOYED.json").read_text(encoding="utf-8"))
    own = _digests(folder)
    wanted = _committed(home, deployed["commit"])
    running = get(f"{api}/api/version").body["sources"]
    modes = {path.relative_to(folder).as_posix(): path.stat().st_mode & 0o777 for path in folder.rglob("*")}
    return {
        "files": len(own),
        "sources": sum(name.startswith("src/") for name in own),
        "has_main": "main.py" in own,
        "missing": sorted(name for name in wanted if name not in own),
        "different": sorted(name for name in wanted if name in own and own[name] != wanted[name]),
        "extra": sorted(name for name in own if name not in wanted and name not in OUR_OWN),
        "other_than_runs": sorted(name for name, digest in running.items() if own.get(name) != digest),
        "commits": sorted({record["commit"], deployed["commit"], (folder / "COMMIT").read_text(encoding="ascii").strip()}),
        "dotenv_mode": f"{modes['.env']:04o}" if ".env" in modes else None,
        "open_to_others": sorted(name for name, mode in modes.items() if mode & 0o077),
        "dotenv_as_at_home": (folder / ".env").read_bytes() == Path(home, ".env").read_bytes(),
    }


def backup(home: str) -> dict[str, Any]:
    """Facts on the backup that the last deployment made: named, dated before it, whole, and for its owner only."""
    record = json.loads(Path(home, "deployment", "DEPLOYMENT.json").read_text(encoding="utf-8"))
    folder = Path(record["backup"])
    told = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    own = _digests(folder)
    return {
        "name": folder.name,
        "beside_the_install": folder.parent == Path(home, "deployment"),
        "made_before_seconds": _seconds((_at(record["deployed_at"]) - _at(told["made_at"])).total_seconds()),
        "files": len(told["files"]),
        "holds": [name for name in ("main.py", ".env", "src/trading/orchestrator/mode_orchestrator.py") if name in own],
        "broken": sorted(name for name, digest in told["files"].items() if own.get(name) != digest),
        "commit": told["commit"],
        "is_of_the_recorded_commit": told["commit"] == record["previous"],
        "commits_known": sum(_known(home, commit) for commit in (told["commit"], record["commit"])),
        "open_to_others": sorted(
            path.relative_to(folder).as_posix() or "." for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077
        ),
    }


def running(home: str) -> dict[str, Any]:
    """Facts on the processes of this desk: how many there are, when they began, and what the log has of the last start."""
    record = json.loads(Path(home, "deployment", "DEPLOYMENT.json").read_text(encoding="utf-8"))
    pid = int(Path(home, "desk.pid").read_text(encoding="ascii"))
    pids = processes(b"examples.desk", b"serve", os.fsencode(home))
    log = Path(home, "logs", "system.log").read_text(encoding="utf-8", errors="replace").splitlines()
    starts = [number for number, line in enumerate(log) if "the desk is up" in line]
    since = log[starts[-1] :] if starts else []
    facts: dict[str, Any] = {
        "count": len(pids),
        "recorded": pids == [pid],
        "starts_in_the_log": len(starts),
        "last_start": since[0][:24] if since else None,
        "tracebacks_since": sum("Traceback" in line for line in since),
        "ended_since": sum("the desk goes down" in line for line in since),
    }
    if pid in pids:
        began = _began(pid)
        facts["started_after_the_deployment_seconds"] = _seconds(began - _at(record["deployed_at"]).timestamp())
    return facts


def previous(home: str, checkout: str, python: str) -> dict[str, Any]:
    """Facts on the way back to the version before, walked in a folder of its own: a copy of the install is replaced by the backup
    and its bot is started; a backup that is damaged, and one with a placeholder for its date, must be refused.
    """
    record = json.loads(Path(home, "deployment", "DEPLOYMENT.json").read_text(encoding="utf-8"))
    source = Path(record["backup"])
    with tempfile.TemporaryDirectory(prefix="golive-restore-") as name:
        place = Path(name, "current")
        shutil.copytree(Path(home, "deployment", "current"), place)
        refused = {
            "placeholder": _rollback(checkout, python, "restore", f"{source.parent}/backup_YYYYMMDD_HHMMSS", str(place)),
            "damaged": _rollback(checkout, python, "restore", str(_damaged(source, Path(name, "damaged"))), str(place)),
        }
        untouched = _digests(place) == _digests(Path(home, "deployment", "current"))
        with bot(place, checkout, python) as (first, before):
            pass
        told = _rollback(checkout, python, "restore", str(source), str(place))
        restored, wanted = _digests(place), _committed(home, record["previous"])
        facts: dict[str, Any] = {
            "backup": source.name,
            "refused": {word: done.returncode for word, done in refused.items()},
            "untouched_by_a_refusal": untouched,
            "exit": told.returncode,
            "commit": record["previous"],
            "files": len(restored),
            "missing": sorted(one for one in wanted if one not in restored),
            "different": sorted(one for one in wanted if one in restored and restored[one] != wanted[one]),
            "dotfiles": sorted(one for one in restored if one.startswith(".")),
            "before": {word: before.get(word) for word in ("mode", "commit")},
        }
        with bot(place, checkout, python) as (second, after):
            facts["process"] = {
                "count": len(processes(b"main.py", where=place)),
                "another_pid": second != first,
                "recorded": int((place / "bot.pid").read_text(encoding="ascii")) == second,
            }
            facts["after"] = {
                "mode": after.get("mode"),
                "commit_is_the_previous": after.get("commit") == record["previous"],
                "runs_other_files": sorted(one for one, digest in after.get("sources", {}).items() if wanted.get(one) != digest),
                "sources": len(after.get("sources", {})),
            }
            facts["log"] = (place / "server.log").read_text(encoding="utf-8").splitlines()[-1:]
        facts["left"] = len(processes(b"main.py", where=place))
    return facts


@contextlib.contextmanager
def bot(place: Path, checkout: str, python: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The bot of an install, started as the plan says and stopped by its process id; its pid and what it tells of its mode."""
    with (place / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [python, "main.py"], cwd=place, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": checkout, "HELIOS_PORT": "0"},
        )  # fmt: skip
    try:
        seen: list[str] = []

        def up() -> bool:
            text = (place / "server.log").read_text(encoding="utf-8")
            seen[:] = re.findall(r"up in mode \w+ on port (\d+)", text)
            return process.poll() is not None or ((place / "bot.pid").exists() and bool(seen))

        until(up, 10)
        told = get(f"http://127.0.0.1:{seen[-1]}/api/mode/current").body if seen and process.poll() is None else {}
        yield process.pid, told
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def processes(*words: bytes, where: Path | None = None) -> list[int]:
    """The processes whose command has all of these words, and that were started in `where`."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and all(word in (entry / "cmdline").read_bytes().split(b"\0") for word in words):
                if where is None or (entry / "cwd").readlink() == where.resolve():
                    found.append(int(entry.name))
    return sorted(found)


def _rollback(checkout: str, python: str, *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [python, "-m", "examples.desk.routing.rollback", *words],
        cwd=checkout, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=20,
    )  # fmt: skip


def _damaged(source: Path, place: Path) -> Path:
    """A copy of a backup in which one file is not what it was."""
    shutil.copytree(source, place)
    with (place / "main.py").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    return place


def _committed(home: str, commit: str) -> dict[str, str]:
    """The SHA-256 of the files of a commit that are deployed."""
    git = ["git", "-C", f"{home}/helios"]
    names = subprocess.run(
        [*git, "ls-tree", "-r", "--name-only", commit, "src", "main.py", "docs", ".env.example"],
        capture_output=True, check=True, timeout=10,
    ).stdout.decode().split()  # fmt: skip
    asked = "".join(f"{commit}:{name}\n" for name in names).encode()
    stream = subprocess.run([*git, "cat-file", "--batch"], input=asked, capture_output=True, check=True, timeout=10).stdout
    found, at = {}, 0
    for name in names:
        end = stream.index(b"\n", at)
        size = int(stream[at:end].split()[2])
        found[name] = hashlib.sha256(stream[end + 1 : end + 1 + size]).hexdigest()
        at = end + size + 2
    return found


def _known(home: str, commit: str) -> bool:
    """Whether the repository has this commit."""
    git = ["git", "-C", f"{home}/helios", "cat-file", "-e", f"{commit}^{{commit}}"]
    return subprocess.run(git, capture_output=True, check=False, timeout=10).returncode == 0


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and path.name not in (MANIFEST, "server.log", "bot.pid")
    }


def _began(pid: int) -> float:
    """When a process began, in seconds since 1970, as the kernel has it."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19])
    boot = next(line for line in Path("/proc/stat").read_text(encoding="ascii").splitlines() if line.startswith("btime"))
    return int(boot.split()[1]) + ticks / os.sysconf("SC_CLK_TCK")


def _seconds(value: float) -> Decimal:
    return Decimal(str(round(value, 3)))


def _at(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
