"""The bytes in which OpenSSH writes keys, signatures and agent messages (RFC 4251, section 5).

Read once from front to back, never past the end, and whole: what is left over is an error of whoever wrote it.
"""

from __future__ import annotations

import struct
from typing import final


def string(part: bytes) -> bytes:
    """The bytes with their length in front."""
    return struct.pack(">I", len(part)) + part


def mpint(number: int) -> bytes:
    """A positive whole number in its one shortest form."""
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big") if number else b"")


@final
class Reader:
    """Takes the fields of a blob in their order; ValueError for a field that is cut short or written in a second way."""

    __slots__ = ("_at", "_blob")

    def __init__(self, blob: bytes) -> None:
        self._blob = blob
        self._at = 0

    def take(self, length: int) -> bytes:
        """So many bytes."""
        part = self._blob[self._at : self._at + length]
        if len(part) != length:
            raise ValueError("cut short")
        self._at += length
        return part

    def byte(self) -> int:
        """One byte as a number."""
        return self.take(1)[0]

    def uint32(self) -> int:
        """Four bytes as a number."""
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        """The bytes behind their length."""
        return self.take(self.uint32())

    def mpint(self) -> int:
        """A positive whole number; its shortest form alone is taken."""
        part = self.string()
        number = int.from_bytes(part, "big")
        if mpint(number) != string(part):
            raise ValueError("not a positive number in its shortest form")
        return number

    def rest(self) -> bytes:
        """Whatever is left."""
        return self.take(len(self._blob) - self._at)

    def end(self) -> None:
        """ValueError if anything is left."""
        if self._at != len(self._blob):
            raise ValueError("bytes are left over")
