"""The figures of the bot as one line of JSON: trades, profit, share of wins, deepest fall."""

from __future__ import annotations

import json

from common import options
from crypto_trading_bot import books

trades = books.closed_trades(options(__doc__).home / "ledger.sqlite")
counted = books.current(trades)
if not counted:
    print(json.dumps({"error": "there is no closed trade"}))
    raise SystemExit(1)
print(
    json.dumps(
        {
            "trades": len(counted),
            "profit": str(sum(trade.profit for trade in counted)),
            "roi": f"{books.roi(trades):.4f}",
            "win_rate": f"{books.win_rate(trades):.4f}",
            "max_drawdown": f"{books.max_drawdown(trades):.4f}",
            "last_trade": counted[-1].closed_at,
        }
    )
)
