"""What Prometheus is told is so, is written whole, and is all that the dashboard and the alerts ask for."""

from __future__ import annotations

import itertools
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pytest_golive import config, telemetry
from pytest_golive.cli import main
from pytest_golive.errors import MissingExtra
from pytest_golive.guard.marker import Marker, render
from pytest_golive.journal import Journal
from pytest_golive.signing.keys import SessionKey

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
FOLDER = Path(__file__).parents[1] / "examples" / "monitoring"
KEY = SessionKey(Ed25519PrivateKey.generate())

Figures = dict[tuple[str, str], float]


class Place:
    """A project with a journal, in which a marker and a stop can be put."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / "golive.yaml"
        self.config.write_text("version: 1\njournal: journal.jsonl\ntarget: {name: Desk}\n")
        self.journal = Journal(root / "journal.jsonl")

    def run(self, word: str, at: datetime, *, decides: bool = True, **counts: int) -> None:
        self.journal.append("run", {"word": word, "decides": decides, "blocking": [], "counts": counts}, at)

    def activate(self, at: datetime, expires: datetime, key: SessionKey = KEY) -> None:
        detail = {"activation_id": "a1", "counter": 1, "operator": "ann", "expires": expires, "environment": "production"}
        entry = self.journal.append("activated", detail, at)
        marker = Marker(
            timestamp=at,
            operator="ann",
            environment="production",
            allowed_profiles=("micro",),
            activation_id="a1",
            counter=1,
            not_before=at,
            expires=expires,
            config=config.load(self.config, {}).sha256,
            journal_head=entry.hash,
        )
        (self.root / "go_live.active").write_bytes(render(marker, key))
        (self.root / "go_live.active").chmod(0o644)

    def figures(self, now: datetime = NOW) -> Figures:
        from prometheus_client.parser import text_string_to_metric_families

        seen = telemetry.observe(config.load(self.config, {}), {}, [KEY.public], now)
        families = text_string_to_metric_families(telemetry.render(seen).decode())
        return {(sample.name, ",".join(sample.labels.values())): sample.value for family in families for sample in family.samples}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A fresh project."""
    return Place(tmp_path)


@pytest.fixture
def full(place: Place) -> Place:
    """A project in which everything that can be told is there to tell."""
    now = datetime.now(UTC)
    place.run("NO-GO", now - 3 * HOUR, blocking=2, clear=5)
    place.run("GO WITH WARNINGS", now - 2 * HOUR, warned=1, clear=6)
    place.run("NO-GO", now - HOUR, decides=False, blocking=9)
    place.journal.append("activation-denied", {"reason": "no"}, now - HOUR)
    place.activate(now - HOUR, now + 3 * HOUR)
    return place


def test_everything_that_stands_is_told(full: Place) -> None:
    """Decision, counts, evidence, marker, stop and journal are told as they are; a run of a part is none of them."""
    now = datetime.now(UTC)
    told = full.figures(now)
    assert told["golive_decision", "GO WITH WARNINGS"] == 1
    assert sum(value for (name, _), value in told.items() if name == "golive_decision") == 1
    assert told["golive_decision_permits", ""] == 1
    assert [told["golive_items", verdict] for verdict in ("clear", "waived", "warned", "blocking")] == [6, 0, 1, 0]
    assert 7199 < told["golive_evidence_age_seconds", ""] < 7300
    assert told["golive_marker_present", ""] == told["golive_marker_permitted", ""] == 1
    assert 10_000 < told["golive_marker_expires_in_seconds", ""] <= 10_800
    assert told["golive_marker_info", "production,ann,micro"] == 1
    assert told["golive_stop_present", ""] == 0
    assert told["golive_journal_head_seq", ""] == 5
    assert told["golive_runs_total", "NO-GO"] == 1
    assert told["golive_activations_total", "activated"] == told["golive_activations_total", "denied"] == 1
    assert told["golive_preflight_pass_ratio", ""] == told["golive_activation_success_ratio", ""] == 0.5
    assert told["golive_activation_uptime_ratio", ""] == 1


def test_what_is_not_known_is_left_out(place: Place) -> None:
    """Without a run there is no decision, no age, no count and no rate: zero would be a figure."""
    names = {name for name, _ in place.figures()}
    assert not names & {
        "golive_decision",
        "golive_decision_permits",
        "golive_evidence_age_seconds",
        "golive_items",
        "golive_preflight_pass_ratio",
        "golive_activation_success_ratio",
        "golive_activation_uptime_ratio",
        "golive_marker_expires_in_seconds",
    }
    assert place.figures()["golive_marker_permitted", ""] == 0
    assert place.figures()["golive_journal_head_seq", ""] == 0


