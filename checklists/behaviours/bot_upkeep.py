"""What stands around the bots and must be there when it is needed: backups, reports, rules, measures, logs without secrets."""

from __future__ import annotations

import gzip
import json
import re
import secrets
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from behaviours.ask import ask, environment_of, get
from behaviours.bot_access import SECRET_NAMES, SHORTEST_SECRET
from behaviours.bot_calls import administrator, bearer, documents_of, token
from behaviours.bot_drills import mails

THRESHOLDS = ("MAX_DRAWDOWN_PERCENT", "MAX_DAILY_LOSS_PERCENT", "MAX_CONSECUTIVE_LOSSES", "MAX_ERRORS_PER_HOUR")
LOGS = ("logs/*.log*", "bot/logs/*.log*", "helios/logs/*.log*")
_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[^{}]*\})? (\S+)")
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}")
_PERCENT = re.compile(r"(\d+)%")


def thresholds(api: str, home: str) -> dict[str, Any]:
    """Facts on the breakers' thresholds as the desk tells them, beside those that its process was started with."""
    environ = environment_of(f"{home}/desk.pid")
    served = administrator(api, home).get("/api/limits/config").body["limits"]
    told = {name: Decimal(str(served[name])) for name in THRESHOLDS}
    started = {name: Decimal(environ[name]) for name in THRESHOLDS}
    return {
        "thresholds": [{"name": name, "served": told[name], "started_with": started[name]} for name in THRESHOLDS],
        "served": told,
        "differing": [name for name in THRESHOLDS if told[name] != started[name]],
    }


def backup_standing(api: str, home: str) -> dict[str, Any]:
    """Facts on the newest backup, and on the worker that makes the next one."""
    task = administrator(api, home).get("/api/admin/tasks").body["tasks"]["backups"]
    newest = _newest(home)
    lines = _lines(newest)
    look = newest.stat()
    return {
        "scheduled": {"alive": task["alive"], "every_hours": task["every_hours"], "beat_age_seconds": _age(task["last_turn_at"])},
        "newest": {
            "name": newest.name,
            "age_seconds": Decimal(f"{time.time() - look.st_mtime:.1f}"),
            "size": look.st_size,
            "mode": f"{look.st_mode & 0o7777:04o}",
            "complete": "counts" in lines[-1],
            "documents": len(lines) - 2,
            "collections": sorted(lines[-1].get("counts", {})),
        },
    }


def restore_rehearsal(checkout: str, home: str) -> dict[str, Any]:
    """Facts on the newest backup brought into a database of its own, which is gone again at the end; the books stay untouched."""
    environ = environment_of(f"{home}/desk.pid")
    newest = _newest(home)
    counted = _lines(newest)[-1]["counts"]
    name = f"rehearsal_{secrets.token_hex(6)}"
    with documents_of(home) as books:
        client = books.client
        before = _counts(books)
        try:
            done = _operation(checkout, home, environ, ["restore", "--newest", "--into", name])
            restored = client.get_database(name, codec_options=books.codec_options)
            found = _counts(restored)
            fills = [_plain(row) for row in restored["fills_ledger"].find({}, {"_id": 0}).sort("number", 1)]
            live = [_plain(row) for row in books["fills_ledger"].find({}, {"_id": 0}).sort("number", 1).limit(len(fills))]
            refused = _operation(checkout, home, environ, ["restore", "--newest", "--into", books.name])
        finally:
            client.drop_database(name)
        after = _counts(books)
        gone = name not in client.list_database_names()
    return {
        "exit": done.returncode,
        "backup": newest.name,
        "documents": sum(found.values()),
        "differing_from_backup": [one for one in counted if counted[one] != found.get(one, 0)],
        "fills": len(fills),
        "fills_differing": sum(one != other for one, other in zip(fills, live, strict=True)),
        "refused_over_the_books": {
            "exit": refused.returncode,
            "fewer_documents": [one for one in before if after.get(one, 0) < before[one]],
        },
        "removed": gone,
    }


