"""What document 002 asks that has no kind of its own: where keys lie, whether tools are ready, whether a stop stops."""

from __future__ import annotations

import email
import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import tarfile
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from behaviours.ask import environment_of, get, looks_like_a_placeholder, post, until
from behaviours.scratch import Desk, desk

ASSIGNED = re.compile(r"KRAKEN_API_(?:KEY|SECRET)\s*[=:]\s*['\"]?[A-Za-z0-9+/=_-]{12,}")
"""A key or secret that somebody wrote out."""

RECORD = re.compile(r"^(\d{4}-\d\d-\d\dT[0-9:.]+Z) ([A-Z]+) ", re.MULTILINE)
"""How a record of the desk's logs begins: its time and its level."""

LAST_TRADE = "SELECT max(updated_at) FROM orders WHERE state = 'filled'"
"""Real or on the testnet: before the first real trade the logs of the last test are what is to be kept."""

_QUIET = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}


def credentials(pid_file: str, repository: str, tree: str) -> dict[str, Any]:
    """Facts on the key pair of the trading process, and on every place of the code and its history where it might stand."""
    environ = environment_of(pid_file)
    values = {name: environ.get(name, "") for name in ("KRAKEN_API_KEY", "KRAKEN_API_SECRET")}
    tracked = [Path(repository, name) for name in _git(repository, "ls-files", "-z").split("\0") if name]
    files = [path for path in {*tracked, *Path(tree).rglob("*")} if path.is_file() and path.suffix != ".pyc"]
    texts = {str(path): path.read_text(encoding="utf-8", errors="replace") for path in files}
    history = _git(repository, "log", "-p", "--all", "--no-color", "--no-ext-diff")
    known = [value for value in values.values() if value]
    return {
        "keys": [
            {"name": name, "set": bool(value), "long_enough": len(value) >= 16, "placeholder": looks_like_a_placeholder(value)}
            for name, value in values.items()
        ],
        "files_searched": len(files),
        "commits_searched": history.count("\ncommit ") + history.startswith("commit "),
        "files_with_a_value": sorted(path for path, text in texts.items() if any(value in text for value in known)),
        "files_with_an_assignment": sorted(path for path, text in texts.items() if ASSIGNED.search(text)),
        "history_with_a_value": any(value in history for value in known),
        "history_with_an_assignment": ASSIGNED.search(history) is not None,
    }


def restarted(pid_file: str, file: str) -> dict[str, Any]:
    """Facts on when the trading process began and when the file with the mode was last changed."""
    began = _began(pid_file)
    changed = Path(file).stat().st_mtime
    return {
        "began": datetime.fromtimestamp(began, UTC).isoformat(),
        "changed": datetime.fromtimestamp(changed, UTC).isoformat(),
        # the start of a process is told in whole ticks since a boot time in whole seconds
        "seconds_from_change_to_start": int(began - changed + 1),
    }


def _began(pid_file: str) -> float:
    """When the process began, in seconds since 1970, told in whole ticks since a boot time in whole seconds."""
    pid = int(Path(pid_file).read_text(encoding="ascii"))
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
    boot = next(
        line.split()[1] for line in Path("/proc/stat").read_text(encoding="ascii").splitlines() if line.startswith("btime ")
    )
    return int(boot) + int(fields[19]) / os.sysconf("SC_CLK_TCK")


