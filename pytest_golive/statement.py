"""A decision to the statement that is signed: in-toto Statement v1 with predicate test-result v0.1; a pure function.

The predicate's own lists (`passedTests`, `warnedTests`, `failedTests`) hold names only and have no slot for errors, so
anything that
is not proven stands in `failedTests`; the extension `golive` carries the rest. A consumer that ignores the extension can
only come to
a harder judgement, never to a softer one, as the in-toto parsing rules ask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, final

from pytest_golive import canonical
from pytest_golive.manifest import Manifest
from pytest_golive.model import Checklist, Decision, Evidence, IdleWaiver, Phase, Ruling, Verdict, Waiver, Word

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
TEMPLATE = 2
MAX_FACTS = 20_000
"""Characters of one item's facts that go into the statement; the digest is over all of them, and what was cut is said."""

RESULTS = {Word.GO: "PASSED", Word.GO_WITH_WARNINGS: "WARNED", Word.NO_GO: "FAILED", Word.INCOMPLETE: "FAILED"}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """Who ran what, where and when; `wall_seconds` is the session's time, `sum_seconds` that of all probes together.

    `gates` is true only for a run of the gating phases: no other run can lead to a marker, whatever its word. `operator` is what
    the operator says, `login` what this machine calls them: who approves must be neither.
    """

    id: str
    operator: str
    login: str = ""
    host: str
    began: datetime
    ended: datetime
    valid_until: datetime
    wall_seconds: float
    sum_seconds: float
    command: str
    phases: Sequence[Phase]
    gates: bool
    partial: Sequence[str] = ()
    versions: Mapping[str, str] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRecord:
    """What was probed, by name; `demo` marks a target that trades no real money."""

    name: str
    environment: str
    demo: bool


def build(
    decision: Decision,
    *,
    checklists: Sequence[Checklist],
    manifest: Manifest,
    target: TargetRecord,
    run: RunRecord,
    journal_head: str,
    previous: Mapping[str, Any] | None = None,
    changes: Mapping[str, Any] | None = None,
    since: Mapping[str, str] | None = None,
    signoff: Mapping[str, Any] | None = None,
    notices: Sequence[Mapping[str, Any]] = (),
) -> bytes:
    """The canonical bytes of the statement about one run.

    What the page of template 2 shows beside the decision: `previous` is the last signed run and `changes` the difference to it,
    null if there was none (`previous.lost` says why its page could not be compared with); `since` tells by item id since when an
    item has not been clear; `signoff` is the quorum that is asked, null if none is; `notices` are loud lines that
    stand on every page until somebody has reviewed them. Of an idle waiver that nobody believes, `until` is null.
    """
    subject: list[dict[str, Any]] = [{"name": "release-manifest.json", "digest": {"sha256": manifest.sha256}}]
    # what was tested is the commit only if nothing differed from it; else the manifest alone names it
    if manifest.tree.commit and manifest.tree.dirty is False:
        subject.append({"name": "git", "digest": {"gitCommit": manifest.tree.commit}})
    by_verdict: dict[Verdict, list[str]] = {verdict: [] for verdict in Verdict}
    for ruling in decision.rulings:
        by_verdict[ruling.verdict].append(ruling.item.id)
    return canonical.dumps(
        {
            "_type": STATEMENT_TYPE,
            "subject": subject,
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "result": RESULTS[decision.word],
                "configuration": [{"name": c.path, "digest": {"sha256": c.sha256}} for c in checklists],
                "passedTests": by_verdict[Verdict.CLEAR],
                "warnedTests": [*by_verdict[Verdict.WARNED], *by_verdict[Verdict.WAIVED]],
                "failedTests": by_verdict[Verdict.BLOCKING],
                "golive": {
                    "schema": 1,
                    "template": TEMPLATE,
                    "target": {"name": target.name, "environment": target.environment, "demo": target.demo},
                    "decision": {
                        "word": decision.word.value,
                        "reasons": list(decision.reasons),
                        "at": decision.at,
                        "valid_until": run.valid_until,
                    },
                    "run": _run(run),
                    "manifest": manifest.as_fields(),
                    "journal_head": journal_head,
                    "previous": previous,
                    "changes": changes,
                    "signoff": signoff,
                    "idle_waivers": [_idle(one) for one in decision.idle],
                    "notices": list(notices),
                    "checklists": [_checklist(one) for one in checklists],
                    "items": [_item(ruling, since or {}) for ruling in decision.rulings],
                    "aside": [_aside(ruling) for ruling in decision.aside],
                },
            },
        }
    )


