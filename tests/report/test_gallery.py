"""The pages that stand for all pages: each is what it says it is."""

from __future__ import annotations

import re

import pytest

from pytest_golive import report
from pytest_golive.signing.keys import SessionKey
from tests.report import gallery


@pytest.fixture(scope="module")
def pages(key: SessionKey) -> dict[str, bytes]:
    """Every page of the gallery."""
    return gallery.pages(key)


def test_every_page_verifies(pages: dict[str, bytes], key: SessionKey) -> None:
    """Each page verifies byte for byte, and its name says what it shows and how often it was signed."""
    for name, page in pages.items():
        verified = report.verify(page, [key.public])
        assert len(verified.approvals) == (2 if name.endswith("-signed") else 0) - name.endswith("half-signed")
        word = re.findall(rb"<title>([A-Z-]+(?: WITH WARNINGS)?):", page)[0].decode()
        assert name.startswith(word.lower().replace(" ", "-")) or name == "rehearsal"