def _stop(place: Place) -> None:
    (place.root / "EMERGENCY_STOP").touch()


def _stranger(place: Place) -> None:
    place.activate(datetime.now(UTC) - HOUR, datetime.now(UTC) + HOUR, SessionKey(Ed25519PrivateKey.generate()))


def _expired(place: Place) -> None:
    place.activate(datetime.now(UTC) - 2 * HOUR, datetime.now(UTC) - HOUR)


def _touched(place: Place) -> None:
    (place.root / "go_live.active").write_text("activated: true\n")


@pytest.mark.parametrize("spoil", [_stop, _stranger, _expired, _touched])
def test_a_marker_that_does_not_count_is_not_told_as_permitting(full: Place, spoil: Callable[[Place], None]) -> None:
    """A stop, a foreign key, an expiry and a file that anybody wrote are present and not permitted."""
    assert full.figures(datetime.now(UTC))["golive_marker_permitted", ""] == 1
    spoil(full)
    told = full.figures(datetime.now(UTC))
    assert told["golive_marker_present", ""] == 1
    assert told["golive_marker_permitted", ""] == 0
    assert told["golive_stop_present", ""] == (spoil is _stop)
    if spoil is _expired:
        assert told["golive_marker_expires_in_seconds", ""] < 0
    if spoil in (_stranger, _touched):
        assert ("golive_marker_expires_in_seconds", "") not in told


def test_a_broken_glass_is_told_until_somebody_reviewed_it(full: Place) -> None:
    """An activation by two persons' word counts as one of its own, and alerts until it was reviewed."""
    now = datetime.now(UTC)
    told = {"activation_id": "a1", "persons": ["ann", "bob"], "approved_by": ["Ann (ops)", "Bob (qa)"], "reason": "outage"}
    full.journal.append("break-glass", told, now)
    seen = full.figures(now)
    assert seen["golive_break_glass_unreviewed", ""] == seen["golive_activations_total", "glass"] == 1
    assert seen["golive_activations_total", "activated"] == seen["golive_activation_success_ratio", ""] == 0
    full.journal.append("break-glass-reviewed", {"activation_id": "a1"}, now)
    assert full.figures(now)["golive_break_glass_unreviewed", ""] == 0


