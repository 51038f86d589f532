"""What can go wrong with the desk, each with what to do next."""

from __future__ import annotations


class DeskError(Exception):
    """A message for people, and a hint that says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class BrokerError(DeskError):
    """An exchange did not do what it was asked; `unknown` if it may have done it all the same."""

    def __init__(self, message: str, *, status: int = 0, unknown: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.unknown = unknown
