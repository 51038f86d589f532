"""The door into pytest: options, markers, and nothing else until `--golive` is given.

Every pytest run of a project imports this module, so it imports nothing that pytest has not loaded already.
"""

from __future__ import annotations

import sys
from collections.abc import Generator

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the gate."""
    group = parser.getgroup("golive", "go-live gate")
    group.addoption("--golive", action="store_true", help="run the go-live checklists against the target, and decide")
    group.addoption(
        "--golive-config",
        metavar="FILE",
        help="settings of the gate (default: golive.yaml in the root directory)",
    )
    group.addoption(
        "--golive-jobs",
        type=int,
        metavar="N",
        help="how many read-only probes may wait for answers at the same time (default: 300)",
    )
    group.addoption(
        "--golive-phase",
        action="append",
        metavar="PHASE",
        help="run the items of this phase instead of the gating ones; may be repeated; never writes a marker "
        "(pre-deploy, activation, post-deploy, monitoring, rollback, sign-off)",
    )
    group.addoption(
        "--golive-operator", metavar="NAME", help="who runs this (default: $GOLIVE_OPERATOR, or the name of the login)"
    )
    group.addoption("--golive-json", metavar="FILE", help="write the decision as JSON for other programs")
    group.addoption("--golive-codequality", metavar="FILE", help="write what is not clear as a code quality report for GitLab")
    group.addoption(
        "--golive-no-marker",
        action="store_true",
        help="decide and sign, but leave the marker alone: neither write nor withdraw it",
    )
    group.addoption(
        "--golive-drill",
        action="store_true",
        help="also change what every expectation read, and fail if one does not notice; writes no marker",
    )


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the hooks that conftest.py files and other plugins may implement."""
    from pytest_golive import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the markers; under `--golive`, bring in the gate."""
    config.addinivalue_line("markers", "critical: a go-live item that blocks unless it passes")
    config.addinivalue_line("markers", "warning: a go-live item that is told and signed for, but does not block")
    if config.getoption("golive"):
        if config.pluginmanager.is_blocked("golive-gate"):
            raise pytest.UsageError("golive: the gate is switched off by -p no:golive-gate, and --golive asks for it")
        from pytest_golive.gate import Gate

        gate = Gate(config)
        config.pluginmanager.register(gate, "golive-gate")
        if (page := config.getoption("htmlpath", None)) and not gate.worker:
            from pytest_golive.html import Html

            beside = Html(page, gate.declared, target=gate.settings.target.name, redactor=gate.redactor)
            config.pluginmanager.register(beside, "golive-html")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """Whatever ended the session: under `--golive` an exit status of 0 is the gate's to give, and nobody else's."""
    try:
        status = yield
    except SystemExit as ended:
        if ended.code not in (0, None) or not _undecided(config):
            raise
        status = 0
    if status in (None, 0) and _undecided(config):
        print("golive: the session ended without a decision, which is no GO: exit status 1", file=sys.stderr)
        return pytest.ExitCode.TESTS_FAILED
    return status


def _undecided(config: pytest.Config) -> bool:
    """Whether a gate was asked for, in this process, and none has said GO."""
    if not config.getoption("golive", False) or hasattr(config, "workerinput"):
        return False
    return not getattr(config.pluginmanager.get_plugin("golive-gate"), "good", False)
