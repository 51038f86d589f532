"""The kinds of check, by their YAML word, and the one door through which any of them is asked.

`observe` is that door: whatever a probe does, what comes out is evidence that is redacted, bounded and JSON-like, or a
`ProbeError`. Nothing unredacted leaves this room.
"""

from __future__ import annotations

import functools
import importlib
import time
from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from pytest_golive.errors import MissingExtra, ProbeError
from pytest_golive.model import Context, Evidence, Facts, Item, Outcome, Probe

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_golive.probes.all_of import AllOf
    from pytest_golive.probes.base import Lane, ProbeModel
    from pytest_golive.redaction import Redactor

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "agree": "pytest_golive.probes.agree:Agree",
        "all_of": "pytest_golive.probes.all_of:AllOf",
        "attestation": "pytest_golive.probes.attestation:Attestation",
        "command": "pytest_golive.probes.command:Command",
        "document": "pytest_golive.probes.document:Document",
        "dotenv": "pytest_golive.probes.dotenv:Dotenv",
        "env": "pytest_golive.probes.env:Env",
        "exchange": "pytest_golive.probes.exchange:Exchange",
        "file": "pytest_golive.probes.file:File",
        "git": "pytest_golive.probes.git:Git",
        "http": "pytest_golive.probes.http:Http",
        "ledger": "pytest_golive.probes.ledger:Ledger",
        "log": "pytest_golive.probes.log:Log",
        "metrics": "pytest_golive.probes.metrics:Metrics",
        "mongo": "pytest_golive.probes.mongo:Mongo",
        "permissions": "pytest_golive.probes.permissions:Permissions",
        "pytest": "pytest_golive.probes.pytest_suite:PytestSuite",
        "python": "pytest_golive.probes.python:Python",
        "redis": "pytest_golive.probes.redis:Redis",
        "schedule": "pytest_golive.probes.schedule:Schedule",
        "smtp": "pytest_golive.probes.smtp:Smtp",
        "sql": "pytest_golive.probes.sql:Sql",
        "tcp": "pytest_golive.probes.tcp:Tcp",
        "tls": "pytest_golive.probes.tls:Tls",
        "tool": "pytest_golive.probes.tool:Tool",
    }
)
"""YAML word -> `module:Class`."""

MAX_FACTS = 1_000_000
"""Characters that the facts of one item may have; more is no evidence that anybody reads."""

MAX_DEPTH = 60
"""Levels that facts may be nested."""


@functools.cache
def kind(word: str) -> type[ProbeModel]:
    """The class of a kind; KeyError if there is no such kind."""
    module, _, name = KINDS[word].partition(":")
    return cast("type[ProbeModel]", getattr(importlib.import_module(module), name))


def lane(probe: Probe) -> Lane:
    """What the probe costs while it looks, so that many of them can be kept from getting in each other's way."""
    return getattr(probe, "lane", "remote")


def bound(probe: ProbeModel, *, folder: Path, item: str) -> ProbeModel:
    """The probe, told in which folder its checklist lies and for which item it looks, if that matters to its kind."""
    if (beside := getattr(probe, "beside", None)) is not None:
        probe = beside(folder)
    answering = getattr(probe, "answering", None)
    return probe if answering is None else cast("ProbeModel", answering(item))


def code(items: Iterable[Item], root: Path) -> Mapping[str, frozenset[Path]]:
    """The files of the project's own code that checks of these items run, by the name of their package."""
    found: dict[str, frozenset[Path]] = {}
    asked = {likeness(item.probe): item.probe for item in items if callable(getattr(item.probe, "sources", None))}
    for probe in asked.values():
        name, files = cast("Any", probe).sources(root)
        found[name] = found.get(name, frozenset()) | frozenset(files)
    return found


def likeness(probe: Probe) -> str | None:
    """The same text for probes that are equal in every key, and so would see the same; None for those that cannot be compared."""
    return _written(probe) if hasattr(probe, "model_fields_set") and not parts(probe) else None


def _written(value: Any) -> str:
    """A value with which keys were written in it, at any depth: `secret: false` is not the same as nothing said of it."""
    if hasattr(value, "model_fields_set"):
        inside = ", ".join(f"{name}={_written(part)}" for name, part in vars(value).items())
        kind_ = type(value)
        return f"{kind_.__module__}.{kind_.__qualname__} {sorted(value.model_fields_set)} {inside} {value.__pydantic_private__}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name!r}: {_written(part)}" for name, part in value.items()) + "}"
    return repr(value)


def parts(probe: Probe) -> tuple[str, ...]:
    """The declared ids of the items whose findings are this probe's facts; empty for every kind that looks for itself."""
    return tuple(getattr(probe, "items", ())) if getattr(probe, "word", "") == "all_of" else ()