def error_logs(home: str) -> dict[str, Any]:
    """Facts on the logs in which errors would stand: their errors that no reviewed anomaly accounts for, and their newest line.

    A record is an error by its level, or because it holds a traceback; what Python itself wrote is told by its tracebacks.
    """
    rows = _asked(home, "SELECT text, reviewed_at FROM anomalies")
    reviewed = {text for text, at in rows if at}
    files, unhandled, newest = [], [], ""
    for name in ("system.log", "anomalies.log", "stderr.log"):
        path = Path(home, "logs", name)
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        files.append({"name": name, "there": path.is_file(), "lines": len(text.splitlines())})
        if name != "stderr.log":
            records = RECORD.split(text)[1:]
            found = [(at, level, said) for at, level, said in zip(records[::3], records[1::3], records[2::3], strict=True)]
            newest = max([newest, *(at for at, _, _ in found)])
            errors = [said for _, level, said in found if level in ("ERROR", "CRITICAL") or "Traceback (most recent" in said]
            unhandled += [said.strip() for said in errors if said.split("\n")[0][:500] not in reviewed]
    python = Path(home, "logs", "stderr.log")
    said = python.read_text(encoding="utf-8", errors="replace") if python.is_file() else ""
    disk = shutil.disk_usage(home)
    told: dict[str, Any] = {
        "files": files,
        "open": [text for text, at in rows if not at],
        "unhandled": unhandled,
        "python_said": re.findall(r"^(?:Traceback|Fatal Python error|Exception in thread).*$", said, re.MULTILINE),
        "disk_free_fraction": Decimal(disk.free) / Decimal(disk.total),
    }
    if newest:
        began = datetime.fromtimestamp(_began(f"{home}/desk.pid") - 1, UTC)
        told["seconds_from_start_to_last_line"] = int((datetime.fromisoformat(newest) - began).total_seconds())
    return told


def reconciliation(home: str) -> dict[str, Any]:
    """Facts on the report of the last reconciliation, and on how long after the last trade it was made."""
    path = Path(home, "logs", "reconciliation.json")
    report = json.loads(path.read_text(encoding="utf-8"))
    last = _asked(home, LAST_TRADE)[0][0]
    return report | {
        "modified": datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(),
        **({"seconds_after_last_trade": _seconds(last, datetime.fromisoformat(report["checked_at"]))} if last else {}),
    }


def changed(repository: str, earlier: str, later: str) -> dict[str, Any]:
    """Facts on when two files were last changed: by their last commit, or by the file's clock if it is not committed."""
    found = {"earlier": _changed(repository, earlier), "later": _changed(repository, later)}
    seconds = found["later"].get("at", 0) - found["earlier"].get("at", 0)
    return found | ({"seconds_from_earlier_to_later": seconds} if all("at" in one for one in found.values()) else {})


def _changed(repository: str, name: str) -> dict[str, Any]:
    path = Path(repository, name)
    if not path.is_file():
        return {"there": False}
    committed = _git(repository, "log", "-1", "--format=%ct", "--", name).strip()
    differs = not committed or bool(_git(repository, "diff", "--name-only", "HEAD", "--", name).strip())
    told_by = "the file's clock" if differs else "its last commit"
    return {"there": True, "told_by": told_by, "at": int(path.stat().st_mtime) if differs else int(committed)}


def test_message(home: str, mail: str) -> dict[str, Any]:
    """Facts on the newest test alert that the desk says it delivered, and on test messages in the mailbox itself."""
    sent = _asked(home, "SELECT max(sent_at) FROM alerts WHERE kind = 'test' AND delivered = 1")[0][0]
    found = []
    for path in Path(mail).glob("*.eml"):
        message = email.message_from_bytes(path.read_bytes())
        if re.search(r"\btest\b", str(message["Subject"])):
            found.append((parsedate_to_datetime(str(message["Date"])), str(message["To"])))
    newest = max(found, default=None)
    return {
        **({"sent_at": sent} if sent else {}),
        "in_the_mailbox": len(found),
        **({"newest_mail": newest[0].isoformat(), "recipient": newest[1]} if newest else {}),
    }


