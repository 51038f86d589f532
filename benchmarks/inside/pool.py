"""The same checks without a test runner: a thread pool, one session for each thread, the same assertions."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import requests
from requests.adapters import HTTPAdapter

API = os.environ["BENCH_API"]
COUNT = int(os.environ["BENCH_ITEMS"])
local = threading.local()


def check(n: int) -> None:
    """One check."""
    session = getattr(local, "session", None)
    if session is None:
        session = local.session = requests.Session()
        session.mount("http://", HTTPAdapter(pool_connections=1, pool_maxsize=1))
    response = session.get(f"{API}/check/{n}", timeout=10)
    assert response.status_code == 200
    body = response.json()
    assert body["state"] == "healthy"
    assert body["n"] == n


with ThreadPoolExecutor(300) as pool:
    passed = sum(1 for _ in pool.map(check, range(COUNT)))
print(f"{passed} passed")
