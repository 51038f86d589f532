"""metrics: a page that parses, figures that are numbers, answers that say success; nothing else is a sample."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from pydantic import ValidationError

from pytest_golive import probes
from pytest_golive.errors import MissingExtra, ProbeError

NOW = 1795255200  # 2026-11-21T10:00:00Z, the clock of these tests

PAGE = """\
# HELP orders_total Orders.
# TYPE orders_total counter
orders_total{state="filled",venue="kraken"} 7
orders_total{state="rejected",venue="kraken"} 2
# TYPE equity gauge
equity 10000.10
"""


@pytest.fixture(scope="module")
def real() -> Iterator[str]:
    """The exposition server of Prometheus' own client, with real metrics."""
    registry = CollectorRegistry()
    Counter("orders", "Orders", ["state"], registry=registry).labels("filled").inc(3)
    Gauge("equity", "Equity", registry=registry).set(0.1)
    Histogram("latency_seconds", "Latency", registry=registry).observe(0.2)
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    yield f"http://127.0.0.1:{server.server_port}/metrics"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_real_page_is_read(look: Any, real: str) -> None:
    """What prometheus-client exposes is read back: names, kinds, labels, exact values."""
    facts = look("metrics", url=real, name="orders_total", labels={"state": "filled"})
    assert (facts["count"], facts["value"]) == (1, Decimal(3))
    assert {"equity", "latency_seconds_bucket", "latency_seconds_sum", "orders_total"} <= set(facts["names"])
    assert facts["types"]["equity"] == "gauge"
    assert look("metrics", url=real, name="equity")["value"] == Decimal("0.1")


def test_what_is_not_there_has_no_value(look: Any, lie: Any) -> None:
    """No sample, and more than one, have a count and no value."""
    url = lie(PAGE.encode(), kind="text/plain; version=0.0.4").url
    assert look("metrics", url=url, name="gone")["count"] == 0
    for fields in ({"name": "gone"}, {"name": "orders_total"}, {"name": "orders_total", "labels": {"state": "lost"}}):
        assert "value" not in look("metrics", url=url, **fields)
    facts = look("metrics", url=url, name="orders_total", labels={"venue": "kraken"})
    assert [sample["value"] for sample in facts["samples"]] == [7, 2]
    assert look("metrics", url=url)["count"] == 3


def test_an_empty_page_proves_nothing(look: Any, lie: Any) -> None:
    """Status 200 and nothing on the page: no name, no sample."""
    facts = look("metrics", url=lie(b"", kind="text/plain").url)
    assert (facts["names"], facts["count"], facts["samples"]) == ([], 0, [])


@pytest.mark.parametrize(
    ("body", "options"),
    [
        (b'{"error": "not ready"}', {"kind": "application/json"}),
        (b"<html><body>Sign in</body></html>", {"kind": "text/html"}),
        (b"equity ten\n", {"kind": "text/plain"}),
        (b'orders_total{state="fil', {"kind": "text/plain"}),
        (b"equity \xff\n", {"kind": "text/plain"}),
        (b"equity 1\n", {"kind": "application/openmetrics-text; version=1.0.0"}),
        (PAGE.encode(), {"status": "500 Internal Server Error"}),
        (PAGE.encode(), {"status": "204 No Content"}),
    ],
)
def test_what_is_no_page_of_metrics_is_an_error(look: Any, lie: Any, body: bytes, options: dict[str, str]) -> None:
    """JSON errors, login pages, cut pages and any status but 200 are errors, not pages without samples."""
    with pytest.raises(ProbeError, match=r"no page of metrics|instead of metrics|not UTF-8"):
        look("metrics", url=lie(body, **options).url)


def test_what_is_not_a_number_is_no_value(look: Any, lie: Any) -> None:
    """NaN and infinity are told apart and are in no count."""
    facts = look("metrics", url=lie(b"a NaN\nb +Inf\nc 1\n").url)
    assert [each["name"] for each in facts["not_numbers"]] == ["a", "b"]
    assert facts["count"] == 1
    assert "value" not in look("metrics", url=lie(b"a NaN\n").url, name="a")


def test_a_sample_that_stands_twice_shows(look: Any, lie: Any) -> None:
    """Two samples of one name and the same labels are told, and there is no one value."""
    facts = look("metrics", url=lie(b'a{x="1"} 1\na{x="1"} 2\na{x="2"} 2\n').url, name="a")
    assert (facts["duplicates"], facts["count"]) == (["a"], 3)


def test_a_stale_sample_is_old(look: Any, lie: Any) -> None:
    """Times of samples are ages, of the future too; a value that is a moment has an age as well."""
    page = f"a 1 {(NOW - 3600) * 1000}\nb 1 {(NOW + 60) * 1000}\nlast_run {NOW - 90}.5\n".encode()
    facts = look("metrics", url=lie(page).url)
    assert (facts["oldest_seconds"], facts["newest_seconds"]) == (3600, -60)
    moment = look("metrics", url=lie(page).url, name="last_run", epoch=True)
    assert (moment["value_age_seconds"], moment["value_at"]) == (Decimal("89.5"), "2026-11-21T09:58:30.500000+00:00")
    assert "oldest_seconds" not in moment
    for wrong in (b"last_run 1e30\n", b"last_run %d\n" % (NOW * 1000)):
        with pytest.raises(ProbeError, match="no moment"):
            look("metrics", url=lie(wrong).url, name="last_run", epoch=True)


