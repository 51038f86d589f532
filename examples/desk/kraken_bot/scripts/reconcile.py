"""Hold the books against the exchange and print what differs; exit status 1 if anything does, or could not be compared."""

from __future__ import annotations

from common import client, options
from crypto_trading_bot.reconcile import settled

told = options(__doc__)
report = settled(told.home / "ledger.sqlite", client(told))
print(f"accounts compared: {len(report['accounts'])}")
print(f"balances compared: {report['compared_balances']}")
print(f"trades compared: {report['compared_trades']}")
for word, name in (
    ("balance diffs", "balance_diffs"),
    ("reconciliation mismatches", "mismatches"),
    ("credential errors", "credential_errors"),
    ("other errors", "errors"),
    ("legacy_unmatched", "legacy_unmatched"),
):
    print(f"{word}: {len(report[name])}")
    for each in report[name]:
        print(f"  {each}")
bad = report["balance_diffs"] or report["mismatches"] or report["credential_errors"] or report["errors"]
raise SystemExit(1 if bad or not report["accounts"] else 0)
