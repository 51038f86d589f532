"""Overlays: a list bound elsewhere without being copied, and what it asks less of is told with its reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_golive import checklist
from pytest_golive.errors import ChecklistError
from pytest_golive.model import Checklist, Departure, Severity

ITEM: dict[str, Any] = {
    "title": "One",
    "severity": "critical",
    "phase": "pre-deploy",
    "source": {"document": "000", "section": "1", "line": 3},
    "why": "w",
    "fix": "f",
    "http": {"url": "http://127.0.0.1:1/one", "bearer": "TOKEN"},
    "expect": {"status": 200},
}
WHY = {"reason": "the second target answers otherwise"}


def write(path: Path, **content: Any) -> Path:
    """JSON is YAML, with one line for each key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"version": 1, **content}, indent=1))
    return path


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A list of three items, the last of which is a warning."""
    items = [{"id": "one", **ITEM}, {"id": "two", **ITEM}, {"id": "three", **ITEM, "severity": "warning"}]
    heading = {"name": "base", "title": "Base", "owner": "me"}
    return write(tmp_path / "lists" / "base.yaml", checklist=heading, defaults={"owner": "us"}, items=items)


def load(tmp_path: Path, *, variables: Mapping[str, Any] | None = None, **content: Any) -> Checklist:
    path = write(tmp_path / "over.yaml", **{"extends": ["lists/base.yaml"], **content})
    return checklist.load([path], root=tmp_path, variables=variables or {})[0]


def faults(tmp_path: Path, **content: Any) -> str:
    with pytest.raises(ChecklistError) as caught:
        load(tmp_path, **content)
    return str(caught.value)


def test_a_list_that_only_extends_is_the_list(tmp_path: Path, base: Path) -> None:
    """Items, heading, places and the defaults of the base arrive; the digest covers both files."""
    one = load(tmp_path)
    assert [item.id for item in one.items] == ["one", "two", "three"]
    assert (one.name, one.path, one.departures) == ("base", "over.yaml", ())
    assert {item.owner for item in one.items} == {"us"}
    assert {item.place.file for item in one.items} == {"lists/base.yaml"}
    before = one.sha256
    base.write_text(base.read_text() + " ")
    assert load(tmp_path).sha256 != before


def test_an_override_changes_only_what_it_says(tmp_path: Path, base: Path) -> None:
    """Of the item's own kind the other keys stay; expectation and severity are replaced; the reason is kept."""
    change = {"http": {"url": "http://127.0.0.1:2/two"}, "expect": {"status": 204}, **WHY}
    one = load(tmp_path, override={"two": change, "three": {"severity": "critical", "fix": "other"}})
    two, three = one.items[1:]
    assert (two.probe.url, two.probe.bearer) == ("http://127.0.0.1:2/two", "TOKEN")  # type: ignore[attr-defined]
    assert one.items[0].probe.url == "http://127.0.0.1:1/one"  # type: ignore[attr-defined]
    assert (three.severity, three.fix, two.title) == (Severity.CRITICAL, "other", "One")
    assert one.departures == (
        Departure(item="two", what="changed: expect, http", reason=WHY["reason"]),
        Departure(item="three", what="changed: fix, severity", reason=""),
    )


def test_a_disabled_item_is_gone_and_told(tmp_path: Path, base: Path) -> None:
    """It is not among the items, and stands with its reason among the departures."""
    one = load(tmp_path, disable={"two": "there is no second desk"})
    assert [item.id for item in one.items] == ["one", "three"]
    assert one.departures == (Departure(item="two", what="disabled", reason="there is no second desk"),)


def test_another_kind_replaces_the_kind(tmp_path: Path, base: Path) -> None:
    """An item keeps exactly one kind."""
    one = load(tmp_path, override={"one": {"env": {"name": "READY"}, "expect": {"value": "yes"}, **WHY}})
    assert (one.items[0].kind, one.items[0].probe.name) == ("env", "READY")  # type: ignore[attr-defined]


