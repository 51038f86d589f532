"""The standing of a release in figures for Prometheus: what the journal, the marker, the guard and the stop files say right now.

Document 001 asks for metrics of activation events and a panel that shows them (lines 522 to 533, 562 and 563). A figure that
cannot be known is left out, never written as zero: zero passed checks is a figure, and no run at all is none. Ages are given as
moments too, because a file that nobody writes any more keeps its ages and betrays itself only by its moments.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, final

from pytest_golive import __version__, events, excerpt, glass, history, standing
from pytest_golive.config import Settings
from pytest_golive.errors import JournalError, MissingExtra
from pytest_golive.guard.marker import Marker
from pytest_golive.history import Chronicle
from pytest_golive.history.attempts import GLASS, OUTCOMES
from pytest_golive.journal import Entry, Journal
from pytest_golive.model import Verdict, Word
from pytest_golive.redaction import Redactor
from pytest_golive.signing.keys import PublicKey

if TYPE_CHECKING:
    from prometheus_client.core import Metric

WINDOW = timedelta(days=30)
"""The time of which the rates are told; their thresholds are those of document 001."""
_RATES = ("golive_preflight_pass_ratio", "golive_activation_success_ratio", "golive_activation_uptime_ratio")
_OUTCOMES = (*OUTCOMES.values(), GLASS)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Everything that is told, as it was at `at`; `trouble` says why the journal tells nothing, and is empty if it does.

    `marker` is a marker that a trusted key signed, `present` whether any file stands in its place.
    """

    at: datetime
    target: str
    environment: str
    present: bool
    marker: Marker | None
    permitted: bool
    stopped: bool
    entries: Sequence[Entry]
    trouble: str


def observe(settings: Settings, environ: Mapping[str, str], keys: Sequence[PublicKey], now: datetime) -> Observed:
    """Look at everything once; changes nothing. A journal that is broken is told, and the rest is still looked at."""
    redactor = Redactor.from_environment(environ)
    seen = standing.look(settings, environ, keys)
    entries: Sequence[Entry] = ()
    trouble = ""
    try:
        entries = excerpt.clean(Journal(settings.resolve(settings.journal)).entries(), redactor)
    except JournalError as error:
        trouble = error.message
    return Observed(
        at=now,
        target=redactor.text(settings.target.name),
        environment=settings.environment,
        present=os.path.lexists(settings.marker),
        marker=standing.marker(settings, keys),
        permitted=seen.permitted,
        stopped=any(present for _, present in seen.stops),
        entries=entries,
        trouble=trouble,
    )


def render(observed: Observed) -> bytes:
    """The text that Prometheus reads; MissingExtra without the extra `metrics`."""
    try:
        from prometheus_client import CollectorRegistry, generate_latest
    except ImportError:
        raise MissingExtra("prometheus-client", "metrics") from None

    class Collector:
        def collect(self) -> Iterable[Metric]:
            return _families(observed)

    registry = CollectorRegistry()
    registry.register(Collector())
    text: bytes = generate_latest(registry)
    return text


def _families(seen: Observed) -> Iterator[Metric]:
    yield _gauge(
        "golive_build_info",
        "The version that wrote this, and what it is about.",
        [({"version": __version__, "target": seen.target, "environment": seen.environment}, 1)],
    )
    yield _one("golive_written_timestamp_seconds", "When this was written.", seen.at.timestamp())
    yield _one("golive_stop_present", "Whether a stop file forbids everything.", seen.stopped)
    yield _one("golive_marker_present", "Whether a file stands in the marker's place, whatever it is.", seen.present)
    yield _one("golive_marker_permitted", "Whether the guard would let an order go right now.", seen.permitted)
    if seen.marker is not None:
        marker = seen.marker
        left = (marker.expires - seen.at).total_seconds()
        yield _one("golive_marker_expires_in_seconds", "Seconds until the marker expires; below zero since.", left)
        yield _one("golive_marker_expires_timestamp_seconds", "When the marker expires.", marker.expires.timestamp())
        yield _one("golive_activation_timestamp_seconds", "When the activation in force was made.", marker.timestamp.timestamp())
        told = {"operator": marker.operator, "environment": marker.environment, "profiles": " ".join(marker.allowed_profiles)}
        yield _gauge("golive_marker_info", "Who activated, for what.", [(told, 1)])
    yield _one(
        "golive_journal_whole", "Whether the chain of the journal is unbroken; without it the rest is not told.", not seen.trouble
    )
    if not seen.trouble:
        yield from _of_journal(seen)


def _of_journal(seen: Observed) -> Iterator[Metric]:
    told = history.chronicle(seen.entries, seen.at)
    yield _one("golive_journal_head_seq", "The number of the newest record.", seen.entries[-1].seq if seen.entries else 0)
    counts = Counter(entry.event for entry in seen.entries)
    yield _counter("golive_events", "Records of the journal.", [({"event": name}, counts[name]) for name in events.EVENTS])
    words = Counter(run.word for run in told.runs if run.decides)
    yield _counter("golive_runs", "Whole runs of the gate.", [({"decision": word.value}, words[word.value]) for word in Word])
    outcomes = Counter(row.outcome for row in told.attempts)
    yield _counter("golive_activations", "Attempts to activate.", [({"outcome": one}, outcomes[one]) for one in _OUTCOMES])
    unreviewed = len(glass.unreviewed(seen.entries))
    yield _one("golive_break_glass_unreviewed", "Broken glasses that nobody has reviewed.", unreviewed)
    yield from _of_newest_run(seen, told)
    recent = history.chronicle(seen.entries, seen.at, seen.at - WINDOW)
    for name, rate in zip(_RATES, recent.rates, strict=True):
        if rate.of:
            yield _one(name, f"{rate.name} of the last {WINDOW.days} days.", rate.good / rate.of)


def _of_newest_run(seen: Observed, told: Chronicle) -> Iterator[Metric]:
    newest = next((run for run in reversed(told.runs) if run.decides), None)
    if newest is None:
        return
    states = [({"decision": word.value}, newest.word == word.value) for word in Word]
    yield _gauge("golive_decision", "What the newest whole run decided: 1 for its word, 0 for the others.", states)
    yield _one("golive_decision_permits", "Whether the newest whole run permits an activation.", newest.passed)
    yield _one("golive_evidence_timestamp_seconds", "When the newest whole run decided.", newest.at.timestamp())
    yield _one("golive_evidence_age_seconds", "How old its evidence is.", (seen.at - newest.at).total_seconds())
    record = next(entry for entry in reversed(seen.entries) if entry.seq == newest.seq)
    counted = record.detail.get("counts")
    if isinstance(counted, Mapping):
        # a verdict that no item had is not in the record
        verdicts = [({"verdict": one.value}, int(counted.get(one.value, 0))) for one in Verdict]
        yield _gauge("golive_items", "Items of the newest whole run, by what they mean.", verdicts)


def _one(name: str, told: str, value: float) -> Metric:
    return _gauge(name, told, [({}, value)])


def _gauge(name: str, told: str, samples: Sequence[tuple[Mapping[str, str], float]]) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    return _filled(GaugeMetricFamily, name, told, samples)


def _counter(name: str, told: str, samples: Sequence[tuple[Mapping[str, str], float]]) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    return _filled(CounterMetricFamily, name, told, samples)


def _filled(family: Any, name: str, told: str, samples: Sequence[tuple[Mapping[str, str], float]]) -> Metric:
    made: Metric = family(name, told, labels=list(samples[0][0]))
    for labels, value in samples:
        made.add_metric(list(labels.values()), float(value))  # type: ignore[attr-defined]
    return made
