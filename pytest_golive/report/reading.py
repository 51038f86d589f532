"""The signed statement as the page's own nouns: which item stands in which section, and the words that stand there.

Each gating item stands in exactly one section, so that the numbers of the sections add up. An item that could not be checked
never stands among the passed ones, and a statement whose word is softer than its items is refused rather than shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

from pytest_golive.errors import ReportRejected
from pytest_golive.model import Outcome, Phase, Severity, Verdict, Word
from pytest_golive.report import words
from pytest_golive.report.page import Batch, Card, Exemption, Line, Page, Proof, Row, Section
from pytest_golive.report.words import short

MAX_CHECKS = 20
MAX_TITLE = 300
MAX_LOOKS = 10
GROUP = 100
"""Rows that a browser lays out together; a group that is far away is not laid out at all."""

SECTIONS = {
    "blocking": "Blocking",
    "unchecked": "Could not be checked",
    "warnings": "Warnings",
    "waived": "Waived",
    "attested": "Attestations",
    "absent": "Not applicable",
    "passed": "Passed",
}

# looked up and not called: calling an enumeration costs several times as much, for every item
_OUTCOME = {outcome.value: outcome for outcome in Outcome}
_VERDICT = {verdict.value: verdict for verdict in Verdict}
_SEVERITY = {severity.value: severity for severity in Severity}
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
_UNSEEN = frozenset({Outcome.ERROR, Outcome.BLOCKED, Outcome.NOT_RUN})


def read(statement: Mapping[str, Any], digest: str) -> Page:
    """The page of a go-live statement; ReportRejected if it is not one, or if it contradicts itself."""
    try:
        golive = statement["predicate"]["golive"]
        page = _page(golive, digest)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise ReportRejected(
            f"the evidence is not a go-live statement of schema 1: {type(error).__name__}: {ascii(str(error))[:200]}",
            hint="make it again with the version of pytest-golive that wrote it",
        ) from error
    _refuse_contradiction(page, golive["items"])
    return page


def _page(golive: Mapping[str, Any], digest: str) -> Page:
    decision, run, items = golive["decision"], golive["run"], golive["items"]
    placed: dict[str, list[Mapping[str, Any]]] = {key: [] for key in SECTIONS}
    order = [_place(item, placed) for item in items]
    names = [item["id"] for item in items]
    if len(set(names)) != len(names):
        raise ValueError("an item stands in it twice")
    titles = {one["name"]: one["title"] for one in golive.get("checklists", ())}
    word = Word(decision["word"])
    if type(run["gates"]) is not bool or not run["phases"]:
        raise ValueError("it does not say which phases it judged")
    phrases = {f"Partial run: {phrase}." for phrase in run["partial"]}
    previous = golive["previous"]
    return Page(
        word=word,
        tone=word.value.lower().replace(" ", "-"),
        target=golive["target"],
        reasons=" ".join(reason for reason in decision["reasons"] if reason not in phrases),
        partial=tuple(run["partial"]),
        departures=tuple(
            (each["item"], short(each["what"], MAX_TITLE), short(each["reason"], MAX_TITLE))
            for one in golive.get("checklists", ())
            for each in one.get("departures", ())
        ),
        decided=words.moment(decision["at"]),
        valid_until=words.moment(decision["valid_until"]),
        began=words.moment(run["began"]),
        ended=words.moment(run["ended"]),
        run=run,
        manifest=golive["manifest"],
        previous=previous and (previous["word"], previous["run"], words.moment(previous["at"])),
        total=len(items),
        ran=sum(item["outcome"] not in ("blocked", "not-run") for item in items),
        sections={key: _section(key, placed[key], titles) for key in SECTIONS},
        unchecked_critical=sum(item["verdict"] == "blocking" for item in placed["unchecked"]),
        order=order,
        slowest=_slowest(items),
        aside=tuple(_aside(item) for item in golive["aside"]),
        journal_head=golive["journal_head"],
        digest=digest,
    )


def _place(item: Mapping[str, Any], placed: Mapping[str, list[Mapping[str, Any]]]) -> str:
    """Put an item into its one section, and say which that is."""
    outcome, verdict, _ = _OUTCOME[item["outcome"]], _VERDICT[item["verdict"]], _SEVERITY[item["severity"]]
    if verdict is Verdict.WAIVED:
        key = "waived"
    elif verdict is Verdict.CLEAR:
        if outcome is Outcome.NOT_APPLICABLE:
            key = "absent"
        elif outcome is Outcome.PASSED:
            key = "attested" if item["kind"] == "attestation" else "passed"
        else:
            raise ValueError(f"{item['id']} is cleared but its outcome is {outcome}")
    elif outcome in (Outcome.PASSED, Outcome.NOT_APPLICABLE):
        raise ValueError(f"{item['id']} is {verdict} but its outcome is {outcome}")
    elif outcome in _UNSEEN:
        key = "unchecked"
    else:
        key = "blocking" if verdict is Verdict.BLOCKING else "warnings"
    placed[key].append(item)
    return key


def _section(key: str, items: Sequence[Mapping[str, Any]], titles: Mapping[str, str]) -> Section:
    cards: Sequence[Card] = ()
    rows = items
    if key in ("blocking", "unchecked", "warnings", "waived"):
        # what did not run needs no card each: there is nothing to put right in it
        rows = [item for item in items if item["outcome"] == "not-run"]
        shown = [item for item in items if item["outcome"] != "not-run"]
        shown.sort(key=lambda item: item["verdict"] != "blocking")
        cards = tuple(_card(key, item) for item in shown)
    batches: dict[str, list[Row]] = {}
    for item in rows:
        batches.setdefault(item["checklist"], []).append(_row(item))
    return Section(
        key=key,
        title=SECTIONS[key],
        count=len(items),
        cards=cards,
        batches=tuple(_batch(titles.get(name, name), batch) for name, batch in batches.items()),
    )


def _batch(title: str, rows: Sequence[Row]) -> Batch:
    groups = tuple(rows[start : start + GROUP] for start in range(0, len(rows), GROUP))
    return Batch(title=title, count=len(rows), groups=groups)


def _row(item: Mapping[str, Any]) -> Row:
    evidence = item["evidence"]
    meta = f"{item['severity']}, {item['kind']}, {_source(item['source'])}, {item['place']}"
    if evidence is not None:
        meta += f", {evidence['seconds']} s, sha256 {evidence['sha256'][:12]}"
    return Row(
        anchor=words.anchor("item", item["id"]),
        id=item["id"],
        title=short(item["title"], MAX_TITLE),
        reason=short(item["reason"], words.MAX_LINE),
        lines=_lines(item["checks"]),
        meta=meta,
        facts="" if evidence is None else words.facts(evidence["facts"]),
    )


def _card(tone: str, item: Mapping[str, Any]) -> Card:
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
        waiver=waiver
        and Exemption(
            reason=short(waiver["reason"], words.MAX_PROSE),
            until=words.moment(waiver["until"]),
            approved_by=", ".join(waiver["approved_by"]),
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


def _slowest(items: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, str, str, str], ...]:
    timed = [(Decimal(item["evidence"]["seconds"]), item) for item in items if item["evidence"] is not None]
    timed.sort(key=lambda pair: -pair[0])
    return tuple(
        (words.anchor("item", item["id"]), short(item["title"], MAX_TITLE), item["id"], item["evidence"]["seconds"])
        for _, item in islice(timed, 5)
    )


def _aside(item: Mapping[str, Any]) -> Row:
    return Row(
        anchor=words.anchor("aside", item["id"]),
        id=item["id"],
        title=short(item["title"], MAX_TITLE),
        reason="",
        lines=(),
        meta=f"{item['severity']}, phase {Phase(item['phase'])}, checklist {item['checklist']}",
        facts="",
    )


def _refuse_contradiction(page: Page, items: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a word that is softer than the items it stands over; a harder word is its author's right."""
    blocking = sum(item["verdict"] == "blocking" for item in items)
    warned = sum(item["verdict"] == "warned" for item in items)
    unseen = sum(item["outcome"] == "not-run" for item in items) + len(page.partial)
    critical = any(item["severity"] == "critical" for item in items)
    if (page.word.permits and (blocking or unseen or not critical)) or (page.word is Word.GO and warned):
        raise ReportRejected(
            f"the evidence contradicts itself: it says {page.word} over {blocking} blocking, {warned} warned and "
            f"{unseen} unseen items",
            hint="do not trust it; run the gate again",
        )
