"""The JSON Schema of checklist files: it accepts what the loader accepts, and marks the commonest slips."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_golive import probes, yaml12
from pytest_golive.checklist.fields import ITEM_KEYS
from pytest_golive.checklist.schema import schema

LISTS = sorted((Path(__file__).parents[1] / "checklists").glob("*.yaml"))
VALIDATOR = jsonschema.Draft202012Validator(schema())
ITEM: dict[str, Any] = {
    "id": "one",
    "title": "One",
    "severity": "critical",
    "phase": "pre-deploy",
    "source": {"document": "000", "section": "1"},
    "why": "w",
    "fix": "f",
    "log": {"path": "x", "since": "24h", "matches": {"errors": "ERROR"}},
    "expect": {"counts.errors": 0},
}


def valid(*items: dict[str, Any], **top: Any) -> bool:
    heading = {"name": "main", "title": "Main", "owner": "me"}
    whole = {"version": 1, "checklist": heading, "items": list(items), **top}
    return bool(VALIDATOR.is_valid(whole))


def test_the_schema_is_one() -> None:
    """It is a schema by its own standard, and knows every kind and every key."""
    jsonschema.Draft202012Validator.check_schema(schema())
    assert set(schema()["$defs"]["item"]["properties"]) == set(probes.KINDS) | ITEM_KEYS


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_every_list_fits(path: Path) -> None:
    """What the loader reads, the schema accepts."""
    assert [error.message for error in VALIDATOR.iter_errors(yaml12.load(path.read_bytes(), path.name))] == []


def test_variables_may_stand_anywhere() -> None:
    """A number, a list or a whole probe may come from the target."""
    assert valid(ITEM)
    assert valid({**ITEM, "log": "${log}"})
    assert valid({**{k: v for k, v in ITEM.items() if k != "log"}, "tcp": {"host": "h", "port": "${port}"}})
    assert valid({**{k: v for k, v in ITEM.items() if k != "log"}, "env": {"name": "X"}, "timeout": "${patience}"})


def test_an_overlay_fits() -> None:
    """Overrides are parts of items, with a reason; disabling is a reason."""
    overlay = {"version": 1, "extends": ["a.yaml"], "disable": {"two": "why"}}
    assert VALIDATOR.is_valid(
        {**overlay, "override": {"one": {"http": {"url": "http://h"}, "severity": "warning", "reason": "r"}}}
    )
    assert not VALIDATOR.is_valid({**overlay, "override": {"one": {"severty": "warning"}}})
    assert not VALIDATOR.is_valid({**overlay, "disable": {"two": ""}})
    assert not VALIDATOR.is_valid({"version": 1})


@pytest.mark.parametrize(
    "change",
    [
        {"severity": "hard"},
        {"tilte": "x"},
        {"timeout": 10},
        {"expect": {}},
        {"expect": {"x": {"lte": 1}}},
        {"log": {"path": "x", "sinse": "1h"}},
        {"log": {"path": "x", "since": 24}},
        {"log": {}},
        {"env": {"name": "X"}},
        {"source": {}},
    ],
)
def test_slips_are_marked(change: dict[str, Any]) -> None:
    """A misspelt key of an item, of a kind or of an expectation, a missing one, and a second kind do not fit."""
    assert not valid({**ITEM, **change})


def test_the_command_prints_it() -> None:
    """`golive schema` is that schema."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest_golive.cli", "schema"], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout) == json.loads(json.dumps(schema()))
