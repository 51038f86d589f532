"""golive.yaml: the document's names and defaults, strictly read, and no secret in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_golive import config
from pytest_golive.errors import ConfigError
from pytest_golive.model import Phase


def load(tmp_path: Path, text: str, **environ: str) -> config.Settings:
    path = tmp_path / "golive.yaml"
    path.write_text(text)
    return config.load(path, environ)


def refused(tmp_path: Path, text: str, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, **environ)
    return str(caught.value)


def test_the_defaults_activate_nothing(tmp_path: Path) -> None:
    """A file that says only its version has the document's defaults, of which the first is: not enabled."""
    settings = load(tmp_path, "version: 1\n")
    assert settings.activation_enabled is False
    assert settings.phases == [Phase.PRE_DEPLOY, Phase.SIGN_OFF]
    assert settings.target.allow_acting is False
    assert settings.marker == tmp_path / "go_live.active"
    assert settings.stop_files == (tmp_path / "EMERGENCY_STOP",)


def test_variables_are_kept_as_they_are_written_too(tmp_path: Path) -> None:
    """What an item demands is told from what is written, so that it does not change with an address."""
    text = "version: 1\ntarget: {variables: {api: '${env:API}/x', most: 3}}\n"
    settings = load(tmp_path, text, API="http://one")
    assert settings.target.variables == {"api": "http://one/x", "most": 3}
    assert settings.declared == {"api": "${env:API}/x", "most": 3}
    assert "unknown key 'declared'" in refused(tmp_path, "version: 1\ndeclared: {}\n")


def test_who_may_waive_and_for_how_long_has_safe_defaults(tmp_path: Path) -> None:
    """Nobody but the quorum, and thirty days; a life of no time is refused."""
    signoff = load(tmp_path, "version: 1\n").signoff
    assert (signoff.waiver_roles, signoff.max_waiver) == ([], 30 * 86400)
    assert "no time" in refused(tmp_path, "version: 1\nsignoff: {max_waiver: 0s}\n")
    assert "needs a unit" in refused(tmp_path, "version: 1\nsignoff: {max_waiver: 30}\n")


def test_the_digest_is_of_the_bytes(tmp_path: Path) -> None:
    """Two files that mean the same but differ in a byte have different digests."""
    assert load(tmp_path, "version: 1\n").sha256 != load(tmp_path, "version: 1 \n").sha256


def test_addresses_come_from_the_environment(tmp_path: Path) -> None:
    """`${env:NAME}` takes an address from the environment, and the digest stays the same."""
    text = "target: {variables: {api: '${env:API}/v1'}}\n"
    one, two = load(tmp_path, text, API="http://a"), load(tmp_path, text, API="http://b")
    assert (one.target.variables["api"], two.target.variables["api"]) == ("http://a/v1", "http://b/v1")
    assert one.sha256 == two.sha256


@pytest.mark.parametrize("name", ["API_SECRET", "BROKER_TOKEN", "DB_PASSWORD", "COINBASE_API_KEY"])
def test_secrets_do_not_come_from_the_environment(tmp_path: Path, name: str) -> None:
    """A variable that looks like a secret is refused, and its value is not told."""
    told = refused(tmp_path, f"target: {{variables: {{x: '${{env:{name}}}'}}}}\n", **{name: "hunter2hunter2"})
    assert f"{name} looks like a secret" in told
    assert "hunter2" not in told


@pytest.mark.parametrize("text", ["", "[]", "- a\n", "7"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    """An empty file and a list are no settings."""
    assert refused(tmp_path, text)


def test_our_own_fields_cannot_be_written(tmp_path: Path) -> None:
    """Where the file lies and what it digests to is not for the file to say."""
    assert "unknown key 'sha256'" in refused(tmp_path, "sha256: abc\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("enviroment: x\n", "unknown key 'enviroment' - did you mean 'environment'?"),
        ("target: {nam: x}\n", "unknown key 'target.nam' - did you mean 'name'?"),
        ("min_testnet_trades: -1\n", "min_testnet_trades"),
        ("min_testnet_trades: 3.5\n", "min_testnet_trades"),
        ("allowed_profiles: [micro, huge]\n", "allowed_profiles"),
        ("activation: {valid_for: 1month}\n", "activation.valid_for"),
        ("mode: {DRY_RUN_MODE: {live: 'false'}}\n", "'mode.DRY_RUN_MODE.safe' is required"),
        ("activation: {answers: {risk: x}}\n", "unknown key 'activation.answers.risk'"),
        ("phases: []\n", "phases"),
    ],
)
def test_faults_have_words(tmp_path: Path, text: str, message: str) -> None:
    """Each fault names the key and what is expected."""
    assert message in refused(tmp_path, text)


def test_staging_may_skip_the_preflight(tmp_path: Path) -> None:
    """Only production insists on its preflight."""
    assert load(tmp_path, "environment: staging\nrequired_preflight: false\n").required_preflight is False
    assert "cannot be switched off for production" in refused(tmp_path, "required_preflight: false\n")


def test_a_roster_that_is_edited_is_no_dirt(tmp_path: Path) -> None:
    """Its digest is signed by itself and the quorum tells the change; a work tree is not dirty by it."""
    path = tmp_path / "golive.yaml"
    path.write_text("version: 1\nroster: people.toml\n")
    assert tmp_path / "people.toml" in config.load(path, {}).beside


@pytest.mark.parametrize("life", ["0s", "-1h", "24"])
def test_an_approval_lives_for_some_time(tmp_path: Path, life: str) -> None:
    """A life of nothing, or without a unit, is refused where it is written."""
    path = tmp_path / "golive.yaml"
    path.write_text(f"version: 1\nsignoff: {{max_approval: {life}}}\n")
    with pytest.raises(ConfigError, match="max_approval"):
        config.load(path, {})