def test_items_of_its_own_are_added(tmp_path: Path, base: Path) -> None:
    """They come after those of the base, with the defaults of the overlay and its own heading."""
    own = {key: value for key, value in ITEM.items() if key != "phase"}
    heading = {"name": "over", "title": "Over", "owner": "me"}
    one = load(tmp_path, checklist=heading, defaults={"owner": "you", "phase": "sign-off"}, items=[{"id": "four", **own}])
    assert (one.name, one.items[3].id, one.items[3].owner, one.items[3].phase.value) == ("over", "four", "you", "sign-off")
    assert (one.items[3].place.file, one.items[3].checklist, one.items[0].checklist) == ("over.yaml", "over", "over")


def test_variables_are_put_into_overrides(tmp_path: Path, base: Path) -> None:
    """A reference in an override is bound like any other."""
    one = load(tmp_path, override={"one": {"http": {"url": "${api}/x"}}}, variables={"api": "http://127.0.0.1:3"})
    assert one.items[0].probe.url == "http://127.0.0.1:3/x"  # type: ignore[attr-defined]


def test_an_overlay_can_be_extended(tmp_path: Path, base: Path) -> None:
    """The last word wins, and the departures of every layer are told."""
    write(tmp_path / "lists" / "middle.yaml", extends=["base.yaml"], disable={"two": "no desk"}, override={"one": {"fix": "m"}})
    one = load(tmp_path, extends=["lists/middle.yaml"], override={"one": {"fix": "o"}})
    assert [(item.id, item.fix) for item in one.items] == [("one", "o"), ("three", "f")]
    assert [departure.what for departure in one.departures] == ["disabled", "changed: fix", "changed: fix"]


def test_a_function_lies_beside_the_list_that_names_it(tmp_path: Path, base: Path) -> None:
    """A check of the base is looked for beside the base, one of the overlay beside the overlay."""
    items = [{"id": "one", **{k: v for k, v in ITEM.items() if k != "http"}, "python": {"call": "own:f"}}]
    write(
        tmp_path / "lists" / "base.yaml",
        checklist={"name": "base", "title": "Base", "owner": "me"},
        defaults={"owner": "us"},
        items=items,
    )
    assert load(tmp_path).items[0].probe.path == str(tmp_path / "lists")  # type: ignore[attr-defined]
    assert load(tmp_path, override={"one": {"python": {"call": "own:g"}}}).items[0].probe.path == str(tmp_path)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "change",
    [
        {"severity": "warning"},
        {"severity": "${severity}"},
        {"expect": {"status": 500}},
        {"phase": "monitoring"},
        {"window": "1h"},
        {"for_each": {"x": ["a"]}},
        {"env": {"name": "X"}},
    ],
)
def test_asking_for_less_needs_a_reason(tmp_path: Path, base: Path, change: dict[str, Any]) -> None:
    """What may let an item pass that failed before is refused without a reason."""
    assert "over.yaml:7:3: override.one needs a reason" in faults(tmp_path, override={"one": change})
    assert "needs a reason, as text" in faults(tmp_path, override={"one": {**change, "reason": " "}})


