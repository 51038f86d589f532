"""The name of this machine for markers: made from its machine id, without giving the id away.

It equals `systemd-id128 machine-id --app-specific=<APP>`, so that an operator can check it without this product.
"""

from __future__ import annotations

APP = "5d2f6f0e7c0b4c0e9a0d3a7b1c64e8f2"
"""The application id that separates this name from what other programs derive from the same machine id."""


def machine_host(path: str = "/etc/machine-id") -> str:
    """32 hexadecimal digits that stand for this machine; empty if it has no machine id, as in many containers."""
    import hashlib
    import hmac

    try:
        with open(path, encoding="ascii") as file:
            machine = bytes.fromhex(file.read(64).strip())
    except (OSError, ValueError):
        return ""
    if len(machine) != 16 or not any(machine):
        return ""
    name = bytearray(hmac.new(machine, bytes.fromhex(APP), hashlib.sha256).digest()[:16])
    name[6] = name[6] & 0x0F | 0x40
    name[8] = name[8] & 0x3F | 0x80
    return name.hex()
