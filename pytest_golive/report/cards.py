"""One item of the statement as the page tells it: a row if it asks nothing of the reader, a card if it has to be dealt with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_golive.model import Outcome
from pytest_golive.report import words
from pytest_golive.report.page import Card, Exemption, Line, Proof, Row, Since
from pytest_golive.report.words import short

MAX_CHECKS = 20
MAX_TITLE = 300
MAX_LOOKS = 10

_MET = {True: "", False: " (not met)", None: " (cannot be told)"}
_OUTCOMES = {
    Outcome.PASSED: "Passed",
    Outcome.FAILED: "Failed",
    Outcome.ERROR: "Could not be checked",
    Outcome.BLOCKED: "Blocked",
    Outcome.NOT_APPLICABLE: "Not applicable",
    Outcome.PENDING: "Pending",
    Outcome.NOT_RUN: "Not run",
}


def row(item: Mapping[str, Any], *, terse: bool) -> Row:
    """The row of an item; a terse one leaves its facts to the signed evidence if wanted and found tell what was seen."""
    evidence, checks = item["evidence"], item["checks"]
    meta = f"{item['severity']}, {item['kind']}, {_source(item['source'])}, {item['place']}"
    if evidence is not None:
        meta += f", {evidence['seconds']} s, sha256 {evidence['sha256'][:12]}"
    return Row(
        anchor=words.anchor("item", item["id"]),
        id=item["id"],
        title=short(item["title"], MAX_TITLE),
        reason=short(item["reason"], words.MAX_LINE),
        lines=_lines(checks),
        meta=meta,
        facts="" if evidence is None or (terse and checks) else words.facts(evidence["facts"]),
    )


def card(tone: str, item: Mapping[str, Any], since: Since | None) -> Card:
    """The card of an item in the section that `tone` names."""
    checks = item["checks"]
    unmet = [check for check in checks if check["met"] is not True]
    waiver, evidence = item["waiver"], item["evidence"]
    outcome = _OUTCOMES[Outcome(item["outcome"])]
    standing = {"blocking": "blocks", "warned": "does not block"}.get(item["verdict"], outcome.lower())
    return Card(
        anchor=words.anchor("item", item["id"]),
        id=item["id"],
        title=short(item["title"], MAX_TITLE),
        tone=tone,
        tag="Waived" if waiver else outcome,
        standing=f"{item['severity']}, {standing}",
        reason=_reason(item["reason"], unmet),
        unmet=_unmet(unmet[:MAX_CHECKS]),
        more_unmet=max(0, len(unmet) - MAX_CHECKS),
        lines=_lines(checks),
        why=words.prose(item["why"]),
        fix=words.prose(item["fix"]),
        owner=item["owner"],
        source=f"document {_source(item['source'])}",
        note=short(item["source"]["note"], words.MAX_LINE),
        place=item["place"],
        kind=item["kind"],
        acts=item["acts"],
        since=since,
        waiver=waiver
        and Exemption(
            reason=short(waiver["reason"], words.MAX_PROSE),
            until=words.moment(waiver["until"]),
            approved_by=", ".join(waiver["approved_by"]),
            role=waiver.get("role") or "",
            signed_at=words.moment(waiver["signed_at"]) if waiver.get("signed_at") else None,
            statement=waiver.get("statement") or "",
        ),
        proof=None if evidence is None else _proof(evidence),
    )


def _reason(reason: str, unmet: Iterable[Mapping[str, Any]]) -> str:
    """The reason, unless it only says again what stands under wanted and found."""
    if any(reason == f"{check['path']}: wanted {check['wanted']}, found {check['found']}" for check in unmet):
        return ""
    return short(reason, words.MAX_PROSE)


def _unmet(checks: Iterable[Mapping[str, Any]]) -> tuple[Line, ...]:
    return tuple(
        Line(
            path=short(check["path"], words.MAX_LINE),
            wanted=short(check["wanted"], words.MAX_LINE),
            found=short(check["found"], words.MAX_LINE),
            untold=check["met"] is None,
        )
        for check in checks
    )


def _lines(checks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every operator on a line, also those that are met."""
    lines = [
        short(f"{check['path']}: wanted {check['wanted']}, found {check['found']}{_MET[check['met']]}", words.MAX_LINE)
        for check in checks[:MAX_CHECKS]
    ]
    if len(checks) > MAX_CHECKS:
        lines.append(f"{len(checks) - MAX_CHECKS} more checks are in the signed evidence")
    return lines


def _source(source: Mapping[str, Any]) -> str:
    line = "" if source["line"] is None else f", line {source['line']}"
    return f"{source['document']}, {source['section']}{line}"


def _proof(evidence: Mapping[str, Any]) -> Proof:
    looks = evidence.get("history", ())
    return Proof(
        facts=words.facts(evidence["facts"]),
        cut=evidence["cut"],
        began=words.moment(evidence["began"]),
        seconds=evidence["seconds"],
        attempts=evidence["attempts"],
        looks=tuple(
            (words.moment(look["at"]), _OUTCOMES[Outcome(look["outcome"])], short(look["reason"], words.MAX_LINE))
            for look in looks[-MAX_LOOKS:]
        ),
        more_looks=max(0, len(looks) - MAX_LOOKS),
        sha256=evidence["sha256"],
    )
