"""Pages that earlier versions of the template made still render to their own bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_golive import report
from pytest_golive.errors import ReportRejected
from pytest_golive.signing.keys import PublicKey

PAGES = Path(__file__).parent / "pages"


@pytest.mark.parametrize("version", [1])
def test_a_page_of_an_older_template_verifies(version: int) -> None:
    """A page that was kept from the time of its template is rendered again to the same bytes and verifies."""
    page = (PAGES / f"template-{version}.html").read_bytes()
    key = PublicKey.parse((PAGES / f"template-{version}.pub").read_text(encoding="ascii"))
    verified = report.verify(page, [key])
    assert verified.payload["predicate"]["golive"]["template"] == version
    assert verified.payload["predicate"]["golive"]["decision"]["word"] == "NO-GO"


def test_a_page_of_template_1_takes_no_approvals() -> None:
    """Template 1 has no place to show approvals, and nothing unseen may be in a page."""
    envelope = report.extract((PAGES / "template-1.html").read_bytes()).envelope
    with pytest.raises(ReportRejected, match="template 1 cannot show them"):
        report.render(envelope, ["{}"])
