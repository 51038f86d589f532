"""Is this page to be believed: four answers that are given one by one, so that a no says which of them it is.

A signature says who made the evidence, the digests that everything on the page speaks of the same thing, the quorum that enough
people agreed, and rendering again that the page shows what was signed. None of them covers for another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, final

from pytest_golive import approval, canonical, report
from pytest_golive.approval import Policy, Standing
from pytest_golive.errors import EnvelopeRejected, GoliveError, Misuse, ReportRejected
from pytest_golive.preconditions import CheckLine
from pytest_golive.signing import approval as approvals
from pytest_golive.signing import dsse, personal
from pytest_golive.signing.keys import PublicKey

SIGNATURE, DIGESTS, QUORUM, PAGE = "signature", "digests", "quorum", "page"
_UNSEEN = "not looked at, because nobody can say what was signed"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What was found of a page: the four answers, and what its evidence says if that could be believed.

    `golive` is empty and `standing` None where the signature does not hold.
    """

    answers: tuple[CheckLine, ...]
    hint: str
    golive: Mapping[str, Any]
    standing: Standing | None
    evidence: str
    presentation: str

    @property
    def holds(self) -> bool:
        """Whether all four hold."""
        return all(answer.ok for answer in self.answers)


def examine(page: bytes, keys: Sequence[PublicKey], policy: Policy, now: datetime) -> Examined:
    """The four answers about a page; ReportRejected for what is no page at all."""
    mended = report.undamaged(page)
    found = report.extract(mended)
    try:
        opened = dsse.open_envelope(found.envelope, keys)
        payload = dsse.strict_json(opened.payload)
        golive = payload["predicate"]["golive"]
        evidence, presentation = canonical.sha256(opened.payload), report.presentation(mended)
        told = approval.report_of(payload, evidence=evidence, presentation=presentation, signers=opened.keyids)
    except (EnvelopeRejected, LookupError, TypeError, AttributeError) as error:
        why = error.message if isinstance(error, EnvelopeRejected) else "what was signed is no go-live statement"
        answers = (CheckLine(SIGNATURE, False, why), *(CheckLine(name, False, _UNSEEN) for name in (DIGESTS, QUORUM, PAGE)))
        hint = getattr(error, "hint", "get the page again from where it was made")
        return Examined(answers=answers, hint=hint, golive={}, standing=None, evidence="", presentation="")
    standing = approval.stand(told, found.approvals, policy, now)
    hints: list[str] = []
    answers = (
        CheckLine(SIGNATURE, True, f"the evidence is signed by {', '.join(opened.keyids)}"),
        _digests(payload, evidence, presentation, found.approvals, hints),
        CheckLine(QUORUM, standing.approved, standing.line),
        _rendered(page, keys, hints),
    )
    return Examined(
        answers=answers,
        hint=next((hint for hint in (*hints, standing.next_step) if hint), ""),
        golive=golive,
        standing=standing,
        evidence=evidence,
        presentation=presentation,
    )


def environment_of(page: bytes) -> str:
    """The environment that a page claims to be about, for look-ups alone; empty if it claims none."""
    try:
        payload = dsse.strict_base64(dsse.strict_json(report.extract(report.undamaged(page)).envelope)["payload"])
        return str(dsse.strict_json(payload)["predicate"]["golive"]["target"]["environment"])
    except (*personal.MALFORMED, ReportRejected):
        return ""


def repaired(page: bytes, keys: Sequence[PublicKey]) -> bytes:
    """The page as it was before it was sent, if sending is all that happened to it; Misuse or ReportRejected otherwise."""
    mended = report.undamaged(page)
    if mended == page:
        report.verify(page, keys)
        raise Misuse("there is nothing to repair: every byte is as it was made", hint="golive verify REPORT tells the rest")
    found = report.extract(mended)
    report.verify(mended, keys)
    return report.render(found.envelope, found.approvals)


def _digests(payload: Mapping[str, Any], evidence: str, presentation: str, lines: Sequence[str], hints: list[str]) -> CheckLine:
    """Whether the manifest is the one that is named, and each approval is of this evidence and of this page."""
    try:
        if payload["subject"][0]["digest"] != {"sha256": canonical.digest(payload["predicate"]["golive"]["manifest"])}:
            raise ReportRejected("the release manifest is not the one that the evidence names", hint="run the gate again")
        for line in lines:
            _refuse_moved(line, evidence, presentation)
    except ReportRejected as refused:
        hints.append(refused.hint)
        return CheckLine(DIGESTS, False, refused.message)
    except (LookupError, TypeError):
        hints.append("run the gate again")
        return CheckLine(DIGESTS, False, "the evidence names no release manifest")
    given = f", which {len(lines)} approvals name too" if lines else ""
    return CheckLine(DIGESTS, True, f"evidence sha256:{evidence}, page sha256:{presentation}{given}")


def _refuse_moved(line: str, evidence: str, presentation: str) -> None:
    try:
        statement = dsse.strict_json(dsse.strict_base64(dsse.strict_json(line)["payload"]))
        named = {subject["name"]: subject["digest"]["sha256"] for subject in statement["subject"]}
    except personal.MALFORMED:
        named = {}
    for name, ours in ((approvals.EVIDENCE, evidence), (approvals.PRESENTATION, presentation)):
        if named.get(name) != ours:
            who = " ".join(word for word in approvals.claimed(line) if word) or "somebody"
            raise ReportRejected(
                f"the approval of {who} is over another {'page' if name == approvals.PRESENTATION else name}",
                hint=approvals.again(approvals.claimed(line)[1]),
            )


def _rendered(page: bytes, keys: Sequence[PublicKey], hints: list[str]) -> CheckLine:
    try:
        report.verify(page, keys)
    except GoliveError as refused:
        hints.append(refused.hint)
        return CheckLine(PAGE, False, refused.message)
    return CheckLine(PAGE, True, "every byte is what the signed evidence renders to")
