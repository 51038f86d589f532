"""Metrics, as a scraper reads them: every sample of a page, or the answer of Prometheus to one query.

A page with status 200 may be empty, be somebody's error in JSON, or hold figures of yesterday; so it is parsed whole, what is
not a number is told apart, and time stamps are ages.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import Field, field_validator, model_validator

from pytest_golive.errors import MissingExtra, ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.probes.base import ProbeModel, Size, Text, cut
from pytest_golive.probes.connection import where
from pytest_golive.probes.http import Basic, Http
from pytest_golive.probes.reading import json_value

_SHOWN = 1_000
_LATEST = 10**10
"""Seconds since 1970 in the year 2286; a time of today in milliseconds lies far behind it."""


class Metrics(ProbeModel):
    """What do the metrics say?

    ```yaml
    metrics: {url: "${api}/metrics", name: desk_orders_total, labels: {state: filled}}
    expect: {names: {contains: desk_risk_state}, count: 1, value: {ge: 1}}
    ```

    Either `url`, a page in the text format of Prometheus or OpenMetrics, of which `name` and `labels` pick samples (all without
    them); or `api` (the address of a Prometheus) and `query`, one instant query. A status that is not 200, a page that does not
    parse, and an answer whose own `status` is not success are errors. `epoch: true` says that the value is a moment in seconds
    since 1970. `bearer`, `basic` and `verify` are those of the kind http. Needs the extra `metrics`.

    Facts: `names` (all metrics on the page, or in the answer), `count` (samples that were picked), `samples` (the first 1,000:
    `name`, `labels`, `value`, and `age_seconds` if the sample has a time), `value` (if exactly one was picked), with epoch
    `value_at` and `value_age_seconds`; `oldest_seconds` and `newest_seconds` (of samples with a time), `not_numbers` (samples
    that are NaN or infinite; they are in no other list and not in the count), `duplicates` (names that stand twice with the
    same labels); of a page `types` and `content_type`; of a query `result_type` and `warnings`. The time of a sample in an
    answer is that of the query: ask `time() - timestamp(up)` for how old a scrape is.
    """

    word: ClassVar[str] = "metrics"

    url: Text | None = None
    api: Text | None = None
    query: Text | None = None
    name: Text | None = None
    labels: dict[Text, str] = Field(default_factory=dict)
    epoch: bool = False
    bearer: Text | None = None
    basic: Basic | None = None
    verify: Literal[True] | Text = True
    max_bytes: Size = 10_000_000

    @field_validator("url", "api")
    @classmethod
    def _is_http(cls, url: str | None) -> str | None:
        if url is not None:
            Http(url=url)
        return url

    @model_validator(mode="after")
    def _page_or_query(self) -> Metrics:
        if (self.url is None) == (self.api is None):
            raise ValueError("write either url, or api and query")
        if (self.api is None) != (self.query is None):
            raise ValueError("api and query belong together")
        if self.api is not None and (self.name or self.labels):
            raise ValueError("name and labels stand in the query")
        return self

    def secrets(self, context: Context) -> Iterable[str]:
        return self._http().secrets(context)

    def look(self, context: Context) -> Facts:
        if self.url is not None:
            page, kind = self._page(context)
            picked = [sample for sample in page["samples"] if self._wanted(sample)]
            return {"names": page["names"], "types": page["types"], "content_type": kind} | self._told(picked, context)
        return self._answer(context)

    def _http(self) -> Http:
        url = self.url or f"{(self.api or '').rstrip('/')}/api/v1/query?query={quote(self.query or '', safe='')}"
        return Http(url=url, bearer=self.bearer, basic=self.basic, verify=self.verify, max_bytes=self.max_bytes)

    def _text(self, context: Context) -> tuple[int, str, str]:
        """Status, kind and text of the whole answer."""
        http = self._http()
        response, content, truncated = http.fetch(context)
        there = where(http.url)
        if truncated:
            raise ProbeError(f"the answer of {there} has more than {self.max_bytes} bytes", hint="raise max_bytes")
        try:
            return response.status_code, response.headers.get("content-type", ""), content.decode("utf-8")
        except UnicodeDecodeError:
            raise ProbeError(f"the answer of {there} is not UTF-8", hint="see what answers at this address") from None

    def _page(self, context: Context) -> tuple[dict[str, Any], str]:
        try:
            from prometheus_client import parser
            from prometheus_client.openmetrics import parser as openmetrics_parser
        except ImportError:
            raise MissingExtra("prometheus-client", "metrics") from None
        status, kind, text = self._text(context)
        there = where(self.url or "")
        if status != 200:
            raise ProbeError(f"{there} answers with status {status} instead of metrics", hint="see the log of the service")
        reads = openmetrics_parser if "openmetrics" in kind else parser
        names: set[str] = set()
        types: dict[str, str] = {}
        samples: list[dict[str, Any]] = []
        try:
            for family in reads.text_string_to_metric_families(text):
                types[family.name] = family.type
                for sample in family.samples:
                    names.add(sample.name)
                    samples.append(
                        {
                            "name": sample.name,
                            "labels": dict(sample.labels),
                            "value": sample.value,
                            "at": None if sample.timestamp is None else float(sample.timestamp),
                        }
                    )
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise ProbeError(
                f"what {there} answers is no page of metrics: {cut(str(error), 200)}", hint="see what answers at this address"
            ) from None
        return {"names": sorted(names), "types": types, "samples": samples}, kind

    def _wanted(self, sample: Mapping[str, Any]) -> bool:
        named = self.name is None or sample["name"] == self.name
        return named and all(sample["labels"].get(name) == value for name, value in self.labels.items())

    def _answer(self, context: Context) -> dict[str, Any]:
        status, _, text = self._text(context)
        there = where(self.api or "")
        try:
            told = json_value(text)
        except ValueError as error:
            raise ProbeError(
                f"what {there} answers (status {status}) is not JSON: {error}", hint="api is the address of a Prometheus"
            ) from None
        if not isinstance(told, Mapping) or told.get("status") != "success" or status != 200:
            reason = (
                f"{told.get('errorType', 'no type')}: {told.get('error', 'no reason')}"
                if isinstance(told, Mapping)
                else "no mapping"
            )
            raise ProbeError(f"{there} does not answer the query (status {status}): {cut(reason, 300)}", hint="correct the query")
        try:
            result_type, result = told["data"]["resultType"], told["data"]["result"]
            samples = [_read(row["metric"], row["value"]) for row in result] if result_type == "vector" else []
            if result_type == "scalar":
                samples = [_read({}, result)]
            warnings = [str(warning) for warning in told.get("warnings") or []]
        except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation):
            raise ProbeError(f"the answer of {there} cannot be read", hint="see what answers at this address") from None
        if result_type not in ("vector", "scalar"):
            raise ProbeError(f"the query gives a {result_type}, which is no sample", hint="ask an instant query, without a range")
        names = sorted({sample["name"] for sample in samples if sample["name"]})
        return {"names": names, "result_type": result_type, "warnings": warnings} | self._told(samples, context)

    def _told(self, samples: list[dict[str, Any]], context: Context) -> dict[str, Any]:
        now = Decimal(str(context.now().timestamp()))
        numbers, others = [], []
        for sample in samples:
            shown = {"name": sample["name"], "labels": sample["labels"]}
            value = _exact(sample["value"])
            if value is None:
                others.append(shown | {"value": str(sample["value"])})
                continue
            at = sample["at"]
            age = {} if at is None else {"age_seconds": _age(Decimal(repr(at)) if isinstance(at, float) else at, now)}
            numbers.append(shown | {"value": value} | age)
        twice = Counter((each["name"], tuple(sorted(each["labels"].items()))) for each in samples)
        facts: dict[str, Any] = {
            "count": len(numbers),
            "samples": numbers[:_SHOWN],
            "not_numbers": others[:_SHOWN],
            "duplicates": sorted({name for (name, _), number in twice.items() if number > 1}),
        }
        ages = [each["age_seconds"] for each in numbers if "age_seconds" in each]
        if ages:
            facts |= {"oldest_seconds": max(ages), "newest_seconds": min(ages)}
        if len(numbers) == 1 and not others:
            facts["value"] = numbers[0]["value"]
            if self.epoch:
                facts["value_age_seconds"] = _age(numbers[0]["value"], now)
                facts["value_at"] = datetime.fromtimestamp(float(numbers[0]["value"]), tz=UTC).isoformat()
        return facts


def _read(metric: Mapping[str, str], value: Any) -> dict[str, Any]:
    """One sample of an answer: its labels without its name, its value as it was written, its time."""
    at, text = value
    labels = {str(name): str(label) for name, label in metric.items() if name != "__name__"}
    return {"name": str(metric.get("__name__", "")), "labels": labels, "value": Decimal(str(text)), "at": Decimal(at)}


def _exact(value: float | Decimal) -> Decimal | None:
    """The value as the shortest decimal that means it, None for NaN and infinity."""
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    return Decimal(repr(float(value))) if math.isfinite(value) else None


def _age(at: Decimal, now: Decimal) -> Decimal:
    """Seconds since a moment that is told in seconds since 1970, by a clock of this or the last century."""
    if not (at.is_finite() and abs(at) < _LATEST):
        raise ProbeError(f"{at} is no moment in seconds since 1970", hint="see what is measured, and in which unit")
    return (now - at).quantize(Decimal("0.001"))
