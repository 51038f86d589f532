"""Takes secrets out of facts and texts before anybody can write them; thin first version."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, final

REDACTED = "[redacted]"

_NAME = re.compile(r"pass(?:word|wd|phrase)|secret|token|api_?key|private_?key|credential|dsn|authorization|cookie|signature", re.I)


@final
class Redactor:
    """Replaces known secrets, and what stands under keys that look secret, by `[redacted]`."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = tuple(sorted({secret for secret in secrets if len(secret) >= 6}, key=len, reverse=True))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Redactor:
        """A redactor that knows the values of the variables whose names look secret."""
        return cls(value for name, value in environ.items() if _NAME.search(name))

    def text(self, text: str) -> str:
        """The text without the secrets."""
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return text

    def facts(self, value: Any) -> Any:
        """The same shape without the secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {
                self.text(key): REDACTED if isinstance(part, str) and part and _NAME.search(key) else self.facts(part)
                for key, part in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self.facts(part) for part in value]
        return value
