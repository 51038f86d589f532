"""The bot of document 002 as it lies in the desk's home folder: a program of its own, its scripts, its settings, its tests.

It needs nothing but Python's standard library, so that it runs from the folder `bot` of a home without the desk. The desk uses
the same modules for what both must agree on: when it is live, what its books say, and how they are held against the exchange.
"""
