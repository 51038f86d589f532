"""The sign-off page: one HTML file that people read and sign, and that a machine can hold against its evidence.

The bytes of a page are a pure function of the template version, the signed evidence and the approvals. So a page is verified by
rendering it again: what the signed evidence would not have rendered, was put there by somebody else.
"""

from __future__ import annotations

from pytest_golive.report.render import render
from pytest_golive.report.signoff import MAX_APPROVALS, presentation
from pytest_golive.report.verify import MAX_PAGE, Extracted, VerifiedReport, extract, undamaged, verify

__all__ = ["MAX_APPROVALS", "MAX_PAGE", "Extracted", "VerifiedReport", "extract", "presentation", "render", "undamaged", "verify"]
