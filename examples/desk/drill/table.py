"""Which fault turns which item red: `examples/desk/faults/<list>.yaml`, read into a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import yaml

from examples.desk.drill.breaks import BREAKS
from examples.desk.errors import DeskError

FOLDER = Path(__file__).resolve().parents[1] / "faults"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The fault of one item: a word of `BREAKS`, its argument, and the items that rightly turn red with it.

    `slow` marks a fault for which more than two seconds are needed, because a second desk is started to see it.
    """

    item: str
    word: str
    argument: Any
    also: frozenset[str]
    slow: bool = False

    @property
    def told(self) -> str:
        """The fault in one line."""
        return f"{self.word}: {self.argument}"


def read(path: Path) -> Sequence[Fault]:
    """The faults of one list; DeskError for an entry that is none."""
    raw: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    faults = []
    for item, entry in raw.items():
        if not isinstance(entry, dict) or not {"break"} <= entry.keys() <= {"break", "also", "slow"}:
            raise DeskError(f"{path.name}: {item} has the keys break, also and slow, and no other")
        broken = entry["break"]
        if not isinstance(broken, dict) or len(broken) != 1 or next(iter(broken)) not in BREAKS:
            raise DeskError(f"{path.name}: {item}: break is one of {', '.join(BREAKS)}")
        ((word, argument),) = broken.items()
        faults.append(
            Fault(item=item, word=word, argument=argument, also=frozenset(entry.get("also", ())), slow=entry.get("slow") is True)
        )
    return faults


def tables() -> Mapping[str, Path]:
    """The table of each list, by the name of the list's file."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}
