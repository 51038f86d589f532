"""What a reader of the status page waits for: a journal of 5,000 records, a report of 600 items, and a browser that asks again.

    python -m benchmarks.serve [--records N] [--items N] [--requests N]

Needs pytest-golive with the extra `serve` in this Python. The budget is 100 ms for `/`.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

from pytest_golive.journal import Journal

SETTINGS = """\
version: 1
activation_enabled: true
require_testnet_history: false
require_risk_state: ""
require_ess_inactive: false
serve: {brokers: ["item-1*"]}
"""
ITEM = """\
- id: item-{0}
  title: Item {0}
  severity: critical
  phase: pre-deploy
  owner: platform
  source: {{document: "000", section: "1", line: 1}}
  why: it matters
  fix: set READY=yes
  env: {{name: READY}}
  expect: {{value: "yes"}}
"""
PATHS = ("/", "/status.json", "/healthz", "/metrics")


def main() -> int:
    """Measure, print a line for each path, and end with status 1 beyond the budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=5_000)
    parser.add_argument("--items", type=int, default=600)
    parser.add_argument("--requests", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return _measure(Path(folder), options)


def _measure(root: Path, options: argparse.Namespace) -> int:
    (root / "golive.yaml").write_text(SETTINGS, encoding="utf-8")
    (root / "checklists").mkdir()
    head = "version: 1\nchecklist: {name: main, title: Main, owner: platform}\nitems:\n"
    (root / "checklists/main.yaml").write_text(head + "".join(ITEM.format(n) for n in range(options.items)), encoding="utf-8")
    environ = {**os.environ, "HOME": str(root), "READY": "no"}
    gate = [sys.executable, "-m", "pytest", "-q", "--golive", "-p", "no:cacheprovider"]
    done = subprocess.run(gate, cwd=root, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 1 or "NO-GO" not in done.stdout:
        sys.stdout.write(done.stdout + done.stderr)
        return 1
    journal = Journal(root / "reports/journal.jsonl")
    for number in range(options.records - journal.head()[0]):
        journal.append("refusal-changed", {"permitted": False, "reason": f"marker not found: {number}"}, datetime.now(UTC))
    command = [sys.executable, "-m", "pytest_golive.cli", "serve", "--port", "0"]
    with subprocess.Popen(
        command, cwd=root, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+/ ", process.stdout.readline())
            if found is None:
                return 1
            return _ask(found[0].strip().rstrip("/"), journal, options.requests)
        finally:
            process.terminate()


def _ask(origin: str, journal: Journal, requests: int) -> int:
    for path in PATHS:
        _wait(origin + path)
        times = [_wait(origin + path) for _ in range(requests)]
        print(f"{path:14} median {statistics.median(times):6.1f} ms   longest {max(times):6.1f} ms")
        if path == "/":
            budget = statistics.median(times)
    after = []
    for number in range(requests // 3):
        journal.append("refusal-changed", {"permitted": False, "reason": str(number)}, datetime.now(UTC))
        after.append(_wait(f"{origin}/"))
    print(f"{'/ after record':14} median {statistics.median(after):6.1f} ms   longest {max(after):6.1f} ms")
    print(f"serve/page {budget:.1f} ms of 100")
    return 0 if budget < 100 else 1


def _wait(url: str) -> float:
    began = time.perf_counter()
    with urllib.request.urlopen(url, timeout=60) as answer:
        answer.read()
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    sys.exit(main())
