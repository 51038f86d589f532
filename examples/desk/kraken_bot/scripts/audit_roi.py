"""The profit of the closed trades that count, in percent of the opening equity, and how many trades that rests on."""

from __future__ import annotations

import json

from common import options
from crypto_trading_bot import books

trades = books.closed_trades(options(__doc__).home / "ledger.sqlite")
counted = books.current(trades)
print(json.dumps({"roi": f"{books.roi(trades):.4f}", "trades": len(counted), "left_out": len(trades) - len(counted)}))
raise SystemExit(0 if counted else 1)
