"""`golive history`: rates, what blocked, every attempt to activate and how it ended, for people and for other programs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from pytest_golive import anchors, excerpt, history
from pytest_golive.cli.journal import moment
from pytest_golive.cli.shared import load_settings
from pytest_golive.cli.words import WIDTH, printable, say
from pytest_golive.history import STOOD, Attempt, Chronicle
from pytest_golive.journal import Journal
from pytest_golive.quantities import spoken
from pytest_golive.redaction import Redactor

MAX_BLOCKERS = 10
"""Items that the text names; JSON and the page name all."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """How to write it, and from when on."""
    parser.add_argument(
        "--as", dest="form", choices=("text", "json", "csv", "html"), default="text", help="how to write it (text)"
    )
    parser.add_argument("--since", metavar="TIME", help="the first moment, such as 2026-11-01, or 30d ago (default: all of it)")


def run(options: argparse.Namespace) -> int:
    """Write the history; JournalError if the journal was altered. CSV holds the attempts alone."""
    settings = load_settings(options)
    now = datetime.now(UTC)
    redactor = Redactor.from_environment(os.environ)
    entries = excerpt.clean(Journal(settings.resolve(settings.journal)).entries(), redactor)
    told = history.chronicle(entries, now, moment(options.since))
    remarks = anchors.clock_faults(entries, now)
    if options.form == "csv":
        sys.stdout.write(history.as_csv(told.attempts))
    elif options.form == "json":
        say(history.as_json(told, remarks))
    elif options.form == "html":
        sys.stdout.write(history.as_html(told, remarks, target=settings.target.name, environment=settings.environment))
    else:
        for line in _lines(told, remarks):
            say(printable(line).rstrip())
    return 0


def _lines(told: Chronicle, remarks: Sequence[str]) -> Iterator[str]:
    span = f", {_day(told.began)} to {_day(told.until)} (UTC)" if told.began else ""
    yield f"HISTORY  {_counted(len(told.runs), 'run')}, {_counted(len(told.attempts), 'attempt')} to activate{span}"
    yield ""
    yield f"{'RATES':26}{'value':>10}  {'of':<16}{'target':<12}{'alert if':<14}"
    for rate in told.rates:
        value = "none yet" if rate.percent is None else f"{rate.percent} %"
        of = spoken(Decimal(rate.of)) if rate.unit == "seconds" else _counted(rate.of, rate.unit[:-1])
        yield f"{'! ' if rate.alert else '  '}{rate.name:24}{value:>10}  {of:<16}{rate.target:<12}{rate.threshold:<14}"
    if told.median_to_go is not None:
        longest = max(red.seconds for red in told.reds if red.ended)
        yield f"  {'Time to GO':24}{_span(told.median_to_go):>10}  (median; longest {_span(longest)})"
    if told.reds and told.reds[-1].ended is None:
        red = told.reds[-1]
        yield f"! No GO since {_time(red.began)}, for {_span(red.seconds)}, in {_counted(red.runs, 'run')}"
    if told.partial:
        yield f"  {_counted(told.partial, 'run')} looked at a part only, and {'is' if told.partial == 1 else 'are'} in no rate"
    if told.blockers:
        yield ""
        yield f"{'WHAT BLOCKED':54}{'runs':>5}  newest"
        for one in told.blockers[:MAX_BLOCKERS]:
            yield f"  {_fitting(one.id, 52):52}{one.runs:>5}  {_day(one.newest)}{'  still' if one.stands else ''}"
        if len(told.blockers) > MAX_BLOCKERS:
            yield f"  and {len(told.blockers) - MAX_BLOCKERS} more (--as json or html)"
    if told.unnamed:
        yield f"  {told.unnamed} blocking that the journal does not name"
    if told.attempts:
        yield ""
        yield f"{'ATTEMPTS (UTC)':21}{'outcome':<11}{'operator':<17}{'ended':<13}lasted"
        for row in told.attempts:
            yield from _attempt(row)
    also = {name: times for name, times in told.also.items() if times}
    if also:
        yield ""
        yield "ALSO"
        for name, times in also.items():
            yield f"  {name:24}{len(times):>10}  newest {_time(times[-1])}"
    for remark in remarks:
        yield f"! {remark}"
    yield ""
    yield f"{_counted(len(told.attempts), 'attempt')}, {_counted(len(told.alerts), 'alert')}"


def _attempt(row: Attempt) -> Iterator[str]:
    ended = row.ended or ("standing" if row.outcome in STOOD else "")
    lasted = "" if row.seconds is None else _span(row.seconds)
    at = _time(datetime.fromisoformat(row.at))
    yield f"{at:21}{row.outcome:<11}{_fitting(row.operator, 15):<17}{ended:<13}{lasted}"
    if row.reason:
        yield f"  {_fitting(row.reason, WIDTH - 2)}"


def _fitting(text: str, width: int) -> str:
    shown = printable(text)
    return shown if len(shown) <= width else f"{shown[: width - 3]}..."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _span(seconds: int) -> str:
    return spoken(Decimal(seconds))


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).date().isoformat()


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat(" ")
