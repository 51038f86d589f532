"""How the release stands, put together for the page and for `/status.json`: plain members, no objects, and what is wrong by name.

Every builder here is a function of what was read. What is not known is said as that, and is never green: an item that nobody
has looked at lately, a pattern that matches nothing and a watch that fell silent all count as trouble.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pytest_golive import approval, glass, stopping
from pytest_golive.approval import Policy
from pytest_golive.guard.marker import Marker
from pytest_golive.model import Word
from pytest_golive.report.signoff import unapprovable
from pytest_golive.serving.chain import Chain
from pytest_golive.serving.newest import Found
from pytest_golive.serving.skipped import Skipped
from pytest_golive.standing import Standing

Fields = dict[str, Any]

EVENTS = 10
MAX_RED = 40
"""Items of a report that are shown in red; its page shows all."""
MAX_TEXT = 1_200
SILENT = 3
"""Rounds that a watch may leave out before it counts as silent."""
_WORDS_KEPT = 6


def of_guard(
    seen: Standing, marker: Marker | None, now: datetime, *, present: bool, living: Collection[str]
) -> tuple[Fields, Fields]:
    """What the guard says with its switches, and what the marker says if it can be believed.

    `living` are the switches that are read in the process that trades; the others are what this server was started with.
    """
    told = {
        "mode": seen.mode,
        "permitted": seen.permitted,
        "reason": seen.reason,
        "switches": [{"name": name, "value": value, "lives": name in living} for name, value in seen.switches],
    }
    return told, {"present": present, "believed": marker is not None, **({} if marker is None else _marker(marker, now))}


def _marker(marker: Marker, now: datetime) -> Fields:
    return {
        "operator": marker.operator,
        "environment": marker.environment,
        "profiles": list(marker.allowed_profiles),
        "activation": marker.activation_id,
        "counter": marker.counter,
        "since": marker.timestamp,
        "expires": marker.expires,
        "seconds_left": int((marker.expires - now).total_seconds()),
        "approved_by": list(marker.approved_by),
        "break_glass": marker.break_glass,
        "host": marker.host,
        "commit": marker.commit,
    }


def of_stop(one: stopping.Stop) -> Fields:
    """A stop that stands: since when, by whom and why; of many words the first and the newest."""
    words = one.words if len(one.words) <= _WORDS_KEPT else (one.words[0], *one.words[1 - _WORDS_KEPT :])
    return {
        "path": str(one.path),
        "since": one.since,
        "by": one.by,
        "why": cut(one.why),
        "again": [{"at": word.at, "by": word.operator, "why": cut(word.reason)} for word in words[1:]],
    }


def of_report(found: Found | None, newer: str, environment: str, now: datetime) -> Fields:
    """The newest page: its word, its reasons, and each item that is not clear with what to do about it."""
    if found is None:
        trouble = "it is being verified" if newer else "there is no report yet: run pytest --golive"
        return {"present": False, "believed": False, "trouble": trouble, "reading": newer, "red": [], "more_red": 0}
    told: Fields = {"present": True, "folder": found.folder, "reading": newer, "red": [], "more_red": 0}
    if found.told is None:
        return {**told, "believed": False, "trouble": found.trouble}
    golive = found.golive
    decision, run = golive["decision"], golive["run"]
    red = [item for item in golive["items"] if item["verdict"] in ("blocking", "warned")]
    red.sort(key=lambda item: item["verdict"] != "blocking")
    counts: dict[str, int] = {}
    for item in golive["items"]:
        counts[item["verdict"]] = counts.get(item["verdict"], 0) + 1
    until = datetime.fromisoformat(decision["valid_until"])
    elsewhere = golive["target"]["environment"] != environment
    return {
        **told,
        "believed": True,
        "trouble": f"it is about {golive['target']['environment']}, not about {environment}" if elsewhere else "",
        "word": decision["word"],
        "permits": Word(decision["word"]).permits and run["gates"] is True,
        "reasons": [cut(reason) for reason in decision["reasons"]],
        "at": datetime.fromisoformat(decision["at"]),
        "valid_until": until,
        "valid": now < until,
        "run": run["id"],
        "evidence": found.told.evidence,
        "operator": run["operator"],
        "partial": list(run["partial"]),
        "counts": counts,
        "total": len(golive["items"]),
        "red": [_red(item) for item in red[:MAX_RED]],
        "more_red": max(0, len(red) - MAX_RED),
    }


def _red(item: Mapping[str, Any]) -> Fields:
    told = {name: cut(str(item[name])) for name in ("title", "reason", "fix")}
    return {"id": item["id"], **told, "outcome": item["outcome"], "verdict": item["verdict"], "severity": item["severity"]}


def of_approvals(found: Found | None, policy: Policy, now: datetime) -> Fields:
    """Which approvals of the newest page stand, which do not, and what the quorum still misses."""
    if found is None or found.told is None:
        return {"demanded": policy.demands, "approved": False, "line": "there is nothing to approve", "next": "", **_nobody()}
    if why := unapprovable(found.golive):
        return {"demanded": policy.demands, "approved": False, "line": why, "next": "", **_nobody()}
    standing = approval.stand(found.told, found.approvals, policy, now)
    return {
        "demanded": standing.demanded,
        "approved": standing.approved,
        "line": standing.line,
        "next": standing.next_step,
        "stand": [
            {"who": one.who, "until": one.approval.expires, "meaning": one.approval.meaning, "aside": one.aside}
            for one in standing.believed
        ],
        "rejected": [{"who": one.who, "reason": one.reason} for one in standing.rejected],
        "missing": [one.words for one in standing.missing],
    }


def _nobody() -> Fields:
    return {"stand": [], "rejected": [], "missing": []}


def of_watch(beat: Mapping[str, Any] | None, trouble: str, every: float, now: datetime) -> Fields:
    """The newest round of the watch: how old it is, whether it fell silent, and what it saw that is not clear."""
    if beat is None:
        return {"present": False, "silent": True, "trouble": trouble, "red": [], "clear": []}
    try:
        at = datetime.fromisoformat(beat["at"])
        age = (now - at).total_seconds()
        red = [{name: cut(str(one[name])) for name in ("id", "title", "reason", "fix")} for one in beat["red"]]
        clear = [str(name) for name in beat.get("clear", ())]
        watched = int(beat["watched"])
    except (KeyError, TypeError, ValueError) as error:
        told = f"its file is no round of a watch: {type(error).__name__}"
        return {"present": False, "silent": True, "trouble": told, "red": [], "clear": []}
    # a round takes its own time besides the rest between two
    silent = not -60 < age <= SILENT * every + 60
    return {
        "present": True,
        "silent": silent,
        # a round that could not be had watches nothing, and has nothing red for that very reason
        "blind": not red and not clear,
        "trouble": "",
        "at": at,
        "age_seconds": int(age),
        "watched": watched,
        "red": red,
        "clear": clear,
    }


def of_brokers(patterns: Sequence[str], found: Found | None, watch: Fields, now: datetime) -> list[Fields]:
    """Each item that a pattern names, as it was last seen: up, down, or unknown if nobody has looked at it lately."""
    seen: dict[str, Fields] = {}
    titles: dict[str, str] = {}
    if found is not None and found.told is not None:
        golive = found.golive
        at = datetime.fromisoformat(golive["decision"]["at"])
        old = now >= datetime.fromisoformat(golive["decision"]["valid_until"])
        for item in (*golive["items"], *golive["aside"]):
            titles[item["id"]] = cut(item["title"])
            if item["outcome"] != "not-run":
                seen[item["id"]] = _broker(item, at, old=old)
    if watch["present"] and not watch["silent"]:
        for name in watch["clear"]:
            if _is_newer(watch, seen.get(name)):
                seen[name] = _seen(name, titles.get(name, name), "up", "clear in the newest round of the watch", watch["at"])
        for one in watch["red"]:
            if _is_newer(watch, seen.get(one["id"])):
                seen[one["id"]] = _seen(one["id"], one["title"], "down", one["reason"], watch["at"])
    told: dict[str, Fields] = {}
    for pattern in patterns:
        names = [name for name in seen if name == pattern or fnmatch.fnmatchcase(name, _literal(pattern))]
        if not names:
            told[pattern] = _seen(
                pattern,
                pattern,
                "unknown",
                "nobody has looked: no item of the newest report or round of the watch has this id",
                None,
            )
        told.update({name: seen[name] for name in names})
    return list(told.values())


def _literal(pattern: str) -> str:
    """The pattern with brackets as they stand: `health[kraken]` is one id, and no set of letters."""
    return pattern.replace("[", "[[]")


def _broker(item: Mapping[str, Any], at: datetime, *, old: bool) -> Fields:
    name, title, outcome = item["id"], cut(item["title"]), item["outcome"]
    evidence = item.get("evidence")
    at = datetime.fromisoformat(evidence["began"]) if evidence else at
    if outcome == "passed":
        told = "passed, but that report is no longer valid" if old else "passed in the newest report"
        return _seen(name, title, "unknown" if old else "up", told, at)
    reason = cut(item["reason"])
    return _seen(name, title, "down" if outcome == "failed" else "unknown", reason or outcome, at)


def _seen(name: str, title: str, state: str, told: str, at: datetime | None) -> Fields:
    return {"id": name, "title": title, "state": state, "told": told, "at": at}


def _is_newer(watch: Fields, before: Fields | None) -> bool:
    return before is None or before["at"] is None or watch["at"] >= before["at"]


def of_skipped(skipped: Skipped | None) -> Fields:
    """The skipped orders of the last 24 hours, or that nobody named the log."""
    if skipped is None:
        return {"named": False, "trouble": ""}
    return {
        "named": True,
        "trouble": skipped.trouble,
        "total": skipped.total,
        "undated": skipped.undated,
        "newest": skipped.newest,
        "reasons": [{"reason": reason, "count": count} for reason, count in skipped.reasons],
        "more": skipped.more,
        "hours": list(skipped.hours),
        "cut": skipped.cut,
    }


def of_journal(chain: Chain) -> Fields:
    """The head of the journal, its newest records, and the broken glasses that nobody has reviewed."""
    newest = chain.entries[-EVENTS:][::-1]
    return {
        "trouble": chain.trouble,
        "checked_at": chain.at,
        "records": len(chain.entries),
        "head": chain.entries[-1].hash if chain.entries else "",
        "events": [
            {
                "seq": entry.seq,
                "at": entry.at,
                "event": entry.event,
                "by": cut(str(entry.detail.get("operator") or entry.detail.get("person") or "")),
                "told": cut(_told(entry.detail)),
            }
            for entry in newest
        ],
        "unreviewed": [{"at": one.at, "by": one.by, "reason": cut(one.reason)} for one in _unreviewed(chain)],
        "evidence": next((str(e.detail.get("evidence", "")) for e in reversed(chain.entries) if e.event == "run"), ""),
    }


def _unreviewed(chain: Chain) -> Iterable[glass.Unreviewed]:
    try:
        return glass.unreviewed(chain.entries)
    except (KeyError, TypeError):
        return ()


def _told(detail: Mapping[str, Any]) -> str:
    """The part of a record that says most in few words."""
    word, reason = detail.get("word"), detail.get("reason")
    return " - ".join(str(part) for part in (word, reason or detail.get("item") or detail.get("step")) if part)


def alarms(told: Fields) -> list[str]:
    """Everything that must not be overlooked, the gravest first; an empty list is what green means."""
    guard, marker, report, watch, journal = (told[name] for name in ("guard", "marker", "report", "watch", "journal"))
    found = [f"Stopped since {_when(one['since'])} by {one['by']}: {one['why']}" for one in told["stops"]]
    if marker["present"] and not marker["believed"]:
        found.append("A file stands in the marker's place that no trusted key signed")
    if report["trouble"]:
        found.append(f"The newest report: {report['trouble']}")
    elif not report["permits"]:
        found.append(f"The newest report says {report['word']}")
    elif not report["valid"] and not guard["permitted"]:
        found.append(f"The newest report was valid until {_when(report['valid_until'])}")
    if report["believed"] and journal["evidence"] and report["evidence"] != journal["evidence"] and not report["reading"]:
        found.append("The journal tells of another newest run than the newest report in the folder")
    if told["approvals"]["demanded"] and not told["approvals"]["approved"] and report["believed"] and report["permits"]:
        found.append(f"Approvals: {told['approvals']['line']}")
    if watch["present"] and watch["silent"]:
        found.append(f"The watch is silent: its newest round was at {_when(watch['at'])}")
    elif watch["present"] and watch["blind"]:
        found.append("The watch is blind: its newest round saw nothing clear")
    elif guard["permitted"] and not watch["present"]:
        found.append(f"Nobody watches: {watch['trouble']}")
    if watch["red"]:
        found.append(f"The watch sees {len(watch['red'])} not clear: {', '.join(one['id'] for one in watch['red'][:5])}")
    for state, words in (("down", "down"), ("unknown", "not known to be up")):
        names = [one["id"] for one in told["brokers"] if one["state"] == state]
        if names:
            found.append(f"{len(names)} broker{'s are' if len(names) > 1 else ' is'} {words}: {', '.join(names)}")
    if journal["trouble"]:
        found.append(f"The journal: {journal['trouble']}")
    elif not journal["records"] and (report["present"] or marker["present"]):
        found.append("The journal has no record, though a report or a marker is here")
    found += [f"A broken glass of {_when(one['at'])} by {one['by']} awaits its review" for one in journal["unreviewed"]]
    if told["skipped"]["trouble"]:
        found.append(f"Skipped orders: {told['skipped']['trouble']}")
    return found


def tone(told: Fields) -> str:
    """One word for the whole: stopped, live, live-alarm, blocked-alarm or blocked."""
    if told["stops"]:
        return "stopped"
    return ("live" if told["guard"]["permitted"] else "blocked") + ("-alarm" if told["alarms"] else "")


def cut(text: str) -> str:
    """At most `MAX_TEXT` characters of what somebody wrote."""
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}… [{len(text) - MAX_TEXT:,} more characters]"


def _when(moment: datetime) -> str:
    return f"{moment.replace(tzinfo=None, microsecond=0).isoformat(' ')} UTC"
