"""Rules that are watched, and traffic that is counted: when an alert is raised, and what is an error of the day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from examples.desk.bots.traffic import Traffic
from examples.desk.bots.watch import Rule, Watch
from examples.desk.web import Refused, Request, answer

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REQUEST = Request(method="GET", target="/x", path="/x", query={}, headers={}, body=b"")


def test_an_alert_is_raised_when_it_begins_and_when_it_is_over_and_not_between() -> None:
    """Four looks, two of them wrong in a row: one alert, one all-clear."""
    said = iter(["", "too many", "too many still", ""])
    told: list[tuple[str, str]] = []
    watch = Watch([Rule(name="r", limit="3", look=lambda: next(said))], alert=lambda *words: told.append(words), now=lambda: NOW)
    for _ in range(4):
        watch.turn()
    assert told == [("r", "too many"), ("r", "over: too many still")]


def test_a_rule_that_cannot_look_is_wrong() -> None:
    """What nobody can see is told, by the kind of failure alone."""

    def look() -> str:
        raise ConnectionError("secret address")

    told: list[tuple[str, str]] = []
    watch = Watch([Rule(name="r", limit="3", look=look)], alert=lambda *words: told.append(words), now=lambda: NOW)
    watch.turn()
    assert told == [("r", "it cannot be looked at: ConnectionError")]
    assert watch.rules() == [
        {"name": "r", "limit": "3", "firing": True, "reason": "it cannot be looked at: ConnectionError", "looked_at": NOW}
    ]


def _series(traffic: Traffic) -> Mapping[str, list[tuple[Mapping[str, str], Any]]]:
    return {name: samples for name, _, _, samples in traffic.series()}


def test_requests_are_counted_by_status_and_failures_apart_by_drill() -> None:
    """A refusal is no failure; a crash is one; what fails while a drill is on is counted apart."""
    drill = False

    def crash(request: Request) -> Any:
        raise ZeroDivisionError

    def refuse(request: Request) -> Any:
        raise Refused(404, "nothing here")

    traffic = Traffic(drill=lambda: drill)
    routes = traffic.watched((("GET", "/good", lambda request: answer({})), ("GET", "/refuse", refuse), ("GET", "/crash", crash)))
    good, refused, crashed = (action for _, _, action in routes)
    good(REQUEST)
    with pytest.raises(Refused):
        refused(REQUEST)
    with pytest.raises(ZeroDivisionError):
        crashed(REQUEST)
    drill = True
    with pytest.raises(ZeroDivisionError):
        crashed(REQUEST)
    found = _series(traffic)
    assert found["bots_http_requests_total"] == [({"status": "200"}, 1), ({"status": "404"}, 1), ({"status": "500"}, 2)]
    assert found["bots_http_errors_total"] == [({"drill": "false"}, 1), ({"drill": "true"}, 1)]
    assert found["bots_http_seconds_count"] == [({}, 4)]
    assert traffic.failures_of_the_hour() == 2


def test_times_fall_into_the_bucket_they_belong_to_and_all_above() -> None:
    """Buckets are cumulative, as Prometheus reads them."""
    traffic = Traffic(drill=lambda: False)
    for seconds in ("0.001", "0.02", "9"):
        traffic.count(200, Decimal(seconds))
    buckets = {sample[0]["le"]: sample[1] for sample in _series(traffic)["bots_http_seconds_bucket"]}
    assert (buckets["0.005"], buckets["0.025"], buckets["2.5"], buckets["+Inf"]) == (1, 2, 2, 3)


def test_failures_of_an_hour_ago_do_not_count_any_more() -> None:
    """After an hour the count is back at nothing."""
    at = 0.0
    traffic = Traffic(drill=lambda: False, clock=lambda: at)
    traffic.count(503)
    assert traffic.failures_of_the_hour() == 1
    at = 3601.0
    assert traffic.failures_of_the_hour() == 0
