"""Dashboards as Grafana has them: JSON models in the home folder, and as much of its API as it takes to find and fill them.

A query is a series with labels, such as `desk_broker_healthy{broker="kraken"}`, answered from the metrics page of this moment.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

from examples.desk.web import Answer, Refused, Request, Routes, answer

SHIPPED = Path(__file__).resolve().parent / "grafana"

_QUERY = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([^{}]*)\})?")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="([^"]*)"')
_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([^{}]*)\})? (\S+)")


def bring(home: Path) -> None:
    """Import the shipped dashboards; one that is there stays as it is."""
    folder = home / "grafana"
    folder.mkdir(mode=0o700, exist_ok=True)
    for model in SHIPPED.glob("*.json"):
        if not (folder / model.name).exists():
            shutil.copyfile(model, folder / model.name)


@final
class Grafana:
    """Answers under /grafana/api and /api/v1; `text` is the metrics page, `now` the seconds since 1970."""

    def __init__(self, home: Path, text: Callable[[], str], now: Callable[[], int]) -> None:
        self._folder = home / "grafana"
        self._text = text
        self._now = now

    def routes(self) -> Routes:
        """Every address."""
        return (
            ("GET", "/grafana/api/search", self._search),
            ("GET", "/grafana/api/dashboards/uid/{uid}", self._dashboard),
            ("GET", "/api/v1/query", self._query),
        )

    def _search(self, request: Request) -> Answer:
        wanted = request.query.get("query", "").casefold()
        found = [
            {"uid": model["uid"], "title": model["title"], "type": "dash-db", "tags": model.get("tags", [])}
            for model in self._models()
            if wanted in model["title"].casefold()
        ]
        return answer(found)

    def _dashboard(self, request: Request, uid: str) -> Answer:
        for model in self._models():
            if model["uid"] == uid:
                return answer({"dashboard": model, "meta": {"type": "db", "version": model.get("version", 1)}})
        raise Refused(404, "Dashboard not found")

    def _query(self, request: Request) -> Answer:
        match = _QUERY.fullmatch(request.query.get("query", "").strip())
        if match is None:
            raise Refused(400, "a query is one series, with labels if need be")
        wanted = dict(_LABEL.findall(match[2] or ""))
        result = []
        for line in self._text().splitlines():
            sample = _SAMPLE.fullmatch(line)
            if sample is None or sample[1] != match[1]:
                continue
            labels = dict(_LABEL.findall(sample[2] or ""))
            if wanted.items() <= labels.items():
                result.append({"metric": {"__name__": sample[1], **labels}, "value": [self._now(), sample[3]]})
        return answer({"status": "success", "data": {"resultType": "vector", "result": result}})

    def _models(self) -> list[Mapping[str, Any]]:
        if not self._folder.is_dir():
            return []
        return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(self._folder.glob("*.json"))]
