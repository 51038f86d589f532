"""The loader: nothing is forgiven, everything is told at once, and what loads is what was written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_golive import checklist
from pytest_golive.errors import ChecklistError
from pytest_golive.model import Checklist, Eventually, Phase, Severity

ITEM: dict[str, Any] = {
    "id": "one",
    "title": "One",
    "severity": "critical",
    "phase": "pre-deploy",
    "owner": "me",
    "source": {"document": "000", "section": "1", "line": 3},
    "why": "w",
    "fix": "f",
    "env": {"name": "READY"},
    "expect": {"value": "yes"},
}


def load(tmp_path: Path, *items: Mapping[str, Any], variables: Mapping[str, Any] | None = None, **top: Any) -> Checklist:
    """JSON is YAML 1.2, so an item can be written as a mapping."""
    content = {"version": 1, "checklist": {"name": "main", "title": "Main", "owner": "me"}, "items": list(items), **top}
    path = tmp_path / "main.yaml"
    path.write_text(json.dumps(content, indent=1))
    return checklist.load([path], root=tmp_path, variables=variables or {})[0]


def faults(tmp_path: Path, *items: Mapping[str, Any], **more: Any) -> str:
    with pytest.raises(ChecklistError) as caught:
        load(tmp_path, *items, **more)
    return str(caught.value)


def test_an_item_is_read_whole(tmp_path: Path) -> None:
    """Every key of an item arrives where it belongs, with its place."""
    read = load(
        tmp_path,
        {
            **ITEM,
            "covers": ["x"],
            "requires": ["two"],
            "timeout": "500ms",
            "acts": True,
            "eventually": {"within": "1m", "every": "2s", "stable_for": 3},
        },
        {**ITEM, "id": "two", "severity": "warning", "phase": "sign-off"},
    )
    one, two = read.items
    assert (one.id, one.title, one.severity, one.phase) == ("one", "One", Severity.CRITICAL, Phase.PRE_DEPLOY)
    assert (one.covers, one.requires, one.timeout, one.acts) == (("x",), ("two",), 0.5, True)
    assert one.eventually == Eventually(within=60.0, every=2.0, stable_for=3)
    assert (one.source.document, one.source.line) == ("000", 3)
    assert (one.kind, one.checklist, one.place.file) == ("env", "main", "main.yaml")
    assert (two.severity, two.phase, two.timeout, two.acts) == (Severity.WARNING, Phase.SIGN_OFF, 10.0, False)
    assert two.place.line > one.place.line
    assert len(read.sha256) == 64


def test_defaults_fill_what_an_item_leaves_out(tmp_path: Path) -> None:
    """Timeout, owner and phase may be said once for the file; an item's own word wins."""
    bare = {key: value for key, value in ITEM.items() if key not in ("owner", "phase")}
    read = load(
        tmp_path, bare, {**bare, "id": "two", "owner": "you"}, defaults={"owner": "us", "phase": "sign-off", "timeout": "3s"}
    )
    assert [(one.owner, one.phase, one.timeout) for one in read.items] == [
        ("us", Phase.SIGN_OFF, 3.0),
        ("you", Phase.SIGN_OFF, 3.0),
    ]


def test_severity_has_no_default(tmp_path: Path) -> None:
    """How much an item weighs must stand beside it."""
    bare = {key: value for key, value in ITEM.items() if key != "severity"}
    assert "'severity' is required" in faults(tmp_path, ITEM, {**bare, "id": "two"})
    assert "unknown key 'defaults.severity'" in faults(tmp_path, ITEM, defaults={"severity": "critical"})


def test_variables_keep_their_type(tmp_path: Path) -> None:
    """A whole reference takes the value with its type, one inside a text is written out, `$${` is a plain `${`."""
    item = {**ITEM, "title": "$${x} on ${host}:${port}", "source": {**ITEM["source"], "line": "${port}"}}
    one = load(tmp_path, item, variables={"host": "h", "port": 81}).items[0]
    assert one.title == "${x} on h:81"
    assert one.source.line == 81


def demand(tmp_path: Path, item: Mapping[str, Any], variables: Mapping[str, Any], declared: Mapping[str, Any]) -> str:
    """What the first item demands, with variables as they are and as they are written."""
    content = {"version": 1, "checklist": {"name": "main", "title": "Main", "owner": "me"}, "items": [item]}
    path = tmp_path / "main.yaml"
    path.write_text(json.dumps(content))
    return checklist.load([path], root=tmp_path, variables=variables, declared=declared)[0].items[0].demand