def _asked(home: str, query: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{quote(home)}/ledger.sqlite?mode=ro", uri=True, timeout=10)) as ledger:
        return ledger.execute(query).fetchall()


def _seconds(earlier: str, later: datetime) -> int:
    return int((later - datetime.fromisoformat(earlier)).total_seconds())


def tools(folder: str, names: Sequence[str], document: str) -> dict[str, Any]:
    """Facts on scripts for an emergency: there, executable, readable by their shell, and described."""
    text = Path(document).read_text(encoding="utf-8")
    return {"tools": [_tool(Path(folder, name), text) for name in names]}


def _tool(path: Path, document: str) -> dict[str, Any]:
    there = path.is_file()
    return {
        "name": path.name,
        "there": there,
        "executable": there and os.access(path, os.X_OK),
        "syntax": there and path.stat().st_size > 0 and _shell_reads(path.read_text(encoding="utf-8")),
        "described": document.count(path.name),
    }


def rollback_commands(document: str, section: str) -> dict[str, Any]:
    """Facts on the commands of a document's section: whether a shell reads them, and whether their programs are here."""
    text = Path(document).read_text(encoding="utf-8")
    part = text.partition(f"## {section}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", part, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.strip() and not line.startswith("#")]
    programs = sorted({line.split()[0] for line in lines} - {"export"})
    return {
        "commands": lines,
        "syntax": bool(blocks) and all(_shell_reads(block) for block in blocks),
        "programs": programs,
        "programs_missing": [name for name in programs if shutil.which(name) is None and name != "kill"],
    }


def logs(folder: str, rotation: str) -> dict[str, Any]:
    """Facts on the log files of a folder, and on the rotation that keeps them small, tried on a file of its own."""
    files = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    return {
        "files": [{"name": path.name, "bytes": path.stat().st_size} for path in files],
        "rotation": _rotates(rotation),
    }


def _rotates(rotation: str) -> dict[str, Any]:
    """What the module does with a limit of 2,000 bytes and forty lines of 100, in a process of its own."""
    script = (
        "import json, logging, pathlib, sys, tempfile; sys.path.insert(0, sys.argv[1]); from bot.utils import log_rotation as r\n"
        "with tempfile.TemporaryDirectory() as f:\n"
        "    h = r.rotating(pathlib.Path(f, 'a.log'), 2000); log = logging.getLogger('x'); log.addHandler(h)\n"
        "    [log.error('x' * 100) for _ in range(40)]; h.close()\n"
        "    s = sorted(p.stat().st_size for p in pathlib.Path(f).iterdir())\n"
        "    print(json.dumps({'limit': r.MAX_BYTES, 'files': len(s), 'largest': s[-1]}))"
    )
    done = subprocess.run(
        [shutil.which("python3") or "python3", "-I", "-c", script, rotation],
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    if done.returncode:
        return {"works": False, "why": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "it said nothing"}
    return {"works": True, **json.loads(done.stdout)}


def settings_backup(home: str) -> dict[str, Any]:
    """Facts on the newest copy of the settings: what is in it, who may read it, and whether it is what is in force."""
    newest = max(Path(home, "backups").glob("config-*"), default=None)
    if newest is None:
        return {"copies": 0}
    files: dict[str, str] = json.loads((newest / "manifest.json").read_text(encoding="ascii"))["files"]
    return {
        "copies": len(list(Path(home, "backups").glob("config-*"))),
        "made_at": json.loads((newest / "manifest.json").read_text(encoding="ascii"))["made_at"],
        "files": sorted(files),
        "damaged": [name for name, digest in files.items() if _digest(newest / name) != digest],
        "not_in_force": [name for name, digest in files.items() if _digest(Path(home, name)) != digest],
        "readable_by_others": [name for name in files if (newest / name).exists() and (newest / name).stat().st_mode & 0o077],
    }


def log_snapshot(home: str) -> dict[str, Any]:
    """Facts on the newest archive of logs and reports: whether it opens, what is in it, and what was traded since."""
    found = sorted(Path(home, "backups").glob("logs-*.tar.gz"))
    facts: dict[str, Any] = {"archives": len(found)}
    if not found:
        return facts
    with tarfile.open(found[-1]) as archive:
        members = {
            member.name: len(stream.read()) if (stream := archive.extractfile(member)) else 0
            for member in archive
            if member.isfile()
        }
    made = datetime.strptime(found[-1].name, "logs-%Y%m%dT%H%M%S%fZ.tar.gz").replace(tzinfo=UTC)
    last = _asked(home, LAST_TRADE)[0][0]
    return facts | {
        "made_at": made.isoformat(),
        "members": sorted(members),
        "bytes": sum(members.values()),
        **({"last_trade": last, "seconds_after_last_trade": _seconds(last, made)} if last else {}),
    }


def paper(checkout: str, home: str) -> dict[str, Any]:
    """Facts on a second, activated desk with IS_LIVE=false: an order for Kraken, and one for another exchange."""
    with desk(checkout, home, IS_LIVE="false") as second:
        activated = second.activate()
        mode = get(f"{second.api}/mode").body
        key, order = second.order("beta")
        other, elsewhere = second.order("alpha")
        return {
            "activated": activated,
            "is_live": mode["is_live"],
            "permitted": mode["guard"]["allowed"],
            "order": {"state": order["state"], "reason": order["reason"]},
            "status_at_exchange": second.at_exchange(key, "kraken"),
            "elsewhere": {"state": elsewhere["state"], "at_exchange": second.at_exchange(other)},
        }


def alerts(checkout: str, home: str) -> dict[str, Any]:
    """Facts on a second desk in which a trade fails, an exchange is lost and a thread dies: what was raised, sent, received."""
    with desk(checkout, home, DESK_FAULTS="allowed") as second:
        post(f"{second.api}/accounts/drill-a/faults", {"failures": 1})
        second.order("drill-a")
        for fault in ("broker-outage:coinbase", "thread-halted:alpha"):
            post(f"{second.api}/faults", {"name": fault, "on": True})
        kinds = ("trade-failure", "api-disconnect", "critical-log")
        until(lambda: all(_delivered(second.api, kind) for kind in kinds), 12)
        mails = [path.read_text(encoding="utf-8", errors="replace") for path in Path(second.home, "mail").glob("*.eml")]
        raised = [alert["kind"] for alert in get(f"{second.api}/alerts").body["alerts"]]
        return {
            kind.replace("-", "_"): {
                "raised": raised.count(kind),
                "delivered": _delivered(second.api, kind),
                "in_the_mailbox": sum(bool(re.search(rf"(?m)^Subject: .*\b{kind}\b", mail)) for mail in mails),
            }
            for kind in kinds
        }


def _delivered(api: str, kind: str) -> int:
    return sum(alert["kind"] == kind and alert["delivered"] for alert in get(f"{api}/alerts").body["alerts"])


def kill_switch(checkout: str, home: str) -> dict[str, Any]:
    """Facts on kill_switch.sh on a second, live desk: an order goes, then none goes, then the process is gone and stays gone."""
    script = Path(home, "bot", "scripts", "kill_switch.sh")
    heal = Path(home, "bot", "scripts", "self_heal.sh")
    with desk(checkout, home) as second:
        second.activate()
        before = _placed(second)
        stopped = _run(script, "--home", second.home)
        after = _placed(second)
        ended = _run(script, "--home", second.home, "--process")
        gone = until(lambda: second.process.poll() is not None, 6)
        healed = _run(heal, "--home", second.home, "--", "true")
    return {
        "before": before,
        "stopped": {"exit": stopped, **after},
        "ended": {"exit": ended, "gone": gone},
        "self_heal_over_a_stop": {"exit": healed},
    }


def _placed(second: Desk) -> dict[str, Any]:
    key, order = second.order()
    return {"order": order["state"], "at_exchange": second.at_exchange(key)}


def _run(*words: str | Path) -> int:
    done = subprocess.run(["bash", *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=20)
    return done.returncode


def _shell_reads(text: str) -> bool:
    return subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False, timeout=10).returncode == 0


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _git(repository: str, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", repository, *words],
        env={**os.environ, **_QUIET},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=20,
    )
    return done.stdout.decode("utf-8", "replace")
