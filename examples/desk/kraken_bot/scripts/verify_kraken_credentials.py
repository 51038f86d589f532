"""Does the exchange accept the key pair of the process that trades? One signed call that changes nothing."""

from __future__ import annotations

import json

from common import client, options
from crypto_trading_bot.kraken_client import KrakenError

told = options(__doc__)
try:
    assets = len(client(told).balances("beta"))
except (KrakenError, OSError, ValueError) as error:
    print(json.dumps({"authenticated": False, "assets": 0, "reason": str(error)}))
    raise SystemExit(1) from None
print(json.dumps({"authenticated": True, "assets": assets, "reason": ""}))