def test_a_demand_is_what_is_asked_and_not_where(tmp_path: Path) -> None:
    """Kind, fields, expectation and the target's variables make the demand; the environment's values and the rest do not."""
    asked = {**ITEM, "env": {"name": "${name}"}, "expect": {"value": {"lt": "${most}"}}}
    names, most = {"name": "${env:WHICH}"}, {"most": 3}
    first = demand(tmp_path, asked, {"name": "A", **most}, {**names, **most})
    assert len(first) == 64
    assert demand(tmp_path, asked, {"name": "B", **most}, {**names, **most}) == first
    assert (
        demand(tmp_path, {**asked, "title": "Two", "fix": "g", "severity": "critical"}, {"name": "A", **most}, {**names, **most})
        == first
    )
    others = [
        demand(tmp_path, asked, {"name": "A", "most": 4}, {**names, "most": 4}),
        demand(tmp_path, {**asked, "expect": {"value": {"le": "${most}"}}}, {"name": "A", **most}, {**names, **most}),
        demand(tmp_path, {**asked, "env": {"name": "${name}", "secret": True}}, {"name": "A", **most}, {**names, **most}),
        demand(tmp_path, {**asked, "env": {"name": "A"}}, {"name": "A", **most}, {**names, **most}),
    ]
    assert len({first, *others}) == 5


def test_each_instance_has_its_own_demand(tmp_path: Path) -> None:
    """What is asked of one broker is not what is asked of another."""
    item = {**ITEM, "for_each": {"broker": ["a", "b"]}, "env": {"name": "KEY_${broker}"}}
    one, two = load(tmp_path, item).items
    assert one.demand != two.demand


def test_for_each_makes_instances(tmp_path: Path) -> None:
    """Each element gives an item with its own id, whose references are bound to it."""
    item = {**ITEM, "for_each": {"broker": "${brokers}"}, "env": {"name": "KEY_${broker}"}}
    read = load(tmp_path, item, variables={"brokers": ["a", "b"]})
    assert [one.id for one in read.items] == ["one[a]", "one[b]"]
    assert {one.declared for one in read.items} == {"one"}
    assert [one.probe.name for one in read.items] == ["KEY_a", "KEY_b"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"for_each": {}}, "for_each must be a mapping of a name to a list"),
        ({"for_each": {"x": []}}, "at least one element"),
        ({"for_each": {"x": "abc"}}, "at least one element"),
        ({"for_each": {"x": [1, 1]}}, "names an element twice"),
        ({"for_each": {"x": [None]}}, "must hold text or numbers"),
        ({"for_each": {"api": ["a"]}}, "already a variable of the target"),
        ({"title": "${apo}"}, "the variable 'apo' is not declared under target.variables - did you mean 'api'?"),
        ({"title": "x ${many}"}, "is a list; inside other text"),
        ({"id": "One"}, "'id'"),
        ({"id": 7}, "'id' must be text"),
        ({"title": ""}, "'title'"),
        ({"expect": {}}, "'expect'"),
        ({"expect": [1]}, "'expect' must be a mapping"),
        ({"timeout": 5}, "a duration needs a unit"),
        ({"timeout": "5 s"}, "is not a duration"),
        ({"acts": "yes"}, "'acts' must be true or false"),
        ({"requires": "two"}, "'requires' must be a list"),
        ({"eventually": {"every": "1s"}}, "'eventually.within' is required"),
        ({"eventually": {"within": "1s", "stable_for": 0}}, "stable_for"),
        ({"source": {"document": "1"}}, "'source.section' is required"),
        ({"covers": [1]}, "'covers.0' must be text"),
        ({"env": None}, "'env' must be a mapping"),
        ({"env": {"name": "A", "as": "colour"}}, "env.as"),
    ],
)
def test_a_wrong_item_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """Each way of writing an item wrongly has its own words."""
    assert message in faults(tmp_path, {**ITEM, **change}, variables={"api": "x", "many": [1]})


def test_everything_is_told_at_once(tmp_path: Path) -> None:
    """Three faulty items give all their faults in one error, in the order of the lines."""
    told = faults(tmp_path, {**ITEM, "evn": {}}, {**ITEM, "id": "two", "phase": "x", "why": ""}, {**ITEM, "id": "two"})
    lines = [line for line in told.splitlines() if line.startswith("main.yaml:")]
    assert len(lines) == 4
    assert lines == sorted(lines, key=lambda line: int(line.split(":")[1]))


