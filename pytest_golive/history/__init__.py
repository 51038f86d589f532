"""What the journal tells of months: runs and their rate of passing, activations and how they ended, what blocked most often.

A view, never a second book: all of it is computed from the records each time it is asked for.
"""

from __future__ import annotations

from pytest_golive.history.attempts import STOOD, Attempt, analysis, as_csv, attempts
from pytest_golive.history.chronicle import Chronicle, Rate, chronicle
from pytest_golive.history.forms import as_html, as_json

__all__ = ["STOOD", "Attempt", "Chronicle", "Rate", "analysis", "as_csv", "as_html", "as_json", "attempts", "chronicle"]
