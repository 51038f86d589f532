"""The last block on the terminal: what blocks, what was decided, where the page lies, and one command that comes next.

Lines are words first (PASS FAIL WARN ERROR …), symbols never carry the meaning alone. What a target said is indented behind
a word, so that
no line of it can begin with something that a CI system takes for a command.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

from pytest_golive import comparison
from pytest_golive.decision import UNSEEN
from pytest_golive.model import Checklist, Decision, Outcome, Ruling, Verdict, Word
from pytest_golive.report.words import inert

if TYPE_CHECKING:
    import pytest

    from pytest_golive.closing import Closed
    from pytest_golive.drill.over import Drilled

LABELS = {
    Outcome.PASSED: "PASS",
    Outcome.FAILED: "FAIL",
    Outcome.ERROR: "ERROR",
    Outcome.BLOCKED: "BLOCKED",
    Outcome.NOT_APPLICABLE: "N/A",
    Outcome.PENDING: "PENDING",
    Outcome.NOT_RUN: "NOT RUN",
}
MAX_LISTED = 40
"""Not-passed items that are shown by name; the page has all of them."""

MAX_DEPARTURES = 10
"""What a list does otherwise than its base, as far as it is shown; the page has all of it."""

_ORDER = (Verdict.BLOCKING, Verdict.WARNED, Verdict.WAIVED, Verdict.CLEAR)


@final
@dataclass(frozen=True, slots=True)
class Line:
    """One line of text with its colour, if it has one."""

    text: str
    colour: str = ""
    bold: bool = False


def label(ruling: Ruling) -> str:
    """The word in front of an item."""
    if ruling.verdict is Verdict.WARNED and ruling.finding.outcome is Outcome.FAILED:
        return "WARN"
    if ruling.verdict is Verdict.WAIVED:
        return "WAIVED"
    return LABELS[ruling.finding.outcome]


def colour(ruling: Ruling) -> str:
    """Red blocks, yellow is told, green is clear."""
    return {Verdict.BLOCKING: "red", Verdict.CLEAR: "green"}.get(ruling.verdict, "yellow")


def rulings_in_words(decision: Decision, checklists: Sequence[Checklist], *, everything: bool) -> Iterator[Line]:
    """Each checklist in a line, and under it the items that are not clear, blocking ones first; or all, with `everything`."""
    listed = 0
    for checklist in checklists:
        rulings = [ruling for ruling in decision.rulings if ruling.item.checklist == checklist.name]
        if not rulings:
            continue
        counts = Counter(label(ruling) for ruling in rulings)
        summary = ", ".join(f"{count} {word}" for word, count in counts.most_common())
        yield Line(f"  {checklist.title} ({checklist.name}): {summary}", bold=True)
        for departure in checklist.departures[: None if everything else MAX_DEPARTURES]:
            reason = f": {_flat(departure.reason)}" if departure.reason else ""
            yield Line(f"    otherwise than its base  {departure.item} {departure.what}{reason}", "yellow")
        if len(checklist.departures) > MAX_DEPARTURES and not everything:
            yield Line(f"    … and {len(checklist.departures) - MAX_DEPARTURES} more; the report has all of them", "yellow")
        unseen = [r for r in rulings if _unseen(r) and not everything]
        shown = [r for r in rulings if (everything or r.verdict is not Verdict.CLEAR) and r not in unseen]
        for ruling in sorted(shown, key=lambda r: _ORDER.index(r.verdict)):
            listed += 1
            if listed <= MAX_LISTED or everything:
                yield from _one(ruling)
        if unseen:
            yield Line(f"    {len(unseen)} did not run", "yellow")
    if listed > MAX_LISTED and not everything:
        yield Line(f"    … and {listed - MAX_LISTED} more; the report has all of them")


def _unseen(ruling: Ruling) -> bool:
    return ruling.finding.reason == UNSEEN


def _one(ruling: Ruling) -> Iterator[Line]:
    yield Line(f"    {label(ruling):<7} {ruling.item.title}  [{ruling.item.id}]", colour(ruling))
    if ruling.verdict is not Verdict.CLEAR:
        yield Line(f"            found: {_flat(ruling.finding.reason)}")
        if waiver := ruling.waiver:
            names = ", ".join(waiver.approved_by)
            yield Line(f"            waived by {names} until {waiver.until.isoformat()}: {_flat(waiver.reason)}")
        yield Line(f"            fix:   {_flat(ruling.item.fix)}")


def idle_in_words(decision: Decision) -> Iterator[Line]:
    """Every waiver that excused nothing, and why; one that is not believed in red."""
    for one in decision.idle[:MAX_LISTED]:
        by = f" ({', '.join(one.approved_by)})" if one.approved_by else ""
        shade = "red" if one.why.startswith("not believed") else "yellow"
        yield Line(f"    WAIVER  {_flat(one.item)}{by}: {_flat(one.why)}", shade)
    if len(decision.idle) > MAX_LISTED:
        yield Line(f"    … and {len(decision.idle) - MAX_LISTED} more waivers that excuse nothing; the report has all of them")


def ending(closed: Closed, next_step: str) -> Iterator[Line]:
    """The verdict, the paths, and what to do next."""
    decision = closed.decision
    yield Line(f"  {decision.word}  {' '.join(decision.reasons)}", _word_colour(decision.word), bold=True)
    if compared := comparison.in_words(closed.comparison):
        yield Line(f"  {_flat(compared)}")
    if closed.sum_seconds:
        yield Line(f"  Probes: {closed.sum_seconds:.1f} s of looking in {closed.wall_seconds:.1f} s.")
    if closed.report is not None:
        yield Line(f"  Report: {shown(closed.report)}")
    if closed.marker is not None:
        yield Line(f"  Marker: {shown(closed.marker)}", "green")
    elif closed.denied:
        yield Line(f"  Marker: not written, the activation was denied: {closed.denied}", "red")
    elif closed.standing is not None:
        yield Line(f"  Marker: held: {closed.held}", "yellow")
    elif closed.held:
        yield Line(f"  Marker: not written, because {closed.held}", "yellow")
    elif closed.withdrawn:
        yield Line("  Marker: withdrawn, because this run says NO-GO", "red")
    else:
        yield Line("  Marker: not written")
    if closed.trouble:
        yield Line(f"  Trouble: {closed.trouble}", "red")
    for sentence in closed.untold:
        yield Line(f"  Not told: {sentence}", "red")
    yield Line(f"  Next:   {next_step}")


def drilled_in_words(drilled: Drilled) -> Iterator[Line]:
    """What proves nothing, one line each, and how much was drilled."""
    for identity, what in drilled.faults:
        yield Line(f"    PROVES NOTHING  {identity}: {_flat(what)}", "red")
    for identity, why in drilled.undrilled.items():
        yield Line(f"    NOT DRILLED     {identity}: {_flat(why)}", "yellow")
    told = f"{len(drilled.proofs)} items, {drilled.operators} operators held against changed values"
    open_ = f"{len(drilled.faults)} prove nothing, {len(drilled.undrilled)} could not be drilled"
    yield Line(
        f"  Drill:  {told}: {'all of them noticed' if drilled.holds else open_}", "green" if drilled.holds else "red", bold=True
    )


def next_step(closed: Closed, config: str) -> str:
    """One exact command, or one exact sentence."""
    if closed.trouble:
        return "mend the trouble above, then run pytest --golive again"
    word = closed.decision.word
    if word is Word.INCOMPLETE and any(r.finding.outcome is Outcome.PENDING for r in closed.decision.rulings):
        return "run this again when the windows of the pending items have closed"
    if word is Word.INCOMPLETE:
        return "pytest --golive  (whole, without a selection)"
    if word is Word.NO_GO:
        return "mend the blocking items above, then run pytest --golive again"
    if closed.marker is not None:
        return f"golive status {config}".strip()
    if closed.standing is not None and closed.standing.missing and closed.report is not None:
        role = closed.standing.missing[0].role or "ROLE"
        return f"golive approve {shown(closed.report)} --role {role} {config}".strip()
    if closed.standing is not None:
        return closed.standing.next_step
    if closed.held:
        return "set activation_enabled: true, then golive activate" + (f" {config}" if config else "")
    if closed.denied:
        return f"mend that, then golive activate {config}".strip()
    return f"golive verify {shown(closed.report)}" if closed.report is not None else "pytest --golive"


def shown(path: Path) -> str:
    """The path as people would type it from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def show(config: pytest.Config, closed: Closed, checklists: Sequence[Checklist], settings: Path) -> None:
    """Write the block through pytest's own terminal, so that colours and width follow its options."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is None:
        return
    verbosity = config.get_verbosity()
    lines: Iterable[Line] = ()
    if verbosity >= 0:
        lines = rulings_in_words(closed.decision, checklists, everything=verbosity > 0)
        reporter.write_sep("=", "go-live")
    option = "" if settings == Path.cwd() / settings.name else f"--config {shown(settings)}"
    drilled = drilled_in_words(closed.drilled) if closed.drilled is not None else ()
    idle = idle_in_words(closed.decision) if verbosity >= 0 else ()
    for line in (*lines, *idle, *drilled, *ending(closed, next_step(closed, option))):
        markup: Mapping[str, bool] = {line.colour: True} if line.colour else {}
        reporter.write_line(_encodable(inert(line.text), reporter), bold=line.bold, **markup)


def _encodable(text: str, reporter: object) -> str:
    """ASCII where the terminal cannot show more."""
    encoding = getattr(getattr(getattr(reporter, "_tw", None), "_file", None), "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _flat(text: str) -> str:
    return " ".join(text.split())


def _word_colour(word: Word) -> str:
    return {Word.GO: "green", Word.GO_WITH_WARNINGS: "yellow"}.get(word, "red")
