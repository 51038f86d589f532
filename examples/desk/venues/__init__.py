"""The exchanges of the street: one engine with balances, books and resting orders, behind each venue's own way of speaking."""

from __future__ import annotations

from examples.desk.venues.keyring import signature
from examples.desk.venues.market import SLIPPAGE
from examples.desk.venues.matching import FEE, KINDS

__all__ = ["FEE", "KINDS", "SLIPPAGE", "signature"]
