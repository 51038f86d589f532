"""The short way through pytest's protocol for items that nobody but the gate takes part in.

Setting up, calling and tearing down a test costs pytest about 0.35 ms, a third of it in capturing output. An item without
fixtures needs none of it, as long as no other plugin listens to these steps; then only the reports are made, so that the
terminal, JUnit and every other reporter see what they always see. If anybody else listens, pytest's own protocol runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

import pytest

from pytest_golive.model import Finding, Item, Outcome
from pytest_golive.nodes import ItemNode, court_key, explain

Step = Literal["setup", "call", "teardown"]
Note = Callable[[Item, Finding, pytest.TestReport], None]

_STEPS = (
    "pytest_runtest_protocol",
    "pytest_runtest_setup",
    "pytest_runtest_call",
    "pytest_runtest_teardown",
    "pytest_runtest_makereport",
    "pytest_pyfunc_call",
    "pytest_fixture_setup",
    "pytest_exception_interact",
)


def steps_to_report(config: pytest.Config) -> tuple[Step, ...]:
    """The steps whose reports anybody looks at: the call alone if only the terminal does."""
    if getattr(config.option, "xmlpath", None) or not _only_pytest(config, ("pytest_runtest_logreport",)):
        return ("setup", "call", "teardown")
    return ("call",)


def fits(session: pytest.Session) -> bool:
    """Whether every item is one of ours without fixtures, in a session in which nobody else takes part."""
    return all(_untouched(item) for item in session.items) and nobody_listens(session.config)


def _untouched(item: pytest.Item) -> bool:
    """Whether nobody gave the item a fixture, a mark such as skip or xfail, or another way to run."""
    return (
        isinstance(item, ItemNode)
        and not item.fixturenames
        and "runtest" not in vars(item)
        and type(item).runtest is ItemNode.runtest
        and all(mark.name == item.item.severity.value for mark in item.iter_markers())
    )


def loop(session: pytest.Session, note: Note) -> None:
    """Run the items one after the other, and stop where pytest's own loop would."""
    steps = steps_to_report(session.config)
    for item in session.items:
        assert isinstance(item, ItemNode)
        run(item, steps, note)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)


def nobody_listens(config: pytest.Config) -> bool:
    """Whether only pytest itself and the gate take part in the steps that would be left out."""
    if any(getattr(config.option, name, False) for name in ("usepdb", "trace", "setupshow", "fulltrace")):
        return False
    return _only_pytest(config, _STEPS)


def _only_pytest(config: pytest.Config, hooks: tuple[str, ...]) -> bool:
    silent: tuple[str, ...] = ("_pytest.", "pytest_golive.")
    if not config.getoption("htmlpath", None):
        silent += ("pytest_html.",)
    return all(
        implementation.function.__module__.startswith(silent)
        for hook in hooks
        for implementation in getattr(config.hook, hook).get_hookimpls()
    )


def run(node: ItemNode, steps: tuple[Step, ...], note: Note) -> None:
    """Report one item as pytest's protocol would, without walking through it; `note` is told of the finding first."""
    hook = node.ihook
    hook.pytest_runtest_logstart(nodeid=node.nodeid, location=node.location)
    start = time.time()
    began = time.perf_counter()
    try:
        finding = node.config.stash[court_key].finding(node.item)
    except Exception as error:  # noqa: BLE001 - a broken engine is an error of the item, and must not end the session
        finding = Finding(item=node.item.id, outcome=Outcome.ERROR, reason=f"call broke: {type(error).__name__}: {error}")
    node.finding = finding
    duration = time.perf_counter() - began
    keywords: dict[str, Literal[1]] = {node.name: 1, node.item.severity.value: 1}
    for when in steps:
        failed = when == "call" and finding.outcome is not Outcome.PASSED
        report = pytest.TestReport(
            nodeid=node.nodeid,
            location=node.location,
            keywords=keywords,
            outcome="failed" if failed else "passed",
            longrepr=explain(node.item, finding) if failed else None,
            when=when,
            duration=duration if when == "call" else 0.0,
            start=start,
            stop=start + duration,
            user_properties=node.user_properties,
        )
        if when == "call":
            note(node.item, finding, report)
        hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logfinish(nodeid=node.nodeid, location=node.location)
