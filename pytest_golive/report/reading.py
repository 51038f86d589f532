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
from pytest_golive.report import cards, history, pictures, words
from pytest_golive.report.cards import MAX_TITLE
from pytest_golive.report.page import Batch, Beyond, Card, Page, Row, Section, Since, Step
from pytest_golive.report.words import short

GROUP = 100
"""Rows that a browser lays out together; a group that is far away is not laid out at all."""

SLOWEST = 5
TERSE = 2_000
"""Items beyond which the facts of what asks nothing of the reader are left to the signed evidence, so that browsers keep up."""

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
    # template 1 was written before anything was compared, and shows nothing of it
    later = golive["template"] > 1
    since = history.since(golive) if later else {}
    terse = later and len(items) > TERSE
    sections = {key: _section(key, placed[key], titles, since, terse) for key in SECTIONS}
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
        sections=sections,
        unchecked_critical=sum(item["verdict"] == "blocking" for item in placed["unchecked"]),
        order=order,
        slowest=_slowest(items),
        aside=tuple(_aside(item) for item in golive["aside"]),
        journal_head=golive["journal_head"],
        digest=digest,
        beyond=_beyond(golive, word, placed, order, titles) if later else None,
    )


def _beyond(
    golive: Mapping[str, Any],
    word: Word,
    placed: Mapping[str, Sequence[Mapping[str, Any]]],
    order: Sequence[str],
    titles: Mapping[str, str],
) -> Beyond:
    changes = history.difference(golive)
    return Beyond(
        terse=len(golive["items"]) > TERSE,
        step=_step(golive, word, placed),
        notices=history.notices(golive),
        idle=history.idle(golive),
        changes=changes,
        turned=history.turned(changes or ()),
        lost=short((golive["previous"] or {}).get("lost", ""), words.MAX_LINE),
        where=pictures.where(golive["items"], order, tuple(SECTIONS), titles),
        course=pictures.course(golive, order, tuple(SECTIONS)),
        slowest=pictures.slowest(golive, SLOWEST),
    )


def _step(golive: Mapping[str, Any], word: Word, placed: Mapping[str, Sequence[Mapping[str, Any]]]) -> Step:
    """What to do, in the fewest words: put right what blocks, run the whole gate, or read on and sign."""
    if golive["run"]["gates"] is not True:
        return Step(before="Nothing to sign: this run opens no gate.", items=(), after="")
    if word.permits:
        return Step(before="Read what is below, then", items=(("sign-off", "sign, or see who has signed"),), after=".")
    stopping = [
        item
        for key in ("blocking", "unchecked")
        for item in placed[key]
        if item["verdict"] == "blocking" and item["outcome"] != "not-run"
    ]
    shown = tuple((words.anchor("item", item["id"]), short(item["title"], 120)) for item in stopping[:1])
    more = f" and {len(stopping) - 1} more" if len(stopping) > 1 else ""
    again = "run the whole gate" if golive["run"]["partial"] else "run the gate again"
    return Step(
        before="Put right:" if shown else "", items=shown, after=f"{more}, then {again}." if shown else f"{again.capitalize()}."
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


def _section(
    key: str, items: Sequence[Mapping[str, Any]], titles: Mapping[str, str], since: Mapping[str, Since], terse: bool
) -> Section:
    told: Sequence[Card] = ()
    rows = items
    if key in ("blocking", "unchecked", "warnings", "waived"):
        # what did not run needs no card each: there is nothing to put right in it
        rows = [item for item in items if item["outcome"] == "not-run"]
        shown = [item for item in items if item["outcome"] != "not-run"]
        shown.sort(key=lambda item: item["verdict"] != "blocking")
        told = tuple(cards.card(key, item, since.get(item["id"])) for item in shown)
    batches: dict[str, list[Row]] = {}
    for item in rows:
        batches.setdefault(item["checklist"], []).append(cards.row(item, terse=terse))
    return Section(
        key=key,
        title=SECTIONS[key],
        count=len(items),
        cards=told,
        batches=tuple(_batch(titles.get(name, name), batch) for name, batch in batches.items()),
    )


def _batch(title: str, rows: Sequence[Row]) -> Batch:
    groups = tuple(rows[start : start + GROUP] for start in range(0, len(rows), GROUP))
    return Batch(title=title, count=len(rows), groups=groups)


def _slowest(items: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, str, str, str], ...]:
    timed = [(Decimal(item["evidence"]["seconds"]), item) for item in items if item["evidence"] is not None]
    timed.sort(key=lambda pair: -pair[0])
    return tuple(
        (words.anchor("item", item["id"]), short(item["title"], MAX_TITLE), item["id"], item["evidence"]["seconds"])
        for _, item in islice(timed, SLOWEST)
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
