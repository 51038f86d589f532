"""The paper run and the source repository: made once, true to what they say, and the same whenever they are made."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from examples.desk.ledger import Ledger
from examples.desk.routing import history, repository

NOW = datetime(2026, 5, 4, 15, 30, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with a paper run."""
    made = Ledger(tmp_path / "ledger.sqlite")
    history.run(made, NOW)
    yield made
    made.close()


def test_the_paper_run_reproduces_the_figures_of_the_plan(ledger: Ledger) -> None:
    """R103k of equity and a win rate of 66.7 %, from at least thirty days of trades with fees, losses and partial fills."""
    trades = ledger.rows("SELECT * FROM helios_trades WHERE account = 'paper'")
    profits = [Decimal(trade["profit"]) for trade in trades]
    assert 103_000 <= history.OPENING + sum(profits) < 104_000
    assert round(Decimal(sum(profit > 0 for profit in profits)) / len(profits) * 100, 1) == Decimal("66.7")
    states = {row["state"] for row in ledger.rows("SELECT DISTINCT state FROM helios_orders")}
    assert {"filled", "partial", "failed"} <= states
    days = {trade["closed_at"][:10] for trade in trades}
    assert (datetime.fromisoformat(max(days)) - datetime.fromisoformat(min(days))).days >= 30


def test_the_cash_of_the_paper_account_is_its_opening_and_its_profit(ledger: Ledger) -> None:
    """Balances and trades are two books of the same thing."""
    (cash,) = ledger.rows("SELECT amount FROM helios_holdings WHERE account = 'paper' AND asset = 'ZAR'")
    profit = ledger.total("SELECT profit FROM helios_trades WHERE account = 'paper'")
    assert abs(Decimal(cash["amount"]) - history.OPENING - profit) < Decimal("0.000001")


def test_a_recent_run_is_kept_and_an_old_one_is_run_anew(ledger: Ledger) -> None:
    """Nothing is doubled: an old run is replaced."""
    before = ledger.rows("SELECT id, closed_at FROM helios_trades ORDER BY id")
    assert history.ensure(ledger, NOW + timedelta(days=1)) is False
    assert ledger.rows("SELECT id, closed_at FROM helios_trades ORDER BY id") == before
    assert history.ensure(ledger, NOW + timedelta(days=30)) is True
    after = ledger.rows("SELECT id, closed_at FROM helios_trades ORDER BY id")
    assert len(after) == len(before)
    assert max(row["closed_at"] for row in after) > max(row["closed_at"] for row in before)


def git(tree: Path, *words: str, ok: bool = True) -> str:
    """What git says; with `ok` false it must refuse."""
    done = subprocess.run(
        ["git", "-c", "user.name=T", "-c", "user.email=t@desk.invalid", *words],
        cwd=tree, capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(tree)},
    )  # fmt: skip
    assert (done.returncode == 0) is ok, done.stderr
    return done.stdout.strip()


def test_the_repository_is_what_runs_and_is_pushed(tmp_path: Path) -> None:
    """Clean, at the remote's commit, with both branches, and each source byte for byte what this process was started from."""
    assert repository.bring(tmp_path, NOW) == ()
    tree = tmp_path / "helios"
    assert git(tree, "status", "--porcelain") == ""
    assert git(tree, "rev-parse", "HEAD") == git(tmp_path / "helios-remote.git", "rev-parse", "main")
    assert repository.FEATURE in git(tree, "branch", "--format=%(refname:short)").split()
    for place, name in repository.SOURCES.items():
        assert (tree / place).read_bytes() == (Path(repository.__file__).parent / name).read_bytes()


def test_a_second_start_commits_nothing_and_edits_of_people_stay(tmp_path: Path) -> None:
    """Only a clean tree with older code is brought up to date."""
    repository.bring(tmp_path, NOW)
    tree = tmp_path / "helios"
    head = git(tree, "rev-parse", "HEAD")
    repository.bring(tmp_path, NOW)
    assert git(tree, "rev-parse", "HEAD") == head
    edited = tree / "src" / "trading" / "execution" / "clients.py"
    edited.write_text("# mine\n")
    repository.bring(tmp_path, NOW)
    assert (edited.read_text(), git(tree, "rev-parse", "HEAD")) == ("# mine\n", head)
    git(tree, "commit", "-qam", "chore(old): older code")
    repository.bring(tmp_path, NOW)
    assert edited.read_text() != "# mine\n"
    assert git(tree, "status", "--porcelain") == ""


def test_the_remote_refuses_what_its_protection_says(tmp_path: Path) -> None:
    """No push without a review, no rewriting, no deletion; a reviewed commit goes."""
    repository.bring(tmp_path, NOW)
    tree = tmp_path / "helios"
    git(tree, "commit", "-q", "--allow-empty", "-m", "fix(engine): nobody has seen this")
    git(tree, "push", "-q", "origin", "main", ok=False)
    git(tree, "commit", "-q", "--amend", "--allow-empty", "-m", "fix(engine): seen\n\nReviewed-by: Ada <ada@desk.invalid>")
    git(tree, "push", "-q", "origin", "main")
    git(tree, "reset", "-q", "--hard", "HEAD~1")
    git(tree, "push", "-q", "--force", "origin", "main", ok=False)
    git(tree, "push", "-q", "origin", ":main", ok=False)
