"""pytest-golive: a go-live checklist as a gate.

Importing this package imports neither pytest nor yaml, so that a trading process can import its guard and nothing else.
"""

from __future__ import annotations

__version__ = "0.1.0"

__all__ = ["__version__"]
