"""What the page tells beyond its own run: the difference to the last signed run, idle waivers, and notices that must be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_golive.report import words
from pytest_golive.report.page import Group, Idle, Named, Notice, Since
from pytest_golive.report.words import short

MAX_TITLE = 300
MAX_NAMED = 200
"""Items that one group of the difference names; what is beyond is counted."""

_TURNED = ("newly_failing", "still_failing", "fixed")
_GROUPS = {
    "newly_failing": "Newly failing",
    "still_failing": "Still failing",
    "fixed": "Fixed",
    "added": "Added",
    "removed": "Removed",
    "demands": "Asked otherwise",
}


def difference(golive: Mapping[str, Any]) -> tuple[Group, ...] | None:
    """What changed since the last signed run, in groups; None if nobody compared."""
    changes = golive["changes"]
    if changes is None:
        return None
    here = {item["id"] for item in golive["items"]}
    groups = [_group(key, title, changes[key], here) for key, title in _GROUPS.items()]
    lists = [Named(anchor="", id="", title=short(name, MAX_TITLE), since=None) for name in changes["checklists"]]
    groups.append(
        Group(
            key="checklists",
            title="Changed lists",
            count=len(lists),
            items=lists[:MAX_NAMED],
            more=max(0, len(lists) - MAX_NAMED),
        )
    )
    return tuple(group for group in groups if group.count)


def turned(groups: Sequence[Group]) -> str:
    """Which items fail newly or still, and which no longer, in one line; empty if none."""
    return ", ".join(f"{group.count} {group.title.lower()}" for group in groups if group.key in _TURNED)


def _group(key: str, title: str, changed: Sequence[Mapping[str, Any]], here: set[str]) -> Group:
    named = [
        Named(
            anchor=words.anchor("item", one["id"]) if one["id"] in here else "",
            id=one["id"],
            title=short(one["title"], MAX_TITLE),
            since=words.moment(one["since"]) if one.get("since") else None,
        )
        for one in changed[:MAX_NAMED]
    ]
    return Group(key=key, title=title, count=len(changed), items=named, more=max(0, len(changed) - MAX_NAMED))


def since(golive: Mapping[str, Any]) -> dict[str, Since]:
    """By item id, since when what is not clear has been so; an item that is missing is clear."""
    changes = golive["changes"] or {}
    new = {one["id"] for one in changes.get("newly_failing", ())}
    added = {one["id"] for one in changes.get("added", ())}
    told: dict[str, Since] = {}
    for item in golive["items"]:
        if item["verdict"] == "clear":
            continue
        if item["id"] in added:
            told[item["id"]] = Since("New: the item was not there in the last signed run", None)
        elif item["id"] in new:
            told[item["id"]] = Since("New: it was clear in the last signed run", None)
        elif golive["previous"] is None:
            told[item["id"]] = Since("This run; there is no earlier one to compare with", None)
        elif item["since"] == golive["decision"]["at"]:
            told[item["id"]] = Since("New in this run", None)
        elif item["since"]:
            told[item["id"]] = Since("", words.moment(item["since"]))
        else:
            told[item["id"]] = Since("Not known", None)
    return told


def idle(golive: Mapping[str, Any]) -> tuple[Idle, ...]:
    """The waivers that excused nothing in this run."""
    return tuple(
        Idle(
            item=short(one["item"], MAX_TITLE),
            why=short(one["why"], words.MAX_LINE),
            reason=short(one["reason"], words.MAX_PROSE),
            until=words.moment(one["until"]) if one["until"] is not None else None,
            approved_by=", ".join(one["approved_by"]),
        )
        for one in golive["idle_waivers"]
    )


def notices(golive: Mapping[str, Any]) -> tuple[Notice, ...]:
    """The loud lines of the page."""
    return tuple(
        Notice(
            what=short(one["what"], words.MAX_LINE),
            at=words.moment(one["at"]),
            by=short(one["by"], MAX_TITLE),
            reason=short(one["reason"], words.MAX_PROSE),
        )
        for one in golive["notices"]
    )
