"""Which modules a pytest run holds at its end; arguments are those of pytest, the last line of output is a JSON list."""

from __future__ import annotations

import json
import sys

import pytest

pytest.main(sys.argv[1:])
print()
print(json.dumps(sorted(sys.modules)))