def test_a_broken_journal_is_told_and_tells_nothing_else(full: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the chain is broken that is the figure; marker and stop are told all the same, and the exit status is 1."""
    full.journal.path.write_bytes(full.journal.path.read_bytes().replace(b'"NO-GO"', b'"GO"', 1))
    told = full.figures()
    assert told["golive_journal_whole", ""] == 0
    assert ("golive_stop_present", "") in told
    assert not {"golive_runs_total", "golive_decision", "golive_journal_head_seq"} & {name for name, _ in told}
    path = full.root / "golive.prom"
    assert main(["metrics", "--config", str(full.config), "--textfile", str(path)]) == 1
    assert "line 1" in capsys.readouterr().err
    assert "golive_journal_whole 0.0" in path.read_text()


def test_the_file_is_replaced_whole(full: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A reader sees the old file or the new one, others may read it, and a failure leaves the old one and nothing beside it."""
    path = full.root / "golive.prom"
    arguments = ["metrics", "--config", str(full.config), "--textfile", str(path)]
    assert main(arguments) == 0
    first = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o644
    assert first.endswith(b"\n")
    number = path.stat().st_ino
    assert main(arguments) == 0
    assert path.stat().st_ino != number
    second = path.read_bytes()

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", full_disk)
        assert main(arguments) == 1
    assert "No space left" in capsys.readouterr().err
    assert path.read_bytes() == second
    assert [one.name for one in full.root.glob("golive.prom*")] == ["golive.prom"]


def test_a_name_that_node_exporter_passes_over_is_refused(full: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that does not end in .prom would never be read, and is not written."""
    assert main(["metrics", "--config", str(full.config), "--textfile", str(full.root / "golive.txt")]) == 1
    assert ".prom" in capsys.readouterr().err
    assert not (full.root / "golive.txt").exists()


def test_looking_changes_nothing(full: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """On the terminal it prints what it would write, and no file of the project changes."""

    def everything() -> dict[str, bytes]:
        return {str(one): one.read_bytes() for one in full.root.rglob("*") if one.is_file()}

    before = everything()
    assert main(["metrics", "--config", str(full.config)]) == 0
    assert "golive_journal_whole 1.0" in capsys.readouterr().out
    assert everything() == before


def test_no_secret_and_no_forged_line_stands_in_it(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A secret in a target's name is taken out, and a name that looks like another figure stays a label."""
    canary = f"cnry{secrets.token_hex(12)}"
    monkeypatch.setenv("BROKER_TOKEN", canary)
    place.config.write_text(
        f'version: 1\njournal: journal.jsonl\ntarget: {{name: "key {canary} \\"}} 1\\ngolive_marker_permitted 1.0"}}\n'
    )
    assert main(["metrics", "--config", str(place.config)]) == 0
    out = capsys.readouterr().out
    assert canary[:8] not in out
    assert "\ngolive_marker_permitted 0.0\n" in out
    assert "\ngolive_marker_permitted 1.0" not in out


def test_without_the_extra_it_says_what_to_install(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing prometheus-client is one line with the command to install it."""
    import sys

    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    seen = telemetry.observe(config.load(place.config, {}), {}, [KEY.public], NOW)
    with pytest.raises(MissingExtra, match="prometheus-client"):
        telemetry.render(seen)
    assert main(["metrics", "--config", str(place.config)]) == 1
    assert "pip install 'pytest-golive[metrics]'" in capsys.readouterr().err


# The dashboard and the alerts.


def dashboard() -> dict[str, Any]:
    made: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())
    return made


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def asked() -> Iterator[tuple[str, str]]:
    """Every expression, with the place where it stands."""
    yield from ((rule["alert"], rule["expr"]) for rule in rules())
    yield from ((panel["title"], target["expr"]) for panel in dashboard()["panels"] for target in panel["targets"])


def test_every_figure_that_is_asked_for_is_written(full: Place) -> None:
    """Each metric in the dashboard and in the alerts is one that the textfile has, with the labels that are asked for."""
    told = full.figures(datetime.now(UTC))
    names = {name for name, _ in told}
    for where, expression in asked():
        found = set(re.findall(r"golive_[a-z_]+", expression))
        assert found, where
        assert found <= names, where
        for name, label in re.findall(r'(golive_[a-z_]+)\{[^}]*(?:event|outcome|decision|verdict)="([^"]+)"', expression):
            assert (name, label) in told, where
    query = dashboard()["templating"]["list"][1]["query"]["query"]
    assert re.findall(r"golive_[a-z_]+", query) == ["golive_build_info"]


def test_every_figure_is_described(full: Place) -> None:
    """The table of the documents names each figure that is written, and no other."""
    text = (FOLDER.parents[1] / "docs" / "journal.md").read_text(encoding="utf-8")
    described = re.findall(r"^\| `(golive_[a-z_]+)(?:\{[a-z, ]+\})?` \|", text, re.MULTILINE)
    assert set(described) == {name for name, _ in full.figures(datetime.now(UTC))}
    assert len(described) == len(set(described))


def test_every_expression_is_promql() -> None:
    """A parser of PromQL reads each expression of the dashboard and of the alerts."""
    promql = pytest.importorskip("promql_parser", reason="promql-parser has no wheel for this Python")
    read = [promql.parse(expression.replace("$instance", ".*")) for _, expression in asked()]
    assert len(read) > 25
    with pytest.raises(ValueError):
        promql.parse("golive_stop_present ==")


def test_the_thresholds_are_those_of_document_001() -> None:
    """The rates alert below 90 % and 95 %, in the rules and in the colours of the dashboard, as in the history."""
    expressions = {rule["alert"]: rule["expr"] for rule in rules()}
    assert expressions["GoLivePreflightPassRate"].endswith("< 0.9")
    assert expressions["GoLiveActivationSuccessRate"].endswith("< 0.95")
    steps = {panel["title"]: panel["fieldConfig"]["defaults"]["thresholds"]["steps"] for panel in dashboard()["panels"]}
    rates = ("Pre-flight pass rate", "Activation success rate", "Activation uptime")
    assert [steps[title][1]["value"] for title in rates] == [0.9, 0.95, 1]


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    """Alerts have distinct names, a severity, a sentence and a next step, and name commands that exist."""
    from pytest_golive.cli import COMMANDS

    found = rules()
    assert len({rule["alert"] for rule in found}) == len(found)
    for rule in found:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
        for command in re.findall(r"`golive ([a-z-]+)", rule["annotations"]["description"]):
            assert command in COMMANDS


def test_no_panel_covers_another() -> None:
    """The panels of the dashboard lie side by side on Grafana's 24 columns, each with a number of its own."""
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    boxes = [panel["gridPos"] for panel in panels]
    assert all(box["x"] + box["w"] <= 24 for box in boxes)
    for one, other in itertools.combinations(boxes, 2):
        apart_across = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert apart_across or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