def _answer(result: Any, kind: str = "vector", **more: Any) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}, **more}).encode()


def test_a_query_is_answered(look: Any, lie: Any) -> None:
    """The samples of a vector and of a scalar are told exactly; the query was sent as it stands in the list."""
    row = {"metric": {"__name__": "up", "job": "desk"}, "value": [NOW - 2, "0.30000000000000000004"]}
    server = lie(_answer([row], warnings=["partial response"]))
    facts = look("metrics", api=server.url + "/", query='up{job="desk"} > 0')
    assert facts["value"] == Decimal("0.30000000000000000004")
    assert facts["samples"][0]["labels"] == {"job": "desk"}
    assert (facts["oldest_seconds"], facts["names"], facts["warnings"]) == (2, ["up"], ["partial response"])
    target = server.asked[0].split()[1].decode()
    assert target.startswith("/api/v1/query?")
    assert parse_qs(urlsplit(target).query) == {"query": ['up{job="desk"} > 0']}
    assert look("metrics", api=lie(_answer([NOW, "1"], "scalar")).url, query="1")["value"] == 1
    assert look("metrics", api=lie(_answer([])).url, query="up")["count"] == 0
    assert look("metrics", api=lie(_answer([row | {"value": [NOW, "NaN"]}])).url, query="up")["count"] == 0


@pytest.mark.parametrize(
    ("body", "options", "words"),
    [
        (b'{"status": "error", "errorType": "bad_data", "error": "parse error"}', {}, "bad_data: parse error"),
        (b'{"status": "error", "errorType": "timeout", "error": "slow"}', {"status": "503 Service Unavailable"}, "status 503"),
        (_answer([]), {"status": "500 Internal Server Error"}, "status 500"),
        (b'{"data": {"resultType": "vector", "result": []}}', {}, "does not answer the query"),
        (b"[]", {}, "does not answer the query"),
        (b"<html>", {"kind": "text/html"}, "not JSON"),
        (_answer([{"metric": {}}]), {}, "cannot be read"),
        (_answer([{"metric": {}, "value": [1, "many"]}]), {}, "cannot be read"),
        (_answer([], "matrix"), {}, "matrix"),
        (_answer([NOW, "text"], "string"), {}, "string"),
    ],
)
def test_an_answer_that_is_no_success_is_an_error(look: Any, lie: Any, body: bytes, options: dict[str, str], words: str) -> None:
    """Status 200 with an error, a success with status 500 and results that are no samples are errors."""
    with pytest.raises(ProbeError, match=words):
        look("metrics", api=lie(body, **options).url, query="up")


def test_a_server_that_is_gone_is_an_error(look: Any, lie: Any) -> None:
    """A refused connection and an answer without end are errors in time."""
    server = lie(b"")
    server.stop()
    with pytest.raises(ProbeError, match="refused"):
        look("metrics", url=server.url)
    with pytest.raises(ProbeError, match="more than 10 bytes"):
        look("metrics", url=lie(PAGE.encode()).url, max_bytes=10)


def test_a_token_is_sent_and_never_told(look: Any, lie: Any) -> None:
    """The bearer token goes into the request and is redacted where it comes back."""
    look.environ["SCRAPE_TOKEN"] = "tok-8d7f6a5b4c3d"
    server = lie(b'a{echo="tok-8d7f6a5b4c3d"} 1\n')
    facts = look("metrics", url=server.url, bearer="SCRAPE_TOKEN")
    assert b"Bearer tok-8d7f6a5b4c3d" in server.asked[0]
    assert "tok-8d7f6a5b4c3d" not in str(facts)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"url": "http://x", "api": "http://y", "query": "up"},
        {"api": "http://y"},
        {"url": "http://x", "query": "up"},
        {"api": "http://y", "query": "up", "name": "up"},
        {"url": "ftp://x"},
    ],
)
def test_metrics_that_cannot_be_meant_are_refused(fields: dict[str, str]) -> None:
    """A page or a query, each with what belongs to it."""
    with pytest.raises(ValidationError):
        probes.kind("metrics").model_validate(fields)


def test_without_the_parser_the_install_line_is_told(look: Any, lie: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing client library is an error that says what to install."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MissingExtra) as caught:
        look("metrics", url=lie(PAGE.encode()).url)
    assert caught.value.hint == "pip install 'pytest-golive[metrics]'"


@pytest.mark.parametrize(
    "told",
    [
        b'{"status":"success","data":{"resultType":"vector","result":[{"metric":[],"value":[1,"2"]}]}}',
        b'{"status":"success","warnings":5,"data":{"resultType":"vector","result":[]}}',
        b'{"status":"success","data":[]}',
    ],
)
def test_an_answer_of_another_shape_is_an_error(look: Any, lie: Any, told: bytes) -> None:
    """An answer that says success and is no answer of Prometheus cannot be read, and that is no fault of the gate."""
    with pytest.raises(ProbeError, match="cannot be read"):
        look("metrics", api=lie(told).url, query="up")