def _checklist(one: Checklist) -> dict[str, Any]:
    told: dict[str, Any] = {"name": one.name, "title": one.title, "owner": one.owner, "path": one.path}
    if one.departures:
        told["departures"] = [{"item": each.item, "what": each.what, "reason": each.reason} for each in one.departures]
    return told


def _run(run: RunRecord) -> dict[str, Any]:
    return {
        "id": run.id,
        "operator": run.operator,
        "login": run.login,
        "host": run.host,
        "began": run.began,
        "ended": run.ended,
        "wall_seconds": f"{run.wall_seconds:.3f}",
        "sum_seconds": f"{run.sum_seconds:.3f}",
        "command": run.command,
        "phases": [phase.value for phase in run.phases],
        "gates": run.gates,
        "partial": list(run.partial),
        "versions": dict(run.versions),
    }


def _item(ruling: Ruling, since: Mapping[str, str]) -> dict[str, Any]:
    item, finding, waiver = ruling.item, ruling.finding, ruling.waiver
    return {
        "id": item.id,
        "declared": item.declared,
        "title": item.title,
        "severity": item.severity.value,
        "phase": item.phase.value,
        "owner": item.owner,
        "checklist": item.checklist,
        "source": {
            "document": item.source.document,
            "section": item.source.section,
            "line": item.source.line,
            "note": item.source.note,
        },
        "place": str(item.place),
        "why": item.why,
        "fix": item.fix,
        "kind": item.kind,
        "acts": item.acts,
        "covers": list(item.covers),
        "demand": item.demand or None,
        "since": since.get(item.id),
        "outcome": finding.outcome.value,
        "verdict": ruling.verdict.value,
        "reason": finding.reason,
        "checks": [{"path": c.path, "wanted": c.wanted, "found": c.found, "met": c.met} for c in finding.checks],
        "waiver": waiver and _waiver(waiver),
        "evidence": None if finding.evidence is None else _evidence(finding.evidence),
    }


def _waiver(waiver: Waiver) -> dict[str, Any]:
    return {
        "reason": waiver.reason,
        "until": waiver.until,
        "approved_by": list(waiver.approved_by),
        "role": waiver.role,
        "signed_at": waiver.signed_at,
        "statement": waiver.statement,
    }


def _idle(one: IdleWaiver) -> dict[str, Any]:
    told = {"item": one.item, "reason": one.reason, "until": one.until, "why": one.why}
    return {**told, "approved_by": list(one.approved_by)}


def _aside(ruling: Ruling) -> dict[str, Any]:
    """An item of a phase that does not gate: shown, with what was seen of it if it was looked at."""
    item = ruling.item
    return {
        "id": item.id,
        "title": item.title,
        "severity": item.severity.value,
        "phase": item.phase.value,
        "checklist": item.checklist,
        "outcome": ruling.finding.outcome.value,
        "reason": ruling.finding.reason,
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    whole = canonical.dumps(evidence.facts)
    facts: Any = evidence.facts
    cut = 0
    if len(whole) > MAX_FACTS:
        cut = len(whole) - MAX_FACTS
        facts = {"beginning": whole[:MAX_FACTS].decode("ascii")}
    record: dict[str, Any] = {
        "facts": facts,
        "began": evidence.began,
        "seconds": f"{Decimal(evidence.seconds):.3f}",
        "attempts": evidence.attempts,
        "sha256": canonical.sha256(whole),
        "cut": cut,
    }
    if evidence.history:
        record["history"] = [
            {"at": attempt.at, "outcome": attempt.outcome.value, "reason": attempt.reason} for attempt in evidence.history
        ]
    return record
