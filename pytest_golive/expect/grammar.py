"""Text to path: the grammar of what a path may look like.

Names, indexes and wildcards are read here; filters, slices, unions and `..` go through python-jsonpath, which is imported when
the first such path is.
"""

from __future__ import annotations

import re
from functools import lru_cache

from pytest_golive.expect.paths import EVERY, NAME, PLAIN, Path, Step

_STEP = re.compile(
    rf"\.(?P<name>{NAME})|\.\*|\[\*\]|\[(?P<index>0|-?[1-9][0-9]{{0,14}})\]"
    r"|\[\"(?P<double>[^\"\\\x00-\x1f]*)\"\]|\[\'(?P<single>[^\'\\\x00-\x1f]*)\'\]"
)


@lru_cache(maxsize=4096)
def compile_path(text: str) -> Path:
    """The path of one text; `PathFault` if it is none."""
    plain = PLAIN.match(text)
    if plain is not None:
        return Path(text, tuple(plain[1].split(".")))
    whole = text if text.startswith("$") else f"${text}" if text.startswith(("[", ".")) else f"$.{text}"
    steps: list[Step] = []
    at = 1
    while at < len(whole):
        step = _STEP.match(whole, at)
        if step is None:
            from pytest_golive.expect.queries import compile_query

            return compile_query(text, whole)
        at = step.end()
        groups = step.groupdict()
        name = next((groups[word] for word in ("name", "double", "single") if groups[word] is not None), None)
        steps.append(name if name is not None else int(groups["index"]) if groups["index"] else EVERY)
    return Path(text, tuple(steps))