def test_a_lowered_severity_is_told(tmp_path: Path, base: Path) -> None:
    """With a reason it is allowed, and says what it was."""
    one = load(tmp_path, override={"one": {"severity": "warning", **WHY}})
    assert one.items[0].severity is Severity.WARNING
    assert one.departures[0].what == "changed: severity (lowered from critical)"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"disable": {"towo": "x"}}, "over.yaml:7:3: disable: no list that is extended declares 'towo' - did you mean 'two'?"),
        ({"override": {"zzzz": {"fix": "x"}}}, "over.yaml:7:3: override: no list that is extended declares 'zzzz'"),
        ({"override": {"one": {"fxi": "x"}}}, "over.yaml:8:4: unknown key or kind 'fxi' - did you mean 'fix'?"),
        ({"override": {"one": {"http": {"ulr": "x"}}}}, "over.yaml:9:5: unknown key 'http.ulr' - did you mean 'url'?"),
        ({"override": {"one": {"severity": "critial"}, "two": {"fix": ""}}}, "over.yaml:8:4: 'severity'"),
        ({"override": {"one": {"id": "x"}}}, "an id cannot be overridden"),
        ({"override": {"one": {"reason": "x"}}}, "must be a mapping of the keys that change"),
        ({"override": {"one": "x"}}, "must be a mapping of the keys that change"),
        ({"override": {}}, "must be a mapping of ids"),
        ({"disable": ["one"]}, "must be a mapping of ids"),
        ({"disable": {"one": ""}}, "over.yaml:7:3: disable.one needs a reason"),
        ({"disable": {"one": None}}, "disable.one needs a reason"),
        ({"disable": {"one": "a\u202eb"}}, "must not hold the control character U+202E"),
        ({"disable": {"one": "x"}, "override": {"one": {"fix": "x"}}}, "is disabled and overridden"),
        ({"disable": {"one": "x", "two": "y"}}, "no item is critical"),
        ({"disable": {"one": "x", "two": "y", "three": "z"}}, "over.yaml:6:2: no item is left"),
        ({"extends": "lists/base.yaml"}, "extends must be a list of files"),
        ({"extends": []}, "extends must be a list of files"),
        ({"extends": ["lists/bose.yaml"]}, "over.yaml:4:3: 'lists/bose.yaml' is not there: lists/bose.yaml is no file"),
        ({"extends": ["over.yaml"]}, "extend each other in a circle: over.yaml -> over.yaml"),
        ({"extends": ["lists/base.yaml", "lists/base.yaml"]}, "'checklist.name' is required"),
        ({"items": []}, "leave it out otherwise"),
        ({"items": [{"id": "one", **ITEM, "owner": "me"}]}, "the id 'one' is used twice; first in line"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_where_it_stands(tmp_path: Path, base: Path, content: dict[str, Any], message: str) -> None:
    """Every fault of an overlay names the overlay, with line and column."""
    assert message in faults(tmp_path, **content)


def test_a_fault_of_the_base_names_the_base(tmp_path: Path, base: Path) -> None:
    """What is wrong in a file that is extended is told there."""
    base.write_text(base.read_text().replace('"fix": "f"', '"fxi": "f"', 1))
    told = faults(tmp_path, override={"three": {"fix": "g"}})
    assert "lists/base.yaml:" in told
    assert "over.yaml" not in told


def test_a_base_that_cannot_be_read_is_one_fault(tmp_path: Path, base: Path) -> None:
    """What an unreadable base declares is not known, so nothing is said about what changes in it."""
    base.write_text("version: [")
    told = faults(tmp_path, override={"three": {"fix": "g"}}, disable={"one": "x"})
    assert "lists/base.yaml:" in told
    assert "declares" not in told


def test_a_circle_through_another_file_is_told(tmp_path: Path, base: Path) -> None:
    """Files that extend each other are not read for ever."""
    write(tmp_path / "lists" / "middle.yaml", extends=["../over.yaml"])
    assert "circle: over.yaml -> middle.yaml -> over.yaml" in faults(tmp_path, extends=["lists/middle.yaml"])


def test_changes_without_a_base_are_refused(tmp_path: Path) -> None:
    """Overriding nothing is a slip of the pen."""
    content = {"checklist": {"name": "b", "title": "B", "owner": "me"}, "items": [{"id": "one", "owner": "me", **ITEM}]}
    path = write(tmp_path / "a.yaml", **content, override={"one": {"fix": "x"}})
    with pytest.raises(ChecklistError, match="override has a meaning only beside extends"):
        checklist.load([path], root=tmp_path, variables={})


def test_a_list_and_its_overlay_cannot_run_together(tmp_path: Path, base: Path) -> None:
    """Their items would be the same: the ids are used twice."""
    path = write(tmp_path / "over.yaml", extends=["lists/base.yaml"])
    with pytest.raises(ChecklistError, match="already used"):
        checklist.load([base, path], root=tmp_path, variables={})


@pytest.mark.parametrize("change", [{"eventually": {"within": "1h"}}, {"requires": []}, {"acts": False}])
def test_more_tries_fewer_needs_and_other_leave_need_a_reason(tmp_path: Path, base: Path, change: dict[str, Any]) -> None:
    """Looking again for an hour, needing nothing first, or no longer saying that it acts asks for less."""
    assert "needs a reason" in faults(tmp_path, override={"one": change})
    assert load(tmp_path, override={"one": {**change, **WHY}}).departures
