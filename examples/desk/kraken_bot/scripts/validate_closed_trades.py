"""Every closed trade in the books, held against itself; exit status 1 if one cannot be believed, or if there is none."""

from __future__ import annotations

from common import options
from crypto_trading_bot import books

trades = books.closed_trades(options(__doc__).home / "ledger.sqlite")
bad = [trade for trade in trades if trade.faults]
print(f"closed trades: {len(trades)}")
print(f"invalid: {len(bad)}")
for trade in bad:
    print(f"  {trade.trade_id}: {'; '.join(trade.faults)}")
raise SystemExit(1 if bad or not trades else 0)