def secrets_in_logs(home: str) -> dict[str, Any]:
    """Facts on every log of the desk, searched for the first half of each secret it was started with, and for tokens."""
    environ = environment_of(f"{home}/desk.pid")
    known = {name: value for name, value in environ.items() if SECRET_NAMES.search(name) and len(value) >= SHORTEST_SECRET}
    parts = {name: value[: max(SHORTEST_SECRET, len(value) // 2)] for name, value in known.items()}
    files = sorted({path for pattern in LOGS for path in Path(home).glob(pattern) if path.is_file()})
    hits, unreadable, lines = [], [], 0
    for path in files:
        try:
            content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        except OSError as error:
            unreadable.append(f"{path.name}: {error.strerror}")
            continue
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
            lines += 1
            kinds = [name for name, part in parts.items() if part in line] + (["a token"] if _TOKEN.search(line) else [])
            hits += [{"file": path.name, "line": number, "of": kind} for kind in kinds]
    return {
        "searched_for": len(known),
        "files": [str(path.relative_to(home)) for path in files],
        "lines": lines,
        "unreadable": unreadable,
        "hits": hits[:50],
    }


def measured(api: str) -> dict[str, Any]:
    """Facts on the desk's own figures before and after requests that are timed here."""
    before = _metrics(api)
    times = []
    for _ in range(20):
        began = time.monotonic()
        status = get(f"{api}/api/health/ping").status
        times.append(time.monotonic() - began if status == 200 else 99.0)
    after = _metrics(api)

    def total(samples: Mapping[str, Sequence[Decimal]], name: str) -> Decimal:
        return sum(samples.get(name, ()), Decimal(0))

    return {
        "names": sorted(after),
        "requests_more": total(after, "bots_http_requests_total") - total(before, "bots_http_requests_total"),
        "timed_more": total(after, "bots_http_seconds_count") - total(before, "bots_http_seconds_count"),
        "errors": total(after, "bots_http_errors_total"),
        "cpu_seconds": total(after, "process_cpu_seconds_total"),
        "memory_bytes": total(after, "process_resident_memory_bytes"),
        "slowest_answer_seconds": Decimal(f"{max(times):.3f}"),
        "median_answer_seconds": Decimal(f"{statistics.median(times):.3f}"),
        "sampled_age_seconds": Decimal(int(time.time())) - total(after, "desk_scrape_time_seconds"),
    }


def disk_rule(api: str, home: str) -> dict[str, Any]:
    """Facts on the rule that watches the disk, and on the disk itself."""
    rules = administrator(api, home).get("/api/admin/alerts/rules").body["rules"]
    found = [rule for rule in rules if rule["name"] == "disk-space"]
    disk = shutil.disk_usage(home)
    free = Decimal(disk.free * 100) / disk.total
    told: dict[str, Any] = {
        "rules": len(found),
        "names": [rule["name"] for rule in rules],
        "free_percent": free.quantize(Decimal("0.1")),
    }
    if found:
        limit = _PERCENT.search(found[0]["limit"])
        percent = Decimal(limit[1]) if limit else Decimal(0)
        told |= {
            "limit_percent": percent,
            "free_above_limit": free > percent,
            "firing": found[0]["firing"],
            "looked_age_seconds": _age(found[0]["looked_at"]),
        }
    return told


def report_delivery(api: str, home: str) -> dict[str, Any]:
    """Facts on the report that was due last: what the desk remembers, and what lies in the mailbox."""
    told = administrator(api, home).get("/api/reports/daily").body
    due = datetime.fromisoformat(told["last_due"])
    found = [one for one in told["deliveries"] if one["kind"] == "daily" and one["due_at"] == told["last_due"]]
    day = due.date().isoformat()
    mailed = [one for one in mails(home) if one["subject"] == f"Daily report {day}"]
    daily = [one for one in told["deliveries"] if one["kind"] == "daily"]
    facts: dict[str, Any] = {
        "due_age_seconds": Decimal(f"{(datetime.now(UTC) - due).total_seconds():.0f}"),
        "due_time": due.strftime("%H:%M"),
        "time_as_configured": due.strftime("%H:%M") == environment_of(f"{home}/desk.pid")["DAILY_REPORT_TIME"],
        "delivered": len(found),
        "unconfirmed": [one["due_at"] for one in daily if not re.match(r"250 .*\w", str(one["server_said"]))],
        "in_mailbox": len(mailed),
        "figures": sum(f"{word} " in mailed[-1]["text"] for word in ("equity", "realized", "fees", "fills")) if mailed else 0,
    }
    if found:
        queued = str(found[0]["server_said"]).rpartition(" ")[2]
        facts["found_by_its_number"] = any(queued in path.name for path in Path(home, "mail").glob("*.eml"))
        facts["accepted_after_due"] = datetime.fromisoformat(found[0]["accepted_at"]) >= due
    return facts


def test_report(api: str, home: str) -> dict[str, Any]:
    """Facts on a report asked for now: what the API said, whether it lies in the mailbox, and who else may ask for one."""
    admin, path = administrator(api, home), "/api/reports/daily/send-test"
    answer = admin.send(path)
    said = str(answer.body.get("server_said", ""))
    number = said.rpartition(" ")[2]
    came = [one for one in mails(home) if number and number in one["file"]]
    words = ("equity", "realized", "fees", "fills")
    return {
        "status": answer.status,
        "accepted": answer.body.get("accepted") is True,
        "said": said,
        "in_mailbox": len(came),
        "figures": sum(f"{word} " in came[0]["text"] for word in words) if came else 0,
        "to_configured_recipient": bool(came) and came[0]["to"] == environment_of(f"{home}/desk.pid")["REPORT_RECIPIENT"],
        "as_user": ask("POST", api + path, {}, bearer(token(home, "user"))).status,
        "without_token": ask("POST", api + path, {}).status,
    }


def log_rotation(home: str) -> dict[str, Any]:
    """Facts on the handlers' rule tried on a small log by the desk's own code, and on the logs that are there."""
    standing = [path for path in Path(home, "logs").iterdir() if path.is_file()]
    families: dict[str, int] = {}
    for path in standing:
        family = path.name.partition(".log")[0]
        families[family] = families.get(family, 0) + 1
    return {
        "logs": sorted(families),
        "largest": max(path.stat().st_size for path in standing),
        "over": [path.name for path in standing if path.stat().st_size > 10_000_000],
        "too_many": [family for family, count in families.items() if count > 10],
    }


def log_handlers(api: str, home: str) -> dict[str, Any]:
    """Facts on every log that the running desk writes: at which size it is put aside, and how many old ones stay."""
    handlers = administrator(api, home).get("/api/admin/tasks").body["logs"]
    return {
        "handlers": [
            {**one, "path": str(Path(one["path"]).relative_to(home)), "there": Path(one["path"]).is_file()} for one in handlers
        ],
    }


def _operation(checkout: str, home: str, environ: Mapping[str, str], words: list[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "examples.desk.bots.operations", *words, "--home", home],
        cwd=checkout,
        env={"PATH": environ.get("PATH", ""), "MONGO_URL": environ["MONGO_URL"]},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=20,
    )


def _newest(home: str) -> Path:
    found = sorted(Path(home, "backups").glob("desk-*.jsonl.gz"), key=lambda path: path.name)
    if not found:
        raise RuntimeError(f"there is no backup of the document store in {home}/backups")
    return found[-1]


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]


def _counts(database: Any) -> dict[str, int]:
    return {name: database[name].count_documents({}) for name in database.list_collection_names()}


def _plain(row: Mapping[str, Any]) -> str:
    return json.dumps({key: str(value) for key, value in sorted(row.items())})


def samples(api: str) -> list[tuple[str, str, Decimal]]:
    """Name, labels and value of every sample on the metrics page."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{api}/metrics", timeout=5) as response:
        lines = response.read().decode().splitlines()
    matches = [_SAMPLE.fullmatch(line) for line in lines]
    return [(match[1], match[2] or "", Decimal(match[3])) for match in matches if match]


def _metrics(api: str) -> dict[str, list[Decimal]]:
    found: dict[str, list[Decimal]] = {}
    for name, _, value in samples(api):
        found.setdefault(name, []).append(value)
    return found


def _age(moment: str | None) -> Decimal:
    if moment is None:
        raise RuntimeError("it has not looked once")
    return Decimal(f"{(datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds():.1f}")
