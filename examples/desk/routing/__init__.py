"""Trading in rand at VALR: PAPER or LIVE picks the client, safety gates stand before it, and every trade is watched.

State is in the ledger, in tables that begin with `helios_`; positions, stops and halts survive a restart because nothing else
remembers them.
"""
