"""Signing: bytes in, trust out.

`dsse` wraps and opens envelopes, `keys` holds public keys and the session key. Importing this room imports nothing
else, so that a trading process pays for what it uses.
"""