def revoking(probe: Probe) -> tuple[str, ...]:
    """The declared ids of the items that void what a person has stated; empty for every kind that asks nobody."""
    return tuple(getattr(probe, "revoked_by", ())) if getattr(probe, "word", "") == "attestation" else ()


def rests_on(item: Item) -> tuple[str, ...]:
    """The declared ids of everything that must have a finding before this item can have one."""
    return (*item.requires, *parts(item.probe), *revoking(item.probe))


def composed(probe: Probe, outcomes: Mapping[str, Outcome]) -> Facts:
    """The facts of a probe that has `parts`, from what was seen of each of them."""
    return cast("AllOf", probe).facts(outcomes)


def observe(probe: Probe, context: Context, redactor: Redactor) -> Evidence:
    """Redacted facts of one look, with the time they were seen; `ProbeError`, redacted too, if nothing could be seen."""
    word = getattr(probe, "word", "") or type(probe).__name__
    redactors = [redactor]
    try:
        if context.remaining() <= 0:
            raise ProbeError("no time was left to look", hint="raise the item's timeout")
        if hasattr(probe, "secrets"):
            own = tuple(value for value in probe.secrets(context) if value)
            if own:
                redactors.append(type(redactor)(own))
        began = context.now()
        started = time.monotonic()
        facts: Any = _checked(probe.look(context))
        ended = time.monotonic()
        if ended > context.deadline + 0.5:
            raise ProbeError(
                f"the answer came {ended - context.deadline:.1f} s after the deadline",
                hint="raise the item's timeout, or see what is slow",
            )
        for each in redactors:
            facts = each.facts(facts)
        return Evidence(facts=facts, began=began, seconds=ended - started)
    except MissingExtra:
        raise
    except ProbeError as error:
        raise ProbeError(_redacted(error.message, redactors), hint=_redacted(error.hint, redactors)) from None
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 - not even SystemExit, or a skip, may turn into something else than an error
        told = _redacted(f"{type(error).__name__}: {error}", redactors)
        raise ProbeError(
            f"probe kind {word} broke: {told}", hint="this is a fault of the probe, not of the target: please report it"
        ) from None


def _redacted(text: str, redactors: list[Redactor]) -> str:
    for each in redactors:
        text = each.text(text)
    return text


def _checked(facts: Any) -> dict[str, Any]:
    if not isinstance(facts, Mapping):
        raise ProbeError(f"the probe told {type(facts).__name__} instead of facts", hint="a probe returns a mapping of facts")
    if not facts:
        raise ProbeError("the probe told nothing", hint="a probe that sees nothing proves nothing: return the facts it saw")
    sizes: dict[str, int] = {}
    plain: dict[str, Any] = {}
    for name, value in facts.items():
        if not isinstance(name, str):
            raise _shapeless(str(name), "a name that is not text")
        budget = [MAX_FACTS]
        plain[name] = _plain(value, name, 1, budget)
        sizes[name] = MAX_FACTS - budget[0]
    if sum(sizes.values()) > MAX_FACTS:
        raise _oversized(max(sizes, key=lambda name: sizes[name]))
    return plain


def _plain(value: Any, path: str, depth: int, budget: list[int]) -> Any:
    """The value made of nothing but JSON-like parts; `ProbeError` naming the path of what is not, or is too much."""
    kind_ = type(value)
    if kind_ is str:
        budget[0] -= len(value)
        if budget[0] < 0:
            raise _oversized(path)
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    budget[0] -= 1
    if value is None or kind_ is bool or kind_ is int:
        return value
    if kind_ is Decimal:
        if not value.is_finite():
            raise _shapeless(path, f"the number {value}, which cannot be compared")
        return value
    if budget[0] < 0:
        raise _oversized(path)
    if depth > MAX_DEPTH:
        raise _shapeless(path[:80], f"more than {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        plain = {}
        for name, part in value.items():
            if not isinstance(name, str):
                raise _shapeless(path, f"a name that is not text: {name!r}")
            key = _plain(str(name), path, depth, budget)
            plain[key] = _plain(part, f"{path}.{key}", depth + 1, budget)
        return plain
    if isinstance(value, (list, tuple)):
        return [_plain(part, path, depth + 1, budget) for part in value]
    if isinstance(value, str):
        return _plain(str.__str__(value), path, depth, budget)
    if isinstance(value, float):
        raise _shapeless(path, "a float, which is not exact: use Decimal or text")
    raise _shapeless(path, f"a {type(value).__name__}, which is not JSON-like")


def _shapeless(path: str, what: str) -> ProbeError:
    return ProbeError(f"the fact {path!r} is {what}", hint="facts are text, whole numbers, Decimal, booleans, lists and mappings")


def _oversized(path: str) -> ProbeError:
    return ProbeError(
        f"the facts are larger than {MAX_FACTS} characters, the largest is {path!r}",
        hint="ask for less: a limit, a narrower query",
    )
