"""What a run decided, as one JSON object for other programs (`--golive-json`): no facts, only outcomes and reasons."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytest_golive import canonical
from pytest_golive.model import Checklist, Ruling, Verdict

if TYPE_CHECKING:
    from pytest_golive.closing import Closed
    from pytest_golive.config import Settings
    from pytest_golive.drill.over import Drilled


_BEGINNING = '{\n "schema": 1,'


def text(closed: Closed, settings: Settings, checklists: Sequence[Checklist] = ()) -> str:
    """The summary as indented JSON; amounts of time are text, because JSON numbers are not exact."""
    decision = closed.decision
    counts = Counter(ruling.verdict for ruling in decision.rulings)
    done = closed.done
    fields: dict[str, Any] = {
        "schema": 1,
        "word": decision.word.value,
        "permits": decision.word.permits,
        "reasons": list(decision.reasons),
        "at": decision.at.isoformat(),
        "target": settings.target.name,
        "environment": settings.environment,
        "demo": settings.target.demo,
        "counts": {verdict.value: counts[verdict] for verdict in Verdict},
        "items": [_item(ruling) for ruling in decision.rulings],
        "idle_waivers": [
            {"item": one.item, "by": list(one.approved_by), "why": one.why, "until": one.until and one.until.isoformat()}
            for one in decision.idle
        ],
        "previous": _plain(closed.comparison.previous),
        "changes": _plain(closed.comparison.changes),
        "departures": [
            {"checklist": one.name, "item": each.item, "what": each.what, "reason": each.reason}
            for one in checklists
            for each in one.departures
        ],
        "report": str(closed.report or ""),
        "marker": str(closed.marker or ""),
        "held": closed.held,
        "missing": [one.words for one in closed.standing.missing] if closed.standing else [],
        "denied": closed.denied,
        "trouble": closed.trouble,
        "activation_id": done.activation_id if done else "",
        "expires": done.expires.isoformat() if done else "",
        "drill": _drill(closed.drilled),
        "activation_checks": [[check.name, check.ok, check.line] for check in closed.checks],
    }
    return json.dumps(fields, indent=1, ensure_ascii=True) + "\n"


def _plain(value: Any) -> Any:
    """The value as the signed statement writes it."""
    return json.loads(canonical.dumps(value))


def _drill(drilled: Drilled | None) -> dict[str, Any] | None:
    return drilled and {
        "holds": drilled.holds,
        "items": len(drilled.proofs),
        "operators": drilled.operators,
        "faults": [{"id": identity, "what": what} for identity, what in drilled.faults],
        "undrilled": [{"id": identity, "why": why} for identity, why in drilled.undrilled.items()],
    }


def is_one(content: str) -> bool:
    """Whether a file's content is a summary that may be written over."""
    return not content.strip() or content.startswith(_BEGINNING)


def _item(ruling: Ruling) -> dict[str, Any]:
    checks = ruling.finding.checks
    return {
        "id": ruling.item.id,
        "title": ruling.item.title,
        "severity": ruling.item.severity.value,
        "checklist": ruling.item.checklist,
        "outcome": ruling.finding.outcome.value,
        "verdict": ruling.verdict.value,
        "reason": ruling.finding.reason,
        "found": "; ".join(f"{check.path} is {check.found}" for check in checks[:3]),
        "fix": ruling.item.fix,
    }
