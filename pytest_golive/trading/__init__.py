"""The arithmetic of trading: fills to realized profit, to performance, to a comparison with the exchange; pure and exact.

Nothing here reads a file, asks a clock or knows a checklist. All amounts are Decimal. What cannot be known from the fills is
`Unknowable`, never a number that stands in for it: a Sharpe ratio of one day is not 0, and a win rate of no trade is not 1.
"""

from __future__ import annotations

from decimal import Context

EXACT = Context(prec=60)
"""The precision of every division and root; sums and products of money need far less and come out exact."""


class Unknowable(ValueError):
    """The fills do not determine this figure; the message says why."""
