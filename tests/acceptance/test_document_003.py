"""Items that stand for many others are held against the list itself: what is added and forgotten there is noticed here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

LISTS = Path(__file__).parents[2] / "checklists"
BEFORE = ("pre-deploy", "sign-off")
"""The phases that gate."""


def _items(name: str) -> Mapping[str, Mapping[str, Any]]:
    told = yaml.safe_load((LISTS / f"{name}.yaml").read_text(encoding="utf-8"))
    usual = told.get("defaults", {})
    return {item["id"]: {**usual, **item} for item in told["items"]}


def _parts(items: Mapping[str, Mapping[str, Any]], identity: str) -> list[str]:
    return list(items[identity]["all_of"]["items"])


def test_all_items_of_document_003_are_all() -> None:
    """The item that says that every critical one passed names each critical item of the gating phases, and no other."""
    items = _items("amarktai")
    critical = {name for name, item in items.items() if item["severity"] == "critical" and item["phase"] in BEFORE}
    assert set(_parts(items, "amarktai-ok-all-items")) == critical - {"amarktai-ok-all-items"}


def test_all_warnings_of_document_003_are_all() -> None:
    """The item that says that every warning came to an end names each warning of the gating phases, and no other."""
    items = _items("amarktai")
    warnings = {name for name, item in items.items() if item["severity"] == "warning" and item["phase"] in BEFORE}
    assert set(_parts(items, "amarktai-all-warnings-judged")) == warnings - {"amarktai-all-warnings-judged"}


def test_all_acceptance_tests_of_document_003_are_all() -> None:
    """The item on the acceptance tests names each of them."""
    items = _items("amarktai")
    assert set(_parts(items, "amarktai-ok-uat")) == {name for name in items if name.startswith("amarktai-uat-")}


def test_the_checklist_of_document_002_is_followed_whole() -> None:
    """The item that says that the whole list was followed names every other item that stands before the switch."""
    items = _items("kraken_bot")
    before = {name for name, item in items.items() if item["phase"] in BEFORE}
    assert set(_parts(items, "kraken-risk-follow-checklist")) == before - {"kraken-risk-follow-checklist"}


def test_tests_1_to_5_of_document_004_are_all() -> None:
    """The item that says that every step of the five tests passed names each step."""
    items = _items("helios_valr")
    steps = {name for name in items if name.startswith(tuple(f"valr-t{number}-" for number in range(1, 6)))}
    assert set(_parts(items, "valr-testing-checklist-complete")) == steps


@pytest.mark.parametrize("path", sorted(LISTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_count_that_is_expected_is_the_count_of_the_parts(path: Path) -> None:
    """An item with parts expects all of them, by number or by none left open: one that is added is not left out."""
    items = _items(path.stem)
    short = []
    for name, item in items.items():
        if "all_of" not in item:
            continue
        parts, expect = item["all_of"]["items"], item["expect"]
        assert set(parts) <= items.keys(), f"{name} names {set(parts) - items.keys()}"
        numbers = [expect[word] for word in ("passed", "ran") if isinstance(expect.get(word), int)]
        everyone = expect.get("open") == {"len": 0} or expect.get("parts[*].outcome", {}).get("all") == "passed"
        if not everyone and numbers != [len(parts)]:
            short.append(name)
    assert short == []
