"""Activating from a page: the evidence of an earlier run, made here or elsewhere, and whoever approved it since.

The page is verified whole, it must be the newest word about this place, and what can change in between is looked at now: the
tree, the settings, the items of the activation phase. Whatever says no is in the journal, because a denial that nobody wrote
down cannot be told from an attempt that nobody made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pytest_golive import activation, checklist, closing, readiness, report, waiving
from pytest_golive.approval import Signatures
from pytest_golive.config import Settings
from pytest_golive.errors import ActivationDenied, GoliveError
from pytest_golive.events import DEACTIVATED, RUN
from pytest_golive.journal import Journal
from pytest_golive.redaction import Redactor
from pytest_golive.signing.keys import PublicKey
from pytest_golive.trial import Surroundings

PAGE = "page"
NEWEST = "newest"
CONFIGURATION = "configuration"
WAIVERS = "waivers"


def from_page(
    page: bytes,
    keys: Sequence[PublicKey],
    settings: Settings,
    environ: Mapping[str, str],
    journal: Journal,
    *,
    operator: str,
    now: datetime,
) -> activation.Activation:
    """Activate from the page of a run that one of `keys` signed; ActivationDenied or another GoliveError, journalled, if not."""

    def denied(check: str, error: GoliveError) -> ActivationDenied:
        told = activation.deny(journal, check, error.message, operator, settings.environment, now)
        return ActivationDenied(error.message + told, hint=error.hint)

    try:
        verified = report.verify(page, keys)
    except GoliveError as error:
        raise denied(PAGE, error) from None
    try:
        _refuse_overtaken(verified, journal, any_place=settings.activation.place == "any")
    except ActivationDenied as error:
        raise denied(NEWEST, error) from None
    try:
        paths = checklist.find(settings.checklists, settings.root, settings.path.name)
        checklists = checklist.load(paths, root=Path.cwd(), **settings.variables)
        here = closing.prepare(settings, environ, journal=journal)
    except GoliveError as error:
        raise denied(CONFIGURATION, error) from None
    if ended := waiving.ended(verified.payload, settings, checklists, now):
        hint = "run pytest --golive again, and activate from its page"
        raise denied(WAIVERS, ActivationDenied(f"the run rested on a waiver that does not hold now: {ended}", hint=hint))
    surroundings = Surroundings(
        root=settings.root,
        environ=environ,
        now=lambda: datetime.now(UTC),
        redactor=Redactor.from_environment(environ),
        allow_acting=settings.target.allow_acting,
        witnesses=settings.witnesses,
    )
    run = closing.RunFacts(
        began=now,
        wall_seconds=0.0,
        operator=operator,
        command="golive activate REPORT",
        phases=readiness.PHASES,
        gates=False,
        partial=(),
        versions={},
    )
    return here.activate(
        report.extract(page).envelope,
        checklists=checklists,
        run=run,
        surroundings=surroundings,
        signatures=Signatures(lines=verified.approvals, presentation=verified.presentation_sha256),
    )


def _refuse_overtaken(verified: report.VerifiedReport, journal: Journal, *, any_place: bool) -> None:
    """Only the newest whole run may activate: a later NO-GO or a deactivation is not undone by an older page.

    A page of another machine is in no journal here; it must be younger than everything that was decided here.
    """
    newest, since = None, None
    for entry in journal.entries():
        if entry.event == DEACTIVATED:
            newest, since = None, entry.at
        elif entry.event == RUN and entry.detail.get("decides"):
            newest, since = entry.detail["evidence"], entry.at
    if newest == verified.payload_sha256:
        return
    made = datetime.fromisoformat(verified.payload["predicate"]["golive"]["decision"]["at"])
    if any_place and (since is None or made > since):
        return
    raise ActivationDenied(
        "this page is not that of the newest whole run here, or it was followed by a deactivation",
        hint="run pytest --golive again and activate from its page",
    )