def test_several_files(tmp_path: Path) -> None:
    """Items of one file may require items of another; the same id or name in two files is refused."""
    head = {"version": 1, "checklist": {"name": "a1", "title": "A", "owner": "me"}}
    (tmp_path / "a.yaml").write_text(json.dumps({**head, "items": [ITEM]}))
    (tmp_path / "b.yaml").write_text(
        json.dumps(
            {**head, "checklist": {**head["checklist"], "name": "b1"}, "items": [{**ITEM, "id": "two", "requires": ["one"]}]}
        )
    )  # type: ignore[dict-item]
    paths = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    assert [one.name for one in checklist.load(paths, root=tmp_path, variables={})] == ["a1", "b1"]
    (tmp_path / "b.yaml").write_text((tmp_path / "a.yaml").read_text())
    with pytest.raises(ChecklistError, match="is already used"):
        checklist.load(paths, root=tmp_path, variables={})


def test_patterns_find_files(tmp_path: Path) -> None:
    """Patterns name files in a steady order, each once; one that matches nothing is a fault."""
    for name in ("b.yaml", "a.yaml", "c.yml"):
        (tmp_path / name).write_text("x")
    found = checklist.find(["*.yaml", "a.yaml", "c.yml"], tmp_path, "golive.yaml")
    assert [path.name for path in found] == ["a.yaml", "b.yaml", "c.yml"]
    with pytest.raises(ChecklistError, match="matches no file"):
        checklist.find(["a.yaml", "nothing-*.yaml"], tmp_path, "golive.yaml")


REQUIRED = sorted(set(ITEM) - {"env"})


@pytest.mark.parametrize("key", REQUIRED)
def test_every_key_is_needed(tmp_path: Path, key: str) -> None:
    """An item without one of its required keys is refused, by the name of the key."""
    assert f"'{key}' is required" in faults(
        tmp_path, ITEM, {name: value for name, value in {**ITEM, "id": "two"}.items() if name != key}
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab${}-", max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", min_size=1, max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(key=st.sampled_from([*sorted(ITEM), "for_each", "requires", "eventually", "timeout", "acts", "zzz"]), value=json_values)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
def test_any_value_anywhere_loads_or_is_told(tmp_path: Path, key: str, value: Any) -> None:
    """Whatever stands under a key, the loader gives a checklist with at least one item, or a fault with a place; nothing else."""
    try:
        read = load(tmp_path, {**ITEM, key: value}, variables={"a": "1", "b": ["x"]})
    except ChecklistError as error:
        assert all(fault.file == "main.yaml" and fault.line >= 1 for fault in error.faults)
    else:
        assert read.items
        assert any(one.severity is Severity.CRITICAL for one in read.items)


CONTROL = ["\x1b[2J", "a\x07", "a\rb", "a\x7f", "a\x9bb", "a\u202eb", "a\u2066b", "a\u200fb", "a\u2028b"]


@pytest.mark.parametrize("text", CONTROL)
@pytest.mark.parametrize("key", ["title", "why", "fix", "owner"])
def test_control_characters_are_refused(tmp_path: Path, key: str, text: str) -> None:
    """What steers a terminal or turns the text around is a fault with its place, in whatever people will read."""
    told = faults(tmp_path, {**ITEM, key: text})
    assert f"'{key}': must not hold the control character U+" in told
    assert told.startswith("main.yaml:")
    assert all(char.isprintable() or char == "\n" for char in told)


@pytest.mark.parametrize("text", [*CONTROL, "a\nb", "a\tb"])
def test_control_characters_of_instances_are_refused(tmp_path: Path, text: str) -> None:
    """A value of for_each becomes part of an id; a line end in it would break the lines of every output."""
    item = {**ITEM, "for_each": {"broker": "${brokers}"}, "env": {"name": "KEY"}}
    told = faults(tmp_path, item, variables={"brokers": ["a", text]})
    assert "for_each.broker must not hold" in told
    assert text not in told


def test_line_ends_and_foreign_letters_are_fine(tmp_path: Path) -> None:
    """Prose may have lines and tabs, and any language."""
    one = load(tmp_path, {**ITEM, "why": "first\n\tsecond", "title": "Ünïcode – 日本語 ✓"}).items[0]
    assert one.why == "first\n\tsecond"
