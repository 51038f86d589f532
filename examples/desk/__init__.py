"""A small but real trading desk on loopback: what the go-live checklists check when no other target is named.

It trades with nobody: its exchanges are simulators in a process of their own (street.py). Everything else is done as a desk
does it: orders are signed, balances move, capital is reserved, breakers trip and recover, and each real order asks the guard.
"""
